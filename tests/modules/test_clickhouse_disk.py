# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names are the tests' own
"""clickhouse_disk against the current engine and 18.16; their own tables are the second channel."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
import yaml
from modules.clickhouse_support import ROWS, database, either, metrics, run

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import clickhouse_reads as reads
from ansible_collections.brandconnect.incidents.plugins.modules.clickhouse_cleanup import SPEC as CLEANUP
from ansible_collections.brandconnect.incidents.plugins.modules.clickhouse_disk import RETURN, SPEC
from incident_runbooks.lab.clickhouse.part import ClickHousePart

__all__ = ["either"]

# another disk, on which the server keeps no table
WITH_BACKUP = (
    "SELECT name, path, free_space, total_space, keep_free_space FROM system.disks"
    " UNION ALL SELECT 'backup', '/backup/', 1, 1000, 0"
)


def look(part: ClickHousePart, name: str = "analytics", **given: Any) -> dict[str, Any]:
    return run(SPEC, part, name, **given)


def cleanup_state(part: ClickHousePart) -> dict[str, Any]:
    state: dict[str, Any] = run(CLEANUP, part, "analytics", check_mode=True)["before"]
    return state


def test_the_disks_are_those_of_the_machine(clickhouse: ClickHousePart) -> None:
    result = look(clickhouse)
    assert (result["reachable"], result["cause"], result["changed"]) == (True, None, False)
    assert set(result) - {"changed"} == set(yaml.safe_load(RETURN))
    (disk,) = result["disks"]
    found = os.statvfs(disk["path"])
    assert disk["total_bytes"] == found.f_blocks * found.f_frsize
    assert disk["used_ratio"] == result["used_ratio"]
    assert disk["used_ratio"] == pytest.approx(1 - disk["free_bytes"] / disk["total_bytes"], abs=0.0001)
    assert result["version"] == clickhouse.client.value("SELECT version()")
    assert not result["unanswered"]
    assert look(clickhouse, check_mode=True)["disks"][0]["total_bytes"] == disk["total_bytes"]


def test_a_full_disk_that_holds_nothing_of_it_does_not_count(
    clickhouse: ClickHousePart, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics(clickhouse, database(clickhouse), [0])
    monkeypatch.setattr(reads, "DISKS", WITH_BACKUP)
    result = look(clickhouse)
    ratios = {each["name"]: each["used_ratio"] for each in result["disks"]}
    assert ratios == {"backup": 0.999, "default": result["used_ratio"]}
    assert cleanup_state(clickhouse)["used_ratio"] == pytest.approx(ratios["default"], abs=0.01)

    monkeypatch.setattr(reads, "DISKS_WITH_PARTS", "SELECT disk_name FROM system.disks")
    result = look(clickhouse)
    assert (result["used_ratio"], result["unanswered"]["disks with parts"]["cause"]) == (0.999, "not_supported")
    assert cleanup_state(clickhouse)["used_ratio"] == 0.999, "which disks have parts is not known"


def test_what_the_old_server_does_not_know_is_null_and_named(old_clickhouse: ClickHousePart) -> None:
    result = look(old_clickhouse)
    assert (result["reachable"], result["cause"], result["version"]) == (True, None, "18.16.1")
    assert (result["disks"], result["used_ratio"]) == (None, None)
    assert list(result["unanswered"]) == ["disks", "disks with parts"]
    assert {each["cause"] for each in result["unanswered"].values()} == {"not_supported"}
    assert result["limits"]["old_parts_lifetime"] == int(
        old_clickhouse.client.value("SELECT value FROM system.merge_tree_settings WHERE name = 'old_parts_lifetime'")
    )


def test_the_newest_row_of_each_table(either: ClickHousePart) -> None:
    name = database(either)
    metrics(either, name, [1, 0], "fresh")
    metrics(either, name, [3], "stale")
    metrics(either, name, [], "none")
    wanted = [{"table": each} for each in ("fresh", "stale", "none", "missing")]
    result = look(either, name, tables=[*wanted, {"table": "fresh", "time_column": "day"}])
    fresh, stale, none, missing, day = result["freshness"]
    assert (fresh["status"], fresh["rows_last_hour"]) == ("value", ROWS)
    assert 0 <= fresh["age_s"] < 3600
    newest = either.client.value(f"SELECT toUInt32(max(created_at)) FROM {name}.stale")
    now = either.client.value("SELECT toUInt32(now())")
    assert stale["age_s"] == pytest.approx(int(now) - int(newest), abs=60)
    assert stale["rows_last_hour"] == 0
    assert (none["status"], none["newest"]) == ("empty", None)
    assert (missing["status"], missing["cause"], missing["age_s"]) == ("unknown", "not_found", None)
    assert "freshness of missing.created_at" in result["unanswered"]
    assert (day["status"], day["newest"][11:19]) == ("value", "00:00:00")


def test_a_mutation_that_fails_is_seen(clickhouse: ClickHousePart) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [2, 0])
    clickhouse.client.run(f"ALTER TABLE {name}.m UPDATE reach = throwIf(campaign_id < 9) WHERE 1")
    try:
        (seen,) = [each for each in look(clickhouse)["mutations"] if each["database"] == name]
    finally:
        clickhouse.client.run(f"KILL MUTATION WHERE database = '{name}'")
    assert (seen["table"], seen["killed"]) == ("m", False)
    assert "throwIf" in seen["command"]
    assert all(each["database"] != name for each in look(clickhouse)["mutations"])


def test_the_partition_with_the_most_parts(either: ClickHousePart) -> None:
    name = database(either)
    metrics(either, name, [])
    either.client.run("SYSTEM STOP MERGES")
    try:
        for number in range(30):
            either.client.run(f"INSERT INTO {name}.m (created_at, campaign_id) VALUES (now(), {number})")
        most = look(either)["most_parts"]
    finally:
        either.client.run("SYSTEM START MERGES")
    assert {"database": name, "table": "m", "parts": 30}.items() <= most[0].items()


def test_a_wrong_password_is_a_result_and_shown_nowhere(either: ClickHousePart) -> None:
    result = look(either, clickhouse_password="c4nary-clickhouse")
    assert (result["reachable"], result["cause"], result["disks"]) == (True, "invalid_auth", None)
    assert "clickhouse_password" in result["hint"]
    assert "c4nary" not in str(result)


def test_a_server_that_is_down_or_silent_is_a_result(clickhouse: ClickHousePart) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        mute = look(clickhouse, clickhouse_url=url, clickhouse_request_timeout=1)
    down = look(clickhouse, clickhouse_url=url, tables=[{"table": "m"}])
    unset = look(clickhouse, clickhouse_url="")
    for result, cause in ((mute, "timeout"), (down, "refused"), (unset, "not_configured")):
        assert (result["reachable"], result["cause"], result["disks"]) == (False, cause, None)
        assert set(result) - {"changed"} == set(yaml.safe_load(RETURN))
    assert down["freshness"][0]["status"] == "unknown"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tables": [{"table": "a`b"}]}, "table is no name"),
        ({"tables": [{"name": "m"}]}, "each of tables has table"),
        ({"tables": [{"table": "m"}] * 21}, "give 20 at most"),
        ({"recent_days": 0}, "recent_days"),
        ({"clickhouse_url": "http://clickhouse.example.com:8123"}, "must begin with https://"),
        ({"clickhouse_database": "a b"}, "clickhouse_database is no name"),
    ],
)
def test_wrong_options_fail_with_one_error(clickhouse: ClickHousePart, given: dict[str, Any], words: str) -> None:
    failed = look(clickhouse, **given)
    assert failed["failed"]
    assert words in failed["msg"]
