# SPDX-License-Identifier: GPL-3.0-or-later
"""What every service of the lab is: one port, one log of requests, and a fault that lets clients wait."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from aiohttp import web

from incident_runbooks.lab.services.call import Call
from incident_runbooks.lab.services.process import READY
from incident_runbooks.lab.services.request_log import RequestLog

LARGEST_BODY = 1024 * 1024  # bytes

_POLL_S = 0.05


class ServiceServer(ABC):
    """A service of one lab.

    Args:
        log: of its requests.
        largest_body: bytes that a request may have.
    """

    def __init__(self, log: RequestLog, largest_body: int = LARGEST_BODY) -> None:
        self._log = log
        application = web.Application(client_max_size=largest_body)
        application.router.add_route("GET", READY, _ready)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """End every connection."""
        await self._runner.cleanup()
        self._log.close()

    @abstractmethod
    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""

    async def _hang(self, request: web.Request, call: Call, still: Callable[[], bool]) -> web.StreamResponse:
        """Let the client wait until it gives up or the fault is healed; then the connection breaks.

        Args:
            still: whether the fault is in effect.
        """
        self._log.write(call, request.path, None)
        while still():
            await asyncio.sleep(_POLL_S)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=504)


async def _ready(_: web.Request) -> web.Response:
    return web.Response(text="ready")
