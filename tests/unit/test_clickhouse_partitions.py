# SPDX-License-Identifier: GPL-3.0-or-later
"""Which partitions are old enough, whatever the partition key, and what was chosen of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_archive import (
    Seen,
    Space,
    Wish,
    archived_columns,
    make_plan,
    replica_problem,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import (
    Partition,
    Policy,
    Table,
    drop_limit,
    judged,
    moment,
    period_of,
    previous_period,
    read_partition,
)

NOW = dt.datetime(2026, 11, 28, 9, 0)  # noqa: DTZ001 - the server's own zone
TABLE = Table("m", "ReplicatedMergeTree", "toYYYYMM(created_at)", "DateTime")
POLICY = Policy("created_at", 60, NOW)
OLD = Partition("m", "202601", "202601", 1, 10, 100, NOW - dt.timedelta(days=320), NOW - dt.timedelta(days=310))
REPLICA = {"is_readonly": 0, "is_session_expired": 0, "inserts_in_queue": 0, "log_max_index": 41, "log_pointer": 42}
WISH = Wish("analytics", 0.25, 6, 10**12, "https://archive.example.com")


def reason(newest: dt.datetime | None, table: Table = TABLE, size: int = 100, days: int = 60) -> str:
    return judged(replace(OLD, newest=newest, size=size), table, replace(POLICY, retention_days=days)).reason


@pytest.mark.parametrize(
    ("key", "kind", "period"),
    [
        ("toYYYYMM(created_at)", "DateTime", "month"),
        ("(toYYYYMM(created_at), platform)", "DateTime", "month"),
        ("(platform, toStartOfMonth(`created_at`))", "DateTime", "month"),
        ("toStartOfWeek(created_at, 1)", "DateTime", "week"),
        ("toDate(created_at)", "DateTime", "day"),
        ("created_at", "Date", "day"),
        ("created_at", "DateTime", None),
        ("(platform, created_at)", "Date", "day"),
        ("toStartOfInterval(created_at, toIntervalMonth(1))", "Date", None),
        ("toMonth(created_at)", "DateTime", None),  # of every year
        ("intDiv(toYYYYMM(created_at), 3)", "DateTime", None),
        ("toYYYYMM(created_at) % 3", "DateTime", None),
        ("cityHash64(created_at) % 8", "DateTime", None),
        ("(toDate(created_at), toYYYYMM(created_at))", "DateTime", None),
    ],
)
def test_the_period_of_a_partition_key(key: str, kind: str, period: str | None) -> None:
    assert period_of(replace(TABLE, partition_key=key, column_type=kind), "created_at") == period


@pytest.mark.parametrize(
    ("period", "began"),
    [
        ("hour", "2026-11-28 08:00:00"),
        ("day", "2026-11-27 00:00:00"),
        ("week", "2026-11-16 00:00:00"),
        ("month", "2026-10-01 00:00:00"),
        ("quarter", "2026-07-01 00:00:00"),
        ("year", "2025-01-01 00:00:00"),
    ],
)
def test_the_previous_period(period: str, began: str) -> None:
    assert str(previous_period(period, NOW)) == began


def test_the_previous_period_of_january_is_in_december() -> None:
    assert str(previous_period("month", NOW.replace(month=1))) == "2025-12-01 00:00:00"
    assert str(previous_period("quarter", NOW.replace(month=1))) == "2025-10-01 00:00:00"


def test_only_what_is_wholly_old_and_known_to_be_is_eligible() -> None:
    cutoff = NOW - dt.timedelta(days=60)
    assert reason(cutoff - dt.timedelta(seconds=1)) == "older"
    assert reason(cutoff) == "too_young"
    assert reason(None) == "range_unknown"
    assert reason(dt.datetime(2026, 10, 1), days=30) == "current_period"  # noqa: DTZ001
    # at 02:00 of the first day of a month the one before has not ended in New York
    late = replace(POLICY, retention_days=30, now=NOW.replace(month=12, day=1, hour=2))
    october = replace(OLD, newest=NOW.replace(month=10, day=31))
    assert judged(october, TABLE, late).reason == "current_period"
    assert judged(october, TABLE, replace(late, now=late.now + dt.timedelta(days=1))).reason == "older"
    assert reason(OLD.newest, size=50_000_000_001) == "above_drop_limit"
    assert reason(OLD.newest, replace(TABLE, partition_key="platform")) == "not_by_time"
    assert reason(OLD.newest, replace(TABLE, partition_key="toYYYYMM(created_at_utc)")) == "not_by_time"
    assert reason(OLD.newest, replace(TABLE, partition_key="")) == "not_by_time"
    assert reason(OLD.newest, replace(TABLE, engine="Distributed")) == "not_merge_tree"
    assert reason(OLD.newest, replace(TABLE, column_type="")) == "column_missing"
    assert judged(replace(OLD, id="1' OR 1"), TABLE, POLICY).reason == "id_unusable"


@pytest.mark.parametrize("text", ["1970-01-01", "0000-00-00 00:00:00", "0000-00-00", "", None, "1999-12-31 23:59:59"])
def test_what_stands_for_not_known_is_no_moment(text: str | None) -> None:
    assert moment(text) is None


def test_numbers_may_be_text_and_days_last_until_midnight() -> None:
    row = {"table": "m", "partition_id": "202601", "parts": "2", "total_rows": "7", "size": "18446744073709551615"}
    days = {"min_date": "2026-01-01", "max_date": "2026-01-31"}
    times = {"min_time": "0000-00-00 00:00:00", "max_time": "0000-00-00 00:00:00"}
    found = read_partition({**row, **days, **times}, "Date")
    assert (found.parts, found.rows, found.size) == (2, 7, 2**64 - 1)
    assert str(found.newest) == "2026-01-31 23:59:59"
    assert read_partition({**row, **days, **times}, "DateTime").newest is None


def partitions(count: int, size: int = 100) -> list[Partition]:
    """So many old ones, the newest first."""
    assert OLD.newest is not None
    return [
        replace(OLD, id=f"p{number}", size=size, newest=OLD.newest - dt.timedelta(days=number))
        for number in range(count)
    ]


def test_the_oldest_go_first_until_enough_is_free() -> None:
    plan = make_plan(Seen(TABLE, partitions(5), space=Space(1000, 60)), WISH, POLICY)
    assert (plan.status, [each.id for each in plan.chosen]) == ("planned", ["p4", "p3"])
    assert plan.predicted_free_ratio == 0.26
    assert {each["reason"] for each in plan.excluded} == {"not_needed"}


def test_none_is_chosen_past_an_older_one_that_stays() -> None:
    sizes = [replace(each, size=size) for each, size in zip(partitions(3), (10, 500, 10), strict=True)]
    plan = make_plan(Seen(TABLE, sizes, space=Space(10_000, 0)), replace(WISH, max_bytes=100), POLICY)
    assert [each.id for each in plan.chosen] == ["p2"]
    assert {each["reason"] for each in plan.excluded} == {"over_max_bytes"}


def test_guards_come_before_every_choice() -> None:
    full = Space(1000, 0)
    words = {
        "mutations_pending": Seen(TABLE, partitions(2), mutations=["mutation_4.txt"], space=full),
        "replica_readonly": Seen(
            TABLE, partitions(2), replica=replica_problem(TABLE, [{**REPLICA, "is_readonly": "1"}]), space=full
        ),
        "disk_unknown": Seen(TABLE, partitions(2)),
    }
    for word, seen in words.items():
        plan = make_plan(seen, WISH, POLICY)
        assert (plan.status, plan.word, plan.chosen, plan.targets) == ("refused", word, [], [])


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({}, None),
        ({name: str(value) for name, value in REPLICA.items()}, None),
        ({"is_readonly": 1}, "replica_readonly"),
        ({"is_session_expired": 1}, "replica_readonly"),
        ({"inserts_in_queue": "1"}, "replica_behind"),
        ({"log_pointer": 41}, "replica_behind"),
        ({"log_max_index": 0, "log_pointer": 0}, "replica_behind"),  # Keeper was not asked
    ],
)
def test_rows_that_only_another_replica_has_forbid_a_drop(said: dict[str, object], word: str | None) -> None:
    problem = replica_problem(TABLE, [{**REPLICA, **said}])
    assert (problem and problem[0]) == word


def test_a_replica_that_nobody_knows_forbids_a_drop() -> None:
    problem = replica_problem(TABLE, [])
    assert problem is not None
    assert problem[0] == "replica_unknown"
    assert replica_problem(replace(TABLE, engine="MergeTree"), []) is None


def test_a_drop_limit_that_is_not_known_is_the_usual_one() -> None:
    usual = 50_000_000_000
    assert [drop_limit(each) for each in (None, [], [{"value": "?"}], [{}])] == [usual] * 4
    assert [drop_limit([{"value": each}]) for each in ("0", "7", 7)] == [0, 7, 7]


def test_another_plan_is_refused_and_one_that_is_done_is_done() -> None:
    seen = Seen(TABLE, partitions(2), space=Space(1000, 0))
    targets = make_plan(seen, WISH, POLICY).targets
    assert make_plan(seen, replace(WISH, targets=list(reversed(targets))), POLICY).status == "planned"
    changed = make_plan(seen, replace(WISH, targets=[{**targets[0], "rows": 11}, targets[1]]), POLICY)
    assert (changed.status, changed.word, changed.chosen) == ("refused", "plan_changed", [])
    half = make_plan(replace(seen, partitions=partitions(1)), replace(WISH, targets=targets), POLICY)
    assert (half.status, half.word) == ("refused", "plan_changed")
    gone = make_plan(replace(seen, partitions=[]), replace(WISH, targets=targets), POLICY)
    assert (gone.status, gone.word) == ("nothing_to_do", "gone_already")
    for other in ({"table": "n"}, {"database": "staging"}):
        foreign = [{**each, "partition_id": f"x{number}", **other} for number, each in enumerate(targets)]
        plan = make_plan(seen, replace(WISH, targets=foreign), POLICY)
        assert (plan.status, plan.word) == ("refused", "plan_changed"), (
            "of another table, which is not known to be done"
        )


def test_an_old_server_archives_as_text_what_it_cannot_write() -> None:
    rows = [
        {"name": "at", "type": "DateTime", "default_kind": ""},
        {"name": "kind", "type": "Enum8('a' = 1)", "default_kind": "DEFAULT"},
        {"name": "cost", "type": "Nullable(Decimal(9, 2))", "default_kind": ""},
        {"name": "day", "type": "Date", "default_kind": "MATERIALIZED"},
        {"name": "state", "type": "AggregateFunction(sum, UInt64)", "default_kind": ""},
        {"name": "label", "type": "String", "default_kind": "ALIAS"},
    ]
    old, unable = archived_columns(rows, "18.16.1")
    assert [(each.name, each.kind, each.as_text) for each in old] == [
        ("at", "DateTime", False),
        ("kind", "String", True),
        ("cost", "Nullable(String)", True),
        ("day", "Date", False),  # what is stored may have been computed from what has changed
    ]
    assert unable == ["state AggregateFunction(sum, UInt64)"]
    new, none = archived_columns([*rows, {"name": "a b", "type": "UInt8"}], "26.9.2.1")
    assert [each.kind for each in new] == [each["type"] for each in rows[:5]]
    assert none == ["a b"]
