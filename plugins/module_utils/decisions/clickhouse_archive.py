# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which partitions of a ClickHouse table to archive and drop, oldest first, and when not to. Pure, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import (
    NAME,
    Partition,
    Policy,
    Table,
    judged,
    shown,
    table_problem,
    whole,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

Json = dict[str, Any]

NAME_LENGTH = 100
IN_ONE_WORD = re.compile(r"[ ,]")  # 18.16 splits the structure of a table function at each
NEWER_STRUCTURES = (19,)
NO_TEXT = ("AggregateFunction", "SimpleAggregateFunction", "Tuple", "Nested", "Map")


@dataclass(frozen=True)
class Space:
    """The disks that hold the table, in bytes."""

    total: int
    free: int

    @property
    def free_ratio(self) -> float:
        """Share that is free."""
        return self.free / self.total if self.total else 0.0


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
        max_bytes: bytes of all partitions together.
        archive: where they go; ``None`` to discard them.
    """

    database: str
    target_free_ratio: float
    max_partitions: int
    max_bytes: int
    archive: str | None
    targets: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Seen:
    """What the server says.

    Attributes:
        partitions: those of the table.
        mutations: identifiers of those of the table that are not done.
        replica: why this replica of the table does not do, as of :func:`replica_problem`.
        space: ``None`` when it is not known.
    """

    table: Table
    partitions: Sequence[Partition]
    mutations: Sequence[str] = ()
    replica: tuple[str, str] | None = None
    space: Space | None = None


@dataclass
class Plan:
    """What would be done, or why nothing is; ``status`` is planned, nothing_to_do or refused."""

    status: str
    reason: str
    word: str | None = None
    chosen: list[Partition] = field(default_factory=list)
    excluded: list[Json] = field(default_factory=list)
    targets: list[Json] = field(default_factory=list)
    predicted_free_ratio: float | None = None


def make_plan(seen: Seen, wish: Wish, policy: Policy) -> Plan:
    """Choose the oldest eligible partitions until enough space is predicted to be free, within the caps."""
    problem = table_problem(seen.table, policy.time_column) or _state_problem(seen)
    every = [judged(each, seen.table, policy) for each in seen.partitions]
    if problem:
        return Plan("refused", problem[1], problem[0], excluded=[each.plain() for each in every])
    eligible = sorted((each for each in every if each.eligible), key=lambda each: (shown(each.newest) or "", each.id))
    kept = [each.plain() for each in every if not each.eligible]
    space = seen.space
    if space is None:  # the guard of every choice below
        text = "how full the disk is, is not known; give disk_total_bytes and disk_free_bytes"
        return Plan("refused", text, "disk_unknown", excluded=kept)
    chosen: list[Partition] = []
    free, beyond = space.free, None
    for each in eligible:
        beyond = beyond or _beyond(each, chosen, free, space, wish)  # never past an older one that stays
        if beyond:
            kept.append({**each.plain(), "eligible": True, "reason": beyond[0], "text": beyond[1]})
            continue
        chosen.append(each)
        free += each.size
    plan = _concluded(chosen, eligible, space, wish, policy)
    plan.excluded = kept
    plan.targets = [_target(each, wish) for each in chosen]
    plan.predicted_free_ratio = round(free / space.total, 4) if space.total else None
    return _compared(plan, seen, wish)


def _compared(plan: Plan, seen: Seen, wish: Wish) -> Plan:
    """The plan, unless it is another one than was approved."""
    if same_targets(wish.targets, plan.targets):
        return plan
    plan.chosen = []
    if _all_gone(wish, seen):
        plan.status, plan.word, plan.reason = "nothing_to_do", "gone_already", "the partitions of the plan are gone"
        plan.targets = []
    else:
        plan.status, plan.word = "refused", "plan_changed"
        plan.reason = "the partitions to archive are not those of the approved plan; look again and make a new plan"
    return plan


def _all_gone(wish: Wish, seen: Seen) -> bool:
    """Whether an earlier run has done the whole approved plan, which was one for this table."""
    there = {each.id for each in seen.partitions}
    named = {(str(each.get("database")), str(each.get("table"))) for each in wish.targets or ()}
    return named == {(wish.database, seen.table.name)} and not there.intersection(
        str(each.get("partition_id")) for each in wish.targets or ()
    )


def replica_problem(table: Table, rows: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return why a replicated table must not lose partitions now, as word and sentence.

    The drop is for all replicas, and takes rows with it that were not fetched from another one, and so not archived.

    Args:
        rows: of the statement ``replica``.
    """
    if not rows:
        if table.engine.startswith("Replicated"):
            return "replica_unknown", f"the server does not show the state of its replica of {table.name}"
        return None
    if any(whole(row.get("is_readonly")) or whole(row.get("is_session_expired")) for row in rows):
        return "replica_readonly", f"this replica of {table.name} is read-only; see to its Keeper first"
    if any(whole(row.get("inserts_in_queue")) or _log_unread(row) for row in rows):
        text = f"this replica of {table.name} has not fetched all rows from the others; let it catch up"
        return "replica_behind", text
    return None


def _log_unread(row: Mapping[str, Any]) -> bool:
    """Whether there are entries in the log past the pointer, the next to be read; both are 0 without Keeper."""
    return whole(row.get("log_pointer")) <= whole(row.get("log_max_index"))


def _state_problem(seen: Seen) -> tuple[str, str] | None:
    if seen.replica:
        return seen.replica
    if seen.mutations:
        listed = ", ".join(seen.mutations[:3])
        return (
            "mutations_pending",
            f"mutations of {seen.table.name} are not done ({listed}); let them end, or kill them",
        )
    return None


def _beyond(
    each: Partition, chosen: Sequence[Partition], free: int, space: Space, wish: Wish
) -> tuple[str, str] | None:
    if free >= wish.target_free_ratio * space.total:
        return "not_needed", "enough is free without it"
    if len(chosen) >= wish.max_partitions:
        return "over_max_partitions", f"{wish.max_partitions} partitions at most in one run"
    if sum(one.size for one in chosen) + each.size > wish.max_bytes:
        return "over_max_bytes", f"{wish.max_bytes} bytes at most in one run"
    return None


def _concluded(
    chosen: Sequence[Partition], eligible: Sequence[Partition], space: Space, wish: Wish, policy: Policy
) -> Plan:
    if space.free_ratio >= wish.target_free_ratio:
        text = f"{space.free_ratio:.1%} is free, the target is {wish.target_free_ratio:.1%}"
        return Plan("nothing_to_do", text, "enough_free")
    if not eligible:
        text = f"no partition is wholly older than {shown(policy.cutoff)}"
        return Plan("nothing_to_do", text, "none_eligible")
    if not chosen:
        return Plan("refused", f"each eligible partition is larger than max_bytes {wish.max_bytes}", "over_max_bytes")
    verb = "archive and drop" if wish.archive else "drop without an archive"
    size = sum(each.size for each in chosen)
    text = f"{verb} {len(chosen)} partitions, {sum(each.rows for each in chosen)} rows, {size} bytes"
    return Plan("planned", text, chosen=list(chosen))


def _target(each: Partition, wish: Wish) -> Json:
    return {
        "database": wish.database,
        "table": each.table,
        "partition_id": each.id,
        "rows": each.rows,
        "bytes": each.size,
        "newest": shown(each.newest),
        "archive": wish.archive,
    }


@dataclass(frozen=True)
class Column:
    """A column as it is archived.

    Attributes:
        kind: its type in the archive.
        as_text: whether it is archived as text, as an old server cannot write its type.
    """

    name: str
    kind: str
    as_text: bool = False


def archived_columns(rows: Iterable[Mapping[str, Any]], version: str) -> tuple[list[Column], list[str]]:
    """Return the stored columns as they are archived, and those that cannot be.

    Those that are computed and not stored (ALIAS, EPHEMERAL) are left out. MATERIALIZED ones are stored, and may have
    been computed from what does not come back, such as the time of the insert.

    Args:
        rows: ``name``, ``type`` and ``default_kind`` of ``system.columns``.
    """
    old = version_numbers(version) < NEWER_STRUCTURES
    columns, unable = [], []
    for row in rows:
        name, kind = str(row.get("name")), str(row.get("type"))
        if str(row.get("default_kind") or "") not in {"", "DEFAULT", "MATERIALIZED"}:
            continue
        if not NAME.fullmatch(name):
            unable.append(plain_line(name, NAME_LENGTH))
            continue
        as_text = old and IN_ONE_WORD.search(kind) is not None
        if as_text and kind.startswith(NO_TEXT):
            unable.append(plain_line(f"{name} {kind}", NAME_LENGTH))
        elif as_text:
            columns.append(Column(name, "Nullable(String)" if kind.startswith("Nullable(") else "String", as_text=True))
        else:
            columns.append(Column(name, kind))
    return columns, unable


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version such as ``26.9.2.1``; empty when it is none."""
    return tuple(int(part) for part in re.findall(r"\d{1,6}", version)[:4])
