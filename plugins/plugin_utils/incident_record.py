# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Fold every run of an incident into one document. Pure: the same journal and the same instant give the same document.

What was recorded is ``observed``, what a person wrote down ``stated``, what follows from the two ``inferred``; the
rest is ``unknown`` and listed among the gaps, with how to state it. Nothing is made up.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_follow_ups import (
    follow_ups,
    unassigned,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_gaps import gaps
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_moments import (
    Moments,
    due_times,
    metrics,
    milestones,
    moments,
    service_level,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_parts import (
    actions,
    evidence,
    findings,
    impact,
    lessons,
    meant_for_the_platform,
    notifications,
    root_cause,
    says_something,
    undone_since,
    verification,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import records_of

SCHEMA_VERSION = "1.0"
Json = dict[str, Any]


def incident_record(
    journal: Iterable[bytes | str | Mapping[str, Any]] | bytes | str,
    *,
    incident_id: str | None = None,
    as_of: dt.datetime | None = None,
    current_run: str | None = None,
    problems: Sequence[str] = (),
) -> Json:
    """Return the document of an incident, of the shape ``schemas/incident.schema.json``.

    Args:
        journal: the content of a journal file, its lines, or its records. What is no record is skipped.
        incident_id: the incident's id, for a journal that was cut off before it names it.
        as_of: the instant at which an incident that is still open is judged; without one it is not judged.
        current_run: a run that is under way, so that its missing end is no error.
        problems: what is wrong with the journal file; goes among the errors.
    """
    records = records_of(journal)
    run_ids = list(dict.fromkeys(record["run_id"] for record in records))
    results = [fold(records, run_id, incident_id=incident_id) for run_id in run_ids]
    for result in results:
        if result["run"]["id"] == current_run:
            result["errors"] = [error for error in result["errors"] if error["code"] not in ("interrupted", "timeout")]
    notes = [note for result in results for note in _with_run(result, "notes")]
    deciding = _deciding(results)
    when = moments(records, results, notes)
    record: Json = {
        "schema_version": SCHEMA_VERSION,
        "as_of": rfc3339(as_of) if as_of else None,
        "incident": _incident(results, incident_id),
        "outcome": _outcome(results, deciding),
        "outcome_run_id": deciding["run"]["id"] if deciding else None,
        **_times(when, results, as_of),
        "runs": [_run(result, current_run) for result in results],
        "timeline": _timeline(results),
        **_story(results, notes, when),
        "notes": notes,
        "errors": [*map(_damage, problems), *(error for result in results for error in _with_run(result, "errors"))],
    }
    record["unassigned"] = unassigned(record["follow_ups"])
    record["gaps"] = gaps(record)
    return record


def _times(when: Moments, results: list[Json], as_of: dt.datetime | None) -> Json:
    return {
        "opened_at": when.opened,
        **{
            name: getattr(when, name)
            for name in ("started_at", "detected_at", "acknowledged_at", "mitigated_at", "resolved_at")
        },
        "duration_s": when.seconds("started_at", "resolved_at", "detected_at"),
        "metrics": metrics(when),
        "sla": service_level(when, results, as_of),
        **due_times(when),
    }


def _story(results: list[Json], notes: list[Json], when: Moments) -> Json:
    done = actions(results)
    cause = root_cause(results, notes, done)
    told = notifications(results)
    return {
        "milestones": milestones(when, cause, told),
        "findings": findings(results),
        "root_cause": cause,
        "impact": impact(_incident(results, None)["impact"], notes),
        "actions": done,
        "verification": verification(results),
        "notifications": told,
        "evidence": evidence(results),
        "follow_ups": follow_ups(results, notes, when.reference()),
        "lessons": lessons(notes),
        "notices": [notice for result in results for notice in _with_run(result, "notices")],
    }


def _outcome(results: list[Json], deciding: Json | None) -> str:
    """That of the deciding run; what a rollback has changed since was examined by nobody."""
    if deciding is None:
        return "unknown"
    return "unverified" if undone_since(results, deciding) else str(deciding["outcome"])


def _deciding(results: list[Json]) -> Json | None:
    """The last run that says something about the platform; else the last one that meant to, and failed."""
    meant = meant_for_the_platform(results)
    return next(reversed([result for result in meant if says_something(result)] or meant), None)


def _incident(results: list[Json], incident_id: str | None) -> Json:
    """What the last run that names it says of the incident: its runbook may have been corrected since."""
    said: Json = dict.fromkeys(("id", "type", "title", "severity", "priority", "impact"))
    if incident_id:
        said["id"], said["type"] = incident_id, incident_id.rsplit("-", 2)[0]
    for result in results:
        said.update({key: value for key, value in result["incident"].items() if value is not None})
    return said


def _run(result: Json, current_run: str | None) -> Json:
    run = result["run"]
    under_way = run["id"] == current_run and run["ended_at"] is None
    return {
        **run,
        "outcome": None if under_way else result["outcome"],
        "under_way": under_way,
        "plan_digest": result["plan"]["digest"],
        "approval": result["plan"]["approval"],
    }


def _timeline(results: list[Json]) -> list[Json]:
    events = [{**event, "run_id": result["run"]["id"]} for result in results for event in result["timeline"]]
    return sorted(events, key=lambda event: dt.datetime.fromisoformat(event["at"]))


def _with_run(result: Json, key: str) -> list[Json]:
    return [{**item, "run_id": result["run"]["id"]} for item in result[key]]


def _damage(problem: str) -> Json:
    return {
        "code": "journal_damaged",
        "message": f"Verifying the journal: {problem}",
        "hint": "what it says there cannot be trusted",
        "component": None,
        "at": None,
        "run_id": None,
    }
