# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a PostgreSQL server says about a table's indexes and who is in the way of a new one. Version 12 and newer."""

from __future__ import annotations

from typing import Any

from psycopg import sql

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_sessions import read_server
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.index_proposal import Proposal

Json = dict[str, Any]

TABLE = """
SELECT c.oid::int8 AS oid, c.relkind::text AS kind, c.relpersistence::text AS persistence,
       pg_table_size(c.oid) AS bytes, greatest(c.reltuples, 0)::int8 AS rows,
       pg_has_role(c.relowner, 'USAGE') AS owner, has_schema_privilege(n.oid, 'CREATE') AS may_create
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND c.relkind IN ('r', 'm', 'p', 'f', 'v')
"""
COLUMNS = """
SELECT attname AS name FROM pg_attribute WHERE attrelid = %(oid)s::oid AND attnum > 0 AND NOT attisdropped
"""
# indoption's lowest bit is INDOPTION_DESC. An expression has no column, its place is null.
INDEXES = """
SELECT c.oid::int8 AS oid, c.relname AS name, c.relkind::text AS kind, m.amname AS method,
       i.indisvalid AS valid, i.indisready AS ready, i.indpred IS NOT NULL AS partial,
       pg_relation_size(c.oid) AS bytes, pg_get_indexdef(c.oid) AS definition,
       obj_description(c.oid, 'pg_class') AS comment,
       EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid) AS constrains,
       (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
        LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE k.place <= i.indnkeyatts) AS columns,
       (SELECT array_agg(o.flags & 1 = 1 ORDER BY o.place)
        FROM unnest(i.indoption::int2[]) WITH ORDINALITY o (flags, place)) AS descending
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
WHERE i.indrelid = %(oid)s::oid
ORDER BY c.relname
"""
BUILDING = """
SELECT pid, relid::int8 AS table_oid, index_relid::int8 AS index_oid, phase, blocks_done, blocks_total, tuples_done,
       tuples_total, lockers_done, lockers_total, nullif(current_locker_pid, 0) AS waits_for_pid
FROM pg_stat_progress_create_index WHERE datname = current_database()
"""
# Vacuums are not waited for. A transaction that has only just begun a statement has an age as well.
OLDEST = """
SELECT pid, age_s FROM (
    SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
          AND backend_type NOT IN ('autovacuum worker', 'walsender')
    UNION ALL
    SELECT NULL, extract(epoch FROM clock_timestamp() - prepared)::float8 FROM pg_prepared_xacts
    WHERE database = current_database()
) AS open ORDER BY age_s DESC LIMIT 1
"""
HIDDEN = """
SELECT count(*) AS sessions FROM pg_stat_activity WHERE datname = current_database() AND backend_type IS NULL
"""
NAMED = """
SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s
"""


def read_facts(session: Session, schema: str, table: str, index: str | None) -> Json:
    """Return what is known of a table, its indexes and this moment; ``table`` is ``None`` where there is none.

    Args:
        index: a name of which is said whether it is taken.

    Raises:
        PostgresError: the server refused, or the connection is lost.
    """
    found = session.ask(TABLE, {"schema": schema, "table": table})
    oid = {"oid": found[0]["oid"]} if found else None
    return {
        "server": read_server(session),
        "table": found[0] if found else None,
        "columns": [row["name"] for row in session.ask(COLUMNS, oid)] if oid else [],
        "indexes": read_indexes(session, oid["oid"]) if oid else [],
        "building": read_building(session),
        "oldest": next(iter(session.ask(OLDEST)), None),
        "hidden": session.ask(HIDDEN)[0]["sessions"],
        "name_taken": bool(index and session.ask(NAMED, {"schema": schema, "name": index})),
    }


def read_indexes(session: Session, table_oid: int) -> list[Json]:
    """Return the indexes of a table, those that are INVALID included."""
    rows = session.ask(INDEXES, {"oid": table_oid})
    return [{**row, "columns": row["columns"] or [], "descending": row["descending"] or []} for row in rows]


def read_building(session: Session) -> list[Json]:
    """Return the builds of indexes in this database, with how far they are."""
    return session.ask(BUILDING)


def create_statement(proposal: Proposal) -> str:
    """Return the statement that builds the index, its names quoted."""
    order = {True: sql.SQL(" DESC"), False: sql.SQL("")}
    columns = [sql.Identifier(column.name) + order[column.descending] for column in proposal.columns]
    return (
        sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} USING {} ({})")
        .format(
            sql.Identifier(proposal.index),
            sql.Identifier(proposal.schema, proposal.table),
            sql.Identifier(proposal.method),
            sql.SQL(", ").join(columns),
        )
        .as_string()
    )


def drop_statement(schema: str, index: str) -> str:
    """Return the statement that drops an index, its name quoted."""
    return sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(schema, index)).as_string()


def comment_statement(schema: str, index: str, text: str) -> str:
    """Return the statement that sets the comment of an index."""
    composed = sql.SQL("COMMENT ON INDEX {} IS {}").format(sql.Identifier(schema, index), sql.Literal(text))
    return composed.as_string()
