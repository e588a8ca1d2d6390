# SPDX-License-Identifier: GPL-3.0-or-later
"""The data plane as parts of the lab: its hosts in the inventory, and what heals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from incident_runbooks.lab import inventory
from incident_runbooks.lab.clickhouse import small_disk
from incident_runbooks.lab.clickhouse.states import SMALL_DISK, fill_disk
from incident_runbooks.lab.data import JWT_KEY, JWT_PATH
from incident_runbooks.lab.lab import Lab

ROWS = "SELECT count() FROM analytics.metric_snapshots WHERE created_at < now() - INTERVAL 40 DAY"


def hosts_of(lab: Lab) -> dict[str, dict[str, Any]]:
    found = json.loads((lab.directory.path / inventory.FILE).read_text(encoding="utf-8"))
    hosts: dict[str, dict[str, Any]] = found["_meta"]["hostvars"]
    return hosts


def test_the_data_plane_has_its_hosts(data_lab: Lab) -> None:
    hosts = hosts_of(data_lab)
    assert hosts["clickhouse"] == data_lab.clickhouse.variables()
    assert hosts["vault"] == data_lab.vault.variables()
    assert hosts["social"] == data_lab.social.variables()
    assert hosts["redis"]["redis_host"] == data_lab.platform().service_address("redis") != ""
    assert hosts["auth"]["auth_url"] == data_lab.ingress.url


def test_vault_and_the_platform_have_the_same_key(data_lab: Lab) -> None:
    found = data_lab.vault.read(JWT_PATH)
    assert found == {JWT_KEY: data_lab.cluster.credentials.jwt_secret}
    assert data_lab.vault.version(JWT_PATH) == 2
    assert data_lab.vault.version("nothing/here") == 0


def test_heal_brings_back_what_was_there(data_lab: Lab) -> None:
    client, before = data_lab.clickhouse.client, data_lab.clickhouse.client.value(ROWS)
    oldest = client.value("SELECT min(partition_id) FROM system.parts WHERE active AND table = 'metric_snapshots'")
    client.run(f"ALTER TABLE analytics.metric_snapshots DROP PARTITION ID '{oldest}'")
    data_lab.vault.write(JWT_PATH, {JWT_KEY: "another"})
    data_lab.social.control.write(["meta:down"])
    assert client.value(ROWS) < before
    assert data_lab.heal() == ["vault held something else", "clickhouse was not as it was"]
    assert data_lab.clickhouse.client.value(ROWS) == before
    assert data_lab.vault.read(JWT_PATH) == {JWT_KEY: data_lab.cluster.credentials.jwt_secret}
    assert data_lab.social.control.read() == []
    assert data_lab.heal() == []


def test_heal_brings_back_a_version_that_was_deleted(data_lab: Lab) -> None:
    data_lab.vault.delete_versions(JWT_PATH, [2])
    assert data_lab.vault.version(JWT_PATH) == 2, "its number stays"
    assert data_lab.heal() == ["vault held something else"]
    assert data_lab.vault.read(JWT_PATH) == {JWT_KEY: data_lab.cluster.credentials.jwt_secret}


@pytest.mark.skipif(not small_disk.possible(), reason="no user namespaces here, so no small disk")
def test_heal_takes_away_a_small_disk(data_lab: Lab) -> None:
    data_lab.restart_clickhouse(SMALL_DISK)
    assert fill_disk(data_lab.clickhouse.client).rows > 0
    assert data_lab.heal() == ["clickhouse was not as it was"]
    assert data_lab.clickhouse.client.value("SELECT total_space FROM system.disks") > SMALL_DISK


def test_what_has_ended_runs_again(data_lab: Lab) -> None:
    data_lab.stop_clickhouse()
    assert data_lab.heal() == ["clickhouse was not running"]
    assert data_lab.heal() == []
