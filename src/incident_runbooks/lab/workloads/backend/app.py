# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's HTTP application: what every request goes through, and the routes that need no user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psycopg
from aiohttp import web

from incident_runbooks.lab.workloads import database
from incident_runbooks.lab.workloads.backend.cpu_quota import CPU_QUOTA, CpuQuota
from incident_runbooks.lab.workloads.backend.metrics import Metrics
from incident_runbooks.lab.workloads.backend.pool import Pool, PoolUnavailableError
from incident_runbooks.lab.workloads.backend.settings import Settings
from incident_runbooks.lab.workloads.faults import Faults
from incident_runbooks.lab.workloads.json_log import JsonLog

_READY_S = 0.8  # less than the probe's time-out
_QUIET = ("/api/health", "/api/health/ready", "/metrics")  # asked every second

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Backend:
    """What the routes work with."""

    settings: Settings
    pool: Pool
    journal: JsonLog
    faults: Faults
    metrics: Metrics
    quota: CpuQuota


BACKEND = web.AppKey("backend", Backend)


def create(backend: Backend) -> web.Application:
    """Return the application, with the routes of this module."""
    app = web.Application(middlewares=[_observe, _explain])
    app[BACKEND] = backend
    app.router.add_get("/api/health", _alive)
    app.router.add_get("/api/health/ready", _ready)
    app.router.add_get("/metrics", _metrics)
    return app


def problem(status: int, message: str) -> web.Response:
    """Return an error as NestJS words it."""
    return web.json_response({"statusCode": status, "message": message}, status=status)


@web.middleware
async def _observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Measure the request and log it."""
    backend, began = request.app[BACKEND], time.monotonic()
    if request.path not in _QUIET:
        await _be_slow(backend)
    response = await handler(request)
    seconds = time.monotonic() - began
    route = request.match_info.route.resource.canonical if request.match_info.route.resource else "unmatched"
    backend.metrics.request(request.method, route, response.status, seconds)
    if request.path not in _QUIET:
        milliseconds = round(seconds * 1000)
        backend.journal.info(
            "HTTP",
            f"{request.method} {request.path} {response.status} duration: {milliseconds}ms",
            status=response.status,
            duration_ms=milliseconds,
        )
    return response


async def _be_slow(backend: Backend) -> None:
    """Take the time that faults want a request to take."""
    current = backend.faults.current()
    if (slow := current.get("slow")) is not None:
        await asyncio.sleep(float(slow["milliseconds"]) / 1000)
    if (limit := current.get(CPU_QUOTA)) is not None:
        await backend.quota.spend(float(limit["request_ms"]) / 1000, float(limit["millicores"]) / 1000)


@web.middleware
async def _explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a route cannot handle into a status, and log it."""
    journal = request.app[BACKEND].journal
    try:
        return await handler(request)
    except web.HTTPException as error:
        return problem(error.status, error.reason)
    except PoolUnavailableError as error:
        if request.path not in _QUIET:
            journal.error("ExceptionsHandler", _titled(error.err), err=error.err)
        return problem(503, "Service Unavailable")
    except psycopg.Error as error:
        err = database.err(error)
        journal.error("ExceptionsHandler", _titled(err), err=err)
        return problem(500, "Internal server error")
    except Exception as error:  # noqa: BLE001 - the edge of a request: whatever it is, the next one is served
        err = {"type": type(error).__name__, "message": str(error)}
        journal.error("ExceptionsHandler", _titled(err), err=err)
        return problem(500, "Internal server error")


def _titled(err: dict[str, str]) -> str:
    return f"{err['type']}: {err['message']}"


async def _alive(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _ready(request: web.Request) -> web.Response:
    """Ready is who can reach the database."""
    backend = request.app[BACKEND]
    if backend.faults.get("unready") is not None:
        return web.json_response({"status": "error", "checks": {"self": "down"}}, status=503)
    try:
        async with backend.pool.connection(_READY_S) as connection:
            await connection.execute("SELECT 1")
    except (PoolUnavailableError, psycopg.Error) as error:
        backend.journal.warn("HealthController", f"not ready: {' '.join(str(error).split())}")
        return web.json_response({"status": "error", "checks": {"database": "down"}}, status=503)
    return web.json_response({"status": "ok", "checks": {"database": "up"}})


async def _metrics(request: web.Request) -> web.Response:
    headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return web.Response(body=request.app[BACKEND].metrics.text(), headers=headers)
