# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""The timeline of a run: what was recorded, at the time that was recorded. Nothing is estimated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import (
    listed,
    mapping,
    moment,
    parse_instant,
    text,
)

Json = dict[str, Any]


def timeline(own: list[Json], result: Json) -> list[Json]:
    """Return the elements of ``timeline``, in the order of their times.

    Args:
        own: the records of the run.
        result: its result, with every part but the timeline.
    """
    events = [*_of_the_run(own), *_of_the_diagnosis(result), *_of_the_actions(result), *_of_the_rest(result)]
    timed = [(parse_instant(event["at"]), event) for event in events]
    return [event for at, event in sorted(((at, event) for at, event in timed if at), key=lambda pair: pair[0])]


def _event(at: str | None, kind: str, what: str, component: str | None = None) -> Json:
    return {"at": at, "kind": kind, "text": what, "component": component}


def _of_the_run(own: list[Json]) -> Iterator[Json]:
    for record in own:
        data = record["data"]
        if record["type"] == "run_started":
            run = mapping(data.get("run"))
            check = " in check mode" if run.get("check_mode") is True else ""
            who = text(run.get("operator"), "an unknown operator")
            yield _event(moment(record), "run_started", f"{text(run.get('mode'), 'run')}{check} started by {who}")
        elif record["type"] == "run_ended":
            yield _event(moment(record), "run_ended", "the run ended")
        elif record["type"] == "run_interrupted":
            yield _event(moment(record), "run_interrupted", f"the run was cut off: {text(data.get('reason'), 'lost')}")
        elif record["type"] == "journal_recovered":
            torn = text(data.get("torn_bytes"), "unknown")
            yield _event(moment(record), "journal_recovered", f"{torn} bytes of a torn record before this run")
        elif record["type"] == "plan":
            yield _event(moment(record), "plan", _plan(data))


def _plan(data: Json) -> str:
    remediations = [item for item in listed(data.get("remediations")) if isinstance(item, dict)]
    named = [text(item.get("id")) for item in remediations if item.get("status") == "recommended"]
    return f"recommended: {', '.join(named)}" if named else "nothing is recommended"


def _of_the_diagnosis(result: Json) -> Iterator[Json]:
    for item in result["findings"]:
        yield _event(item["at"], "finding", f"{item['check']} {item['status']}: {item['summary']}", item["component"])
    for item in result["verification"]:
        yield _event(item["at"], "verification", f"{item['check']} {item['status']}: {item['summary']}")


def _of_the_actions(result: Json) -> Iterator[Json]:
    for item in result["actions"]:
        if item["started_at"]:
            yield _event(item["started_at"], "action_started", item["id"])
        why = f": {item['reason']}" if item["reason"] else ""
        yield _event(item["ended_at"], "action", f"{item['id']} {item['status']}{why}")


def _of_the_rest(result: Json) -> Iterator[Json]:
    for item in result["notifications"]:
        what = " ".join(text(item.get(key)) for key in ("channel", "target", "status") if item.get(key))
        yield _event(item["at"], "notification", what or "notification")
    for item in result["evidence"]:
        yield _event(item["at"], "evidence", text(item.get("path")) or text(item.get("name"), "evidence"))
    for item in result["notices"]:
        yield _event(item["at"], "notice", item["message"] or item["code"], item["component"])
    for item in result["notes"]:
        who = text(item.get("by"), "somebody")
        yield _event(item["at"], "note", f"{who} states {item['key']}: {text(item.get('value'))}")
    for item in result["errors"]:
        yield _event(item["at"], "error", f"{item['code']}: {item['message']}", item["component"])
