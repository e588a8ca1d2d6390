# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a Service leads: one case for each verdict, and what proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.service_endpoints import (
    VERDICTS,
    Seen,
    alive,
    facts,
)

Json = dict[str, Any]
HTTP = {"name": "http", "containerPort": 3000}


def service(target: Any = "http", **spec: Any) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": target}]
    return {"metadata": {"name": "backend"}, "spec": {"selector": {"app": "backend"}, "ports": ports, **spec}}


def pod(name: str = "a", *ports: Json, sidecar: Json | None = None) -> Json:
    spec: Json = {"containers": [{"name": "backend", "ports": list(ports or (HTTP,))}]}
    if sidecar:
        spec["initContainers"] = [{"restartPolicy": "Always", "ports": [sidecar]}]
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": "Running"}}


def endpoints(**ready: bool | None) -> list[Json]:
    listed = [
        {"targetRef": {"name": name}, "conditions": {} if state is None else {"ready": state}}
        for name, state in ready.items()
    ]
    return [{"endpoints": listed}]


PODS = [pod("a"), pod("b")]
METRICS = {"name": "metrics", "containerPort": 9090}
BARE = pod("a", METRICS)
UNDECLARED: Json = {"spec": {"containers": [{"name": "backend"}]}}
CASES: list[tuple[str, bool, Seen]] = [
    ("ok", True, Seen(service(), PODS, endpoints(a=True, b=False))),
    ("ok", True, Seen(service(3000), PODS, endpoints(a=True))),
    ("ok", True, Seen(service("http"), [pod("a", METRICS, sidecar=HTTP)], endpoints(a=True))),
    ("ok", True, Seen(service(8080), [UNDECLARED], endpoints(a=True))),
    ("ok", True, Seen(service(8080), [BARE, UNDECLARED], endpoints(a=True))),
    ("ok", True, Seen(service("web"), None, endpoints(a=None))),  # pods were not read; not known is ready
    ("ok", True, Seen(service(selector=None), None, [{"endpoints": [{"addresses": ["10.0.0.9"]}]}])),
    ("no_service", True, Seen(missing=True)),
    ("no_endpoints", True, Seen(service(), PODS, [])),
    ("no_endpoints", True, Seen(service(selector=None), None, [])),
    ("selector_matches_nothing", True, Seen(service(), [], [])),
    ("selector_matches_nothing", True, Seen(service(), [], None)),
    ("wrong_target_port", True, Seen(service("web"), PODS, endpoints(a=True))),
    ("wrong_target_port", True, Seen(service("web"), PODS, None)),
    ("wrong_target_port", False, Seen(service(8080), PODS, endpoints(a=True))),  # it may listen there all the same
    ("wrong_target_port", True, Seen(service("http"), [pod("a", {**HTTP, "protocol": "UDP"})], endpoints(a=True))),
    ("not_ready", True, Seen(service(), PODS, endpoints(a=False, b=False))),
    ("not_ready", True, Seen(service(8080), PODS, endpoints(a=False))),  # what is proven comes first
    ("unknown", False, Seen()),
    ("unknown", False, Seen(service(), PODS, None)),
    ("unknown", False, Seen(service(type="ExternalName", externalName="api.example.com", selector=None), None, [])),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "certain", "seen"), CASES)
def test_where_a_service_leads(verdict: str, certain: bool, seen: Seen) -> None:
    found = facts(seen)
    assert (found["verdict"], found["certain"]) == (verdict, certain), found
    assert found["reason"]


def test_every_verdict_has_a_case() -> None:
    assert {verdict for verdict, _, _ in CASES} == set(VERDICTS)


def test_what_is_said_of_it() -> None:
    found = facts(Seen(service("web"), PODS, endpoints(a=True)))
    assert found["reason"] == "it leads to a port that no pod behind it has: port http to web"
    assert found["pods"][0] == {"name": "a", "ready": False, "ports": [{"name": "http", "port": 3000}]}
    assert facts(Seen(service(), [], []))["reason"] == "no pod has its labels (app=backend)"
    named = facts(Seen(service(), PODS, endpoints(a=True)))
    (port,) = named["ports"]
    assert (port["leads_to"], port["resolved"], port["declared"]) == ([3000], True, True)


def test_a_pod_with_two_addresses_is_one_and_one_that_has_ended_is_none() -> None:
    both = endpoints(a=True) + endpoints(a=True, b=False)
    assert facts(Seen(service(), PODS, both))["endpoints"] == {
        "ready": 1,
        "not_ready": 1,
        "names_ready": ["a"],
        "names_not_ready": ["b"],
    }
    ended = [{"status": {"phase": phase}} for phase in ("Succeeded", "Failed", "Pending", "Running")]
    assert [each["status"]["phase"] for each in alive(ended)] == ["Pending", "Running"]
