# SPDX-License-Identifier: GPL-3.0-or-later
"""PodDisruptionBudgets: how many pods may be evicted, and whether one may.

Source: pkg/controller/disruption/disruption.go and pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.controllers import owners, pods, rollout
from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.history import DELETED, Change
from incident_runbooks.lab.cluster.resources import DISRUPTION_BUDGETS, PODS, by_kind
from incident_runbooks.lab.cluster.store import Store, now
from incident_runbooks.lab.cluster.writes import selectors

Json = dict[str, Any]

_MANY = 429
_FORGET_S = 120.0  # an eviction that has not happened by then does not happen
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


class DisruptionBudgets(Controller):
    """Follows budgets, pods and what they belong to."""

    component = "controllermanager"

    def concerns(self, change: Change) -> Iterable[Key]:
        """The budget, or those over a pod; all of a namespace when a workload is scaled."""
        namespace = change.object["metadata"].get("namespace", "")
        if change.resource is DISRUPTION_BUDGETS and change.type != DELETED:
            yield namespace, change.object["metadata"]["name"]
        elif change.resource is PODS:
            yield from (_key(each) for each in budgets_of(self.store, change.object))
        elif change.resource.group == "apps" and "scale" in change.resource.subresources:
            yield from (_key(each) for each in self.store.all(DISRUPTION_BUDGETS, namespace))

    def reconcile(self, key: Key) -> float | None:
        """Write the status of a budget."""
        budget = self.store.find(DISRUPTION_BUDGETS, *key)
        if budget is None:
            return None
        members = [pod for pod in self.store.all(PODS, key[0]) if _is_over(budget, pod) and pods.is_active(pod)]
        waiting = _waiting(budget, members)
        healthy = sum(pods.is_ready(pod) and pod["metadata"]["name"] not in waiting for pod in members)
        expected, desired = self._expected(budget, members)
        allowed = max(0, healthy - desired) if expected > 0 else 0
        status: Json = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "disruptionsAllowed": allowed,
            "observedGeneration": budget["metadata"]["generation"],
            "conditions": [_condition(budget, allowed)],
        }
        if waiting:
            status["disruptedPods"] = waiting
        if status != budget.get("status"):
            self.store.update(DISRUPTION_BUDGETS, {**budget, "status": status}, status=True)
        return _FORGET_S if waiting else None

    def _expected(self, budget: Json, members: list[Json]) -> tuple[int, int]:
        """Return how many pods there should be, and how many of them healthy."""
        limit, least = budget["spec"].get("maxUnavailable"), budget["spec"].get("minAvailable")
        if limit is not None:
            expected = self._scale_of(members)
            return expected, max(0, expected - rollout.scaled(limit, expected, up=True))
        if isinstance(least, str) and least.endswith("%"):
            expected = self._scale_of(members)
            return expected, rollout.scaled(least, expected, up=True)
        return len(members), int(least or 0)

    def _scale_of(self, members: list[Json]) -> int:
        """Return the sum of the replicas that the workloads of pods want."""
        found: dict[str, int] = {}
        for pod in members:
            workload = _workload(self.store, pod)
            if workload is not None:
                found[workload["metadata"]["uid"]] = int(workload["spec"].get("replicas", 1))
        return sum(found.values())


def budgets_of(store: Store, pod: Json) -> list[Json]:
    """Return the budgets over a pod."""
    return [each for each in store.all(DISRUPTION_BUDGETS, pod["metadata"]["namespace"]) if _is_over(each, pod)]


def check(cluster: Cluster, pod: Json, *, dry_run: bool = False) -> None:
    """Count an eviction that is about to happen against the pod's budget.

    Args:
        cluster: whose budgets count.
        pod: which is to go.
        dry_run: only say whether it may.

    Raises:
        ApiError: 429, the budget does not allow it now; 500, there are several.
    """
    if not pods.is_active(pod) or pods.phase(pod) == "Pending":
        return
    over = budgets_of(cluster.store, pod)
    if len(over) > 1:
        raise ApiError(
            500,
            "InternalError",
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        )
    if not over:
        return
    budget, name = over[0], pod["metadata"]["name"]
    status = budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
        said = f"The disruption budget {budget['metadata']['name']} is still being processed by the server."
        raise _refusal(said, 10)
    if not pods.is_ready(pod) and _frees_unhealthy(budget):
        return
    if status["disruptionsAllowed"] <= 0:
        said = (
            f"The disruption budget {budget['metadata']['name']} needs {status['desiredHealthy']} healthy pods "
            f"and has {status['currentHealthy']} currently"
        )
        raise _refusal(said)
    if dry_run:
        return
    status = {
        **status,
        "disruptionsAllowed": status["disruptionsAllowed"] - 1,
        "disruptedPods": {**(status.get("disruptedPods") or {}), name: now()},
    }
    cluster.store.update(DISRUPTION_BUDGETS, {**budget, "status": status}, status=True)


def _refusal(message: str, retry_s: int | None = None) -> ApiError:
    details: Json = {"causes": [{"reason": "DisruptionBudget", "message": message}]}
    return ApiError(_MANY, "TooManyRequests", _REFUSED, details | ({"retryAfterSeconds": retry_s} if retry_s else {}))


def _frees_unhealthy(budget: Json) -> bool:
    """Whether a pod that is not ready may go although no disruption is allowed."""
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget["status"]
    return bool(status["currentHealthy"] >= status["desiredHealthy"] > 0)


def _is_over(budget: Json, pod: Json) -> bool:
    return selectors.selects(budget["spec"].get("selector"), pod["metadata"].get("labels"))


def _waiting(budget: Json, members: list[Json]) -> dict[str, str]:
    """Return the evictions that are allowed and have not happened yet."""
    alive = {pod["metadata"]["name"] for pod in members}
    noted = (budget.get("status") or {}).get("disruptedPods") or {}
    return {name: at for name, at in noted.items() if name in alive and pods.age_s(at) < _FORGET_S}


def _workload(store: Store, pod: Json) -> Json | None:
    """Return what a pod belongs to in the end, such as the Deployment of its ReplicaSet."""
    found = None
    each: Json | None = pod
    while each is not None and (owner := owners.controller_of(each)) is not None:
        resource = by_kind(owner["apiVersion"], owner["kind"])
        each = store.find(resource, pod["metadata"]["namespace"], owner["name"]) if resource else None
        found = each or found
    return found


def _condition(budget: Json, allowed: int) -> Json:
    before = pods.condition(budget, "DisruptionAllowed") or {}
    status = str(allowed > 0)
    return {
        "type": "DisruptionAllowed",
        "status": status,
        "reason": "SufficientPods" if allowed > 0 else "InsufficientPods",
        "message": "",
        "observedGeneration": budget["metadata"]["generation"],
        "lastTransitionTime": before["lastTransitionTime"] if before.get("status") == status else now(),
    }


def _key(budget: Json) -> Key:
    return budget["metadata"]["namespace"], budget["metadata"]["name"]
