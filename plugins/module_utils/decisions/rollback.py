# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Compare what a runbook left with what is there now, and decide what is given back. Pure, no I/O.

Nothing is given back unless every chosen step is still as it was left: what somebody else has changed meanwhile is not
overwritten, and what cannot be read is not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.applying import substance
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval import needs_digest
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import digest
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine import QUARANTINE
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.restoring import (
    ABSENT,
    ALREADY,
    MOVED_ON,
    RESTORE,
    judge_object,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_judges import (
    UNKNOWN,
    another,
    cut,
    judge_hold,
    judge_index,
    judge_pods,
    judge_quarantine,
    verdict_on,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_targets import (
    HOLD,
    INDEX,
    INDEX_KIND,
    PODS,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_values import (
    ENV,
    OBJECT,
    REPLICAS,
    key_of,
    label_of,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    Json,
    fingerprint,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_guards import source_text
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import NO_SURGE

NOTHING = "nothing"
_DIFFERENCES = 10
_STATUS = {RESTORE: "degraded", ALREADY: "ok", MOVED_ON: "degraded", UNKNOWN: "unknown", NOTHING: "skipped"}
_NEXT = {
    MOVED_ON: "look at the difference; what somebody has changed since is theirs to undo",
    UNKNOWN: "find out why it cannot be read; nothing is given back until it can",
}
_Seen = dict[tuple[Any, ...], Any]


def compare(steps: Sequence[Json], present: Mapping[str, Sequence[Mapping[str, Any]]], incident: str) -> list[Json]:
    """Judge every step, newest first; a step sees the world as the steps before it will have left it.

    Args:
        steps: as ``steps_of`` gives them.
        present: results in check mode of ``k8s_rollout``, ``k8s_restore``, ``k8s_scale``, ``pg_index``, ``k8s_hold``
            and ``quarantine_pod``, by the step's key.
        incident: the incident's id.

    Returns:
        Each step's ``key``, ``id``, ``run_id``, ``title``, ``risk``, ``verdict`` (``restore``, ``already_restored``,
        ``moved_on``, ``unknown`` or ``nothing``), ``reason``, ``differences`` (``what``, ``expected``, ``now``,
        ``previous``) and ``targets`` (``what``, ``kind``, ``namespace``, ``name``, ``uid``, ``now``, ``previous``).
    """
    seen: _Seen = {}
    return [_judge_step(step, present.get(step["key"], ()), incident, seen) for step in steps]


def _judge_step(step: Json, present: Sequence[Mapping[str, Any]], incident: str, seen: _Seen) -> Json:
    judged = {key: step[key] for key in ("key", "id", "run_id", "title", "risk")}
    nothing: Json = {"differences": [], "targets": []}
    if step["why_not"]:
        return {**judged, **nothing, "verdict": NOTHING, "reason": step["why_not"]}
    values = [_judge_value(value, present, incident, seen) for value in step["values"]]
    verdicts = [value["verdict"] for value in values]
    verdict = next((each for each in (UNKNOWN, MOVED_ON, RESTORE) if each in verdicts), ALREADY)
    reasons = [value["reason"] for value in values if value["verdict"] == verdict]
    if verdict == RESTORE:
        seen.update({key_of(each["value"]): each["then"] for each in values if each["verdict"] == RESTORE})
    return {
        **judged,
        "verdict": verdict,
        "reason": "; ".join(dict.fromkeys(reasons)),
        "differences": [each for value in values for each in value["differences"]][:_DIFFERENCES],
        "targets": [value["target"] for value in values if value["verdict"] == RESTORE] if verdict == RESTORE else [],
    }


def _judge_value(value: Json, present: Sequence[Mapping[str, Any]], incident: str, seen: _Seen) -> Json:
    failed = next((result for result in present if result.get("failed")), None)
    if failed and failed.get("cause") == "not_found":
        return _gone(value)
    result = next((each for each in present if _is_about(each, value)), None)
    if failed or result is None:
        why = (failed or {}).get("msg") or next((each.get("reason") for each in present if each.get("reason")), None)
        reason = f"{label_of(value)} could not be read: {why or 'nothing was said about it'}"
        return verdict_on(value, UNKNOWN, reason)
    return _JUDGES[value["what"]](value, result, incident, seen)


def _is_about(result: Mapping[str, Any], value: Json) -> bool:
    if value["what"] == OBJECT:
        return _entry(result, value) is not None
    if value["what"] == INDEX:
        return "checks" in result
    before = result.get("before") or {}
    if value["what"] in {HOLD, QUARANTINE}:
        return ("hold" if value["what"] == HOLD else "pods") in before
    if value["what"] == PODS:
        return all(before.get(key) == value["workload"][key] for key in ("kind", "name")) and "scaled_by" in before
    return all(before.get(key) == value["object"][key] for key in ("kind", "name")) and "variables" in before


def _entry(result: Mapping[str, Any], value: Json) -> Mapping[str, Any] | None:
    about = value["object"]
    entries = result.get("results") or []
    mine = (each for each in entries if each.get("kind") == about["kind"] and each.get("name") == about["name"])
    return next((each for each in mine if "present" in each), None)


def _judge_env(value: Json, result: Mapping[str, Any], _incident: str, seen: _Seen) -> Json:
    before = result["before"]
    if before["uid"] != value["object"]["uid"]:
        return another(value)
    mine = [
        each
        for each in before["variables"]
        if each["name"] == value["name"] and each["container"] == value["container"]
    ]
    if not mine:
        return verdict_on(value, MOVED_ON, f"the container {value['container']} does not exist any more")
    state = seen.get(key_of(value), mine[0])
    texts = {"now": state_text(state)}
    return _by_fingerprint(value, state["fingerprint"], value["previous"], texts)


def _by_fingerprint(value: Json, now: str | None, then: Json, texts: Json) -> Json:
    expected, previous = value["expected"], value["previous"]
    label, was = label_of(value), state_text(previous)
    if now == previous["fingerprint"]:
        return verdict_on(value, ALREADY, f"{label} is {was}, as before")
    if now == expected["fingerprint"]:
        reason = f"{label} goes back from {texts['now']} to {was}"
        return verdict_on(value, RESTORE, reason, then=then, now=texts["now"], previous=was)
    reason = f"{label} was changed meanwhile: the runbook left {state_text(expected)}, now it is {texts['now']}"
    difference = {"what": label, "expected": state_text(expected), "now": texts["now"], "previous": was}
    return verdict_on(value, MOVED_ON, reason, differences=[difference])


def _judge_replicas(value: Json, result: Mapping[str, Any], _incident: str, seen: _Seen) -> Json:
    before = result["before"]
    if before["uid"] != value["object"]["uid"]:
        return another(value)
    now = seen.get(key_of(value), before["replicas"])
    label = label_of(value)
    if now == value["previous"]:
        return verdict_on(value, ALREADY, f"{label} is {now}, as before")
    if now == value["expected"]:
        reason = f"{label} goes back from {now} to {value['previous']}"
        return verdict_on(value, RESTORE, reason, then=value["previous"], now=str(now), previous=str(value["previous"]))
    reason = f"{label} was changed meanwhile: the runbook left {value['expected']}, now it is {now}"
    numbers = {key: str(value[key]) for key in ("expected", "previous")}
    return verdict_on(value, MOVED_ON, reason, differences=[{"what": label, "now": str(now), **numbers}])


def _judge_strategy(value: Json, result: Mapping[str, Any], _incident: str, seen: _Seen) -> Json:
    """Whoever has set another strategy since is left alone, and nothing depends on it."""
    before = result["before"]
    now = seen.get(key_of(value), before["strategy"])
    label = label_of(value)
    if before["uid"] == value["object"]["uid"] and now == NO_SURGE and before.get("previous_strategy"):
        reason = f"{label} goes back from maxSurge 0 to what it was before the rollout that was cut off"
        return verdict_on(value, RESTORE, reason, then=value["previous"], now="maxSurge 0", previous="as before")
    return verdict_on(value, ALREADY, f"{label} was put back, or another one was set since")


def _judge_object(value: Json, result: Mapping[str, Any], incident: str, seen: _Seen) -> Json:
    entry = _entry(result, value) or {}
    state = seen.get(key_of(value), entry["present"])
    previous = None if value["previous"] is None else fingerprint(substance(value["previous"]))
    wanted = {
        "label": label_of(value),
        "uid": value["object"]["uid"],
        "expected": value["expected"],
        "previous": previous,
        "incident": incident,
    }
    verdict, reason = judge_object(wanted, state)
    if verdict == RESTORE:
        then = ABSENT if previous is None else {**state, "fingerprint": previous}
        now = "as the runbook left it"
        what = "absent, as before" if previous is None else "as before"
        return verdict_on(value, verdict, f"{reason}; it becomes {what}", then=then, now=now, previous=what)
    differences = [
        {
            "what": f"{label_of(value)} {each['path']}",
            "expected": cut(each["old"]),
            "now": cut(each["new"]),
            "previous": None,
        }
        for each in entry.get("differences") or []
    ]
    return verdict_on(value, verdict, reason, differences=differences if verdict == MOVED_ON else [])


_JUDGES = {
    ENV: _judge_env,
    REPLICAS: _judge_replicas,
    "strategy": _judge_strategy,
    OBJECT: _judge_object,
    PODS: judge_pods,
    INDEX: judge_index,
    HOLD: judge_hold,
    QUARANTINE: judge_quarantine,
}


def _gone(value: Json) -> Json:
    about = value["object"]
    return verdict_on(value, MOVED_ON, f"{about['kind']} {about['name']} does not exist any more")


def state_text(state: Mapping[str, Any]) -> str:
    """A variable's definition in words; values that look like secrets were masked when they were read."""
    if not state["set"]:
        return "not set"
    return source_text(state["value_from"]) if state["value_from"] else cut(state["value"]) or "empty"


def finding_of(judged: Json) -> Json:
    """The finding of one step."""
    verdict = judged["verdict"]
    return {
        "check": judged["id"],
        "component": "rollback",
        "required": True,
        "status": _STATUS[verdict],
        "cause": verdict if verdict in {MOVED_ON, UNKNOWN} else "not_restored" if verdict == RESTORE else None,
        "summary": judged["reason"],
        "recommend": [judged["id"]] if verdict == RESTORE else [],
        "next_step": _NEXT.get(verdict),
        "data": {"run_id": judged["run_id"], "verdict": verdict, "differences": judged["differences"]},
    }


def plan_of(judged: Sequence[Json], *, approved: bool) -> Json:
    """The plan: every step, what it touches, and the digest over it.

    Args:
        approved: whether what can be given back is to be given back now.
    """
    entries = []
    for each in judged:
        restorable = each["verdict"] == RESTORE
        entries.append(
            {
                **{key: each[key] for key in ("id", "title", "risk", "reason", "targets")},
                "status": "recommended" if restorable else "not_recommended",
                "approved": approved and restorable,
                "excluded": [],
                "preview": {"run_id": each["run_id"], "verdict": each["verdict"], "differences": each["differences"]},
            }
        )
    return {"digest": digest(entries), "approval": None, "remediations": entries}


def obstacles(judged: Sequence[Json]) -> list[Json]:
    """The steps because of which nothing at all is given back, those that moved on first."""
    return sorted(
        (each for each in judged if each["verdict"] in {MOVED_ON, UNKNOWN}),
        key=lambda each: each["verdict"] != MOVED_ON,
    )


def needing_digest(judged: Sequence[Json]) -> list[Json]:
    """The steps that are given back only by a plan that somebody has looked at."""
    return [each for each in judged if each["verdict"] == RESTORE and needs_digest(each["risk"])]


def to_restore(judged: Sequence[Json]) -> list[str]:
    """The keys of the steps that are taken, newest first; none while anything stands in the way."""
    return [] if obstacles(judged) else [each["key"] for each in judged if each["verdict"] == RESTORE]


def workloads(judged: Sequence[Json], keys: Sequence[str]) -> list[Json]:
    """The objects of the cluster that the steps of these keys touch, ``kind`` and ``name``."""
    targets = [target for each in judged if each["key"] in keys for target in each["targets"]]
    found = {(target["kind"], target["name"]) for target in targets if target["kind"] != INDEX_KIND}
    return [{"kind": kind, "name": name} for kind, name in sorted(found)]
