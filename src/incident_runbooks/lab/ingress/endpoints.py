# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the pods of a Service are: followed in the cluster's API, by a list and a watch, as a controller does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Json = dict[str, Any]

_PORT = "http"
_NOT_THERE_S = 0.05  # until the cluster is there
_AGAIN_S = 0.5
_LONGEST_LINE = 1024 * 1024
_GONE = "ERROR"


@dataclass(frozen=True)
class Endpoint:
    """A pod behind the Service; ``ready`` ones get requests."""

    address: str
    port: int
    pod: str
    ready: bool

    @property
    def host(self) -> str:
        """Address and port."""
        return f"{self.address}:{self.port}"


class Endpoints:
    """The pods of one Service.

    Args:
        kubeconfig: whose cluster; the file need not be there yet.
        namespace: of the Service.
        service: its name.
    """

    def __init__(self, kubeconfig: Path, namespace: str, service: str) -> None:
        self._kubeconfig = kubeconfig
        self._path = f"/api/v1/namespaces/{namespace}/endpoints?fieldSelector=metadata.name%3D{service}"
        self._turn = itertools.count()
        self.known: list[Endpoint] = []

    def in_turn(self) -> list[Endpoint]:
        """Return the ready ones, another one first each time."""
        ready = [each for each in self.known if each.ready]
        first = next(self._turn) % len(ready) if ready else 0
        return ready[first:] + ready[:first]

    async def follow(self) -> None:
        """Keep :attr:`known` as the API has it, until cancelled."""
        while not self._kubeconfig.exists():
            await asyncio.sleep(_NOT_THERE_S)
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError, ValueError, KeyError):
                await self._follow_once()
            await asyncio.sleep(_AGAIN_S)

    async def _follow_once(self) -> None:
        server, token, context = await asyncio.to_thread(_read, self._kubeconfig)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(
            server, headers=headers, timeout=timeout, connector=aiohttp.TCPConnector(ssl=context)
        ) as session:
            async with session.get(self._path) as answer:
                answer.raise_for_status()
                listed = await answer.json()
            self.known = [each for found in listed.get("items") or () for each in _endpoints(found)]
            watch = f"{self._path}&watch=1&resourceVersion={listed['metadata']['resourceVersion']}"
            async with session.get(watch, read_bufsize=_LONGEST_LINE) as answer:
                answer.raise_for_status()
                async for line in answer.content:
                    event = json.loads(line)
                    if event["type"] == _GONE:
                        return
                    self.known = [] if event["type"] == "DELETED" else _endpoints(event["object"])


def _endpoints(found: Json) -> list[Endpoint]:
    endpoints = []
    for subset in found.get("subsets") or ():
        ports = [each["port"] for each in subset.get("ports") or () if each.get("name") == _PORT]
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            endpoints += [
                Endpoint(each["ip"], port, (each.get("targetRef") or {}).get("name", ""), ready)
                for each in subset.get(field) or ()
                for port in ports
            ]
    return endpoints


def _read(kubeconfig: Path) -> tuple[str, str, ssl.SSLContext]:
    """Return where the API is, the token, and whom to trust."""
    known = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    context = ssl.create_default_context(cafile=str(kubeconfig.with_name("ca.pem")))
    return known["clusters"][0]["cluster"]["server"], known["users"][0]["user"]["token"], context
