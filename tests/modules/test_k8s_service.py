# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_service: where a Service of a cluster leads, and an API server that does not say so."""

from __future__ import annotations

from typing import Any

import pytest
from modules.k8s_support import CORE, Api, KubernetesCluster, Reply, api, cluster, refusal, run_module, until

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_service import SPEC

__all__ = ["api", "cluster"]

SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
SERVICE = {
    "metadata": {"name": "backend", "namespace": "shop", "uid": "s1"},
    "spec": {"selector": {"app": "backend"}, "ports": [{"port": 80, "targetPort": "http"}], "clusterIP": "10.0.0.1"},
}
POD = {
    "metadata": {"name": "a"},
    "spec": {"containers": [{"name": "backend", "ports": [{"name": "http", "containerPort": 3000}]}]},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}

Json = dict[str, Any]


def looked(api: Api, **given: Any) -> Json:
    return run_module(SPEC, api.options(name="backend", **given))


def serve(api: Api) -> None:
    api.answers[f"{CORE}/services/backend"] = SERVICE
    api.answers[f"{CORE}/pods"] = {"items": [POD]}
    ready = {"targetRef": {"name": "a"}, "addresses": ["10.1.0.7"], "conditions": {"ready": True}}
    api.answers[SLICES] = {"items": [{"endpoints": [ready]}]}


def test_only_its_own_is_asked_for(api: Api) -> None:
    serve(api)
    found = looked(api)
    assert (found["verdict"], found["requests"], found["unknown"]) == ("ok", 3, [])
    assert {asked.method for asked in api.asked} == {"GET"}
    labels = {asked.path: asked.query.get("labelSelector") for asked in api.asked}
    assert labels[SLICES] == ["kubernetes.io/service-name=backend"]
    assert labels[f"{CORE}/pods"] == ["app=backend"]


@pytest.mark.parametrize(
    ("reply", "reachable", "cause", "verdict"),
    [
        (refusal(404, "NotFound"), True, "not_found", "no_service"),
        (refusal(403, "Forbidden"), True, "forbidden", "unknown"),
        (refusal(401, "Unauthorized"), False, "auth", "unknown"),
    ],
)
def test_a_service_that_cannot_be_read(api: Api, reply: Reply, reachable: bool, cause: str, verdict: str) -> None:
    serve(api)
    api.answers[f"{CORE}/services/backend"] = reply
    found = looked(api)
    assert (found["reachable"], found["cause"], found["verdict"]) == (reachable, cause, verdict)
    assert (found["service"], found["ports"]) == (None, [])


def test_parts_that_cannot_be_read(api: Api) -> None:
    serve(api)
    api.answers[SLICES] = refusal(403, "Forbidden")
    found = looked(api)
    assert (found["verdict"], found["reachable"], found["endpoints"]) == ("unknown", True, None)
    assert [(each["part"], each["cause"]) for each in found["unknown"]] == [("endpointslices", "forbidden")]
    assert found["denied"][0]["api_group"] == "discovery.k8s.io"
    serve(api)
    api.answers[f"{CORE}/pods"] = refusal(403, "Forbidden")
    assert (looked(api)["verdict"], looked(api)["pods_matching"]) == ("ok", None)


def test_no_cluster(api: Api) -> None:
    found = looked(api, host="https://127.0.0.1:1")
    assert (found["reachable"], found["cause"], found["verdict"]) == (False, "refused", "unknown")


def test_a_real_service(cluster: KubernetesCluster) -> None:
    """Its selector, its port and its pods are put wrong by kubectl, one after the other."""
    labels = {"app": "backend"}
    container = {
        "name": "backend",
        "image": "lab/shell:1",
        "command": ["sh", "-c", "exec sleep 600"],
        "ports": [{"name": "http", "containerPort": 3000}],
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    cluster.apply(
        [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "backend"},
                "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "backend"},
                "spec": {"selector": labels, "ports": ports},
            },
        ]
    )

    def found() -> Json:
        return run_module(SPEC, cluster.options(name="backend"))

    until(lambda: (found()["endpoints"] or {}).get("ready") == 2, "two pods that are ready")
    well = found()
    assert (well["verdict"], well["certain"], well["pods_matching"]) == ("ok", True, 2), well
    assert well["ports"][0]["leads_to"] == [3000]

    def patch(spec: str) -> None:
        cluster.kubectl("patch", "service", "backend", "--type", "merge", "--patch", f'{{"spec": {spec}}}')

    patch('{"ports": [{"name": "http", "port": 80, "targetPort": "web"}]}')
    assert (found()["verdict"], found()["certain"]) == ("wrong_target_port", True)
    patch('{"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}')
    assert (found()["verdict"], found()["certain"]) == ("wrong_target_port", False)
    patch('{"ports": [{"name": "http", "port": 80, "targetPort": "http"}], "selector": {"app": "backend-v2"}}')
    until(lambda: found()["endpoints"]["ready"] == 0, "no address behind it")
    assert found()["verdict"] == "selector_matches_nothing"
    patch('{"selector": {"app": "backend"}}')
    cluster.kubectl("scale", "deployment", "backend", "--replicas", "0")
    until(lambda: found()["verdict"] == "selector_matches_nothing", "no pod")
    cluster.kubectl("delete", "service", "backend")
    assert found()["verdict"] == "no_service"
