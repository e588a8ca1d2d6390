# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's faults in the cluster's workloads, as data: what is broken, and by which steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from incident_runbooks.lab.workloads.faults import BACKEND, METRIC_WORKER, VARIABLE, Parameters


@dataclass(frozen=True)
class Environment:
    """Variables set in a Deployment's template, which rolls it out. Undone by a rollback."""

    workload: str
    variables: Mapping[str, str]


@dataclass(frozen=True)
class FaultFile:
    """A call of :func:`.faults.inject`. Undone by :func:`.faults.withdraw`, and by a restart unless it survives that.

    Attributes:
        pods: how many pods are hit, by name; 0 are all.
    """

    workload: str
    fault: str
    parameters: Parameters = field(default_factory=dict)
    pods: int = 0
    survives_restart: bool = False


@dataclass(frozen=True)
class SecretDeleted:
    """A Secret that is gone; pods that run keep what they have, those that start later do not start."""

    name: str


@dataclass(frozen=True)
class Restart:
    """A rollout restart of a Deployment, so that a step shows."""

    workload: str


Step = Environment | FaultFile | SecretDeleted | Restart


@dataclass(frozen=True)
class Scenario:
    """One way to break the platform.

    Attributes:
        what: in the operator's words.
        steps: in their order.
        cured_by_restart: a rollout restart of the backend makes it well.
    """

    what: str
    steps: tuple[Step, ...]
    cured_by_restart: bool = False


# 2 pods x 8 + 1 of the metric worker are the server's 17 slots
LEAKING_POOL_MAX = 8

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "backend-leak": Scenario(
            "the backend leaks connections, with a pool that is too large for the server: every slot is taken",
            (
                Environment(BACKEND, {"TYPEORM_POOL_MAX": str(LEAKING_POOL_MAX)}),
                FaultFile(BACKEND, "leak"),
            ),
            cured_by_restart=True,
        ),
        "backend-pool-leak": Scenario(
            "the backend leaks connections within its pool: requests time out while the server has free slots",
            (FaultFile(BACKEND, "leak"),),
            cured_by_restart=True,
        ),
        "backend-errors": Scenario(
            "Stripe's API fails, the backend logs it",
            (FaultFile(BACKEND, "errors", {"error": "stripe_api"}, survives_restart=True),),
        ),
        "backend-unready": Scenario(
            "one backend pod is not ready",
            (FaultFile(BACKEND, "unready", pods=1),),
            cured_by_restart=True,
        ),
        "backend-crash-loop": Scenario(
            "one backend pod crashes again and again, with its error only in the log before",
            (FaultFile(BACKEND, "crash", {"error": "jwt_missing"}, pods=1, survives_restart=True),),
        ),
        "backend-slow-start": Scenario(
            "backend pods listen only after 20 s",
            (Environment(BACKEND, {VARIABLE: json.dumps({"slow-start": {"seconds": 20}})}),),
        ),
        "backend-out-of-memory": Scenario(
            "one backend pod grows beyond its memory limit, again after each restart",
            (FaultFile(BACKEND, "memory", pods=1, survives_restart=True),),
        ),
        "jwt-secret-missing": Scenario(
            "the Secret jwt-secret is gone: new backend pods do not start",
            (SecretDeleted("jwt-secret"), Restart(BACKEND)),
        ),
        "metric-worker-rate-limited": Scenario(
            "a platform limits the metric worker, which ingests nothing",
            (FaultFile(METRIC_WORKER, "errors", {"error": "rate_limit_exceeded"}, survives_restart=True),),
        ),
    }
)
