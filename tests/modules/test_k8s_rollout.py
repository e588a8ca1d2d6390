# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_rollout against a cluster, where kubectl tells what happened, and against a server that fails on demand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modules.k8s_support import (
    APPS,
    CORE,
    Api,
    Asked,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    deployment,
    pod,
    refusal,
    replica_set,
    run_module,
    serve_backend,
    until,
)

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_rollout import SPEC

__all__ = ["api", "cluster"]

MARK = "incidents.brandconnect/last-action"
RUNS = ["sleep", "100000"]
CHECK = {"check_mode": True}


def manifest(command: list[str] | None = None, replicas: int = 2, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "backend",
        "image": "registry.example.com/backend:1",
        "command": command or RUNS,
        "env": [{"name": "TYPEORM_POOL_MAX", "value": "100"}],
    }
    template = {
        "metadata": {"labels": {"app": "backend"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "backend"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "backend"}}, "template": template, **spec},
    }


def read(cluster: KubernetesCluster) -> dict[str, Any]:
    item: dict[str, Any] = cluster.json("get", "deployment", "backend")
    return item


def test_two_incidents_replace_the_pods_one_after_the_other(cluster: KubernetesCluster) -> None:
    cluster.apply([manifest(replicas=1)])
    cluster.kubectl("rollout", "status", "deployment/backend", "--timeout=30s")
    cluster.kubectl("patch", "deployment", "backend", "-p", '{"spec": {"minReadySeconds": 10}}')
    first = run_module(SPEC, cluster.options(name="backend", action="restart", incident="i1", wait_s=1))
    assert first["changed"], first
    generation = read(cluster)["metadata"]["generation"]
    given = {"name": "backend", "incident": "i2", "wait_s": 1}
    for action in ({"action": "restart"}, {"action": "set_env", "env": {"TYPEORM_POOL_MAX": "9"}}):
        for check_mode in (True, False):
            refused = run_module(SPEC, cluster.options(**given, **action), check_mode=check_mode)
            assert (refused["status"], refused["refusal"], refused["changed"]) == (
                "refused",
                "rollout_under_way",
                False,
            )
    assert read(cluster)["metadata"]["generation"] == generation
    cluster.kubectl("rollout", "status", "deployment/backend", "--timeout=60s")
    second = run_module(SPEC, cluster.options(**given, action="restart"))
    assert second["changed"], second


def pods(cluster: KubernetesCluster) -> set[str]:
    found = cluster.json("get", "pods", "--selector", "app=backend")["items"]
    return {item["metadata"]["uid"] for item in found if "deletionTimestamp" not in item["metadata"]}


def rolled_out(cluster: KubernetesCluster) -> None:
    cluster.kubectl("rollout", "status", "deployment/backend", "--timeout=30s")


@pytest.fixture
def backend(cluster: KubernetesCluster) -> KubernetesCluster:
    cluster.apply([manifest()])
    rolled_out(cluster)
    return cluster


def rollout(cluster: KubernetesCluster, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    options = cluster.options(name="backend", wait_s=30, **given)
    return run_module(SPEC, options, check_mode=check_mode)


def test_check_mode_changes_nothing_and_its_plan_stays_the_same(backend: KubernetesCluster) -> None:
    before = read(backend)
    first = rollout(backend, action="restart", surge="none", incident="i1", **CHECK)
    again = rollout(backend, action="restart", surge="none", incident="i1", **CHECK)
    assert (first["status"], first["changed"]) == ("planned", True)
    assert first["targets"] == again["targets"]
    assert first["before"] == first["after"]
    assert [entry["result"] for entry in first["results"]] == ["would_change"]
    assert read(backend)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_restart_replaces_every_pod_and_is_not_done_twice_for_an_incident(backend: KubernetesCluster) -> None:
    before = pods(backend)
    strategy = read(backend)["spec"]["strategy"]
    planned = rollout(backend, action="restart", surge="none", incident="i1", **CHECK)
    done = rollout(backend, action="restart", surge="none", incident="i1", targets=planned["targets"])
    assert (done["status"], done["changed"]) == ("done", True), done
    assert done["results"][0]["result"] == "rolled_out"
    item = read(backend)
    assert len(pods(backend)) == 2
    assert not pods(backend) & before
    assert item["spec"]["strategy"] == strategy, "it was changed for the rollout only"
    assert item["metadata"]["annotations"][MARK] == "i1/restart"
    assert item["metadata"]["generation"] == 3, "one patch, and one that puts the strategy back"
    assert item["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2", "more than one rollout"
    assert done["before"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert (
        done["after"]["restarted_at"]
        == item["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"]
    )
    again = rollout(backend, action="restart", surge="none", incident="i1", targets=planned["targets"])
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "same_incident", False)
    assert read(backend)["metadata"]["generation"] == 3


def test_a_third_restart_within_half_an_hour_is_refused(backend: KubernetesCluster) -> None:
    for incident in ("i1", "i2"):
        moment = pods(backend)
        assert rollout(backend, action="restart", incident=incident)["status"] == "done"
        assert not pods(backend) & moment
    third = rollout(backend, action="restart", incident="i3")
    assert (third["status"], third["refusal"], third["changed"]) == ("refused", "restarted_too_often", False)
    assert "restarted 2 times in the last 30 minutes" in third["reason"]
    assert read(backend)["metadata"]["generation"] == 3


def test_set_env_replaces_one_variable_and_keeps_the_rest(backend: KubernetesCluster) -> None:
    changed = rollout(
        backend, action="set_env", env={"TYPEORM_POOL_MAX": "14"}, expected={"env": {"TYPEORM_POOL_MAX": "100"}}
    )
    assert changed["status"] == "done", changed
    container = read(backend)["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "TYPEORM_POOL_MAX", "value": "14"}]
    assert (container["image"], container["command"]) == ("registry.example.com/backend:1", RUNS)
    assert (changed["before"]["env"], changed["after"]["env"]) == (
        {"TYPEORM_POOL_MAX": "100"},
        {"TYPEORM_POOL_MAX": "14"},
    )
    again = rollout(backend, action="set_env", env={"TYPEORM_POOL_MAX": "14"})
    assert (again["status"], again["refusal"]) == ("nothing_to_do", "no_change")
    guarded = rollout(
        backend, action="set_env", env={"TYPEORM_POOL_MAX": "9"}, expected={"env": {"TYPEORM_POOL_MAX": "100"}}
    )
    assert (guarded["status"], guarded["refusal"]) == ("refused", "expected_differs")


def test_undo_goes_back_to_the_earlier_template_and_keeps_its_replica_set(backend: KubernetesCluster) -> None:
    first = {item["metadata"]["name"] for item in backend.json("get", "replicasets")["items"]}
    backend.kubectl("set", "env", "deployment/backend", "TYPEORM_POOL_MAX=50", "ADDED=1")
    rolled_out(backend)
    undone = rollout(backend, action="undo", incident="i1")
    assert undone["status"] == "done", undone
    item = read(backend)
    assert item["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "TYPEORM_POOL_MAX", "value": "100"}]
    assert item["metadata"]["annotations"][MARK] == "i1/undo"
    used = [each for each in backend.json("get", "replicasets")["items"] if each["spec"]["replicas"]]
    assert {each["metadata"]["name"] for each in used} == first
    assert undone["targets"][0]["changes"][0] == {"what": "revision", "old": 2, "new": 1}


def test_scale_up_starts_pods_and_replaces_none(backend: KubernetesCluster) -> None:
    before = pods(backend)
    assert rollout(backend, action="scale", replicas=3)["status"] == "done"
    assert before < pods(backend)
    assert len(pods(backend)) == 3
    down = rollout(backend, action="scale", replicas=1)
    assert (down["status"], down["refusal"]) == ("refused", "scale_down")
    assert len(pods(backend)) == 3


def test_a_scale_that_an_autoscaler_would_undo_is_refused(backend: KubernetesCluster) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "backend"}
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "backend"},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5},
    }
    backend.apply([autoscaler])
    assert rollout(backend, action="scale", replicas=4)["refusal"] == "hpa_managed"


def test_a_paused_deployment_is_not_touched(backend: KubernetesCluster) -> None:
    backend.kubectl("rollout", "pause", "deployment/backend")
    refused = rollout(backend, action="restart")
    assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "paused", False)
    assert "kubectl.kubernetes.io/restartedAt" not in json.dumps(read(backend))


def test_what_changed_since_the_plan_is_refused(backend: KubernetesCluster) -> None:
    planned = rollout(backend, action="restart", **CHECK)
    backend.kubectl("set", "env", "deployment/backend", "OTHER=1")
    rolled_out(backend)
    generation = read(backend)["metadata"]["generation"]
    refused = rollout(backend, action="restart", targets=planned["targets"])
    assert (refused["status"], refused["refusal"]) == ("refused", "plan_changed")
    assert read(backend)["metadata"]["generation"] == generation


def test_a_rollout_that_does_not_end_says_which_pods_are_not_ready(backend: KubernetesCluster) -> None:
    crashing = manifest(["sh", "-c", "exit 1"])
    backend.apply([crashing])
    until(lambda: len(backend.json("get", "replicasets")["items"]) == 2, "the new ReplicaSet")
    result = run_module(SPEC, backend.options(name="backend", action="set_env", env={"A": "1"}, wait_s=4))
    assert (result["status"], result["changed"]) == ("partial", True)
    entry = result["results"][0]
    assert entry["result"] == "not_finished"
    assert entry["not_ready"], "it does not say which"
    assert {pod["reason"] for pod in entry["not_ready"]} <= {"Error", "CrashLoopBackOff", "ContainersNotReady"}
    assert "not finished after" in result["reason"]


def test_a_rollout_beyond_its_deadline_has_failed(cluster: KubernetesCluster) -> None:
    cluster.apply([manifest(progressDeadlineSeconds=2)])
    rolled_out(cluster)
    crashing = {"TYPEORM_POOL_MAX": "5"}
    cluster.kubectl("patch", "deployment", "backend", "--patch", json.dumps({"spec": {"minReadySeconds": 1}}))
    rolled_out(cluster)
    broken = manifest(
        ["sh", "-c", 'test "$TYPEORM_POOL_MAX" = 100 && while :; do sleep 0.2; done'], progressDeadlineSeconds=2
    )
    cluster.apply([broken])
    rolled_out(cluster)
    result = rollout(cluster, action="set_env", env=crashing)
    assert (result["status"], result["changed"]) == ("failed", True), result
    assert result["results"][0]["result"] == "rollout_failed"
    assert "no progress within the deadline" in result["reason"]
    assert result["results"][0]["waited_s"] < 25, "it waited on although waiting is of no use"


# what a healthy cluster does not do on demand


@pytest.fixture
def served(api: Api) -> Api:
    serve_backend(api, [pod("a")])
    return api


def restart(api: Api, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    return run_module(SPEC, api.options(name="backend", action="restart", wait_s=2, **given), check_mode=check_mode)


PATH = f"{APPS}/deployments/backend"


def on_patch(api: Api, reply: Reply) -> None:
    api.answers[PATH] = lambda asked: reply if asked.method == "PATCH" else deployment()


def test_the_patch_carries_the_version_that_was_looked_at(served: Api) -> None:
    assert restart(served)["status"] == "done"
    (patch,) = [asked for asked in served.asked if asked.method == "PATCH"]
    assert json.loads(patch.body)["metadata"]["resourceVersion"] == "7"
    assert patch.headers["Content-Type"] == "application/strategic-merge-patch+json"


def test_a_conflict_is_a_refusal_and_nothing_was_changed(served: Api) -> None:
    on_patch(served, refusal(409, "Conflict", "the object has been modified"))
    result = restart(served)
    assert (result["status"], result["refusal"], result["changed"]) == ("refused", "plan_changed", False)
    assert "failed" not in result


def test_a_missing_permission_names_verb_resource_and_role(served: Api) -> None:
    on_patch(served, refusal(403, "Forbidden"))
    result = restart(served, rbac_role="pool-exhaustion-remediate")
    assert (result["failed"], result["changed"], result["status"]) == (True, False, "failed")
    assert result["denied"][0]["verb"] == "patch"
    assert "patch on deployments.apps" in result["msg"]
    assert "deploy/rbac/pool-exhaustion-remediate.yml" in result["msg"]


def test_without_an_answer_to_the_patch_it_is_not_known(served: Api) -> None:
    on_patch(served, Reply(200, deployment(), delay_s=5))
    result = restart(served, request_timeout=1)
    assert (result["failed"], result["status"], result["changed"]) == (True, "unknown", True)
    assert result["results"][0]["result"] == "unknown"
    assert result["targets"]


def test_a_silent_server_after_the_patch_is_no_success(served: Api) -> None:
    patched: list[Asked] = []

    def answer(asked: Asked) -> Any:
        if asked.method == "PATCH":
            patched.append(asked)
        return refusal(503, "ServiceUnavailable") if patched and asked.method == "GET" else deployment()

    served.answers[PATH] = answer
    result = restart(served)
    assert (result["status"], result["changed"]) == ("partial", True)
    assert "the cluster could not be asked" in result["reason"]


def test_unreadable_revisions_keep_a_restart_off_and_are_a_caveat_of_the_rest(served: Api) -> None:
    """Only of a restart it matters how often there was one."""
    served.answers[f"{APPS}/replicasets"] = refusal(403, "Forbidden")
    result = restart(served, check_mode=True)
    assert (result["status"], result["refusal"], result["changed"]) == ("refused", "restarts_unknown", False)
    env = {"TYPEORM_POOL_MAX": "14"}
    result = run_module(SPEC, served.options(name="backend", action="set_env", env=env), check_mode=True)
    assert result["status"] == "planned"
    assert any("earlier restarts are not seen" in caveat for caveat in result["caveats"])


def test_another_deployments_revisions_do_not_count(served: Api) -> None:
    marked = {"annotations": {MARK: "i1/restart"}}
    foreign = replica_set(owner="d9")
    foreign["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "2"}
    foreign["spec"] = {"template": {"metadata": marked}}
    served.answers[f"{APPS}/replicasets"] = {"items": [foreign]}
    assert restart(served, incident="i1", check_mode=True)["status"] == "planned"


def test_a_workload_that_is_not_there(api: Api) -> None:
    result = restart(api)
    assert (result["failed"], result["cause"]) == (True, "not_found")
    assert f"{CORE}/pods" not in api.paths()


@pytest.mark.parametrize("option", ["wait_s", "max_replicas", "restart_window_s"])
def test_options_that_make_no_sense(served: Api, option: str) -> None:
    result = run_module(SPEC, served.options(name="backend", action="restart", **{option: 0}))
    assert result["failed"] is True
    assert option in result["msg"]
    assert not served.asked
