# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of the ingress: the public address over TLS, and over plain HTTP what only the lab asks."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import ssl
import time
from pathlib import Path

import trustme
from aiohttp import web

from incident_runbooks.lab.ingress import metrics
from incident_runbooks.lab.ingress.control import SLOW, SLOW_S, Control
from incident_runbooks.lab.ingress.endpoints import Endpoints
from incident_runbooks.lab.ingress.metrics import IngressMetrics
from incident_runbooks.lab.ingress.part import TARGETS
from incident_runbooks.lab.ingress.proxy import LARGEST_BODY, Proxy
from incident_runbooks.lab.ingress.settings import CERTIFICATE, Settings
from incident_runbooks.lab.server import HOST
from incident_runbooks.lab.services.process import READY


class Server:
    """The ingress of one lab.

    Args:
        directory: holds its settings, and gets the certificate of its authority.

    Raises:
        OSError: it cannot be read or written.
    """

    def __init__(self, directory: Path) -> None:
        self._settings = Settings.read(directory)
        self._control = Control(directory)
        self._metrics = IngressMetrics(self._settings.namespace, self._settings.service)
        self._context = _certify(directory / CERTIFICATE)
        self._endpoints = Endpoints(Path(self._settings.kubeconfig), self._settings.namespace, self._settings.service)
        self._stops = contextlib.AsyncExitStack()

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: a port is taken.
        """
        async with contextlib.AsyncExitStack() as stops:
            proxy = Proxy(self._endpoints)
            stops.push_async_callback(proxy.stop)
            following = asyncio.create_task(self._endpoints.follow(), name="endpoints")
            stops.callback(following.cancel)
            public = web.Application(client_max_size=LARGEST_BODY)
            public.router.add_route("*", "/{path:.*}", functools.partial(self._forward, proxy))
            await _listen(public, host, self._settings.port, stops, self._context)
            control = web.Application()
            control.router.add_get(READY, self._ready)
            control.router.add_get(TARGETS, self._targets)
            control.router.add_get(metrics.PATH, self._tell)
            await _listen(control, host, port, stops)
            self._stops = stops.pop_all()

    async def stop(self) -> None:
        """End every connection."""
        await self._stops.aclose()

    async def _forward(self, proxy: Proxy, request: web.Request) -> web.Response:
        began = time.monotonic()
        if SLOW in self._control.read():
            await asyncio.sleep(SLOW_S)
        answer = await proxy.forward(request)
        self._metrics.request(request.method, answer.status, time.monotonic() - began)
        return answer

    async def _tell(self, _: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._metrics.text(), headers=headers)

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text="ready")

    async def _targets(self, _: web.Request) -> web.Response:
        """Return the pods as Prometheus' ``http_sd_config`` wants them."""
        found = [
            {"targets": [each.host], "labels": {"namespace": self._settings.namespace, "pod": each.pod}}
            for each in self._endpoints.known
        ]
        return web.json_response(found)


async def _listen(
    application: web.Application,
    host: str,
    port: int,
    stops: contextlib.AsyncExitStack,
    context: ssl.SSLContext | None = None,
) -> None:
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
    stops.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=context).start()


def _certify(path: Path) -> ssl.SSLContext:
    """Return what the server presents; the certificate of its authority (PEM) is written to *path*.

    The keys live as long as the process: they are never stored.
    """
    authority = trustme.CA(organization_name="runbook lab ingress")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST, "localhost").configure_cert(context)
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(authority.cert_pem.bytes())
    partial.replace(path)
    return context
