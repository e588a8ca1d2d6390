# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Reads that several modules share: independent parts at the same time, a workload, and the pods that are its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
    problem,
    unknown_part,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import owned, selector_text

# the API server itself has answered, so that the cluster is there
ANSWERED = frozenset({"forbidden", "not_found", "conflict", "expired", "invalid", "throttled"})


@dataclass
class Answers:
    """What parallel reads gave.

    Attributes:
        values: by part, of those that worked.
        failures: by part, of those that did not.
    """

    values: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)


@dataclass(frozen=True)
class Pods:
    """The pods with a workload's labels.

    Attributes:
        mine: those that it owns.
        strays: others that wear its labels.
        failures: why pods or ReplicaSets could not be listed, by part.
        answers: of the further reads.
        replica_sets: those with its labels; ``None`` where they could not be read.
    """

    mine: list[Mapping[str, Any]]
    strays: list[Mapping[str, Any]]
    failures: dict[str, Failure]
    answers: Answers
    replica_sets: list[Mapping[str, Any]] | None = None


def read_parts(parts: Mapping[str, Callable[[], Any]], parallel: int = 16) -> Answers:
    """Do independent reads at the same time; a failed one is kept and does not stop the others."""
    answers = Answers()
    if not parts:
        return answers
    with ThreadPoolExecutor(min(len(parts), parallel), thread_name_prefix="kubernetes") as pool:
        pending = {name: pool.submit(read) for name, read in parts.items()}
    for name, outcome in pending.items():
        try:
            answers.values[name] = outcome.result()
        except KubernetesError as error:
            answers.failures[name] = error.failure
    return answers


def read_pods(
    cluster: Cluster, kind: str, workload: Mapping[str, Any], further: Mapping[str, Callable[[], Any]] | None = None
) -> Pods:
    """Read the pods of a workload, and at the same time whatever else is wanted.

    Args:
        kind: its kind.
        workload: the object as read.
        further: other independent reads by part.
    """
    parts: dict[str, Callable[[], Any]] = dict(further or {})
    failures: dict[str, Failure] = {}
    try:
        labels = selector_text((workload.get("spec") or {}).get("selector"))
    except ValueError as error:
        failures["pods"] = Failure("invalid", f"the workload's selector cannot be used: {error}")
    else:
        parts["pods"] = lambda: cluster.list(cluster.path("v1", "pods"), labelSelector=labels)
        if kind == "Deployment":
            path = cluster.path("apps/v1", "replicasets")
            parts["replicasets"] = lambda: cluster.list(path, labelSelector=labels)
    answers = read_parts(parts)
    failures |= {part: answers.failures.pop(part) for part in ("pods", "replicasets") if part in answers.failures}
    replica_sets = answers.values.pop("replicasets", None if kind == "Deployment" else [])
    mine, strays = owned(answers.values.pop("pods", []), workload, replica_sets)
    return Pods(mine, strays, failures, answers, replica_sets)


def nothing_read() -> dict[str, Any]:
    """The part of a diagnosing module's result that says whether the cluster could be asked."""
    return {
        "changed": False,
        "reachable": False,
        "cause": None,
        "message": None,
        "hint": None,
        "denied": [],
        "unknown": [],
    }


def unreadable(failure: Failure) -> dict[str, Any]:
    """The same for a read that failed altogether: not reachable, or answered with a refusal."""
    return {"reachable": failure.cause in ANSWERED, **problem(failure)}


def add_unknown(result: dict[str, Any], failures: Mapping[str, Failure]) -> None:
    """Note the parts that could not be read in ``unknown`` and their missing permissions in ``denied``."""
    for part, failure in failures.items():
        result["unknown"].append(unknown_part(part, failure))
        if failure.denied and failure.denied not in result["denied"]:
            result["denied"].append(failure.denied)
