# SPDX-License-Identifier: GPL-3.0-or-later
"""A slow API in the lab: every fault is told from the others, and what can be remediated is, end to end."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from incident_runbooks import schemas
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.lab import Lab
from support.payments import PaymentsRunbook, World
from support.runbook import Run, planned, recommended, verdicts

ROLES = ("api-latency-diagnose", "api-latency-remediate")
DIAGNOSE, REMEDIATE = ROLES
SIZE = "TYPEORM_POOL_MAX"
INDEXES = (
    "SELECT indexrelid::regclass::text AS name, indisvalid, pg_get_indexdef(indexrelid) AS definition FROM pg_index"
    " WHERE indrelid = 'public.offers'::regclass AND NOT indisprimary"
)

Json = dict[str, Any]

# requests that took longer than the objective, within more than the window that the runbook has in the lab
SLOW = " - ".join(f"sum(increase(http_request_duration_seconds_{name}[12s]))" for name in ("count", 'bucket{le="0.5"}'))


@pytest.fixture
def world(payments_lab: Lab) -> World:
    return World(payments_lab)


@pytest.fixture
def runbook(payments_lab: Lab, world: World, tmp_path: Path) -> Iterator[PaymentsRunbook]:
    """The playbook under exactly the Roles of deploy/rbac for those who remediate; they suffice for all it asks."""
    runbook = PaymentsRunbook(payments_lab, tmp_path, "api_latency")
    runbook.log_in(world.cluster, *ROLES)
    dba = payments_lab.server.dba
    runbook.hosts["postgres"] |= {"postgres_dba_user": dba.user, "postgres_dba_password": dba.password}
    payments_lab.wait_until(
        lambda: (world.prometheus.value(SLOW) or 0.0) < 0.5, "no slow request of the test before is remembered"
    )
    yield runbook
    assert [(each["verb"], each["requestURI"]) for each in world.cluster.refused(REMEDIATE)] == []


def test_a_healthy_platform_is_healthy_and_only_read(runbook: PaymentsRunbook, world: World) -> None:
    with world.cluster.only_read():
        run = runbook.run()
    assert (run.rc, run.result["outcome"]) == (0, "healthy"), run.result["findings"]
    assert {finding["status"] for finding in run.result["findings"]} <= {"ok", "skipped"}
    assert run.finding("latency_cause")["data"]["cause"] == "none"
    assert run.finding("statements")["status"] == "skipped"
    assert schemas.validate("result", run.result) == []


def diagnosed(runbook: PaymentsRunbook, world: World, fault: Fault) -> Run:
    """Diagnose it, and only read; the cause is this fault's, and exactly what helps is recommended."""
    with world.cluster.only_read():
        run = runbook.run()
    cause = run.finding("latency_cause")
    assert (cause["cause"], recommended(run)) == (fault.cause, list(fault.recommends)), cause["summary"]
    plan = run.result["plan"]["remediations"]
    chosen = [item["id"] for item in plan if item["status"] == "recommended"]
    assert chosen == list(fault.recommends), [(item["id"], item["reason"]) for item in plan]
    assert [finding for finding in run.result["findings"] if finding["status"] == "unknown"] == []
    assert schemas.validate("result", run.result) == []
    return run


def resolved(runbook: PaymentsRunbook, name: str, *checks: str, then: tuple[str, ...] = ("healthy",)) -> Run:
    """Remediate, and then once more: nothing is left to do, so it is not recommended again, and not done.

    Args:
        name: of the remediation.
        checks: what is verified beside the latency.
        then: outcomes that the second run may have; what was approved and is not recommended is refused, where anything
            at all is left to say.
    """
    run = runbook.remediate(approve=name)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["actions"], run.result["verification"])
    (action,) = run.result["actions"]
    assert (action["id"], action["status"], action["changed"]) == (name, "done", True)
    assert set(verdicts(run)) == {"latency", *checks}
    again = runbook.remediate(approve=name)
    said = [f"{each['check']}: {each['status']} {each['cause']} {each['summary']}" for each in again.result["findings"]]
    assert recommended(again) == [], "\n".join(said)
    assert again.result["outcome"] in then, "\n".join(said)
    assert not any(each["changed"] for each in again.result["actions"]), again.result["actions"]
    return run


def rolled_back(runbook: PaymentsRunbook, run: Run) -> None:
    """Roll back by plain ansible-playbook."""
    runbook.playbook = "rollback"
    back = runbook.again(run.directory, incident=run.directory.name)
    runbook.playbook = "api_latency"
    assert (back.rc, back.result["outcome"]) == (0, "resolved"), back.output


NO_REMEDY = [fault for fault in FAULTS.values() if fault.runbook == "api-latency" and not fault.recommends]


@pytest.mark.parametrize("fault", NO_REMEDY, ids=lambda fault: fault.name)
def test_what_nothing_here_remedies_is_told_from_the_others(
    runbook: PaymentsRunbook, world: World, payments_lab: Lab, fault: Fault
) -> None:
    payments_lab.break_(fault.name)
    run = diagnosed(runbook, world, fault)
    cause = run.finding("latency_cause")
    if fault.cause == "no_traffic":
        assert (cause["status"], run.result["outcome"]) == ("skipped", "healthy")
        return
    assert (cause["status"], run.result["outcome"]) == ("degraded", "findings")
    assert cause["next_step"]


def test_the_missing_index_is_built_and_dropped_again(
    runbook: PaymentsRunbook, world: World, payments_lab: Lab
) -> None:
    fault = FAULTS["latency-missing-index"]
    payments_lab.break_(fault.name)
    diagnosis = diagnosed(runbook, world, fault)
    (target,) = planned(diagnosis, "create-index")["targets"]
    assert '("campaign_id", "created_at" DESC)' in target["statement"]
    assert "populate: ['offers']" in diagnosis.finding("calls_per_request")["data"]["patch"]
    runbook.remediate("--check", approve="create-index")
    server = payments_lab.server
    with server.connect(server.app, autocommit=False) as connection:
        connection.execute("SELECT count(*) FROM campaigns")
        behind = runbook.remediate(approve="create-index", api_latency_max_transaction_age_s=1)
    assert behind.result["outcome"] == "refused", behind.result["actions"]
    assert "transaction" in planned(behind, "create-index")["reason"]
    assert world.query(INDEXES) == []

    run = resolved(runbook, "create-index", "index")
    (index,) = world.query(INDEXES)
    assert (index["name"], index["indisvalid"]) == (target["index"], True)
    assert "(campaign_id, created_at DESC)" in index["definition"]
    rolled_back(runbook, run)
    assert world.query(INDEXES) == []
    secrets = [*world.secrets(), server.dba.password]
    for each in (diagnosis, run):
        files = [path for path in each.directory.rglob("*") if path.is_file()]
        written = each.output + "".join(path.read_text(encoding="utf-8", errors="replace") for path in files)
        for secret in secrets:
            for form in (secret, base64.b64encode(secret.encode()).decode(), quote(secret, safe="")):
                assert form not in written


def limits(world: World) -> tuple[int, int]:
    spec = world.cluster.get("horizontalpodautoscalers", "backend", group="apis/autoscaling/v2")["spec"]
    return spec["minReplicas"], spec["maxReplicas"]


def test_more_pods_are_started_within_the_connections_and_taken_back(
    runbook: PaymentsRunbook, world: World, payments_lab: Lab
) -> None:
    fault = FAULTS["latency-cpu-throttled"]
    payments_lab.break_(fault.name)
    before = limits(world)
    diagnosed(runbook, world, fault)
    full = runbook.run(api_latency_other_connections=12)
    cause = full.finding("latency_cause")
    assert (cause["cause"], recommended(full)) == ("capacity", []), cause
    assert "connections do not fit" in cause["summary"]
    runbook.remediate("--check", approve="scale-backend")
    assert (limits(world), len(world.cluster.pods())) == (before, 2)

    # the autoscaler is at its new maximum and may want more, which is degraded, though nothing is slow
    run = resolved(runbook, "scale-backend", "workload", "endpoints", then=("healthy", "refused"))
    assert (limits(world), len(world.cluster.pods())) == ((3, 3), 3)
    rolled_back(runbook, run)
    assert limits(world) == before


def test_the_pool_grows_within_the_budget(runbook: PaymentsRunbook, world: World, payments_lab: Lab) -> None:
    fault = FAULTS["latency-pool-small"]
    payments_lab.break_(fault.name)
    before = world.cluster.environment()[SIZE]
    diagnosed(runbook, world, fault)
    runbook.remediate("--check", approve="resize-pool")
    assert world.cluster.environment()[SIZE] == before
    refused = runbook.remediate(approve="resize-pool", api_latency_pool_max=50)
    assert refused.result["outcome"] == "refused", refused.result["actions"]
    assert "does not fit the connection budget" in planned(refused, "resize-pool")["reason"]
    assert world.cluster.environment()[SIZE] == before

    run = resolved(runbook, "resize-pool", "workload")
    assert world.cluster.environment()[SIZE] == "4"
    assert any(entry["name"].endswith("/backend.log") for entry in run.result["evidence"])


def test_a_slow_revision_is_undone(runbook: PaymentsRunbook, world: World, payments_lab: Lab) -> None:
    fault = FAULTS["latency-after-deploy"]
    payments_lab.break_(fault.name)
    diagnosed(runbook, world, fault)
    before = {pod["metadata"]["uid"] for pod in world.cluster.pods()}
    runbook.remediate("--check", approve="undo-rollout")
    assert {pod["metadata"]["uid"] for pod in world.cluster.pods()} == before
    resolved(runbook, "undo-rollout", "workload")
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in world.cluster.pods())
    assert not world.cluster.environment().get("FAULTS")
