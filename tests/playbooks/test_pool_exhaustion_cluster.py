# SPDX-License-Identifier: GPL-3.0-or-later
"""Pool exhaustion with the backend in a cluster: the leak is found, told from the symptom, and cured."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks import schemas
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.workloads import faults
from support.platform import Cluster, PlatformRunbook, wait_until
from support.runbook import ROOT, planned

STATES = "SELECT state, count(*) FROM pg_stat_activity WHERE application_name = 'backend' GROUP BY state"


DIAGNOSE, REMEDIATE, PGBOUNCER = (f"pool-exhaustion-{name}" for name in ("diagnose", "remediate", "pgbouncer"))


@pytest.fixture
def cluster(cluster_lab: Lab) -> Cluster:
    cluster = Cluster(cluster_lab)
    for name in (DIAGNOSE, REMEDIATE, PGBOUNCER):
        cluster.apply(ROOT / f"deploy/rbac/{name}.yml")
    return cluster


@pytest.fixture
def runbook(cluster_lab: Lab, cluster: Cluster, tmp_path: Path) -> Iterator[PlatformRunbook]:
    """The playbook under exactly the Roles of deploy/rbac for those who remediate; they suffice for all it asks."""
    runbook = PlatformRunbook(cluster_lab, tmp_path)
    runbook.backend = cluster.login(REMEDIATE)
    yield runbook
    assert cluster.refused(REMEDIATE) == []


def sessions_of_the_backend(lab: Lab) -> int:
    with lab.server.connect(lab.server.superuser) as connection:
        return sum(count for _, count in connection.execute(STATES).fetchall())


def test_a_healthy_platform_is_healthy_and_only_read(runbook: PlatformRunbook, cluster: Cluster) -> None:
    with cluster.only_read():
        run = runbook.run()
    assert (run.rc, run.result["outcome"]) == (0, "healthy"), run.result["findings"]
    assert run.finding("workload")["summary"] == "2 of 2 pods of backend are ready"
    assert run.finding("budget")["summary"] == "The pools fit: 4 x (2 + 1) + 1 = 13 <= 13 = floor(17 x 0.8)"
    assert run.finding("exhaustion")["data"]["kind"] == "none"
    assert run.finding("logs")["data"]["pods_read"] == 2
    assert schemas.validate("result", run.result) == []


def test_no_secret_of_the_platform_reaches_the_record(runbook: PlatformRunbook, cluster_lab: Lab) -> None:
    run = runbook.run()
    written = (run.directory / "journal.jsonl").read_text(encoding="utf-8") + json.dumps(run.result) + run.output
    token = json.loads((cluster_lab.cluster.directory / "tokens.json").read_text(encoding="utf-8"))
    credentials = cluster_lab.cluster.credentials.to_plain()
    for secret in [*token, *credentials.values(), cluster_lab.server.app.password]:
        assert secret not in written


def test_from_leak_to_cure(runbook: PlatformRunbook, cluster: Cluster, cluster_lab: Lab) -> None:
    """Diagnosis, preview, the symptom treated in vain, a size refused, the cause removed, nothing left to do."""
    cluster_lab.break_("backend-leak")
    with cluster.only_read():
        diagnosis = runbook.run()
    assert diagnosis.result["outcome"] == "findings"
    holders = diagnosis.finding("holders")
    assert (holders["cause"], holders["data"]["suspect"]["application"]) == ("connection_leak", "backend")
    assert diagnosis.finding("exhaustion")["data"]["kind"] == "server_slots"
    budget = diagnosis.finding("budget")
    assert (budget["cause"], budget["recommend"]) == ("budget_violated", ["resize-pool"])
    assert budget["data"]["arithmetic"] == "8 x (2 + 1) + 1 = 25 > 13 = floor(17 x 0.8)"
    assert budget["data"]["largest_fitting"] == {"backend": 4}
    assert planned(diagnosis, "restart-backend")["status"] == "recommended"

    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    with cluster.only_read():
        preview = runbook.remediate("--check", approve="restart-backend")
    assert preview.result["run"]["check_mode"] is True
    assert preview.result["actions"] == []
    assert {pod["metadata"]["uid"] for pod in cluster.pods()} == before
    assert planned(preview, "restart-backend")["targets"] == planned(diagnosis, "restart-backend")["targets"]

    symptom = runbook.remediate(approve="kill-idle-connections")
    assert symptom.result["outcome"] == "unresolved"
    (verdict,) = symptom.result["verification"]
    assert verdict["cause"] == "refill"
    assert "it leaks them" in verdict["next_step"]
    assert "8 x (2 + 1) + 1 = 25 > 13" in verdict["next_step"]

    with cluster.only_read():
        refused = runbook.remediate(approve="resize-pool", pool_exhaustion_pool_max=100)
    assert refused.result["outcome"] == "refused"
    assert "100 x (2 + 1) + 1 = 301 > 13 = floor(17 x 0.8)" in refused.result["errors"][0]["message"]
    assert cluster.environment()["TYPEORM_POOL_MAX"] == "8"

    strategy = cluster.get("deployments", "backend")["spec"]["strategy"]
    cure = runbook.remediate(approve="restart-backend")
    assert (cure.rc, cure.result["outcome"]) == (0, "resolved"), cure.result["verification"]
    (action,) = cure.result["actions"]
    assert (action["status"], action["changed"]) == ("done", True)
    assert {verdict["check"]: verdict["status"] for verdict in cure.result["verification"]} == {
        "connections": "resolved",
        "workload": "resolved",
        "logs": "resolved",
    }
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in cluster.pods())
    assert sessions_of_the_backend(cluster_lab) <= 8, "the pools are as they were before the leak"
    assert cluster.get("deployments", "backend")["spec"]["strategy"] == strategy, "what was set for the restart only"
    saved = {entry["name"]: entry for entry in cure.result["evidence"]}
    log = next(entry for name, entry in saved.items() if name.endswith("/backend.log"))
    content = (cure.directory / log["path"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == log["sha256"]
    assert b"timeout exceeded when trying to connect" in content

    again = runbook.remediate(approve="restart-backend")
    assert again.result["actions"] == []
    assert again.finding("holders")["status"] == "ok"


def test_the_pool_is_resized_within_the_budget_and_only_once(
    runbook: PlatformRunbook, cluster: Cluster, cluster_lab: Lab
) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "backend", "env": [
        {"name": "TYPEORM_POOL_MAX", "value": "9"}, {"name": "TYPEORM_POOL_SIZE", "value": "5"}]}]}}}}  # fmt: skip
    cluster.api.patch("/apis/apps/v1/namespaces/brandconnect/deployments/backend", patch)
    wait_until(lambda: not cluster_lab.platform().not_ready(), "complete rollout")
    run = runbook.remediate(approve="resize-pool")
    (action,) = run.result["actions"]
    assert (action["status"], run.result["outcome"]) == ("done", "resolved"), run.result
    assert {each["purpose"] for each in run.result["notifications"]} == {"internal"}, "no request has failed"
    assert action["before"]["env"] == {"TYPEORM_POOL_MAX": "9", "TYPEORM_POOL_SIZE": "5"}
    assert {name: cluster.environment()[name] for name in action["after"]["env"]} == {
        "TYPEORM_POOL_MAX": "4",
        "TYPEORM_POOL_SIZE": "4",
    }
    revision = cluster.get("deployments", "backend")["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    again = runbook.remediate(approve="resize-pool")
    assert again.result["outcome"] == "healthy"
    now = cluster.get("deployments", "backend")["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    assert now == revision


def test_restart_and_resize_approved_together_are_one_rollout(
    runbook: PlatformRunbook, cluster: Cluster, cluster_lab: Lab
) -> None:
    cluster_lab.break_("backend-leak")
    run = runbook.run(runbook_mode="remediate", approved=["restart-backend", "resize-pool"])
    assert {action["id"]: action["status"] for action in run.result["actions"]} == {
        "restart-backend": "skipped",
        "resize-pool": "done",
    }
    assert run.result["outcome"] == "resolved", run.result["verification"]
    assert [entry for entry in run.result["evidence"] if entry["name"].endswith("/backend.log")]
    deployment = cluster.get("deployments", "backend")
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3", (
        "the fault's, and one more"
    )
    assert cluster.environment()["TYPEORM_POOL_MAX"] == "4"
    assert runbook.run().result["outcome"] == "healthy"


def test_an_application_outside_of_the_cluster_is_not_cured_by_a_restart(
    runbook: PlatformRunbook, cluster: Cluster, cluster_lab: Lab
) -> None:
    cluster_lab.break_("pool-exhaustion")
    with cluster.only_read():
        run = runbook.run()
    holders = run.finding("holders")
    assert (holders["cause"], holders["recommend"]) == ("foreign_sessions", [])
    assert "report-export" in holders["next_step"]
    assert planned(run, "restart-backend")["status"] == "not_recommended"


def test_a_leak_within_the_pool_is_told_from_a_full_server(runbook: PlatformRunbook, cluster_lab: Lab) -> None:
    cluster_lab.break_("backend-pool-leak")
    run = runbook.run(pool_exhaustion_holder_share=0.4)
    assert run.finding("connections")["status"] == "ok"
    exhaustion = run.finding("exhaustion")
    assert (exhaustion["data"]["kind"], exhaustion["cause"]) == ("app_pool", "app_pool_exhausted")
    assert exhaustion["recommend"] == [], "a larger pool would not fit the budget"
    assert (run.finding("holders")["cause"], run.finding("holders")["recommend"]) == (
        "connection_leak",
        ["restart-backend"],
    )


def test_a_proven_leak_is_not_fed_with_a_larger_pool(runbook: PlatformRunbook, cluster_lab: Lab) -> None:
    cluster_lab.break_("backend-pool-leak")
    run = runbook.run(pool_exhaustion_holder_share=0.4, pool_exhaustion_budget_share=1.0)
    assert run.finding("exhaustion")["cause"] == "app_pool_exhausted"
    assert run.finding("budget")["data"]["largest_fitting"]["backend"] > 4, "it would fit"
    assert run.finding("exhaustion")["recommend"] == []


def test_a_pool_that_still_gives_no_connection_is_not_called_resolved(
    runbook: PlatformRunbook, cluster_lab: Lab
) -> None:
    """The slots are free all along, so they cannot tell."""
    folder = cluster_lab.platform().site.faults
    faults.inject(folder, "backend", "errors", {"error": "pool_timeout"}, survives_restart=True)
    wait_until(lambda: runbook.run().finding("exhaustion")["cause"] == "app_pool_exhausted", "requests that wait")
    run = runbook.remediate(approve="resize-pool", pool_exhaustion_budget_share=1.0)
    verdicts = {verdict["check"]: verdict["status"] for verdict in run.result["verification"]}
    assert verdicts["logs"] == "unresolved", run.result
    assert run.result["outcome"] == "unresolved"


def test_one_crashing_pod_of_three_with_its_error_in_the_previous_log_is_found(
    runbook: PlatformRunbook, cluster: Cluster, cluster_lab: Lab
) -> None:
    scale = {"spec": {"maxReplicas": 3, "minReplicas": 3}}
    cluster.api.patch("/apis/autoscaling/v2/namespaces/brandconnect/horizontalpodautoscalers/backend", scale)
    cluster.api.patch("/apis/apps/v1/namespaces/brandconnect/deployments/backend", {"spec": {"replicas": 3}})
    wait_until(lambda: len(cluster.pods()) == 3 and all(ready(pod) for pod in cluster.pods()), "three ready pods")
    victim = cluster.pods()[1]["metadata"]["name"]
    folder = cluster_lab.platform().site.faults
    faults.inject(folder, "backend", "crash", {"error": "db_slots"}, pods=[victim], survives_restart=True)
    wait_until(lambda: restarts(cluster, victim) >= 2, "restarts")
    faults.withdraw(folder)  # the error is in the log of the instance before only
    run = runbook.run()
    logs = run.finding("logs")
    assert logs["data"]["pods_read"] == 3
    assert victim in [item["pod"] for item in logs["data"]["restarted"]]
    seen = logs["data"]["classes"]["server_slots"]
    assert (list(seen["pods"]), seen["previous"] > 0) == ([victim], True)


def ready(pod: dict[str, Any]) -> bool:
    return all(status["ready"] for status in pod["status"].get("containerStatuses") or [{"ready": False}])


def restarts(cluster: Cluster, name: str) -> int:
    pod = next(pod for pod in cluster.pods() if pod["metadata"]["name"] == name)
    return int(pod["status"]["containerStatuses"][0]["restartCount"])


def test_the_role_for_diagnosing_suffices_and_cannot_act(runbook: PlatformRunbook, cluster: Cluster) -> None:
    runbook.backend = cluster.login(DIAGNOSE)
    run = runbook.run()
    assert run.result["outcome"] == "healthy", run.result["findings"]
    assert cluster.refused(DIAGNOSE) == []
    answer = cluster.api.request(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {"spec": {"resourceAttributes": {"verb": "patch", "resource": "deployments", "group": "apps",
                                         "namespace": "brandconnect", "name": "backend"}}},
        Authorization=f"Bearer {runbook.backend['kubernetes_api_key']}",
    )  # fmt: skip
    assert answer.body["status"]["allowed"] is False


@pytest.mark.parametrize(
    ("resource", "check", "says"),
    [
        ("pods", "workload", "list on pods"),
        ("pods/log", "logs", "get on pods/log"),
        ("deployments", "workload", "get on deployments.apps"),
    ],
)
def test_a_missing_right_is_named_with_the_role_that_grants_it(
    runbook: PlatformRunbook, cluster: Cluster, resource: str, check: str, says: str
) -> None:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/brandconnect/roles/{DIAGNOSE}"
    role = cluster.api.get(path)
    assert role is not None
    rules = [
        {**rule, "resources": [name for name in rule["resources"] if name != resource] or ["nothing"]}
        for rule in role["rules"]
    ]
    cluster.api.patch(path, {"rules": rules})
    runbook.backend = cluster.login(DIAGNOSE)
    run = runbook.run()
    finding = run.finding(check)
    assert (finding["status"], finding["cause"]) == ("unknown", "forbidden"), finding["summary"]
    assert says in f"{finding['summary']} {finding['next_step']}"
    assert f"deploy/rbac/{DIAGNOSE}.yml" in finding["next_step"]
    assert run.result["outcome"] == "incomplete"
    assert run.finding("connections")["status"] == "ok"


def test_an_api_server_that_is_down_costs_only_its_own_checks(runbook: PlatformRunbook, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runbook.backend = {"kubernetes_host": f"https://127.0.0.1:{port}", "kubernetes_api_key": "t0ken"}
    run = runbook.run()
    assert run.result["outcome"] == "incomplete"
    assert (run.finding("workload")["status"], run.finding("workload")["cause"]) == ("unknown", "refused")
    assert run.finding("connections")["status"] == "ok"
    assert run.finding("budget")["status"] == "unknown"


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        for connection in held:
            connection.close()


def test_an_api_server_that_hangs_is_waited_for_once(runbook: PlatformRunbook, silent_server: int) -> None:
    runbook.backend = {
        "kubernetes_host": f"https://127.0.0.1:{silent_server}",
        "kubernetes_api_key": "t0ken",
        "kubernetes_request_timeout": 3,
    }
    started = time.monotonic()
    run = runbook.run()
    took = time.monotonic() - started
    assert (run.finding("workload")["status"], run.finding("workload")["cause"]) == ("unknown", "timeout")
    assert run.finding("connections")["status"] == "ok"
    assert took < 30, "it waits for one time-out, not for one per request"


def test_pgbouncer_is_deployed_from_the_budget_and_serves(
    runbook: PlatformRunbook, cluster: Cluster, cluster_lab: Lab
) -> None:
    runbook.variables |= {
        "pool_exhaustion_min_pool": 5,  # with 9 connections a pod, no useful size fits
        "pool_exhaustion_pgbouncer_image": f"registry.brandconnect.example/pgbouncer@sha256:{'0' * 64}",
    }
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "backend", "env": [
        {"name": "TYPEORM_POOL_MAX", "value": "9"}]}]}}}}  # fmt: skip
    cluster.api.patch("/apis/apps/v1/namespaces/brandconnect/deployments/backend", patch)
    wait_until(lambda: not cluster_lab.platform().not_ready(), "complete rollout")
    with cluster.only_read(dry_runs=True):
        preview = runbook.remediate("--check", approve="deploy-pgbouncer")
    assert planned(preview, "deploy-pgbouncer")["status"] == "recommended", planned(preview, "deploy-pgbouncer")
    run = runbook.remediate(approve="deploy-pgbouncer")
    assert run.result["actions"], run.result["errors"]
    (action,) = run.result["actions"]
    assert action["status"] == "done", action
    pods = [
        pod
        for pod in cluster.api.items("/api/v1/namespaces/brandconnect/pods")
        if "pgbouncer" in pod["metadata"]["name"]
    ]
    assert [ready(pod) for pod in pods] == [True, True]
    for pod in pods:
        with cluster_lab.server.connect(cluster_lab.server.app, host=pod["status"]["podIP"], port=6432) as session:
            assert session.execute("SELECT count(*) FROM campaigns").fetchone() == (40,)
    again = runbook.remediate(approve="deploy-pgbouncer")
    assert [item["status"] for item in again.result["actions"]] in ([], ["nothing_to_do"])
