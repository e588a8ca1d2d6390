# SPDX-License-Identifier: GPL-3.0-or-later
"""What statements cost between two samples, and what may be shown of their text."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import statements
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.statement_text import LENGTH, shown


def row(queryid: int | None, calls: int, total_ms: float, **more: Any) -> dict[str, Any]:
    counters = dict.fromkeys(statements.COUNTERS, 0)
    whose = {"userid": 10, "dbid": 5, "toplevel": True, "role": "app", "database": "shop"}
    return {**counters, **whose, "queryid": queryid, "calls": calls, "total_ms": total_ms, **more}


def taken(*rows: dict[str, Any], reset_at: Any = "monday", evictions: int | None = 0) -> statements.Sample:
    return statements.sample(rows, reset_at, evictions)


def found(first: statements.Sample, second: statements.Sample) -> dict[Any, tuple[int, float]]:
    return {row["queryid"]: (row["calls"], row["total_ms"]) for row in statements.difference(first, second).rows}


def test_the_difference_counts_and_not_the_mean() -> None:
    first = taken(row(1, 1, 60_000.0), row(2, 1000, 100.0), row(3, 4, 4.0))
    second = taken(row(1, 1, 60_000.0), row(2, 3000, 300.0), row(3, 5, 5.0), row(4, 1, 150.0))
    assert list(found(first, second).items()) == [(2, (2000, 200.0)), (4, (1, 150.0)), (3, (1, 1.0))]
    seen = statements.difference(first, second)
    assert (seen.reset, seen.evicted) == (False, False)
    whole = statements.total_ms(seen.rows)
    shares = [each["share"] for each in statements.ranked(seen.rows, {}, whole, 10.0)]
    assert shares == [0.5698, 0.4274, 0.0028]


def test_the_same_statement_of_another_role_database_or_level_is_another_one() -> None:
    first = taken(row(1, 1, 1.0))
    others = [row(1, 1, 1.0, **other) for other in ({"userid": 11}, {"dbid": 6}, {"toplevel": False})]
    assert len(statements.difference(first, taken(row(1, 1, 1.0), *others)).rows) == 3


def test_hidden_statements_have_one_key_and_are_summed() -> None:
    first = taken(row(None, 3, 30.0), row(None, 1, 1.0))
    second = taken(row(None, 5, 50.0), row(None, 2, 2.0))
    assert found(first, second) == {None: (3, 21.0)}
    (plain,) = statements.ranked(statements.difference(first, second).rows, {}, 21.0, 1.0)
    assert (plain["hidden"], plain["query_id"], plain["statement"]) == (True, None, "")


@pytest.mark.parametrize(
    ("second", "reset", "evicted", "calls"),
    [
        (taken(row(1, 2, 2.0), reset_at="tuesday"), True, False, 2),
        (taken(row(1, 2, 2.0)), True, False, 2),  # this statement alone
        (taken(row(1, 12, 12.0), evictions=1), False, True, 2),
        (taken(row(1, 12, 12.0)), False, False, 2),
    ],
)
def test_a_reset_and_evictions(second: statements.Sample, reset: bool, evicted: bool, calls: int) -> None:
    seen = statements.difference(taken(row(1, 10, 10.0)), second)
    assert (seen.reset, seen.evicted, seen.rows[0]["calls"]) == (reset, evicted, calls)


def test_before_version_14_what_vanishes_tells_of_a_reset() -> None:
    first = taken(row(1, 10, 10.0), row(2, 1, 1.0), reset_at=None, evictions=None)
    second = taken(row(1, 12, 12.0), reset_at=None, evictions=None)
    assert statements.difference(first, second).reset is True


def test_counters_of_years_are_not_those_of_the_sample() -> None:
    def table(oid: int, scans: int) -> dict[str, Any]:
        names = {"schema": "public", "name": f"t{oid}", "bytes": 8192, "last_vacuum": None, "last_analyze": None}
        return {"oid": oid, **names, "seq_scan": scans, "seq_tup_read": scans * 9, "idx_scan": 0, "live": 9, "dead": 0}

    few = [table(oid, 5) for oid in range(10)]
    assert [row["table"] for row in statements.tables(few, [*few, table(10, 7)])] == ["t10"], "it is new"
    many = [table(oid, 5) for oid in range(statements.MOST_TABLES)]
    later = [table(0, 8), *many[2:], table(5000, 70)]  # now among those that are looked at
    assert [(row["table"], row["sequential_scans"]) for row in statements.tables(many, later)] == [("t0", 3)]


def test_what_the_database_did() -> None:
    first = {"hit": 100, "read": 100, "temp_files": 1, "temp_bytes": 10, "deadlocks": 0, "stats_reset": None}
    second = {"hit": 190, "read": 110, "temp_files": 2, "temp_bytes": 30, "deadlocks": 0, "stats_reset": None}
    work = statements.database_work(first, second, 2.0)
    assert (work["cache_hit_ratio"], work["temp_bytes"], work["reset"]) == (0.9, 20, False)
    assert statements.database_work(second, first, 2.0)["reset"] is True
    assert statements.database_work(first, first, 2.0)["cache_hit_ratio"] is None


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT * FROM t\n WHERE a = $1 AND b2 = $12", "SELECT * FROM t WHERE a = $1 AND b2 = $12"),
        ("SET x TO 'geheim'", "SET x TO …"),
        ("SELECT 'it''s me', b", "SELECT …, b"),
        ("SELECT 'never closed", "SELECT …"),
        (r"SELECT E'a\'b secret', 1", "SELECT E…"),
        ("SELECT $$a secret$$, $x$ another $$ $x$, b", "SELECT …, …, b"),
        ("SELECT $x$ never closed", "SELECT …"),
        ("/* user=ann */ SELECT 1.5e3 -- ann\n, t1.c", "SELECT … , t1.c"),
        ("SELECT /* never closed", "SELECT"),
        ('SELECT "a\'b", "c" FROM t WHERE x = \'y\'', 'SELECT "a\'b", "c" FROM t WHERE x = …'),
        ("SELECT \x1b[31m a", "SELECT [… a"),
    ],
)
def test_a_statement_is_shown_without_its_values(query: str, text: str) -> None:
    assert shown(query) == text


def test_of_a_long_statement_the_end_is_shown_too() -> None:
    text = shown(f"SELECT {', '.join(['column_name'] * 500)} FROM t WHERE status = $1")  # noqa: S608
    assert len(text) <= LENGTH
    assert text.startswith("SELECT column_name")
    assert text.endswith("FROM t WHERE status = $1")
