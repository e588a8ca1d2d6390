# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_workload: what it says of a workload, of a sick cluster, and of what it may not read."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from modules.k8s_support import (
    APPS,
    CORE,
    HPAS,
    TOKEN,
    Api,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    pod,
    refusal,
    run_module,
    serve_backend,
    until,
)

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_workload import SPEC

__all__ = ["api", "cluster"]


def examined(api: Api, **given: Any) -> dict[str, Any]:
    return run_module(SPEC, api.options(name="backend", **given))


def autoscaler(most: int) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "backend"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "backend"},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": most},
    }


def test_own_pods_and_strays(api: Api) -> None:
    serve_backend(api, [pod("mine"), pod("stray", owner=None), pod("others", owner="r9")])
    result = examined(api)
    assert result["reachable"] is True
    assert (result["pods_total"], result["pods_ready"]) == (1, 1)
    assert [item["name"] for item in result["pods"]] == ["mine"]
    assert [(item["name"], item["owner"]) for item in result["stray_pods"]] == [
        ("stray", None),
        ("others", "ReplicaSet/backend-6f9c"),
    ]
    assert result["unknown"] == []
    assert result["requests"] == len(api.asked) == 4
    lists = [asked for asked in api.asked if asked.path.endswith(("pods", "replicasets"))]
    assert {asked.query["labelSelector"][0] for asked in lists} == {"app=backend"}


def test_the_budget_counts_the_autoscalers_maximum_and_the_surge_at_it(api: Api) -> None:
    serve_backend(api, [pod("a")])
    api.answers[HPAS] = {"items": [autoscaler(10)]}
    result = examined(api)
    assert (result["hpa"]["min"], result["hpa"]["max"]) == (2, 10)
    assert result["workload"]["surge_pods"] == 1
    assert result["budget"] == {"replicas": 2, "surge": 3, "max_replicas": 10, "pods_at_most": 13}


def test_an_unreadable_autoscaler_leaves_the_budget_unknown(api: Api) -> None:
    serve_backend(api, [pod("a")])
    api.answers[HPAS] = refusal(403, "Forbidden")
    result = examined(api, rbac_role="pool-exhaustion-diagnose")
    assert (result["hpa"], result["budget"]) == (None, None)
    assert result["pods_total"] == 1
    assert [(item["part"], item["cause"]) for item in result["unknown"]] == [("hpa", "forbidden")]
    assert "deploy/rbac/pool-exhaustion-diagnose.yml" in result["unknown"][0]["hint"]
    assert [(item["verb"], item["resource"], item["api_group"]) for item in result["denied"]] == [
        ("list", "horizontalpodautoscalers", "autoscaling")
    ]


def test_without_replica_sets_the_names_tell_whose_the_pods_are(api: Api) -> None:
    serve_backend(api, [pod("mine"), pod("stray", owner=None)])
    api.answers[f"{APPS}/replicasets"] = refusal(403, "Forbidden")
    result = examined(api)
    assert [item["name"] for item in result["pods"]] == ["mine"]
    assert [item["part"] for item in result["unknown"]] == ["replicasets"]
    assert result["workload"]["revision_created_at"] is None


def test_unreadable_pods_are_unknown_and_not_none(api: Api) -> None:
    serve_backend(api, [])
    api.answers[f"{CORE}/pods"] = refusal(403, "Forbidden")
    result = examined(api)
    assert (result["pods_total"], result["pods_ready"], result["pods"]) == (None, None, [])
    assert result["workload"]["name"] == "backend"
    assert [item["part"] for item in result["unknown"]] == ["pods"]


def test_settings_and_their_sources(api: Api) -> None:
    container = {
        "name": "backend",
        "image": "backend:1",
        "envFrom": [{"configMapRef": {"name": "settings"}}, {"configMapRef": {"name": "hidden"}}],
        "env": [
            {"name": "A_POOL", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "k"}}},
            {"name": "B_POOL", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
    }
    serve_backend(api, [], template={"spec": {"containers": [container]}})
    api.answers[f"{CORE}/configmaps/settings"] = {"data": {"C_POOL": "30", "OTHER": "x"}}
    api.answers[f"{CORE}/configmaps/hidden"] = refusal(403, "Forbidden")
    result = examined(api)
    assert [(item["name"], item["value"], item["found"], item["effective"]) for item in result["env"]] == [
        ("C_POOL", "30", True, None),
        ("A_POOL", None, False, True),
        ("B_POOL", None, None, True),
    ]
    assert [item["part"] for item in result["unknown"]] == ["configmap hidden"]
    assert not [path for path in api.paths() if "secrets" in path]


@pytest.mark.parametrize(
    ("reply", "reachable", "cause"),
    [
        (refusal(404, "NotFound"), True, "not_found"),
        (refusal(403, "Forbidden"), True, "forbidden"),
        (refusal(401, "Unauthorized"), False, "auth"),
        (refusal(503, "ServiceUnavailable"), False, "unavailable"),
        (Reply(200, b"<html>"), False, "bad_answer"),
    ],
)
def test_a_workload_that_cannot_be_read_is_a_result(api: Api, reply: Reply, reachable: bool, cause: str) -> None:
    serve_backend(api, [])
    api.answers[f"{APPS}/deployments/backend"] = reply
    result = examined(api)
    assert "failed" not in result
    assert (result["reachable"], result["cause"], result["workload"]) == (reachable, cause, None)
    assert result["hint"]
    assert bool(result["denied"]) == (cause == "forbidden")


@pytest.mark.parametrize(
    ("given", "cause"),
    [({"host": "https://127.0.0.1:1"}, "refused"), ({"kubeconfig": "/nonexistent"}, "no_credentials")],
)
def test_no_cluster_is_a_result_too(api: Api, given: dict[str, Any], cause: str) -> None:
    result = examined(api, **given)
    assert (result["reachable"], result["cause"]) == (False, cause)
    assert TOKEN not in json.dumps(result)


def test_a_silent_server_costs_one_limit(api: Api) -> None:
    for path in (f"{APPS}/deployments/backend", HPAS):
        api.answers[path] = Reply(delay_s=30)
    started = time.monotonic()
    result = examined(api, request_timeout=1)
    assert (result["reachable"], result["cause"]) == (False, "timeout")
    assert time.monotonic() - started < 15


def test_a_silent_part_does_not_hide_the_others(api: Api) -> None:
    serve_backend(api, [pod("a")])
    api.answers[HPAS] = Reply(delay_s=30)
    result = examined(api, request_timeout=1)
    assert result["pods_total"] == 1
    assert [(item["part"], item["cause"]) for item in result["unknown"]] == [("hpa", "timeout")]


@pytest.mark.parametrize("given", [{"namespace": "a/b"}, {"name": "../x"}, {"request_timeout": 0}])
def test_options_that_make_no_sense_fail(api: Api, given: dict[str, Any]) -> None:
    result = run_module(SPEC, {**api.options(name="backend"), **given})
    assert result["failed"] is True
    assert api.asked == []


def test_check_mode_makes_no_difference_and_nothing_is_written(api: Api) -> None:
    serve_backend(api, [pod("a")])
    first = examined(api)
    second = run_module(SPEC, api.options(name="backend"), check_mode=True)
    assert first == second
    assert {asked.method for asked in api.asked} == {"GET"}
    assert first["changed"] is False


def real_deployment(command: str, **container: Any) -> dict[str, Any]:
    labels = {"app": "backend"}
    first = {"name": "backend", "image": "lab/shell:1", "command": ["sh", "-c", command], **container}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "backend", "annotations": {"meta.helm.sh/release-name": "shop"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [first]}},
        },
    }


def test_a_real_deployment(cluster: KubernetesCluster) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"POOL_MAX": "30"}}
    source = {"configMapKeyRef": {"name": "settings", "key": "POOL_MAX"}}
    env = [{"name": "TYPEORM_POOL_SIZE", "value": "20"}, {"name": "TYPEORM_POOL_MAX", "valueFrom": source}]
    hpa = {**autoscaler(6), "metadata": {"name": "backend"}}
    cluster.apply([settings, real_deployment("exec sleep 600", env=env), hpa])
    options = cluster.options(name="backend")
    until(lambda: run_module(SPEC, options)["pods_ready"] == 2, "two ready pods")
    before = cluster.json("get", "deployment", "backend")["metadata"]
    result = run_module(SPEC, options)
    after = cluster.json("get", "deployment", "backend")["metadata"]
    assert result["workload"]["uid"] == after["uid"]
    assert result["workload"]["resource_version"] in {before["resourceVersion"], after["resourceVersion"]}
    assert result["workload"]["managed_by"]["tool"] == "Helm"
    names = {item["metadata"]["name"] for item in cluster.json("get", "pods", "-l", "app=backend")["items"]}
    assert {item["name"] for item in result["pods"]} == names
    assert [(item["name"], item["value"]) for item in result["env"]] == [
        ("TYPEORM_POOL_SIZE", "20"),
        ("TYPEORM_POOL_MAX", "30"),
    ]
    assert result["budget"] == {"replicas": 2, "surge": 2, "max_replicas": 6, "pods_at_most": 8}
    assert result["unknown"] == []


def test_pods_that_are_replaced_without_a_rollout_make_no_newer_revision(cluster: KubernetesCluster) -> None:
    cluster.apply([real_deployment("exec sleep 600")])
    options = cluster.options(name="backend")
    until(lambda: run_module(SPEC, options)["pods_ready"] == 2, "two ready pods")
    (first,) = cluster.json("get", "replicasets", "-l", "app=backend")["items"]
    created = first["metadata"]["creationTimestamp"]
    found = run_module(SPEC, options)
    assert (found["workload"]["revision"], found["workload"]["revision_created_at"]) == ("1", created)
    time.sleep(1.1)  # times have whole seconds
    for each in found["pods"]:
        cluster.kubectl("delete", "pod", each["name"], "--grace-period=0", "--force")
    known = {each["name"] for each in found["pods"]}

    def replaced() -> bool:
        now = run_module(SPEC, options)
        return bool(now["pods_ready"] == 2 and known.isdisjoint(each["name"] for each in now["pods"]))

    until(replaced, "two other pods")
    after = run_module(SPEC, options)
    assert min(each["started_at"] for each in after["pods"]) > created
    assert after["workload"]["revision_created_at"] == created
    cluster.kubectl("set", "env", "deployment/backend", "A=1")
    until(lambda: run_module(SPEC, options)["workload"]["revision"] == "2", "another revision")
    until(lambda: run_module(SPEC, options)["workload"]["revision_created_at"] != created, "its ReplicaSet")
    assert (after["workload"]["revision_change"], change(options)) == (None, "rollout")
    cluster.kubectl("rollout", "restart", "deployment/backend")
    until(lambda: change(options) == "restart", "a restart that brings no version")
    cluster.kubectl("rollout", "undo", "deployment/backend")
    until(lambda: change(options) == "undo", "an earlier revision that is used again")


def change(options: dict[str, Any]) -> str | None:
    """What made the present revision."""
    found: str | None = run_module(SPEC, options)["workload"]["revision_change"]
    return found


def test_a_real_crash_loop(cluster: KubernetesCluster) -> None:
    cluster.apply([real_deployment("exit 3")])
    options = cluster.options(name="backend")
    until(lambda: any(item["restarts"] for item in run_module(SPEC, options)["pods"]), "a restart")
    crashed = next(item for item in run_module(SPEC, options)["pods"] if item["restarts"])
    assert crashed["containers"][0]["last_termination"]["exit_code"] == 3
