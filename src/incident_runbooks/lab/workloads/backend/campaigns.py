# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's campaigns and offers.

The list asks for the latest offers of each campaign by itself, as an application does whose mapper loads what belongs
to a row when it is asked for: as many statements as there are campaigns, each cheap while ``offers`` is small.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from incident_runbooks.lab.workloads.backend.app import BACKEND, Backend, problem
from incident_runbooks.lab.workloads.backend.pool import Connection

SLOW_QUERY = "slow-query"
LOCK_TIMEOUT_S = 3  # longer than the objective, shorter than a client's patience

_CAMPAIGNS = (
    "SELECT id, title, status, budget_cents FROM campaigns"
    " WHERE (%s::text IS NULL OR status = %s) AND (%s::bigint IS NULL OR brand_id = %s)"
    " ORDER BY created_at DESC, id LIMIT %s"
)
_CAMPAIGN = "SELECT id, title, status, budget_cents FROM campaigns WHERE id = %s"
LATEST_OFFERS = "SELECT id, status, amount_cents FROM offers WHERE campaign_id = %s ORDER BY created_at DESC LIMIT 3"
_CHANGE = "UPDATE offers SET amount_cents = %s WHERE id = %s RETURNING id, status, amount_cents"
_NAMES = ("id", "title", "status", "budget_cents")
_OFFER = ("id", "status", "amount_cents")
_LARGEST = 2**63 - 1
_PAGE, _LARGEST_PAGE = 20, 50


def add_routes(app: web.Application) -> None:
    """Add GET /api/campaigns, GET /api/campaigns/{id} and PATCH /api/offers/{id}."""
    app.router.add_get("/api/campaigns", _list)
    app.router.add_get("/api/campaigns/{id}", _one)
    app.router.add_patch("/api/offers/{id}", _change_offer)


async def _list(request: web.Request) -> web.Response:
    backend = request.app[BACKEND]
    status, brand = request.query.get("status") or None, request.query.get("brand") or None
    limit = request.query.get("limit") or str(_PAGE)
    if (brand is not None and not is_id(brand)) or not is_id(limit) or not 1 <= int(limit) <= _LARGEST_PAGE:
        return problem(400, f"brand must be an id, and limit 1 to {_LARGEST_PAGE}")
    async with backend.pool.connection() as connection:
        rows = await ask(backend, connection, _CAMPAIGNS, [status, status, brand, brand, limit])
        found = [dict(zip(_NAMES, row, strict=True)) | await _offers(backend, connection, row[0]) for row in rows]
    return web.json_response(found)


async def _one(request: web.Request) -> web.Response:
    backend, wanted = request.app[BACKEND], request.match_info["id"]
    if not is_id(wanted):
        return problem(400, "id must be an id")
    async with backend.pool.connection() as connection:
        if (slow := backend.faults.get(SLOW_QUERY)) is not None:
            await ask(backend, connection, "SELECT pg_sleep(%s)", [float(slow["milliseconds"]) / 1000])
        rows = await ask(backend, connection, _CAMPAIGN, [wanted])
        if not rows:
            return problem(404, "Campaign not found")
        found = dict(zip(_NAMES, rows[0], strict=True)) | await _offers(backend, connection, rows[0][0])
    return web.json_response(found)


async def _change_offer(request: web.Request) -> web.Response:
    backend, wanted = request.app[BACKEND], request.match_info["id"]
    amount = await _amount(request)
    if not is_id(wanted) or amount is None:
        return problem(400, "id must be an id, and amount_cents a number from 0")
    async with backend.pool.connection() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
        rows = await ask(backend, connection, _CHANGE, [amount, wanted])
    return web.json_response(dict(zip(_OFFER, rows[0], strict=True))) if rows else problem(404, "Offer not found")


async def ask(backend: Backend, connection: Connection, statement: str, parameters: Sequence[Any]) -> list[Any]:
    """Return the rows of a statement, and count how long the database takes.

    Raises:
        psycopg.Error: the server refused it.
    """
    began = time.monotonic()
    try:
        return await (await connection.execute(statement.encode(), parameters)).fetchall()
    finally:
        backend.metrics.query(time.monotonic() - began)


def is_id(text: str) -> bool:
    """Return whether a text is an id of the database."""
    return text.isascii() and text.isdecimal() and int(text) <= _LARGEST


async def _offers(backend: Backend, connection: Connection, campaign: int) -> dict[str, Any]:
    rows = await ask(backend, connection, LATEST_OFFERS, [campaign])
    return {"offers": [dict(zip(_OFFER, row, strict=True)) for row in rows]}


async def _amount(request: web.Request) -> int | None:
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    amount = body.get("amount_cents") if isinstance(body, dict) else None
    return amount if type(amount) is int and 0 <= amount <= _LARGEST else None
