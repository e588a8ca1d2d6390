# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""From the records of ``k8s_scale``, ``pg_index``, ``k8s_hold`` and ``quarantine_pod`` to the way back. Pure, no I/O.

These modules know it themselves: that of an index from its comment, the others from an annotation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import HELD
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine import QUARANTINE

Json = dict[str, Any]

PODS, INDEX, HOLD = "pods", "index", "hold"
INDEX_KIND = "Index"
# what keeps others off evidence, or an attacker off the network, is not given back in passing
BY_NAME = frozenset({HOLD, QUARANTINE})
BY_NAME_RISK = "destructive"
_CREATED, _MAYBE, _FAILED = "created", "unknown", "failed"


def is_scale(target: Mapping[str, Any]) -> bool:
    """Whether a target is one of ``k8s_scale``; those of ``k8s_rollout`` have changes as well, and no workload."""
    return isinstance(target.get("changes"), list) and "workload" in target


def is_index(target: Mapping[str, Any]) -> bool:
    """Whether a target is an index that ``pg_index`` was to build."""
    return target.get("action") == "create" and "table_oid" in target and "index" in target


def is_hold(target: Mapping[str, Any]) -> bool:
    """Whether a target is a workload that ``k8s_hold`` was to hold."""
    return target.get("state") == HELD and "kind" in target


def of_hold(action: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Json]:
    """Yield the hold of a workload, with the SHA-256 of the evidence that was sealed beside it."""
    yield {
        "what": HOLD,
        "object": {key: target.get(key) for key in ("kind", "namespace", "name", "uid")},
        "expected": None,
        "previous": None,
        "sealed": (action.get("after") or {}).get("sha256"),
        "why_not": None,
    }


def of_quarantine(target: Mapping[str, Any]) -> Iterator[Json]:
    """Yield a pod that was quarantined, with the labels that were taken off."""
    yield {
        "what": QUARANTINE,
        "object": {key: target.get(key) for key in ("kind", "namespace", "name", "uid")},
        "expected": None,
        "previous": dict(target.get("labels") or {}),
        "why_not": None,
    }


def of_scale(action: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Json]:
    """Yield what was changed of how many pods there are: all limits together, because they go back together."""
    limits = [change for change in target["changes"] if change.get("what")]
    expected = {str(change["what"]): change.get("new") for change in limits}
    old = {str(change["what"]): change.get("old") for change in limits}
    kind, _, name = str(target["workload"]).partition("/")
    yield {
        "what": PODS,
        "object": {key: target.get(key) for key in ("kind", "namespace", "name", "uid")},
        "workload": {"kind": kind, "name": name},
        "expected": expected,
        "previous": _before_incident(action, expected) or old,
        "why_not": None if target.get("action") == "scale" else "only what was scaled up goes back",
    }


def _before_incident(action: Mapping[str, Any], expected: Json) -> Json | None:
    """What a revert goes back to: what was before the first scaling of the incident, as the annotation has it."""
    records = (action.get("after") or {}).get("scaled_by") or []
    mine = records[-1] if records and isinstance(records[-1], Mapping) else {}
    return dict(mine["before"]) if mine.get("set") == expected and isinstance(mine.get("before"), Mapping) else None


def of_index(action: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Json]:
    """Yield the index that was built, or may have been by a run that was cut off."""
    entries = [entry for entry in action.get("results") or [] if isinstance(entry, Mapping)]
    result = next((entry.get("result") for entry in entries if entry.get("index") == target["index"]), _MAYBE)
    index = (action.get("after") or {}).get("index")
    built = index if isinstance(index, Mapping) and index.get("name") == target["index"] else None
    if result not in {_CREATED, _MAYBE} and not (result == _FAILED and built):
        return  # nothing of it is there
    left = f"index {target['index']} is left behind INVALID; drop it with pg_index, action drop_leftovers"
    yield {
        "what": INDEX,
        "object": {
            "kind": INDEX_KIND,
            "namespace": f"{target.get('database')}.{target.get('schema')}",
            "name": target["index"],
            "uid": str(built["oid"]) if built and built.get("oid") else None,
        },
        "target": {key: target.get(key) for key in ("database", "schema", "table", "table_oid", "index")},
        "expected": {key: built.get(key) for key in ("oid", "definition")} if built and result == _CREATED else None,
        "previous": None,
        "why_not": left if result == _FAILED else None,
    }


def scale_options(values: Sequence[Mapping[str, Any]]) -> Json | None:
    """Return the options with which ``k8s_scale`` gives the pods back; ``None`` when there are none to give."""
    mine = next((value for value in values if value["what"] == PODS), None)
    return {**mine["workload"], "action": "revert"} if mine else None


def hold_options(values: Sequence[Mapping[str, Any]]) -> Json | None:
    """Return the options with which ``k8s_hold`` releases the workload; ``None`` where none was held."""
    mine = next((value["object"] for value in values if value["what"] == HOLD), None)
    return {key: mine[key] for key in ("kind", "name")} if mine else None


def quarantine_options(values: Sequence[Mapping[str, Any]]) -> Json | None:
    """Return the options with which ``quarantine_pod`` gives the pods back; ``None`` where there are none."""
    pods = [value["object"]["name"] for value in values if value["what"] == QUARANTINE]
    return {"pods": pods} if pods else None


def index_options(values: Sequence[Mapping[str, Any]]) -> Json | None:
    """Return the options with which ``pg_index`` drops the index; ``None`` where there is none.

    ``targets`` are the very index by its identities and its definition; they are missing where a run was cut off before
    it knew them, and the comment of the index alone says whose it is.
    """
    mine = next((value for value in values if value["what"] == INDEX), None)
    if mine is None:
        return None
    target, expected = mine["target"], mine["expected"]
    options = {"action": "drop", "schema": target["schema"], "table": target["table"], "name": target["index"]}
    if expected:
        known = {"index_oid": expected["oid"], "definition": expected["definition"]}
        options["targets"] = [{"action": "drop", **target, **known}]
    return options
