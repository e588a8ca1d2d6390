# SPDX-License-Identifier: GPL-3.0-or-later
"""HorizontalPodAutoscalers: what they measure and how far they go."""

from __future__ import annotations

import sys
from typing import Any

from incident_runbooks.lab.cluster.resources import AUTOSCALERS, DEPLOYMENTS
from support.node import Running, condition, container, in_cluster, is_rolled_out, shell

BUSY = shell(f"exec {sys.executable} -c 'while True: pass'", resources={"requests": {"cpu": "10m"}})


def autoscaler(cluster: Running, **spec: Any) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    cluster.create(AUTOSCALERS, "web", spec={"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2, **spec})


@in_cluster
async def test_busy_pods_become_more_up_to_the_limit(cluster: Running) -> None:
    cluster.deployment("web", BUSY)
    await cluster.until(lambda: is_rolled_out(cluster, "web"))
    autoscaler(cluster)
    await cluster.until(lambda: cluster.get(DEPLOYMENTS, "web")["spec"]["replicas"] == 2)
    found = cluster.get(AUTOSCALERS, "web")
    assert found["status"]["desiredReplicas"] == 2
    assert condition(found, "ScalingLimited")["reason"] == "TooManyReplicas"
    assert condition(found, "ScalingActive")["reason"] == "ValidMetricFound"
    current = found["status"]["currentMetrics"][0]["resource"]["current"]
    assert current["averageUtilization"] > 80
    assert cluster.events("SuccessfulRescale", "web")[0]["message"].startswith("New size: 2; reason: cpu resource")


@in_cluster
async def test_the_least_number_is_kept(cluster: Running) -> None:
    cluster.deployment("web", container(resources={"requests": {"cpu": "100m"}}))
    await cluster.until(lambda: is_rolled_out(cluster, "web"))
    autoscaler(cluster, minReplicas=2, maxReplicas=3)
    await cluster.until(lambda: cluster.get(DEPLOYMENTS, "web")["spec"]["replicas"] == 2)


@in_cluster
async def test_without_a_request_there_is_no_utilization(cluster: Running) -> None:
    cluster.deployment("web", container())
    await cluster.until(lambda: is_rolled_out(cluster, "web"))
    autoscaler(cluster)
    await cluster.until(lambda: condition(cluster.get(AUTOSCALERS, "web"), "ScalingActive"))
    active = condition(cluster.get(AUTOSCALERS, "web"), "ScalingActive")
    assert (active["status"], active["reason"]) == ("False", "FailedGetResourceMetric")
    assert "missing request for cpu in container web" in active["message"]
    assert cluster.get(DEPLOYMENTS, "web")["spec"]["replicas"] == 1


@in_cluster
async def test_a_target_that_is_not_there(cluster: Running) -> None:
    autoscaler(cluster)
    await cluster.until(lambda: condition(cluster.get(AUTOSCALERS, "web"), "AbleToScale"))
    able = condition(cluster.get(AUTOSCALERS, "web"), "AbleToScale")
    assert (able["status"], able["reason"]) == ("False", "FailedGetScale")


@in_cluster
async def test_the_least_number_is_kept_without_metrics(cluster: Running) -> None:
    cluster.deployment("web", container())
    await cluster.until(lambda: is_rolled_out(cluster, "web"))
    autoscaler(cluster)
    await cluster.until(lambda: condition(cluster.get(AUTOSCALERS, "web"), "ScalingActive"))
    found = cluster.get(AUTOSCALERS, "web")
    assert condition(found, "ScalingActive")["status"] == "False"
    cluster.store.update(AUTOSCALERS, {**found, "spec": {**found["spec"], "minReplicas": 3, "maxReplicas": 3}})
    await cluster.until(lambda: cluster.get(DEPLOYMENTS, "web")["spec"]["replicas"] == 3)
    await cluster.until(lambda: is_rolled_out(cluster, "web"))
    found = cluster.get(AUTOSCALERS, "web")
    assert condition(found, "AbleToScale")["reason"] == "SucceededRescale"
    assert condition(found, "ScalingActive")["status"] == "False", "what is known of metrics stays"
    message = "New size: 3; reason: Current number of replicas below Spec.MinReplicas"
    assert [event["message"] for event in cluster.events("SuccessfulRescale", "web")] == [message]


@in_cluster
async def test_the_greatest_number_is_kept_without_metrics(cluster: Running) -> None:
    cluster.deployment("web", container(), replicas=3)
    await cluster.until(lambda: is_rolled_out(cluster, "web"))
    autoscaler(cluster)
    await cluster.until(lambda: cluster.get(DEPLOYMENTS, "web")["spec"]["replicas"] == 2)
    message = "New size: 2; reason: Current number of replicas above Spec.MaxReplicas"
    assert [event["message"] for event in cluster.events("SuccessfulRescale", "web")] == [message]


@in_cluster
async def test_what_pods_use_to_start_asks_for_no_more(cluster: Running) -> None:
    """A second of work before the pod is ready, then none."""
    began = f"{sys.executable} -c 'import time\nwhile time.process_time() < 1: pass'"
    ready = {"exec": {"command": ["test", "-e", "ready"]}, "periodSeconds": 1}
    requests = {"requests": {"cpu": "100m"}}
    cluster.deployment("web", shell(f"{began}; touch ready; exec sleep 60", resources=requests, readinessProbe=ready))
    await cluster.until(lambda: is_rolled_out(cluster, "web"))
    autoscaler(cluster)
    await cluster.until(lambda: (cluster.get(AUTOSCALERS, "web").get("status") or {}).get("currentMetrics"))

    def asked() -> float:
        current = cluster.get(AUTOSCALERS, "web")["status"]["currentMetrics"][0]["resource"]["current"]
        return float(current["averageUtilization"])

    await cluster.until(lambda: asked() < 80)
    assert cluster.events("SuccessfulRescale", "web") == []
    assert cluster.get(DEPLOYMENTS, "web")["spec"]["replicas"] == 1
