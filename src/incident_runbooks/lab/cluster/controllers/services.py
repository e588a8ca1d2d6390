# SPDX-License-Identifier: GPL-3.0-or-later
"""Services can be reached: each TCP port of a cluster IP is forwarded to the ready endpoints, in turn.

Without a ready endpoint nobody listens, so that a client is refused as it is by a real cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.history import Change
from incident_runbooks.lab.cluster.resources import ENDPOINTS, SERVICES

Json = dict[str, Any]
Backend = tuple[str, int]

_BLOCK = 64 * 1024
_LOOPBACK = "127."
_BACKLOG = 128
_RETRY_S = 5.0  # whoever listens there may end


class Forward:
    """One port of a Service.

    Args:
        address: where to listen.
        port: likewise.

    Raises:
        OSError: somebody else listens there, or the port is for the administrator only.
    """

    def __init__(self, address: str, port: int) -> None:
        self.backends: list[Backend] = []
        self._turn = itertools.count()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((address, port))
        except OSError:
            self._socket.close()
            raise
        self._socket.listen(_BACKLOG)
        self._socket.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._accept)
        self._connections: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Listen no more; what is connected stays so."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def cut(self) -> None:
        """End also what is connected."""
        self.close()
        for connection in self._connections:
            connection.cancel()

    def _accept(self) -> None:
        try:
            client, _ = self._socket.accept()
        except OSError:  # it has gone again
            return
        client.setblocking(False)  # noqa: FBT003 - as above
        task = self._loop.create_task(self._forward(client))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _forward(self, client: socket.socket) -> None:
        backend = self.backends[next(self._turn) % len(self.backends)]
        ours, to_us = await asyncio.open_connection(sock=client)
        try:
            theirs, to_them = await asyncio.open_connection(*backend)
        except OSError:  # it has just gone: the client sees its connection end
            to_us.close()
            return
        try:
            await asyncio.gather(_pump(ours, to_them), _pump(theirs, to_us))
        finally:
            to_them.close()
            to_us.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_BLOCK):
            sink.write(data)
            await sink.drain()
        sink.write_eof()


class ServiceProxy(Controller):
    """Follows Services and their Endpoints."""

    component = "kube-proxy"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._forwards: dict[Key, dict[tuple[str, int], Forward]] = {}

    def concerns(self, change: Change) -> Iterable[Key]:
        """The Service; its Endpoints have the same name."""
        if change.resource in (SERVICES, ENDPOINTS):
            yield change.object["metadata"]["namespace"], change.object["metadata"]["name"]

    def reconcile(self, key: Key) -> float | None:
        """Listen on the ports that have a ready endpoint."""
        service = self.store.find(SERVICES, *key)
        endpoints = self.store.find(ENDPOINTS, *key)
        wanted = dict(_ports(service, endpoints)) if service and endpoints else {}
        there = self._forwards.setdefault(key, {})
        failed = False
        for place in there.keys() - wanted.keys():
            there.pop(place).close()
        for place, backends in wanted.items():
            if place not in there:
                try:
                    there[place] = Forward(*place)
                except OSError as error:
                    said = f"listening on {place[0]}:{place[1]}: {error.strerror}"
                    self.recorder.warning(service or {}, "FailedToListen", said)
                    failed = True
                    continue
            there[place].backends = backends
        if not there:
            del self._forwards[key]
        return _RETRY_S if failed else None

    async def run(self) -> None:
        """Follow the store until cancelled; then cut every connection."""
        try:
            await super().run()
        finally:
            for forward in [each for forwards in self._forwards.values() for each in forwards.values()]:
                forward.cut()


def _ports(service: Json, endpoints: Json) -> Iterator[tuple[tuple[str, int], list[Backend]]]:
    """Yield where to listen, and where that is forwarded to."""
    address = str(service["spec"].get("clusterIP") or "")
    for port in service["spec"].get("ports") or ():
        backends = [
            (each["ip"], there["port"])
            for subset in endpoints.get("subsets") or ()
            for there in subset.get("ports") or ()
            if there.get("name", "") == port.get("name", "")
            for each in subset.get("addresses") or ()
        ]
        if backends and address.startswith(_LOOPBACK) and port.get("protocol", "TCP") == "TCP":
            yield (address, int(port["port"])), backends
