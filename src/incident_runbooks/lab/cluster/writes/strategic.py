# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategic merge patch: lists are merged by the key that the type's schema names.

Semantics and directives: "Strategic Merge Patch" in kubernetes/community, sig-api-machinery; the order of merged
lists is that of k8s.io/apimachinery/pkg/util/strategicpatch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.writes import schemas

Json = dict[str, Any]

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_REMOVE = "$deleteFromPrimitiveList/"


def patch(original: Json, change: Json, schema: Json | None) -> Json:
    """Return *original* after a strategic merge patch; neither is altered.

    Args:
        original: the object, or a part of it.
        change: the patch, with its directives.
        schema: of the object; without one lists are replaced.

    Raises:
        ApiError: 400, the patch cannot be understood.
    """
    known = schemas.resolve(schema)
    directive = change.get(_DIRECTIVE)
    if directive == "replace":
        return {name: value for name, value in change.items() if name != _DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise errors.bad_request(f"unknown patch directive: {directive}")
    merged = _retained(original, change)
    for name, value in change.items():
        if name.startswith(_REMOVE):
            field = name.removeprefix(_REMOVE)
            merged[field] = [each for each in merged.get(field) or () if each not in value]
        elif not name.startswith("$"):
            _set(merged, name, value, schemas.child(known, name))
    for name, order in change.items():
        if name.startswith(_ORDER):
            _reorder(merged, original, name.removeprefix(_ORDER), order, known)
    return merged


def _retained(original: Json, change: Json) -> Json:
    """Return what of the original the patch keeps: all, or the fields that it names where they exclude each other."""
    if _RETAIN not in change:
        return dict(original)
    return {name: value for name, value in original.items() if name in change[_RETAIN]}


def _set(merged: Json, name: str, value: Any, schema: Json | None) -> None:
    there = merged.get(name)
    if value is None:
        merged.pop(name, None)
    elif isinstance(value, dict):
        if value.get(_DIRECTIVE) == "delete":
            merged.pop(name, None)
        elif schema is not None and "replace" in schemas.strategies(schema):
            merged[name] = value
        else:
            merged[name] = patch(there if isinstance(there, dict) else {}, value, schema)
    elif isinstance(value, list):
        merged[name] = _list(there if isinstance(there, list) else [], value, schemas.resolve(schema))
    else:
        merged[name] = value


def _list(original: list[Any], change: list[Any], schema: Json) -> list[Any]:
    if "merge" not in schemas.strategies(schema):
        return change
    key = schemas.merge_key(schema)
    if key is None:
        merged = [*original, *(each for each in change if each not in original)]
        return _ordered(merged, change, original, lambda item: item)
    if any(not isinstance(each, dict) for each in change):
        raise errors.bad_request("cannot convert a patch of a list of objects: an item is no object")
    items = schema.get("items")
    if any(each.get(_DIRECTIVE) == "replace" for each in change):
        return [each for each in change if _DIRECTIVE not in each]
    gone = [_key(each, key) for each in change if each.get(_DIRECTIVE) == "delete"]
    kept = [each for each in original if each.get(key) not in gone]
    wanted = [each for each in change if each.get(_DIRECTIVE) != "delete"]
    merged = list(kept)
    for each in wanted:
        value = _key(each, key)
        at = next((index for index, there in enumerate(merged) if there.get(key) == value), None)
        if at is None:
            merged.append(patch({}, each, items))
        else:
            merged[at] = patch(merged[at], each, items)
    return _ordered(merged, wanted, kept, lambda item: item.get(key))


def _key(item: Json, key: str) -> Any:
    if key not in item:
        raise errors.bad_request(f"map: {item} does not contain declared merge key: {key}")
    return item[key]


def _reorder(merged: Json, original: Json, name: str, order: list[Any], schema: Json) -> None:
    """Bring a list in the order that the patch's ``$setElementOrder`` wants."""
    if not isinstance(merged.get(name), list):
        return
    key = schemas.merge_key(schemas.resolve(schemas.child(schema, name)))

    def identity(item: Any) -> Any:
        return item.get(key) if isinstance(item, dict) and key else item

    merged[name] = _ordered(merged[name], order, original.get(name) or [], identity)


def _ordered(merged: list[Any], first: Sequence[Any], live: Sequence[Any], identity: Callable[[Any], Any]) -> list[Any]:
    """Return items in the patch's order, with those that only the server has put between them as they stood.

    Args:
        merged: the items.
        first: the items of the patch, in their order.
        live: the items before, in their order.
        identity: what makes two items the same.
    """
    wanted = [identity(item) for item in first]
    stood = [identity(item) for item in live]
    patched = sorted(
        (item for item in merged if identity(item) in wanted), key=lambda item: wanted.index(identity(item))
    )
    others = [item for item in merged if identity(item) not in wanted]
    result: list[Any] = []
    while patched and others:
        left, right = identity(others[0]), identity(patched[0])
        before = left in stood and right in stood and stood.index(left) < stood.index(right)
        result.append((others if before else patched).pop(0))
    return [*result, *patched, *others]
