# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What is left to do after an incident: each item once, whichever runs recorded it, with its owner and due time."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import number, parse_instant, text

Json = dict[str, Any]

# Where neither the runbook nor a person gives one: two weeks after the incident, so that no item is without
DEFAULT_DUE = dt.timedelta(days=14)
OWNER, DONE, DUE = "owner:", "done:", "due:"


def follow_ups(results: list[Json], notes: list[Json], reference: str | None) -> list[Json]:
    """Return the items in the order in which they were first recorded.

    Args:
        reference: from when the default due time counts, RFC 3339.
    """
    items: dict[str, Json] = {}
    for result in results:
        for recorded in result["follow_ups"]:
            item = items.setdefault(same(recorded["title"]), _new(recorded["title"]))
            _merge(item, recorded, result)
    for note in notes:
        _state(items, note)
    for item in items.values():
        if item["due"] is None:
            item["due"], item["due_source"] = _default(reference)
    return list(items.values())


def unassigned(items: list[Json]) -> list[str]:
    """The titles of those that nobody owns and that are not done."""
    return [item["title"] for item in items if not item["owner"] and not item["done"]]


def same(title: str) -> str:
    """What two titles of the same item have in common."""
    return " ".join(title.casefold().split())


def _new(title: str) -> Json:
    nothing: Json = dict.fromkeys(("owner", "due", "due_source", "source", "remediation"))
    return {"title": title, **nothing, "done": False, "run_ids": []}


def _merge(item: Json, recorded: Json, result: Json) -> None:
    item["run_ids"] = list(dict.fromkeys([*item["run_ids"], result["run"]["id"]]))
    for key in ("owner", "source", "remediation"):
        item[key] = text(recorded.get(key)) or item[key]
    due = text(recorded.get("due")) or _later(result["run"]["started_at"], number(recorded.get("due_after_s")))
    if due:
        item["due"], item["due_source"] = due, "recorded"
    item["done"] = item["done"] or recorded.get("done") is True


def _state(items: dict[str, Json], note: Json) -> None:
    for prefix, key in ((OWNER, "owner"), (DUE, "due"), (DONE, "done")):
        if note["key"].startswith(prefix):
            item = items.get(same(note["key"].removeprefix(prefix)))
            if item is not None and key == "done":
                item["done"] = note["value"] is not False
            elif item is not None:
                item[key] = text(note["value"]) or item[key]
                item["due_source"] = "stated" if key == "due" else item["due_source"]


def _default(reference: str | None) -> tuple[str | None, str | None]:
    due = _later(reference, DEFAULT_DUE.total_seconds())
    return due, "default" if due else None


def _later(at: str | None, seconds: float | None) -> str | None:
    start = parse_instant(at)
    if start is None or seconds is None:
        return None
    try:
        return rfc3339(start + dt.timedelta(seconds=seconds))
    except OverflowError:
        return None
