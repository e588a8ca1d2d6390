# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read what a rollout is decided on, and wait for its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import (
    read_parts,
    read_pods,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import pod_facts, selector_text
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    PREVIOUS_STRATEGY,
    World,
    owned_revisions,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import NO_SURGE
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollouts import rollout_state
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import autoscaler_of

POLL_S = 1.0
PUT_BACK_ATTEMPTS = 5  # the controller writes the status at the same time
REVISIONS, AUTOSCALERS = "revisions", "autoscalers"
WHAT_IS_NOT_SEEN = {
    REVISIONS: "earlier revisions could not be read, so earlier restarts are not seen",
    AUTOSCALERS: "autoscalers could not be read, so whether one scales the workload is not known",
}


def read_world(cluster: Cluster, kind: str, name: str, *, autoscalers: bool) -> World:
    """Read the workload, the revisions that it keeps, and the autoscaler.

    Args:
        cluster: where.
        kind: ``Deployment``, ``StatefulSet`` or ``DaemonSet``.
        name: of the workload.
        autoscalers: whether they are of interest.

    Raises:
        KubernetesError: the workload could not be read; what else could not is noted in ``gaps``.
    """
    workload = {"kind": kind, **cluster.get(cluster.workload_path(kind, name))}
    resource = "replicasets" if kind == "Deployment" else "controllerrevisions"
    parts: dict[str, Callable[[], Any]] = {}
    try:
        labels = selector_text(workload["spec"].get("selector"))
    except (KeyError, ValueError):
        labels = None  # nothing is selected, so there is no revision that belongs to it
    if labels:
        parts[REVISIONS] = lambda: cluster.list(cluster.path("apps/v1", resource), labelSelector=labels)
    if autoscalers:
        parts[AUTOSCALERS] = lambda: cluster.list(cluster.path("autoscaling/v2", "horizontalpodautoscalers"))
    answers = read_parts(parts)
    unread = answers.failures.get(REVISIONS)
    return World(
        workload,
        owned_revisions(answers.values.get(REVISIONS, []), str(workload["metadata"].get("uid"))),
        autoscaler_of(kind, name, answers.values.get(AUTOSCALERS, [])),
        AUTOSCALERS not in answers.failures,
        [f"{WHAT_IS_NOT_SEEN[part]}: {failure.text}" for part, failure in answers.failures.items()],
        f"{unread.text}; {unread.next_step}" if unread else None,
    )


@dataclass(frozen=True)
class Waited:
    """How the waiting for a rollout ended.

    Attributes:
        workload: the object as last seen; ``None`` when it could not be read any more.
        state: as ``rollout_state`` gives it, of that object.
        waited_s: seconds.
        failure: why it could not be read last.
    """

    workload: Mapping[str, Any] | None
    state: Mapping[str, Any]
    waited_s: float
    failure: Failure | None = None


def wait_for_rollout(cluster: Cluster, kind: str, name: str, wait_s: float) -> Waited:
    """Look until the rollout is done or has failed, at most for *wait_s* seconds. The only place that sleeps.

    A look that fails is no answer: it goes on until the time is over.
    """
    started = time.monotonic()
    workload: Mapping[str, Any] | None = None
    while True:
        failure = None
        try:
            workload = cluster.get(cluster.workload_path(kind, name))
        except KubernetesError as error:
            failure = error.failure
        state = rollout_state(kind, workload) if workload else {"done": False, "failed": False}
        waited = time.monotonic() - started
        if (not failure and (state["done"] or state["failed"])) or waited + POLL_S > wait_s:
            return Waited(workload, state, round(waited, 1), failure)
        time.sleep(POLL_S)


def put_back(cluster: Cluster, kind: str, name: str, strategy: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put a strategy back that was changed for one rollout; it makes no new one. Returns the workload.

    Args:
        cluster: where.
        kind: of the workload.
        name: of the workload.
        strategy: the one before. Whoever has set another one since is left alone.

    Raises:
        KubernetesError: the cluster does not take it.
    """
    path = cluster.workload_path(kind, name)
    for attempt in range(1, PUT_BACK_ATTEMPTS + 1):
        workload = cluster.get(path)
        metadata = {
            "resourceVersion": workload["metadata"]["resourceVersion"],
            "annotations": {PREVIOUS_STRATEGY: None},
        }
        ours = workload["spec"].get("strategy") == NO_SURGE
        spec = {"spec": {"strategy": {"$patch": "replace", **strategy}}} if ours else {}
        try:
            return cluster.patch(path, {"metadata": metadata, **spec})
        except KubernetesError as error:
            if error.failure.cause != "conflict" or attempt == PUT_BACK_ATTEMPTS:
                raise
    raise AssertionError("the loop returns or raises")


def unready_pods(cluster: Cluster, kind: str, workload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the workload's pods that are not ready, with the reason; nothing when they cannot be read."""
    facts = [pod_facts(pod) for pod in read_pods(cluster, kind, workload).mine]
    keys = ("name", "phase", "deleting", "restarts", "reason")
    return [{key: pod[key] for key in keys} for pod in facts if not pod["ready"]]
