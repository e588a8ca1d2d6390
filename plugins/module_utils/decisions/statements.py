# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a server's statements cost between two samples of pg_stat_statements. Pure, no I/O.

The view is cumulative since its last reset, and a mean ranks what runs rarely first. So what counts is the difference
of two samples, and of that the share of the time. https://www.postgresql.org/docs/current/pgstatstatements.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.statement_text import HIDDEN, shown

Json = dict[str, Any]
Key = tuple[Any, Any, Any, bool]

COUNTERS = ("calls", "total_ms", "rows", "hit", "read", "temp_written")
SERVER_COUNTERS = ("hit", "read", "temp_files", "temp_bytes", "deadlocks")
MOST_TABLES = 1000  # of one sample: a database with a schema for each customer has very many
BLOCK = 8192  # bytes, unless the server was built with another


@dataclass(frozen=True)
class Sample:
    """The view at one moment.

    Attributes:
        rows: by key; what the login may not see has no query id, and is summed by role and database.
        reset_at: when the view was emptied last; ``None`` where the server does not say (before version 14).
        evictions: how often it had no room; ``None`` as above.
    """

    rows: Mapping[Key, Mapping[str, Any]]
    reset_at: Any = None
    evictions: int | None = None


@dataclass(frozen=True)
class Difference:
    """What came between two samples.

    Attributes:
        reset: some or all counters began again, so that there is less to see than there was.
        evicted: statements lost their place, so that some are missing.
    """

    rows: list[Json] = field(default_factory=list)
    reset: bool = False
    evicted: bool = False


def sample(rows: Iterable[Mapping[str, Any]], reset_at: Any, evictions: int | None) -> Sample:
    """Return a sample by key."""
    found: dict[Key, Json] = {}
    for row in rows:
        key = (row["userid"], row["dbid"], row["queryid"], bool(row["toplevel"]))
        known = found.get(key)
        found[key] = {**row, **({name: known[name] + row[name] for name in COUNTERS} if known else {})}
    return Sample(found, reset_at, evictions)


def difference(first: Sample, second: Sample) -> Difference:
    """Return what each statement cost meanwhile, largest share of the time first.

    After a reset the second sample alone counts: it is what came since, and less than all of it.
    """
    emptied = first.reset_at != second.reset_at
    one_reset = False
    rows = []
    for key, row in second.rows.items():
        before = None if emptied else first.rows.get(key)
        if before and any(row[name] < before[name] for name in ("calls", "total_ms")):
            before, one_reset = None, True  # pg_stat_statements_reset(userid, dbid, queryid), or evicted and back
        delta = {name: row[name] - before[name] if before else row[name] for name in COUNTERS}
        if delta["calls"] > 0 or delta["total_ms"] > 0:
            rows.append({**row, **delta})
    vanished = not emptied and any(key not in second.rows for key in first.rows)
    evicted = None not in (first.evictions, second.evictions) and not emptied and first.evictions != second.evictions
    rows.sort(key=lambda row: (-row["total_ms"], -row["calls"]))
    # without the instant of a reset: what is there no more was emptied or evicted, and nobody says which
    return Difference(rows, reset=emptied or one_reset or (vanished and not evicted), evicted=evicted)


def total_ms(rows: Iterable[Mapping[str, Any]]) -> float:
    """Return the time of all of them, in milliseconds."""
    return float(sum(row["total_ms"] for row in rows))


def ranked(
    rows: Sequence[Mapping[str, Any]], texts: Mapping[Any, str], whole_ms: float, duration_s: float
) -> list[Json]:
    """Return statements as JSON data.

    Args:
        rows: of :func:`difference`.
        texts: by key.
        whole_ms: the time of all statements, in milliseconds.
        duration_s: seconds between the samples.
    """
    return [_plain(row, texts, whole_ms, duration_s) for row in rows]


def _plain(row: Mapping[str, Any], texts: Mapping[Any, str], whole_ms: float, duration_s: float) -> Json:
    text = texts.get(key_of(row), "")
    hidden = row["queryid"] is None or text == HIDDEN
    calls, touched = row["calls"], row["hit"] + row["read"]
    return {
        "query_id": None if row["queryid"] is None else str(row["queryid"]),  # JSON readers round 64 bits
        "database": row["database"],
        "role": row["role"],
        "toplevel": bool(row["toplevel"]),
        "calls": calls,
        "calls_per_s": round(calls / duration_s, 2) if duration_s > 0 else None,
        "total_s": round(row["total_ms"] / 1000, 3),
        "share": round(row["total_ms"] / whole_ms, 4) if whole_ms > 0 else None,
        "mean_ms": round(row["total_ms"] / calls, 3) if calls else None,
        "rows": row["rows"],
        "rows_per_call": round(row["rows"] / calls, 1) if calls else None,
        "cache_hit_ratio": round(row["hit"] / touched, 4) if touched else None,
        "blocks_per_call": round(touched / calls, 1) if calls else None,
        "temp_bytes": row["temp_written"] * BLOCK,
        "hidden": hidden,
        "statement": "" if hidden else shown(text),
    }


def key_of(row: Mapping[str, Any]) -> Key:
    """Return what tells one statement from the others."""
    return row["userid"], row["dbid"], row["queryid"], bool(row["toplevel"])


def database_work(first: Mapping[str, Any], second: Mapping[str, Any], duration_s: float) -> Json:
    """Return what the database did meanwhile, of two rows of pg_stat_database."""
    delta = {name: second[name] - first[name] for name in SERVER_COUNTERS}
    reset = first["stats_reset"] != second["stats_reset"] or any(value < 0 for value in delta.values())
    if reset:
        delta = {name: second[name] for name in SERVER_COUNTERS}
    touched = delta["hit"] + delta["read"]
    return {
        "duration_s": round(duration_s, 1),
        "cache_hit_ratio": round(delta["hit"] / touched, 4) if touched else None,
        "blocks_read": delta["read"],
        "temp_files": delta["temp_files"],
        "temp_bytes": delta["temp_bytes"],
        "deadlocks": delta["deadlocks"],
        "reset": reset,
    }


def tables(first: Iterable[Mapping[str, Any]], second: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Return the tables that were read from end to end meanwhile, most rows first, then those with most dead rows.

    A table that only the second sample has is new. Where the first one was cut off, nobody knows that, and what the
    table counts may be of years: it is left out.
    """
    before = {row["oid"]: row for row in first}
    cut_off = len(before) >= MOST_TABLES
    found = [_table(row, before.get(row["oid"])) for row in second if row["oid"] in before or not cut_off]
    shown_ones = [row for row in found if row["sequential_scans"] or row["dead_rows"]]
    return sorted(shown_ones, key=lambda row: (-row["sequential_rows"], -row["dead_rows"], row["schema"], row["table"]))


def _table(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> Json:
    def since(name: str) -> int:
        earlier = before[name] if before and before[name] <= row[name] else 0
        return int(row[name] - earlier)

    everything = row["live"] + row["dead"]
    return {
        "schema": row["schema"],
        "table": row["name"],
        "bytes": row["bytes"],
        "sequential_scans": since("seq_scan"),
        "sequential_rows": since("seq_tup_read"),
        "index_scans": since("idx_scan"),
        "live_rows": row["live"],
        "dead_rows": row["dead"],
        "dead_ratio": round(row["dead"] / everything, 4) if everything else None,
        "last_vacuum": row["last_vacuum"],
        "last_analyze": row["last_analyze"],
    }


def waits(rows: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Return what sessions at work wait for, most sessions first; ``null`` for those that compute."""
    plain = [{"type": row["type"], "event": row["event"], "sessions": row["sessions"]} for row in rows]
    return sorted(plain, key=lambda row: (-row["sessions"], str(row["type"]), str(row["event"])))


def missing(*, available: bool) -> tuple[str, str]:
    """Return cause and hint where the database has no pg_stat_statements."""
    if not available:
        return "not_supported", "the server's installation has no pg_stat_statements; install its contrib modules"
    hint = "add pg_stat_statements to shared_preload_libraries, restart the server at a quiet time, and run"
    return "extension_missing", f"{hint} CREATE EXTENSION pg_stat_statements in this database"


def unavailable(sqlstate: str | None) -> tuple[str, str] | None:
    """Return cause and hint for a view that could not be read; ``None`` where that is not the view's doing."""
    if sqlstate == "55000":
        return "not_loaded", "add pg_stat_statements to shared_preload_libraries, and restart at a quiet time"
    if sqlstate == "42501":
        return "denied", "grant pg_monitor to the login, and USAGE on the schema of the extension"
    return None
