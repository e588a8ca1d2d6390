# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_logs: every log is read or reported, lines are counted where they belong, and no secret is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modules.k8s_support import (
    APPS,
    CORE,
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

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_logs import SPEC

__all__ = ["api", "cluster"]
PATTERNS = {"slots": ["too many clients", "53300"], "refused": ["ECONNREFUSED"]}
SLOTS = b'2026-11-24T15:39:00.000000001Z {"level":"error","msg":"boom","err":{"code":"53300"}}\n'
FINE = b'2026-11-24T15:39:01.000000001Z {"level":"info","msg":"fine"}\n'
NO_PREVIOUS = refusal(400, "BadRequest", 'previous terminated container "backend" in pod "a" not found')


def log_of(name: str) -> str:
    return f"{CORE}/pods/{name}/log"


def scanned(api: Api, **given: Any) -> dict[str, Any]:
    return run_module(SPEC, api.options(**{"name": "backend", "patterns": PATTERNS, **given}))


def by_life(current: Any, previous: Any) -> Any:
    return lambda asked: previous if "previous" in asked.query else current


def test_lines_are_counted_by_class_and_pod(api: Api) -> None:
    serve_backend(api, [pod("a"), pod("b"), pod("stray", owner=None)])
    api.answers[log_of("a")] = Reply(200, SLOTS * 3 + FINE)
    api.answers[log_of("b")] = Reply(200, FINE + SLOTS + b"no line end ECONNREFUSED")
    result = scanned(api)
    assert (result["pods_total"], result["pods_read"], result["containers_read"]) == (2, 2, 2)
    assert result["lines"] == 7
    assert result["bytes"] == len(SLOTS * 4 + FINE * 2 + b"no line end ECONNREFUSED")
    slots = result["classes"]["slots"]
    assert (slots["count"], slots["pods"]) == (4, {"a": 3, "b": 1})
    assert slots["first_at"] == "2026-11-24T15:39:00.000000Z"
    assert slots["samples"][0] == {
        "pod": "a",
        "container": "backend",
        "previous": False,
        "at": "2026-11-24T15:39:00.000000Z",
        "text": "error boom 53300",
    }
    assert result["classes"]["refused"]["count"] == 1
    assert log_of("stray") not in api.paths()


def test_the_window_and_the_limits_are_asked_for(api: Api) -> None:
    serve_backend(api, [pod("a")])
    api.answers[log_of("a")] = Reply(200, FINE)
    scanned(api, since_s=60, tail_lines=5, limit_bytes=1000)
    asked = next(asked for asked in api.asked if asked.path == log_of("a"))
    assert {name: values[0] for name, values in asked.query.items()} == {
        "container": "backend",
        "sinceSeconds": "60",
        "tailLines": "5",
        "limitBytes": "1000",
        "timestamps": "true",
    }


def test_the_error_of_a_crash_loop_is_in_the_previous_log(api: Api) -> None:
    serve_backend(api, [pod("a"), pod("b", restarts=4), pod("c")])
    for name in ("a", "c"):
        api.answers[log_of(name)] = Reply(200, FINE)
    api.answers[log_of("b")] = by_life(Reply(200, FINE), Reply(200, SLOTS))
    result = scanned(api)
    slots = result["classes"]["slots"]
    assert (slots["count"], slots["pods"], slots["previous"]) == (1, {"b": 1}, 1)
    assert slots["samples"][0]["previous"] is True
    assert (result["containers_read"], result["previous_read"]) == (3, 1)
    assert result["restarted"] == [{"pod": "b", "container": "backend", "restarts": 4}]
    assert sum("previous" in asked.query for asked in api.asked) == 1
    assert scanned(api, previous=False)["classes"]["slots"]["count"] == 0


@pytest.mark.parametrize(
    "reply",
    [
        NO_PREVIOUS,
        refusal(400, "BadRequest", 'container "backend" in pod "a" is waiting to start: ContainerCreating'),
    ],
)
def test_a_log_that_does_not_exist_is_none_and_no_error(api: Api, reply: Reply) -> None:
    serve_backend(api, [pod("a", restarts=1)])
    api.answers[log_of("a")] = by_life(Reply(200, FINE), reply)
    result = scanned(api)
    assert (result["pods_unread"], result["pods_read"], result["previous_read"]) == ([], 1, 0)


def test_what_was_not_read_is_reported(api: Api) -> None:
    serve_backend(api, [pod("gone"), pod("half"), pod("whole"), pod("broken")])
    api.answers[log_of("whole")] = Reply(200, SLOTS)
    api.answers[log_of("half")] = Reply(200, SLOTS, length=10**6)
    api.answers[log_of("broken")] = refusal(500, "InternalError", "kubelet says password=hunter22")
    result = scanned(api)
    assert {item["pod"]: item["cause"] for item in result["pods_unread"]} == {
        "gone": "not_found",
        "half": "connection_lost",
        "broken": "server_error",
    }
    assert "vanished" in next(item["message"] for item in result["pods_unread"] if item["pod"] == "gone")
    assert (result["pods_total"], result["pods_read"]) == (4, 1)
    assert result["classes"]["slots"]["pods"] == {"half": 1, "whole": 1}  # what came before it broke off counts
    assert "hunter22" not in json.dumps(result)


def test_a_missing_permission_on_logs_is_named_once(api: Api) -> None:
    serve_backend(api, [pod("a"), pod("b")])
    for name in ("a", "b"):
        api.answers[log_of(name)] = refusal(403, "Forbidden")
    result = scanned(api, rbac_role="pool-exhaustion-diagnose")
    assert (result["reachable"], result["cause"]) == (True, "forbidden")
    assert [(item["verb"], item["resource"], item["subresource"]) for item in result["denied"]] == [
        ("get", "pods", "log")
    ]
    assert "pool-exhaustion-diagnose" in result["hint"]
    assert result["pods_read"] == 0


def test_a_log_that_reaches_the_limit_is_reported_as_truncated(api: Api) -> None:
    serve_backend(api, [pod("a"), pod("b")])
    api.answers[log_of("a")] = lambda asked: Reply(200, (SLOTS * 100)[: int(asked.query["limitBytes"][0])])
    api.answers[log_of("b")] = Reply(200, SLOTS)
    result = scanned(api, limit_bytes=1000)
    assert result["truncated"] == [{"pod": "a", "container": "backend", "previous": False}]


def test_pods_of_a_node_that_does_not_answer_cost_one_limit(api: Api) -> None:
    dead = [pod(f"dead{number}", node="n2") for number in range(20)]
    alive = [pod(f"alive{number}") for number in range(20)]
    serve_backend(api, [*dead, *alive])
    for item in alive:
        api.answers[log_of(item["metadata"]["name"])] = Reply(200, SLOTS)
    for item in dead:
        api.answers[log_of(item["metadata"]["name"])] = Reply(delay_s=60)
    result = scanned(api, request_timeout=1, max_parallel=4)
    assert len([path for path in api.paths() if "/dead" in path]) <= 4  # as many as were read at once
    assert (result["pods_total"], result["pods_read"]) == (40, 20)
    assert {item["cause"] for item in result["pods_unread"]} == {"timeout"}
    assert result["classes"]["slots"]["count"] == 20


def test_when_nothing_comes_from_anywhere_the_rest_is_not_tried(api: Api) -> None:
    pods = [pod(f"p{number}", node=f"n{number % 10}") for number in range(40)]
    serve_backend(api, pods)
    for item in pods:
        api.answers[log_of(item["metadata"]["name"])] = Reply(delay_s=60)
    result = scanned(api, request_timeout=1, max_parallel=4)
    assert len([path for path in api.paths() if path.endswith("/log")]) == 4
    assert (result["pods_read"], len(result["pods_unread"])) == (0, 40)
    assert {item["cause"] for item in result["pods_unread"]} == {"timeout"}


def test_samples_are_bounded_and_masked(api: Api) -> None:
    serve_backend(api, [pod("a")])
    secret = "sk_live_c4n4ryc4n4ry"
    line = f"ECONNREFUSED postgres://app:{secret}@db password={secret} {secret} " + "x" * 1000
    api.answers[log_of("a")] = Reply(200, line.encode() + b"\n" + SLOTS)
    result = scanned(api)
    text = result["classes"]["refused"]["samples"][0]["text"]
    assert "ECONNREFUSED postgres://app:[masked]@db password=[masked] [masked] x" in text
    assert len(text) == 300
    assert secret not in json.dumps(result)


def test_the_number_of_samples_is_bounded(api: Api) -> None:
    serve_backend(api, [pod(f"p{number}") for number in range(4)])
    for number in range(4):
        api.answers[log_of(f"p{number}")] = Reply(200, SLOTS * 50)
    samples = scanned(api, max_samples=5)["classes"]["slots"]["samples"]
    assert [item["pod"] for item in samples] == ["p0", "p1", "p2", "p3", "p0"]


def test_a_selector_instead_of_a_workload(api: Api) -> None:
    api.answers[f"{CORE}/pods"] = {"items": [pod("x", owner=None)]}
    api.answers[log_of("x")] = Reply(200, SLOTS)
    result = scanned(api, name=None, selector="app in (a,b)")
    assert result["classes"]["slots"]["pods"] == {"x": 1}
    assert api.asked[0].query["labelSelector"] == ["app in (a,b)"]


@pytest.mark.parametrize(
    ("path", "reply", "reachable", "cause"),
    [
        (f"{APPS}/deployments/backend", refusal(404, "NotFound"), True, "not_found"),
        (f"{CORE}/pods", refusal(403, "Forbidden"), True, "forbidden"),
        (f"{CORE}/pods", refusal(503, "ServiceUnavailable"), False, "unavailable"),
    ],
)
def test_without_pods_the_cause_is_the_result(api: Api, path: str, reply: Reply, reachable: bool, cause: str) -> None:
    serve_backend(api, [])
    api.answers[path] = reply
    result = scanned(api)
    assert (result["reachable"], result["cause"], result["pods_total"]) == (reachable, cause, None)
    assert result["classes"]["slots"]["count"] == 0
    assert "failed" not in result


def test_no_pods_at_all(api: Api) -> None:
    serve_backend(api, [])
    result = scanned(api)
    assert (result["reachable"], result["pods_total"], result["lines"]) == (True, 0, 0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"patterns": {"slots": ["("]}}, "class slots: '(' is no regular expression"),
        ({"since_s": 0}, "since_s must be 1 or more"),
        ({"limit_bytes": 0}, "limit_bytes must be"),
        ({"max_parallel": 0}, "max_parallel must be 1"),
        ({"max_parallel": 100}, "max_parallel must be 32 or less"),
        ({"name": None}, "neither name nor selector"),
    ],
)
def test_options_that_make_no_sense_fail(api: Api, given: dict[str, Any], says: str) -> None:
    result = scanned(api, **given)
    assert result["failed"] is True
    assert says in result["msg"]
    assert TOKEN not in result["msg"]
    assert api.asked == []


def test_only_reads_are_sent_also_in_check_mode(api: Api) -> None:
    serve_backend(api, [pod("a")])
    api.answers[log_of("a")] = Reply(200, SLOTS)
    checked = run_module(SPEC, api.options(name="backend", patterns=PATTERNS), check_mode=True)
    assert checked == scanned(api)
    assert {asked.method for asked in api.asked} == {"GET"}


def real_deployment(command: str, replicas: int = 2) -> dict[str, Any]:
    labels = {"app": "backend"}
    container = {"name": "backend", "image": "lab/shell:1", "command": ["sh", "-c", command]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "backend"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def test_real_logs_are_what_kubectl_shows(cluster: KubernetesCluster) -> None:
    cluster.apply([real_deployment("for i in 1 2 3; do echo too many clients; echo fine; done; exec sleep 600")])
    options = cluster.options(name="backend", patterns=PATTERNS)
    until(lambda: run_module(SPEC, options)["lines"] == 12, "all lines")
    result = run_module(SPEC, options)
    shown = {
        item["metadata"]["name"]: cluster.kubectl("logs", item["metadata"]["name"]).count("too many clients")
        for item in cluster.json("get", "pods", "-l", "app=backend")["items"]
    }
    assert result["classes"]["slots"]["pods"] == shown
    assert list(shown.values()) == [3, 3]
    assert result["pods_unread"] == []


def test_a_real_crash_loop_tells_its_error(cluster: KubernetesCluster) -> None:
    once = 'if [ -e "$HOME/again" ]; then exec sleep 600; fi; touch "$HOME/again"; echo ECONNREFUSED; exit 1'
    cluster.apply([real_deployment(once, replicas=1)])
    options = cluster.options(name="backend", patterns=PATTERNS)
    until(lambda: run_module(SPEC, options)["previous_read"] == 1, "a previous log")
    result = run_module(SPEC, options)
    assert (result["classes"]["refused"]["count"], result["classes"]["refused"]["previous"]) == (1, 1)
    assert [item["restarts"] for item in result["restarted"]] == [1]
