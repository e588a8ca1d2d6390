# SPDX-License-Identifier: GPL-3.0-or-later
"""What api-latency changed is given back: pods through k8s_scale, an index through pg_index, in one rollback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modules.k8s_support import run_module
from playbooks.test_rollback import RollbackRunbook

from ansible_collections.brandconnect.incidents.plugins.modules import k8s_scale, pg_index
from incident_runbooks.lab.lab import Lab
from support.journal_entries import ENDED, journal_in, started
from support.platform import Cluster, wait_until
from support.runbook import ROOT, Run

DIAGNOSE, REMEDIATE = "api-latency-diagnose", "api-latency-remediate"
INCIDENT = "api-latency-20261128T101500Z-3fa1"
QUERY = "SELECT id FROM offers WHERE campaign_id = $1 ORDER BY created_at DESC LIMIT 3"
INDEXES = "SELECT indexname FROM pg_indexes WHERE tablename = 'offers'"
KEPT = ("status", "changed", "reason", "targets", "before", "after", "results")
BUDGET = {"fits": True, "need": 8, "allowed": 90, "terms": [{"name": "backend", "pool_max": 2, "need": 6}]}

Json = dict[str, Any]


@pytest.fixture
def cluster(cluster_lab: Lab) -> Cluster:
    cluster = Cluster(cluster_lab)
    for name in (DIAGNOSE, REMEDIATE):
        cluster.apply(ROOT / f"deploy/rbac/{name}.yml")
    return cluster


@pytest.fixture
def runbook(cluster_lab: Lab, cluster: Cluster, tmp_path: Path) -> Iterator[RollbackRunbook]:
    """Under exactly the Roles of deploy/rbac for those who remediate, and the login that may change indexes."""
    runbook = RollbackRunbook(cluster_lab, tmp_path)
    runbook.backend = cluster.login(REMEDIATE)
    dba = cluster_lab.server.dba
    runbook.variables = {"postgres_dba_user": dba.user, "postgres_dba_password": dba.password}
    yield runbook
    assert cluster.refused(REMEDIATE) == []


def limits(cluster: Cluster) -> tuple[int, int]:
    spec = cluster.get("horizontalpodautoscalers", "backend", "apis/autoscaling/v2")["spec"]
    return spec["minReplicas"], spec["maxReplicas"]


def indexes(lab: Lab) -> set[str]:
    with lab.server.connect(lab.server.superuser) as connection:
        return {name for (name,) in connection.execute(INDEXES).fetchall()}


@pytest.fixture
def acted(runbook: RollbackRunbook, cluster_lab: Lab) -> Iterator[Run]:
    """An incident whose run has built an index and then started a pod; the modules themselves have done it."""
    there = cluster_lab.server
    login = {"login_host": there.host, "login_port": there.port, "login_db": there.database, "ssl_mode": "disable"}
    login |= {"login_user": there.dba.user, "login_password": there.dba.password}
    columns = [{"name": "campaign_id", "order": "asc"}, {"name": "created_at", "order": "desc"}]
    wanted = {"action": "create", "table": "offers", "columns": columns, "query": QUERY, "incident": INCIDENT}
    wanted["free_bytes"] = 10**9  # what the runbook measures
    built = run_module(pg_index.SPEC, {**login, **wanted})
    assert built["status"] == "done", built
    reached = {"kubeconfig": str(cluster_lab.cluster.kubeconfig), "namespace": "brandconnect", "name": "backend"}
    scaled = run_module(
        k8s_scale.SPEC, {**reached, "incident": INCIDENT, "step": 1, "connection_budget": BUDGET, "wait_s": 60}
    )
    assert scaled["status"] == "done", scaled
    directory = runbook.home / "incidents" / INCIDENT
    directory.mkdir(parents=True)
    kind, began = started()
    began["incident"] |= {"id": INCIDENT, "type": "api-latency", "title": "API latency"}
    done = [
        ("action", {"id": name, "title": name, "risk": "disruptive", "can_roll_back": True, **_kept(said)})
        for name, said in (("create-index", built), ("scale-backend", scaled))
    ]
    journal_in(directory)((kind, began), *done, ENDED)
    yield Run(0, "", {}, runbook.journal(directory), directory)
    with there.connect(there.superuser) as connection:
        connection.execute(f'DROP INDEX IF EXISTS "{built["targets"][0]["index"]}"')


def _kept(said: Json) -> Json:
    return {key: said[key] for key in KEPT}


def test_pods_and_an_index_go_back_once_and_only_while_nobody_else_has_changed_them(
    runbook: RollbackRunbook, cluster: Cluster, cluster_lab: Lab, acted: Run
) -> None:
    assert limits(cluster) == (3, 3)
    left = indexes(cluster_lab)
    hpa = "/apis/autoscaling/v2/namespaces/brandconnect/horizontalpodautoscalers/backend"
    cluster.api.patch(hpa, {"spec": {"maxReplicas": 5}})
    with cluster.only_read():
        refused = runbook.roll_back(acted)
    assert refused.result["outcome"] == "refused", refused.result
    (error,) = refused.result["errors"]
    assert "pods of Deployment backend were changed meanwhile" in error["message"]
    assert (limits(cluster), indexes(cluster_lab)) == ((3, 5), left), "all or nothing"

    cluster.api.patch(hpa, {"spec": {"maxReplicas": 3}})
    with cluster.only_read():
        look = runbook.roll_back(acted, "--check")
    assert [entry["status"] for entry in look.result["plan"]["remediations"]] == ["recommended", "recommended"]
    assert (limits(cluster), indexes(cluster_lab)) == ((3, 3), left)

    back = runbook.roll_back(acted, runbook_plan_digest=look.result["plan"]["digest"])
    assert (back.rc, back.result["outcome"]) == (0, "resolved"), back.result
    assert [(action["id"], action["status"]) for action in back.result["actions"]] == [
        ("scale-backend", "done"),
        ("create-index", "done"),
    ]
    assert {verdict["status"] for verdict in back.result["verification"]} == {"resolved"}
    assert limits(cluster) == (2, 2)
    (gone,) = left - indexes(cluster_lab)
    assert gone == "idx_offers_campaign_id_created_at_desc"
    wait_until(lambda: len([pod for pod in cluster.pods() if "deletionTimestamp" not in pod["metadata"]]) == 2, "end")

    again = runbook.roll_back(acted)
    assert (again.rc, again.result["outcome"], again.result["actions"]) == (0, "healthy", [])
