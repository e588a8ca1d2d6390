# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What is due after an incident, as an iCalendar file: the report, the post-mortem, and each follow-up.

The ids of the entries follow from the incident's id, so that a calendar that reads the file again updates them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from icalendar import Alarm, Calendar, Event

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import parse_instant
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_follow_ups import same
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_text import plain
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_view import last_event

Json = dict[str, Any]

_BEFORE = dt.timedelta(minutes=30)  # how long an entry lasts; it ends when it is due
_REMIND = dt.timedelta(hours=-2)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def render_calendar(record: Json) -> str:
    """Return the file's content, lines ended by CRLF. An incident in which nothing was wrong has no entries.

    Args:
        record: the document of :func:`incident_record`.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//incident-runbooks//incident report//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", plain(f"Incident {record['incident']['id'] or 'unknown'}", 200))
    for entry in _entries(record):
        calendar.add_component(entry)
    return str(calendar.to_ical(), "utf-8")


def _entries(record: Json) -> list[Event]:
    title = plain(record["incident"]["title"] or record["incident"]["type"] or "incident", 120)
    entries = [
        _entry(record, "report", record["report_due_at"], f"Incident report due: {title}"),
        _entry(record, "post-mortem", record["post_mortem_due_at"], f"Post-mortem due: {title}"),
    ]
    for item in record["follow_ups"]:
        if not item["done"]:
            name = f"follow-up-{hashlib.sha256(same(item['title']).encode()).hexdigest()[:12]}"
            owner = f" ({plain(item['owner'], 80)})" if item["owner"] else " (no owner)"
            entries.append(_entry(record, name, item["due"], f"Follow-up due: {plain(item['title'], 200)}{owner}"))
    return [entry for entry in entries if entry is not None]


def _entry(record: Json, name: str, due: str | None, summary: str) -> Event | None:
    start, end = _span(due)
    if start is None:
        return None
    incident = record["incident"]["id"] or "unknown"
    event = Event()
    event.add("uid", f"{incident}-{name}@incident-runbooks")
    event.add("dtstamp", parse_instant(last_event(record)) or _EPOCH)  # the same journal gives the same file
    event.add("sequence", len(record["runs"]))
    event.add("dtstart", start)
    event.add("dtend", end)
    event.add("summary", summary)
    event.add("description", plain(f"Incident {incident}. See: runbook report {incident}", 300))
    event.add("transp", "TRANSPARENT")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", summary)
    alarm.add("trigger", _REMIND)
    event.add_component(alarm)
    return event


def _span(due: str | None) -> tuple[dt.date | None, dt.date | None]:
    """The half hour before an instant, or a whole day; nothing for words such as "next week"."""
    instant = parse_instant(due)
    try:
        if instant is not None:
            instant = instant.astimezone(dt.UTC).replace(microsecond=0)
            return instant - _BEFORE, instant
        day = dt.date.fromisoformat(due or "")
        return day, day + dt.timedelta(days=1)
    except (ValueError, OverflowError):
        return None, None
