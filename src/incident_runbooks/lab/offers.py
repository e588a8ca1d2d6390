# SPDX-License-Identifier: GPL-3.0-or-later
"""The table ``offers``: made at first, made to grow by a fault, and made anew."""

from __future__ import annotations

import time
from importlib import resources
from typing import Any

from psycopg import Connection, sql

from incident_runbooks.lab.server import Server
from incident_runbooks.lab.workloads.backend.campaigns import LATEST_OFFERS

_FIRST_ROWS, _MOST_ROWS = 60_000, 400_000
CAMPAIGNS = 40  # as seed.sql has them
_LONG_S = 0.7  # what the list of campaigns shall take: more than the objective of 0.5 s by any measure

# Foreign keys are not looked at: it is three times as fast, and the rows are as good as those of seed.sql
_GROW = """
    INSERT INTO offers (campaign_id, creator_id, status, amount_cents, created_at)
    SELECT 1 + n %% 40, 1 + n %% 60, (ARRAY['open', 'accepted', 'declined', 'declined'])[1 + n %% 4],
        5000 * (1 + n %% 20), now() - make_interval(mins => n)
    FROM generate_series(1, %s) AS n
"""
# The sum tells of rows that were changed; of 200 rows it is always the same
_AS_SEEDED = """
    SELECT (SELECT count(*) = 200 AND sum(amount_cents) = 10500000 FROM offers)
        AND (SELECT count(*) = 1 FROM pg_index WHERE indrelid = 'public.offers'::regclass)
"""
# What an incident's run has built, or failed to build, on other tables
_ADDED = """
    SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = 'public'::regnamespace AND indrelid <> 'public.offers'::regclass
        AND (NOT indisvalid OR obj_description(indexrelid, 'pg_class') LIKE 'incident-runbook %')
"""


def make(connection: Connection[Any], server: Server) -> None:
    """Make the table anew, owned by the application.

    Args:
        connection: of the superuser.
        server: knows the application's role.

    Raises:
        psycopg.Error: the server refused a statement.
    """
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(server.app.user)))
    connection.execute(resources.files("incident_runbooks.lab").joinpath("offers.sql").read_bytes())
    connection.execute("RESET ROLE")
    connection.execute("ANALYZE offers")


def grow(server: Server) -> int:
    """Add rows until reading the table from end to end for each campaign takes long here; return how many there are.

    Raises:
        psycopg.Error: the server refused a statement.
    """
    with server.connect(server.superuser) as connection:
        connection.execute("SET session_replication_role = replica")
        rows, wanted = 0, _FIRST_ROWS
        while rows < wanted:
            connection.execute(_GROW.encode(), [wanted - rows])
            rows = wanted
            connection.execute("ANALYZE offers")
            wanted = min(round(rows * _LONG_S / (CAMPAIGNS * _read_s(connection))), _MOST_ROWS)
    return rows


def restore(server: Server) -> list[str]:
    """Make the table as it was at first, drop the indexes of incidents; return what was different.

    Raises:
        psycopg.Error: the server refused a statement.
    """
    changed = []
    with server.connect(server.superuser, options="-c lock_timeout=5s") as connection:
        row = connection.execute(_AS_SEEDED.encode()).fetchone()
        if row is None or not row[0]:
            make(connection, server)
            changed.append("the table offers was changed")
        for (name,) in connection.execute(_ADDED.encode()).fetchall():
            connection.execute(sql.SQL("DROP INDEX public.{}").format(sql.Identifier(name)))
            changed.append(f"the index {name} was added")
    return changed


def _read_s(connection: Connection[Any]) -> float:
    """Return how many seconds the offers of one campaign take: of three times the shortest."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        connection.execute(LATEST_OFFERS.encode(), [1]).fetchall()
        took.append(time.monotonic() - began)
    return min(took)
