# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a ClickHouse server can give back without losing data of the platform, and what stays. Pure, no I/O.

Moments are naive, in the server's time zone. Facts: https://clickhouse.com/docs/operations/system-tables (logs),
https://clickhouse.com/docs/operations/system-tables/detached_parts (reasons), and of the names that the server refuses
to drop ``MergeTreeData::validateDetachedPartName``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_disk import mutation
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import (
    NAME,
    PARTITION_ID,
    Partition,
    Policy,
    Table,
    period_of,
    previous_period,
    read_partition,
    shown,
    table_problem,
    whole,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

Json = dict[str, Any]
Row = Mapping[str, Any]

SYSTEM, TIME_COLUMN = "system", "event_date"
LOG, DETACHED, MUTATION = "log", "detached", "mutation"
ID_OF = {LOG: "partition_id", DETACHED: "name", MUTATION: "mutation_id"}

# What the server writes for people who look back. The table of an older version is called query_log_0 and so on.
_LOGS = frozenset(
    (
        *("query_log", "query_thread_log", "query_views_log", "query_metric_log", "part_log", "trace_log", "text_log"),
        *("metric_log", "error_log", "asynchronous_metric_log", "asynchronous_insert_log", "opentelemetry_span_log"),
        *("zookeeper_log", "aggregated_zookeeper_log", "zookeeper_connection_log", "processors_profile_log"),
        *("transactions_info_log", "blob_storage_log", "s3queue_log", "azure_queue_log", "filesystem_cache_log"),
        *("filesystem_read_prefetches_log", "latency_log", "background_schedule_pool_log", "iceberg_metadata_log"),
        *("delta_lake_metadata_log", "transposed_metric_log"),
    )
)
# Who logged in, why the server crashed and what was backed up is asked for long after
_KEPT_LOGS = frozenset({"session_log", "crash_log", "backup_log"})
_GENERATION = re.compile(r"_\d{1,4}$")
# A copy that the server itself made or took away, whose rows are in the table or on another replica all the same
SAFE_REASONS = ("ignored", "clone", "tmp-fetch")
_IN_USE = ("attaching", "deleting")
PART_NAME = re.compile(r"[0-9A-Za-z_.-]{1,200}")
MUTATION_ID = re.compile(r"[0-9A-Za-z_.-]{1,100}")
TEXT_LENGTH = 200


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
        database: whose detached parts and mutations it is about; the logs are those of ``system``.
        reasons: of detached parts that may be dropped; an empty one for those detached by hand.
        mutations: table and id of each that is to be killed.
        max_bytes: bytes of everything that is dropped together.
    """

    database: str
    max_items: int
    max_bytes: int
    keep_days: int = 7
    reasons: frozenset[str] = frozenset()
    mutations: Sequence[tuple[str, str]] = ()
    targets: Sequence[Row] | None = None


@dataclass(frozen=True)
class Item:
    """Something that can go.

    Attributes:
        id: of the partition, the detached part or the mutation.
        size: bytes on disk; 0 for a mutation.
        target: as the plan shows it, without what changes by itself: a plan is approved by its digest.
        column_type: of the column by which rows of a log age.
    """

    kind: str
    database: str
    table: str
    id: str
    size: int
    target: Json
    column_type: str = ""

    def named(self) -> Json:
        """What names it."""
        return {"kind": self.kind, "database": self.database, "table": self.table, ID_OF[self.kind]: self.id}


@dataclass
class Seen:
    """What can go and what cannot.

    Attributes:
        items: in the order in which they go: stuck mutations, which may write again and again; detached parts, whose
            space is free at once; partitions of logs, the oldest first.
        excluded: what stays, each with ``reason`` and ``text``.
        refusal: why something that was named must not be touched, as word and sentence.
        looked: the kinds that were looked for, and ``ids`` everything there is of them, to tell what is gone.
    """

    items: list[Item] = field(default_factory=list)
    excluded: list[Json] = field(default_factory=list)
    refusal: tuple[str, str] | None = None
    looked: set[str] = field(default_factory=set)
    ids: set[tuple[str, ...]] = field(default_factory=set)


def is_log(table: str) -> bool:
    """Whether a table of ``system`` is a log that may lose old partitions."""
    return _GENERATION.sub("", table) in _LOGS


def see_logs(seen: Seen, tables: Iterable[Row], columns: Iterable[Row], partitions: Iterable[Row], by: Policy) -> None:
    """Judge the partitions of the server's logs.

    Args:
        tables, columns, partitions: of the database ``system``, as the statements of those names say.
        by: with the time column of the logs, the days that are kept, and the server's clock and limit.
    """
    kinds = {str(row.get("table")): str(row.get("type")) for row in columns}
    known = {
        str(row.get("name")): Table(
            str(row.get("name")),
            plain_line(str(row.get("engine") or ""), TEXT_LENGTH),
            plain_line(str(row.get("partition_key") or ""), TEXT_LENGTH),
            kinds.get(str(row.get("name")), ""),
        )
        for row in tables
    }
    seen.looked.add(LOG)
    items = []
    for row in partitions:
        name = str(row.get("table"))
        table = known.get(name, Table(plain_line(name, TEXT_LENGTH), "", ""))
        partition = read_partition(row, table.column_type)
        seen.ids.add((LOG, SYSTEM, name, partition.id))
        item = Item(LOG, SYSTEM, table.name, partition.id, partition.size, {})
        problem = _log_problem(partition, table, by)
        if problem:
            seen.excluded.append(kept(item, *problem))
            continue
        told = {"rows": partition.rows, "newest": shown(partition.newest)}  # a merge changes its bytes, not what it is
        items.append(replace(item, target={**item.named(), **told}, column_type=table.column_type))
    seen.items += sorted(items, key=lambda each: (each.target["newest"], each.table, each.id))


def _log_problem(partition: Partition, table: Table, by: Policy) -> tuple[str, str] | None:
    """Why a partition stays, as word and sentence."""
    if _GENERATION.sub("", table.name) in _KEPT_LOGS:
        return "kept_log", "security and post-mortems need it, and it is small"
    if not is_log(table.name):
        return "unknown_log", "it is none of the logs that a server is known to write"
    if problem := table_problem(table, by.time_column):
        return problem
    if not PARTITION_ID.fullmatch(partition.id):
        return "id_unusable", "its identifier has characters that no partition identifier has"
    newest = partition.newest
    if newest is None:
        return "range_unknown", "the server does not say from when to when its rows are"
    period = period_of(table, by.time_column) or "year"
    if previous_period(period, newest) >= previous_period(period, by.now):
        return "current_period", f"its newest row is of {shown(newest)}, in this {period}; the server writes to it"
    if newest >= by.cutoff:
        return "too_young", f"its newest row is of {shown(newest)}, and {by.retention_days} days are kept"
    if by.drop_limit and partition.size > by.drop_limit:
        return "above_drop_limit", f"it has {partition.size} bytes, the server drops {by.drop_limit} at most"
    return None


def see_detached(seen: Seen, rows: Iterable[Row], wish: Wish) -> None:
    """Judge detached parts, the largest first as they come.

    Args:
        rows: of the statement ``detached``.
    """
    seen.looked.add(DETACHED)
    for row in rows:
        name, table, reason = (str(row.get(column) or "") for column in ("name", "table", "reason"))
        size = whole(row.get("size"))
        item = Item(DETACHED, wish.database, plain_line(table, TEXT_LENGTH), plain_line(name, TEXT_LENGTH), size, {})
        seen.ids.add((DETACHED, wish.database, table, name))
        if problem := _detached_problem(table, name, reason, wish):
            seen.excluded.append(kept(item, *problem))
            continue
        seen.items.append(replace(item, target={**item.named(), "reason": reason, "bytes": size}))


def _detached_problem(table: str, name: str, reason: str, wish: Wish) -> tuple[str, str] | None:
    if not PART_NAME.fullmatch(name) or not NAME.fullmatch(table):
        return "name_unusable", "its name has characters that no part has"
    if reason in _IN_USE or name.startswith(tuple(f"{word}_" for word in _IN_USE)):
        return "in_use", "a statement attaches or drops it, or broke off while it did; the server refuses to drop it"
    if reason in wish.reasons:
        return None
    if not reason:
        return "by_hand", "somebody detached it by hand and may want it back; it goes with detached_by_hand only"
    told = plain_line(reason, TEXT_LENGTH)
    return "reason_not_named", f"it was detached as {told} and may be the only copy; name {told} in detached_reasons"


def see_mutations(seen: Seen, rows: Sequence[Row], wish: Wish) -> None:
    """Judge the mutations that are to be killed; those that are done, or gone, need nothing.

    Args:
        rows: of the statement ``mutations``, of all tables in question.
    """
    seen.looked.add(MUTATION)
    found = {(str(row.get("table")), str(row.get("mutation_id"))): row for row in rows}
    for table, mutation_id in wish.mutations:
        item = Item(MUTATION, wish.database, table, mutation_id, 0, {})
        row = found.get((table, mutation_id))
        if row is None:
            seen.excluded.append(kept(item, "gone", "there is no such mutation that is not done"))
            continue
        seen.ids.add((MUTATION, wish.database, table, mutation_id))
        if problem := mutation_problem(row):
            seen.refusal = seen.refusal or problem
            seen.excluded.append(kept(item, *problem))
            continue
        # not why it fails: each try may say it in other words
        seen.items.append(replace(item, target={**item.named(), "command": mutation(row)["command"]}))


def mutation_problem(row: Row) -> tuple[str, str] | None:
    """Why a mutation that is not done must not be killed, as word and sentence."""
    told = mutation(row)
    named = f"the mutation {told['mutation_id']} of {told['table']}"
    if told["stuck"] is None:
        return "stuck_unknown", f"whether {named} is stuck is not known to this server, which cannot kill it either"
    if not told["stuck"]:
        return "mutation_not_stuck", f"{named} has not failed; let it end"
    return None


def kept(item: Item, reason: str, text: str) -> Json:
    """Something that stays, and why."""
    return {**item.named(), "bytes": item.size, "reason": reason, "text": text}
