# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names are the tests' own
"""clickhouse_cleanup against the current engine and against 18.16; the server's own tables say what happened."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest
from modules.clickhouse_support import Relay, add, database, either, ids, metrics, run

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse_cleaning import Work
from ansible_collections.brandconnect.incidents.plugins.modules.clickhouse_cleanup import SPEC
from incident_runbooks.lab.clickhouse.part import ClickHousePart
from support.clickhouse import clickhouse, old_clickhouse

__all__ = ["clickhouse", "either", "old_clickhouse"]

_number = itertools.count(100)


def clean(part: ClickHousePart, name: str = "default", *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    """Run the module; it does not wait for the space unless asked to."""
    return run(SPEC, part, name, check_mode=check_mode, **{"space_timeout_s": 0, **given})


def log(part: ClickHousePart, months: list[int], *, settings: str = "") -> str:
    """A log of an older version with rows of so many months ago each."""
    name = f"query_log_{next(_number)}"
    part.client.run(
        f"CREATE TABLE system.{name} (event_date Date, event_time DateTime, query String) ENGINE = MergeTree"
        " PARTITION BY toYYYYMM(event_date) ORDER BY (event_date, event_time)"
        f" {settings}"
    )
    for ago in months:
        insert(part, name, ago)
    return name


def insert(part: ClickHousePart, name: str, ago: int) -> None:
    at = f"toDateTime(toStartOfMonth(addMonths(now(), -{ago})))"
    part.client.run(
        f"INSERT INTO system.{name} SELECT toDate({at}), {at}, 'SELECT 1' FROM (SELECT * FROM system.numbers LIMIT 50)"
    )


@pytest.fixture
def logs(either: ClickHousePart) -> Iterator[str]:
    """A log of four months; it is gone afterwards, as the database ``system`` is that of all tests."""
    name = log(either, [0, 3, 4, 5])
    yield name
    either.client.run(f"DROP TABLE system.{name}")


def own(result: dict[str, Any], field: str, table: str) -> list[dict[str, Any]]:
    """What a result says of one table; the old server writes logs of its own."""
    return [each for each in result[field] if each["table"] == table]


def test_old_partitions_of_logs_go_the_oldest_first(either: ClickHousePart, logs: str) -> None:
    before = ids(either, "system", logs)
    plan = clean(either, check_mode=True)
    assert plan["changed"] is True
    assert (plan["status"], plan["refusal"]) == ("planned", None)
    assert [each["partition_id"] for each in plan["targets"]] == before[:3]
    assert [each["result"] for each in plan["results"]] == ["would_drop"] * 3
    assert [each["reason"] for each in own(plan, "excluded", logs)] == ["current_period"]
    assert ids(either, "system", logs) == before

    done = clean(either, targets=plan["targets"], max_items=3)
    assert (done["status"], done["changed"]) == ("done", True)
    assert [each["result"] for each in done["results"]] == ["dropped"] * 3
    assert ids(either, "system", logs) == before[3:]
    assert done["before"]["logs"]["partitions"] - done["after"]["logs"]["partitions"] == 3
    assert done["before"]["logs"]["bytes"] > done["after"]["logs"]["bytes"]

    again = clean(either, targets=plan["targets"])
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "gone_already", False)
    fresh = clean(either)
    assert (fresh["status"], fresh["refusal"], fresh["changed"]) == ("nothing_to_do", "none_eligible", False)
    assert ids(either, "system", logs) == before[3:]


def test_caps_leave_the_rest_and_name_it(either: ClickHousePart, logs: str) -> None:
    before = ids(either, "system", logs)
    result = clean(either, max_items=1)
    assert result["status"] == "done"
    assert [each["partition_id"] for each in result["targets"]] == before[:1]
    assert [each["reason"] for each in own(result, "excluded", logs)].count("over_max_items") == 2
    refused = clean(either, max_bytes=1)
    assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "over_max_bytes", False)
    assert ids(either, "system", logs) == before[1:]


def test_another_plan_than_the_approved_one_is_refused(either: ClickHousePart, logs: str) -> None:
    plan = clean(either, check_mode=True)
    insert(either, logs, 4)
    before = ids(either, "system", logs)
    for check_mode in (True, False):
        result = clean(either, targets=plan["targets"], check_mode=check_mode)
        assert (result["status"], result["refusal"], result["changed"]) == ("refused", "plan_changed", False)
    assert ids(either, "system", logs) == before


def test_more_days_are_kept_where_more_are_wanted(either: ClickHousePart, logs: str) -> None:
    result = clean(either, keep_days=400)
    assert result["status"] == "nothing_to_do"
    assert [each["reason"] for each in own(result, "excluded", logs)].count("too_young") == 3
    assert len(ids(either, "system", logs)) == 4


@pytest.mark.parametrize(
    ("base", "key", "reason"),
    [
        ("session_log", "toYYYYMM(event_date)", "kept_log"),
        ("somebodys_log", "toYYYYMM(event_date)", "unknown_log"),
        ("part_log", "query", "not_by_time"),
    ],
)
def test_what_is_no_log_or_is_needed_stays(either: ClickHousePart, base: str, key: str, reason: str) -> None:
    name = f"{base}_{next(_number)}"
    either.client.run(
        f"CREATE TABLE system.{name} (event_date Date, query String) ENGINE = MergeTree PARTITION BY {key}"
        " ORDER BY event_date"
    )
    try:
        either.client.run(f"INSERT INTO system.{name} SELECT toDate('2020-01-01'), 'a'")
        result = clean(either)
        assert [each["reason"] for each in own(result, "excluded", name)] == [reason]
        assert len(ids(either, "system", name)) == 1
    finally:
        either.client.run(f"DROP TABLE system.{name}")


def detached_copies(part: ClickHousePart, name: str, reasons: list[str]) -> None:
    """Detach a partition by hand, and put copies beside it, called as the server calls what it detaches itself."""
    part.client.run(f"ALTER TABLE {name}.m DETACH PARTITION ID '{ids(part, name)[0]}'")
    path = str(part.client.value(f"SELECT path FROM system.detached_parts WHERE database = '{name}'"))
    folder = part.data.parent.joinpath(path)
    for reason in reasons:
        shutil.copytree(folder, folder.with_name(f"{reason}_{folder.name}"))


def detached(part: ClickHousePart, name: str) -> list[str]:
    rows = part.client.rows(f"SELECT reason FROM system.detached_parts WHERE database = '{name}'")
    return sorted(str(row["reason"]) for row in rows)


def test_only_detached_parts_go_that_have_their_rows_elsewhere(clickhouse: ClickHousePart) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [0, 5])
    detached_copies(clickhouse, name, ["ignored", "broken", "attaching"])
    everything = ["", "attaching", "broken", "ignored"]

    result = clean(clickhouse, name)
    assert result["before"]["detached"]["parts"] == 4
    assert detached(clickhouse, name) == everything, "unless asked for none goes"

    plan = clean(clickhouse, name, detached=True, check_mode=True)
    (target,) = plan["targets"]
    assert (target["kind"], target["reason"], target["table"]) == ("detached", "ignored", "m")
    assert target["bytes"] > 0
    kept = {each["name"].partition("_")[0]: each["reason"] for each in own(plan, "excluded", "m")}
    assert sorted(kept.values()) == ["by_hand", "in_use", "reason_not_named"]
    assert detached(clickhouse, name) == everything

    done = clean(clickhouse, name, detached=True, targets=plan["targets"])
    assert (done["status"], done["results"][0]["result"]) == ("done", "dropped")
    assert done["after"]["detached"]["parts"] == 3
    assert detached(clickhouse, name) == ["", "attaching", "broken"]

    clean(clickhouse, name, detached=True, detached_by_hand=True)
    assert detached(clickhouse, name) == ["attaching", "broken"]
    clean(clickhouse, name, detached=True, detached_reasons=["broken", "attaching"])
    assert detached(clickhouse, name) == ["attaching"], "what a statement uses never goes"
    assert len(ids(clickhouse, name)) == 1, "what is attached stays"


def mutate(part: ClickHousePart, name: str, where: str) -> str:
    part.client.run(f"ALTER TABLE {name}.m DELETE WHERE {where}")
    return str(part.client.value(f"SELECT max(mutation_id) FROM system.mutations WHERE database = '{name}'"))


def pending(part: ClickHousePart, name: str) -> list[str]:
    rows = part.client.rows(f"SELECT mutation_id FROM system.mutations WHERE database = '{name}' AND NOT is_done")
    return [str(row["mutation_id"]) for row in rows]


def stuck(part: ClickHousePart, name: str) -> str:
    """A mutation that fails, once it has failed."""
    found = mutate(part, name, "throwIf(campaign_id >= 0) = 1")
    reason = f"SELECT latest_fail_reason FROM system.mutations WHERE database = '{name}' AND mutation_id = '{found}'"
    deadline = time.monotonic() + 20
    while not part.client.value(reason):
        assert time.monotonic() < deadline, "it never fails"
        time.sleep(0.05)
    return found


def test_a_mutation_is_killed_while_it_fails_and_else_not(clickhouse: ClickHousePart) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [0, 2])
    mutation_id = stuck(clickhouse, name)
    wanted = {"mutations": [{"table": "m", "mutation_id": mutation_id}], "system_logs": False}
    plan = clean(clickhouse, name, check_mode=True, **wanted)
    (target,) = plan["targets"]
    assert (target["kind"], target["mutation_id"]) == ("mutation", mutation_id)
    assert "throwIf" in target["command"]
    assert "fail_reason" not in target, "each try may say it in other words"
    assert pending(clickhouse, name) == [mutation_id]

    done = clean(clickhouse, name, targets=plan["targets"], **wanted)
    assert (done["status"], done["results"][0]["result"]) == ("done", "killed")
    assert (done["before"]["mutations_pending"], done["after"]["mutations_pending"]) == (1, 0)
    assert pending(clickhouse, name) == []
    again = clean(clickhouse, name, targets=plan["targets"], **wanted)
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "gone_already", False)

    clickhouse.client.run(f"SYSTEM STOP MERGES {name}.m")
    waiting = mutate(clickhouse, name, "campaign_id = 7")
    wanted["mutations"] = [{"table": "m", "mutation_id": waiting}]
    refused = clean(clickhouse, name, **wanted)
    assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "mutation_not_stuck", False)
    assert pending(clickhouse, name) == [waiting]


def test_what_changes_after_the_look_stays(clickhouse: ClickHousePart, monkeypatch: pytest.MonkeyPatch) -> None:
    name = log(clickhouse, [3, 4])
    oldest, newer = ids(clickhouse, "system", name)
    act = Work._act

    def late(work: Work, plan: Any) -> None:
        insert(clickhouse, name, 4)
        clickhouse.client.run(f"ALTER TABLE system.{name} DROP PARTITION ID '{newer}'")
        act(work, plan)

    monkeypatch.setattr(Work, "_act", late)
    try:
        result = clean(clickhouse)
        assert [each["result"] for each in result["results"]] == ["changed", "gone"]
        assert (result["status"], result["changed"]) == ("failed", False)
        assert ids(clickhouse, "system", name) == [oldest]
    finally:
        clickhouse.client.run(f"DROP TABLE system.{name}")


@pytest.mark.parametrize(
    ("arrives", "says", "results", "status"),
    [
        (True, None, ["dropped", "dropped"], "done"),
        (False, None, ["unknown", "not_attempted"], "unknown"),
        (False, (500, b"Code: 497. DB::Exception: Not enough privileges"), ["not_dropped", "dropped"], "partial"),
    ],
)
def test_only_what_is_seen_to_be_gone_is_called_dropped(
    clickhouse: ClickHousePart, arrives: bool, says: tuple[int, bytes] | None, results: list[str], status: str
) -> None:
    name = log(clickhouse, [3, 4])
    oldest, newer = ids(clickhouse, "system", name)
    words = f"DROP PARTITION ID '{oldest}'".encode()
    try:
        with Relay(clickhouse, words, arrives=arrives, says=says) as url:
            result = clean(clickhouse, clickhouse_url=url)
        assert [each["result"] for each in result["results"]] == results
        assert result["status"] == status
        assert result.get("failed", False) is (status != "done")
        gone = {each["partition_id"] for each in result["results"] if each["result"] == "dropped"}
        assert set(ids(clickhouse, "system", name)) == {oldest, newer} - gone
        assert result["changed"] is (status != "failed")
    finally:
        clickhouse.client.run(f"DROP TABLE system.{name}")


def test_the_old_server_says_what_it_does_not_know(old_clickhouse: ClickHousePart) -> None:
    name = database(old_clickhouse)
    metrics(old_clickhouse, name, [0, 3])
    table = log(old_clickhouse, [3])
    try:
        result = clean(old_clickhouse, name, detached=True)
        assert result["status"] == "done"
        assert ids(old_clickhouse, "system", table) == []
        assert result["before"]["detached"] is None
        assert result["unanswered"]["detached"]["cause"] == "not_supported"
        assert any("does not know detached parts" in each for each in result["caveats"])
        old_clickhouse.client.run(f"SYSTEM STOP MERGES {name}.m")
        mutation_id = mutate(old_clickhouse, name, "campaign_id = 7")
        assert pending(old_clickhouse, name) == [mutation_id]
        refused = clean(old_clickhouse, name, mutations=[{"table": "m", "mutation_id": mutation_id}])
        assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "stuck_unknown", False)
        assert pending(old_clickhouse, name) == [mutation_id]
    finally:
        old_clickhouse.client.run(f"DROP TABLE system.{table}")


def test_frozen_copies_are_reported(clickhouse: ClickHousePart) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [0, 3])
    add(clickhouse, name, 4)
    clickhouse.client.run(f"ALTER TABLE {name}.m FREEZE PARTITION ID '{ids(clickhouse, name)[0]}'")
    result = clean(clickhouse, name)
    assert result["frozen"]["parts"] == 1
    assert any("shadow/" in each for each in result["caveats"])


def test_space_is_waited_for(clickhouse: ClickHousePart) -> None:
    soon = ("old_parts_lifetime", "cleanup_delay_period", "max_cleanup_delay_period")
    name = log(clickhouse, [3], settings=f"SETTINGS {', '.join(f'{each} = 1' for each in soon)}")
    try:
        result = clean(clickhouse, space_timeout_s=60)
        assert result["space"]["returned"] is True
        assert result["space"]["waiting_bytes"] == 0
        left = f"SELECT sum(rows) FROM system.parts WHERE database = 'system' AND table = '{name}'"
        assert int(clickhouse.client.value(left) or 0) == 0, "at most an empty part is left, active or not"
    finally:
        clickhouse.client.run(f"DROP TABLE system.{name}")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_items": 51}, "max_items must be from 1 to 50"),
        ({"keep_days": 0}, "keep_days must be from 1"),
        ({"detached_by_hand": True}, "detached_by_hand needs detached"),
        ({"system_logs": False}, "nothing is asked for"),
        ({"mutations": [{"table": "m", "mutation_id": "x' OR 1"}]}, "no id of a mutation"),
        ({"mutations": [{"table": "m;", "mutation_id": "x"}]}, "mutations.table is no name"),
        ({"detached": True, "detached_reasons": ["a b"]}, "detached_reasons"),
    ],
)
def test_options_that_make_no_sense_fail_before_anything_is_sent(
    clickhouse: ClickHousePart, given: dict[str, Any], words: str
) -> None:
    result = clean(clickhouse, clickhouse_url="http://127.0.0.1:1", **given)
    assert result["failed"] is True
    assert words in result["msg"]


def test_a_server_that_is_down_fails_with_a_hint(clickhouse: ClickHousePart) -> None:
    result = clean(clickhouse, clickhouse_url="http://127.0.0.1:1")
    assert (result["failed"], result["status"], result["cause"]) == (True, "failed", "refused")
    assert result["hint"]
    assert result["targets"] == []
