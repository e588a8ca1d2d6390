# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What the runs of an incident did, from its journal: the steps back, newest first. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_targets import (
    BY_NAME,
    BY_NAME_RISK,
    hold_options,
    index_options,
    quarantine_options,
    scale_options,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_values import (
    object_options,
    rollout_options,
    values_of,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import Json

_ACTED = frozenset({"done", "partial", "unknown"})
_UNDID = frozenset({"done"})  # what was given back in part is compared again
_NOTHING_CHANGED = "it changed nothing"


@dataclass
class _Run:
    """What one run recorded."""

    id: str
    mode: str = "diagnose"
    check_mode: bool = False
    ended: bool = False
    plan: Mapping[str, Any] = field(default_factory=dict)
    actions: list[Json] = field(default_factory=list)


def steps_of(
    records: Iterable[Mapping[str, Any]], header: Sequence[Mapping[str, Any]], only: Sequence[str] = ()
) -> list[Json]:
    """Return a step back for every action of every run, in reverse order.

    Args:
        records: of the incident's journal.
        header: the remediations that the runbook's header declares.
        only: ids of remediations; all unless given.

    Returns:
        Each with ``key`` (unique), ``id``, ``run_id``, ``title``, ``risk``, ``at``, ``cut_off`` (the run ended before
        it could say what it had done), ``values`` (see ``values_of``), ``rollout``, ``objects``, ``scale``,
        ``index``, ``hold``, ``quarantine`` (options of the modules that give them back) and ``why_not`` (why there is
        nothing to do; ``None`` when there may be). What is given back by its name alone is left out without *only*.
    """
    runs = _runs(records)
    undone = {
        (back.get("remediation"), back.get("run_id")): run.id
        for run in runs
        for action in run.actions
        if isinstance(back := action.get("rolls_back"), Mapping) and action.get("status") in _UNDID
    }
    known = {str(entry["id"]): entry for entry in header}
    actions = [(run, action) for run in runs for action in _actions(run)]
    steps = [_step(run, action, known, undone) for run, action in reversed(actions)]
    found = [step for step in steps if not only or step["id"] in only]
    counts: dict[str, int] = {}
    for step in found:
        if not only and step["why_not"] is None and _by_name(step["values"]):
            step["why_not"] = f"it is given back by its name alone: --only {step['id']}"
        counts[step["key"]] = counts.get(step["key"], 0) + 1
        step["key"] += f"/{counts[step['key']]}" if counts[step["key"]] > 1 else ""
    return found


def _runs(records: Iterable[Mapping[str, Any]]) -> list[_Run]:
    runs: dict[str, _Run] = {}
    for record in records:
        run = runs.setdefault(str(record["run_id"]), _Run(str(record["run_id"])))
        kind, data = record["type"], record["data"]
        if kind == "run_started" and isinstance(data.get("run"), Mapping):
            run.mode, run.check_mode = str(data["run"].get("mode")), data["run"].get("check_mode") is True
        elif kind == "plan":
            run.plan = data
        elif kind == "action":
            run.actions.append({**data, "at": record.get("at")})
        elif kind == "run_ended":
            run.ended = True
    return list(runs.values())


def _actions(run: _Run) -> list[Json]:
    """The actions of a run, and those of its plan that it may have begun before it was cut off."""
    found = [action for action in run.actions if not action.get("rolls_back")]
    if run.ended or run.check_mode or run.mode != "remediate":
        return found
    said = {action.get("id") for action in found}
    approval = run.plan.get("approval")
    approved = approval.get("approved") if isinstance(approval, Mapping) else None
    for entry in run.plan.get("remediations") or []:
        wanted = entry.get("approved") is True or entry.get("id") in (approved or [])
        if entry.get("status") == "recommended" and wanted and entry.get("id") not in said:
            found.append({**entry, "status": "unknown", "changed": True, "cut_off": True})
    return found


def _step(
    run: _Run,
    action: Mapping[str, Any],
    known: Mapping[str, Mapping[str, Any]],
    undone: Mapping[tuple[Any, Any], str],
) -> Json:
    name = str(action.get("id"))
    declared = known.get(name, {})
    values = values_of(action) if _may_have_acted(action) else []
    step: Json = {
        "key": f"{run.id}/{name}",
        "id": name,
        "run_id": run.id,
        "title": str(action.get("title") or declared.get("title") or name),
        "risk": BY_NAME_RISK if _by_name(values) else str(action.get("risk") or declared.get("risk") or "disruptive"),
        "at": action.get("at"),
        "cut_off": action.get("cut_off") is True,
        "values": values,
        "rollout": rollout_options(values),
        "objects": object_options(values),
        "scale": scale_options(values),
        "index": index_options(values),
        "hold": hold_options(values),
        "quarantine": quarantine_options(values),
        "why_not": None,
    }
    by = undone.get((name, run.id))
    if by:
        step["why_not"] = f"it was rolled back by {by}"
    elif not _may_have_acted(action):
        step["why_not"] = _NOTHING_CHANGED
    elif not values:
        step["why_not"] = _cannot(action, declared)
    else:
        missing = [value["why_not"] for value in values if value["why_not"]]
        step["why_not"] = f"it cannot be rolled back: {'; '.join(missing)}" if missing else None
    return step


def _by_name(values: Sequence[Mapping[str, Any]]) -> bool:
    return any(value["what"] in BY_NAME for value in values)


def _may_have_acted(action: Mapping[str, Any]) -> bool:
    return action.get("changed") is True or (action.get("status") in _ACTED and action.get("status") != "done")


def _cannot(action: Mapping[str, Any], declared: Mapping[str, Any]) -> str:
    can = action.get("can_roll_back", declared.get("can_roll_back"))
    if can is True:
        return "its record holds nothing that could be given back"
    what = declared.get("touches") or action.get("touches")
    return (
        f"it cannot be rolled back, what it touched does not come back: {what}" if what else "it cannot be rolled back"
    )
