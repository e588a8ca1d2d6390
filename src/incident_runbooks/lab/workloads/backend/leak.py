# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault ``leak``: connections that are taken for a query and never given back."""

from __future__ import annotations

import asyncio

import psycopg

from incident_runbooks.lab.workloads.backend.pool import Connection, Pool, PoolUnavailableError, ended
from incident_runbooks.lab.workloads.faults import Parameters

_QUERY = "SELECT id, title, status FROM campaigns WHERE status = 'active' ORDER BY created_at DESC LIMIT 20"
_WATCH_S = 0.1
_RETRY_S = 0.5  # while the server is full or away


async def leak(pool: Pool, parameters: Parameters) -> None:
    """Leak until cancelled, which gives everything back.

    Args:
        pool: whose connections.
        parameters: of the fault.
    """
    wanted = int(parameters["sessions"]) or pool.maximum
    held: list[Connection] = []
    try:
        while True:
            pause_s = _WATCH_S
            if len(held) < wanted:
                pause_s = float(parameters["interval_s"]) if await _one_more(pool, held) else _RETRY_S
            if parameters["refill"]:
                await _replace_ended(pool, held)
            await asyncio.sleep(pause_s)
    finally:
        for connection in held:
            await pool.give_back(connection)


async def _one_more(pool: Pool, held: list[Connection]) -> bool:
    try:
        held.append(await pool.take())
        await held[-1].execute(_QUERY)
    except (psycopg.Error, PoolUnavailableError):
        return False  # the pool has logged it
    return True


async def _replace_ended(pool: Pool, held: list[Connection]) -> None:
    """Give back what the server has ended, so that the pool opens another one for it."""
    for connection in [each for each in held if ended(each)]:
        held.remove(connection)
        await connection.close()
        await pool.give_back(connection)
