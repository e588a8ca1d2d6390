# SPDX-License-Identifier: GPL-3.0-or-later
"""Services can be reached at their cluster IP, as long as a pod behind them is ready."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

import pytest

from incident_runbooks.lab.cluster.resources import ENDPOINTS, PODS, SERVICES
from incident_runbooks.lab.cluster.writes import admission
from support.node import NAMESPACE, Running, in_cluster, shell

# Answers each connection with the pod's name, after the client has said all
SERVE = f"""exec {sys.executable} -c "
import os, socket
s = socket.create_server((os.environ['POD_IP'], 3000))
while True:
    c, _ = s.accept()
    heard = b''
    while data := c.recv(65536):
        heard += data
    c.sendall(os.environ['POD_NAME'].encode() + b' ' + str(len(heard)).encode())
    c.close()
" """
READY = {"tcpSocket": {"port": 3000}, "periodSeconds": 1}


def service(cluster: Running, port: int) -> str:
    spec = {"selector": {"app": "web"}, "ports": [{"port": port, "targetPort": 3000, "protocol": "TCP"}]}
    wanted = {"metadata": {"name": "web", "namespace": NAMESPACE}, "spec": {"type": "ClusterIP", **spec}}
    admission.admit(cluster.store, SERVICES, wanted)
    return str(cluster.store.create(SERVICES, wanted)["spec"]["clusterIP"])


async def ask(address: str, port: int, size: int = 3) -> str:
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(b"x" * size)
    writer.write_eof()
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()


async def ask_until_refused(address: str, port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            # a listener that closes resets the connections that nobody has accepted
            with contextlib.suppress(ConnectionResetError):
                await ask(address, port)


@in_cluster
async def test_a_service_leads_to_its_ready_pods_in_turn(cluster: Running) -> None:
    address = service(cluster, 8080)
    for name in ("web-1", "web-2"):
        cluster.pod(name, shell(SERVE, readinessProbe=READY), labels={"app": "web"}, terminationGracePeriodSeconds=1)
    await cluster.ready("web-1")
    await cluster.ready("web-2")
    heard: set[str] = set()
    async with asyncio.timeout(10):
        while len(heard) < 2:
            with contextlib.suppress(ConnectionRefusedError):  # until the endpoints are known
                heard.add(await ask(address, 8080))
            await asyncio.sleep(0.01)
    assert heard == {"web-1 3", "web-2 3"}
    assert (await ask(address, 8080, 1_000_000)).endswith(" 1000000")
    for name in ("web-1", "web-2"):
        cluster.store.delete(PODS, NAMESPACE, name)
    await cluster.until(lambda: not cluster.pods())
    await cluster.until(lambda: "subsets" not in cluster.get(ENDPOINTS, "web"))
    with pytest.raises(ConnectionRefusedError):
        await ask_until_refused(address, 8080)


@in_cluster
async def test_an_address_that_is_taken_is_said(cluster: Running) -> None:
    address = service(cluster, 8080)
    with socket.create_server((address, 8080)):
        cluster.pod("web-1", shell(SERVE, readinessProbe=READY), labels={"app": "web"})
        await cluster.until(lambda: cluster.events("FailedToListen", "web"))
    said = cluster.events("FailedToListen", "web")[0]["message"]
    assert said == f"listening on {address}:8080: Address already in use"
