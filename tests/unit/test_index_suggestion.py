# SPDX-License-Identifier: GPL-3.0-or-later
"""Which index a statement's text asks for, and which texts ask for none."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.index_suggestion import (
    columns_of,
    suggest,
)

STATUS, NEWEST = ("status", "asc"), ("created_at", "desc")
BOTH = [STATUS, ("brand_id", "asc")]
SOFT_DELETED = (
    'SELECT * FROM "campaigns" "c" WHERE ( ("c"."status" = $1) ) AND ("c"."deleted_at" IS NULL)'
    ' ORDER BY "c"."created_at" DESC LIMIT 10'
)
TABLE = {"schema": "public", "table": "campaigns"}
PLAIN = "SELECT id, title FROM campaigns WHERE status = $1 ORDER BY created_at DESC LIMIT $2"


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        (PLAIN, [STATUS, NEWEST]),
        ("SELECT * FROM public.campaigns WHERE status = $1", [STATUS]),
        ("select * from campaigns where (status = $1)", [STATUS]),
        ("select * from campaigns where status = $1::text and brand = $2", [STATUS, ("brand", "asc")]),
        ("select * from campaigns where created_at > $1 and status = $2", [STATUS, ("created_at", "asc")]),
        ("select * from campaigns where status in ($1, $2) order by created_at desc", [STATUS, NEWEST]),
        ("select * from campaigns where status = any($1) limit $2", [STATUS]),
        ("select * from campaigns order by created_at desc, id limit $1", [NEWEST, ("id", "asc")]),
        ("select * from campaigns where title ilike $1 and status = $2", [STATUS]),
        ("select * from campaigns where status = $1 and status = $2", [STATUS]),
        (
            "select * from campaigns where (status=$1) AND (brand_id=$2) ORDER BY created_at DESC LIMIT 10",
            [*BOTH, NEWEST],
        ),
        ("select * from campaigns where ((status = $1) and (brand_id = $2)) and lower(title) = $3", BOTH),
        (
            SOFT_DELETED,
            [STATUS, NEWEST],
        ),
        ("select * from campaigns where created_at > $1 order by created_at limit 10", [("created_at", "asc")]),
        (
            'select "c0".* from "campaigns" as "c0" where "c0"."status" = $1 order by "c0"."created_at" desc limit $2',
            [STATUS, NEWEST],
        ),
    ],
)
def test_equality_comes_first_and_then_the_order(statement: str, columns: list[tuple[str, str]]) -> None:
    assert columns_of(statement, "public", "campaigns") == columns


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "SELECT * FROM campaigns",
        "SELECT * FROM campaigns ORDER BY created_at",
        "SELECT * FROM campaigns WHERE status = $1 OR brand = $2",
        "SELECT * FROM campaigns c JOIN offers o ON o.campaign = c.id WHERE c.status = $1",
        "SELECT * FROM campaigns, offers WHERE status = $1",
        "SELECT * FROM offers WHERE status = $1",
        "SELECT * FROM other.campaigns WHERE status = $1",
        "SELECT status, count(*) FROM campaigns WHERE brand = $1 GROUP BY status",
        "SELECT * FROM campaigns WHERE lower(status) = $1",
        "SELECT * FROM campaigns WHERE status = $1 ORDER BY lower(title)",
        "SELECT * FROM campaigns WHERE status = $1 ORDER BY created_at DESC NULLS LAST",
        "SELECT * FROM campaigns WHERE created_at BETWEEN $1 AND $2",
        "SELECT * FROM (SELECT * FROM campaigns WHERE status = $1) AS c",
        "WITH c AS (SELECT * FROM campaigns) SELECT * FROM campaigns WHERE status = $1",
        "UPDATE campaigns SET title = $1 WHERE status = $2",
        "SELECT * FROM campaigns WHERE status = brand",
        "SELECT * FROM campaigns WHERE status = $1 … ORDER BY created_at",
        "SELECT * FROM campaigns WHERE lower(email)=$1 ORDER BY created_at LIMIT 10",
        "SELECT * FROM campaigns WHERE title ILIKE $1 ORDER BY created_at LIMIT 10",
        "SELECT * FROM campaigns WHERE deleted_at IS NULL ORDER BY created_at LIMIT 10",
        "SELECT * FROM campaigns WHERE price BETWEEN $1 AND $2 ORDER BY created_at LIMIT 10",
        "SELECT * FROM campaigns WHERE price > $1 AND title ILIKE $2 ORDER BY created_at LIMIT 10",
        "SELECT * FROM campaigns WHERE coalesce(open AND status = $1 AND brand = $2, false)",
    ],
)
def test_what_is_not_understood_asks_for_none(statement: str) -> None:
    assert columns_of(statement, "public", "campaigns") == []


def row(query_id: str | None, text: str, **given: Any) -> dict[str, Any]:
    return {"query_id": query_id, "database": "app", "hidden": False, "share": 0.4, "statement": text, **given}


def test_the_most_expensive_statement_that_says_enough_counts() -> None:
    found = suggest(
        [
            row(None, PLAIN),
            row("-2", PLAIN, hidden=True),
            row("-3", PLAIN, database="other"),
            row("-4", "SELECT count(*) FROM campaigns"),
            row("-8", PLAIN, share=0.09),
            row("-9", PLAIN, share=None),
            row("-5", PLAIN),
            row("-6", "SELECT * FROM campaigns WHERE brand = $1"),
        ],
        TABLE,
        "app",
    )
    assert found == {
        **TABLE,
        "columns": [{"name": "status", "order": "asc"}, {"name": "created_at", "order": "desc"}],
        "method": "btree",
        "query_id": "-5",
        "statement": PLAIN,
    }
    assert suggest([row("-4", "SELECT count(*) FROM campaigns")], TABLE, "app") is None
