# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules really send keeps to the vendors' published descriptions.

Those are not part of this repository. They are read from the folder ``shared/specs`` beside it, or from the one that
the environment variable RUNBOOK_SPECS names.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from modules.sending_support import INCIDENT, Modules, modules
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Answer
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.slack_errors import web_failure
from support import specs
from support.communications import communications, communications_part

__all__ = ["communications", "communications_part", "modules"]
ROOT = Path(__file__).parents[2]
SLACK, REST, EVENTS = "slack-web.json", "pagerduty-rest.json", "pagerduty-events-v2.json"
# Slack's description is of 2021: it does not know this part of a message yet
SINCE_THEN = {"metadata"}

Json = dict[str, Any]


@cache
def spec(name: str) -> Json:
    """Return a vendor's description as JSON Schema says it."""
    read: Json = as_json_schema(specs.load(name))
    return read


def as_json_schema(node: Any) -> Any:
    """Return a part of an OpenAPI 3.0 document with ``nullable`` as JSON Schema says it."""
    if isinstance(node, list):
        return [as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {name: as_json_schema(item) for name, item in node.items()}
    if plain.get("nullable") is True and "type" in plain:
        return {"anyOf": [{"type": "null"}, {name: item for name, item in plain.items() if name != "nullable"}]}
    return plain


def resolved(document: Json, node: Json) -> Json:
    """Return a part of a document, or what it refers to."""
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def problems(document: Json, path: str, method: str, body: Any) -> dict[str, str]:
    """Return where *body* differs from the description of a request, and how.

    Where a description refuses its own example, it does not count: PagerDuty's says that the details of an incident
    are an object, and shows a text, which is what its API takes.
    """
    pointer = f"#/paths/{path.replace('/', '~1')}/{method}/requestBody/content/application~1json"
    registry: Registry[Any] = Registry().with_resource("urn:spec", Resource(contents=document, specification=DRAFT4))
    validator = jsonschema.Draft4Validator({"$ref": f"urn:spec{pointer}/schema"}, registry=registry)
    examples = resolved(document, {"$ref": pointer}).get("examples", {})
    refused = {
        error.json_path for example in examples.values() for error in validator.iter_errors(example.get("value"))
    }
    return {error.json_path: error.message for error in validator.iter_errors(body) if error.json_path not in refused}


def parameters(document: Json, path: str, method: str) -> list[Json]:
    """Return the parameters of an operation, those of its path included."""
    operation = document["paths"][path]
    listed = [*operation.get("parameters", []), *operation[method].get("parameters", [])]
    return [resolved(document, parameter) for parameter in listed]


def check(document: Json, path: str, request: Json) -> None:
    """Check a request that the lab has recorded: headers, query and body."""
    method = request["method"].lower()
    known = parameters(document, path, method)
    sent = {name.lower() for name in request["headers"]}
    for parameter in known:
        if parameter["in"] == "header" and parameter.get("required"):
            expected = method == "get" and parameter["name"] == "Content-Type"  # a GET has no content
            assert parameter["name"].lower() in sent or expected, parameter["name"]
    queries = {parameter["name"] for parameter in known if parameter["in"] == "query"}
    assert {name for name, _ in query(request)} <= queries
    if method != "get":
        assert problems(document, path, method, request["body"]) == {}
        assert_no_unknown(document, path, method, request["body"])


def query(request: Json) -> list[tuple[str, str]]:
    found = request["query"]
    return list(found.items()) if isinstance(found, dict) else [(name, value) for name, value in found]


def assert_no_unknown(document: Json, path: str, method: str, body: Json) -> None:
    """The descriptions allow members that they do not name; a typing error would be one."""
    content = document["paths"][path][method]["requestBody"]["content"]["application/json"]
    schema = resolved(document, content["schema"])
    for name, value in body.items():
        assert name in schema["properties"], name
        inner = resolved(document, schema["properties"][name])
        if isinstance(value, dict) and inner.get("properties"):
            assert set(value) <= set(inner["properties"]), name


def published() -> Json:
    """PagerDuty's description of events as it lies in the folder, to be changed."""
    found: Json = json.loads((specs.folder() / EVENTS).read_text(encoding="utf-8"))
    return found


def test_what_the_vendor_changes_elsewhere_or_in_texts_does_not_matter() -> None:
    specs.load(EVENTS)  # skips, or fails in CI, where there is none
    document = published()
    document["paths"]["/new"] = {"get": {"responses": {}}}
    document["components"]["schemas"]["New"] = {"type": "string"}
    document["info"]["version"] = "3.0"
    document["paths"]["/enqueue"]["post"]["summary"] = "Reworded"
    document["components"]["schemas"]["Payload"]["properties"]["source"]["description"] = "Reworded"
    part = specs.pinned(EVENTS, json.loads(json.dumps(document, indent=4, sort_keys=True)))
    assert set(part["paths"]) == {"/enqueue"}
    assert set(part["components"]["schemas"]) == {"Payload", "Links", "Images"}


@pytest.mark.parametrize("changed", ["severity", "required", "gone"])
def test_what_the_vendor_changes_of_what_is_used_fails_until_it_is_pinned_anew(changed: str) -> None:
    specs.load(EVENTS)
    document = published()
    payload = document["components"]["schemas"]["Payload"]
    if changed == "severity":
        payload["properties"]["severity"]["enum"].append("debug")
    elif changed == "required":
        payload["required"].append("component")
    else:
        del document["paths"]["/enqueue"]
    with pytest.raises(pytest.fail.Exception, match=r"is not what was pinned: SHA-256 [0-9a-f]{64}; read what"):
        specs.pinned(EVENTS, document)


def test_the_check_finds_what_is_wrong() -> None:
    document = spec(REST)
    good = {"incident": {"type": "incident", "title": "x", "service": {"id": "P1", "type": "service_reference"}}}
    assert problems(document, "/incidents", "post", good) == {}
    for wrong in ({}, {"incident": {**good["incident"], "urgency": "medium"}}, {"incident": {"type": "incident"}}):
        assert problems(document, "/incidents", "post", wrong)
    assert problems(spec(EVENTS), "/enqueue", "post", {"routing_key": "x", "event_action": "explode"})


def test_events(modules: Modules) -> None:
    document = spec(EVENTS)
    links = [{"href": "https://example.com", "text": "Runbook"}]
    more = {"component": "pool", "group": "g", "class": "c", "custom_details": {"used": 97}, "links": links}
    modules.run("event", **more)
    modules.run("event", event="acknowledge")
    modules.run("event", event="resolve")
    requests = modules.communications.requests("pagerduty_events")
    assert [request["path"] for request in requests] == ["/pagerduty/events/v2/enqueue"] * 3
    for request in requests:
        check(document, "/enqueue", request)


def test_incidents(modules: Modules) -> None:
    document = spec(REST)
    modules.run("incident", details="what happened", urgency="low", note="a note")
    modules.run("incident")
    modules.run("incident", state="acknowledged")
    modules.run("incident", state="resolved")
    templates = {"incidents": "/incidents", "notes": "/incidents/{id}/notes"}
    seen = set()
    for request in modules.communications.requests("pagerduty"):
        path = templates.get(request["path"].rpartition("/")[2], "/incidents/{id}")
        check(document, path, request)
        seen.add((request["method"], path))
    assert seen == {
        ("POST", "/incidents"),
        ("GET", "/incidents"),
        ("PUT", "/incidents/{id}"),
        ("GET", "/incidents/{id}/notes"),
        ("POST", "/incidents/{id}/notes"),
    }


def test_messages(modules: Modules) -> None:
    """Its parameters are described as those of a form; in JSON they have the same names."""
    document = spec(SLACK)
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}]
    first = modules.run("slack", incident=INCIDENT, blocks=blocks)
    modules.run("slack", channel=first["channel"], thread_ts=first["ts"])
    modules.run("slack", channel=first["channel"], ts=first["ts"], incident=INCIDENT)
    types = {"string": (str, list, dict), "boolean": (bool,)}  # structures are text in a form
    for request in modules.communications.requests("slack"):
        name = request["path"].rpartition("/")[2]
        known = parameters(document, f"/{name}", "post")
        form = {parameter["name"]: parameter for parameter in known if parameter["in"] == "formData"}
        assert request["body"].keys() <= form.keys() | SINCE_THEN
        assert {each for each, parameter in form.items() if parameter.get("required")} <= request["body"].keys()
        for each, value in request["body"].items():
            assert each in SINCE_THEN or isinstance(value, types[form[each]["type"]]), each
        assert "authorization" in {header.lower() for header in request["headers"]}
    assert len(modules.communications.requests("slack")) == 3


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
def test_every_error_that_slack_describes_has_a_cause(method: str) -> None:
    described = spec(SLACK)["paths"][f"/{method}"]["post"]["responses"]["default"]["schema"]["properties"]["error"]
    causes = {}
    for error in described["enum"]:
        failure = web_failure(Answer(200, {}, json.dumps({"ok": False, "error": error}).encode()))
        assert failure is not None
        causes[error] = failure.cause
    assert causes["invalid_auth"] == causes["not_authed"] == causes["account_inactive"] == "invalid_auth"
    assert causes["channel_not_found"] == "not_found"
    assert causes["rate_limited"] == "throttled"
    assert causes["msg_too_long"] == causes["no_text"] == "invalid"
