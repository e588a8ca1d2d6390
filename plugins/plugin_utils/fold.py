# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Fold a journal into the result document. Pure: the same journal always gives the same result.

A journal that was cut off anywhere folds as well; the outcome is ``unknown`` then, and the errors name the
steps that were under way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import (
    MODES,
    SHAPES,
    Json,
    choice,
    counted_from,
    listed,
    mapping,
    moment,
    number,
    parse_instant,
    plan,
    text_or_none,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_interrupted import errors_of_cut_off_run
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_timeline import timeline
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import records_of
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outcome import outcome_of

SCHEMA_VERSION = "1.0"


def fold(
    journal: Iterable[bytes | str | Mapping[str, Any]] | bytes | str,
    run_id: str | None = None,
    *,
    incident_id: str | None = None,
) -> Json:
    """Return the result document of one run.

    Args:
        journal: the content of a journal file, its lines, or its records. What is no record is skipped.
        run_id: which run; default the last one of the journal.
        incident_id: the incident's id, for a journal that was cut off before it names it.
    """
    records = records_of(journal)
    run_id = run_id or _last_run(records)
    own = [record for record in records if record["run_id"] == run_id]
    started = _first(own, "run_started") or {}
    ended = _first(own, "run_ended")
    result: Json = {
        "schema_version": SCHEMA_VERSION,
        "incident": _incident(mapping(started.get("data")), incident_id),
        "run": _run(run_id, own, started, ended),
        "outcome": "unknown",
        "sla": _sla(records, own, mapping(started.get("data")), ended),
        "findings": [],
        "plan": {"digest": None, "approval": None, "remediations": []},
        "actions": [],
        "verification": [],
        "notifications": [],
        "evidence": [],
        "follow_ups": [],
        "notices": [],
        "notes": [],
        "timeline": [],
        "errors": [],
    }
    _collect(result, own)
    if ended is None:
        result["errors"].extend(errors_of_cut_off_run(own))
    result["outcome"] = outcome_of(result, ended=ended is not None)
    result["timeline"] = timeline(own, result)
    return result


def _collect(result: Json, own: list[Json]) -> None:
    for record in own:
        if record["type"] == "plan":
            result["plan"] = plan(record)
        elif record["type"] in SHAPES:
            key, shape = SHAPES[record["type"]]
            result[key].append(shape(record))


def _last_run(records: list[Json]) -> str | None:
    started = [record for record in records if record["type"] == "run_started"] or records
    return started[-1]["run_id"] if started else None


def _first(records: list[Json], kind: str) -> Json | None:
    return next((record for record in records if record["type"] == kind), None)


def _incident(data: Json, incident_id: str | None) -> Json:
    said = mapping(data.get("incident"))
    incident = {key: text_or_none(said.get(key)) for key in ("id", "type", "title", "severity", "priority", "impact")}
    if incident["id"] is None and incident_id:
        incident["id"], incident["type"] = incident_id, incident_id.rsplit("-", 2)[0]
    return incident


def _run(run_id: str | None, own: list[Json], started: Json, ended: Json | None) -> Json:
    said = mapping(mapping(started.get("data")).get("run"))
    versions = mapping(said.get("versions"))
    return {
        "id": run_id,
        "mode": choice(said.get("mode"), MODES, "diagnose"),
        "check_mode": said.get("check_mode") is True,
        "operator": text_or_none(said.get("operator")),
        "inventory": [source for source in listed(said.get("inventory")) if isinstance(source, str)],
        "started_at": moment(started),
        "ended_at": moment(ended) if ended else None,
        "duration_s": _seconds(moment(started), _end(own, ended)),
        "versions": {key: text_or_none(versions.get(key)) for key in ("incident_runbooks", "ansible_core", "python")},
    }


def _sla(records: list[Json], own: list[Json], data: Json, ended: Json | None) -> Json:
    target = number(mapping(data.get("sla")).get("target_s"))
    start = counted_from(_until(records, own))
    elapsed = _seconds(rfc3339(start) if start else None, _end(own, ended))
    return {
        "target_s": target,
        "deadline": _later(start, target) if start and target is not None else None,
        "elapsed_s": elapsed,
        "breached": elapsed > target if elapsed is not None and target is not None else None,
    }


def _until(records: list[Json], own: list[Json]) -> list[Json]:
    """The records up to the last one of a run: what a later run was told changes nothing in its result."""
    last = own[-1] if own else None
    end = next((number for number in reversed(range(len(records))) if records[number] is last), len(records) - 1)
    return records[: end + 1]


def _later(start: dt.datetime, seconds: float) -> str | None:
    try:
        return rfc3339(start + dt.timedelta(seconds=seconds))
    except OverflowError:
        return None


def _end(own: list[Json], ended: Json | None) -> str | None:
    if ended:
        return moment(ended)
    return next((at for at in map(moment, reversed(own)) if at), None)


def _seconds(start: str | None, end: str | None) -> float | None:
    first, last = parse_instant(start), parse_instant(end)
    if first is None or last is None:
        return None
    return max(0.0, round((last - first).total_seconds(), 3))  # a clock that was set back is no negative duration
