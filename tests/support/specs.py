# SPDX-License-Identifier: GPL-3.0-or-later
"""The API descriptions that vendors publish, as contracts for requests and answers. They are no part of the project."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

Json = dict[str, Any]

_DEEP = 3  # components/schemas/Incident; what a reference names within one is taken with it
VARIABLE = "RUNBOOK_SPECS"
# What the tests compare with, by paths (all where none is named), and its SHA-256: the vendors' branches move. A digest
# changes only with what is used; then read what the vendor has changed, and pin anew.
PINNED: dict[str, tuple[tuple[str, ...], str]] = {
    "pagerduty-rest.json": (
        (
            *("/abilities", "/incidents", "/incidents/{id}", "/incidents/{id}/notes"),
            *("/services", "/services/{id}", "/users", "/users/{id}", "/users/me"),
        ),
        "83ccda97aa34dbbbf96405eae6a58af209d1f2b1bc436be142defb0da09646cd",
    ),
    "pagerduty-events-v2.json": (("/enqueue",), "e79af9ff85e973eadb523b34cff404d069bd90031f043b3780514ee9c4bf0113"),
    "slack-web.json": ((), "db9f18c0b9bba20e3b56b183c522f9bf5f92d4cc2d125d646f7669a831d02752"),
}
_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "specs"


def load(name: str) -> Json:
    """Return what is pinned of a description, such as ``pagerduty-rest.json``.

    Without it the test is skipped, in CI it fails; it also fails where the description is another one than was pinned.
    """
    path = folder() / name
    if not path.is_file():
        what = f"no API description {path}; {VARIABLE} names the folder that has it"
        if os.environ.get("CI"):
            pytest.fail(what)
        pytest.skip(what)
    return pinned(name, json.loads(path.read_text(encoding="utf-8")))


def folder() -> Path:
    """Return where the descriptions are."""
    return Path(os.environ.get(VARIABLE) or _BESIDE)


def pinned(name: str, document: Json) -> Json:
    """Return the part of a document that is pinned; the test fails where it is not what it was."""
    paths, digest = PINNED[name]
    part = excerpt(document, paths) if paths else document
    found = digest_of(part)
    if found != digest:
        pytest.fail(f"{name} is not what was pinned: SHA-256 {found}; read what the vendor has changed, then pin that")
    return part


def excerpt(document: Json, paths: Iterable[str]) -> Json:
    """Return some paths of a document, and all that they refer to; a path that is not there is left out."""
    part: Json = {"paths": {path: document["paths"][path] for path in paths if path in document["paths"]}}
    waiting: list[Any] = [part["paths"]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            waiting += _taken(document, part, node["$ref"].removeprefix("#/").split("/")[:_DEEP])
        waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return part


def _taken(document: Json, part: Json, names: list[str]) -> list[Any]:
    """Take over what a reference names, unless it is there; return what is new."""
    *outer, last = (name.replace("~1", "/").replace("~0", "~") for name in names)
    for name in outer:
        document, part = document[name], part.setdefault(name, {})
    if last in part:
        return []
    part[last] = document[last]
    return [part[last]]


def digest_of(node: Any) -> str:
    """Return the SHA-256 of a part, whatever its white space, the order of its keys and its texts for people."""
    return hashlib.sha256(json.dumps(_without_texts(node), sort_keys=True).encode()).hexdigest()


def _without_texts(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_texts(each) for each in node]
    if not isinstance(node, dict):
        return node
    texts = {name for name in ("description", "summary", "title") if isinstance(node.get(name), str)}
    texts |= {"example", "examples"} - {name for name in node if _is_schema(node[name])}
    return {name: _without_texts(each) for name, each in node.items() if name not in texts}


def _is_schema(node: Any) -> bool:
    return isinstance(node, dict) and bool({"type", "$ref", "allOf", "oneOf", "anyOf"} & set(node))


class Contract:
    """An OpenAPI 3.0 or Swagger 2.0 document.

    Args:
        document: as it was published; :func:`_repair` mends what contradicts its own examples.
    """

    def __init__(self, document: Json) -> None:
        self._document = _repair(document)
        resource = Resource.from_contents(self._document, default_specification=DRAFT4)
        self._registry: Registry[Any] = Registry().with_resource("urn:api", resource)

    def request_problems(self, method: str, path: str, *, headers: Json, query: Json, body: Any) -> list[str]:
        """Return what a request has that its description does not allow, or lacks that it demands."""
        operation = self._operation(method, path)
        parameters = [self._resolved(each) for each in operation.get("parameters", [])]
        given = {name.lower(): value for name, value in headers.items()}
        problems = []
        for each in parameters:
            known = {"header": given, "query": query}.get(each["in"])
            name = each["name"].lower() if each["in"] == "header" else each["name"]
            if known is None:
                continue
            if each.get("required") and name not in known:
                problems.append(f"{each['in']} {each['name']} is missing")
            elif each["in"] == "header" and name in known and "enum" in each.get("schema", {}):
                problems += self._problems({**each["schema"]}, known[name], f"header {each['name']}")
        allowed = {each["name"] for each in parameters if each["in"] == "query"}
        problems += [f"query {name} is not known" for name in query if name not in allowed]
        content = self._resolved(operation.get("requestBody", {})).get("content", {})
        if "application/json" in content:
            problems += self._problems(content["application/json"]["schema"], body, "body")
        return problems

    def answer_problems(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """Return what an answer has that its description does not allow."""
        responses = self._operation(method, path)["responses"]
        found = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if found is None:
            return [f"status {status} is not described"]
        return self.problems_of(self._resolved(found), body)

    def problems_of(self, response: Json, body: Any) -> list[str]:
        """Return how a body differs from a described response."""
        schema = response.get("schema") or response.get("content", {}).get("application/json", {}).get("schema")
        return self._problems(schema, body, "answer") if schema else []

    def response(self, method: str, path: str, key: str) -> Json:
        """Return a described response, such as ``default``."""
        found: Json = self._resolved(self._operation(method, path)["responses"][key])
        return found

    def _operation(self, method: str, path: str) -> Json:
        for template, operations in self._document["paths"].items():
            pattern = re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in operations:
                found: Json = operations[method.lower()]
                return found
        raise AssertionError(f"{method} {path} is not described")

    def _resolved(self, node: Json) -> Json:
        while "$ref" in node:
            node = self._registry.resolver("urn:api").lookup(node["$ref"]).contents
        return node

    def _problems(self, schema: Json, value: Any, where: str) -> list[str]:
        validator = Draft4Validator(_absolute(schema), registry=self._registry)
        found = sorted(validator.iter_errors(value), key=str)
        return [f"{where}{error.json_path[1:]}: {error.message[:200]}" for error in found]


def _absolute(node: Any) -> Any:
    """Return a part of the document with references that hold outside of it."""
    if isinstance(node, list):
        return [_absolute(each) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        return {"$ref": f"urn:api{node['$ref']}" if node["$ref"].startswith("#") else node["$ref"]}
    return {name: _absolute(each) for name, each in node.items()}


def _repair(document: Json) -> Json:
    """Mend what contradicts the document's own examples, and say ``nullable`` as JSON Schema does."""
    schemas = document.get("components", {}).get("schemas", {})
    if "IncidentBody" in schemas:
        schemas["IncidentBody"]["properties"]["details"]["type"] = ["object", "string", "null"]
        schemas["Incident"]["allOf"][1]["properties"]["resolved_at"]["type"] = ["string", "null"]
    return _with_null(document)  # type: ignore[no-any-return]


def _with_null(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_null(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {name: _with_null(each) for name, each in node.items() if name not in ("example", "examples")}
    if node.get("nullable") and isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
        if "enum" in node:
            node["enum"] = [*node["enum"], None]
    return node
