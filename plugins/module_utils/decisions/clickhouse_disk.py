# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a ClickHouse server says of its disks, tables, mutations, merges and replicas, as plain facts. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import whole
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.statement_text import shown

Json = dict[str, Any]

TEXT_LENGTH = 300
_CODE = re.compile(r"Code: [0-9]{1,5}\.? ?")  # the number of an error is no value
AHEAD_S = 60  # that clocks may differ
FUTURE = "in_the_future"
UNBOUNDED = 2**60  # bytes; object storage says 2**63 or more


def disk(row: Mapping[str, Any]) -> Json:
    """Return one disk; ``used_ratio`` counts what the server keeps free as used, and is null for object storage."""
    total, free, kept = (whole(row.get(name)) for name in ("total_space", "free_space", "keep_free_space"))
    bounded = 0 < total < UNBOUNDED
    usable = max(free - kept, 0)
    return {
        "name": _text(row.get("name")),
        "path": _text(row.get("path")),
        "type": _text(row.get("type")) or None,
        "total_bytes": total if bounded else None,
        "free_bytes": free if bounded else None,
        "unreserved_bytes": whole(row.get("unreserved_space", free)) if bounded else None,
        "keep_free_bytes": kept,
        "used_ratio": round(1 - usable / total, 4) if bounded else None,
        "broken": bool(whole(row.get("is_broken"))),
        "read_only": bool(whole(row.get("is_read_only"))),
    }


def fullest(disks: Iterable[Mapping[str, Any]] | None, holders: Iterable[Mapping[str, Any]] | None) -> float | None:
    """Return the used ratio of the fullest disk that holds data; ``None`` when none is known.

    A server may have other disks, as for backups, which keep it from nothing when they are full.

    Args:
        disks: as :func:`disk` returns them.
        holders: rows with the names of the disks that have parts. Where they say nothing, each disk counts.
    """
    known = {each["name"]: each["used_ratio"] for each in disks or () if each["used_ratio"] is not None}
    own = {_text(row.get("disk_name")) for row in holders or ()}
    return max((known[name] for name in own & set(known) or known), default=None)


def mutation(row: Mapping[str, Any]) -> Json:
    """Return one mutation that is not done; why it fails is null in 18.16, which does not know.

    Values in its command and in why it fails are hidden: they may be of a customer.
    """
    failed = "latest_fail_reason" in row
    return {
        "database": _text(row.get("database")),
        "table": _text(row.get("table")),
        "mutation_id": _text(row.get("mutation_id")),
        "command": _text(shown(str(row.get("command") or ""))),
        "created": _text(row.get("create_time")),
        "parts_to_do": whole(row.get("parts_to_do")),
        "fail_reason": (_reason(str(row["latest_fail_reason"] or "")) or None) if failed else None,
        "killed": bool(whole(row.get("is_killed"))) if "is_killed" in row else None,
        "stuck": bool(row["latest_fail_reason"]) if failed else None,
    }


def merge(row: Mapping[str, Any]) -> Json:
    """Return one merge."""
    return {
        "database": _text(row.get("database")),
        "table": _text(row.get("table")),
        "partition_id": _text(row.get("partition_id")),
        "elapsed_s": _number(row.get("elapsed")),
        "progress": _number(row.get("progress")),
        "parts": whole(row.get("num_parts")),
        "bytes": whole(row.get("total_size_bytes_compressed")),
        "is_mutation": bool(whole(row["is_mutation"])) if "is_mutation" in row else None,
    }


def replica(row: Mapping[str, Any]) -> Json:
    """Return one replicated table."""
    return {
        "database": _text(row.get("database")),
        "table": _text(row.get("table")),
        "readonly": bool(whole(row.get("is_readonly"))),
        "session_expired": bool(whole(row.get("is_session_expired"))),
        "queue": whole(row.get("queue_size")),
        "inserts_in_queue": whole(row.get("inserts_in_queue")),
        "merges_in_queue": whole(row.get("merges_in_queue")),
    }


def freshness(row: Mapping[str, Any]) -> Json:
    """Return the newest row of a table and its age; both null when it has no rows.

    A row of a time that is still to come hides which one was written last, so that its age is not known.
    """
    newest, now = whole(row.get("newest_s")), whole(row.get("now_s"))
    if not whole(row.get("found")):
        return {"status": "empty", "newest": None, "age_s": None, "rows_last_hour": 0, "cause": None, "message": None}
    ahead_s = newest - now
    future = ahead_s > AHEAD_S
    return {
        "status": "unknown" if future else "value",
        "newest": dt.datetime.fromtimestamp(newest, dt.UTC),
        "age_s": None if future else -ahead_s,
        "rows_last_hour": whole(row.get("last_hour")),
        "cause": FUTURE if future else None,
        "message": f"the time of the newest row is {ahead_s} s in the future" if future else None,
    }


def limits(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return settings of the MergeTree tables by name."""
    return {str(row.get("name")): whole(row.get("value")) for row in rows}


def crowded(row: Mapping[str, Any]) -> Json:
    """Return a partition with many parts."""
    names = ("database", "table", "partition_id")
    return {**{name: _text(row.get(name)) for name in names}, "parts": whole(row.get("parts"))}


def _reason(text: str) -> str:
    code = _CODE.match(text)
    start = code.end() if code else 0
    return _text(text[:start] + shown(text[start:]))


def _text(value: Any) -> str:
    return "" if value is None else plain_line(str(value), TEXT_LENGTH)


def _number(value: Any) -> float | None:
    try:
        return round(float(value), 4)
    except (TypeError, ValueError, OverflowError):
        return None
