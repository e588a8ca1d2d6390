# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""From the recorded targets of an action to the values that it changed: as it left them, and before. Pure, no I/O.

A value can only be given back when the record has it whole. A value that was masked, redacted or cut on its way into
the journal does not fit the fingerprint that was recorded with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.applying import substance
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine import QUARANTINE
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_targets import (
    HOLD,
    INDEX,
    PODS,
    is_hold,
    is_index,
    is_scale,
    of_hold,
    of_index,
    of_quarantine,
    of_scale,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import Json, fingerprint
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import NO_SURGE

ENV, REPLICAS, STRATEGY, OBJECT = "env", "replicas", "strategy", "object"
_APPLIED = frozenset({"applied", "not_finished", "rollout_failed"})
_UNDONE_BY_HAND = frozenset({"revision", "image", "template"})


def values_of(action: Mapping[str, Any]) -> list[Json]:
    """Return what an action changed and what can be compared, in the order in which it did so.

    Args:
        action: a record of an action, or the plan's entry of one that was cut off; with ``cut_off``.

    Returns:
        Each with ``what`` (``env``, ``replicas``, ``strategy``, ``object``, ``pods``, ``index``, ``hold`` or
        ``quarantine``),
        ``object`` (kind, namespace, name, uid), ``expected`` (as it was left; ``None`` when nobody has seen it),
        ``previous`` and ``why_not`` (why it cannot be given back; ``None`` when it can).
    """
    found: list[Json] = []
    for target in action.get("targets") or []:
        if not isinstance(target, Mapping):
            continue
        if is_scale(target):
            found += of_scale(action, target)
        elif is_index(target):
            found += of_index(action, target)
        elif is_hold(target):
            found += of_hold(action, target)
        elif target.get("action") == QUARANTINE:
            found += of_quarantine(target)
        elif isinstance(target.get("changes"), list):
            found += _of_rollout(action, target)
        elif "operation" in target and "api_version" in target:
            found += _of_object(action, target)
    return found


def _of_rollout(action: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Json]:
    about = {key: target.get(key) for key in ("kind", "namespace", "name", "uid")}
    for change in target["changes"]:
        what = change.get("what")
        value = {"what": what, "object": about, "why_not": None}
        if what == ENV:
            yield value | _variable(change)
        elif what == REPLICAS:
            yield value | {"expected": change.get("new"), "previous": change.get("old")}
        elif what == STRATEGY and change.get("new") == NO_SURGE and not _was_put_back(action):
            yield value | {"expected": NO_SURGE, "previous": change.get("old")}
        elif what in _UNDONE_BY_HAND:
            why = f"going back to another revision is undone by hand: kubectl rollout undo {target.get('kind')}"
            yield value | {"expected": None, "previous": None, "why_not": f"{why}/{target.get('name')}"}


def _was_put_back(action: Mapping[str, Any]) -> bool:
    """Whether the strategy of the rollout's own time was seen to be gone at its end."""
    strategy = (action.get("after") or {}).get("strategy")
    return not action.get("cut_off") and action.get("status") == "done" and strategy != NO_SURGE


def _variable(change: Mapping[str, Any]) -> Json:
    expected, previous = _state(change, "new"), _state(change, "old")
    name = change.get("name")
    why = (
        None
        if _is_whole(previous)
        else f"the value of {name} before is not in the record: it is or looks like a secret"
    )
    return {
        "container": change.get("container"),
        "name": name,
        "expected": expected,
        "previous": previous,
        "why_not": why,
    }


def _state(change: Mapping[str, Any], which: str) -> Json:
    value, source = change.get(which), change.get(f"{which}_from")
    return {
        "set": value is not None or source is not None,
        "value": value,
        "value_from": source,
        "fingerprint": change.get(f"{which}_fingerprint"),
    }


def _is_whole(state: Mapping[str, Any]) -> bool:
    if not state["set"]:
        return state["fingerprint"] is None
    return bool(fingerprint(state["value_from"] or state["value"]) == state["fingerprint"])


def _of_object(action: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Json]:
    label = f"{target.get('kind')}/{target.get('name')}"
    results = [entry for entry in action.get("results") or [] if isinstance(entry, Mapping)]
    mine = next((each for each in results if f"{each.get('kind')}/{each.get('name')}" == label), None)
    known = mine is not None and mine.get("result") in _APPLIED
    if mine is not None and not known and mine.get("result") != "unknown":
        return  # it was not touched
    before = (action.get("before") or {}).get(label)
    whole = isinstance(before, Mapping) and fingerprint(substance(before)) == target.get("current")
    creates = target.get("operation") == "create"
    yield {
        "what": OBJECT,
        "object": {key: target.get(key) for key in ("api_version", "kind", "namespace", "name")}
        | {"uid": mine.get("uid") if mine and known else target.get("uid")},
        "expected": mine.get("fingerprint") if mine and known else None,
        "previous": None if creates else before,
        "left": (action.get("after") or {}).get(label) if known else None,
        "why_not": None if creates or whole else f"{label} before is not whole in the record",
    }


def key_of(value: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two values the same thing in the world."""
    about = value["object"]
    where = (about.get("kind"), about.get("namespace"), about.get("name"))
    return (value["what"], *where, value.get("container"), value.get("name"))


def label_of(value: Mapping[str, Any]) -> str:
    """What a value is called in texts."""
    about = value["object"]
    if value["what"] == ENV:
        return f"{value['name']} of {about['kind']} {about['name']}"
    if value["what"] == OBJECT:
        return f"{about['kind']}/{about['name']}"
    if value["what"] == QUARANTINE:
        return f"quarantine of pod {about['name']}"
    if value["what"] == HOLD:
        return f"evidence hold of {about['kind']} {about['name']}"
    if value["what"] == INDEX:
        return f"index {about['name']} of {value['target']['schema']}.{value['target']['table']}"
    if value["what"] == PODS:
        return f"pods of {value['workload']['kind']} {value['workload']['name']}"
    return f"{value['what']} of {about['kind']} {about['name']}"


def rollout_options(values: Sequence[Mapping[str, Any]]) -> Json | None:
    """Return the options with which ``k8s_rollout`` gives values back; ``None`` when there are none for it."""
    mine = [value for value in values if value["what"] in {ENV, REPLICAS, STRATEGY}]
    if not mine:
        return None
    about = mine[0]["object"]
    options: Json = {
        "kind": about["kind"],
        "name": about["name"],
        "action": "put_back",
        "expected": {"uid": about["uid"]},
    }
    variables = [value for value in mine if value["what"] == ENV]
    replicas = next((value for value in mine if value["what"] == REPLICAS), None)
    if variables:
        states = {value["name"]: value["previous"] for value in variables}
        options["action"], options["container"] = "set_env", variables[0]["container"]
        options["env"] = {name: state["value"] for name, state in states.items() if not state["value_from"]}
        options["env_from"] = {name: state["value_from"] for name, state in states.items() if state["value_from"]}
        options["expected"]["env_fingerprints"] = {
            value["name"]: value["expected"]["fingerprint"] for value in variables
        }
    elif replicas:
        options |= {"action": "scale", "replicas": replicas["previous"], "lower": True}
        options["expected"]["replicas"] = replicas["expected"]
    return options


def object_options(values: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Return the option ``objects`` with which ``k8s_restore`` gives values back, the last changed one first."""
    return [
        {
            **{key: value["object"][key] for key in ("api_version", "kind", "name", "uid")},
            **{key: value[key] for key in ("expected", "previous", "left")},
        }
        for value in reversed(values)
        if value["what"] == OBJECT
    ]
