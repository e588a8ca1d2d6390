# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a PostgreSQL server says about its statements, tables and caches. Facts only, for version 12 and newer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from psycopg import sql

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.statements import MOST_TABLES

# In the middle of the statement: a comment there stays in the text that the view keeps, and tells our own
MARK = "incident-runbook sample"

EXTENSION = """
SELECT n.nspname AS schema, e.extversion AS version,
       EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements') AS available
FROM (SELECT 1) AS always
LEFT JOIN pg_extension e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
"""
# The extension may be older than the server: nobody updates it by itself. So its columns are looked at.
COLUMNS = """
SELECT c.relname AS view, a.attname AS name
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname IN ('pg_stat_statements', 'pg_stat_statements_info')
      AND a.attnum > 0 AND NOT a.attisdropped
"""
# without texts: they are in a file that would be read from end to end
SAMPLE = """
SELECT /* incident-runbook sample */ s.userid, s.dbid, s.queryid, {toplevel} AS toplevel, s.{total} AS total_ms,
       s.calls, s.rows, s.shared_blks_hit AS hit, s.shared_blks_read AS read, s.temp_blks_written AS temp_written,
       r.rolname AS role, d.datname AS database
FROM {function}(false) s
LEFT JOIN pg_roles r ON r.oid = s.userid
LEFT JOIN pg_database d ON d.oid = s.dbid
"""
TEXTS = """
SELECT /* incident-runbook sample */ s.userid, s.dbid, s.queryid, {toplevel} AS toplevel,
       substring(textsend(s.query) FROM 1 FOR 8192) AS query
FROM {function}(true) s WHERE s.queryid = ANY(%(ids)s)
"""
INFO = "SELECT /* incident-runbook sample */ stats_reset AS reset_at, dealloc AS evictions FROM {view}"

DATABASE = """
SELECT /* incident-runbook sample */ blks_hit AS hit, blks_read AS read, temp_files, temp_bytes, deadlocks, stats_reset
FROM pg_stat_database WHERE datname = current_database()
"""
TABLES = """
SELECT /* incident-runbook sample */ relid::int8 AS oid, schemaname AS schema, relname AS name, seq_scan, seq_tup_read,
       coalesce(idx_scan, 0) AS idx_scan, n_live_tup AS live, n_dead_tup AS dead,
       greatest(last_vacuum, last_autovacuum) AS last_vacuum, greatest(last_analyze, last_autoanalyze) AS last_analyze,
       (SELECT c.relpages FROM pg_class c WHERE c.oid = relid)::int8 * current_setting('block_size')::int8 AS bytes
FROM pg_stat_user_tables ORDER BY seq_tup_read + n_dead_tup DESC, relid LIMIT %(most)s
"""
WAITS = """
SELECT /* incident-runbook sample */ wait_event_type AS type, wait_event AS event, count(*) AS sessions
FROM pg_stat_activity
WHERE state = 'active' AND backend_type IN ('client backend', 'parallel worker') AND pid <> pg_backend_pid()
GROUP BY 1, 2
"""
REPLICATION = """
SELECT /* incident-runbook sample */ application_name AS application, state,
       extract(epoch FROM replay_lag)::float8 AS replay_lag_s
FROM pg_stat_replication ORDER BY replay_lag DESC NULLS LAST LIMIT 20
"""
VACUUMS = """
SELECT /* incident-runbook sample */ p.pid, n.nspname AS schema, c.relname AS table, p.phase,
       p.heap_blks_total AS blocks_total,
       p.heap_blks_scanned AS blocks_scanned
FROM pg_stat_progress_vacuum p LEFT JOIN pg_class c ON c.oid = p.relid
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.datname = current_database() LIMIT 20
"""


class StatementView:
    """pg_stat_statements of one server, whichever version of it.

    Attributes:
        version: of the extension, such as ``1.10``.
    """

    def __init__(self, session: Session, schema: str, version: str) -> None:
        self._session = session
        self.version = version
        columns = session.ask(COLUMNS, {"schema": schema})
        names = {row["name"] for row in columns if row["view"] == "pg_stat_statements"}
        self._has_info = any(row["view"] == "pg_stat_statements_info" for row in columns)
        self._info = sql.Identifier(schema, "pg_stat_statements_info")
        self._parts: dict[str, sql.Composable] = {
            "function": sql.Identifier(schema, "pg_stat_statements"),
            # 1.8 (PostgreSQL 13) renamed it, 1.9 (14) tells statements inside functions from others
            "total": sql.Identifier("total_exec_time" if "total_exec_time" in names else "total_time"),
            "toplevel": sql.SQL("s.toplevel" if "toplevel" in names else "true"),
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return the counters of every statement.

        Raises:
            PostgresError: the library is not loaded (SQLSTATE 55000), or it may not be read.
        """
        return self._session.ask(self._composed(SAMPLE))

    def info(self) -> Mapping[str, Any]:
        """Return when it was reset last and how often it had no room; ``None`` before PostgreSQL 14."""
        if not self._has_info:
            return {"reset_at": None, "evictions": None}
        return self._session.ask(sql.SQL(INFO).format(view=self._info).as_string())[0]

    def texts(self, query_ids: Collection[int]) -> Iterable[dict[str, Any]]:
        """Return the texts of these statements, each at most 8 kB of it."""
        rows = self._session.ask(self._composed(TEXTS), {"ids": list(query_ids)})
        for row in rows:
            row["query"] = bytes(row["query"] or b"").decode("utf-8", "replace")
        return rows

    def _composed(self, statement: str) -> str:
        return sql.SQL(statement).format(**self._parts).as_string()


def read_extension(session: Session) -> Mapping[str, Any]:
    """Return schema and version of pg_stat_statements in this database, and whether the server carries it."""
    return session.ask(EXTENSION)[0]


def read_counters(session: Session) -> dict[str, Any]:
    """Return what is counted up, to be compared with what it is later: ``database`` and ``tables``."""
    return {"database": session.ask(DATABASE)[0], "tables": session.ask(TABLES, {"most": MOST_TABLES})}


def read_moment(session: Session) -> dict[str, list[dict[str, Any]]]:
    """Return what is so at this moment: waits of sessions at work, vacuums, replicas."""
    return {
        "waits": session.ask(WAITS),
        "vacuums": session.ask(VACUUMS),
        "replication": session.ask(REPLICATION),
    }
