# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The refresh tokens that a platform keeps as rows in PostgreSQL: count them, and revoke those of some people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import postgres_connect
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session, log_in
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import PostgresError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import may_have_happened
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_revocation import (
    REFRESH,
    Done,
    Wish,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

if postgres_connect.HAS_PSYCOPG:
    from psycopg import sql

LOCK_MS = 2000  # a row that somebody else changes just now
ATTEMPTED = "Looking at the refresh tokens"
_BOOLEAN = "boolean"
_INSTANTS = frozenset({"timestamp with time zone", "timestamp without time zone", "date"})
_DENIED, _CLASS_OF_VALUES = "42501", "22"

# the names of the types come from the server, which quotes what has to be quoted; -1 is for "of any length": without
# it char(8) is called "character", and a cast to that keeps one character
COLUMNS = """
SELECT a.attname::text AS name, format_type(a.atttypid, -1) AS type, EXISTS (
    SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid
    AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND i.indpred IS NULL) AS sole
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
"""


class RefreshTokens:
    """The table of the tokens; use it as a context manager.

    Args:
        params: the options of the connection and ``refresh_*``.
        wish: whose tokens.
        saved: ids of rows; only these are counted. ``None`` for any.

    Raises:
        PostgresError: the server cannot be asked.
        IncidentsError: the table is not as the options say.
    """

    def __init__(self, params: Mapping[str, Any], wish: Wish, saved: frozenset[str] | None = None) -> None:
        self._wish = wish
        self._of_before = saved
        self._names = {part: str(params[f"refresh_{part}_column"]) for part in ("id", "owner", "revoked")}
        self.table = f"{params['refresh_schema']}.{params['refresh_table']}"
        # never with the reserved login, which is a superuser's
        ordinary = {**params, "reserved_user": None, "reserved_password": None}
        self._session: Session = log_in(ordinary, params["statement_timeout"])
        self.server = self._session.server
        try:
            types = self._types(str(params["refresh_schema"]), str(params["refresh_table"]))
        except IncidentsError:
            self._session.close()
            raise
        self._is_flag = types["revoked"] == _BOOLEAN
        self._cast = types["owner"]
        self._preserved: set[str] = set()
        self._table = sql.Identifier(str(params["refresh_schema"]), str(params["refresh_table"]))

    def count(self) -> int:
        """Return how many of their tokens are good.

        Raises:
            PostgresError: it cannot be asked.
        """
        counted = "SELECT count(*) AS found FROM {table} WHERE {open} AND {theirs}"
        if self._of_before is None:
            return int(self._ask(counted)[0]["found"])
        of_before = sorted(self._of_before)
        return int(self._ask(f"{counted} AND {{id}}::text = ANY (%(of_before)s)", of_before=of_before)[0]["found"])

    def lines(self, most: int) -> Iterator[bytes]:
        """Yield their good tokens as evidence, a line of JSON each, at most *most*.

        Raises:
            PostgresError: it cannot be asked.
        """
        wanted = "SELECT {id}::text AS id, {owner}::text AS owner FROM {table} WHERE {open} AND {theirs} ORDER BY {id}"
        for row in self._ask(f"{wanted} LIMIT %(most)s", most=most):
            self._preserved.add(str(row["id"]))
            yield json.dumps({"id": row["id"], "owner": row["owner"]}).encode() + b"\n"

    @property
    def columns(self) -> dict[str, str]:
        """The names of its columns, as an approval has to show them."""
        return {f"{part}_column": name for part, name in self._names.items()}

    def unsaved(self, ids: Sequence[str]) -> bool:
        """Whether others were revoked than those that :meth:`lines` gave."""
        return set(ids) != self._preserved

    @property
    def source(self) -> str:
        """Where they come from, for the list of the evidence."""
        return f"the good ones in {self.table} of PostgreSQL {self.server}"

    def revoke(self, batch: int, most: int) -> Done:
        """Revoke them, a batch in one statement, oldest id first; never more than *most*."""
        done = Done(REFRESH)
        try:
            self._session.ask("SET default_transaction_read_only TO off")
            self._session.ask(f"SET lock_timeout TO {LOCK_MS}")
            while len(done.ids) < most:
                rows = self._ask(
                    "UPDATE {table} SET {revoked} = {now} WHERE {open} AND {theirs} AND {id} = ANY (ARRAY("
                    "SELECT {id} FROM {table} WHERE {open} AND {theirs} ORDER BY {id} LIMIT %(most)s FOR UPDATE))"
                    " RETURNING {id}::text AS id",
                    most=min(batch, most - len(done.ids)),
                )
                if not rows:
                    break
                done.ids += tuple(str(row["id"]) for row in rows)
        except PostgresError as error:
            uncertain = self._session.lost or (
                error.failure.sqlstate is None and may_have_happened(error.failure.cause, None)
            )
            done.result = "unknown" if uncertain else "revoked" if done.ids else "failed"
            done.reason = error.failure.text
        done.count = len(done.ids)
        return done

    def close(self) -> None:
        """Close the connection; never raises."""
        self._session.close()

    def _types(self, schema: str, table: str) -> dict[str, str]:
        rows = self._session.ask(COLUMNS, {"schema": schema, "table": table})
        there = {str(row["name"]): str(row["type"]) for row in rows}
        sole = {str(row["name"]) for row in rows if row["sole"]}
        attempted = f"{ATTEMPTED} in {self.table} of {self._session.server}"
        if not there:
            raise IncidentsError(f"{attempted}: there is no such table; check refresh_schema and refresh_table")
        missing = [name for name in self._names.values() if name not in there]
        if missing:
            named = ", ".join(missing)
            raise IncidentsError(f"{attempted}: it has no column {named}; check the options refresh_*_column")
        if self._names["id"] not in sole:
            msg = f"{attempted}: the column {self._names['id']} has no unique index of its own, so a value of it may be"
            raise IncidentsError(f"{msg} that of several rows; check refresh_id_column")
        types = {part: there[name] for part, name in self._names.items()}
        if types["revoked"] not in {_BOOLEAN, *_INSTANTS}:
            msg = f"{attempted}: the column {self._names['revoked']} is neither a time nor a boolean"
            raise IncidentsError(f"{msg}; check refresh_revoked_column")
        return types

    def _ask(self, text: str, **values: Any) -> list[dict[str, Any]]:
        """Ask with the names of this table in braces."""
        revoked, owner = sql.Identifier(self._names["revoked"]), sql.Identifier(self._names["owner"])
        theirs = sql.SQL("TRUE") if self._wish.everybody else self._theirs(owner)
        statement = sql.SQL(text).format(  # put together from constants above
            table=self._table,
            id=sql.Identifier(self._names["id"]),
            owner=owner,
            revoked=revoked,
            open=revoked + sql.SQL(" IS NOT TRUE" if self._is_flag else " IS NULL"),
            theirs=theirs,
            now=sql.SQL("TRUE" if self._is_flag else "now()"),
        )
        try:
            return self._session.ask(statement.as_string(), {"actors": sorted(self._wish.actors), **values})
        except PostgresError as error:
            raise self._explained(error) from None

    def _theirs(self, owner: sql.Identifier) -> sql.Composed:
        # of the column's own type, so that its index is used
        return owner + sql.SQL(f" = ANY (%(actors)s::text[]::{self._cast}[])")

    def _explained(self, error: PostgresError) -> PostgresError:
        """The error with what to do; without the id that the server quotes when it is of another type."""
        state, advice = error.failure.sqlstate or "", None
        failure = error.failure
        if state.startswith(_CLASS_OF_VALUES):
            failure = replace(failure, message=f"an id of an actor is no {self._cast}")
            advice = "check actor_ids against the column of refresh_owner_column"
        elif state == _DENIED:
            names = self._names
            read = f"SELECT ({names['id']}, {names['owner']}, {names['revoked']})"
            advice = f"GRANT {read}, UPDATE ({names['revoked']}) ON {self.table} to the login"
        return PostgresError(f"{ATTEMPTED} in {self.table} of {self.server}", replace(failure, advice=advice))
