# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Bring recorded elements into the shape of the result schema, whatever a record holds.

A journal can be of a later version, or a role can have recorded something odd. A status that is not known
becomes the most cautious one, so that nothing odd ever looks like success. Unknown keys stay.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = dict[str, Any]

FINDING_STATUSES = ("ok", "degraded", "down", "unknown", "skipped")
ACTION_STATUSES = ("done", "partial", "nothing_to_do", "skipped", "refused", "failed", "unknown")
VERIFICATION_STATUSES = ("resolved", "unresolved", "unverified")
PLAN_STATUSES = ("recommended", "not_recommended")
RISKS = ("safe", "disruptive", "destructive", "irreversible")
MODES = ("diagnose", "remediate", "rollback", "report")


def finding(record: Json) -> Json:
    """The element of ``findings``."""
    data = record["data"]
    return {
        **data,
        "check": text(data.get("check"), "unnamed"),
        "component": text(data.get("component"), "unknown"),
        "status": choice(data.get("status"), FINDING_STATUSES, "unknown"),
        "required": data.get("required") is not False,
        "summary": text(data.get("summary")),
        "cause": text_or_none(data.get("cause")),
        "recommend": [item for item in listed(data.get("recommend")) if isinstance(item, str)],
        "data": mapping(data.get("data")),
        "at": instant(data.get("at")) or moment(record),
    }


def plan(record: Json) -> Json:
    """The element ``plan``."""
    data = record["data"]
    return {
        **data,
        "digest": text_or_none(data.get("digest")),
        "approval": _approval(data["approval"]) if isinstance(data.get("approval"), dict) else None,
        "remediations": [_planned(item) for item in listed(data.get("remediations")) if isinstance(item, dict)],
    }


def _approval(data: Json) -> Json:
    keys = ("digest", "decided_by", "second_approver", "reason", "decided_at", "expires_at", "source")
    approved = [item for item in listed(data.get("approved")) if isinstance(item, str)]
    return {**data, **{key: text_or_none(data.get(key)) for key in keys}, "approved": approved}


def _planned(data: Json) -> Json:
    return {
        **data,
        **_remediation(data),
        "status": choice(data.get("status"), PLAN_STATUSES, "not_recommended"),
        "reason": text(data.get("reason")),
        "approved": data.get("approved") is True,
        "targets": listed(data.get("targets")),
        "excluded": listed(data.get("excluded")),
        "preview": mapping(data.get("preview")),
    }


def _remediation(data: Json) -> Json:
    return {
        "id": text(data.get("id"), "unnamed"),
        "title": text(data.get("title")),
        "risk": choice(data.get("risk"), RISKS, "irreversible"),
    }


def action(record: Json) -> Json:
    """The element of ``actions``."""
    data = record["data"]
    return {
        **data,
        **_remediation(data),
        "status": choice(data.get("status"), ACTION_STATUSES, "failed"),
        "changed": data.get("changed") is True,
        "started_at": instant(data.get("started_at")),
        "ended_at": instant(data.get("ended_at")) or moment(record),
        "reason": text_or_none(data.get("reason")),
        "targets": listed(data.get("targets")),
        "before": mapping(data.get("before")),
        "after": mapping(data.get("after")),
        "results": listed(data.get("results")),
    }


def verification(record: Json) -> Json:
    """The element of ``verification``."""
    data = record["data"]
    return {
        **data,
        "check": text(data.get("check"), "unnamed"),
        "status": choice(data.get("status"), VERIFICATION_STATUSES, "unverified"),
        "summary": text(data.get("summary")),
        "cause": text_or_none(data.get("cause")),
        "baseline": mapping(data.get("baseline")),
        "target": mapping(data.get("target")),
        "samples": listed(data.get("samples")),
        "at": instant(data.get("at")) or moment(record),
    }


def error(record: Json) -> Json:
    """The element of ``errors``."""
    data = _typed(record["data"], reason=str, step=str, name=str, mutates=bool)
    return {
        **data,
        "code": text(data.get("code"), "internal"),
        "message": text(data.get("message")),
        "hint": text_or_none(data.get("hint")),
        "component": text_or_none(data.get("component")),
        "at": instant(data.get("at")) or moment(record),
    }


def follow_up(record: Json) -> Json:
    """The element of ``follow_ups``."""
    data = record["data"]
    return {
        **data,
        "title": text(data.get("title"), "unnamed"),
        "owner": text_or_none(data.get("owner")),
        "due": text_or_none(data.get("due")),
    }


def notice(record: Json) -> Json:
    """The element of ``notices``."""
    data = record["data"]
    return {
        **data,
        "code": text(data.get("code"), "unnamed"),
        "message": text(data.get("message")),
        "component": text_or_none(data.get("component")),
        "at": instant(data.get("at")) or moment(record),
    }


def note(record: Json) -> Json:
    """The element of ``notes``: what a person states."""
    data = record["data"]
    return {
        **data,
        "key": text(data.get("key"), "unnamed"),
        "value": data.get("value"),
        "by": text_or_none(data.get("by")),
        "at": instant(data.get("at")) or moment(record),
    }


def dated(record: Json) -> Json:
    """The element of ``notifications`` and ``evidence``: as recorded, with its time."""
    data = _typed(record["data"], channel=str, target=str, status=str, path=str, source=str, sha256=str, bytes=int)
    if number(data.get("bytes")) is None:
        data.pop("bytes", None)
    return {**data, "at": instant(data.get("at")) or moment(record)}


SHAPES: Mapping[str, tuple[str, Callable[[Json], Json]]] = {
    "finding": ("findings", finding),
    "action": ("actions", action),
    "verification": ("verification", verification),
    "notification": ("notifications", dated),
    "evidence": ("evidence", dated),
    "follow_up": ("follow_ups", follow_up),
    "notice": ("notices", notice),
    "note": ("notes", note),
    "error": ("errors", error),
}


def _typed(data: Json, **types: type) -> Json:
    """Leave out what the schema gives a type and the record another one."""
    return {key: item for key, item in data.items() if key not in types or isinstance(item, types[key])}


def text(value: Any, default: str = "") -> str:
    """*value* if it is text, a number as its digits, else *default*."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default


def text_or_none(value: Any) -> str | None:
    """*value* if it is text."""
    return value if isinstance(value, str) else None


def choice(value: Any, allowed: tuple[str, ...], default: str) -> str:
    """*value* if it is one of *allowed*."""
    return value if isinstance(value, str) and value in allowed else default


def listed(value: Any) -> list[Any]:
    """*value* if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def mapping(value: Any) -> Json:
    """*value* if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> float | int | None:
    """*value* if it is a finite number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) and value >= 0 else None


def instant(value: Any) -> str | None:
    """*value* if it is an RFC 3339 time."""
    return value if isinstance(value, str) and parse_instant(value) else None


def moment(record: Json) -> str | None:
    """When a record was written."""
    return instant(record.get("at"))


def detection(records: Iterable[Json]) -> dt.datetime | None:
    """The alert's own time, where a run was given it; the first one that is a time."""
    for record in records:
        if record["type"] == "run_started":
            data = record["data"]
            places = (mapping(data.get("incident")), mapping(data.get("run")), data)
            at = next((at for place in places if (at := parse_instant(instant(place.get("detected_at"))))), None)
            if at:
                return at
    return None


def counted_from(records: Iterable[Json]) -> dt.datetime | None:
    """From when an incident's time counts: its detection or the beginning of its first run, whichever was first."""
    started = [record for record in records if record["type"] == "run_started"]
    first = parse_instant(moment(started[0])) if started else None
    return min((at for at in (first, detection(started)) if at), default=None)


def parse_instant(value: str | None) -> dt.datetime | None:
    """Return an RFC 3339 time as a datetime; ``None`` for anything else."""
    try:
        parsed = dt.datetime.fromisoformat(value) if value and value[10:11] in ("T", "t") else None
        if parsed and parsed.tzinfo:
            parsed.astimezone(dt.UTC)  # an instant outside of the calendar is none
    except (ValueError, OverflowError):
        return None
    return parsed if parsed and parsed.tzinfo else None
