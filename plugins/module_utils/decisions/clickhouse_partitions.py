# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which partitions of a ClickHouse table are wholly old enough to be archived, and why others are not. Pure, no I/O.

Moments are naive, in the server's time zone, as ``system.parts`` shows them.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

Json = dict[str, Any]

LEAST_RETENTION_DAYS = 30
MOST_RETENTION_DAYS = 36500
FIRST_YEAR = 2000  # what is not known is 1970-01-01, or 0000-00-00 in 18.16
DROP_LIMIT = 50_000_000_000  # max_partition_size_to_drop unless the server says another
TEXT_LENGTH = 200
PARTITION_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

# function of the partition key -> the period of one partition
_PERIODS = {
    **dict.fromkeys(("toStartOfHour", "toRelativeHourNum"), "hour"),
    **dict.fromkeys(("toDate", "toDate32", "toYYYYMMDD", "toStartOfDay", "toRelativeDayNum"), "day"),
    **dict.fromkeys(("toMonday", "toStartOfWeek", "toYearWeek", "toRelativeWeekNum"), "week"),
    **dict.fromkeys(("toYYYYMM", "toStartOfMonth", "toRelativeMonthNum"), "month"),
    **dict.fromkeys(("toStartOfQuarter", "toRelativeQuarterNum"), "quarter"),
    **dict.fromkeys(("toYear", "toStartOfYear", "toRelativeYearNum"), "year"),
}


@dataclass(frozen=True)
class Table:
    """What decides about all partitions of a table.

    Attributes:
        engine: such as ``ReplicatedMergeTree``.
        partition_key: the expression; empty when it has none.
        column_type: of the time column; empty when there is no such column.
    """

    name: str
    engine: str
    partition_key: str
    column_type: str = ""


@dataclass(frozen=True)
class Policy:
    """Which partitions may go.

    Attributes:
        time_column: the column by which rows age.
        now: the server's clock.
        drop_limit: bytes above which the server refuses to drop a partition; 0 for none.
    """

    time_column: str
    retention_days: int
    now: dt.datetime
    drop_limit: int = DROP_LIMIT

    @property
    def cutoff(self) -> dt.datetime:
        """Rows of this moment and later stay."""
        return self.now - dt.timedelta(days=self.retention_days)


@dataclass(frozen=True)
class Partition:
    """One partition with what its active parts are together.

    Attributes:
        size: bytes on disk.
        oldest, newest: bounds of the time column; ``None`` when the server does not know them.
        reason: a stable word, ``older`` for one that may go.
    """

    table: str
    id: str
    label: str
    parts: int
    rows: int
    size: int
    oldest: dt.datetime | None = None
    newest: dt.datetime | None = None
    eligible: bool = False
    reason: str = "not_asked"
    text: str = "no table, time column and retention were given for it"

    def plain(self) -> Json:
        """As a result shows it."""
        return {
            "table": self.table,
            "partition_id": self.id,
            "partition": self.label,
            "parts": self.parts,
            "rows": self.rows,
            "bytes": self.size,
            "oldest": shown(self.oldest),
            "newest": shown(self.newest),
            "eligible": self.eligible,
            "reason": self.reason,
            "text": self.text,
        }


def whole(value: Any) -> int:
    """Return a number of ClickHouse, text in 18.16; 0 when it is none."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def drop_limit(rows: Sequence[Mapping[str, Any]] | None) -> int:
    """Return the bytes above which the server refuses to drop a partition, 0 for none, from its setting."""
    said = str(rows[0].get("value")) if rows else ""
    return int(said) if said.isascii() and said.isdigit() else DROP_LIMIT


def moment(value: Any) -> dt.datetime | None:
    """Return a date or a date and time of ClickHouse; ``None`` for what means that it is not known."""
    try:
        found = dt.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found.replace(tzinfo=None) if found.year >= FIRST_YEAR else None


def shown(value: dt.datetime | None) -> str | None:
    """The text of a moment, without a zone."""
    return None if value is None else value.isoformat(" ", "seconds")


def read_partition(row: Mapping[str, Any], column_type: str = "") -> Partition:
    """Return a partition from a row of the statement ``partitions``.

    Args:
        column_type: of the time column. The bounds of a Date column are ``min_date`` and ``max_date``, of a DateTime
            column ``min_time`` and ``max_time``; without a type whichever is known.
    """
    days = (moment(row.get("min_date")), _end_of_day(moment(row.get("max_date"))))
    times = (moment(row.get("min_time")), moment(row.get("max_time")))
    by_day = is_day(column_type) if column_type else times[1] is None
    oldest, newest = days if by_day else times
    known = oldest is not None and newest is not None
    return Partition(
        table=plain_line(str(row.get("table", "")), TEXT_LENGTH),
        id=plain_line(str(row.get("partition_id", "")), TEXT_LENGTH),
        label=plain_line(str(row.get("partition", "")), TEXT_LENGTH),
        parts=whole(row.get("parts")),
        rows=whole(row.get("total_rows")),
        size=whole(row.get("size")),
        oldest=oldest if known else None,
        newest=newest if known else None,
    )


def is_day(column_type: str) -> bool:
    """Whether a column holds days, not moments."""
    return column_type in {"Date", "Date32"}


def _end_of_day(day: dt.datetime | None) -> dt.datetime | None:
    return None if day is None else day.replace(hour=23, minute=59, second=59)


def judged(partition: Partition, table: Table, policy: Policy) -> Partition:
    """Return the partition with whether it may be archived and dropped, and why."""
    reason, text = table_problem(table, policy.time_column) or _problem_of(partition, table, policy) or ("older", "")
    text = text or f"its newest row is of {shown(partition.newest)}, before the cutoff {shown(policy.cutoff)}"
    return replace(partition, eligible=reason == "older", reason=reason, text=text)


def table_problem(table: Table, time_column: str) -> tuple[str, str] | None:
    """Return why no partition of the table may go, as word and sentence."""
    if not table.engine.endswith("MergeTree"):
        return "not_merge_tree", f"tables of the engine {table.engine or 'unknown'} have no partitions of their own"
    if not table.column_type:
        return "column_missing", f"the table has no column {time_column}"
    if not _mentions(table.partition_key, time_column):
        key = table.partition_key or "no key"
        return "not_by_time", f"the table is partitioned by {key}, not by {time_column}, so each partition has new rows"
    if period_of(table, time_column) is None:
        return "period_unknown", f"how long one period of the partition key {table.partition_key} is cannot be told"
    return None


def _problem_of(partition: Partition, table: Table, policy: Policy) -> tuple[str, str] | None:
    if not PARTITION_ID.fullmatch(partition.id):
        return "id_unusable", "its identifier has characters that no partition identifier has"
    if partition.newest is None:
        return "range_unknown", "the server does not say from when to when its rows are"
    # the key may count in a zone of its own, which is up to a day behind that of the server
    now = policy.now - dt.timedelta(days=1)
    kept = previous_period(period_of(table, policy.time_column) or "year", now)
    if partition.newest >= kept:
        return "current_period", f"its newest row is of {shown(partition.newest)}, in this or the previous period"
    if partition.newest >= policy.cutoff:
        return "too_young", f"its newest row is of {shown(partition.newest)}, the cutoff is {shown(policy.cutoff)}"
    if policy.drop_limit and partition.size > policy.drop_limit:
        return "above_drop_limit", f"it has {partition.size} bytes, the server drops {policy.drop_limit} at most"
    return None


def _mentions(expression: str, column: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(column)}(?![A-Za-z0-9_(])", expression) is not None


def period_of(table: Table, time_column: str) -> str | None:
    """Return the period of one partition: hour, day, week, month, quarter or year; ``None`` when it cannot be told."""
    key, column = table.partition_key, rf"`?{re.escape(time_column)}`?"
    calls = re.findall(rf"(\w+)\(\s*{column}\s*(?:,[^()]*)?\)", key)
    if re.search(r"[%*/+-]", re.sub(r"'[^']*'", "", key)) or _wrapped(key, column):
        return None
    if calls:
        periods = {_PERIODS.get(name) for name in calls}
        return periods.pop() if len(periods) == 1 else None
    bare = re.search(rf"(?:^|[(,])\s*{column}\s*(?:$|[),])", key) and not re.search(
        rf"(?!tuple\b)\b\w+\([^()]*{column}", key
    )
    return "day" if bare and is_day(table.column_type) else None


def _wrapped(key: str, column: str) -> bool:
    """Whether the call on the column is an argument of another one, such as ``intDiv(toYYYYMM(at), 3)``."""
    return re.search(rf"(?!tuple\b)\b\w+\((?:[^()]*,)?\s*\w+\(\s*{column}", key) is not None


def previous_period(period: str, now: dt.datetime) -> dt.datetime:
    """Return when the period before the current one began."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "hour":
        return now.replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=1)
    if period == "day":
        return day - dt.timedelta(days=1)
    if period == "week":
        return day - dt.timedelta(days=day.weekday() + 7)
    months = {"month": 1, "quarter": 3, "year": 12}[period]
    index = day.year * 12 + day.month - 1
    index -= index % months + months
    return day.replace(year=index // 12, month=index % 12 + 1, day=1)
