# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The plan of a statement that is not run, also of one whose values nobody knows. Version 12 and newer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from psycopg import sql

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import PostgresError

PLAN = "incident_runbook_plan"
PARAMETERS = "SELECT cardinality(parameter_types) AS count FROM pg_prepared_statements WHERE name = %(name)s"
TEXT = """
SELECT substring(textsend(s.query) FROM 1 FOR 20001) AS query
FROM {view} s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = current_database() AND s.queryid = %(id)s
LIMIT 1
"""
EXTENSION = """
SELECT n.nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'
"""


def read_text(session: Session, query_id: int) -> str | None:
    """Return the text of a statement by its id in pg_stat_statements; ``None`` where there is none.

    Raises:
        PostgresError: the view cannot be read, or the connection is lost.
    """
    found = session.ask(EXTENSION)
    if not found:
        return None
    view = sql.Identifier(found[0]["schema"], "pg_stat_statements")
    rows = session.ask(sql.SQL(TEXT).format(view=view).as_string(), {"id": query_id})
    return bytes(rows[0]["query"] or b"").decode("utf-8", "replace") if rows else None


def explain(session: Session, query: str, path: str) -> Any:
    """Return the plan of *query* as EXPLAIN (FORMAT JSON) gives it; the query is planned and not run.

    Its parameters $1, $2 may be there, as in the texts of pg_stat_statements: the plan is the one for any values, which
    before PostgreSQL 16 only a prepared statement has. PREPARE takes nothing but SELECT, VALUES and what changes rows,
    the extended protocol takes one statement, and the transaction is read-only, as planning may call functions.

    Args:
        path: schema in which tables are looked for, after the server's own.

    Raises:
        PostgresError: the server cannot plan it, or the connection is lost.
    """
    session.ask("BEGIN TRANSACTION READ ONLY")
    try:
        session.ask("SELECT set_config('search_path', format('pg_catalog, %%I', %(path)s::text), true)", {"path": path})
        session.ask("SET LOCAL plan_cache_mode TO force_generic_plan")
        session.ask(f"PREPARE {PLAN} AS {query}", single=True)
        count = session.ask(PARAMETERS, {"name": PLAN})[0]["count"]
        values = f" ({', '.join(['NULL'] * count)})" if count else ""
        rows = session.ask(f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE {PLAN}{values}")
        return rows[0]["QUERY PLAN"]
    finally:
        if not session.lost:
            with suppress(PostgresError):
                session.ask("ROLLBACK")
            with suppress(PostgresError):  # prepared statements outlive their transaction
                session.ask(f"DEALLOCATE {PLAN}")
