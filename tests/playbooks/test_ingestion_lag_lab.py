# SPDX-License-Identifier: GPL-3.0-or-later
"""Ingestion lag against the lab: every fault is told from the others, and what can be remediated is, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modules.clickhouse_support import Store, store

from incident_runbooks import schemas
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.lab import Lab
from support.ingestion import (
    DIAGNOSE,
    REMEDIATE,
    SYNC,
    IngestionRunbook,
    Metrics,
)
from support.runbook import Run, planned, recommended, verdicts

__all__ = ["store"]

# these are told from the others where they are remediated
REMEDIATED = {
    "social-rate-limited",
    "metric-worker-slow",
    "clickhouse-disk-full",
    "clickhouse-disk-full-of-logs",
    "clickhouse-mutation-stuck",
}
TOLD = [fault for fault in FAULTS.values() if fault.runbook == "ingestion-lag" and fault.name not in REMEDIATED]

Json = dict[str, Any]


@pytest.fixture
def metrics(data_lab: Lab) -> Metrics:
    return Metrics(data_lab)


@pytest.fixture
def runbook(metrics: Metrics, tmp_path: Path) -> Iterator[IngestionRunbook]:
    """The playbook under exactly the Roles of deploy/rbac for those who remediate; they suffice for all it asks."""
    runbook = IngestionRunbook(metrics, tmp_path)
    runbook.log_in(metrics.cluster, DIAGNOSE, SYNC, REMEDIATE)
    yield runbook
    assert [(each["verb"], each["requestURI"]) for each in metrics.cluster.refused(REMEDIATE)] == []


def diagnosed(run: Run, name: str) -> Json:
    """The one cause of a fault, and exactly its remediations."""
    fault, cause = FAULTS[name], run.finding("ingestion_cause")
    assert (cause["cause"], cause["status"] in ("degraded", "down")) == (fault.cause, True), run.result["findings"]
    assert recommended(run) == list(fault.recommends)
    assert cause["next_step"]
    return cause


def test_a_healthy_platform_is_healthy_and_only_read(runbook: IngestionRunbook, metrics: Metrics) -> None:
    runbook.backend.update(metrics.cluster.login(DIAGNOSE))  # it sees no Secret, and changes nothing
    with metrics.only_read():
        run = runbook.run()
    assert (run.rc, run.result["outcome"]) == (0, "healthy"), run.result["findings"]
    assert {each["check"]: each["status"] for each in run.result["findings"] if each["status"] != "ok"} == {
        "disk_trend": "skipped"
    }
    assert "youtube" in run.finding("logs")["summary"]
    assert metrics.cluster.refused(DIAGNOSE) == []
    assert schemas.validate("result", run.result) == []

    runbook.variables["ingestion_lag_dashboard_reported"] = True  # somebody sees old data, though it is not
    with metrics.only_read():
        reported = runbook.run()
    cause = reported.finding("ingestion_cause")
    assert (cause["cause"], recommended(reported), reported.result["outcome"]) == ("dashboard_old", [], "findings")
    assert "cache" in cause["next_step"]


@pytest.mark.parametrize("fault", TOLD, ids=lambda fault: fault.name)
def test_every_fault_is_told_from_the_others(
    runbook: IngestionRunbook, metrics: Metrics, data_lab: Lab, fault: Fault
) -> None:
    data_lab.break_(fault.name)
    with metrics.only_read(clickhouse=fault.name != "clickhouse-down"):
        run = runbook.run()
    diagnosed(run, fault.name)
    assert run.result["actions"] == []
    unknown = {each["component"] for each in run.result["findings"] if each["status"] == "unknown"}
    if fault.name == "clickhouse-down":
        assert (run.result["outcome"], unknown) == ("incomplete", {"clickhouse"})
        assert run.finding("freshness")["cause"] == "refused"
    else:
        assert (run.result["outcome"], unknown) == ("findings", set()), run.result["findings"]


def test_the_platform_that_limits_us_is_paused_and_put_back(
    runbook: IngestionRunbook, metrics: Metrics, data_lab: Lab
) -> None:
    data_lab.break_("social-rate-limited")
    pods = {pod["metadata"]["uid"] for pod in metrics.cluster.pods("metric-worker")}
    with metrics.only_read():
        preview = runbook.remediate("--check", approve="slow-ingestion")
    cause = diagnosed(preview, "social-rate-limited")
    assert "full jitter" in cause["data"]["patch"].lower()
    (change,) = planned(preview, "slow-ingestion")["targets"][0]["changes"]
    assert (change["name"], change["old"], change["new"]) == ("METRIC_PAUSED_PLATFORMS", None, "meta")
    assert (metrics.paused(), preview.result["actions"]) == (None, [])

    run = runbook.remediate(approve="slow-ingestion")
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["errors"], run.result["verification"])
    assert verdicts(run) == dict.fromkeys(("workload", "new_rows", "limits", "settings"), "resolved")
    assert metrics.paused() == "meta"
    (readers,) = (
        each["payload"]["text"]
        for each in run.result["notifications"]
        if (each["purpose"], each["stage"]) == ("metrics_readers", "resolved")
    )
    retry_at = run.finding("ingestion_cause")["data"]["retry_at"]
    assert "*Not those of what is slowed:* meta is paused on purpose" in readers
    assert retry_at[:16].replace("T", " ") in readers
    assert pods.isdisjoint(pod["metadata"]["uid"] for pod in metrics.cluster.pods("metric-worker"))
    since = metrics.now()
    metrics.wait_for_rows("tiktok", since + 1)
    assert metrics.rows("meta", since) == 0
    log = next(entry for entry in run.result["evidence"] if entry["name"].endswith("/metric-worker.log"))
    assert b"meta: rate_limit_exceeded" in (run.directory / log["path"]).read_bytes()
    due = [each["due"] for each in run.result["follow_ups"] if "back when the limit is over" in each["title"]]
    assert due == [run.finding("ingestion_cause")["data"]["retry_at"]]

    standing = metrics.standing()
    again = runbook.remediate(approve="slow-ingestion")
    assert (again.finding("ingestion_cause")["cause"], recommended(again)) == ("rate_limited", [])
    assert (again.result["actions"], metrics.standing(), metrics.paused()) == ([], standing, "meta")
    data_lab.social.control.write([])
    over = runbook.run()
    assert over.finding("settings")["cause"] == "still_paused"
    back = runbook.roll_back(run)
    assert (back.result["outcome"], metrics.paused()) == ("resolved", None), back.result["verification"]
    metrics.wait_for_rows("meta", metrics.now())


def test_late_metrics_are_synced(runbook: IngestionRunbook, metrics: Metrics, data_lab: Lab) -> None:
    data_lab.break_("metric-worker-slow")
    with metrics.only_read():
        preview = runbook.remediate("--check", approve="sync-metrics")
    diagnosed(preview, "metric-worker-slow")
    (target,) = planned(preview, "sync-metrics")["targets"]
    assert preview.result["actions"] == []
    assert target["argv"][-4:] == ["--", "--campaigns=active", "--max=50", "--json"]
    assert (target["kind"], target["name"]) == ("Deployment", "backend"), "the image that has the job"
    with metrics.only_read():
        there = runbook.remediate("--check", approve="sync-metrics", ingestion_lag_sync_in="metric-worker")
    assert [each["name"] for each in planned(there, "sync-metrics")["targets"]] == ["metric-worker"]
    data_lab.social.control.write(["tiktok:code-40100"])
    refused = runbook.remediate(approve="sync-metrics")
    assert (refused.result["outcome"], refused.result["actions"]) == ("refused", []), "a platform limits us"
    data_lab.social.control.write([])

    since = metrics.now()
    assert metrics.rows(since=since - 8) == 0
    run = runbook.remediate(approve="sync-metrics")
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["actions"], run.result["verification"])
    (action,) = run.result["actions"]
    stored = action["after"]["job"]["platforms"]
    assert {name: each["rows"] > 0 for name, each in stored.items()} == dict.fromkeys(
        ("meta", "tiktok", "youtube"), True
    )
    assert all(metrics.rows(name, since) == stored[name]["rows"] for name in stored)

    runbook.variables["ingestion_lag_max_lag_s"] = 600  # the worker is slow still: else the rows were late again by now
    again = runbook.remediate(approve="sync-metrics")
    assert (again.result["actions"], recommended(again)) == ([], []), again.result["findings"]
    assert all(metrics.rows(name, since) == stored[name]["rows"] for name in stored)


def test_old_logs_of_clickhouse_make_room(runbook: IngestionRunbook, metrics: Metrics, data_lab: Lab) -> None:
    data_lab.break_("clickhouse-disk-full-of-logs")
    with metrics.only_read():
        preview = runbook.remediate("--check", approve="free-clickhouse-space")
    diagnosed(preview, "clickhouse-disk-full-of-logs")
    assert preview.result["actions"] == []
    targets = {(each["table"], each["partition_id"]) for each in planned(preview, "free-clickhouse-space")["targets"]}
    refused = runbook.remediate(approve="free-clickhouse-space")
    assert refused.result["outcome"] == "refused", "a destructive one needs the digest of its plan"
    before = metrics.past()
    assert targets < set(before)
    digest = preview.result["plan"]["digest"]
    run = runbook.remediate(approve="free-clickhouse-space", runbook_plan_digest=digest)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["actions"], run.result["verification"])
    assert verdicts(run) == dict.fromkeys(("new_rows", "disk", "rows_kept"), "resolved")
    assert metrics.past() == {key: rows for key, rows in before.items() if key not in targets}
    standing = metrics.standing()
    again = runbook.remediate(approve="free-clickhouse-space", runbook_plan_digest=digest)
    assert (again.result["actions"], metrics.standing()) == ([], standing)


def test_a_mutation_that_was_read_is_ended(runbook: IngestionRunbook, metrics: Metrics, data_lab: Lab) -> None:
    data_lab.break_("clickhouse-mutation-stuck")
    (stuck,) = metrics.mutations()
    with metrics.only_read():
        diagnosis = runbook.run()
    diagnosed(diagnosis, "clickhouse-mutation-stuck")
    runbook.variables["ingestion_lag_kill_mutations"] = [f"metric_snapshots/{stuck}"]
    with metrics.only_read():
        preview = runbook.remediate("--check", approve="free-clickhouse-space")
    assert (preview.result["actions"], recommended(preview)) == ([], ["free-clickhouse-space"])
    assert metrics.mutations() == [stuck]
    approval, before = {"runbook_plan_digest": preview.result["plan"]["digest"]}, metrics.past()
    run = runbook.remediate(approve="free-clickhouse-space", **approval)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["actions"], run.result["verification"])
    assert verdicts(run) == dict.fromkeys(("new_rows", "mutations", "rows_kept"), "resolved")
    assert (metrics.mutations(), metrics.past()) == ([], before)
    (action,) = run.result["actions"]
    assert [each["result"] for each in action["results"]] == ["killed"]
    standing = metrics.standing()
    again = runbook.remediate(approve="free-clickhouse-space", **approval)
    assert (again.result["actions"], recommended(again)) == ([], []), again.result["findings"]
    assert metrics.standing() == standing


def test_old_metrics_are_archived(runbook: IngestionRunbook, metrics: Metrics, data_lab: Lab, store: Store) -> None:
    data_lab.break_("clickhouse-disk-full")
    without = runbook.run()
    assert "--retention-days" in diagnosed(without, "clickhouse-disk-full")["next_step"]
    runbook.hosts["communications"] = {"slack_channels": {}}
    runbook.variables |= {"ingestion_lag_retention_days": 60, "ingestion_lag_archive_uri": store.uri}
    with metrics.only_read():
        preview = runbook.remediate("--check", approve="archive-old-data")
    assert (preview.result["actions"], recommended(preview), store.files) == ([], ["archive-old-data"], {})
    plan, before, sums = preview.result["plan"], metrics.past(), metrics.sums()
    targets = {("metric_snapshots", each["partition_id"]) for each in planned(preview, "archive-old-data")["targets"]}
    alone = runbook.remediate(approve="archive-old-data", runbook_plan_digest=plan["digest"])
    assert alone.result["outcome"] == "refused", "an irreversible one needs a second approver"
    assert metrics.past() == before

    approval = {"runbook_plan_digest": plan["digest"], "runbook_second_approver": "ada", "runbook_reason": "disk full"}
    for untold in ({}, {"runbook_notify": False}):  # no channel, or nobody is to be told
        refused = runbook.remediate(approve="archive-old-data", **approval, **untold)
        (action,) = refused.result["actions"]
        assert (action["status"], action["changed"], refused.result["outcome"]) == ("refused", False, "refused")
        assert "the analytics team was not told" in action["reason"]
        assert refused.result["verification"] == [], "nothing was done that rows could arrive of"
    assert (metrics.past(), store.files) == (before, {})

    runbook.hosts["communications"] = {"slack_channels": {"analytics": "#incidents"}}
    run = runbook.remediate(approve="archive-old-data", **approval)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["actions"], run.result["verification"])
    assert verdicts(run) == dict.fromkeys(("new_rows", "disk", "rows_kept"), "resolved")
    assert metrics.past() == {key: rows for key, rows in before.items() if key not in targets}
    (action,) = run.result["actions"]
    kept = {each["partition_id"]: metrics.archived(each["archive"]) for each in action["results"]}
    assert kept == {name: sums[name] for _, name in targets}, "the archive has other rows than there were"
    assert {each["archive"].removeprefix(store.uri.removesuffix("/archive")) for each in action["results"]} == {
        *store.files
    }
    told = [each for each in run.result["notifications"] if each["purpose"] == "analytics"]
    assert [(each["stage"], each["status"]) for each in told][:1] == [("opened", "sent")]
    lines = [(line["type"], (line["data"] or {}).get("purpose")) for line in run.journal]
    acted = next(at for at, line in enumerate(lines) if line[0] == "action")
    assert lines.index(("notification", "analytics")) < acted, "the analytics team is told before"
    standing, files = metrics.standing(), dict(store.files)
    again = runbook.remediate(approve="archive-old-data", **approval)
    assert (again.result["actions"], metrics.standing(), store.files) == ([], standing, files)
