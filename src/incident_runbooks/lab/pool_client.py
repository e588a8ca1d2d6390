# SPDX-License-Identifier: GPL-3.0-or-later
"""One application process with a connection pool that leaks: its sessions are opened, used once and never again.

Run as ``python -m incident_runbooks.lab.pool_client``. Host, port, database, role and password file come from
libpq's environment variables (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSFILE), so that no argument is a secret.
Ends on SIGTERM, and when the file named by ``--while`` is gone.
"""

from __future__ import annotations

import argparse
import contextlib
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

Connection = psycopg.Connection[Any]

_WATCH_S = 0.1
_RETRY_S = 0.2  # while the server is full or away

# What a request of the application does before it forgets to give the connection back
_REQUESTS = (
    "SELECT id, title, status, budget_cents FROM campaigns WHERE status = 'active' ORDER BY created_at DESC LIMIT 20",
    "SELECT status, count(*), sum(amount_cents) FROM payments GROUP BY status",
    (
        "INSERT INTO audit_logs (actor_id, action, resource_type, resource_id, ip_address)"
        " VALUES (1, 'campaign.read', 'campaign', '1', '192.0.2.10')"
    ),
)


def _idle(_: Connection, __: int) -> None:
    """Do nothing more: the connection was not given back."""


def _idle_in_transaction(connection: Connection, position: int) -> None:
    """Lock one payment and forget to commit."""
    connection.execute("BEGIN")
    connection.execute("UPDATE payments SET status = 'pending' WHERE id = %s", [position + 1])


def _offer_in_transaction(connection: Connection, position: int) -> None:
    """Lock one offer and forget to commit."""
    connection.execute("BEGIN")
    connection.execute("UPDATE offers SET amount_cents = amount_cents WHERE id = %s", [position + 1])


def _active(connection: Connection, _: int) -> None:
    """Run a report that takes a day."""
    connection.pgconn.send_query(b"SELECT count(*) FROM audit_logs, pg_sleep(86400)")


def _blocked(connection: Connection, _: int) -> None:
    """Wait for the lock that the first idle-in-transaction session holds."""
    connection.pgconn.send_query(b"UPDATE payments SET status = 'succeeded' WHERE id = 1")


def _listen(connection: Connection, _: int) -> None:
    connection.execute("LISTEN campaign_events")


def _advisory_lock(connection: Connection, _: int) -> None:
    """Hold a session-level lock on a number nobody else has, as schedulers do for 'only one of us'."""
    connection.execute("SELECT pg_advisory_lock(pg_backend_pid())")


STATES: dict[str, Callable[[Connection, int], None]] = {
    "idle": _idle,
    "idle-in-transaction": _idle_in_transaction,
    "offer-in-transaction": _offer_in_transaction,
    "active": _active,
    "blocked": _blocked,
    "listen": _listen,
    "advisory-lock": _advisory_lock,
}


class LeakingPool:
    """Sessions that are opened and never given back.

    Args:
        application: ``application_name`` of the sessions.
        sessions: how many the pool wants.
        state: a key of :data:`STATES`.
        refill: replace sessions that the server ended; otherwise nobody misses them.
    """

    def __init__(self, application: str, sessions: int, state: str, *, refill: bool) -> None:
        self._application = application
        self._to_open = sessions
        self._leak = STATES[state]
        self._refill = refill
        self._open: list[Connection] = []
        self._said = ""

    def fill(self) -> bool:
        """Open what is missing; False if the server refuses more for now."""
        while self._to_open:
            connection: Connection | None = None
            try:
                connection = psycopg.connect(application_name=self._application, autocommit=True, connect_timeout=5)
                for request in _REQUESTS:
                    connection.execute(request)
                self._leak(connection, len(self._open))
            except psycopg.Error as error:
                if connection is not None:
                    connection.close()
                self._say(" ".join(str(error).split()))
                return False
            self._open.append(connection)
            self._to_open -= 1
        return True

    def watch(self, seconds: float) -> None:
        """Wait, and notice sessions that the server ended."""
        readable, _, _ = select.select([each.fileno() for each in self._open], [], [], seconds)
        for connection in [each for each in self._open if each.fileno() in readable]:
            if _ended(connection):
                connection.close()
                self._open.remove(connection)
                self._to_open += int(self._refill)

    def _say(self, text: str) -> None:
        """Log why no session comes up, once and not at every attempt."""
        if text != self._said:
            self._said = text
            print(f"{self._application}: {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End every session, also those with a query under way."""
        for connection in self._open:
            with contextlib.suppress(psycopg.Error):
                if connection.info.transaction_status == TransactionStatus.ACTIVE:
                    connection.cancel_safe(timeout=1)
            connection.close()


def _ended(connection: Connection) -> bool:
    try:
        connection.pgconn.consume_input()  # the first read yields the server's farewell, the next one the end
    except psycopg.Error:
        return True
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Leak until told to stop."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _leave)
    pool = LeakingPool(options.application, options.sessions, options.state, refill=options.refill)
    try:
        retry_at = 0.0
        while options.lives_while.exists():
            if time.monotonic() >= retry_at and not pool.fill():
                retry_at = time.monotonic() + _RETRY_S
            pool.watch(_WATCH_S)
    finally:
        pool.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pool_client", description="An application pool that leaks its connections.")
    parser.add_argument("--application", default="backend", help="application_name of the sessions")
    parser.add_argument("--sessions", type=int, default=1, help="how many sessions the pool opens")
    parser.add_argument("--state", choices=sorted(STATES), default="idle", help="what the sessions do")
    parser.add_argument("--refill", action="store_true", help="reconnect what the server ends")
    parser.add_argument("--while", dest="lives_while", type=Path, required=True, help="end when this file is gone")
    return parser


def _leave(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
