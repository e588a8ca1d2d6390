# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a PostgreSQL server says about itself and its sessions, and the one way to end a session.

Written for PostgreSQL 12 and newer. Facts only; what they mean is decided elsewhere.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session

# reserved_connections came with PostgreSQL 16; walsenders have had slots of their own since 12.
SERVER = """
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_num,
       pg_is_in_recovery() AS in_recovery,
       pg_postmaster_start_time() AS started_at,
       current_database() AS database,
       current_user AS role,
       pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int AS superuser_reserved,
       coalesce(current_setting('reserved_connections', true), '0')::int AS reserved
"""

LIMITS = """
SELECT 'role' AS kind, rolname AS name, rolconnlimit AS connection_limit
FROM pg_roles WHERE rolconnlimit >= 0 AND rolcanlogin
UNION ALL
SELECT 'database', datname, datconnlimit FROM pg_database WHERE datconnlimit >= 0
ORDER BY 1, 2
"""

# One row per process of the server. Ages come from the server's clock, and idle time from state_change:
# query_start is when the last query began, so a session just back from a long report would look idle.
# textsend: cutting bytes cannot stumble over another database's encoding, left() can.
# Blockers are computed only for sessions that wait: pg_blocking_pids() stops the whole lock manager.
SESSIONS = """
WITH locks AS (
    SELECT pid,
           bool_or(locktype = 'advisory' AND granted) AS advisory_lock,
           bool_or(NOT granted) AS waits
    FROM pg_locks WHERE pid IS NOT NULL GROUP BY pid
)
SELECT a.pid,
       a.pid = pg_backend_pid() AS own,
       a.backend_start,
       a.state_change,
       a.backend_type,
       a.datname AS database,
       a.usename AS role,
       coalesce(r.rolsuper, false) AS superuser,
       coalesce(a.application_name, '') AS application,
       coalesce(host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'local' END) AS client,
       a.state,
       a.wait_event_type,
       a.wait_event,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_age_s,
       extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS query_age_s,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_age_s,
       NULL::int8 AS query_id,
       substring(textsend(a.query) FROM 1 FOR 1024) AS query,
       coalesce(l.advisory_lock, false) AS advisory_lock,
       CASE WHEN l.waits AND %(with_blockers)s THEN pg_blocking_pids(a.pid) ELSE '{}' END AS blocked_by,
       pg_has_role('pg_signal_backend', 'USAGE') OR coalesce(pg_has_role(a.usesysid, 'USAGE'), false) AS may_end
FROM pg_stat_activity a
LEFT JOIN pg_roles r ON r.oid = a.usesysid
LEFT JOIN locks l ON l.pid = a.pid
ORDER BY a.backend_start, a.pid
"""
QUERY_ID_SINCE = 140000

# The identity check, the last look and the signal in one statement. No row: the session is gone. NULL: it is
# there, but has changed or must not be touched any more. CASE evaluates the signal only after the conditions.
END_SESSION = """
SELECT CASE WHEN a.state = %(state)s AND a.state_change = %(state_change)s
                 AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
                 AND NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.oid = a.usesysid AND r.rolsuper)
                 AND NOT EXISTS (SELECT 1 FROM pg_locks l
                                 WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)
            THEN pg_terminate_backend(a.pid, %(timeout_ms)s) END AS ended
FROM pg_stat_activity a
WHERE a.pid = %(pid)s AND a.backend_start = %(backend_start)s
"""
TIMEOUT_ARGUMENT_SINCE = 140000
STILL_THERE = "SELECT 1 FROM pg_stat_activity WHERE pid = %(pid)s AND backend_start = %(backend_start)s"
POLL_S = 0.05


def read_server(session: Session) -> dict[str, Any]:
    """Return the server's facts: version, role logged in as, connection settings."""
    return session.ask(SERVER)[0]


def read_limits(session: Session) -> list[dict[str, Any]]:
    """Return the connection limits that roles and databases have of their own."""
    return session.ask(LIMITS)


def read_sessions(session: Session, version_num: int, *, with_blockers: bool = False) -> list[dict[str, Any]]:
    """Return one row per process of the server, background processes and the own session included."""
    statement = SESSIONS
    if version_num >= QUERY_ID_SINCE:
        statement = statement.replace("NULL::int8 AS query_id", "a.query_id")
    rows = session.ask(statement, {"with_blockers": with_blockers})
    for row in rows:
        row["query"] = bytes(row["query"] or b"").decode("utf-8", "replace")
    return rows


def end_session_statement(version_num: int) -> str:
    """Return the statement of :func:`end_session`; before PostgreSQL 14 the function has no time-out."""
    if version_num >= TIMEOUT_ARGUMENT_SINCE:
        return END_SESSION
    return END_SESSION.replace("pg_terminate_backend(a.pid, %(timeout_ms)s)", "pg_terminate_backend(a.pid)")


def end_session(
    session: Session,
    version_num: int,
    *,
    pid: int,
    backend_start: dt.datetime,
    state: str,
    state_change: dt.datetime,
    timeout_s: float,
) -> str:
    """End one session if it is still the very same one, unchanged.

    Args:
        timeout_s: seconds to wait for it to be gone.

    Returns:
        ``terminated``, ``not_terminated`` (signalled, but not gone in time), ``skipped_gone`` or
        ``skipped_changed``.

    Raises:
        PostgresError: the server refused, or the connection is lost.
    """
    identity: Mapping[str, Any] = {"pid": pid, "backend_start": backend_start}
    change = {"state": state, "state_change": state_change, "timeout_ms": int(timeout_s * 1000)}
    rows = session.ask(end_session_statement(version_num), {**identity, **change})
    if not rows:
        return "skipped_gone"
    if rows[0]["ended"] is None:
        return "skipped_changed"
    ended = bool(rows[0]["ended"])
    if ended and version_num < TIMEOUT_ARGUMENT_SINCE:  # true means signalled only
        ended = _gone(session, identity, timeout_s)
    return "terminated" if ended else "not_terminated"


def _gone(session: Session, identity: Mapping[str, Any], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while session.ask(STILL_THERE, identity):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True
