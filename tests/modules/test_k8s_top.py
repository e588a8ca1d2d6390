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
