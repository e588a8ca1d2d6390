# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What a run that was cut off leaves to say: why it ended, and which steps were under way or are not accounted for."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import moment, number, text
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_steps import COLLECTION

Json = dict[str, Any]

_WHY = {
    "timeout": "it took longer than its time-out",
    "sigint": "it was interrupted from the keyboard (SIGINT)",
    "sigterm": "it was terminated (SIGTERM)",
    "killed": "it was killed",
    "lost": "no end was recorded; it was killed, or it is still under way",
}
# What these change belongs to the record, the messages and the lock; no action tells of it
_OF_THE_RUN = frozenset(
    f"{COLLECTION}{name}"
    for name in ("acting_lease", "breach_notice", "evidence", "evidence_snapshot", "incident_report", "notify")
)
_LOOK = "what it may have changed is not known: look at the system itself, then run the diagnosis again"


def steps_under_way(own: list[Json]) -> list[Json]:
    """Return the records of the steps that began and did not end, those first that can change something."""
    under_way: dict[str, Json] = {}
    for record in own:
        if record["type"] == "step_started":
            under_way[text(record["data"].get("step"))] = record
        elif record["type"] == "step_ended":
            under_way.pop(text(record["data"].get("step")), None)
    return sorted(under_way.values(), key=lambda record: record["data"].get("mutates") is False)


def changes_not_accounted_for(own: list[Json]) -> list[Json]:
    """Return the records of the steps that changed something after the last recorded action: theirs never came."""
    last = max((number for number, record in enumerate(own) if record["type"] == "action"), default=-1)
    can_change = {
        text(record["data"].get("step"))
        for record in own
        if record["type"] == "step_started" and record["data"].get("mutates") is not False
    }
    return [
        record
        for record in own[last + 1 :]
        if record["type"] == "step_ended"
        and record["data"].get("changed") is True
        and text(record["data"].get("step")) in can_change
        and record["data"].get("action") not in _OF_THE_RUN
    ]


def errors_of_cut_off_run(own: list[Json]) -> list[Json]:
    """Return the elements of ``errors`` for a run whose end was not recorded.

    One for each step under way, and for each that changed something which no action tells of; at least one.
    """
    interrupted = next((record for record in own if record["type"] == "run_interrupted"), None)
    said = interrupted["data"] if interrupted else {}
    reason = text(said.get("reason"), "lost")
    last = moment(interrupted or own[-1]) if own else None
    common = {"code": "timeout" if reason == "timeout" else "interrupted", "reason": reason, "at": last}
    why = _WHY.get(reason, reason)
    after = number(said.get("after_s"))
    if after is not None:
        why = f"{why}, after {after:g} s"
    found = [_step(record["data"], why) for record in steps_under_way(own)]
    changed = f"it changed something, and the run was cut off before that was recorded: {why}"
    found += [_step(record["data"], changed) for record in changes_not_accounted_for(own)]
    if not found:
        return [{**common, "message": f"Running the incident: {why}", "hint": None, "component": None}]
    return [{**common, **said} for said in found]


def _step(data: Json, why: str) -> Json:
    mutates = data.get("mutates") is not False
    host = text(data.get("host"), "unknown")
    name = text(data.get("name")) or text(data.get("action"), "unnamed")
    return {
        "message": f"Running the step {name!r} ({text(data.get('action'), 'unknown action')}) on {host}: {why}",
        "hint": _LOOK if mutates else None,
        "component": host,
        "step": text(data.get("step")),
        "name": name,
        "mutates": mutates,
    }
