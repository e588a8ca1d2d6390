# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schemas of the types: which fields there are, and how their lists and maps are merged.

They are the ``kubernetes-validate`` package's, which are made from the OpenAPI document of the real server. They are
read when they are first needed.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from typing import Any

Json = dict[str, Any]

RELEASE = "v1.32.0"
_FILE = f"kubernetes-json-schema/{RELEASE}-local/_definitions.json"
_REF = "#/$defs/"


@functools.cache
def definitions() -> dict[str, Json]:
    """Return every definition by its full name, such as ``io.k8s.api.core.v1.Pod``."""
    text = importlib.resources.files("kubernetes_validate").joinpath(_FILE).read_bytes()
    found: dict[str, Json] = json.loads(text)["$defs"]
    return found


@functools.cache
def _names() -> dict[tuple[str, str], str]:
    names = {}
    for name, schema in definitions().items():
        kinds = schema.get("x-kubernetes-group-version-kind") or ()
        for each in kinds if len(kinds) == 1 else ():
            group = f"{each['group']}/" if each["group"] else ""
            names[f"{group}{each['version']}", each["kind"]] = name
    return names


def name_of(api_version: str, kind: str) -> str | None:
    """Return the full name of a type's definition."""
    return _names().get((api_version, kind))


def of_kind(api_version: str, kind: str) -> Json | None:
    """Return the schema of a type."""
    name = name_of(api_version, kind)
    return None if name is None else definitions()[name]


def ref_name(schema: Json) -> str | None:
    """Return the full name of the definition that a schema refers to."""
    return schema["$ref"].removeprefix(_REF) if "$ref" in schema else None


def resolve(schema: Json | None) -> Json:
    """Return what a schema refers to, with the extensions that stand beside the reference."""
    if schema is None:
        return {}
    name = ref_name(schema)
    if name is None:
        return schema
    extra = {key: value for key, value in schema.items() if key.startswith("x-")}
    return definitions()[name] | extra if extra else definitions()[name]


def child(schema: Json, name: str) -> Json | None:
    """Return the schema of a field or of a map's values, with its reference; ``None`` where there is no such field."""
    found: Json | None = (schema.get("properties") or {}).get(name)
    if found is not None:
        return found
    values = schema.get("additionalProperties")
    return values if isinstance(values, dict) else None


def is_free_form(schema: Json) -> bool:
    """Whether anything may stand there: the schema says nothing about it."""
    return not any(key in schema for key in ("properties", "additionalProperties", "items", "oneOf"))


def merge_key(schema: Json) -> str | None:
    """Return the key by which a strategic merge patch knows a list's items."""
    key: str | None = schema.get("x-kubernetes-patch-merge-key")
    return key


def strategies(schema: Json) -> tuple[str, ...]:
    """Return how a strategic merge patch treats a field: ``merge``, ``retainKeys``."""
    return tuple(filter(None, schema.get("x-kubernetes-patch-strategy", "").split(",")))


def list_keys(schema: Json) -> tuple[str, ...]:
    """Return the keys by which server-side apply knows a list's items; empty where it does not."""
    if schema.get("x-kubernetes-list-type") != "map":
        return ()
    return tuple(schema["x-kubernetes-list-map-keys"])


def is_set(schema: Json) -> bool:
    """Whether server-side apply knows a list's items by their value."""
    return schema.get("x-kubernetes-list-type") == "set"


def is_atomic_map(schema: Json) -> bool:
    """Whether server-side apply sees a map or an object as one value."""
    return schema.get("x-kubernetes-map-type") == "atomic"
