# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a ClickHouse server's leftovers may go, in which order, and what never."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_cleanup import (
    Plan,
    make_plan,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_disk import mutation
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_leftovers import (
    SAFE_REASONS,
    TIME_COLUMN,
    Seen,
    Wish,
    is_log,
    see_detached,
    see_logs,
    see_mutations,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import Policy

Json = dict[str, Any]

NOW = dt.datetime(2026, 11, 28, 10, 0)  # noqa: DTZ001 - the server's, without a zone


def wish(**changes: Any) -> Wish:
    given = {"database": "analytics", "max_items": 20, "max_bytes": 10**9, "reasons": frozenset(SAFE_REASONS)}
    return Wish(**{**given, **changes})


def part(newest: str, table: str = "query_log", size: int = 100, **changes: Any) -> Json:
    """A partition of a month, by the last day of its rows."""
    month = newest[:7].replace("-", "")
    return {
        "table": table,
        "partition": month,
        "partition_id": month,
        "parts": 1,
        "total_rows": 10,
        "size": size,
        "min_date": f"{newest[:7]}-01",
        "max_date": newest,
        "min_time": "1970-01-01 00:00:00",
        "max_time": "1970-01-01 00:00:00",
        **changes,
    }


def logs(*parts: Json, key: str = "toYYYYMM(event_date)", keep_days: int = 7, limit: int = 0, **at: Any) -> Seen:
    names = {str(each["table"]) for each in parts}
    seen = Seen()
    see_logs(
        seen,
        [{"name": name, "engine": at.get("engine", "MergeTree"), "partition_key": key} for name in names],
        [{"table": name, "name": TIME_COLUMN, "type": "Date"} for name in names],
        parts,
        Policy(TIME_COLUMN, keep_days, at.get("now", NOW), limit),
    )
    return seen


def went(seen: Seen) -> list[str]:
    return [each.id for each in seen.items]


def stayed(seen: Seen) -> list[str]:
    return [each["reason"] for each in seen.excluded]


def test_logs_go_by_the_age_of_their_newest_row_the_oldest_first() -> None:
    seen = logs(part("2026-10-31"), part("2026-11-28"), part("2026-08-31", table="trace_log"), part("2026-09-30"))
    assert went(seen) == ["202608", "202609", "202610"]
    assert stayed(seen) == ["current_period"]


@pytest.mark.parametrize(
    ("newest", "now", "keep_days", "reason"),
    [
        ("2026-11-01", "2026-11-28", 7, "current_period"),
        ("2026-10-31", "2026-11-03", 7, "too_young"),
        ("2026-10-31", "2026-11-07", 7, "too_young"),  # its last second is kept for 7 days too
        ("2026-10-31", "2026-11-08", 7, None),
        ("2026-10-31", "2026-11-28", 40, "too_young"),
        ("2026-12-31", "2026-11-28", 7, "current_period"),  # a clock that went wrong
        ("1970-01-01", "2026-11-28", 7, "range_unknown"),
        ("0000-00-00", "2026-11-28", 7, "range_unknown"),
    ],
)
def test_the_current_period_and_young_rows_stay(newest: str, now: str, keep_days: int, reason: str | None) -> None:
    seen = logs(part(newest), now=dt.datetime.fromisoformat(now), keep_days=keep_days)
    assert stayed(seen) == ([reason] if reason else [])
    assert len(seen.items) == (reason is None)


def test_a_log_by_day_loses_all_days_but_today_and_those_that_are_kept() -> None:
    days = [part(f"2026-11-{day:02}", partition_id=f"202611{day:02}") for day in (1, 20, 21, 27, 28)]
    seen = logs(*days, key="event_date", keep_days=7)
    assert went(seen) == ["20261101", "20261120"]
    assert stayed(seen) == ["too_young", "too_young", "current_period"]


@pytest.mark.parametrize(
    ("changes", "key", "engine", "limit", "reason"),
    [
        ({"table": "session_log_3"}, None, "MergeTree", 0, "kept_log"),
        ({"table": "crash_log"}, None, "MergeTree", 0, "kept_log"),
        ({"table": "our_log"}, None, "MergeTree", 0, "unknown_log"),
        ({}, "query_kind", "MergeTree", 0, "not_by_time"),
        ({}, "", "MergeTree", 0, "not_by_time"),
        ({}, "intDiv(toYYYYMM(event_date), 3)", "MergeTree", 0, "period_unknown"),
        ({}, None, "Memory", 0, "not_merge_tree"),
        ({"partition_id": "a'b"}, None, "MergeTree", 0, "id_unusable"),
        ({"size": 101}, None, "MergeTree", 100, "above_drop_limit"),
    ],
)
def test_what_stays_says_why(changes: Json, key: str | None, engine: str, limit: int, reason: str) -> None:
    seen = logs(
        part("2020-01-31", **changes), key="toYYYYMM(event_date)" if key is None else key, engine=engine, limit=limit
    )
    assert stayed(seen) == [reason]
    assert seen.items == []
    assert seen.excluded[0]["text"]


@pytest.mark.parametrize(
    ("name", "whether"),
    [
        ("query_log", True),
        ("query_log_12", True),
        ("text_log", True),
        ("session_log", False),
        ("query_logs", False),
        ("query_log_of_mine", False),
        ("my_query_log", False),
    ],
)
def test_only_known_logs_are_logs(name: str, whether: bool) -> None:
    assert is_log(name) is whether


def detached(*rows: tuple[str, str], **changes: Any) -> Seen:
    seen = Seen()
    see_detached(
        seen, [{"table": "m", "name": name, "reason": reason, "size": 5} for name, reason in rows], wish(**changes)
    )
    return seen


def test_detached_parts_go_by_their_reason() -> None:
    rows = [
        *[(f"{reason}_202601_1_1_0", reason) for reason in ("ignored", "clone", "tmp-fetch", "broken", "unexpected")],
        *[("202601_1_1_0", ""), ("deleting_202601_1_1_0", "deleting"), ("attaching_202601_1_1_0", "attaching")],
        ("../../etc", "ignored"),
    ]
    seen = detached(*rows)
    assert [each.target["reason"] for each in seen.items] == ["ignored", "clone", "tmp-fetch"]
    assert stayed(seen) == [*["reason_not_named"] * 2, "by_hand", "in_use", "in_use", "name_unusable"]
    everything = frozenset({"", "broken", "unexpected", "deleting", "attaching"})
    wanted = detached(*rows, reasons=everything)
    assert [each.target["reason"] for each in wanted.items] == ["broken", "unexpected", ""]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("202601_1_1_0", "deleting"), ("202601_1_1_0", "attaching"), ("deleting_202601_1_1_0", "broken")],
)
def test_a_part_that_a_statement_holds_is_told_by_either_sign(name: str, reason: str) -> None:
    assert stayed(detached((name, reason), reasons=frozenset({"broken", "deleting", "attaching"}))) == ["in_use"]


def mutations(*rows: Json, named: list[tuple[str, str]]) -> tuple[Seen, Wish]:
    seen, asked = Seen(), wish(mutations=named)
    see_mutations(seen, rows, asked)
    return seen, asked


STUCK = {"database": "analytics", "table": "m", "mutation_id": "mutation_4.txt", "command": "(DELETE WHERE a)"}


def test_a_mutation_is_killed_only_while_it_is_known_to_fail() -> None:
    named = [("m", "mutation_4.txt")]
    failing, asked = mutations({**STUCK, "latest_fail_reason": "Code: 53"}, named=named)
    assert make_plan(failing, asked).targets == [
        {"kind": "mutation", **STUCK},
    ]
    for row, word in (({**STUCK, "latest_fail_reason": ""}, "mutation_not_stuck"), (STUCK, "stuck_unknown")):
        seen, asked = mutations(row, named=named)
        plan = make_plan(seen, asked)
        assert (plan.status, plan.word, plan.targets) == ("refused", word, [])
    seen, asked = mutations(named=named)
    plan = make_plan(seen, asked)
    assert (plan.status, plan.word, stayed(seen)) == ("nothing_to_do", "none_eligible", ["gone"])


def test_no_value_of_a_mutation_is_shown() -> None:
    row = {
        **STUCK,
        "command": "(DELETE WHERE email = 'ada@example.com' AND campaign_id = 4711)",
        "latest_fail_reason": "Code: 53. DB::Exception: Cannot convert string 'ada@example.com' to Int64 at 4711",
    }
    told = mutation(row)
    assert told["command"] == "(DELETE WHERE email = … AND campaign_id = …)"
    assert told["fail_reason"] == "Code: 53. DB::Exception: Cannot convert string … to Int64 at …"
    assert told["stuck"] is True
    seen, asked = mutations(row, named=[("m", "mutation_4.txt")])
    assert "ada" not in str(make_plan(seen, asked).targets)


def test_one_that_must_not_be_killed_keeps_everything_back() -> None:
    seen, asked = mutations({**STUCK, "latest_fail_reason": ""}, named=[("m", "mutation_4.txt")])
    see_detached(seen, [{"table": "m", "name": "ignored_1_1_1_0", "reason": "ignored", "size": 5}], asked)
    assert make_plan(seen, asked).status == "refused"


def everything(**changes: Any) -> tuple[Seen, Wish]:
    seen, asked = mutations({**STUCK, "latest_fail_reason": "Code: 53"}, named=[("m", "mutation_4.txt")])
    see_detached(seen, [{"table": "m", "name": "ignored_1_1_1_0", "reason": "ignored", "size": 50}], asked)
    found = logs(part("2026-10-31"), part("2026-09-30", size=10**6))
    seen.items += found.items
    seen.excluded += found.excluded
    seen.ids |= found.ids
    seen.looked |= found.looked
    return seen, wish(mutations=asked.mutations, **changes)


def test_what_frees_space_at_once_goes_before_what_needs_time() -> None:
    plan = make_plan(*everything())
    assert [each.kind for each in plan.chosen] == ["mutation", "detached", "log", "log"]
    assert plan.reason == (
        "kill 1 stuck mutations; drop 1 detached parts, 50 bytes; "
        "drop 2 old partitions of the server's logs, 1000100 bytes"
    )


def test_what_is_too_large_is_left_out_and_named() -> None:
    plan = make_plan(*everything(max_bytes=1000))
    assert [each.id for each in plan.chosen] == ["mutation_4.txt", "ignored_1_1_1_0", "202610"]
    assert [(each["partition_id"], each["reason"]) for each in plan.excluded] == [("202609", "over_max_bytes")]
    few = make_plan(*everything(max_items=2))
    assert [each["reason"] for each in few.excluded] == ["over_max_items"] * 2


def test_an_approved_plan_is_the_same_though_sizes_of_logs_and_words_of_failures_changed() -> None:
    approved = make_plan(*everything()).targets

    def again(**changes: Any) -> Plan:
        return make_plan(*everything(targets=[{**each, **changes.get(each["kind"], {})} for each in approved]))

    assert again().status == "planned"
    assert again(log={"bytes": 1}, mutation={"fail_reason": "Code: 241"}).status == "planned", "of an older plan"
    assert [set(each) & {"bytes", "fail_reason"} for each in approved] == [set(), {"bytes"}, set(), set()]
    for changes in ({"log": {"rows": 11}}, {"detached": {"bytes": 51}}, {"mutation": {"command": "(DELETE WHERE b)"}}):
        plan = again(**changes)
        assert (plan.status, plan.word, plan.targets) == ("refused", "plan_changed", [])


def test_gone_is_only_what_was_looked_for() -> None:
    approved = make_plan(*everything()).targets
    nothing = Seen(looked={"mutation", "detached", "log"})
    plan = make_plan(nothing, wish(targets=approved))
    assert (plan.status, plan.word) == ("nothing_to_do", "gone_already")
    unseen = make_plan(Seen(looked={"mutation"}), wish(targets=approved))
    assert (unseen.status, unseen.word) == ("refused", "plan_changed")
    half, asked = everything(targets=approved)
    half.items.pop(0)
    assert make_plan(half, asked).word == "plan_changed"
    assert make_plan(nothing, wish(targets=[])).word == "none_eligible"
