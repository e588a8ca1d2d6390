# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What giving back has come to: the record of a step's action, and whether the world is as before. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.restoring import ALREADY
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback import compare
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_judges import UNKNOWN
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_values import key_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import Json

# the worst one counts
_STATUSES = ("unknown", "failed", "refused", "partial", "done", "nothing_to_do")
STOPS = frozenset({"unknown", "failed", "refused", "partial"})
_FAILED = "it ended without a reason"


def action_of(judged: Json, results: Sequence[Mapping[str, Any]]) -> Json:
    """Return the record of giving one step back, without its times.

    Args:
        judged: the step, as ``compare`` gives it.
        results: of the modules that gave it back; none where it was not attempted.
    """
    said = [_status(result) for result in results]
    status = next((each for each in _STATUSES if each in said), "skipped")
    reasons = [str(result.get("reason") or result.get("msg") or _FAILED) for result in results]
    return {
        **{key: judged[key] for key in ("id", "title", "risk", "targets")},
        "status": status,
        "changed": any(result.get("changed") is True for result in results),
        "reason": "; ".join(reasons) or "a step before it could not be given back, so this one was not attempted",
        "before": _merged(results, "before"),
        "after": _merged(results, "after"),
        "results": [entry for result in results for entry in result.get("results") or []],
        "can_roll_back": False,
        "rolls_back": {"remediation": judged["id"], "run_id": judged["run_id"]},
    }


def _status(result: Mapping[str, Any]) -> str:
    said = result.get("status")
    if result.get("timedout"):
        return "unknown"
    if result.get("failed"):
        return said if said in {"unknown", "partial"} else "failed"
    return said if said in _STATUSES else "failed"


def _merged(results: Sequence[Mapping[str, Any]], key: str) -> Json:
    states = [result[key] for result in results if result.get(key)]
    return dict(states[0]) if len(states) == 1 else {str(number): state for number, state in enumerate(states, 1)}


def verdicts(
    steps: Sequence[Json],
    acted: Mapping[str, str],
    present: Mapping[str, Sequence[Mapping[str, Any]]],
    incident: str,
) -> Iterable[Json]:
    """Yield a verdict for every step that was given back.

    Args:
        steps: as ``steps_of`` gives them, newest first.
        acted: status of the action by the step's key.
        present: results of another look, by the step's key.
        incident: the incident's id.
    """
    taken = [step for step in steps if acted.get(step["key"]) in {"done", "partial", "nothing_to_do"}]
    last: set[Any] = set()
    kept: dict[str, list[Json]] = {}
    for step in reversed(taken):  # what an older step has given back after it is that one's to verify
        kept[step["key"]] = [value for value in step["values"] if key_of(value) not in last]
        last.update(key_of(value) for value in step["values"])
    for step in taken:
        (judged,) = compare([{**step, "values": kept[step["key"]], "why_not": None}], present, incident)
        yield _verdict(step, judged, acted[step["key"]], present.get(step["key"], ()))


def _verdict(step: Json, judged: Json, status: str, present: Sequence[Mapping[str, Any]]) -> Json:
    verdict = {"check": f"rollback_{step['id']}", "baseline": {}, "target": {"run_id": step["run_id"]}, "samples": []}
    if judged["verdict"] == UNKNOWN:
        return {**verdict, "status": "unverified", "cause": UNKNOWN, "summary": judged["reason"]}
    if judged["verdict"] != ALREADY:
        return {**verdict, "status": "unresolved", "cause": "not_restored", "summary": judged["reason"]}
    waiting = _under_way(present)
    if waiting or status == "partial":
        text = waiting or "not everything had ended when it was looked at"
        return {**verdict, "status": "unresolved", "cause": "not_finished", "summary": text}
    summary = judged["reason"] or "an older step gave it back further"
    return {**verdict, "status": "resolved", "cause": None, "summary": summary}


def _under_way(present: Sequence[Mapping[str, Any]]) -> str | None:
    for result in present:
        before = result.get("before") or {}
        wanted = before.get("replicas")
        if wanted is None or "updated" not in before:
            continue
        if any(before.get(key) != wanted for key in ("updated", "available")):
            counts = f"{before.get('updated')} updated, {before.get('available')} available"
            return f"the rollout of {before.get('kind')} {before.get('name')} has not ended: {counts} of {wanted} pods"
    return None
