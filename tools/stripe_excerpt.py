# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the excerpt of Stripe's OpenAPI description that the tests hold requests and answers against.

Run as ``python tools/stripe_excerpt.py spec3.json``, with the whole description as JSON; it writes
``tests/fixtures/stripe/openapi.json``. The same description always gives the same bytes.

Kept whole are the parameters of the operations that are used here, and the schemas of what the lab's Stripe shows. Of
any other object only its shape stays: an ``id`` and the kind. What is there for people to read goes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

EXCERPT = Path(__file__).parents[1] / "tests" / "fixtures" / "stripe" / "openapi.json"
OPERATIONS = {
    "/v1/events": ("get",),
    "/v1/events/{id}": ("get",),
    "/v1/payment_intents": ("get", "post"),
    "/v1/payment_intents/{intent}": ("get", "post"),
    "/v1/payment_intents/{intent}/confirm": ("post",),
    "/v1/webhook_endpoints": ("get",),
    "/v1/webhook_endpoints/{webhook_endpoint}": ("get", "post"),
}
# What the lab's Stripe shows, expanded or in an event, with what these consist of for a payment by card
WHOLE = frozenset(
    {
        *("address", "api_errors", "billing_details", "charge", "charge_fraud_details", "charge_outcome", "error"),
        *("event", "networks", "notification_event_data", "notification_event_request"),
        *("payment_flows_amount_details", "payment_flows_amount_details_resource_tip"),
        *("payment_flows_automatic_payment_methods_payment_intent", "payment_intent", "payment_intent_next_action"),
        *("payment_intent_next_action_redirect_to_url", "payment_intent_payment_method_options"),
        *("payment_intent_payment_method_options_card", "payment_method", "payment_method_card"),
        *("payment_method_card_checks", "payment_method_details", "payment_method_details_card"),
        *("radar_radar_options", "three_d_secure_usage", "webhook_endpoint"),
    }
)

_FOR_PEOPLE = frozenset({"description", "example", "examples", "externalDocs", "summary", "title"})
# Keywords whose keys are names that somebody chose; a property may be called description
_NAMED = frozenset({"content", "encoding", "properties", "responses"})
_WIDTH = 120
_SCHEMAS = "#/components/schemas/"

Json = dict[str, Any]


def excerpt(document: Json) -> Json:
    """Return the excerpt of a description.

    Args:
        document: the whole one, OpenAPI 3.0.

    Raises:
        KeyError: it lacks an operation or a schema.
    """
    paths: Json = {path: {} for path in OPERATIONS}
    for path, methods in OPERATIONS.items():
        for method in methods:
            paths[path][method] = _operation(document["paths"][path][method])
    return {
        "components": {"schemas": _schemas(document["components"]["schemas"], paths)},
        "info": {name: document["info"][name] for name in ("title", "version")},
        "openapi": document["openapi"],
        "paths": paths,
    }


def _operation(whole: Json) -> Json:
    kept: Json = _plain(whole)
    for status, response in kept["responses"].items():
        response["description"] = whole["responses"][status]["description"]  # OpenAPI demands it
    return kept


def _schemas(known: Json, paths: Json) -> Json:
    """Return the schemas that something refers to."""
    found: Json = {}
    wanted = _references(paths)
    while wanted:
        name = wanted.pop()
        found[name] = _plain(known[name]) if name in WHOLE else _shape(known[name])
        wanted |= _references(found[name]) - found.keys()
    if unused := WHOLE - found.keys():
        raise KeyError(f"nothing refers to {', '.join(sorted(unused))}")
    return found


def _shape(schema: Json) -> Json:
    """Return what an object has to be that is shown nowhere: one with its id and its kind, where it has them."""
    own = schema.get("properties", {})
    if "id" not in own or "enum" not in own.get("object", {}):
        return {"type": "object"}
    kind = {"enum": own["object"]["enum"], "type": "string"}
    return {"properties": {"id": {"type": "string"}, "object": kind}, "required": ["id", "object"], "type": "object"}


def _plain(node: Any, *, names: bool = False) -> Any:
    """Return a part without what programs have no use for; ``names``: its keys are names and no keywords."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _plain(each, names=not names and key in _NAMED)
        for key, each in node.items()
        if names or not (key in _FOR_PEOPLE or key.startswith("x-"))
    }


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for each in node for name in _references(each)}
    if not isinstance(node, dict):
        return set()
    reference = node.get("$ref")
    own = {reference.removeprefix(_SCHEMAS)} if isinstance(reference, str) else set()
    return own.union(*map(_references, node.values()))


def text(node: Any, indent: str = "") -> str:
    """Return JSON with its keys in order; what fits on a line is on one, so that a difference can be read."""
    line = json.dumps(node, sort_keys=True)
    if len(indent) + len(line) <= _WIDTH or not node or not isinstance(node, dict | list):
        return line
    deeper = f"{indent} "
    parts = [text(each, deeper) for each in node] if isinstance(node, list) else _members(node, deeper)
    first, last = "[]" if isinstance(node, list) else "{}"
    return f"{first}\n{deeper}" + f",\n{deeper}".join(parts) + f"\n{indent}{last}"


def _members(node: Json, indent: str) -> list[str]:
    return [f"{json.dumps(name)}: {text(each, indent)}" for name, each in sorted(node.items())]


def main() -> None:
    """Read the description, and write the excerpt."""
    parser = argparse.ArgumentParser(description="Make the excerpt of Stripe's OpenAPI description for the tests.")
    parser.add_argument("description", type=Path, help="the whole description, as JSON")
    description: Path = parser.parse_args().description
    made = excerpt(json.loads(description.read_text(encoding="utf-8")))
    EXCERPT.write_text(text(made) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
