# SPDX-License-Identifier: GPL-3.0-or-later
"""Which fields an object has, as server-side apply sees them: paths, sets of paths, and their form ``FieldsV1``.

A path is a tuple of elements: ``f:NAME`` a field or a map's key, ``k:{...}`` an item of a list that is known by keys,
``v:VALUE`` an item of a list that is a set. Format: sigs.k8s.io/structured-merge-diff, fieldpath.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from incident_runbooks.lab.cluster.writes import schemas

Json = dict[str, Any]
Path = tuple[str, ...]
Paths = frozenset[Path]

_PRESENT = object()  # an item or a key that is there: its fields are paths of their own
_ITSELF = "."
_KEY_DEFAULTS = {"protocol": "TCP"}  # key fields that a writer may leave out
_WHOLE_TYPE = ("apiVersion", "kind")
_SYSTEM = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
)


def flatten(obj: Json, schema: Json | None, *, subresource: str = "", has_status: bool = False) -> dict[Path, Any]:
    """Return the fields of an object that somebody can own, with their values.

    Args:
        obj: the object.
        schema: of its type.
        subresource: ``status`` sees the status (and metadata) only.
        has_status: whether the type has that subresource: then nothing else sees the status.
    """
    plain = {name: value for name, value in obj.items() if name not in _WHOLE_TYPE}
    metadata = plain.pop("metadata", None) or {}
    owned = {name: value for name, value in metadata.items() if name not in _SYSTEM}
    if owned:
        plain["metadata"] = owned
    if subresource == "status":
        plain = {name: value for name, value in plain.items() if name in ("status", "metadata")}
    elif has_status:
        plain.pop("status", None)
    found: dict[Path, Any] = {}
    _walk(plain, schemas.resolve(schema), (), found)
    return found


def _walk(value: Any, schema: Json, path: Path, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and not schemas.is_atomic_map(schema) and (value or not path):
        _walk_map(value, schema, path, found)
    elif isinstance(value, list) and value and schemas.list_keys(schema):
        for item in value:
            there = (*path, item_element(item, schema))
            found[there] = _PRESENT
            _walk(item, schemas.resolve(schema["items"]), there, found)
    elif isinstance(value, list) and value and schemas.is_set(schema):
        for item in value:
            found[*path, value_element(item)] = _PRESENT
    else:
        found[path] = value


def _walk_map(value: Json, schema: Json, path: Path, found: dict[Path, Any]) -> None:
    declared = schema.get("properties") or {}
    for name, each in value.items():
        there = (*path, f"f:{name}")
        if name not in declared and isinstance(each, dict):
            found[there] = _PRESENT
        _walk(each, schemas.resolve(schemas.child(schema, name)), there, found)


def item_element(item: Json, schema: Json) -> str:
    """Return the path element of an item that is known by keys."""
    return "k:" + _compact(item_key(item, schema))


def item_key(item: Json, schema: Json) -> Json:
    """Return the keys of an item, with their defaults."""
    named = {name: item.get(name, _KEY_DEFAULTS.get(name)) for name in sorted(schemas.list_keys(schema))}
    return {name: value for name, value in named.items() if value is not None}


def value_element(item: Any) -> str:
    """Return the path element of a set's item."""
    return "v:" + _compact(item)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def compare(before: Mapping[Path, Any], after: Mapping[Path, Any]) -> tuple[Paths, Paths]:
    """Return which fields were set or changed, and which are gone."""
    changed = frozenset(path for path, value in after.items() if path not in before or before[path] != value)
    return changed, frozenset(path for path in before if path not in after)


def to_plain(paths: Iterable[Path]) -> Json:
    """Return paths as ``FieldsV1``."""
    tree: Json = {}
    for path in sorted(paths):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node[_ITSELF] = {}
    for key in list(tree):
        _strip_leaf(tree, key)
    return tree


def _strip_leaf(parent: Json, key: str) -> None:
    """Write a field without fields of its own as an empty object, as the format has it."""
    node = parent[key]
    if set(node) == {_ITSELF}:
        parent[key] = {}
        return
    for name in list(node):
        if name != _ITSELF:
            _strip_leaf(node, name)


def from_plain(tree: Json, path: Path = ()) -> Paths:
    """Return the paths of a ``FieldsV1``."""
    found: set[Path] = set()
    for key, node in tree.items():
        if key == _ITSELF:
            found.add(path)
        elif node:
            found |= from_plain(node, (*path, key))
        else:
            found.add((*path, key))
    return frozenset(found)


def to_text(path: Path) -> str:
    """Return a path as error texts show it, such as ``.spec.containers[name="a"].image``."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    if element.startswith("k:"):
        keys = json.loads(element[2:])
        return "[" + ",".join(f"{name}={_compact(value)}" for name, value in keys.items()) + "]"
    if element.startswith("v:"):
        return f"[={element[2:]}]"
    return f".{element[2:]}"
