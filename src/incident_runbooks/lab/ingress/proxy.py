# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwards a request to a pod; where none takes it the answer is the one of an ingress controller.

503 without a ready pod, 502 where the connection breaks, 504 where the answer does not come in time, 413 where the body
is too large. A pod that refuses the connection has not got the request: the next one gets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from incident_runbooks.lab.ingress.endpoints import Endpoint, Endpoints

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

PREFIX = "/api/"
LARGEST_BODY = 1024 * 1024  # bytes; nginx's client_max_body_size
_CONNECT_S = 2.0
_ANSWER_S = 60.0  # nginx's proxy_read_timeout
# RFC 9110, 7.6.1: they are of one connection, and end here; the length is counted anew
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class Proxy:
    """Forwards requests.

    Args:
        endpoints: to whom.

    It is made in the event loop that it works in.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S, sock_connect=_CONNECT_S)
        # a kept connection may be closed by the pod just when it is used, which looks like a failed request
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, auto_decompress=False)

    async def stop(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def forward(self, request: web.Request) -> web.Response:
        """Return what a pod answers."""
        if not request.path.startswith(PREFIX):
            return _problem(404, "Not Found")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _problem(413, "Request Entity Too Large")
        for endpoint in self._endpoints.in_turn():
            try:
                return await self._ask(endpoint, request, body)
            except aiohttp.ClientConnectorError:
                continue
            except TimeoutError:
                return _problem(504, "Gateway Time-out")
            except (aiohttp.ClientError, OSError):
                return _problem(502, "Bad Gateway")
        return _problem(503, "Service Temporarily Unavailable")

    async def _ask(self, endpoint: Endpoint, request: web.Request, body: bytes) -> web.Response:
        headers = _passed_on(request.headers)
        headers["X-Forwarded-For"] = request.remote or ""
        headers["X-Forwarded-Proto"] = request.scheme
        headers["X-Forwarded-Host"] = request.host
        url = f"http://{endpoint.host}{request.raw_path}"
        async with self._session.request(
            request.method, url, data=body or None, headers=headers, allow_redirects=False
        ) as answer:
            return web.Response(status=answer.status, body=await answer.read(), headers=_passed_on(answer.headers))


def _passed_on(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)


def _problem(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{status} {text}\n", headers={"Server": "lab-ingress"})
