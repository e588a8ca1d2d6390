# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names are the tests' own
"""clickhouse_archive against the current engine and 18.16; their own tables and the store are the second channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from modules.clickhouse_support import (
    ROWS,
    Relay,
    Store,
    add,
    archive,
    database,
    either,
    ids,
    metrics,
    store,
)

from ansible_collections.brandconnect.incidents.plugins.modules.clickhouse_archive import RETURN
from incident_runbooks.lab.clickhouse.part import ClickHousePart
from incident_runbooks.lab.clickhouse.seed import seed
from incident_runbooks.lab.clickhouse.states import SMALL_DISK, fill_disk
from support.clickhouse import started

__all__ = ["either", "store"]


def test_old_partitions_are_archived_compared_and_dropped(either: ClickHousePart, store: Store) -> None:
    name = database(either)
    metrics(either, name, [7, 5, 0])
    before = ids(either, name)
    plan = archive(either, name, store, check_mode=True)
    assert (plan["status"], plan["changed"]) == ("planned", True), plan["reason"]
    assert [each["partition_id"] for each in plan["targets"]] == before[:2], "oldest first, never the current month"
    assert [each["rows"] for each in plan["targets"]] == [ROWS, ROWS]
    assert ids(either, name) == before
    assert not store.files, "check mode changes nothing"

    done = archive(either, name, store, targets=plan["targets"])
    assert (done["status"], done["changed"], done["targets"]) == ("done", True, plan["targets"]), done["reason"]
    assert {each["result"] for each in done["results"]} == {"dropped"}
    assert set(done) - {"changed"} == set(yaml.safe_load(RETURN)) - {"cause", "hint"}
    assert ids(either, name) == before[2:]
    assert (done["after"]["rows"], done["after"]["partitions"]) == (ROWS, 1)
    assert len(store.files) == 2
    # 18.16 cannot write the type of kind, which is text there
    structure = (
        "created_at DateTime, platform String, campaign_id UInt64, reach Nullable(Float64), kind String, day Date"
    )
    shape = f", '{structure}'" if either.program else ""
    counted = "count() AS n, countIf(isNull(reach)) AS nulls, any(toString(kind)) AS kind"
    (copied,) = either.client.rows(f"SELECT {counted} FROM url('{done['results'][0]['archive']}', 'Native'{shape})")
    assert (int(copied["n"]), int(copied["nulls"]), copied["kind"]) == (ROWS, (ROWS + 2) // 3, "a b")

    again = archive(either, name, store, targets=plan["targets"])
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "gone_already", False)
    fresh = archive(either, name, store)
    assert (fresh["status"], fresh["refusal"]) == ("nothing_to_do", "none_eligible")
    assert len(store.files) == 2


def test_a_bucket_is_an_archive_too(clickhouse: ClickHousePart, store: Store) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [6, 0])
    done = archive(clickhouse, name, None, archive_uri=store.uri.replace("http://", "s3+http://") + "/prefix")
    assert (done["status"], len(store.files)) == ("done", 1), done["reason"]
    ((path, body),) = store.files.items()
    assert path.startswith(f"/archive/prefix/{name}.m/")
    assert b"campaign_id" in body
    assert len(ids(clickhouse, name)) == 1


def test_a_drop_that_nobody_answers_is_looked_at_again(clickhouse: ClickHousePart, store: Store) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [7, 5, 0])
    before = ids(clickhouse, name)
    with Relay(clickhouse, b"DROP PARTITION", arrives=False) as url:
        cut = archive(clickhouse, name, store, clickhouse_url=url)
    assert cut["failed"]
    assert (cut["status"], cut["changed"]) == ("unknown", True), cut["msg"]
    assert [each["result"] for each in cut["results"]] == ["unknown", "not_attempted"]
    assert ids(clickhouse, name) == before
    with Relay(clickhouse, b"DROP PARTITION", arrives=True) as url:
        done = archive(clickhouse, name, store, clickhouse_url=url)
    assert done["status"] == "done", done["reason"]
    assert ids(clickhouse, name) == before[2:]


@pytest.mark.parametrize("says", [(200, b""), (500, b"Code: 341. DB::Exception: not finished yet. (UNFINISHED)\n")])
def test_a_drop_that_may_come_later_is_unknown(
    clickhouse: ClickHousePart, store: Store, says: tuple[int, bytes]
) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [7, 5, 0])
    before = ids(clickhouse, name)
    with Relay(clickhouse, b"DROP PARTITION", arrives=False, says=says) as url:
        later = archive(clickhouse, name, store, clickhouse_url=url)
    assert later["failed"]
    assert (later["status"], later["changed"]) == ("unknown", True), later["msg"]
    assert [each["result"] for each in later["results"]] == ["unknown", "not_attempted"]
    assert ids(clickhouse, name) == before


def test_a_drop_that_is_refused_is_not_unknown(clickhouse: ClickHousePart, store: Store) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [7, 0])
    says = (500, b"Code: 497. DB::Exception: Not enough privileges. (ACCESS_DENIED)\n")
    with Relay(clickhouse, b"DROP PARTITION", arrives=False, says=says) as url:
        refused = archive(clickhouse, name, store, clickhouse_url=url)
    assert (refused["status"], refused["changed"], refused["cause"]) == ("failed", False, "not_permitted")
    assert refused["results"][0]["result"] == "not_dropped"


def test_what_is_computed_when_stored_is_archived_too(clickhouse: ClickHousePart, store: Store) -> None:
    name = database(clickhouse)
    clickhouse.client.run(
        f"CREATE TABLE {name}.m (created_at DateTime, got DateTime MATERIALIZED now(), twice String ALIAS 'x')"
        " ENGINE = MergeTree PARTITION BY toYYYYMM(created_at) ORDER BY created_at"
    )
    clickhouse.client.run(f"INSERT INTO {name}.m (created_at) SELECT now() - 86400 * 200 FROM system.numbers LIMIT 3")
    (stored,) = clickhouse.client.rows(f"SELECT DISTINCT toString(got) AS got FROM {name}.m")
    done = archive(clickhouse, name, store)
    assert done["status"] == "done", done["reason"]
    source = f"url('{done['results'][0]['archive']}', 'Native')"
    assert clickhouse.client.rows(f"SELECT DISTINCT toString(got) AS got FROM {source}") == [stored]


def test_space_is_waited_for_and_said(either: ClickHousePart) -> None:
    name = database(either)
    metrics(either, name, [6, 5, 0])
    done = archive(either, name, None, discard_without_archive=True, max_partitions=1)
    assert done["status"] == "done", done["reason"]
    assert "no copy" in done["caveats"][0]
    dropped = f"FROM system.parts WHERE database = '{name}' AND NOT active"
    size = int(either.client.value(f"SELECT sum(bytes_on_disk) {dropped}"))
    assert done["space"]["returned"] is (size == 0)
    assert done["space"]["waiting_bytes"] == size
    assert any("not removed yet" in each for each in done["caveats"]) is (size > 0)


def test_space_that_comes_back_is_seen(clickhouse: ClickHousePart) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [6, 0])
    clickhouse.client.run(
        f"ALTER TABLE {name}.m MODIFY SETTING"
        " old_parts_lifetime = 0, cleanup_delay_period = 1, max_cleanup_delay_period = 1"
    )
    done = archive(clickhouse, name, None, discard_without_archive=True, space_timeout_s=60)
    assert done["space"]["returned"] is True
    assert (
        int(clickhouse.client.value(f"SELECT count() FROM system.parts WHERE database = '{name}' AND NOT active")) == 0
    )


def test_the_plan_is_kept(clickhouse: ClickHousePart, store: Store) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [8, 6, 0])
    plan = archive(clickhouse, name, store, check_mode=True)
    one = archive(clickhouse, name, store, targets=plan["targets"][:1])
    none = archive(clickhouse, name, store, targets=[])
    elsewhere = archive(clickhouse, name, None, discard_without_archive=True, targets=plan["targets"])
    add(clickhouse, name, 8)
    grown = archive(clickhouse, name, store, targets=plan["targets"])
    for refused in (one, none, elsewhere, grown):
        assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "plan_changed", False)
    assert len(ids(clickhouse, name)) == 3
    assert not store.files


def test_the_caps_hold(clickhouse: ClickHousePart, store: Store) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [9, 8, 7, 0])
    capped = archive(clickhouse, name, store, check_mode=True, max_partitions=1)
    assert [each["partition_id"] for each in capped["targets"]] == ids(clickhouse, name)[:1]
    assert {each["reason"] for each in capped["excluded"]} == {"over_max_partitions", "current_period"}
    small = archive(clickhouse, name, store, check_mode=True, max_bytes=1)
    assert (small["status"], small["refusal"]) == ("refused", "over_max_bytes")
    enough = archive(clickhouse, name, store, check_mode=True, target_free_ratio=0.0001)
    assert (enough["status"], enough["refusal"]) == ("nothing_to_do", "enough_free")


def test_what_must_be_refused_is(either: ClickHousePart, store: Store) -> None:
    name = database(either)
    client = either.client
    client.run(f"CREATE TABLE {name}.flat (created_at DateTime, x UInt64) ENGINE = MergeTree ORDER BY x")
    client.run(f"CREATE TABLE {name}.logged (created_at DateTime) ENGINE = Log")
    client.run(
        f"CREATE TABLE {name}.odd (created_at DateTime) ENGINE = MergeTree"
        " PARTITION BY toMonth(created_at) ORDER BY created_at"
    )
    client.run(f"INSERT INTO {name}.flat SELECT now() - 86400 * 400, 1")
    client.run(f"INSERT INTO {name}.odd SELECT now() - 86400 * 400")
    expected = {"flat": "not_by_time", "logged": "not_merge_tree", "odd": "period_unknown", "nope": "table_missing"}
    for table, word in expected.items():
        refused = archive(either, name, store, table=table)
        assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", word, False), table
    missing = archive(either, name, store, table="flat", time_column="nope")
    assert missing["refusal"] == "column_missing"
    assert int(client.value(f"SELECT count() FROM {name}.flat")) == 1
    assert not store.files


def test_pending_mutations_refuse(clickhouse: ClickHousePart, store: Store) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [6, 0])
    clickhouse.client.run(f"ALTER TABLE {name}.m UPDATE reach = throwIf(campaign_id < 9) WHERE 1")
    refused = archive(clickhouse, name, store)
    assert (refused["status"], refused["refusal"]) == ("refused", "mutations_pending"), refused["reason"]
    assert len(ids(clickhouse, name)) == 2
    clickhouse.client.run(f"KILL MUTATION WHERE database = '{name}'")


def test_a_disk_that_nobody_knows_refuses(old_clickhouse: ClickHousePart, store: Store) -> None:
    name = database(old_clickhouse)
    metrics(old_clickhouse, name, [6, 0])
    refused = archive(old_clickhouse, name, store, disk_total_bytes=None, disk_free_bytes=None)
    assert (refused["status"], refused["refusal"]) == ("refused", "disk_unknown")
    bucket = archive(old_clickhouse, name, None, archive_uri="s3://bucket/prefix")
    assert (bucket["status"], bucket["refusal"]) == ("refused", "archive_unsupported")
    assert len(ids(old_clickhouse, name)) == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"retention_days": 29}, "retention_days must be 30 or more"),
        ({"retention_days": 10**9}, "retention_days must be 36500 or less"),
        ({"max_partitions": 7}, "above the limit 6"),
        ({"discard_without_archive": True}, "either archive_uri or discard_without_archive"),
        ({"table": "m`; DROP"}, "table is no name"),
        ({"target_free_ratio": float("nan")}, "target_free_ratio is a share"),
        ({"archive_uri": "http://archive.example.com/x"}, "archive_uri must begin with https://"),
        ({"archive_uri": "https://a.example.com/{1..9}"}, "archive_uri"),
        ({"clickhouse_password": "wrong"}, "clickhouse_password"),
    ],
)
def test_wrong_options_fail_with_one_error(
    clickhouse: ClickHousePart, store: Store, given: dict[str, Any], words: str
) -> None:
    failed = archive(clickhouse, "analytics_wrong", store, **given)
    assert failed["failed"]
    assert words in failed["msg"]
    assert "\n" not in failed["msg"]


def test_a_full_disk_gets_space_again(tmp_path: Path, store: Store) -> None:
    with started(tmp_path, disk_bytes=SMALL_DISK) as part:
        seed(part.client)
        fill_disk(part.client, smallest=5000)  # with a little left, as each drop writes an empty part
        part.client.run(
            "ALTER TABLE analytics.metric_snapshots MODIFY SETTING"
            " old_parts_lifetime = 0, cleanup_delay_period = 1, max_cleanup_delay_period = 1"
        )
        free = "SELECT free_space / total_space FROM system.disks"
        before = float(part.client.value(free))
        given = {
            "table": "metric_snapshots",
            "disk_total_bytes": None,
            "disk_free_bytes": None,
            "target_free_ratio": 0.5,
        }
        plan = archive(part, "analytics", store, check_mode=True, **given)
        assert plan["status"] == "planned", plan["reason"]
        done = archive(part, "analytics", store, targets=plan["targets"], space_timeout_s=60, **given)
        assert (done["status"], done["space"]["returned"]) == ("done", True), done["reason"]
        after = float(part.client.value(free))
        assert before < 0.15
        assert after == pytest.approx(done["predicted_free_ratio"], abs=0.05)
        assert after == pytest.approx(done["after"]["free_ratio"], abs=0.01)
        assert after >= 0.5
