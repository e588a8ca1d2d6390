# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload that is held as evidence stays as it is; kubectl is the second channel."""

from __future__ import annotations

from typing import Any

import pytest
from modules.k8s_support import (
    APPS,
    Api,
    Asked,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    deployment,
    refusal,
    run_module,
    serve_backend,
)

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_apply import SPEC as APPLY
from ansible_collections.brandconnect.incidents.plugins.modules.k8s_hold import SPEC
from ansible_collections.brandconnect.incidents.plugins.modules.k8s_rollout import SPEC as ROLLOUT

__all__ = ["api", "cluster"]

HOLD = "incidents.brandconnect/evidence-hold"
BREACH, OTHER = "data-breach-20261123T231455Z-3fa1", "pool-exhaustion-20261123T231001Z-11ab"
RUNS = ["sleep", "100000"]


def manifest(kind: str = "Deployment", replicas: int = 1) -> dict[str, Any]:
    container = {"name": "backend", "image": "registry.example.com/backend:1", "command": RUNS}
    template = {
        "metadata": {"labels": {"app": "backend"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    spec: dict[str, Any] = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "backend"}},
        "template": template,
    }
    if kind == "StatefulSet":
        spec["serviceName"] = "backend"
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "backend"}, "spec": spec}


def hold(cluster: KubernetesCluster, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    options = cluster.options(**{"name": "backend", "incident": BREACH, "held_by": "alice", **given})
    return run_module(SPEC, options, check_mode=check_mode)


def state(cluster: KubernetesCluster) -> tuple[dict[str, str], str, int]:
    """Its annotations of this collection, its pod template's generation, and how many pods are wanted."""
    item = cluster.json("get", "deployment", "backend")
    own = {key: value for key, value in item["metadata"]["annotations"].items() if "brandconnect" in key}
    return own, item["metadata"]["generation"], item["spec"]["replicas"]


def test_held_left_alone_and_released(cluster: KubernetesCluster) -> None:
    cluster.apply([manifest()])
    cluster.kubectl("rollout", "status", "deployment/backend", "--timeout=30s")
    before = state(cluster)
    planned = hold(cluster, check_mode=True)
    assert (planned["status"], planned["changed"]) == ("planned", True)
    assert state(cluster) == before, "check mode writes nothing"

    held = hold(cluster)
    assert (held["status"], held["changed"], held["before"]) == ("done", True, {"hold": None})
    assert (held["after"]["hold"]["incident"], held["after"]["hold"]["by"]) == (BREACH, "alice")
    own, generation, _ = state(cluster)
    assert own[HOLD] == BREACH
    assert generation == before[1], "no pod is replaced by it"
    again = hold(cluster, held_by="bob")
    assert (again["status"], again["changed"], again["refusal"]) == ("nothing_to_do", False, "no_change")
    assert state(cluster)[0] == own

    for given in ({"action": "restart"}, {"action": "set_env", "env": {"SIZE": "1"}}):
        options = cluster.options(name="backend", incident=OTHER, wait_s=5, **given)
        refused = run_module(ROLLOUT, options)
        assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "evidence_hold", False)
        assert BREACH in refused["reason"]
    applied = run_module(APPLY, cluster.options(manifest=manifest(replicas=3), incident=OTHER, force=True, wait_s=0))
    assert (applied["status"], applied["refusal"], applied["changed"]) == ("refused", "evidence_hold", False)
    assert state(cluster) == (own, generation, 1)

    other = hold(cluster, incident=OTHER, state="released")
    assert (other["status"], other["refusal"]) == ("refused", "held_by_other")
    assert state(cluster)[0] == own
    own_restart = run_module(ROLLOUT, cluster.options(name="backend", action="restart", incident=BREACH, wait_s=30))
    assert own_restart["status"] == "done", "the incident that holds it knows what it does"

    assert hold(cluster, state="released", check_mode=True)["status"] == "planned"
    assert state(cluster)[0][HOLD] == BREACH
    assert hold(cluster, state="released")["status"] == "done"
    assert HOLD not in state(cluster)[0]
    assert hold(cluster, state="released")["status"] == "nothing_to_do"
    restarted = run_module(ROLLOUT, cluster.options(name="backend", action="restart", incident=OTHER, wait_s=30))
    assert restarted["status"] == "done"


def test_a_third_restart_of_a_stateful_set_is_refused(cluster: KubernetesCluster) -> None:
    """Its history is in ControllerRevisions."""
    cluster.apply([manifest("StatefulSet")])
    cluster.kubectl("rollout", "status", "statefulset/backend", "--timeout=30s")
    given = {"name": "backend", "kind": "StatefulSet", "action": "restart", "wait_s": 30}
    for incident in ("i1", "i2"):
        assert run_module(ROLLOUT, cluster.options(**given, incident=incident))["status"] == "done"
    generation = cluster.json("get", "statefulset", "backend")["metadata"]["generation"]
    third = run_module(ROLLOUT, cluster.options(**given, incident="i3"))
    assert (third["status"], third["refusal"]) == ("refused", "restarted_too_often")
    assert cluster.json("get", "statefulset", "backend")["metadata"]["generation"] == generation


def test_a_restart_without_the_right_to_see_earlier_ones_is_refused(api: Api) -> None:
    serve_backend(api, [])
    api.answers[f"{APPS}/replicasets"] = refusal(403, "Forbidden")
    options = api.options(name="backend", action="restart", rbac_role="pool-exhaustion-remediate")
    refused = run_module(ROLLOUT, options)
    assert (refused["status"], refused["refusal"]) == ("refused", "restarts_unknown")
    assert "the login lacks list on replicasets.apps in namespace shop" in refused["reason"]
    assert "deploy/rbac/pool-exhaustion-remediate.yml" in refused["reason"]
    assert api.paths("PATCH") == []


@pytest.mark.parametrize(
    ("answer", "status", "changed"),
    [
        (refusal(403, "Forbidden"), "failed", False),
        (refusal(409, "Conflict"), "refused", False),
        (Reply(504, b""), "unknown", True),
    ],
)
def test_a_patch_that_is_not_taken_or_not_answered(api: Api, answer: Reply, status: str, changed: bool) -> None:
    def workload(asked: Asked) -> Any:
        return answer if asked.method == "PATCH" else deployment()

    api.answers[f"{APPS}/deployments/backend"] = workload
    said = run_module(SPEC, api.options(name="backend", incident=BREACH))
    assert (said["status"], said["changed"]) == (status, changed)
    assert bool(said.get("failed")) is (status != "refused")


@pytest.mark.parametrize(("conflicts", "status"), [(1, "done"), (2, "done"), (9, "refused")])
def test_whose_status_changes_meanwhile_is_looked_at_again(api: Api, conflicts: int, status: str) -> None:
    def workload(asked: Asked) -> Any:
        if asked.method == "PATCH" and len(api.paths("PATCH")) <= conflicts:
            return refusal(409, "Conflict")
        return deployment()

    api.answers[f"{APPS}/deployments/backend"] = workload
    said = run_module(SPEC, api.options(name="backend", incident=BREACH))
    assert (said["status"], said["changed"], bool(said.get("failed"))) == (status, status == "done", False)
    assert len(api.paths("PATCH")) == min(conflicts + 1, 3)
    assert len(api.paths("GET")) >= min(conflicts + 1, 3)
