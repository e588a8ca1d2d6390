# SPDX-License-Identifier: GPL-3.0-or-later
"""Weeks of audit trail before the rows that are there, and the people who left it; and the way back.

Times and identifiers grow together, as in a real trail, so the rows that are there get new identifiers after the new
ones. What they were is kept in the schema ``lab_breach``.
"""

from __future__ import annotations

import math
from typing import Any

from psycopg import Connection, sql

from incident_runbooks.lab.breach.truth import OFFICE, PROXY, REPORTS

WEEKS = 6
PEOPLE = 1940  # beside those of seed.sql: 2000 together
STAFF = 12  # the first of them work for the platform
PEAK = 0.8  # how uneven the day is, below 1
STRIDE = 4000  # of so many identifiers one is missing: a transaction that was rolled back
COLUMNS = "actor_id, action, resource_type, resource_id, ip_address, created_at"

_KEEP = f"""
    CREATE SCHEMA lab_breach;
    CREATE TABLE lab_breach.rows AS SELECT id, {COLUMNS} FROM public.audit_logs;
    CREATE TABLE lab_breach.facts AS SELECT
        (SELECT coalesce(max(id), 0) FROM public.audit_logs) AS top, 0::bigint AS after, NULL::jsonb AS truth,
        (SELECT coalesce(max(id), 0) FROM public.users) AS users,
        (SELECT coalesce(min(created_at), now()) FROM public.audit_logs) - interval '1 second' AS ends_at;
    CREATE TABLE lab_breach.indexes AS SELECT pg_get_indexdef(indexrelid) AS made, indexrelid::regclass::text AS name
        FROM pg_index WHERE indrelid = 'public.audit_logs'::regclass AND NOT indisunique;
"""  # noqa: S608 - constants
_PEOPLE = """
    INSERT INTO public.users (id, email, role, created_at) OVERRIDING SYSTEM VALUE
    SELECT (SELECT users FROM lab_breach.facts) + n, format('member%%s@example.com', n),
        CASE WHEN n <= %s THEN 'admin' ELSE 'creator' END,
        now() - interval '1 year' + make_interval(mins => n)
    FROM generate_series(1, %s) AS n
"""
# The day's rhythm: u runs evenly through a day, the sum of u and a sine is slow around noon, where most happens, and
# never turns back. Staff at their hours from the office; the reports at night; customers at home, at an address of
# their own that changes once, or behind the ingress, which did not pass their address on. OFFSET 0 keeps what is
# computed of a row from being computed each time that it is used.
_ROWS = f"""
    WITH facts AS (
        SELECT users, date_trunc('day', ends_at) - make_interval(weeks => {WEEKS}) AS starts_at FROM lab_breach.facts),
    even AS (
        SELECT n, hashint4(n) & 2147483647 AS luck, hashint4(n + 7) & 2147483647 AS chance,
            %(days)s::float8 * (n - 1) / %(rows)s AS day
        FROM generate_series(1, %(rows)s) AS n OFFSET 0
    ),
    timed AS (
        SELECT even.*, starts_at + make_interval(
            secs => 86400 * (floor(day) + day - floor(day) + {PEAK} * sin(2 * pi() * day) / (2 * pi()))) AS at,
            facts.users AS first_user, day - floor(day) AS part
        FROM even CROSS JOIN facts OFFSET 0
    ),
    who AS (
        SELECT timed.*, CASE
            WHEN part < 0.12 AND luck %% 100 < 40 THEN 'reports'
            WHEN part BETWEEN 0.2 AND 0.8 AND luck %% 100 < 30 THEN 'staff'
            ELSE 'customer' END AS kind
        FROM timed OFFSET 0
    ),
    acting AS (
        SELECT who.*, CASE kind
            WHEN 'reports' THEN first_user + {STAFF}
            WHEN 'staff' THEN first_user + 1 + chance %% ({STAFF} - 1)
            ELSE 1 + chance %% first_user + (chance / 64 %% 33) * first_user END AS actor
        FROM who OFFSET 0
    )
    INSERT INTO public.audit_logs (id, {COLUMNS}) OVERRIDING SYSTEM VALUE
    SELECT n + n / {STRIDE},
        CASE WHEN kind = 'customer' AND actor <= first_user + {STAFF} AND actor > first_user THEN actor - first_user
            ELSE actor END,
        CASE kind
            WHEN 'reports' THEN 'payment.export'
            WHEN 'staff' THEN (ARRAY['user.read', 'campaign.read', 'payment.read', 'user.read', 'USER.READ',
                'campaign.updated', 'thread.created'])[1 + luck / 128 %% 7]
            WHEN 'customer' THEN (ARRAY['campaign.read', 'campaign.read', 'payment.read', 'campaign.updated',
                'user.login', 'user.read', 'campaign.select', 'thread.created',
                CASE WHEN luck / 4096 %% 10 = 0 THEN 'user.login_failed' ELSE 'user.login' END]
                )[1 + luck / 128 %% 9] END,
        CASE kind
            WHEN 'reports' THEN 'payment'
            WHEN 'staff' THEN (ARRAY['user', 'campaign', 'payment', 'user', 'user', 'campaign', 'thread']
                )[1 + luck / 128 %% 7]
            ELSE (ARRAY['campaign', 'campaign', 'payment', 'campaign', 'user', 'user', 'campaign', 'thread', 'user']
                )[1 + luck / 128 %% 9] END,
        CASE
            WHEN kind = 'reports' THEN 1 + n %% 200
            WHEN kind = 'staff' AND luck / 128 %% 7 IN (0, 3, 4) THEN 1 + luck / 1024 %% (first_user * 33)
            WHEN kind = 'staff' THEN 1 + luck / 1024 %% 40
            WHEN luck / 128 %% 9 = 2 THEN 1 + actor %% 40 + 40 * (luck / 1024 %% 3)
            WHEN luck / 128 %% 9 IN (4, 5, 8) THEN actor
            ELSE 1 + actor %% 40 END::text,
        CASE
            WHEN luck / 4096 %% 100 < 2 THEN NULL
            WHEN luck / 4096 %% 1000 < 1000 * %(proxy_share)s AND (kind = 'customer' OR %(proxy_share)s > 0.5)
                THEN '{PROXY}'
            WHEN kind = 'reports' THEN '{REPORTS}'
            WHEN kind = 'staff' THEN '{OFFICE}'
            ELSE '198.18.0.0'::inet + actor * 8 + CASE WHEN day < actor %% {WEEKS * 7} THEN 1 ELSE 2 END END,
        at
    FROM acting
"""  # noqa: S608 - constants
_AS_BEFORE = f"""
    INSERT INTO public.audit_logs (id, {COLUMNS}) OVERRIDING SYSTEM VALUE
    SELECT %s + row_number() OVER (ORDER BY created_at, id), {COLUMNS} FROM lab_breach.rows
"""  # noqa: S608 - constants
# What containment has changed
_AS_KEPT = """
    UPDATE public.users SET password_hash = kept.password_hash, two_factor_required = kept.two_factor_required
    FROM lab_breach.people AS kept WHERE kept.id = users.id AND (users.password_hash, users.two_factor_required)
        IS DISTINCT FROM (kept.password_hash, kept.two_factor_required);
    UPDATE public.refresh_tokens SET revoked_at = kept.revoked_at FROM lab_breach.refresh AS kept
    WHERE kept.id = refresh_tokens.id AND refresh_tokens.revoked_at IS DISTINCT FROM kept.revoked_at;
    UPDATE public.oauth_grants SET revoked_at = kept.revoked_at FROM lab_breach.grants AS kept
    WHERE kept.account_id = oauth_grants.account_id AND oauth_grants.revoked_at IS DISTINCT FROM kept.revoked_at;
    DELETE FROM public.password_resets WHERE incident IS NOT NULL
"""
_NEXT = "SELECT setval(pg_get_serial_sequence('public.{}', 'id'), greatest(max(id), 1)) FROM public.{}"


def history(connection: Connection[Any], rows: int = 1_000_000, *, proxy_share: float = 0.15) -> None:
    """Put weeks of rows before those that are there, and the people who left them.

    Writers of the trail wait meanwhile. Without effect where it was done already.

    Args:
        connection: of the superuser, in autocommit mode.
        rows: how many.
        proxy_share: of the rows that carry the ingress' address instead of the client's; 0 to 1.

    Raises:
        psycopg.Error: the server refused a statement; then nothing was changed.
    """
    if _is_there(connection):
        return
    with connection.transaction():
        connection.execute("LOCK TABLE public.audit_logs IN ACCESS EXCLUSIVE MODE")
        connection.execute(_KEEP.encode())
        connection.execute(_PEOPLE.encode(), [STAFF, PEOPLE])
        connection.execute("TRUNCATE public.audit_logs")
        drop_indexes(connection)
        connection.execute(_ROWS.encode(), {"rows": rows, "proxy_share": proxy_share, "days": _days(connection)})
        connection.execute(_AS_BEFORE.encode(), [rows + rows // STRIDE])
        make_indexes(connection)
        for table in ("audit_logs", "users"):
            connection.execute(_NEXT.format(table, table).encode())
        connection.execute("UPDATE lab_breach.facts SET after = (SELECT max(id) FROM public.audit_logs)")
    connection.execute("ANALYZE public.audit_logs, public.users")


def remove(connection: Connection[Any]) -> tuple[int, ...]:
    """Make the trail what it was, with the rows that came since; return the attacker's sessions.

    Args:
        connection: of the superuser, in autocommit mode.

    Raises:
        psycopg.Error: the server refused a statement; then nothing was changed.
    """
    if not _is_there(connection):
        return ()
    with connection.transaction():
        connection.execute("LOCK TABLE public.audit_logs IN ACCESS EXCLUSIVE MODE")
        facts = connection.execute("SELECT top, users, truth -> 'session_ids' FROM lab_breach.facts").fetchone()
        top, users, sessions = facts or (0, 0, None)
        connection.execute(
            f"CREATE TABLE lab_breach.later AS SELECT id, {COLUMNS} FROM public.audit_logs"  # noqa: S608 - constants
            " WHERE id > (SELECT after FROM lab_breach.facts)"
        )
        connection.execute("TRUNCATE public.audit_logs")
        for source, identifier in (("rows", "id"), ("later", f"{top} + row_number() OVER (ORDER BY id)")):
            connection.execute(
                f"INSERT INTO public.audit_logs (id, {COLUMNS}) OVERRIDING SYSTEM VALUE"  # noqa: S608 - constants
                f" SELECT {identifier}, {COLUMNS} FROM lab_breach.{source}".encode()
            )
        connection.execute(_NEXT.format("audit_logs", "audit_logs").encode())
        if sessions is not None:
            connection.execute(_AS_KEPT.encode())
        connection.execute("DELETE FROM public.refresh_tokens WHERE id = ANY(%s)", [sessions or []])
        _remove_people(connection, users)
        connection.execute("DROP SCHEMA lab_breach CASCADE")
    connection.execute("ANALYZE public.audit_logs, public.users")
    return tuple(sessions or ())


def drop_indexes(connection: Connection[Any]) -> None:
    """Drop what makes writing many rows slow; see :func:`make_indexes`."""
    for (name,) in connection.execute("SELECT name FROM lab_breach.indexes").fetchall():
        connection.execute(sql.SQL("DROP INDEX IF EXISTS public.{}").format(sql.Identifier(name)))


def make_indexes(connection: Connection[Any]) -> None:
    """Make the indexes as they were."""
    for (made,) in connection.execute("SELECT made FROM lab_breach.indexes").fetchall():
        connection.execute(made.encode())


def _days(connection: Connection[Any]) -> float:
    """Return the days, as they run evenly, from the first midnight to the end: the uneven ones turned back."""
    row = connection.execute("SELECT extract(epoch FROM ends_at)::float8 FROM lab_breach.facts").fetchone()
    wanted = (row[0] if row else 0.0) % 86400 / 86400
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if middle + PEAK * math.sin(2 * math.pi * middle) / (2 * math.pi) < wanted:
            low = middle
        else:
            high = middle
    return WEEKS * 7 + low


def _is_there(connection: Connection[Any]) -> bool:
    row = connection.execute("SELECT to_regnamespace('lab_breach') IS NOT NULL").fetchone()
    return bool(row and row[0])


def _remove_people(connection: Connection[Any], last: int) -> None:
    """Remove everybody after *last*, and what was noted of them meanwhile."""
    referring = connection.execute(
        "SELECT conrelid::regclass::text, attname FROM pg_constraint"
        " JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
        " WHERE contype = 'f' AND confrelid = 'public.users'::regclass"
    ).fetchall()
    for table, column in referring:
        name = sql.SQL(".").join(sql.Identifier(part) for part in table.split("."))
        connection.execute(sql.SQL("DELETE FROM {} WHERE {} > %s").format(name, sql.Identifier(column)), [last])
    connection.execute("DELETE FROM public.users WHERE id > %s", [last])
    connection.execute(_NEXT.format("users", "users").encode())
