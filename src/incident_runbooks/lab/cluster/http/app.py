# SPDX-License-Identifier: GPL-3.0-or-later
"""The server: every request is authenticated, recorded, allowed or not, answered."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import traceback

from aiohttp import web

from incident_runbooks.lab.cluster import access
from incident_runbooks.lab.cluster.audit import COMPLETE, AuditLog, Record
from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http import impersonation, requests, responses, routes, tables
from incident_runbooks.lab.cluster.http.call import Call
from incident_runbooks.lab.cluster.http.requests import RequestInfo
from incident_runbooks.lab.cluster.http.responses import Accepted, Answer
from incident_runbooks.lab.cluster.identities import Identities

_LARGEST_BODY = 3 * 1024 * 1024  # bytes: the real server's limit
_UNNEGOTIATED = re.compile(r"^/(openapi|healthz|livez|readyz)")
_CLIENT_GONE = 499
_AUDIT_ID = web.RequestKey("audit_id", str) if hasattr(web, "RequestKey") else "audit_id"


class Server:
    """The API of one cluster.

    Args:
        cluster: what it serves.
        identities: knows the users.
        audit: where requests are recorded.
    """

    def __init__(self, cluster: Cluster, identities: Identities, audit: AuditLog) -> None:
        self._cluster = cluster
        self._identities = identities
        self._audit = audit
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.on_response_prepare.append(_set_headers)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)

    async def start(self, context: ssl.SSLContext) -> None:
        """Listen; the cluster's port is known then.

        Raises:
            OSError: the port is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._cluster.host, self._cluster.port, ssl_context=context)
        await site.start()
        self._cluster.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End every connection."""
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        info = requests.parse(request.method, request.path, _last_values(request))
        agent = request.headers.get("User-Agent", "")
        record = Record(info, request.path_qs, request.remote or "", agent)
        request[_AUDIT_ID] = record.id
        code, message = _CLIENT_GONE, ""
        try:
            response = await self._answer(request, info, record)
            code = response.status
        except ApiError as exc:
            code, message = exc.code, exc.message
            response = _refusal(exc)
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except Exception as exc:  # noqa: BLE001 - whatever is wrong here, the client gets a Status
            traceback.print_exc(file=sys.stderr)
            code = 500
            response = _refusal(ApiError(500, "InternalError", f"Internal error occurred: {type(exc).__name__}"))
        finally:
            self._audit.write(record, COMPLETE, record.status or code, message)
        return response

    async def _answer(self, request: web.Request, info: RequestInfo, record: Record) -> web.StreamResponse:
        user = record.user = self._identities.authenticate(request.headers.get("Authorization"))
        record.decision = "forbid"
        record.impersonated = impersonation.resolve(self._cluster.store, user, request)
        user = record.impersonated or user
        wanted = access.attributes(info)
        record.reason = access.require(self._cluster.store, user, wanted)
        record.decision = "allow"
        accepted = _accepted(request, info)
        call = Call(self._cluster, self._identities, request, info, user, accepted, self._audit, record)
        result = await routes.handle(call)
        response = self._encode(call, result) if isinstance(result, Answer) else result
        if not response.prepared:
            for warning in call.warnings:
                text = warning.replace("\\", "\\\\").replace('"', '\\"')
                response.headers.add("Warning", f'299 - "{text}"')
        return response

    def _encode(self, call: Call, answer: Answer) -> web.Response:
        body = answer.body
        if answer.resource is not None and body.get("kind") != "Status":
            body = tables.convert(call.accepted, call.info, answer.resource, body, self._cluster.store.version)
        return responses.to_response(body, answer.code, call.accepted)


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Answer with the real server's headers."""
    response.headers["Audit-Id"] = request[_AUDIT_ID]
    response.headers["Cache-Control"] = "no-cache, private"
    response.headers["Server"] = "incident-runbooks-lab"


def _accepted(request: web.Request, info: RequestInfo) -> Accepted:
    """Return the form of the answer; what is no object has only one."""
    if _UNNEGOTIATED.match(info.path) or info.subresource in ("log", "exec"):
        return Accepted()
    return responses.negotiate(request.headers.get("Accept"))


def _last_values(request: web.Request) -> dict[str, str]:
    return dict(request.query.items())


def _refusal(error: ApiError) -> web.Response:
    response = responses.to_response(error.to_status(), error.code)
    seconds = (error.details or {}).get("retryAfterSeconds")
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    return response
