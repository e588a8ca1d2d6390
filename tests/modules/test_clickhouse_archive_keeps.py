# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names are the tests' own
"""What clickhouse_archive does not drop: what is not wholly archived, has changed, or is not known."""

from __future__ import annotations

import json
import re

import pytest
from modules.clickhouse_support import Relay, Store, add, archive, database, either, ids, metrics, store

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import clickhouse_reads as reads
from incident_runbooks.lab.clickhouse.part import ClickHousePart

__all__ = ["either", "store"]


def test_an_answer_that_broke_off_decides_nothing(clickhouse: ClickHousePart, store: Store) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [7, 0])
    broken = (200, b'{"meta": [], "data": [], "exception": "Code: 241. DB::Exception: memory"}')
    with Relay(clickhouse, b"system.mutations", arrives=False, says=broken) as url:
        failed = archive(clickhouse, name, store, clickhouse_url=url)
    assert failed["failed"]
    assert len(ids(clickhouse, name)) == 2
    assert not store.files


@pytest.mark.parametrize(
    "kind", ["SimpleAggregateFunction(any, Nullable(String))", "Dynamic", "LowCardinality(Nullable(String))"]
)
def test_a_value_that_is_null_hides_no_other(clickhouse: ClickHousePart, store: Store, kind: str) -> None:
    name = database(clickhouse)
    clickhouse.client.run(
        f"CREATE TABLE {name}.m (created_at DateTime, platform String, extra {kind})"
        " ENGINE = MergeTree PARTITION BY toYYYYMM(created_at) ORDER BY created_at"
    )
    clickhouse.client.run(f"INSERT INTO {name}.m SELECT now() - 86400 * 200, 'meta', NULL FROM system.numbers LIMIT 3")
    store.spoil = lambda body: body.replace(b"\x04meta", b"\x04mota", 1)
    spoiled = archive(clickhouse, name, store)
    assert (spoiled["status"], spoiled["results"][0]["result"]) == ("failed", "archive_differs"), spoiled["reason"]
    store.spoil = bytes
    done = archive(clickhouse, name, store)
    assert done["status"] == "done", done["reason"]


def test_rows_without_a_hash_are_not_dropped(
    clickhouse: ClickHousePart, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [7, 0])
    monkeypatch.setattr(reads, "_AS_TEXT", re.compile("as if no type was known to be NULL"))
    failed = archive(clickhouse, name, store)
    assert (failed["status"], failed["results"][0]["result"]) == ("failed", "archive_failed"), failed["reason"]
    assert len(ids(clickhouse, name)) == 2
    assert not store.files


def test_what_comes_while_it_is_archived_stops_the_drop(clickhouse: ClickHousePart, store: Store) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [7, 0])
    client = clickhouse.client
    store.after = lambda: client.run(f"ALTER TABLE {name}.m ADD COLUMN IF NOT EXISTS later UInt8 DEFAULT 7")
    wider = archive(clickhouse, name, store)
    assert (wider["status"], wider["results"][0]["result"]) == ("failed", "changed"), wider["reason"]
    store.after = lambda: client.run(f"ALTER TABLE {name}.m UPDATE reach = throwIf(campaign_id < 9) WHERE 1")
    mutated = archive(clickhouse, name, store)
    assert (mutated["status"], mutated["results"][0]["result"]) == ("failed", "not_attempted"), mutated["reason"]
    assert "is not done" in mutated["reason"]
    assert len(ids(clickhouse, name)) == 2
    client.run(f"KILL MUTATION WHERE database = '{name}'")


@pytest.mark.parametrize(
    ("passing", "status", "result"),
    [(0, "refused", None), (1, "failed", "not_attempted"), (2, "failed", "not_attempted")],
)
def test_a_replica_that_is_behind_loses_nothing(
    clickhouse: ClickHousePart, store: Store, passing: int, status: str, result: str | None
) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [7, 0])
    # the engine has no Keeper, so a proxy says what a replica would: when planned, before the copy, before the drop
    behind = {"is_readonly": 0, "is_session_expired": 0, "inserts_in_queue": 1, "log_max_index": 4, "log_pointer": 5}
    says = (200, json.dumps({"data": [behind]}).encode())
    with Relay(clickhouse, b"log_pointer FROM system.replicas", arrives=False, says=says, passing=passing) as url:
        kept = archive(clickhouse, name, store, clickhouse_url=url)
    assert (kept["status"], kept["changed"]) == (status, False), kept["reason"]
    assert [each["result"] for each in kept["results"]] == ([result] if result else [])
    assert "has not fetched all rows" in kept["reason"]
    assert (len(ids(clickhouse, name)), len(store.files)) == (2, 1 if passing == 2 else 0)


def test_a_list_of_partitions_that_is_cut_off_decides_nothing(
    clickhouse: ClickHousePart, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [8, 7, 0])
    monkeypatch.setattr(reads, "MOST_PARTITIONS", 2)
    failed = archive(clickhouse, name, store)
    assert failed["failed"]
    assert "not all of them were read" in failed["msg"]
    assert len(ids(clickhouse, name)) == 3


def test_what_differs_is_not_dropped(either: ClickHousePart, store: Store) -> None:
    name = database(either)
    metrics(either, name, [7, 5, 0])
    before = ids(either, name)
    # one number of the first file is another one; the block stays readable
    store.spoil = lambda body: body.replace(b"\x04meta", b"\x04mota", 1)
    spoiled = archive(either, name, store)
    assert (spoiled["status"], spoiled["changed"]) == ("failed", False), spoiled["reason"]
    assert [each["result"] for each in spoiled["results"]] == ["archive_differs", "not_attempted"]
    assert ids(either, name) == before

    store.spoil = bytes
    store.after = lambda: add(either, name, 7, rows=1)
    late = archive(either, name, store)
    assert (late["status"], late["results"][0]["result"]) == ("failed", "changed"), "rows came while it was archived"
    assert ids(either, name) == before
    store.after = None

    lost = archive(either, name, None, archive_uri="http://127.0.0.1:1/archive")
    assert lost["failed"]
    assert (lost["status"], lost["changed"]) == ("failed", False)
    assert lost["results"][0]["result"] == "archive_failed"
    assert ids(either, name) == before


def test_a_second_failure_leaves_the_first_dropped(clickhouse: ClickHousePart, store: Store) -> None:
    name = database(clickhouse)
    metrics(clickhouse, name, [7, 5, 0])
    before = ids(clickhouse, name)
    store.spoil = lambda body: body.replace(b"\x04meta", b"\x04mota", 1) if store.files else body
    half = archive(clickhouse, name, store)
    assert (half["status"], half["changed"]) == ("partial", True)
    assert [each["result"] for each in half["results"]] == ["dropped", "archive_differs"]
    assert ids(clickhouse, name) == before[1:]
