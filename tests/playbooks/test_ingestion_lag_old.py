# SPDX-License-Identifier: GPL-3.0-or-later
"""Ingestion lag against Debian's ClickHouse 18.16: what it does not know is said, and old metrics are archived."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from modules.clickhouse_support import Store, store

from incident_runbooks import schemas
from incident_runbooks.lab.clickhouse import states
from incident_runbooks.lab.lab import Lab
from support.ingestion import DIAGNOSE, REMEDIATE, SYNC, IngestionRunbook
from support.ingestion_old import OldMetrics, old_metrics
from support.platform import wait_until
from support.runbook import planned, recommended, verdicts

__all__ = ["store"]


@pytest.fixture
def metrics(data_lab: Lab, tmp_path: Path) -> Iterator[OldMetrics]:
    with old_metrics(data_lab, tmp_path) as found:
        yield found


@pytest.fixture
def runbook(metrics: OldMetrics, tmp_path: Path) -> Iterator[IngestionRunbook]:
    """The playbook under exactly the Roles of deploy/rbac for those who remediate; they suffice for all it asks."""
    runbook = IngestionRunbook(metrics, tmp_path)
    runbook.log_in(metrics.cluster, DIAGNOSE, SYNC, REMEDIATE)
    yield runbook
    assert [(each["verb"], each["requestURI"]) for each in metrics.cluster.refused(REMEDIATE)] == []


def knows_the_volume(runbook: IngestionRunbook, metrics: OldMetrics) -> None:
    runbook.hosts["prometheus"] = {"prometheus_url": metrics.prometheus_url}
    runbook.variables["ingestion_lag_trend_ahead_s"] = 10  # it has seen some seconds, which tell nothing of a day


def test_what_it_does_not_know_is_said_and_not_guessed(runbook: IngestionRunbook, metrics: OldMetrics) -> None:
    runbook.backend.update(metrics.cluster.login(DIAGNOSE))
    waits = states.leave_mutation_pending(metrics.clickhouse)
    with metrics.only_read():
        alone = runbook.run()  # the lab's Prometheus knows no volume
    assert alone.result["outcome"] == "incomplete", alone.result["findings"]
    said = {each["check"]: (each["status"], each["cause"]) for each in alone.result["findings"]}
    assert {check: each for check, each in said.items() if each[0] != "ok"} == {
        "disk": ("unknown", "not_known"),
        "disk_trend": ("skipped", "no_data"),
        "ingestion_cause": ("unknown", "not_known"),
    }
    assert "--volume-selector" in alone.finding("disk")["next_step"]
    assert alone.finding("parts")["data"]["unanswered"]["disks"]["cause"] == "not_supported"
    (mutation,) = alone.finding("mutations")["data"]["mutations"]
    assert (mutation["mutation_id"], mutation["stuck"], mutation["fail_reason"]) == (waits, None, None)
    assert "stuck is not known to this server" in alone.finding("ingestion_cause")["data"]["notes"][0]
    assert recommended(alone) == []

    states.release(metrics.clickhouse)
    wait_until(lambda: not metrics.mutations(), "end of the mutation")
    knows_the_volume(runbook, metrics)
    with metrics.only_read():
        run = runbook.run()
    assert (run.rc, run.result["outcome"]) == (0, "healthy"), run.result["findings"]
    disk, parts = run.finding("disk")["data"], run.finding("parts")["data"]
    assert (disk["disks"], parts["detached"], parts["frozen"]) == (None, None, None)
    assert disk["volume"]["total_bytes"]["value"] == states.SMALL_DISK
    assert 0 < disk["used_ratio"] < 1
    assert schemas.validate("result", run.result) == []


def test_old_metrics_are_archived(runbook: IngestionRunbook, metrics: OldMetrics, store: Store) -> None:
    knows_the_volume(runbook, metrics)
    runbook.variables |= {"ingestion_lag_retention_days": 60, "ingestion_lag_archive_uri": store.uri}
    runbook.variables |= {"ingestion_lag_analytics_informed": "Grace (analytics)"}  # no message reaches them
    filled = states.fill_disk(metrics.clickhouse)
    assert filled.code == 75
    with metrics.only_read():
        preview = runbook.remediate("--check", approve="archive-old-data")
    cause = preview.finding("ingestion_cause")
    assert (cause["cause"], cause["status"]) == ("disk_full", "down"), preview.result["findings"]
    assert (preview.result["actions"], recommended(preview), store.files) == ([], ["archive-old-data"], {})
    plan, before, sums = preview.result["plan"], metrics.past(), metrics.sums()
    targets = {("metric_snapshots", each["partition_id"]) for each in planned(preview, "archive-old-data")["targets"]}
    assert targets < set(before)

    approval = {"runbook_plan_digest": plan["digest"], "runbook_second_approver": "ada", "runbook_reason": "disk full"}
    run = runbook.remediate(approve="archive-old-data", **approval)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["actions"], run.result["verification"])
    assert verdicts(run) == dict.fromkeys(("new_rows", "disk", "rows_kept"), "resolved")
    assert metrics.past() == {key: rows for key, rows in before.items() if key not in targets}
    (action,) = run.result["actions"]
    assert action["reason"].endswith("; the analytics team knows of it, says Grace (analytics)")
    kept = {each["partition_id"]: metrics.archived(each["archive"]) for each in action["results"]}
    assert kept == {name: sums[name] for _, name in targets}, "the archive has other rows than there were"
    standing, files = metrics.standing(), dict(store.files)
    again = runbook.remediate(approve="archive-old-data", **approval)
    assert (again.result["actions"], metrics.standing(), store.files) == ([], standing, files)
