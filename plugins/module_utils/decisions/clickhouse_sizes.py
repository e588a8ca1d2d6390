# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What takes how much space in a ClickHouse database. Pure, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import (
    Partition,
    Policy,
    Table,
    read_partition,
    shown,
    whole,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

Json = dict[str, Any]
Row = Mapping[str, Any]

TEXT_LENGTH = 200
KEY_LENGTH = 1000
MOST_LISTED = 20
_TTL = re.compile(r"\sTTL\s")


def read_all(rows: Iterable[Row], table: Table | None) -> list[Partition]:
    """Return the partitions; of *table* by the type of its time column."""
    return [read_partition(row, table.column_type if table and row.get("table") == table.name else "") for row in rows]


def find_table(tables: Iterable[Row], columns: Iterable[Row], name: str, policy: Policy) -> Table | None:
    """Return the table; ``None`` when there is none of the name."""
    found = next((row for row in tables if row.get("name") == name), None)
    if found is None:
        return None
    kind = next((str(row.get("type")) for row in columns if row.get("name") == policy.time_column), "")
    key = plain_line(str(found.get("partition_key") or ""), KEY_LENGTH)
    return Table(name, plain_line(str(found.get("engine")), TEXT_LENGTH), key, kind)


def tables(rows: Iterable[Row] | None, partitions: Sequence[Partition] | None) -> list[Json] | None:
    """Return the tables with the sizes of their partitions, the largest first."""
    if rows is None or partitions is None:
        return None
    found = [
        {
            "table": _text(row.get("name")),
            "engine": _text(row.get("engine")),
            "partition_key": _text(row.get("partition_key")),
            "has_ttl": _has_ttl(row),
            **_sum([each for each in partitions if each.table == row.get("name")]),
        }
        for row in rows
    ]
    return sorted(found, key=lambda each: (-each["bytes"], each["table"]))


def logs(rows: Iterable[Row] | None, partitions: Sequence[Partition]) -> list[Json]:
    """Return the server's logs that have parts, the largest first."""
    ttl = {row.get("name"): _has_ttl(row) for row in rows or ()}
    found = []
    for name in {each.table for each in partitions}:
        own = [each for each in partitions if each.table == name]
        oldest = min((each.oldest for each in own if each.oldest), default=None)
        newest = max((each.newest for each in own if each.newest), default=None)
        bounds = {"oldest": shown(oldest), "newest": shown(newest)}
        found.append({"table": name, "has_ttl": ttl.get(name), **_sum(own), **bounds})
    return sorted(found, key=lambda each: (-each["bytes"], each["table"]))


def eligible(partitions: Iterable[Partition]) -> Json:
    """Return the eligible partitions together."""
    own = [each for each in partitions if each.eligible]
    return {
        "partitions": len(own),
        "rows": sum(each.rows for each in own),
        "bytes": sum(each.size for each in own),
    }


def together(rows: Iterable[Row] | None) -> Json | None:
    """Return parts and bytes of all rows together."""
    if rows is None:
        return None
    listed = list(rows)
    return {
        "parts": sum(whole(row.get("parts")) for row in listed),
        "bytes": sum(whole(row.get("size")) for row in listed),
    }


def detached(rows: Iterable[Row] | None) -> Json | None:
    """Return the detached parts."""
    if rows is None:
        return None
    listed = list(rows)
    return {
        "parts": len(listed),
        "bytes": sum(whole(row.get("size")) for row in listed),
        "list": [
            {**{name: _text(row.get(name)) for name in ("table", "name", "reason")}, "bytes": whole(row.get("size"))}
            for row in listed[:MOST_LISTED]
        ],
    }


def _sum(partitions: Sequence[Partition]) -> Json:
    return {
        "partitions": len(partitions),
        "parts": sum(each.parts for each in partitions),
        "rows": sum(each.rows for each in partitions),
        "bytes": sum(each.size for each in partitions),
    }


def _has_ttl(row: Row) -> bool:
    return _TTL.search(str(row.get("create_table_query") or "")) is not None


def _text(value: Any) -> str:
    return plain_line(str(value or ""), TEXT_LENGTH)
