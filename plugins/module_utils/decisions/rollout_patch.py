# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The one patch of a rollout, on exactly the object that was looked at. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    Json,
    Revision,
    Wish,
    World,
    annotations_of,
    chosen_container,
    env_entry,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import (
    NO_SURGE,
    annotation,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import (
    LAST_ACTION,
    RESTARTED_AT,
)

TEMPLATE_STAYS = frozenset({"scale", "put_back"})  # actions that replace no pod


def wanted_revision(world: World, wish: Wish) -> Revision:
    """The revision to go back to; the guards have made sure that there is one."""
    if wish.to_revision is not None:
        return next(revision for revision in world.revisions if revision.number == wish.to_revision)
    current = world.revision() or 0
    return max(
        (revision for revision in world.revisions if revision.number < current), key=lambda revision: revision.number
    )


def make_patch(world: World, wish: Wish, now: dt.datetime, strategy: Json | None) -> tuple[Any, str]:
    """Return the patch and its kind. Its resourceVersion makes the server refuse it on any other state."""
    if wish.action == "undo":
        return _undo_patch(world, wish, strategy), "json"
    mark = {LAST_ACTION: wish.mark} if wish.mark else {}
    metadata: Json = {"resourceVersion": world.metadata.get("resourceVersion")}
    annotations = {**mark, **annotation(world, strategy)}
    if annotations:
        metadata["annotations"] = annotations
    spec: Json = {}
    if wish.action == "scale":
        spec["replicas"] = wish.replicas
    elif wish.action not in TEMPLATE_STAYS:
        spec["template"] = _template_patch(world, wish, now, mark)
    if strategy:
        # a strategic merge would keep what the new one does not name
        spec["strategy"] = strategy if strategy == NO_SURGE else {"$patch": "replace", **strategy}
    return {"metadata": metadata, "spec": spec}, "strategic"


def _template_patch(world: World, wish: Wish, now: dt.datetime, mark: Mapping[str, Any]) -> Json:
    template: Json = {"metadata": {"annotations": dict(mark)}}
    if wish.action == "restart":
        template["metadata"]["annotations"][RESTARTED_AT] = seconds_text(now)
        return template
    container = chosen_container(world, wish) or {}
    # a merge brings the items into the order of the patch, and a variable may refer to those before it
    stood = [str(entry.get("name")) for entry in container.get("env") or []]
    names = sorted(wish.variables, key=lambda name: stood.index(name) if name in stood else len(stood))
    env = [_env_patch(env_entry(container, name), name, wish.variables[name]) for name in names]
    template["spec"] = {"containers": [{"name": container["name"], "env": env}]}
    return template


def _env_patch(entry: Mapping[str, Any] | None, name: str, wanted: Json | None) -> Json:
    """The item of the list ``env``; a value and a reference exclude each other, and a merge takes nothing away."""
    if wanted is None:
        return {"name": name, "$patch": "delete"}
    if wanted.get("value") == "":
        wanted = {}  # as the API server writes an empty value
    gone: Json = {key: None for key in ("value", "valueFrom") if key in (entry or {}) and key not in wanted}
    if "valueFrom" not in wanted:
        return {"name": name, **gone, **wanted}
    kinds = dict.fromkeys((entry or {}).get("valueFrom") or {})
    return {"name": name, **gone, "valueFrom": {**kinds, **wanted["valueFrom"]}}


def _undo_patch(world: World, wish: Wish, strategy: Json | None) -> list[Json]:
    """Replace the whole template, as a merge could not take away what was added since."""
    kept = {**annotations_of(world.workload), **annotation(world, strategy)}
    if wish.mark:
        kept[LAST_ACTION] = wish.mark
    patch: list[Json] = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": world.metadata.get("resourceVersion")},
        {
            "op": "add",
            "path": "/metadata/annotations",
            "value": {key: value for key, value in kept.items() if value is not None},
        },
        {"op": "replace", "path": "/spec/template", "value": wanted_revision(world, wish).template},
    ]
    if strategy:
        patch.append({"op": "add", "path": "/spec/strategy", "value": strategy})
    return patch


def seconds_text(moment: dt.datetime) -> str:
    """An instant to the second, RFC 3339 in UTC."""
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
