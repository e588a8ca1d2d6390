# SPDX-License-Identifier: GPL-3.0-or-later
"""One acting run among those of all machines, under exactly the Role for those who remediate."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import open_incident
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import IncidentLock
from incident_runbooks import schemas
from incident_runbooks.lab.lab import Lab
from support.communications import Communications
from support.platform import Cluster, PlatformRunbook, wait_until
from support.runbook import ROOT

LEASES = "/apis/coordination.k8s.io/v1/namespaces/brandconnect/leases"
LEASE = f"{LEASES}/incident-runbooks-pool-exhaustion"
BOB = "bob@ops-2 pool-exhaustion-20261123T231001Z-11ab run-20261123T231001Z-2c4d"
ROLES = ("pool-exhaustion-diagnose", "pool-exhaustion-remediate")


@pytest.fixture
def cluster(cluster_lab: Lab) -> Iterator[Cluster]:
    cluster = Cluster(cluster_lab)
    for name in ROLES:
        cluster.apply(ROOT / f"deploy/rbac/{name}.yml")
    cluster.api.delete(LEASE)
    cluster_lab.break_("backend-leak")
    yield cluster
    cluster.api.delete(LEASE)


@pytest.fixture
def runbook(cluster_lab: Lab, cluster: Cluster, tmp_path: Path) -> PlatformRunbook:
    runbook = PlatformRunbook(cluster_lab, tmp_path)
    runbook.variables |= {"pool_exhaustion_verify_after_s": 0, "pool_exhaustion_verify_refill_after_s": 1}
    runbook.backend = cluster.login("pool-exhaustion-remediate")
    return runbook


@pytest.fixture
def told(cluster_lab: Lab) -> Communications:
    """The lab's channels, without anything sent."""
    told = Communications(cluster_lab)
    told.forget()
    return told


def held_by_bob(cluster: Cluster, renewed_ago_s: float) -> None:
    """Let another machine hold the Lease."""
    moment = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=renewed_ago_s)).isoformat(timespec="microseconds")
    moment = moment.replace("+00:00", "Z")
    spec = {"holderIdentity": BOB, "leaseDurationSeconds": 600, "acquireTime": moment, "renewTime": moment}
    metadata = {"name": LEASE.rpartition("/")[2], "namespace": "brandconnect"}
    cluster.api.delete(LEASE)
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    answer = cluster.api.request("POST", LEASES, lease)
    assert answer.status == HTTPStatus.CREATED, answer.body


def holder(cluster: Cluster) -> str:
    found = cluster.api.get(LEASE)
    return str((found or {"spec": {}})["spec"].get("holderIdentity") or "")


def uids(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.pods()}


def acted(run: Any) -> list[tuple[str, str]]:
    assert schemas.validate("result", run.result) == []
    return [(action["id"], action["status"]) for action in run.result["actions"]]


def test_held_elsewhere_taken_over_and_given_back(
    runbook: PlatformRunbook, cluster: Cluster, told: Communications
) -> None:
    held_by_bob(cluster, 5)
    before = uids(cluster)
    kept_off = runbook.remediate(approve="restart-backend")
    assert (kept_off.rc, kept_off.result["outcome"]) == (7, "failed"), kept_off.result["actions"]
    (error,) = kept_off.result["errors"]
    assert error["code"] == "locked"
    assert f"another run acts ({BOB}, for " in error["message"]
    assert acted(kept_off) == []
    assert uids(cluster) == before
    assert holder(cluster) == BOB
    assert told.sent() == [], "the run that acts tells"

    asked_for = runbook.remediate(runbook_take_over=True)
    assert acted(asked_for) == [("kill-idle-connections", "done")]
    (notice,) = asked_for.result["notices"]
    assert notice["code"] == "lease_taken_over"
    assert "which still renewed it, as --take-over asks" in notice["message"]
    assert holder(cluster) == "", "given back at the end"

    held_by_bob(cluster, 700)
    expired = runbook.remediate()
    assert acted(expired) == [("kill-idle-connections", "done")]
    (notice,) = expired.result["notices"]
    assert notice["code"] == "lease_taken_over"
    assert f"from {BOB}, for 7" in notice["message"]  # 700 s and what the run took until then
    assert "which had stopped renewing it" in notice["message"]
    assert holder(cluster) == ""
    assert cluster.refused("pool-exhaustion-remediate") == []


def test_who_holds_it_while_it_acts_and_what_happens_when_it_is_taken_away(
    runbook: PlatformRunbook, cluster: Cluster
) -> None:
    """Somebody takes it between two remediations: the second is not begun."""
    runbook.variables["pool_exhaustion_rollout_wait_s"] = 60
    process = runbook.start(runbook_mode="remediate", approved=["kill-idle-connections", "restart-backend"])
    try:
        wait_until(lambda: holder(cluster), "the Lease to be held", 60)
        assert re.fullmatch(r"\S+@\S+ pool-exhaustion-\d{8}T\d{6}Z-[0-9a-f]{4} run-\S+", holder(cluster))
        held_by_bob(cluster, 0)
        before = uids(cluster)
        output, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 7, output
    assert uids(cluster) == before
    (directory,) = runbook.incidents()
    codes = [record["data"].get("code") for record in runbook.journal(directory) if record["type"] == "error"]
    assert codes == ["locked"]
    assert holder(cluster) == BOB, "what is not its own it does not give back"


def test_without_the_right_to_leases_what_needs_no_workload_is_still_done(
    runbook: PlatformRunbook, cluster: Cluster, told: Communications, tmp_path: Path
) -> None:
    manifests = list(yaml.safe_load_all((ROOT / "deploy/rbac/pool-exhaustion-remediate.yml").read_text()))
    for manifest in manifests:
        manifest["rules"] = [rule for rule in manifest.get("rules", []) if "leases" not in rule["resources"]]
    narrower = tmp_path / "narrower.yml"
    narrower.write_text(yaml.safe_dump_all([each for each in manifests if each["kind"] == "Role"]))
    cluster.apply(narrower)
    before = uids(cluster)
    refused = runbook.remediate(approve="restart-backend")
    assert refused.result["outcome"] == "refused"
    (error,) = refused.result["errors"]
    assert error["code"] == "refused"
    assert "the login lacks get on leases.coordination.k8s.io in namespace brandconnect" in error["message"]
    assert "deploy/rbac/pool-exhaustion-remediate.yml" in error["message"]
    assert uids(cluster) == before
    assert [alert["status"] for alert in told.alerts()] == ["triggered"], "it is told whatever keeps the run off"
    assert len(told.messages("incidents")) == 1

    done = runbook.remediate()
    assert acted(done) == [("kill-idle-connections", "done")]
    assert {notice["code"] for notice in done.result["notices"]} == {"lease_unavailable"}


def test_while_a_breach_is_examined_workloads_are_left_alone(
    runbook: PlatformRunbook, cluster: Cluster, told: Communications
) -> None:
    breach = "data-breach-20261123T231455Z-3fa1"
    before = uids(cluster)
    with IncidentLock(open_incident(breach, runbook.home), run_id="run-20261123T231455Z-0001", operator="carol"):
        refused = runbook.remediate(approve="restart-backend")
        assert refused.result["outcome"] == "refused"
        (error,) = refused.result["errors"]
        assert error["message"].startswith(f"Acting on Deployment backend: the incident {breach} is under way")
        assert "operator carol" in error["message"]
        assert uids(cluster) == before
        assert [alert["status"] for alert in told.alerts()] == ["triggered"]
        assert acted(runbook.remediate()) == [("kill-idle-connections", "done")], "it touches no workload"
