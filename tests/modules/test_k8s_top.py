# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_top: usage of the workload's own pods, and a metrics API that is not there."""

from __future__ import annotations

from typing import Any

import pytest
from modules.k8s_support import (
    APPS,
    CORE,
    METRICS,
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

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_top import SPEC

__all__ = ["api", "cluster"]


def measured(api: Api, **given: Any) -> dict[str, Any]:
    return run_module(SPEC, api.options(name="backend", **given))


def metrics(name: str, cpu: str = "250m", memory: str = "64Mi") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "timestamp": "2026-11-24T15:00:00Z",
        "window": "15s",
        "containers": [{"name": "backend", "usage": {"cpu": cpu, "memory": memory}}],
    }


def test_usage_of_own_pods(api: Api) -> None:
    serve_backend(api, [pod("a"), pod("b"), pod("stray", owner=None)])
    api.answers[METRICS] = {"items": [metrics("a"), metrics("stray")]}
    result = measured(api)
    assert (result["available"], result["pods_total"], result["totals"]["pods_measured"]) == (True, 2, 1)
    assert [(item["name"], item["cpu_cores"], item["memory_bytes"]) for item in result["pods"]] == [
        ("a", 0.25, 64 * 2**20),
        ("b", None, None),
    ]
    assert {asked.method for asked in api.asked} == {"GET"}


@pytest.mark.parametrize(
    "reply", [Reply(404, b"404 page not found\n"), refusal(404, "NotFound"), refusal(503, "ServiceUnavailable")]
)
def test_a_metrics_api_that_is_not_there(api: Api, reply: Reply) -> None:
    serve_backend(api, [pod("a")])
    api.answers[METRICS] = reply
    result = measured(api)
    assert (result["available"], result["reachable"], result["cause"]) == (False, True, None)
    assert (result["pods_total"], result["totals"], result["unknown"]) == (1, None, [])


def test_a_metrics_api_that_refuses_is_unknown(api: Api) -> None:
    serve_backend(api, [pod("a")])
    api.answers[METRICS] = refusal(403, "Forbidden")
    result = measured(api)
    assert result["available"] is None
    assert [(item["part"], item["denied"]["api_group"]) for item in result["unknown"]] == [
        ("metrics", "metrics.k8s.io")
    ]
    assert result["denied"]


@pytest.mark.parametrize(
    ("path", "reply", "reachable", "cause"),
    [
        (f"{APPS}/deployments/backend", refusal(404, "NotFound"), True, "not_found"),
        (f"{APPS}/deployments/backend", refusal(401, "Unauthorized"), False, "auth"),
    ],
)
def test_a_workload_that_cannot_be_read(api: Api, path: str, reply: Reply, reachable: bool, cause: str) -> None:
    api.answers[path] = reply
    result = measured(api)
    assert (result["reachable"], result["cause"], result["pods_total"]) == (reachable, cause, None)


def test_pods_that_cannot_be_listed(api: Api) -> None:
    serve_backend(api, [])
    api.answers[METRICS] = {"items": []}
    api.answers[f"{CORE}/pods"] = refusal(403, "Forbidden")
    result = measured(api)
    assert (result["pods_total"], result["pods"]) == (None, [])
    assert [item["part"] for item in result["unknown"]] == ["pods"]


NODES, NODE_METRICS = "/api/v1/nodes", "/apis/metrics.k8s.io/v1beta1/nodes"
NODE = {
    "metadata": {"name": "n1"},
    "status": {
        "allocatable": {"cpu": "4", "memory": "1Gi"},
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "MemoryPressure", "status": "True"}],
    },
}


def serve_nodes(api: Api) -> None:
    serve_backend(api, [pod("a")])
    api.answers[METRICS] = {"items": [metrics("a")]}
    api.answers[NODES] = {"items": [NODE]}
    api.answers[NODE_METRICS] = {"items": [{"metadata": {"name": "n1"}, "usage": {"cpu": "1", "memory": "512Mi"}}]}


def test_nodes_only_where_they_are_wanted(api: Api) -> None:
    serve_nodes(api)
    result = measured(api)
    assert (result["nodes"], result["nodes_total"], NODES in api.paths()) == (None, None, False)
    result = measured(api, nodes=True)
    (node,) = result["nodes"]
    assert (node["pressure"], node["pods"], node["cpu_ratio"], node["memory_ratio"]) == (
        ["MemoryPressure"],
        1,
        0.25,
        0.5,
    )
    assert (result["nodes_total"], result["unknown"], result["totals"]["pods_measured"]) == (1, [], 1)


def test_of_many_nodes_those_that_matter_are_returned(api: Api) -> None:
    serve_nodes(api)
    api.answers[NODES] = {"items": [{"metadata": {"name": f"other-{number}"}} for number in range(60)] + [NODE]}
    result = measured(api, nodes=True)
    assert (result["nodes_total"], len(result["nodes"]), result["nodes"][0]["name"]) == (61, 50, "n1")


def test_a_login_that_may_not_see_nodes_can_tell_the_rest(api: Api) -> None:
    serve_nodes(api)
    api.answers[NODES] = api.answers[NODE_METRICS] = refusal(403, "Forbidden")
    result = measured(api, nodes=True, rbac_role="api-latency-diagnose")
    assert (result["nodes"], result["nodes_total"], result["totals"]["pods_measured"]) == (None, None, 1)
    assert [(item["part"], item["cause"]) for item in result["unknown"]] == [
        ("nodes", "forbidden"),
        ("node_metrics", "forbidden"),
    ]
    assert "the ClusterRole of deploy/rbac/api-latency-diagnose.yml" in result["unknown"][0]["hint"]


@pytest.mark.parametrize(("reply", "available"), [(refusal(404, "NotFound"), False), (refusal(403, "Forbidden"), True)])
def test_nodes_whose_usage_is_not_measured(api: Api, reply: Reply, available: bool) -> None:
    serve_nodes(api)
    api.answers[NODE_METRICS] = reply
    if not available:
        api.answers[METRICS] = reply
    result = measured(api, nodes=True)
    assert (result["available"], result["nodes"][0]["pressure"], result["nodes"][0]["cpu_ratio"]) == (
        available,
        ["MemoryPressure"],
        None,
    )


def test_no_cluster(api: Api) -> None:
    result = measured(api, host="https://127.0.0.1:1")
    assert (result["reachable"], result["cause"]) == (False, "refused")


def test_real_usage(cluster: KubernetesCluster) -> None:
    labels = {"app": "backend"}
    container = {
        "name": "backend",
        "image": "lab/shell:1",
        "command": ["sh", "-c", "exec sleep 600"],
        "resources": {"limits": {"memory": "1Gi"}},
    }
    cluster.apply(
        [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "backend"},
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
                },
            }
        ]
    )
    options = cluster.options(name="backend")
    until(lambda: (run_module(SPEC, options)["totals"] or {}).get("memory_bytes"), "a measurement")
    result = run_module(SPEC, options)
    assert 0 < result["totals"]["memory_bytes"] < 2**30
    shares = result["pods"][0]["containers"][0]
    assert shares["memory_limit_bytes"] == 2**30
    assert shares["memory_limit_ratio"] == round(shares["memory_bytes"] / 2**30, 4)
    assert result["nodes"] is None


def test_real_nodes(cluster: KubernetesCluster) -> None:
    """As kubectl sees them, and with what the pods of the namespace use."""
    busy = ["sh", "-c", "exec sleep 600"]
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"one-{number}"},
            "spec": {"containers": [{"name": "one", "image": "lab/shell:1", "command": busy}]},
        }
        for number in range(2)
    ]
    labels = {"app": "backend"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "backend", "image": "lab/shell:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "backend"}, "spec": spec}
    cluster.apply([*pods, workload])
    options = cluster.options(name="backend", nodes=True)

    def carrying() -> dict[str, Any]:
        return next((node for node in run_module(SPEC, options)["nodes"] if node["pods"] == 2), {})

    until(lambda: carrying().get("memory_bytes"), "a node that carries both, measured")
    found = carrying()
    (known,) = cluster.json("get", "nodes")["items"]
    conditions = {each["type"]: each["status"] for each in known["status"]["conditions"]}
    assert (found["name"], found["ready"]) == (known["metadata"]["name"], conditions["Ready"] == "True")
    assert found["pressure"] == [kind for kind, status in conditions.items() if kind != "Ready" and status == "True"]
    assert found["cpu_allocatable_cores"] == float(known["status"]["allocatable"]["cpu"])
    assert 0 < found["memory_ratio"] < 1
