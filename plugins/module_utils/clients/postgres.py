# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The PostgreSQL client of all modules: log in, ask, close. One connection, no decisions."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import postgres_connect
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    SLOTS_EXHAUSTED,
    Failure,
    PostgresError,
    reserved_too,
    server_failure,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    libpq_parameters,
    reserved_parameters,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_types import (
    keep_what_python_cannot,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

if postgres_connect.HAS_PSYCOPG:
    import psycopg
    from psycopg.rows import dict_row

if TYPE_CHECKING:
    from psycopg.abc import Buffer

# Beyond the server's own limit a frozen server or a dead network is assumed.
GRACE_S = 1.0
TEXT_TYPES = ("text", "varchar", "name", "bpchar")
CURSOR = "incident_runbook"

# search_path first: a database's owner could otherwise put own functions before the server's, and a reserved
# superuser would run them. TimeZone and DateStyle: psycopg reads instants in ISO style only.
PREPARE = """
SET search_path TO pg_catalog;
SET TimeZone TO 'UTC';
SET DateStyle TO 'ISO';
SET statement_timeout TO {statement_timeout_ms};
SET default_transaction_read_only TO on;
"""


@dataclass(frozen=True)
class Attempt:
    """One try to log in. ``login`` is ``ops`` or ``reserved``; ``duration_s`` in seconds."""

    login: str
    user: str
    ok: bool
    duration_s: float
    sqlstate: str | None = None
    cause: str | None = None
    limit: str | None = None
    message: str | None = None


class Session:
    """One logged-in connection; use it as a context manager.

    Attributes:
        server: ``host:port`` and database, for texts.
        login: which login got in, ``ops`` or ``reserved``.
        attempts: every try to log in, in order.
        executed: the statements sent, with placeholders instead of values, each once.
    """

    def __init__(self, connection: psycopg.Connection, server: str, attempts: Sequence[Attempt]) -> None:
        self._connection = connection
        self.server = server
        self.attempts = tuple(attempts)
        self.login = self.attempts[-1].login
        self.executed: list[str] = []
        self._limit_s = 0.0

    def prepare(self, statement_timeout_s: float) -> None:
        """Set the limits of this session. After connecting, as PgBouncer refuses ``options=``."""
        self._limit_s = statement_timeout_s
        self._accept_any_text()
        self._execute(PREPARE.format(statement_timeout_ms=int(statement_timeout_s * 1000)))

    def ask(
        self, statement: str, values: Mapping[str, Any] | None = None, *, single: bool = False
    ) -> list[dict[str, Any]]:
        """Run one statement and return its rows.

        Args:
            statement: with ``%(name)s`` for values.
            values: by name.
            single: let the server refuse more than one statement, where a part of the text is somebody else's. For
                statements without rows.

        Raises:
            PostgresError: the server refused it, it took too long, or the connection is lost.
        """
        text = " ".join(statement.split())
        if text not in self.executed:
            self.executed.append(text)
        return self._execute(statement, values, single=single)

    def select(
        self, query: str, values: Mapping[str, Any] | None, most: int, path: str
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one query of somebody else's and return its columns and at most *most* of its rows.

        As a cursor in a read-only transaction, which is rolled back: a cursor takes nothing but one SELECT, VALUES
        or TABLE, as the extended protocol takes one statement only, and rows that nobody wants stay in the server.

        Args:
            query: with ``%(name)s`` for values; a percent sign is doubled where there are values.
            values: by name; ``None`` without any.
            most: rows.
            path: schema in which tables are looked for, after the server's own.

        Raises:
            PostgresError: as :meth:`ask`.
        """
        self._execute("BEGIN TRANSACTION READ ONLY")
        try:
            # a transaction that has asked something cannot be made writable any more
            self._execute(
                "SELECT set_config('search_path', format('pg_catalog, %%I', %(path)s::text), true)", {"path": path}
            )
            with self._guarded(), psycopg.ServerCursor(self._connection, CURSOR, scrollable=False) as cursor:
                keep_what_python_cannot(cursor.adapters)
                cursor.execute(query.encode(), values)
                columns = [column.name for column in cursor.description or []]
                return columns, cursor.fetchmany(most)
        finally:
            if not self.lost:
                with suppress(PostgresError):  # the connection is closed next, which ends it as well
                    self._execute("ROLLBACK")

    def copy(self, statement: str, values: Mapping[str, Any] | None = None) -> Generator[memoryview]:
        """Yield what ``COPY ... TO STDOUT`` gives, row by row; rows are not kept.

        Args:
            statement: with ``%(name)s`` for values, which psycopg writes as literals: COPY takes no parameters.
            values: by name.

        Raises:
            PostgresError: as :meth:`ask`, also while reading.
        """
        with self._guarded(), self._connection.cursor() as cursor, cursor.copy(statement.encode(), values) as rows:
            for row in rows:
                yield memoryview(row)

    @property
    def address(self) -> dict[str, str]:
        """Where this session is, as libpq's parameters: of several hosts and addresses the one that answered."""
        info = self._connection.info
        found = {"host": info.host, "hostaddr": info.hostaddr, "port": str(info.port), "dbname": info.dbname}
        return {name: value for name, value in found.items() if value}

    @property
    def lost(self) -> bool:
        """Whether the connection is unusable."""
        return self._connection.closed

    def close(self) -> None:
        """Close the connection; never raises."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _execute(
        self, statement: str, values: Mapping[str, Any] | None = None, *, single: bool = False
    ) -> list[dict[str, Any]]:
        with self._guarded(), self._connection.cursor(row_factory=dict_row) as cursor:
            # the extended protocol takes one statement only; psycopg speaks it without values for binary results alone
            cursor.execute(statement.encode(), values, binary=True if single else None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Keep the limit, and turn what psycopg raises into the error of all clients."""
        watchdog = _Watchdog(self._connection.fileno(), self._limit_s + GRACE_S) if not self.lost else None
        try:
            with watchdog or _nothing():
                yield
        except psycopg.Error as error:
            failure = self._failure(error, gave_up=bool(watchdog and watchdog.fired))
        else:
            return
        raise PostgresError(f"Asking PostgreSQL on {self.server}", failure)

    def _failure(self, error: psycopg.Error, *, gave_up: bool) -> Failure:
        if gave_up:
            return Failure(cause="timeout", message=f"the server did not answer within {self._limit_s + GRACE_S:g} s")
        # message_primary only: DETAIL and CONTEXT may quote row values
        message = error.diag.message_primary or str(error).partition("\n")[0]
        failure = server_failure(error.sqlstate, message)
        if self.lost and failure.cause == "unknown":
            return Failure(cause="connection_lost", message=failure.message, sqlstate=failure.sqlstate)
        return failure

    def _accept_any_text(self) -> None:
        """The shared views hold text of other databases, in other encodings: show it, never stumble over it."""
        for name in TEXT_TYPES:
            self._connection.adapters.register_loader(name, _lenient_text_loader())


class _Watchdog:
    """Cut the connection when the server does not answer in time; psycopg would wait for ever."""

    def __init__(self, descriptor: int, limit_s: float) -> None:
        self.fired = False
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True

    def _cut(self) -> None:
        self.fired = True
        with suppress(OSError):  # it may have gone by itself
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()
        self._timer.join()
        self._socket.close()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _lenient_text_loader() -> type[psycopg.adapt.Loader]:
    class LenientText(psycopg.adapt.Loader):
        def load(self, data: Buffer) -> str:
            return bytes(data).decode("utf-8", "replace")

    return LenientText


def log_in(params: Mapping[str, Any], statement_timeout_s: float) -> Session:
    """Log in with the ordinary login; when its slots are gone (SQLSTATE 53300), with the reserved one.

    Raises:
        PostgresError: neither got in, or the session broke at once; ``details`` carry the attempts.
        IncidentsError: psycopg is missing or the options make no sense.
    """
    if not postgres_connect.HAS_PSYCOPG:
        raise IncidentsError(missing_required_lib("psycopg >= 3.2", url="https://www.psycopg.org/psycopg3/"))
    ordinary = libpq_parameters(params)
    reserved = reserved_parameters(params, ordinary)
    attempts: list[Attempt] = []
    outcome = _attempt("ops", ordinary, params, attempts)
    if isinstance(outcome, Failure) and outcome.cause == SLOTS_EXHAUSTED and reserved:
        second = _attempt("reserved", reserved, params, attempts)
        outcome = reserved_too(outcome, second) if isinstance(second, Failure) else second
    server = _server_name(ordinary)
    if isinstance(outcome, Failure):
        raise PostgresError(f"Logging in to PostgreSQL on {server}", outcome, attempts=plain_attempts(attempts))
    session = Session(outcome, server, attempts)
    try:
        session.prepare(statement_timeout_s)
    except PostgresError as error:
        session.close()
        error.details["attempts"] = plain_attempts(attempts)
        raise
    return session


def plain_attempts(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """The attempts as JSON data."""
    return [asdict(attempt) for attempt in attempts]


def _attempt(
    login: str, parameters: Mapping[str, str], params: Mapping[str, Any], attempts: list[Attempt]
) -> psycopg.Connection | Failure:
    started = time.monotonic()
    outcome = postgres_connect.open_connection(parameters, params["connect_timeout"])
    duration = round(time.monotonic() - started, 3)
    user = parameters.get("user") or postgres_connect.libpq_default("user")
    tried = Attempt(login=login, user=user, ok=True, duration_s=duration)
    if isinstance(outcome, Failure):
        why = outcome
        tried = replace(tried, ok=False, sqlstate=why.sqlstate, cause=why.cause, limit=why.limit, message=why.message)
    attempts.append(tried)
    return outcome


def _server_name(parameters: Mapping[str, str]) -> str:
    def value(name: str) -> str:
        return parameters.get(name) or postgres_connect.libpq_default(name)

    host = value("host") or value("hostaddr") or "the local socket"
    return f"{host}:{value('port')}, database {value('dbname') or value('user')}"
