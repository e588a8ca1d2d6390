# SPDX-License-Identifier: GPL-3.0-or-later
"""Stripe's published OpenAPI description as a contract: for requests with forms, and for every field of an answer.

It reads forms on its own, by what the description says of each parameter; how the lab's Stripe reads them is under
test. The description is the excerpt ``tests/fixtures/stripe/openapi.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from support.specs import Contract

EXCERPT = Path(__file__).parents[1] / "fixtures" / "stripe" / "openapi.json"

_FORM = "application/x-www-form-urlencoded"
_PREFIX = "#/components/schemas/"

Json = dict[str, Any]
Pairs = Iterable[tuple[str, str]]


class StripeDescription(Contract):
    """The description.

    Args:
        document: OpenAPI 3.0; the excerpt unless another is given.
    """

    def __init__(self, document: Json | None = None) -> None:
        found: Json = document or json.loads(EXCERPT.read_text(encoding="utf-8"))
        super().__init__(_with_null(found))
        self._schemas: Json = self._document["components"]["schemas"]

    def operations(self) -> set[tuple[str, str]]:
        """Return the methods and paths that are described."""
        return {(method.upper(), path) for path, methods in self._document["paths"].items() for method in methods}

    def describes(self, method: str, path: str) -> bool:
        """Return whether there is such an operation; the path has real ids in it."""
        try:
            return bool(self._operation(method, path))
        except AssertionError:
            return False

    def parameters(self, method: str, path: str) -> Json:
        """Return the schemas of an operation's parameters, in its query or its form, by name."""
        operation = self._operation(method, path)
        query = {each["name"]: each["schema"] for each in operation.get("parameters", []) if each["in"] == "query"}
        return {**query, **self._form(operation).get("properties", {})}

    def sent_problems(self, method: str, path: str, query: Pairs, form: Pairs) -> list[str]:
        """Return what a request has that the description does not allow, or lacks that it demands.

        Args:
            method: of HTTP.
            path: with real ids.
            query: names and values in their order, decoded from percents but not from brackets.
            form: the same.
        """
        if not self.describes(method, path):
            return [f"{method} {path} is not described"]
        operation = self._operation(method, path)
        described = [each for each in operation.get("parameters", []) if each["in"] == "query"]
        in_query = {
            "additionalProperties": False,
            "properties": {each["name"]: each["schema"] for each in described},
            "required": [each["name"] for each in described if each.get("required")],
            "type": "object",
        }
        if not in_query["required"]:
            del in_query["required"]  # draft 4 has none that is empty
        return self._text_problems(in_query, query, "query") + self._text_problems(self._form(operation), form, "form")

    def answer_problems(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """Return what an answer has that its description does not allow, objects in events included."""
        kind = "200" if status == 200 else "default"
        described = self.response(method, path, kind)
        return self.problems_of(described, body) + [each for found in _events(body) for each in self._snapshot(found)]

    def unknown_fields(self, method: str, path: str, status: int, body: Any) -> set[str]:
        """Return the fields of an answer that are not described, such as ``charge.colour``."""
        described = self.response(method, path, "200" if status == 200 else "default")
        schema = described["content"]["application/json"]["schema"]
        found = set(self._unknown(schema, body, "answer"))
        for event in _events(body):
            kind = event["data"]["object"]["object"]
            found |= set(self._unknown({"$ref": _PREFIX + kind}, event["data"]["object"], kind))
        return found

    def _snapshot(self, event: Json) -> list[str]:
        """Return what is wrong with the object of an event, which the description calls no more than an object."""
        kind = event["data"]["object"]["object"]
        return self._problems({"$ref": _PREFIX + kind}, event["data"]["object"], f"{event['type']}: {kind}")

    def _form(self, operation: Json) -> Json:
        found: Json = operation.get("requestBody", {}).get("content", {}).get(_FORM, {}).get("schema", {})
        return found

    def _text_problems(self, schema: Json, pairs: Pairs, where: str) -> list[str]:
        read = self._read(schema, _nested(pairs))
        unknown = [f"{where}: {each} is not known" for each in self._unknown(schema, read, where)]
        return self._problems(schema, read, where) + unknown

    def _read(self, schema: Json, value: Any) -> Any:
        """Return what texts stand for where a schema is wanted; a text that stands for nothing of it stays one."""
        schema = self._resolved(schema)
        for choice in schema.get("anyOf", ()):
            read = self._read(choice, value)
            if not self._problems(choice, read, ""):
                return read
        kind = schema.get("type")
        if isinstance(value, dict):
            if kind == "array" and list(value) == [str(number) for number in range(len(value))]:
                return [self._read(schema["items"], each) for each in value.values()]
            own, other = schema.get("properties", {}), schema.get("additionalProperties") or {}
            return {name: self._read(own.get(name, other), each) for name, each in value.items()}
        if kind in ("integer", "number") and re.fullmatch(r"-?\d+(\.\d+)?", value):
            return float(value) if "." in value else int(value)
        return {"true": True, "false": False}.get(value, value) if kind == "boolean" else value

    def _unknown(self, schema: Json, value: Any, name: str) -> Iterator[str]:
        """Yield the fields that schemas do not name; where one names none at all, every one is fine."""
        name = str(schema.get("$ref", name)).removeprefix(_PREFIX)
        schema = self._resolved(schema)
        if "anyOf" in schema:
            fits: Json = next((each for each in schema["anyOf"] if not self._problems(each, value, "")), {})
            yield from self._unknown(fits, value, name)
        elif isinstance(value, list):
            for each in value:
                yield from self._unknown(schema.get("items", {}), each, name)
        elif isinstance(value, dict) and (own := schema.get("properties")):
            for field, each in value.items():
                if field in own:
                    yield from self._unknown(own[field], each, f"{name}.{field}")
                elif not schema.get("additionalProperties"):
                    yield f"{name}.{field}"


def _events(body: Any) -> list[Json]:
    if not isinstance(body, dict):
        return []
    return [each for each in (body, *body.get("data", ())) if isinstance(each, dict) and each.get("object") == "event"]


def _nested(pairs: Pairs) -> Json:
    """Return pairs as a tree, by the brackets in their names; in ``a[]`` the next number stands."""
    tree: Json = {}
    for name, value in pairs:
        first, *others = name.split("[")
        *before, last = [first, *(each.removesuffix("]") for each in others)]
        at = tree
        for step in before:
            at = at.setdefault(step, {})
        at[last or str(len(at))] = value
    return tree


def _with_null(node: Any) -> Any:
    """Return a part with ``nullable`` beside ``anyOf`` said as JSON Schema does; elsewhere the contract does it."""
    if isinstance(node, list):
        return [_with_null(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {name: _with_null(each) for name, each in node.items()}
    if made.get("nullable") is True and "anyOf" in made:
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    return made
