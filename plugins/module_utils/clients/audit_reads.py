# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What an audit trail in PostgreSQL says. Facts only; who is suspect is for the decisions.

One snapshot for all that is read. Needs the columns id, actor_id, action, resource_type, resource_id, ip_address and
created_at. ``ip_address`` may be text: what is no address is counted and left out, never an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import audit_statements as statements
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    Failure,
    PostgresError,
)

COLUMNS = ("id", "actor_id", "action", "resource_type", "resource_id", "ip_address", "created_at")
_VALID = 160000  # the first version with pg_input_is_valid()

Row = dict[str, Any]


class Trail:
    """An audit trail.

    Attributes:
        session: where it is asked.
        plans: how each query is carried out: ``query``, ``indexes``, ``sequential``.
        has_numbers: whether its identifiers are numbers, so that gaps show.
    """

    def __init__(self, session: Session, schema: str, table: str) -> None:
        from psycopg import sql  # noqa: PLC0415 - the modules must load without it and say what is missing

        self.session = session
        self.plans: list[Row] = []
        self._sql = sql
        name = f"{schema}.{table}"
        types = {
            row["name"]: row["type"] for row in session.ask(statements.COLUMNS, {"schema": schema, "table": table})
        }
        if not types:
            raise self._missing(f"there is no table {name}, or it may not be seen")
        if absent := [column for column in COLUMNS if column not in types]:
            raise self._missing(f"{name} has no column {', '.join(absent)}; give a view that has them")
        self.has_numbers = types["id"] in {"int2", "int4", "int8"}
        self._parts = {
            "table": sql.Identifier(schema, table),
            "address": sql.SQL(statements.UNMAPPED.format(self._address(types["ip_address"]))),
        }

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all queries see the same rows."""
        self.session.ask("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            self.session.ask("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off")
            yield
        finally:
            if not self.session.lost:
                with suppress(PostgresError):  # the connection is closed next, which ends it as well
                    self.session.ask("ROLLBACK")

    def read(self, name: str, statement: str, values: Mapping[str, Any]) -> list[Row]:
        """Return the rows of a query, and note which indexes it uses.

        Args:
            name: under which ``plans`` has what its plan says.
            statement: of :mod:`.audit_statements`, the table and its columns to be filled in.
            values: for it.

        Raises:
            PostgresError: the server refused it, or it took too long.
        """
        query = self._sql.SQL(statement).format(**self._parts).as_string()
        (plan,) = self.session.ask(f"EXPLAIN (FORMAT JSON) {query}", values)
        self.plans.append({"query": name, **_scans(plan["QUERY PLAN"])})
        return self.session.ask(query, values)

    def _address(self, kind: str) -> str:
        """The expression of the address as ``inet``, ``NULL`` where it is none."""
        if kind in {"inet", "cidr"}:
            return "ip_address::inet"
        (row,) = self.session.ask("SELECT current_setting('server_version_num')::int AS version")
        valid = (
            "pg_input_is_valid(ip_address::text, 'inet')" if row["version"] >= _VALID else statements.LIKE_AN_ADDRESS
        )
        return f"CASE WHEN {valid} THEN ip_address::text::inet END"

    def _missing(self, message: str) -> PostgresError:
        advice = "check schema, table and what the role may read"
        return PostgresError("Reading the audit trail", Failure("invalid_query", message, advice=advice))


def _scans(plan: Any) -> Row:
    """Return the indexes of a plan, and whether a table is read from end to end."""
    indexes: set[str] = set()
    sequential = False
    waiting = [entry["Plan"] for entry in plan]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        sequential = sequential or node.get("Node Type") == "Seq Scan"
        if node.get("Index Name"):
            indexes.add(node["Index Name"])
    return {"indexes": sorted(indexes), "sequential": sequential}
