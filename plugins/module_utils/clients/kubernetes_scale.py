# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read what the size of a workload is decided on, and wait until its pods are there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import read_parts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollouts import rollout_state
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.scale_facts import find_autoscaler

POLL_S = 0.5
AUTOSCALERS, QUOTAS = "autoscalers", "quotas"
AUTOSCALING = "autoscaling/v2"


@dataclass(frozen=True)
class Capacity:
    """What was read.

    Attributes:
        workload: the object, with ``kind``.
        autoscaler: the object that scales it; ``None`` for none, or when they could not be read.
        quotas: the namespace's ResourceQuotas.
        failures: why autoscalers or quotas could not be read, by part.
    """

    workload: Mapping[str, Any]
    autoscaler: Mapping[str, Any] | None
    quotas: list[Mapping[str, Any]]
    failures: Mapping[str, Failure]


def read_capacity(cluster: Cluster, kind: str, name: str) -> Capacity:
    """Read a workload, its autoscaler and the quotas at the same time.

    Raises:
        KubernetesError: the workload could not be read.
    """
    answers = read_parts(
        {
            "workload": lambda: cluster.get(cluster.workload_path(kind, name)),
            AUTOSCALERS: lambda: cluster.list(cluster.path(AUTOSCALING, "horizontalpodautoscalers")),
            QUOTAS: lambda: cluster.list(cluster.path("v1", "resourcequotas")),
        }
    )
    if "workload" in answers.failures:
        raise KubernetesError(f"Reading {kind} {name}", answers.failures["workload"])
    return Capacity(
        {"kind": kind, **answers.values["workload"]},
        find_autoscaler(kind, name, answers.values.get(AUTOSCALERS, [])),
        answers.values.get(QUOTAS, []),
        answers.failures,
    )


@dataclass(frozen=True)
class Grown:
    """How the waiting ended.

    Attributes:
        workload: as last seen; ``None`` when it could not be read any more.
        done: whether it has the wanted pods, all available.
        message: what it waits for, or that it is done.
        waited_s: seconds.
    """

    workload: Mapping[str, Any] | None
    done: bool
    message: str
    waited_s: float


def wait_for_pods(cluster: Cluster, kind: str, name: str, replicas: int, wait_s: float) -> Grown:
    """Look until a workload has at least so many pods, all available, at most for *wait_s* seconds.

    A look that fails is no answer: it goes on until the time is over.
    """
    started = time.monotonic()
    workload: Mapping[str, Any] | None = None
    while True:
        try:
            workload = cluster.get(cluster.workload_path(kind, name))
            done, message = _state(kind, workload, replicas)
        except KubernetesError as error:
            done, message = False, f"the cluster could not be asked: {error.failure.text}"
        waited = time.monotonic() - started
        if done or waited + POLL_S > wait_s:
            return Grown(workload, done, message, round(waited, 1))
        time.sleep(POLL_S)


def _state(kind: str, workload: Mapping[str, Any], replicas: int) -> tuple[bool, str]:
    wanted = int((workload.get("spec") or {}).get("replicas") or 0)
    if wanted < replicas:
        return False, f"the autoscaler still wants {wanted} pods"
    state = rollout_state(kind, workload)
    return bool(state["done"]), str(state.get("message"))
