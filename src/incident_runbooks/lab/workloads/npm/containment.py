# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's jobs that contain a breach, for named users and accounts.

Each is done twice without harm: what was done before is not done, and not counted, again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import psycopg

_INCIDENT = re.compile(r"[A-Za-z0-9._-]{1,120}")

Options = Mapping[str, Any]
Connection = psycopg.Connection[Any]


def read_incident(text: str) -> str:
    """Return the identifier of an incident.

    Raises:
        ValueError: it is none.
    """
    if not _INCIDENT.fullmatch(text):
        raise ValueError(f"{text!r} is no incident")
    return text


def revoke_tokens(connection: Connection, options: Options) -> list[int]:
    """End refresh tokens, and return their numbers."""
    return _numbers(
        connection,
        "UPDATE refresh_tokens SET revoked_at = now() WHERE revoked_at IS NULL"
        " AND (%(since)s::timestamptz IS NULL OR issued_at >= %(since)s)"
        " AND (%(actor-ids)s::bigint[] IS NULL OR user_id = ANY(%(actor-ids)s)) RETURNING id",
        options,
    )


def send_password_resets(connection: Connection, options: Options) -> list[int]:
    """Send links for new passwords, and return the users; the passwords of those that are named end."""
    named = _listed(options["user-ids"])
    ids = named if named is not None else _listed(options["affected-users"])
    reset = _numbers(
        connection,
        "INSERT INTO password_resets (user_id, incident) SELECT id, %(incident)s FROM users"
        " WHERE %(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s) ORDER BY id"
        " ON CONFLICT (user_id, incident) DO NOTHING RETURNING user_id",
        {"ids": ids, "incident": options["incident"]},
    )
    if named is not None:
        connection.execute("UPDATE users SET password_hash = NULL WHERE id = ANY(%s)", [reset])
    return reset


def require_2fa(connection: Connection, options: Options) -> list[int]:
    """Require a second factor, and return the users of whom none was required."""
    return _numbers(
        connection,
        "UPDATE users SET two_factor_required = true WHERE NOT two_factor_required"
        " AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s)) RETURNING id",
        {"ids": _listed(options["user-ids"])},
    )


def revoke_oauth(connection: Connection, options: Options) -> list[int]:
    """Revoke grants of social accounts, and return the accounts."""
    return _numbers(
        connection,
        "UPDATE oauth_grants SET revoked_at = now() WHERE revoked_at IS NULL"
        " AND (%(account-ids)s::bigint[] IS NULL OR account_id = ANY(%(account-ids)s)) RETURNING account_id",
        options,
    )


def _numbers(connection: Connection, statement: str, options: Options) -> list[int]:
    rows = connection.execute(statement.encode(), options).fetchall()
    return sorted({int(row[0]) for row in rows})


def _listed(value: str | list[int] | None) -> list[int] | None:
    return value if isinstance(value, list) else None
