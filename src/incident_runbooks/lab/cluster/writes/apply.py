# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-side apply: the writer hands in the fields it cares for, and owns them from then on.

Semantics: "Server-Side Apply" of the Kubernetes documentation; merging: sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.store import now
from incident_runbooks.lab.cluster.writes import fields, ownership, schemas
from incident_runbooks.lab.cluster.writes.fields import Path, Paths
from incident_runbooks.lab.cluster.writes.ownership import Entry, Manager

Json = dict[str, Any]

_BEFORE = "before-first-apply"  # owns what was there before anybody applied


def apply(
    live: Json | None, config: Json, manager: Manager, schema: Json | None, *, force: bool, has_status: bool
) -> Json:
    """Return the object after an apply, with its managed fields; nothing is altered.

    Args:
        live: the object as stored; ``None`` when it is created.
        config: what the writer cares for.
        manager: the writer.
        schema: of the type.
        force: take fields that others own.
        has_status: whether the type has a subresource ``status``.

    Raises:
        ApiError: 409, others own fields that would change.
    """
    view: Json = {"subresource": manager.subresource, "has_status": has_status}
    wanted = frozenset(fields.flatten(config, schema, **view))
    known = _known(live, schema, view)
    mine = ownership.find(known, manager)
    others = [each for each in known if each.manager.key != manager.key]
    there = live or {"metadata": {}}
    merged = merge(there, _visible(config, manager, has_status=has_status), schema)
    changed, _ = fields.compare(fields.flatten(there, schema, **view), fields.flatten(merged, schema, **view))
    conflicts = [(each.manager, path) for each in others for path in sorted(each.paths & changed & wanted)]
    if conflicts and not force:
        raise _conflict(conflicts)
    others = [Entry(each.manager, each.paths - {path for _, path in conflicts}, each.time) for each in others]
    dropped = (mine.paths if mine else frozenset()) - wanted
    kept: Paths = frozenset().union(*(each.paths for each in others)) | wanted
    merged = _remove(merged, dropped - kept, kept, schema)
    unchanged = mine is not None and mine.paths == wanted
    ownership.put(merged, [*others, Entry(manager, wanted, mine.time if mine and unchanged else now())])
    return merged


def _known(live: Json | None, schema: Json | None, view: Json) -> list[Entry]:
    known = ownership.entries(live)
    if live is None or known:
        return known
    owner = Manager(_BEFORE, ownership.UPDATE, live["apiVersion"])
    return [Entry(owner, frozenset(fields.flatten(live, schema, **view)), now())]


def _visible(config: Json, manager: Manager, *, has_status: bool) -> Json:
    """Return what of a configuration its endpoint looks at."""
    if manager.subresource == "status":
        return {name: value for name, value in config.items() if name != "spec"}
    return {name: value for name, value in config.items() if not (has_status and name == "status")}


def merge(live: Json, config: Json, schema: Json | None) -> Json:
    """Return *live* with the fields of *config*: lists by their keys, atomic values as a whole."""
    known = schemas.resolve(schema)
    merged = dict(live)
    for name, value in config.items():
        merged[name] = _merge(live.get(name), value, schemas.resolve(schemas.child(known, name)))
    return merged


def _merge(live: Any, value: Any, schema: Json) -> Any:
    if isinstance(value, dict) and isinstance(live, dict) and not schemas.is_atomic_map(schema):
        return merge(live, value, schema)
    if not isinstance(value, list) or not isinstance(live, list):
        return value
    if schemas.is_set(schema):
        return [*live, *(each for each in value if each not in live)]
    if not schemas.list_keys(schema):
        return value
    items = schemas.resolve(schema["items"])
    wanted = {fields.item_element(each, schema): each for each in value}
    there = {fields.item_element(each, schema): each for each in live}
    updated = [merge(each, wanted[key], items) if key in wanted else each for key, each in there.items()]
    return [*updated, *(each for key, each in wanted.items() if key not in there)]


def _remove(obj: Json, gone: Paths, kept: Paths, schema: Json | None) -> Json:
    """Return *obj* without fields, except where somebody owns a part of them."""
    for path in sorted(gone, key=len):  # an item goes as a whole, before its key does
        if not any(each[: len(path)] == path for each in kept) and not _is_key(path):
            obj = _without(obj, path, schemas.resolve(schema))
    return obj


def _is_key(path: Path) -> bool:
    """Whether a path is that of a list item's key: without it the item would be nobody's."""
    item = path[-2] if len(path) > 1 else ""
    return item.startswith("k:") and path[-1].removeprefix("f:") in json.loads(item[2:])


def _without(value: Any, path: Path, schema: Json) -> Any:
    """Return a copy of a value without what stands at a path."""
    element, rest = path[0], path[1:]
    if isinstance(value, dict) and element.startswith("f:"):
        name = element[2:]
        if name not in value:
            return value
        if not rest:
            return {key: each for key, each in value.items() if key != name}
        return value | {name: _without(value[name], rest, schemas.resolve(schemas.child(schema, name)))}
    if isinstance(value, list) and element.startswith("k:"):
        items = schemas.resolve(schema.get("items"))
        found = []
        for each in value:
            if fields.item_element(each, schema) != element:
                found.append(each)
            elif rest:
                found.append(_without(each, rest, items))
        return found
    if isinstance(value, list) and element.startswith("v:"):
        return [each for each in value if fields.value_element(each) != element]
    return value


def _conflict(conflicts: Sequence[tuple[Manager, Path]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": fields.to_text(path)}
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        said = f"Apply failed with 1 conflict: conflict with {manager}: {fields.to_text(path)}"
    else:
        lines = []
        for manager in sorted({manager for manager, _ in conflicts}, key=str):
            lines.append(f"conflicts with {manager}:")
            lines += [f"- {fields.to_text(path)}" for owner, path in conflicts if owner == manager]
        said = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", said, {"causes": causes})
