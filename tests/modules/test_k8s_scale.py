# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_hpa and k8s_scale against a cluster, where kubectl tells what happened, and against a server that fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from modules.k8s_support import (
    APPS,
    CORE,
    HPAS,
    Api,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    deployment,
    refusal,
    run_module,
    until,
)

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.connection_budget import budget
from ansible_collections.brandconnect.incidents.plugins.modules import k8s_hpa, k8s_scale

__all__ = ["api", "cluster"]

BEFORE = "incidents.brandconnect/scale-before"
QUOTAS = f"{CORE}/resourcequotas"
RUNS = ["sleep", "100000"]


def budget_for(pods: int, *, pool: int = 5, connections: int = 100) -> dict[str, Any]:
    """What connection_budget says while there are so many pods."""
    slots = {"max_connections": connections, "superuser_reserved": 3, "reserved": 0}
    workload = {"name": "backend", "pool_max": pool, "replicas": pods, "surge": "25%"}
    return budget(slots, [workload, {"name": "worker", "pool_max": 2, "replicas": 1, "surge": 0}], 5, 1.0)


def manifest(replicas: int = 2) -> dict[str, Any]:
    container = {
        "name": "backend",
        "image": "registry.example.com/backend:1",
        "command": RUNS,
        "resources": {"requests": {"cpu": "2"}},  # so that the autoscaler can measure, and wants no more by itself
    }
    labels = {"app": "backend"}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "backend"}, "spec": spec}


def autoscaler(least: int = 2, most: int = 3) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "backend"}
    spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "backend", "uid": "h1", "resourceVersion": "3"},
        "spec": spec,
    }


def quota(hard: int, used: int, **spec: Any) -> dict[str, Any]:
    status = {"hard": {"pods": str(hard)}, "used": {"pods": str(used)}}
    return {"metadata": {"name": "few"}, "spec": {"hard": status["hard"], **spec}, "status": status}


@pytest.fixture
def backend(cluster: KubernetesCluster) -> KubernetesCluster:
    cluster.apply([manifest()])
    cluster.kubectl("rollout", "status", "deployment/backend", "--timeout=30s")
    return cluster


def scale(cluster: KubernetesCluster, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    options = {"name": "backend", "incident": "i1", "connection_budget": budget_for(2), "wait_s": 30, **given}
    return run_module(k8s_scale.SPEC, cluster.options(**options), check_mode=check_mode)


def scaled(api: Api, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    options = {"name": "backend", "incident": "i1", "connection_budget": budget_for(2), "wait_s": 1, **given}
    return run_module(k8s_scale.SPEC, api.options(**options), check_mode=check_mode)


def answering(api: Api, *, hpas: Any = (), quotas: Any = (), **spec: Any) -> None:
    api.answers |= {
        f"{APPS}/deployments/backend": deployment(**spec),
        HPAS: {"items": list(hpas)} if isinstance(hpas, (list, tuple)) else hpas,
        QUOTAS: {"items": list(quotas)} if isinstance(quotas, (list, tuple)) else quotas,
        f"{CORE}/pods": {"items": []},
        f"{APPS}/replicasets": {"items": []},
    }


def replicas(cluster: KubernetesCluster) -> int:
    return int(cluster.json("get", "deployment", "backend")["spec"]["replicas"])


def test_pods_come_once_and_go_back(backend: KubernetesCluster) -> None:
    version = backend.json("get", "deployment", "backend")["metadata"]["resourceVersion"]
    plan = scale(backend, check_mode=True)
    assert (plan["status"], plan["changed"]) == ("planned", True), plan
    assert plan["targets"][0]["changes"] == [{"what": "replicas", "old": 2, "new": 4}]
    assert backend.json("get", "deployment", "backend")["metadata"]["resourceVersion"] == version
    other = [{**plan["targets"][0], "uid": "another"}]
    assert scale(backend, targets=other)["refusal"] == "plan_changed"
    assert replicas(backend) == 2

    done = scale(backend, targets=plan["targets"])
    assert (done["status"], done["changed"], done["results"][0]["result"]) == ("done", True, "scaled"), done
    item = backend.json("get", "deployment", "backend")
    assert (item["spec"]["replicas"], item["status"]["availableReplicas"]) == (4, 4)
    noted = json.loads(item["metadata"]["annotations"][BEFORE])
    assert noted == [{"incident": "i1", "before": {"replicas": 2}, "set": {"replicas": 4}, "pods": 2}]
    assert done["after"]["scaled_by"] == noted

    again = scale(backend)
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "same_incident", False)
    assert scale(backend, incident="i2", action="revert")["refusal"] == "not_scaled"

    planned = scale(backend, action="revert", check_mode=True)
    assert replicas(backend) == 4
    back = scale(backend, action="revert", targets=planned["targets"])
    assert (back["status"], back["results"][0]["result"]) == ("done", "reverted"), back
    item = backend.json("get", "deployment", "backend")
    assert item["spec"]["replicas"] == 2
    assert BEFORE not in item["metadata"]["annotations"]
    assert scale(backend, action="revert")["refusal"] == "not_scaled"


def test_an_autoscaler_is_raised_and_not_fought(backend: KubernetesCluster) -> None:
    usage = f"/apis/metrics.k8s.io/v1beta1/namespaces/{backend.namespace}/pods"
    until(lambda: len(json.loads(backend.kubectl("get", "--raw", usage))["items"]) == 2, "pods are measured")
    backend.apply([autoscaler(2, 3)])
    done = scale(backend)
    assert (done["status"], done["targets"][0]["kind"]) == ("done", "HorizontalPodAutoscaler"), done
    assert "because it would undo a change of the workload itself" in " ".join(done["caveats"])
    spec = backend.json("get", "horizontalpodautoscaler", "backend")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (4, 4)
    assert replicas(backend) == 4
    assert scale(backend)["refusal"] == "same_incident"
    found = run_module(k8s_hpa.SPEC, backend.options(name="backend"))
    assert (found["autoscaler"]["min"], found["autoscaler"]["max"], found["workload"]["replicas"]) == (4, 4, 4)
    assert scale(backend, action="revert")["status"] == "done"
    spec = backend.json("get", "horizontalpodautoscaler", "backend")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 3)


def test_what_somebody_changed_since_is_not_put_back(backend: KubernetesCluster) -> None:
    assert scale(backend)["status"] == "done"
    backend.kubectl("scale", "deployment/backend", "--replicas=3")
    back = scale(backend, action="revert")
    assert (back["status"], back["refusal"]) == ("refused", "changed_since")
    until(lambda: replicas(backend) == 3, "it stays")


@pytest.mark.parametrize(
    ("given", "world", "word"),
    [
        ({"connection_budget": {}}, {}, "budget_unknown"),
        ({"connection_budget": {"fits": None, "reason": "not known"}}, {}, "budget_unknown"),
        ({"connection_budget": {**budget_for(2), "terms": []}}, {}, "budget_unknown"),
        ({"connection_budget": {"fits": True, "terms": ["backend"]}}, {}, "budget_unknown"),
        ({"connection_budget": budget_for(2, connections=26)}, {}, "over_budget"),
        ({}, {"quotas": [quota(2, 2)]}, "quota"),
        ({}, {"hpas": refusal(403, "Forbidden")}, "autoscaler_unknown"),
        ({}, {"replicas": 0}, "no_pods"),
        ({"max_replicas": 2}, {}, "at_max_replicas"),
        ({"max_replicas": 2}, {"replicas": 5}, "at_max_replicas"),
    ],
)
def test_what_must_not_be_is_refused(api: Api, given: dict[str, Any], world: dict[str, Any], word: str) -> None:
    answering(api, **world)
    result = scaled(api, **given)
    assert (result["refusal"], result["changed"]) == (word, False), result
    assert not api.paths("PATCH")


def record(incident: str, pods: int, now: int) -> dict[str, Any]:
    return {"incident": incident, "pods": pods, "before": {"replicas": pods}, "set": {"replicas": now}}


def noted(api: Api, text: str, pods: int) -> None:
    """A Deployment with so many pods, whose annotation says who changed it."""
    answering(api, replicas=pods)
    api.answers[f"{APPS}/deployments/backend"]["metadata"]["annotations"] = {BEFORE: text}


@pytest.mark.parametrize("action", ["scale", "revert"])
@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "{}",
        '["i1"]',
        json.dumps([{**record("i1", 2, 4), "before": {"replicas": 0}}]),
        json.dumps([{**record("i1", 2, 4), "before": {"replicas": "2"}}]),
        json.dumps([{**record("i1", 2, 4), "pods": True}]),
        json.dumps([{**record("i1", 2, 4), "more": "x" * 1000}]),
        json.dumps([record("i" * 201, 2, 4)]),
        json.dumps([record("i1", 2, 4)])[:-1],
    ],
)
def test_a_record_that_cannot_be_read_is_not_overwritten_and_is_not_none(api: Api, text: str, action: str) -> None:
    noted(api, text, 4)
    result = scaled(api, action=action, step=5)
    assert (result["status"], result["refusal"], result["changed"]) == ("refused", "record_unreadable", False), result
    assert result["before"]["scaled_by"] is None
    assert not api.paths("PATCH")


def test_going_back_starts_no_pods(api: Api) -> None:
    noted(api, json.dumps([{**record("i1", 2, 4), "before": {"replicas": 40}}]), 4)
    result = scaled(api, action="revert")
    assert (result["refusal"], result["changed"]) == ("record_unreadable", False), result
    noted(api, json.dumps([{**record("i1", 2, 4), "before": {}}]), 4)
    assert scaled(api, action="revert")["refusal"] == "record_unreadable"
    assert not api.paths("PATCH")


def test_going_back_does_not_take_pods_of_others_with_it(api: Api) -> None:
    """Whoever scales once more, on top of others, would go back below them."""
    noted(api, json.dumps([record("i1", 2, 4), record("i2", 4, 6)]), 6)
    result = scaled(api, step=5)
    assert (result["refusal"], "incident i2 has scaled it since" in result["reason"]) == ("changed_since", True), result
    noted(api, json.dumps([record("i1", 2, 4)]), 6)
    assert scaled(api, step=5)["refusal"] == "changed_since", "somebody has made six of four by hand"
    noted(api, json.dumps([record("i1", 2, 4)]), 3)
    assert scaled(api)["refusal"] == "changed_since", "somebody has taken one away"
    assert not api.paths("PATCH")
    noted(api, json.dumps([record("i1", 2, 4)]), 4)
    assert scaled(api, step=3, check_mode=True)["targets"][0]["changes"][0]["new"] == 5


def test_fewer_pods_come_where_no_more_fit(api: Api) -> None:
    # 3 pods and a surge of 1 take 20, the worker 2, others 5: 27 of 28; 4 pods would take 32
    answering(api)
    few = scaled(api, connection_budget=budget_for(2, connections=31), check_mode=True)
    assert few["targets"][0]["changes"] == [{"what": "replicas", "old": 2, "new": 3}], few
    assert "not 4 pods, because they would take 32 connections of 28" in few["reason"]
    answering(api, quotas=[quota(3, 2)])
    few = scaled(api, check_mode=True)
    assert few["targets"][0]["changes"] == [{"what": "replicas", "old": 2, "new": 3}], few
    answering(api, quotas=[quota(3, 3, scopes=["Terminating"])])
    assert scaled(api, check_mode=True)["targets"][0]["changes"][0]["new"] == 4, "that quota is for other pods"
    answering(api, quotas=refusal(403, "Forbidden"))
    assert "quotas could not be read" in scaled(api, check_mode=True)["caveats"][0]


def test_a_maximum_above_what_is_needed_counts_for_the_budget(api: Api) -> None:
    """The autoscaler may use all of it at any time."""
    answering(api, hpas=[autoscaler(2, 9)])
    result = scaled(api, connection_budget=budget_for(2, connections=60))
    assert result["refusal"] == "over_budget", result


def test_a_patch_without_an_answer_is_unknown(api: Api) -> None:
    answering(api)
    served = deployment()

    def patched(asked: Any) -> Any:
        return Reply(200, served, delay_s=3) if asked.method == "PATCH" else served

    api.answers[f"{APPS}/deployments/backend"] = patched
    result = scaled(api, request_timeout=1)
    assert (result["failed"], result["status"], result["changed"]) == (True, "unknown", True), result
    assert result["results"][0]["result"] == "unknown"
    body = json.loads(next(asked.body for asked in api.asked if asked.method == "PATCH"))
    assert body["metadata"]["resourceVersion"] == "7"


def test_a_conflict_changes_nothing(api: Api) -> None:
    answering(api)
    served = deployment()
    api.answers[f"{APPS}/deployments/backend"] = lambda asked: (
        refusal(409, "Conflict") if asked.method == "PATCH" else served
    )
    result = scaled(api)
    assert (result["status"], result["refusal"], result["changed"]) == ("refused", "plan_changed", False)


def test_pods_that_do_not_come_are_partial(api: Api) -> None:
    answering(api)
    result = scaled(api)
    assert (result["status"], result["changed"], result["results"][0]["result"]) == ("partial", True, "not_finished")


@pytest.mark.parametrize("option", [{"step": 0}, {"step": 11}, {"max_replicas": 51}, {"wait_s": 0}, {"incident": ""}])
def test_options_that_make_no_sense_fail(api: Api, option: dict[str, Any]) -> None:
    result = scaled(api, **option)
    assert result["failed"]
    assert next(iter(option)) in result["msg"]
    assert not api.asked


def condition(kind: str, status: str, reason: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": "said the controller"}


@pytest.mark.parametrize(
    ("conditions", "desired", "verdict"),
    [
        ([condition("ScalingActive", "True", "ValidMetricFound")], 2, "ok"),
        ([condition("ScalingActive", "True", "ValidMetricFound"),
          condition("ScalingLimited", "True", "TooManyReplicas")], 3, "at_max"),
        ([condition("ScalingActive", "False", "FailedGetResourceMetric")], 3, "inactive"),
        ([condition("AbleToScale", "False", "FailedGetScale")], 2, "unable"),
        ([], 2, "unknown"),
    ],
)  # fmt: skip
def test_conditions_of_an_autoscaler(api: Api, conditions: list[Any], desired: int, verdict: str) -> None:
    status = {"currentReplicas": 2, "desiredReplicas": desired, "conditions": conditions}
    answering(api, hpas=[{**autoscaler(), "status": status}])
    result = run_module(k8s_hpa.SPEC, api.options(name="backend"))
    assert result["verdict"] == verdict
    assert result["autoscaler"]["wants_more"] == (verdict == "at_max")
    assert result["requests"] == 3


def test_what_could_not_be_read_is_not_absent(api: Api) -> None:
    answering(api, hpas=refusal(403, "Forbidden"), quotas=[quota(10, 4)])
    result = run_module(k8s_hpa.SPEC, api.options(name="backend"))
    assert (result["reachable"], result["verdict"], result["autoscaler"]) == (True, "unknown", None)
    assert [part["part"] for part in result["unknown"]] == ["autoscalers"]
    assert result["denied"][0]["resource"] == "horizontalpodautoscalers"
    assert result["pods_left"] == 6
    answering(api)
    assert run_module(k8s_hpa.SPEC, api.options(name="backend"))["verdict"] == "no_autoscaler"
    gone = run_module(k8s_hpa.SPEC, api.options(name="nobody"))
    assert (gone["reachable"], gone["cause"], gone["verdict"]) == (True, "not_found", "unknown")


def test_results_have_the_documented_keys(api: Api) -> None:
    answering(api, hpas=[autoscaler()])
    found = run_module(k8s_hpa.SPEC, api.options(name="backend"))
    returned = yaml.safe_load(k8s_hpa.RETURN)
    assert set(found) - {"changed"} == set(returned)
    assert set(found["autoscaler"]) == set(returned["autoscaler"]["sample"])
    result = scaled(api, check_mode=True)
    returned = yaml.safe_load(k8s_scale.RETURN)
    assert set(result) - {"changed"} == {key for key in returned if returned[key]["returned"] == "success"}
    assert set(result["before"]) == set(returned["before"]["sample"])
