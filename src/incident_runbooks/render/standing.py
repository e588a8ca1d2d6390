# SPDX-License-Identifier: GPL-3.0-or-later
"""How an incident stands, for a terminal: what is due, and what is overdue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import parse_instant
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_text import due, duration
from incident_runbooks.render.neutral import one_line
from incident_runbooks.render.style import painted


def standing_lines(
    record: Mapping[str, Any], update: Mapping[str, Any] | None, now: dt.datetime, colour: bool
) -> list[str]:
    """Return the lines below a shown incident.

    Args:
        record: the incident's document.
        update: when the next update is due; ``None`` for never.
    """
    lines = []
    incident = str(record["incident"]["id"])
    if len(record["runs"]) > 1:
        lines.append(f"Runs      {len(record['runs'])}, the incident: {one_line(record['outcome'], 20)}")
    if update is not None:
        lines.append(f"Update    {_due(update['due_at'], now, colour)}: "
                     f"runbook notify {one_line(incident, 120)} --update TEXT")  # fmt: skip
    if record["report_due_at"] and not _reported(record):
        lines.append(f"Report    {_due(record['report_due_at'], now, colour)}: "
                     f"runbook post-incident {one_line(incident, 120)}")  # fmt: skip
    if record["post_mortem_due_at"]:
        lines.append(f"Review    post-mortem {_due(record['post_mortem_due_at'], now, colour, closed=True)}")
    return lines


def _reported(record: Mapping[str, Any]) -> bool:
    return any(notice.get("code") == "report_written" for notice in record["notices"])


def _due(at: str, now: dt.datetime, colour: bool, *, closed: bool = False) -> str:
    """A due time, and how far it is; what passed is overdue, unless nobody can say whether it was kept."""
    parsed = parse_instant(at)
    if parsed is None:
        return "unknown"
    left = (parsed - now).total_seconds()
    if left >= 0:
        return f"due {due(at)}, in {duration(left)}"
    if closed:
        return f"was due {due(at)}"
    return painted(f"OVERDUE since {due(at)}, {duration(-left)}", "failed", colour)
