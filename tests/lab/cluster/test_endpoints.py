# SPDX-License-Identifier: GPL-3.0-or-later
"""EndpointSlices and Endpoints: where the pods of a Service are, and which of them are ready."""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab.cluster.resources import DEPLOYMENTS, ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES
from support.node import NAMESPACE, Running, container, in_cluster, shell

GATED = {"exec": {"command": ["test", "-e", "up"]}, "periodSeconds": 1, "failureThreshold": 1}
PORTS = [{"name": "http", "containerPort": 3000}]


def service(cluster: Running, **spec: Any) -> None:
    port = {"name": "web", "port": 80, "targetPort": "http"}
    cluster.create(SERVICES, "web", spec={"selector": {"app": "web"}, "ports": [port], **spec})


def endpoints(cluster: Running) -> list[dict[str, Any]]:
    return [each for one in cluster.store.all(ENDPOINT_SLICES, NAMESPACE) for each in one["endpoints"]]


def ready(cluster: Running) -> list[str]:
    return [each["targetRef"]["name"] for each in endpoints(cluster) if each["conditions"]["ready"]]


@in_cluster
async def test_endpoints_follow_readiness(cluster: Running) -> None:
    service(cluster)
    await cluster.until(lambda: cluster.store.all(ENDPOINT_SLICES))
    assert endpoints(cluster) == []
    cluster.pod("web-1", container(ports=PORTS, readinessProbe=GATED), labels={"app": "web"})
    await cluster.until(lambda: endpoints(cluster))
    assert ready(cluster) == []
    assert "notReadyAddresses" in cluster.get(ENDPOINTS, "web")["subsets"][0]
    await cluster.until(cluster.processes)
    assert (await cluster.exec("web-1", "touch", "up"))[0] == 0
    await cluster.until(lambda: ready(cluster) == ["web-1"])
    (one,) = cluster.store.all(ENDPOINT_SLICES, NAMESPACE)
    assert one["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    assert one["ports"] == [{"name": "web", "port": 3000, "protocol": "TCP"}]
    (subset,) = cluster.get(ENDPOINTS, "web")["subsets"]
    assert [each["ip"] for each in subset["addresses"]] == [cluster.get(PODS, "web-1")["status"]["podIP"]]
    assert subset["ports"] == one["ports"]


@in_cluster
async def test_a_pod_on_its_way_out_serves_but_is_not_ready(cluster: Running) -> None:
    service(cluster)
    cluster.pod(
        "web-1", shell("trap 'sleep 0.5; exit' TERM; echo up; while :; do sleep 0.05; done"), labels={"app": "web"}
    )
    await cluster.ready("web-1")
    await cluster.said("web-1", "up")
    await cluster.until(lambda: ready(cluster) == ["web-1"])
    cluster.store.delete(PODS, NAMESPACE, "web-1")
    await cluster.until(lambda: endpoints(cluster) and endpoints(cluster)[0]["conditions"]["terminating"])
    assert endpoints(cluster)[0]["conditions"] == {"ready": False, "serving": True, "terminating": True}
    assert "subsets" not in cluster.get(ENDPOINTS, "web")
    await cluster.until(lambda: endpoints(cluster) == [])


@in_cluster
async def test_unready_addresses_can_be_published(cluster: Running) -> None:
    service(cluster, publishNotReadyAddresses=True)
    cluster.pod("web-1", container(readinessProbe=GATED), labels={"app": "web"})
    await cluster.until(lambda: ready(cluster) == ["web-1"])


@in_cluster
async def test_a_slice_has_no_more_than_a_hundred(cluster: Running) -> None:
    service(cluster)
    cluster.deployment("web", container(), replicas=101)
    await cluster.until(lambda: len(ready(cluster)) == 101)
    assert [len(one["endpoints"]) for one in cluster.store.all(ENDPOINT_SLICES)] in ([100, 1], [1, 100])
    cluster.change(DEPLOYMENTS, "web", lambda each: each["spec"].update(replicas=2))
    await cluster.until(lambda: len(endpoints(cluster)) == 2 and len(cluster.store.all(ENDPOINT_SLICES)) == 1)


@in_cluster
async def test_they_go_with_the_service(cluster: Running) -> None:
    service(cluster)
    await cluster.until(lambda: cluster.find(ENDPOINTS, "web") and cluster.store.all(ENDPOINT_SLICES))
    cluster.store.delete(SERVICES, NAMESPACE, "web")
    await cluster.until(lambda: not cluster.store.all(ENDPOINTS) and not cluster.store.all(ENDPOINT_SLICES))


@in_cluster
async def test_without_a_selector_they_are_somebody_elses(cluster: Running) -> None:
    cluster.create(SERVICES, "db", spec={"ports": [{"port": 5432}]})
    cluster.create(ENDPOINTS, "db", subsets=[{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 5432}]}])
    cluster.pod("web-1", container(), labels={"app": "web"})
    await cluster.ready("web-1")
    assert cluster.get(ENDPOINTS, "db")["subsets"]
    assert not cluster.store.all(ENDPOINT_SLICES)
