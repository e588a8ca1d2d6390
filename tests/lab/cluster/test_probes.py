# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes against real services of pods."""

from __future__ import annotations

import sys
import time

from incident_runbooks.lab.cluster.resources import PODS
from support.node import Running, condition, container, in_cluster, shell

# Serves 200 for what is in its directory; listens on the pod's own address
SERVE = f'exec {sys.executable} -m http.server --bind "$POD_IP" 8080'
PORTS = [{"name": "http", "containerPort": 8080}]


def http(path: str, **fields: object) -> dict[str, object]:
    return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": 1, **fields}


@in_cluster
async def test_http_readiness_follows_the_service(cluster: Running) -> None:
    cluster.pod("web-1", shell(SERVE, ports=PORTS, readinessProbe=http("/ok", failureThreshold=1)))
    await cluster.until(lambda: cluster.events("Unhealthy", "web-1"))
    assert not cluster.state("web-1")["ready"]
    assert condition(cluster.get(PODS, "web-1"), "Ready")["reason"] == "ContainersNotReady"
    await cluster.until(
        lambda: [each for each in cluster.events("Unhealthy", "web-1") if "statuscode" in each["message"]]
    )
    said = {event["message"] for event in cluster.events("Unhealthy", "web-1")}
    assert "Readiness probe failed: HTTP probe failed with statuscode: 404" in said
    assert (await cluster.exec("web-1", "touch", "ok"))[0] == 0
    await cluster.ready("web-1")
    assert (await cluster.exec("web-1", "rm", "ok"))[0] == 0
    await cluster.until(lambda: not cluster.state("web-1")["ready"])
    assert cluster.state("web-1")["restartCount"] == 0


@in_cluster
async def test_a_refused_connection_is_said(cluster: Running) -> None:
    cluster.pod("web-1", container(ports=PORTS, readinessProbe=http("/")))
    cluster.pod("tcp", container(readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1}))
    await cluster.until(lambda: cluster.events("Unhealthy", "web-1") and cluster.events("Unhealthy", "tcp"))
    address = cluster.get(PODS, "web-1")["status"]["podIP"]
    assert cluster.events("Unhealthy", "web-1")[0]["message"] == (
        f'Readiness probe failed: Get "http://{address}:8080/": dial tcp {address}:8080: connect: connection refused'
    )
    assert "connect: connection refused" in cluster.events("Unhealthy", "tcp")[0]["message"]


@in_cluster
async def test_tcp_readiness(cluster: Running) -> None:
    cluster.pod("web-1", shell(SERVE, readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1}))
    await cluster.ready("web-1")


@in_cluster
async def test_a_failing_liveness_probe_restarts(cluster: Running) -> None:
    probe = {"exec": {"command": ["sh", "-c", "test -e sick && echo so sick && exit 1; exit 0"]}, "periodSeconds": 1,
             "failureThreshold": 1}  # fmt: skip
    cluster.pod("web-1", container(livenessProbe=probe), terminationGracePeriodSeconds=1)
    await cluster.ready("web-1")
    assert (await cluster.exec("web-1", "touch", "sick"))[0] == 0
    await cluster.until(lambda: cluster.state("web-1").get("restartCount"))
    assert cluster.state("web-1")["lastState"]["terminated"]["exitCode"] == 143
    said = cluster.events("Killing", "web-1")[0]["message"]
    assert said == "Container web failed liveness probe, will be restarted"
    assert cluster.events("Unhealthy", "web-1")[0]["message"] == "Liveness probe failed: so sick"


@in_cluster
async def test_a_startup_probe_holds_the_others_back(cluster: Running) -> None:
    cluster.pod("web-1", container(
        startupProbe={"exec": {"command": ["test", "-e", "up"]}, "periodSeconds": 1, "failureThreshold": 30},
        livenessProbe={"exec": {"command": ["test", "-e", "up"]}, "periodSeconds": 1, "failureThreshold": 1},
    ))  # fmt: skip
    await cluster.until(lambda: cluster.events("Unhealthy", "web-1"))
    state = cluster.state("web-1")
    assert (state["started"], state["ready"]) == (False, False)
    assert (await cluster.exec("web-1", "touch", "up"))[0] == 0
    pod = await cluster.ready("web-1")
    assert pod["status"]["containerStatuses"][0]["started"]
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


@in_cluster
async def test_a_probe_that_takes_too_long_has_failed(cluster: Running) -> None:
    cluster.pod("web-1", container(readinessProbe={"exec": {"command": ["sleep", "55"]}, "timeoutSeconds": 1}))
    began = time.monotonic()
    await cluster.until(lambda: cluster.events("Unhealthy", "web-1"))
    assert time.monotonic() - began >= 1
    said = 'Readiness probe failed: command timed out: "sleep 55" timed out after 1s'
    assert cluster.events("Unhealthy", "web-1")[0]["message"] == said
    assert "sleep 55" not in [" ".join(each.cmdline()) for each in cluster.processes()]


@in_cluster
async def test_a_readiness_gate_is_for_others_to_open(cluster: Running) -> None:
    cluster.pod("web-1", container(), readinessGates=[{"conditionType": "shop/warm"}])
    await cluster.ready("web-1")
    ready = condition(cluster.get(PODS, "web-1"), "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ReadinessGatesNotReady")
    pod = cluster.get(PODS, "web-1")
    opened = {"type": "shop/warm", "status": "True"}
    status = {**pod["status"], "conditions": [*pod["status"]["conditions"], opened]}
    cluster.store.update(PODS, {**pod, "status": status}, status=True)
    await cluster.until(lambda: condition(cluster.get(PODS, "web-1"), "Ready")["status"] == "True")
