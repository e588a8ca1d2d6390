# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What has become of pods, an index, an evidence hold and a quarantine since a runbook left them. Pure, no I/O.

The modules that give them back were asked in check mode; what they would do or refuse is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.restoring import (
    ALREADY,
    MOVED_ON,
    RESTORE,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_values import (
    key_of,
    label_of,
)

Json = dict[str, Any]

UNKNOWN = "unknown"
_SHOWN = 200
# words of k8s_scale and pg_index for what others have done meanwhile; with any other one it cannot be told, or not now
_SCALED_BY_OTHERS = frozenset({"changed_since", "being_deleted", "no_pods"})
_OF_OTHERS = "held_by_other"
_INDEX_OF_OTHERS = frozenset({"not_ours", "constraint", "plan_changed", "no_table", "table_kind"})


def verdict_on(value: Json, said: str, reason: str, **more: Any) -> Json:
    """Return the verdict on one value, with the target that it makes in a plan."""
    target = {
        "what": label_of(value),
        **{key: value["object"].get(key) for key in ("kind", "namespace", "name", "uid")},
        "now": more.get("now"),
        "previous": more.get("previous"),
    }
    return {
        "value": value,
        "verdict": said,
        "reason": reason,
        "differences": more.get("differences", []),
        "then": more.get("then"),
        "target": target,
    }


def another(value: Json) -> Json:
    """The verdict where another object has the name by now."""
    about = value["object"]
    return verdict_on(value, MOVED_ON, f"{about['kind']} {about['name']} is another object now, of the same name")


def cut(value: Any) -> str:
    """A value as text, bounded."""
    text = "none" if value is None else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def judge_pods(value: Json, result: Mapping[str, Any], _incident: str, seen: Mapping[Any, Any]) -> Json:
    """Judge what decides how many pods there are.

    Args:
        result: of ``k8s_scale`` with action ``revert`` in check mode.
        seen: what steps before this one will have left.
    """
    earlier, label, refusal = seen.get(key_of(value)), label_of(value), result.get("refusal")
    if not earlier and result.get("status") == "refused" and refusal not in _SCALED_BY_OTHERS:
        return verdict_on(value, UNKNOWN, f"{label} cannot be given back: {result.get('reason')}")
    now = earlier or _limits(result["before"])
    if now.keys() != value["expected"].keys():
        return verdict_on(value, MOVED_ON, f"{label} are decided by something else now: {_numbers(now)}")
    if not earlier and result.get("status") == "planned":
        return _back(value, result, now)
    if now == value["previous"]:
        return verdict_on(value, ALREADY, f"{label} are {_numbers(now)}, as before")
    texts = {"expected": value["expected"], "now": now, "previous": value["previous"]}
    difference = {"what": label, **{key: _numbers(numbers) for key, numbers in texts.items()}}
    changed = (
        f"{label} were changed meanwhile: the runbook left {difference['expected']}, now it is {difference['now']}"
    )
    if now == value["expected"]:
        why = result.get("reason") if refusal in _SCALED_BY_OTHERS else "nothing says any more what was before"
        changed = f"{label} are as the runbook left them, but {why}"
    return verdict_on(value, MOVED_ON, changed, differences=[difference])


def _back(value: Json, result: Mapping[str, Any], now: Json) -> Json:
    target = (result.get("targets") or [{}])[0]
    if target.get("uid") != value["object"]["uid"]:
        return another(value)
    then = {change["what"]: change["new"] for change in target["changes"]}
    texts = {"now": _numbers(now), "previous": _numbers(then)}
    reason = f"{label_of(value)} go back from {texts['now']} to {texts['previous']}"
    return verdict_on(value, RESTORE, reason, then=then, **texts)


def _limits(before: Mapping[str, Any]) -> Json:
    """What decides it now, as ``k8s_scale`` describes the workload."""
    autoscaler = before.get("autoscaler")
    if autoscaler:
        return {"minReplicas": autoscaler.get("min"), "maxReplicas": autoscaler.get("max")}
    return {"replicas": before.get("replicas")}


def _numbers(limits: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {number}" for key, number in sorted(limits.items()))


def judge_hold(value: Json, result: Mapping[str, Any], incident: str, seen: Mapping[Any, Any]) -> Json:
    """Judge a workload that was held as evidence.

    Args:
        result: of ``k8s_hold`` with state ``released`` in check mode.
        seen: what steps before this one will have left.
    """
    label, hold = label_of(value), result["before"]["hold"]
    if key_of(value) in seen or hold is None:
        return verdict_on(value, ALREADY, f"{label} is not there, as before")
    if result.get("status") == "planned":
        target = (result.get("targets") or [{}])[0]
        about = {**value, "object": {**value["object"], "uid": target.get("uid")}}  # whose hold it is, it says itself
        reason = f"{label}, by {cut(hold['by'])} since {cut(hold['since'])}, is taken away; what was collected stays"
        if not value["sealed"]:
            reason += ", but the run that set it has NO SEALED EVIDENCE on record"
        now = f"held for {incident}"
        return verdict_on(about, RESTORE, reason, then="released", now=now, previous="not held")
    if result.get("refusal") != _OF_OTHERS:
        return verdict_on(value, UNKNOWN, f"{label} cannot be taken away: {result.get('reason')}")
    difference = {"what": label, "expected": incident, "now": cut(hold["incident"]), "previous": None}
    return verdict_on(value, MOVED_ON, str(result.get("reason")), differences=[difference])


def judge_quarantine(value: Json, result: Mapping[str, Any], incident: str, seen: Mapping[Any, Any]) -> Json:
    """Judge a pod that was quarantined. Its owner may end it as soon as it is given back.

    Args:
        result: of ``quarantine_pod`` with state ``released`` in check mode.
        seen: what steps before this one will have left.
    """
    label, about = label_of(value), value["object"]
    pod = next((each for each in result["before"]["pods"] if each["name"] == about["name"]), None)
    if key_of(value) in seen or pod is None:
        return verdict_on(value, ALREADY, f"{label} is over, the pod is not there any more")
    if pod["uid"] != about["uid"]:
        return another(value)
    if result.get("status") == "refused" and result.get("refusal") != _OF_OTHERS:
        return verdict_on(value, UNKNOWN, f"{label} cannot be ended: {result.get('reason')}")
    if pod["incident"] == incident:
        labels = _labels(value["previous"])
        reason = f"pod {about['name']} gets back {labels}, and so its Services and the network; its owner ends one pod"
        reason += " that is too many, which may be this one, so save first what only it has"
        return verdict_on(value, RESTORE, reason, then="released", now="in quarantine", previous=labels)
    if not pod["incident"] and value["previous"].items() <= pod["labels"].items():
        return verdict_on(value, ALREADY, f"{label} is over, it has {_labels(value['previous'])}, as before")
    now = f"for {cut(pod['incident'])}" if pod["incident"] else f"with {_labels(pod['labels'])}"
    difference = {"what": label, "expected": f"for {incident}", "now": now, "previous": _labels(value["previous"])}
    why = result.get("reason") if result.get("status") == "refused" else "somebody has taken its annotation away"
    return verdict_on(value, MOVED_ON, f"{label} was changed meanwhile: {why}", differences=[difference])


def _labels(labels: Mapping[str, Any]) -> str:
    return cut(", ".join(f"{name}={value}" for name, value in sorted(labels.items())) or "no labels")


def judge_index(value: Json, result: Mapping[str, Any], _incident: str, seen: Mapping[Any, Any]) -> Json:
    """Judge an index that was not there before.

    Args:
        result: of ``pg_index`` with action ``drop`` in check mode.
        seen: what steps before this one will have left.
    """
    label, refusal = label_of(value), result.get("refusal")
    if key_of(value) in seen or refusal == "gone":
        return verdict_on(value, ALREADY, f"{label} is not there, as before")
    if result.get("status") == "planned":
        reason = f"{label}, which this incident made, is dropped"
        return verdict_on(value, RESTORE, reason, then="absent", now="as the runbook left it", previous="absent")
    if refusal not in _INDEX_OF_OTHERS:
        return verdict_on(value, UNKNOWN, f"{label} cannot be dropped now: {result.get('reason')}")
    index = (result.get("before") or {}).get("index") or {}
    if refusal == "plan_changed":
        reason = f"{label} is another one now than the runbook left"
    else:
        reason = f"{label} is left alone: {result.get('reason')}"
    difference = {
        "what": label,
        "expected": cut((value["expected"] or {}).get("definition")),
        "now": cut(index.get("definition")),
        "previous": None,
    }
    return verdict_on(value, MOVED_ON, reason, differences=[difference])
