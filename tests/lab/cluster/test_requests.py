# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request means, what is accepted and sent, how answers look: without a network."""

from __future__ import annotations

import json
from typing import Any

import pytest

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http import bodies, discovery, openapi, protobuf, requests, responses, tables
from incident_runbooks.lab.cluster.http.columns.column import human
from incident_runbooks.lab.cluster.resources import DEPLOYMENTS, PODS
from incident_runbooks.lab.cluster.writes import options

WATCH = {"watch": "true"}


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/namespaces/shop/pods", {}, ("list", "", "pods", "shop", "", "")),
        ("GET", "/api/v1/namespaces/shop/pods", WATCH, ("watch", "", "pods", "shop", "", "")),
        ("GET", "/api/v1/pods", {"watch": "0"}, ("list", "", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/shop/pods/web/log", {}, ("get", "", "pods", "shop", "web", "log")),
        ("POST", "/api/v1/namespaces/shop/pods/web/exec", {}, ("create", "", "pods", "shop", "web", "exec")),
        ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale", {},
         ("patch", "apps", "deployments", "shop", "web", "scale")),
        ("PUT", "/apis/apps/v1/namespaces/shop/deployments/web", {},
         ("update", "apps", "deployments", "shop", "web", "")),
        ("DELETE", "/api/v1/namespaces/shop/pods/web", {}, ("delete", "", "pods", "shop", "web", "")),
        ("DELETE", "/api/v1/namespaces/shop/pods", {}, ("deletecollection", "", "pods", "shop", "", "")),
        ("GET", "/api/v1/namespaces", {}, ("list", "", "namespaces", "", "", "")),
        ("GET", "/api/v1/namespaces/shop", {}, ("get", "", "namespaces", "shop", "shop", "")),
        ("PUT", "/api/v1/namespaces/shop/status", {}, ("update", "", "namespaces", "shop", "shop", "status")),
        ("GET", "/api/v1/nodes/n1", {}, ("get", "", "nodes", "", "n1", "")),
        ("HEAD", "/api/v1/nodes/n1", {}, ("get", "", "nodes", "", "n1", "")),
        ("GET", "/api/v1/namespaces/shop/pods", WATCH | {"fieldSelector": "metadata.name=web"},
         ("watch", "", "pods", "shop", "web", "")),
        ("GET", "/api/v1/namespaces/shop/pods", {"fieldSelector": "metadata.name!=web"},
         ("list", "", "pods", "shop", "", "")),
    ],
)  # fmt: skip
def test_paths_of_objects(method: str, path: str, query: dict[str, str], expected: tuple[str, ...]) -> None:
    info = requests.parse(method, path, query)
    assert info.is_resource
    assert (info.verb, info.group, info.plural, info.namespace, info.name, info.subresource) == expected


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/openapi/v2"]
)
def test_other_paths_are_no_objects(path: str) -> None:
    info = requests.parse("GET", path, {})
    assert (info.is_resource, info.verb, info.path) == (False, "get", path)


@pytest.mark.parametrize(
    ("header", "media_type", "form"),
    [
        (None, "application/json", ""),
        ("*/*", "application/json", ""),
        ("application/json, */*", "application/json", ""),
        ("application/vnd.kubernetes.protobuf,application/json", "application/json", ""),
        ("application/yaml", "application/yaml", ""),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "application/json", "Table"),
        ("application/json;as=Unheard;v=v1;g=x,application/json", "application/json", ""),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "application/json",
         "PartialObjectMetadataList"),
    ],
)  # fmt: skip
def test_the_first_form_that_can_be_had_is_answered(header: str | None, media_type: str, form: str) -> None:
    accepted = responses.negotiate(header)
    assert (accepted.media_type, accepted.form) == (media_type, form)


@pytest.mark.parametrize("header", ["text/html", "application/vnd.kubernetes.protobuf"])
def test_a_form_that_cannot_be_had_is_refused(header: str) -> None:
    with pytest.raises(ApiError) as caught:
        responses.negotiate(header)
    assert (caught.value.code, caught.value.reason) == (406, "NotAcceptable")


def test_bodies_are_json_or_yaml_and_yaml_knows_no_times() -> None:
    assert bodies.parse(b'{"a": 1}', is_yaml=False) == {"a": 1}
    assert bodies.parse(b"a: 2026-01-01T00:00:00Z\nb: [1]\n", is_yaml=True) == {"a": "2026-01-01T00:00:00Z", "b": [1]}
    assert bodies.parse(b"  ", is_yaml=False) == {}
    for text, is_yaml in ((b"{bad", False), (b"a: [", True)):
        with pytest.raises(ApiError) as caught:
            bodies.parse(text, is_yaml=is_yaml)
        assert caught.value.code == 400


UNSUPPORTED = 'Options.meta.k8s.io "" is invalid: {}: Unsupported value: "x": supported values: {}'


@pytest.mark.parametrize(
    ("verb", "query", "said"),
    [
        ("POST", {"dryRun": "x"}, "Create" + UNSUPPORTED.format("dryRun", '"All"')),
        (
            "PATCH",
            {"fieldValidation": "x"},
            "Patch" + UNSUPPORTED.format("fieldValidation", '"Ignore", "Strict", "Warn"'),
        ),
    ],
)
def test_options_that_do_not_exist_are_refused(verb: str, query: dict[str, str], said: str) -> None:
    name = "/web" if verb == "PATCH" else ""
    info = requests.parse(verb, f"/api/v1/namespaces/shop/pods{name}", query)
    with pytest.raises(ApiError) as caught:
        options.read(info, "")
    assert (caught.value.code, caught.value.message) == (422, said)


def test_the_manager_is_named_or_comes_from_the_user_agent() -> None:
    info = requests.parse("POST", "/api/v1/namespaces/shop/pods", {"dryRun": "All"})
    read = options.read(info, "kubectl/v1.32.0 (linux/amd64)")
    assert (read.manager, read.dry_run, read.validation) == ("kubectl", True, "Warn")
    info = requests.parse("POST", "/api/v1/namespaces/shop/pods", {"fieldManager": "me"})
    assert options.read(info, "kubectl/v1").manager == "me"


def encoded(number: int, value: bytes | str | int) -> bytes:
    """Encode one field of protobuf: short ones only."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    data = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2, len(data)]) + data


def envelope(kind: str, message: bytes, api_version: str = "v1") -> bytes:
    return b"k8s\x00" + encoded(1, encoded(1, api_version) + encoded(2, kind)) + encoded(2, message)


def test_what_kubectl_sends_as_protobuf_is_read() -> None:
    wanted = encoded(1, "shop") + encoded(2, "list") + encoded(5, "pods")
    review = encoded(1, b"") + encoded(2, encoded(1, wanted))
    found = protobuf.decode(envelope("SelfSubjectAccessReview", review, "authorization.k8s.io/v1"))
    attributes = {"namespace": "shop", "verb": "list", "resource": "pods"}
    assert found == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    secret = encoded(1, encoded(1, "s") + encoded(8, b"")) + encoded(2, encoded(1, "k") + encoded(2, b"v"))
    assert protobuf.decode(envelope("Secret", secret + encoded(5, 1)))["data"] == {"k": "dg=="}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"{}", 400, id="no protobuf"),
        pytest.param(envelope("Secret", b"\x0a\x7f"), 400, id="cut off"),
        pytest.param(envelope("Deployment", b""), 415, id="a kind that is not read"),
        pytest.param(envelope("ConfigMap", encoded(1, encoded(13, b"owner"))), 415, id="a field that would be lost"),
    ],
)
def test_protobuf_that_is_not_understood_is_refused(data: bytes, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        protobuf.decode(data)
    assert caught.value.code == code


def table(resource: Any, body: dict[str, Any], include: str = "") -> dict[str, Any]:
    info = requests.parse("GET", "/", {"includeObject": include})
    return tables.convert(responses.Accepted(form="Table", version="v1"), info, resource, body, "9")


def cells(resource: Any, obj: dict[str, Any]) -> dict[str, Any]:
    made = table(resource, obj)
    names = [each["name"] for each in made["columnDefinitions"]]
    return dict(zip(names, made["rows"][0]["cells"], strict=True))


def pod(state: dict[str, Any], restarts: int = 0, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    container = {"name": "web", "ready": "running" in state, "restartCount": restarts, "state": state}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "web", "resourceVersion": "7"} | metadata,
        "spec": {"containers": [{"name": "web"}]},
        "status": {"phase": phase, "containerStatuses": [container]},
    }


@pytest.mark.parametrize(
    ("obj", "ready", "state"),
    [
        (pod({"running": {}}), "1/1", "Running"),
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}, 3), "0/1", "CrashLoopBackOff"),
        (pod({"terminated": {"reason": "OOMKilled", "exitCode": 137}}), "0/1", "OOMKilled"),
        (pod({"terminated": {"exitCode": 2}}), "0/1", "ExitCode:2"),
        (pod({"terminated": {"reason": "Completed"}}, phase="Succeeded"), "0/1", "Completed"),
        (pod({"running": {}}, deletionTimestamp="2026-01-01T00:00:00Z"), "1/1", "Terminating"),
        (pod({}, phase="Pending"), "0/1", "Pending"),
    ],
)
def test_a_pod_in_one_word(obj: dict[str, Any], ready: str, state: str) -> None:
    found = cells(PODS, obj)
    assert (found["Name"], found["Ready"], found["Status"]) == ("web", ready, state)


def test_a_table_carries_as_much_of_the_objects_as_is_wanted() -> None:
    listed = {"kind": "PodList", "metadata": {"resourceVersion": "8"}, "items": [pod({"running": {}})]}
    made = table(PODS, listed)
    assert (made["kind"], made["apiVersion"], made["metadata"]) == (
        "Table", "meta.k8s.io/v1", {"resourceVersion": "8"},
    )  # fmt: skip
    assert made["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert table(PODS, listed, "Object")["rows"][0]["object"]["spec"]
    assert "object" not in table(PODS, listed, "None")["rows"][0]


def test_a_deployment_shows_what_it_has_of_what_it_wants() -> None:
    obj = {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 3}, "status": {"readyReplicas": 2}}
    found = cells(DEPLOYMENTS, obj | {"metadata": {"name": "d", "creationTimestamp": None}})
    assert (found["Ready"], found["Up-to-date"], found["Age"]) == ("2/3", 0, "<unknown>")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (185, "3m5s"), (3600, "60m"), (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"), (9 * 3600, "9h"), (49 * 3600, "2d1h"), (8 * 86400, "8d"), (800 * 86400, "2y70d"),
    ],
)  # fmt: skip
def test_durations_as_kubectl_shows_them(seconds: int, shown: str) -> None:
    assert human(seconds) == shown


def test_discovery_says_the_same_in_both_forms() -> None:
    plain = discovery.resource_list("apps", "v1") or {}
    names = {each["name"] for each in plain["resources"]}
    assert {"deployments", "deployments/scale", "deployments/status", "controllerrevisions"} <= names
    groups = {each["metadata"].get("name"): each for each in discovery.aggregated(core=False)["items"]}
    resources = groups["apps"]["versions"][0]["resources"]
    aggregated = {each["resource"] for each in resources} | {
        f"{each['resource']}/{sub['subresource']}" for each in resources for sub in each.get("subresources") or ()
    }
    assert aggregated == names
    assert discovery.resource_list("apps", "v9") is None


def test_the_description_of_the_api_is_closed_and_has_no_null_types() -> None:
    document = json.loads(openapi.v2())
    text = json.dumps(document)
    for name in document["definitions"]:
        assert name
    refs = {part.split('"')[0] for part in text.split('"$ref": "#/definitions/')[1:]}
    assert refs <= set(document["definitions"])
    assert '"null"' not in text
    parameters = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]["parameters"]
    assert "dryRun" in {each["name"] for each in parameters}
    third = json.loads(openapi.v3("apps/v1") or b"{}")
    assert "io.k8s.api.core.v1.PodSpec" in third["components"]["schemas"]
