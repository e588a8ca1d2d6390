# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names are the tests' own
"""clickhouse_parts against the current engine and 18.16; system.parts itself is the second channel."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from modules.clickhouse_support import ROWS, add, database, either, ids, metrics, run

from ansible_collections.brandconnect.incidents.plugins.modules.clickhouse_parts import RETURN, SPEC
from incident_runbooks.lab.clickhouse.part import ClickHousePart

__all__ = ["either"]

KEPT = 180  # days: more than the beginning of the month three ago can be old, and less than that of nine ago


def look(part: ClickHousePart, name: str, **given: Any) -> dict[str, Any]:
    return run(SPEC, part, name, **given)


def test_sizes_are_those_of_the_active_parts(either: ClickHousePart) -> None:
    name = database(either)
    metrics(either, name, [2, 0])
    add(either, name, 2)
    either.client.run(f"OPTIMIZE TABLE {name}.m FINAL")
    result = look(either, name)
    assert set(result) - {"changed"} == set(yaml.safe_load(RETURN))
    (table,) = result["tables"]
    row = either.client.rows(
        f"SELECT sum(bytes_on_disk) AS size, count() AS parts FROM system.parts WHERE active AND database = '{name}'"
    )[0]
    assert (table["bytes"], table["parts"], table["rows"]) == (int(row["size"]), int(row["parts"]), 3 * ROWS)
    assert (table["partition_key"], table["has_ttl"]) == ("toYYYYMM(created_at)", False)
    assert sorted(each["partition_id"] for each in result["partitions"]) == ids(either, name)
    assert {each["reason"] for each in result["partitions"]} == {"not_asked"}
    left = either.client.value(f"SELECT sum(bytes_on_disk) FROM system.parts WHERE NOT active AND database = '{name}'")
    assert result["inactive"]["bytes"] == int(left)
    assert (result["cutoff"], result["eligible"], result["changed"]) == (None, None, False)


def test_each_partition_is_judged(either: ClickHousePart) -> None:
    name = database(either)
    metrics(either, name, [9, 3, 1, 0])
    metrics(either, name, [9], "other")
    result = look(either, name, table="m", retention_days=KEPT)
    own = sorted((each for each in result["partitions"] if each["table"] == "m"), key=lambda each: each["partition_id"])
    assert [each["reason"] for each in own] == ["older", "too_young", "current_period", "current_period"]
    assert [each["eligible"] for each in own] == [True, False, False, False]
    newest = either.client.value(
        f"SELECT toString(max(created_at)) FROM {name}.m WHERE created_at < now() - 86400 * {KEPT}"
    )
    assert own[0]["newest"] == newest
    assert result["eligible"] == {"partitions": 1, "rows": ROWS, "bytes": own[0]["bytes"]}
    assert {each["reason"] for each in result["partitions"] if each["table"] == "other"} == {"not_asked"}
    assert look(either, name, table="m", retention_days=KEPT, check_mode=True)["eligible"] == result["eligible"]


def test_a_table_not_partitioned_by_time_has_nothing_that_is_old(either: ClickHousePart) -> None:
    name = database(either)
    either.client.run(
        f"CREATE TABLE {name}.flat (created_at DateTime, platform String) ENGINE = MergeTree"
        " PARTITION BY platform ORDER BY created_at"
    )
    either.client.run(f"INSERT INTO {name}.flat SELECT now() - 86400 * 900, 'meta'")
    result = look(either, name, table="flat", retention_days=60)
    (only,) = result["partitions"]
    assert (only["eligible"], only["reason"]) == (False, "not_by_time")
    assert (only["oldest"], only["newest"]) == (None, None), "1970-01-01 and 0000-00-00 are no times"


def test_a_table_by_days_is_judged_by_its_days(either: ClickHousePart) -> None:
    name = database(either)
    either.client.run(
        f"CREATE TABLE {name}.days (day Date, n UInt64) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY day"
    )
    either.client.run(f"INSERT INTO {name}.days SELECT toDate('2020-02-29'), 1")
    (only,) = look(either, name, table="days", time_column="day", retention_days=60)["partitions"]
    assert (only["eligible"], only["newest"]) == (True, "2020-02-29 23:59:59")


def test_detached_and_frozen_parts(clickhouse: ClickHousePart, old_clickhouse: ClickHousePart) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [5, 4, 0])
    first, second, _ = ids(clickhouse, name)
    clickhouse.client.run(f"ALTER TABLE {name}.m DETACH PARTITION ID '{first}'")
    clickhouse.client.run(f"ALTER TABLE {name}.m FREEZE PARTITION ID '{second}'")
    result = look(clickhouse, name)
    size = clickhouse.client.value(f"SELECT sum(bytes_on_disk) FROM system.detached_parts WHERE database = '{name}'")
    assert (result["detached"]["parts"], result["detached"]["bytes"]) == (1, size)
    assert result["detached"]["list"][0]["table"] == "m"
    assert result["frozen"]["parts"] == 1
    assert result["frozen"]["bytes"] > 0

    old = look(old_clickhouse, database(old_clickhouse))
    assert (old["detached"], old["frozen"], old["tables"], old["partitions"]) == (None, None, [], [])
    assert {each["cause"] for each in old["unanswered"].values()} == {"not_supported"}


def test_the_logs_of_the_old_server_are_seen(old_clickhouse: ClickHousePart) -> None:
    old_clickhouse.client.run("SYSTEM FLUSH LOGS")
    logs = {each["table"]: each for each in look(old_clickhouse, "analytics")["system_logs"]}
    size = old_clickhouse.client.value(
        "SELECT sum(rows) FROM system.parts WHERE active AND database = 'system' AND table = 'query_log'"
    )
    assert 0 < logs["query_log"]["rows"] <= int(size)
    assert logs["query_log"]["newest"] is not None


def test_a_table_that_is_not_there_is_named(clickhouse: ClickHousePart) -> None:
    result = look(clickhouse, database(clickhouse), table="nope", retention_days=60)
    assert (result["eligible"], result["unanswered"]["table"]["cause"]) == (None, "not_found")


def test_a_server_that_is_down_is_a_result(clickhouse: ClickHousePart) -> None:
    down = look(clickhouse, "analytics", clickhouse_url="http://127.0.0.1:1", table="m", retention_days=60)
    assert (down["reachable"], down["cause"], down["partitions"], down["eligible"]) == (False, "refused", None, None)
    assert set(down) - {"changed"} == set(yaml.safe_load(RETURN))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"table": "m", "retention_days": 29}, "retention_days must be 30 or more"),
        ({"table": "m", "retention_days": 10**9}, "retention_days must be 36500 or less"),
        ({"table": "m`", "retention_days": 60}, "table is no name"),
        ({"max_items": 0}, "max_items"),
        ({"time_column": "a b"}, "time_column is no name"),
    ],
)
def test_wrong_options_fail_with_one_error(clickhouse: ClickHousePart, given: dict[str, Any], words: str) -> None:
    failed = look(clickhouse, "analytics", **given)
    assert failed["failed"]
    assert words in failed["msg"]
