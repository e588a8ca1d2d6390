# SPDX-License-Identifier: GPL-3.0-or-later
"""PodDisruptionBudgets: what may be evicted, and what not."""

from __future__ import annotations

from typing import Any

import pytest

from incident_runbooks.lab.cluster.controllers import disruption
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import DISRUPTION_BUDGETS, PODS
from support.node import NAMESPACE, Running, condition, container, in_cluster, is_rolled_out

SELECTOR = {"matchLabels": {"app": "web"}}
GATED = {"exec": {"command": ["test", "!", "-e", "sick"]}, "periodSeconds": 1, "failureThreshold": 1}


async def budgeted(cluster: Running, replicas: int, **spec: Any) -> dict[str, Any]:
    """Return the budget's status once it has seen the pods of a Deployment."""
    cluster.create(DISRUPTION_BUDGETS, "web", spec={"selector": SELECTOR, **spec})
    cluster.deployment("web", container(readinessProbe=GATED), replicas=replicas)
    await cluster.until(lambda: is_rolled_out(cluster, "web"))
    await cluster.until(lambda: status(cluster).get("currentHealthy") == replicas)
    return status(cluster)


def status(cluster: Running) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get(DISRUPTION_BUDGETS, "web").get("status") or {}
    return found


@in_cluster
async def test_an_eviction_is_counted_and_the_next_refused(cluster: Running) -> None:
    before = await budgeted(cluster, 2, minAvailable=1)
    assert (before["expectedPods"], before["desiredHealthy"], before["disruptionsAllowed"]) == (2, 1, 1)
    first, second = cluster.pods()
    disruption.check(cluster.cluster, first)
    assert status(cluster)["disruptionsAllowed"] == 0
    assert first["metadata"]["name"] in status(cluster)["disruptedPods"]
    with pytest.raises(ApiError) as refused:
        disruption.check(cluster.cluster, second)
    assert (refused.value.code, refused.value.reason) == (429, "TooManyRequests")
    assert refused.value.message == "Cannot evict pod as it would violate the pod's disruption budget."
    cluster.store.delete(PODS, NAMESPACE, first["metadata"]["name"])
    await cluster.until(lambda: status(cluster)["disruptionsAllowed"] == 1, "a new pod frees it")
    assert "disruptedPods" not in status(cluster)


@in_cluster
async def test_a_full_budget_says_why(cluster: Running) -> None:
    await budgeted(cluster, 2, minAvailable=2)
    with pytest.raises(ApiError) as refused:
        disruption.check(cluster.cluster, cluster.pods()[0])
    assert refused.value.details == {
        "causes": [
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget web needs 2 healthy pods and has 2 currently",
            }
        ]
    }
    allowed = condition(cluster.get(DISRUPTION_BUDGETS, "web"), "DisruptionAllowed")
    assert (allowed["status"], allowed["reason"]) == ("False", "InsufficientPods")


@pytest.mark.parametrize(
    ("spec", "desired"), [({"maxUnavailable": 1}, 2), ({"maxUnavailable": "34%"}, 1), ({"minAvailable": "50%"}, 2)]
)
def test_numbers_and_percentages(tmp_path: Any, spec: dict[str, Any], desired: int) -> None:
    @in_cluster
    async def scenario(cluster: Running) -> None:
        found = await budgeted(cluster, 3, **spec)
        assert (found["expectedPods"], found["desiredHealthy"]) == (3, desired)
        assert found["disruptionsAllowed"] == 3 - desired

    scenario(tmp_path)


@in_cluster
async def test_a_pod_that_is_not_ready_may_go_if_enough_are(cluster: Running) -> None:
    await budgeted(cluster, 2, minAvailable=1)
    sick = cluster.pods()[0]["metadata"]["name"]
    assert (await cluster.exec(sick, "touch", "sick"))[0] == 0
    await cluster.until(lambda: status(cluster)["currentHealthy"] == 1)
    assert status(cluster)["disruptionsAllowed"] == 0
    disruption.check(cluster.cluster, cluster.get(PODS, sick))
    with pytest.raises(ApiError):
        disruption.check(cluster.cluster, next(pod for pod in cluster.pods() if pod["metadata"]["name"] != sick))


@in_cluster
async def test_without_a_budget_all_may_go_and_with_two_none(cluster: Running) -> None:
    cluster.pod("web-1", container(), labels={"app": "web"})
    pod = await cluster.ready("web-1")
    disruption.check(cluster.cluster, pod)
    for name in ("one", "two"):
        cluster.create(DISRUPTION_BUDGETS, name, spec={"selector": SELECTOR, "minAvailable": 0})
    with pytest.raises(ApiError, match="more than one PodDisruptionBudget") as refused:
        disruption.check(cluster.cluster, pod)
    assert refused.value.code == 500
