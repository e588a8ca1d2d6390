# SPDX-License-Identifier: GPL-3.0-or-later
"""A slow API in the lab: every fault is told from the others, and what can be remediated is, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from incident_runbooks import schemas
from incident_runbooks.lab.faults import FAULTS, infrastructure
from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.workloads.backend.campaigns import LATEST_OFFERS
from support.latency import Seen, wait_until
from support.payment_failure import assert_holds_no_secret
from support.payments import PaymentsRunbook, World
from support.runbook import Run, planned, recommended, verdicts

pytestmark = pytest.mark.measures
ROLES = ("api-latency-diagnose", "api-latency-remediate")
DIAGNOSE, REMEDIATE = ROLES
SIZE = "TYPEORM_POOL_MAX"
LIST, ONE = "/api/campaigns", "/api/campaigns/{id}"
OBJECTIVE_S = 0.5
INDEXES = (
    "SELECT indexrelid::regclass::text AS name, indisvalid, pg_get_indexdef(indexrelid) AS definition FROM pg_index"
    " WHERE indrelid = 'public.offers'::regclass AND NOT indisprimary"
)

Json = dict[str, Any]

# requests that took longer than the objective, within more than the window that the runbook has in the lab
SLOW = " - ".join(f"sum(increase(http_request_duration_seconds_{name}[12s]))" for name in ("count", 'bucket{le="0.5"}'))


class LatencyRunbook(PaymentsRunbook):
    """The playbook under exactly the Roles of deploy/rbac for those who remediate; no run of it records a secret."""

    def __init__(self, lab: Lab, directory: Path, world: World) -> None:
        super().__init__(lab, directory, "api_latency")
        self.seen = Seen(lab)
        self.log_in(world.cluster, *ROLES)
        dba = lab.server.dba
        self.hosts["postgres"] |= {"postgres_dba_user": dba.user, "postgres_dba_password": dba.password}
        self.secrets = [*world.secrets(), self.backend["kubernetes_api_key"]]

    def run(self, *options: str, **extra: Any) -> Run:
        run = super().run(*options, **extra)
        assert_holds_no_secret(run, self.secrets)
        return run

    def again(self, directory: Path, **extra: Any) -> Run:
        run = super().again(directory, **extra)
        assert_holds_no_secret(run, self.secrets)
        return run


@pytest.fixture
def world(payments_lab: Lab) -> World:
    return World(payments_lab)


@pytest.fixture
def runbook(payments_lab: Lab, world: World, tmp_path: Path) -> Iterator[LatencyRunbook]:
    """The Roles suffice for all it asks."""
    runbook = LatencyRunbook(payments_lab, tmp_path, world)
    payments_lab.wait_until(
        lambda: (world.prometheus.value(SLOW) or 0.0) < 0.5, "no slow request of the test before is remembered"
    )
    yield runbook
    assert [(each["verb"], each["requestURI"]) for each in world.cluster.refused(REMEDIATE)] == []


def test_a_healthy_platform_is_healthy_and_only_read(runbook: LatencyRunbook, world: World) -> None:
    with world.cluster.only_read():
        run = runbook.run()
    assert (run.rc, run.result["outcome"]) == (0, "healthy"), run.result["findings"]
    assert {finding["status"] for finding in run.result["findings"]} <= {"ok", "skipped"}
    assert run.finding("latency_cause")["data"]["cause"] == "none"
    assert run.finding("statements")["status"] == "skipped"
    assert schemas.validate("result", run.result) == []


def diagnosed(runbook: LatencyRunbook, world: World, fault: Fault) -> Run:
    """Diagnose it, and only read; the cause is this fault's, and exactly what helps is recommended.

    With an approval of what helps, in check mode: it does no more.
    """
    before = runbook.seen.standing()
    with world.cluster.only_read():
        run = runbook.remediate("--check", approve=fault.recommends[0]) if fault.recommends else runbook.run()
    assert (run.result["actions"], runbook.seen.standing()) == ([], before)
    assert run.result["run"]["check_mode"] is bool(fault.recommends)
    cause = run.finding("latency_cause")
    assert (cause["cause"], recommended(run)) == (fault.cause, list(fault.recommends)), cause["summary"]
    plan = run.result["plan"]["remediations"]
    chosen = [item["id"] for item in plan if item["status"] == "recommended"]
    assert chosen == list(fault.recommends), [(item["id"], item["reason"]) for item in plan]
    assert [finding for finding in run.result["findings"] if finding["status"] == "unknown"] == []
    assert schemas.validate("result", run.result) == []
    return run


def resolved(
    runbook: LatencyRunbook, preview: Run, *checks: str, route: str, then: tuple[str, ...] = ("healthy",)
) -> Run:
    """Remediate, and then once more: nothing is left to do, so it is not recommended again, and not done.

    Args:
        preview: of it in check mode, whose targets it has.
        checks: what is verified beside the latency.
        route: which is slow before and, as customers go on, fast afterwards; Prometheus says so without the runbook.
        then: outcomes that the second run may have; what was approved and is not recommended is refused, where anything
            at all is left to say.
    """
    seen, (name,) = runbook.seen, recommended(preview)
    wait_until(lambda: seen.is_slow(route, OBJECTIVE_S), f"{route} is slow in every pod")
    run = runbook.remediate(approve=name)
    seen_then = [(each["check"], each["cause"], each["summary"]) for each in run.result["findings"]]
    told = (run.result["errors"], run.result["actions"], run.result["verification"], seen_then)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), told
    (action,) = run.result["actions"]
    assert (action["id"], action["status"], action["changed"]) == (name, "done", True)
    assert action["targets"] == planned(preview, name)["targets"] != []
    assert set(verdicts(run)) == {"latency", *checks}
    wait_until(lambda: seen.is_fast(route, OBJECTIVE_S), f"{route} is fast in every pod")
    standing = seen.standing()
    again = runbook.remediate(approve=name)
    said = [f"{each['check']}: {each['status']} {each['cause']} {each['summary']}" for each in again.result["findings"]]
    assert recommended(again) == [], "\n".join(said)
    assert again.result["outcome"] in then, "\n".join(said)
    assert (again.result["actions"], seen.standing()) == ([], standing)
    return run


def rolled_back(runbook: LatencyRunbook, run: Run) -> None:
    """Roll back by plain ansible-playbook."""
    runbook.playbook = "rollback"
    back = runbook.again(run.directory, incident=run.directory.name)
    runbook.playbook = "api_latency"
    assert (back.rc, back.result["outcome"]) == (0, "resolved"), back.output


INFRASTRUCTURE = {"node-memory-pressure": "nodes", "postgres-volume-full": "disk"}
NO_REMEDY = [
    fault
    for fault in FAULTS.values()
    if fault.runbook == "api-latency" and not fault.recommends and fault.name not in INFRASTRUCTURE
]


@pytest.mark.parametrize("fault", NO_REMEDY, ids=lambda fault: fault.name)
def test_what_nothing_here_remedies_is_told_from_the_others(
    runbook: LatencyRunbook, world: World, payments_lab: Lab, fault: Fault
) -> None:
    payments_lab.break_(fault.name)
    run = diagnosed(runbook, world, fault)
    cause = run.finding("latency_cause")
    if fault.cause == "no_traffic":
        assert (cause["status"], run.result["outcome"]) == ("skipped", "healthy")
        return
    assert (cause["status"], run.result["outcome"]) == ("degraded", "findings")
    assert cause["next_step"]


def said_by_the_kubelet(lab: Lab) -> dict[str, float]:
    """How full the volume of PostgreSQL is, past Prometheus."""
    lines = requests.get(f"http://{lab.cluster.kubelet_target}/metrics", timeout=10).text.splitlines()
    return {line.split("{")[0]: float(line.split()[-1]) for line in lines if infrastructure.CLAIM in line}


@pytest.mark.parametrize(("name", "check"), INFRASTRUCTURE.items(), ids=list(INFRASTRUCTURE))
def test_what_the_platform_stands_on_is_seen_before_anything_is_slow(
    runbook: LatencyRunbook, world: World, payments_lab: Lab, name: str, check: str
) -> None:
    payments_lab.break_(name)
    with world.cluster.only_read():
        run = runbook.run()
    found = run.finding(check)
    assert (found["status"], found["cause"], run.result["outcome"]) == ("degraded", FAULTS[name].cause, "findings")
    others = {finding["status"] for finding in run.result["findings"] if finding["check"] != check}
    assert others <= {"ok", "skipped"}, run.result["findings"]
    assert recommended(run) == []
    if check == "disk":
        kubelet = said_by_the_kubelet(payments_lab)
        used = 1 - kubelet["kubelet_volume_stats_available_bytes"] / kubelet["kubelet_volume_stats_capacity_bytes"]
        assert found["data"]["used_ratio"] == pytest.approx(used, abs=0.02)
        return
    (node,) = found["data"]["nodes"]
    (known,) = world.cluster.api.items("/api/v1/nodes")
    pods = world.cluster.api.items("/api/v1/namespaces/brandconnect/pods")
    assert (node["name"], node["pressure"]) == (known["metadata"]["name"], ["MemoryPressure"])
    assert (node["pods"], len(pods) > 3) == (len(pods), True)


def test_without_the_cluster_role_only_the_nodes_are_not_known(payments_lab: Lab, world: World, tmp_path: Path) -> None:
    runbook = LatencyRunbook(payments_lab, tmp_path, world)
    world.cluster.api.delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/api-latency-diagnose")
    run = runbook.run()
    found = run.finding("nodes")
    assert (found["status"], found["cause"], found["required"]) == ("unknown", "forbidden", False)
    assert "bind the ClusterRole of deploy/rbac/api-latency-diagnose.yml" in found["next_step"]
    assert [finding["check"] for finding in run.result["findings"] if finding["status"] == "unknown"] == ["nodes"]
    assert run.finding("usage")["status"] == "ok"
    assert run.result["outcome"] == "healthy"


def not_built_without_room(runbook: LatencyRunbook, lab: Lab) -> None:
    """Nobody builds where it is not known how much is free, or where too little is; what an operator states counts."""
    elsewhere = {"api_latency_volume_selector": 'persistentvolumeclaim="of-another-database"'}
    unknown = runbook.remediate(approve="create-index", **elsewhere)
    assert unknown.result["outcome"] == "refused", unknown.result["actions"]
    assert "is not known" in planned(unknown, "create-index")["reason"]
    assert unknown.finding("disk")["status"] == "unknown"
    stated = runbook.remediate("--check", approve="create-index", api_latency_free_bytes=2**40, **elsewhere)
    assert planned(stated, "create-index")["status"] == "recommended", planned(stated, "create-index")["reason"]
    infrastructure.fill(lab, 0.9999)
    wait_until(lambda: infrastructure.used_share(lab) > 0.98, "Prometheus has seen how full the volume is")
    full = runbook.remediate(approve="create-index")
    assert full.result["outcome"] == "refused", full.result["actions"]
    assert " are free" in planned(full, "create-index")["reason"]
    assert full.finding("disk")["cause"] == "volume_nearly_full"
    infrastructure.empty(lab)
    wait_until(lambda: infrastructure.used_share(lab) < 0.95, "the volume is the file system's again")


def uses_index(world: World, name: str) -> bool:
    """Whether PostgreSQL would answer the slow statement by this index, of any campaign's."""
    plan = world.query(f"EXPLAIN {LATEST_OFFERS.replace('%s', '7')}")
    return any(f"using {name} on offers" in row["QUERY PLAN"] for row in plan)


def test_the_missing_index_is_built_and_dropped_again(runbook: LatencyRunbook, world: World, payments_lab: Lab) -> None:
    fault = FAULTS["latency-missing-index"]
    payments_lab.break_(fault.name)
    preview = diagnosed(runbook, world, fault)
    (target,) = planned(preview, "create-index")["targets"]
    assert '("campaign_id", "created_at" DESC)' in target["statement"]
    assert "populate: ['offers']" in preview.finding("calls_per_request")["data"]["patch"]
    before = runbook.seen.standing()
    server = payments_lab.server
    with server.connect(server.app, autocommit=False) as connection:
        connection.execute("SELECT count(*) FROM campaigns")
        behind = runbook.remediate(approve="create-index", api_latency_max_transaction_age_s=1)
    assert behind.result["outcome"] == "refused", behind.result["actions"]
    assert "transaction" in planned(behind, "create-index")["reason"]
    not_built_without_room(runbook, payments_lab)
    assert (runbook.seen.standing(), uses_index(world, target["index"])) == (before, False)

    run = resolved(runbook, preview, "index", route=LIST)
    (index,) = world.query(INDEXES)
    assert (index["name"], index["indisvalid"]) == (target["index"], True)
    assert "(campaign_id, created_at DESC)" in index["definition"]
    assert uses_index(world, index["name"])
    rolled_back(runbook, run)
    assert runbook.seen.standing() == before


def limits(world: World) -> tuple[int, int]:
    spec = world.cluster.get("horizontalpodautoscalers", "backend", group="apis/autoscaling/v2")["spec"]
    return spec["minReplicas"], spec["maxReplicas"]


def test_more_pods_are_started_within_the_connections_and_taken_back(
    runbook: LatencyRunbook, world: World, payments_lab: Lab
) -> None:
    fault = FAULTS["latency-cpu-throttled"]
    payments_lab.break_(fault.name)
    before = limits(world)
    preview = diagnosed(runbook, world, fault)
    full = runbook.run(api_latency_other_connections=12)
    cause = full.finding("latency_cause")
    assert (cause["cause"], recommended(full)) == ("capacity", []), cause
    assert "connections do not fit" in cause["summary"]
    assert (limits(world), len(world.cluster.pods())) == (before, 2)

    # the autoscaler is at its new maximum and may want more, which is degraded, though nothing is slow
    run = resolved(runbook, preview, "workload", "endpoints", route=ONE, then=("healthy", "refused"))
    assert (limits(world), len(world.cluster.pods())) == ((3, 3), 3)
    rolled_back(runbook, run)
    assert limits(world) == before


def test_the_pool_grows_within_the_budget(runbook: LatencyRunbook, world: World, payments_lab: Lab) -> None:
    fault = FAULTS["latency-pool-small"]
    payments_lab.break_(fault.name)
    before = world.cluster.environment()[SIZE]
    preview = diagnosed(runbook, world, fault)
    wait_until(lambda: runbook.seen.is_slow(ONE, OBJECTIVE_S), f"{ONE} is slow in every pod")
    refused = runbook.remediate(approve="resize-pool", api_latency_pool_max=50)
    assert refused.result["outcome"] == "refused", refused.result["actions"]
    assert "does not fit the connection budget" in planned(refused, "resize-pool")["reason"]
    assert world.cluster.environment()[SIZE] == before

    run = resolved(runbook, preview, "workload", route=ONE)
    assert world.cluster.environment()[SIZE] == "4"
    assert any(entry["name"].endswith("/backend.log") for entry in run.result["evidence"])


def test_a_slow_revision_is_undone(runbook: LatencyRunbook, world: World, payments_lab: Lab) -> None:
    fault = FAULTS["latency-after-deploy"]
    payments_lab.break_(fault.name)
    preview = diagnosed(runbook, world, fault)
    before = {pod["metadata"]["uid"] for pod in world.cluster.pods()}
    resolved(runbook, preview, "workload", route=LIST)
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in world.cluster.pods())
    assert not world.cluster.environment().get("FAULTS")
