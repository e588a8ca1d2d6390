# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether an object may be brought back to an earlier state, and by which patch. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.applying import (
    CREATED_FOR,
    FIELD_MANAGER,
    REVISION,
    Json,
    substance,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence import LAST_APPLIED
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    annotations_of,
    fingerprint,
)

RESTORE, ALREADY, MOVED_ON = "restore", "already_restored", "moved_on"
_CONTROLLERS = frozenset({"kube-controller-manager"})  # they write into every Deployment
_KEPT = (REVISION, LAST_APPLIED)
ABSENT: Json = {"exists": False, "uid": None, "fingerprint": None, "created_for": None, "managers": []}


def object_facts(item: Mapping[str, Any] | None) -> Json:
    """What an object is recognised by.

    Returns:
        ``exists``, ``uid``, ``fingerprint`` of its substance, ``created_for`` (the incident that created it through
        this collection) and ``managers`` (who has written fields of it other than its status).
    """
    if item is None:
        return dict(ABSENT)
    metadata = item.get("metadata") or {}
    managers = {
        str(entry.get("manager")) for entry in metadata.get("managedFields") or [] if not entry.get("subresource")
    }
    return {
        "exists": True,
        "uid": metadata.get("uid"),
        "fingerprint": fingerprint(substance(item)),
        "created_for": annotations_of(item).get(CREATED_FOR),
        "managers": sorted(managers),
    }


def judge_object(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[str, str]:
    """Decide about one object.

    Args:
        wanted: ``label``, ``uid`` (``None`` when it is not known), ``expected`` (the fingerprint that the runbook
            left, ``None`` when the run was cut off before it knew), ``previous`` (the fingerprint before, ``None`` for
            an object that was not there) and ``incident``.
        present: as :func:`object_facts` gives it.

    Returns:
        ``restore``, ``already_restored`` or ``moved_on``, and why, in a sentence.
    """
    label, previous = wanted["label"], wanted["previous"]
    if present["fingerprint"] == previous:
        return ALREADY, f"{label} does not exist" if previous is None else f"{label} is as it was before"
    if not present["exists"]:
        return MOVED_ON, f"{label} does not exist any more"
    if wanted["uid"] and present["uid"] != wanted["uid"]:
        return MOVED_ON, f"{label} is another object now, of the same name"
    if previous is None and not _ours(wanted, present):
        return MOVED_ON, f"{label} does not show that this incident created it"
    if wanted["expected"] is None:
        return _judge_cut_off(label, previous, present)
    if present["fingerprint"] != wanted["expected"]:
        return MOVED_ON, f"{label} was changed meanwhile"
    return RESTORE, f"{label} is as the runbook left it"


def _judge_cut_off(label: str, previous: str | None, present: Mapping[str, Any]) -> tuple[str, str]:
    """Of a run that was cut off nobody has seen what it left."""
    others = set(present["managers"]) - {FIELD_MANAGER} - _CONTROLLERS
    if previous is None and not others:
        return RESTORE, f"{label} was created by a run that was cut off, and nobody else has changed it"
    return MOVED_ON, f"{label} was changed, and whether only by the run that was cut off is not known"


def _ours(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    return bool(present["created_for"]) and (
        present["created_for"] == wanted["incident"] and FIELD_MANAGER in present["managers"]
    )


def replacing_patch(current: Mapping[str, Any], previous: Mapping[str, Any]) -> list[Json]:
    """Return the JSON patch that makes an object's substance *previous* again, on exactly this version of it."""
    version = (current.get("metadata") or {}).get("resourceVersion")
    patch: list[Json] = [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}]
    before, now = previous.get("metadata") or {}, current.get("metadata") or {}
    kept = {key: value for key, value in annotations_of(current).items() if key in _KEPT}
    maps = {"labels": before.get("labels"), "annotations": {**(before.get("annotations") or {}), **kept}}
    for key, wanted in maps.items():
        path = f"/metadata/{key}"
        if wanted:
            patch.append({"op": "add", "path": path, "value": wanted})
        elif now.get(key):
            patch.append({"op": "remove", "path": path})
    own = {"apiVersion", "kind", "metadata", "status"}
    patch += [{"op": "remove", "path": f"/{key}"} for key in sorted(set(current) - set(previous) - own)]
    patch += [{"op": "add", "path": f"/{key}", "value": previous[key]} for key in sorted(set(previous) - own)]
    return patch
