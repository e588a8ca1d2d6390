# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's connection pool. It behaves as node-postgres' pool does: a refused connection fails the request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from incident_runbooks.lab.workloads import database
from incident_runbooks.lab.workloads.backend.settings import Settings
from incident_runbooks.lab.workloads.json_log import JsonLog

Connection = psycopg.AsyncConnection[Any]

CONTEXT = "TypeOrmModule"
_FILL_S = 1.0
_POLL_S = 0.005
_IDLE_S = 10.0  # node-postgres closes what it does not need after as long
_RECONNECT_S = 1.0  # then the pool waits for the next request


class PoolUnavailableError(Exception):
    """No connection can be had.

    Args:
        err: the cause, as the log has it.
    """

    def __init__(self, err: Mapping[str, str]) -> None:
        super().__init__(err["message"])
        self.err = dict(err)


@dataclass(frozen=True)
class PoolCounts:
    """How full the pool is: its sessions, how many of them are idle, how many requests wait, how many there may be."""

    size: int
    idle: int
    waiting: int
    maximum: int


class Pool:
    """Sessions of the application ``backend``.

    Args:
        settings: whom to connect to, and how often.
        journal: gets every failed attempt to connect.

    Attributes:
        waited: is told how long each wait for a session was, in seconds.
    """

    def __init__(self, settings: Settings, journal: JsonLog) -> None:
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # what it has to say goes into our own log
        self.maximum = settings.pool_max
        self.waited: Callable[[float], None] = lambda _: None
        self._size = settings.pool_size
        self._refusals = 0
        self._journal = journal
        self._where = f"{settings.database['host']}:{settings.database['port']}"
        self._timeout_s = settings.acquire_timeout_s
        self._waiting: set[asyncio.Future[Mapping[str, str]]] = set()
        self._abandoned: set[asyncio.Future[None]] = set()
        self._pool = AsyncConnectionPool(
            connection_class=_reporting(self._refused),
            kwargs=dict(settings.database),
            min_size=settings.pool_size,
            max_size=settings.pool_max,
            open=False,
            timeout=self._timeout_s,
            max_idle=_IDLE_S,
            reconnect_timeout=_RECONNECT_S,
            num_workers=2,
        )

    async def open(self) -> None:
        """Open the first sessions; a server that refuses them, or is slow, is no reason not to start.

        A request that came before would make the pool grow for nothing.
        """
        await self._pool.open(wait=False)
        deadline = time.monotonic() + _FILL_S
        while self.counts().idle < self._size and not self._refusals and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)

    async def close(self) -> None:
        """End every session that is in the pool."""
        await self._pool.close(timeout=1.0)

    def counts(self) -> PoolCounts:
        """Return how full the pool is."""
        stats = self._pool.get_stats()
        return PoolCounts(
            size=stats.get("pool_size", 0),
            idle=stats.get("pool_available", 0),
            waiting=stats.get("requests_waiting", 0),
            maximum=self.maximum,
        )

    @contextlib.asynccontextmanager
    async def connection(self, timeout_s: float | None = None) -> AsyncIterator[Connection]:
        """Borrow a connection; see :meth:`take`."""
        connection = await self.take(timeout_s)
        try:
            yield connection
        finally:
            await self.give_back(connection)

    async def take(self, timeout_s: float | None = None) -> Connection:
        """Take a connection out of the pool.

        Args:
            timeout_s: how long to wait for one, in seconds.

        Raises:
            PoolUnavailableError: there was none in time, or the server refused a new one meanwhile.
        """
        began = time.monotonic()
        refused: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()
        self._waiting.add(refused)
        taking: asyncio.Future[Connection] = asyncio.ensure_future(self._alive(timeout_s or self._timeout_s))
        try:
            first: set[asyncio.Future[Any]] = {taking, refused}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                return taking.result()
            self._abandon(taking)
            raise PoolUnavailableError(refused.result())
        except PoolTimeout as error:
            message = "timeout exceeded when trying to connect"
            raise PoolUnavailableError({"type": "Error", "message": message}) from error
        except asyncio.CancelledError:
            self._abandon(taking)
            raise
        finally:
            self.waited(time.monotonic() - began)
            self._waiting.discard(refused)
            refused.cancel()

    async def give_back(self, connection: Connection) -> None:
        """Put a connection back; a broken one is replaced."""
        await self._pool.putconn(connection)

    async def _alive(self, timeout_s: float) -> Connection:
        """Return the next connection that the server has not ended; node-postgres forgets those at once."""
        deadline = time.monotonic() + timeout_s
        while True:
            connection = await self._pool.getconn(deadline - time.monotonic())
            if not ended(connection):
                return connection
            await connection.close()
            await self.give_back(connection)

    def _abandon(self, taking: asyncio.Future[Connection]) -> None:
        """Let a connection that comes when nobody wants it any more go back; to cancel would lose it for the pool."""

        async def let_go() -> None:
            with contextlib.suppress(PoolTimeout, psycopg.Error):
                await self.give_back(await taking)

        task = asyncio.ensure_future(let_go())
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)

    def _refused(self, error: psycopg.Error) -> None:
        self._refusals += 1
        err = database.err(error, self._where)
        prefix = "Error: " if err["type"] == "Error" else ""
        self._journal.error(CONTEXT, prefix + err["message"], err=err)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(err)


def ended(connection: Connection) -> bool:
    """Return whether the server has ended an idle connection; nothing is sent."""
    try:
        connection.pgconn.consume_input()  # the first read yields the server's farewell, the next one the end
        connection.pgconn.consume_input()
    except psycopg.Error:
        return True
    return connection.closed


def _reporting(refused: Callable[[psycopg.Error], None]) -> type[Connection]:
    """Return a class of connections that tell when they cannot be made; the pool would keep it to itself."""

    class Reporting(psycopg.AsyncConnection[Any]):
        @classmethod
        async def connect(cls, conninfo: str = "", **options: Any) -> Reporting:
            try:
                return await super().connect(conninfo, **options)
            except psycopg.Error as error:
                refused(error)
                raise

    return Reporting
