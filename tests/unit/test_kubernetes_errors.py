# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of an API server become causes, and a missing permission is named as RBAC names it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    NEXT_STEPS,
    Failure,
    KubernetesError,
    answer_failure,
    one_line,
    problem,
    read_request,
    unknown_part,
)

LACKS = "the login lacks list on pods in namespace shop"
NS = "/api/v1/namespaces/shop"
APPS = "/apis/apps/v1/namespaces/shop"


@pytest.mark.parametrize(
    ("method", "path", "verb", "what", "namespace", "name"),
    [
        ("GET", f"{NS}/pods", "list", "pods", "shop", ""),
        ("GET", f"{NS}/pods?labelSelector=a", "list", "pods", "shop", ""),
        ("GET", f"{NS}/pods/p/log", "get", "pods/log", "shop", "p"),
        ("POST", f"{NS}/pods/p/eviction", "create", "pods/eviction", "shop", "p"),
        ("PATCH", f"{APPS}/deployments/backend", "patch", "deployments.apps", "shop", "backend"),
        ("PATCH", f"{APPS}/deployments/backend/scale", "patch", "deployments.apps/scale", "shop", "backend"),
        ("PUT", f"{APPS}/deployments/backend", "update", "deployments.apps", "shop", "backend"),
        ("DELETE", f"{NS}/pods/p", "delete", "pods", "shop", "p"),
        ("DELETE", f"{NS}/pods", "deletecollection", "pods", "shop", ""),
        ("GET", "/api/v1/namespaces/shop", "get", "namespaces", "", "shop"),
        ("GET", "/api/v1/nodes", "list", "nodes", "", ""),
        ("GET", f"{NS}/configmaps/a%2Fb", "get", "configmaps", "shop", "a/b"),
        ("GET", "/version", "get", "", "", ""),
        ("GET", "/apis/apps", "get", "", "", ""),
    ],
)
def test_requests_in_the_terms_of_rbac(method: str, path: str, verb: str, what: str, namespace: str, name: str) -> None:
    request = read_request(method, path)
    assert (request.verb, request.what, request.namespace, request.name) == (verb, what, namespace, name)


def status(code: int, reason: str, message: str = "said the server") -> bytes:
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message}).encode()


@pytest.mark.parametrize(
    ("code", "reason", "cause"),
    [
        (400, "BadRequest", "invalid"),
        (401, "Unauthorized", "auth"),
        (403, "Forbidden", "forbidden"),
        (404, "NotFound", "not_found"),
        (409, "Conflict", "conflict"),
        (410, "Expired", "expired"),
        (418, "Teapot", "invalid"),
        (422, "Invalid", "invalid"),
        (429, "TooManyRequests", "throttled"),
        (500, "InternalError", "server_error"),
        (503, "ServiceUnavailable", "unavailable"),
        (504, "Timeout", "unavailable"),
        (302, "Found", "redirect"),
        (599, "Strange", "server_error"),
    ],
)
def test_causes_by_status(code: int, reason: str, cause: str) -> None:
    failure = answer_failure(code, "application/json", status(code, reason), read_request("GET", f"{NS}/pods"))
    assert (failure.cause, failure.status, failure.reason) == (cause, code, reason)
    assert failure.message == "said the server"
    assert failure.next_step
    assert (failure.denied is not None) == (cause == "forbidden")


@pytest.mark.parametrize(
    ("code", "kind", "body", "cause", "message"),
    [
        (404, "text/plain; charset=utf-8", b"404 page not found\n", "not_found", "404 page not found"),
        (404, "text/html", b"<html>login here</html>", "bad_answer", "the answer is a web page"),
        (502, "text/html", b"<html>", "unavailable", "the answer is a web page"),
        (400, "text/plain", b"Client sent an HTTP request to an HTTPS server.\n", "tls", "Client sent an HTTP"),
        (500, "application/json", b'{"message": "no status object"}', "server_error", "no status object"),
        (500, "", b"", "server_error", "no explanation given"),
        (500, "", b"\xff\x00" * 10**5, "server_error", ""),
        (500, "application/json", b"[" * 10**5, "server_error", ""),
    ],
)
def test_answers_that_are_not_of_an_api_server(code: int, kind: str, body: bytes, cause: str, message: str) -> None:
    failure = answer_failure(code, kind, body, read_request("GET", f"{NS}/pods"))
    assert failure.cause == cause
    assert message in failure.message
    assert len(failure.message) <= 300
    assert failure.message.isprintable()


def test_what_belongs_to_no_namespace_is_granted_by_a_cluster_role() -> None:
    request = read_request("GET", "/apis/metrics.k8s.io/v1beta1/nodes")
    failure = answer_failure(403, "application/json", status(403, "Forbidden"), request, "api-latency-diagnose")
    granted = "bind the ClusterRole of deploy/rbac/api-latency-diagnose.yml to it"
    assert failure.next_step == f"the login lacks list on nodes.metrics.k8s.io; {granted}"


@pytest.mark.parametrize(
    ("role", "advice"),
    [
        (None, f"{LACKS}; bind a Role that grants it"),
        (
            "pool-exhaustion-diagnose",
            f"{LACKS}; bind the Role of deploy/rbac/pool-exhaustion-diagnose.yml to it",
        ),
    ],
)
def test_a_missing_permission_names_what_grants_it(role: str | None, advice: str) -> None:
    request = read_request("GET", f"{NS}/pods")
    failure = answer_failure(403, "application/json", status(403, "Forbidden"), request, role)
    denied = {
        "verb": "list",
        "resource": "pods",
        "subresource": "",
        "api_group": "",
        "namespace": "shop",
        "name": "",
    }
    assert failure.denied == denied
    assert failure.next_step == advice
    error = KubernetesError(f"{request.text} on https://k8s", failure)
    assert error.message == f"Listing pods in namespace shop on https://k8s: HTTP 403, said the server; {advice}"
    assert error.details["denied"] == [denied]
    assert problem(failure)["denied"] == [denied]
    assert unknown_part("pods", failure)["denied"] == denied


def test_every_cause_has_its_next_step() -> None:
    for cause in NEXT_STEPS:
        assert Failure(cause, "x").next_step
    error: dict[str, Any] = KubernetesError("Reading x", Failure("refused", "connection refused")).details
    assert (error["cause"], error["status_code"], error["denied"]) == ("refused", None, [])


def test_long_texts_become_one_short_line() -> None:
    assert one_line("a\n\x1b[31m b" + "x" * 10**6, 20) == "a [31m b" + "x" * 11 + "…"
