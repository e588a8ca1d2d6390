# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout is done, waiting or failed exactly where kubectl says so."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollouts import rollout_state

PROGRESSING = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
DEADLINE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: pods"}


def deployment(
    *,
    replicas: int | None = 3,
    generation: int = 2,
    observed: int = 2,
    status: tuple[int, int, int] = (3, 3, 3),
    conditions: tuple[dict[str, str], ...] = (PROGRESSING,),
    **spec: Any,
) -> dict[str, Any]:
    updated, total, available = status
    return {
        "metadata": {"generation": generation},
        "spec": {"replicas": replicas, **spec},
        "status": {
            "observedGeneration": observed,
            "updatedReplicas": updated,
            "replicas": total,
            "availableReplicas": available,
            "conditions": list(conditions),
        },
    }


@pytest.mark.parametrize(
    ("workload", "reason", "says"),
    [
        (deployment(), "Complete", "3 replicas"),
        (deployment(observed=1), "NotObserved", "not seen"),
        (deployment(observed=3), "Complete", ""),
        (deployment(status=(1, 4, 3)), "Updating", "1 of 3 new replicas"),
        (deployment(status=(1, 4, 3), paused=True), "Paused", "paused"),
        (deployment(paused=True), "Complete", ""),
        (deployment(status=(3, 4, 3)), "OldPodsTerminating", "1 old replicas"),
        (deployment(status=(3, 3, 2)), "NotAvailable", "2 of 3"),
        (deployment(status=(3, 3, 2), conditions=(QUOTA,)), "NotAvailable", "exceeded quota"),
        (deployment(status=(1, 4, 3), conditions=(DEADLINE,)), "ProgressDeadlineExceeded", "deadline"),
        (deployment(observed=1, conditions=(DEADLINE,)), "NotObserved", ""),
        (deployment(replicas=0, status=(0, 0, 0)), "Complete", ""),
        (deployment(replicas=None, status=(0, 0, 0)), "Complete", ""),
    ],
)
def test_deployment(workload: dict[str, Any], reason: str, says: str) -> None:
    state = rollout_state("Deployment", workload)
    assert state["reason"] == reason
    assert state["done"] == (reason == "Complete")
    assert state["failed"] == (reason == "ProgressDeadlineExceeded")
    assert says in state["message"]


def stateful_set(
    *,
    strategy: dict[str, Any] | None = None,
    observed: int | None = 2,
    ready: int = 3,
    updated: int = 3,
    revisions: tuple[str, str] = ("b", "b"),
) -> dict[str, Any]:
    return {
        "metadata": {"generation": 2},
        "spec": {"replicas": 3, "updateStrategy": strategy or {"type": "RollingUpdate"}},
        "status": {
            "observedGeneration": observed,
            "readyReplicas": ready,
            "updatedReplicas": updated,
            "updateRevision": revisions[0],
            "currentRevision": revisions[1],
        },
    }


def rolling(partition: int | None) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": {} if partition is None else {"partition": partition}}


@pytest.mark.parametrize(
    ("workload", "reason", "says"),
    [
        (stateful_set(), "Complete", "revision b"),
        (stateful_set(observed=None), "NotObserved", ""),
        (stateful_set(ready=2), "NotAvailable", "1 of 3"),
        (stateful_set(revisions=("c", "b"), updated=1), "Updating", "1 pods are at revision c"),
        (stateful_set(strategy=rolling(0), updated=2), "Updating", "2 of 3"),
        (stateful_set(strategy=rolling(0)), "Complete", ""),
        (stateful_set(strategy=rolling(None), updated=2), "Updating", "2 of 3"),
        (stateful_set(strategy=rolling(2), updated=1, revisions=("c", "b")), "Complete", "ordinal 2"),
        (stateful_set(strategy=rolling(2), updated=0, revisions=("c", "b")), "Updating", "0 of 1"),
        (stateful_set(strategy={"type": "OnDelete"}), "Complete", ""),
        (stateful_set(strategy={"type": "OnDelete"}, revisions=("c", "b")), "OnDelete", "deletes them"),
    ],
)
def test_stateful_set(workload: dict[str, Any], reason: str, says: str) -> None:
    state = rollout_state("StatefulSet", workload)
    assert state["reason"] == reason
    assert (state["done"], state["failed"]) == (reason == "Complete", reason == "OnDelete")
    assert says in state["message"]


@pytest.mark.parametrize(
    ("updated", "available", "strategy", "reason"),
    [
        (4, 4, "RollingUpdate", "Complete"),
        (3, 4, "RollingUpdate", "Updating"),
        (4, 3, "RollingUpdate", "NotAvailable"),
        (4, 4, "OnDelete", "Complete"),
        (3, 4, "OnDelete", "OnDelete"),
    ],
)
def test_daemon_set(updated: int, available: int, strategy: str, reason: str) -> None:
    workload = {
        "metadata": {"generation": 1},
        "spec": {"updateStrategy": {"type": strategy}},
        "status": {
            "observedGeneration": 1,
            "desiredNumberScheduled": 4,
            "updatedNumberScheduled": updated,
            "numberAvailable": available,
        },
    }
    assert rollout_state("DaemonSet", workload)["reason"] == reason
