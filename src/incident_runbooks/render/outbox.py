# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of an incident, for a terminal: what became of each, and loudly what did not arrive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incident_runbooks.render.neutral import one_line
from incident_runbooks.render.style import bold, painted
from incident_runbooks.render.table import table

_LINE = 400
_TEXT = 60


def render_outbox(messages: Sequence[Mapping[str, Any]], colour: bool, result: Mapping[str, Any] | None) -> str:
    """Return the text.

    Args:
        messages: those of the outbox, and drafts; with ``due`` where nothing was sent now.
        result: of the run that sent; ``None`` where none did.
    """
    if not messages:
        parts = ["The outbox is empty: nobody was to be told of anything."]
    else:
        rows = [_row(message) for message in messages]
        states = [str(message["state"]) for message in messages]
        head = ["CHANNEL", "TO", "PURPOSE", "STAGE", "STATE", "NEXT", "TEXT"]
        parts = [table(head, rows, lambda number, line: painted(line, states[number], colour))]
    parts += [_why(message, colour) for message in messages if message.get("message") and message["state"] != "sent"]
    if result is not None:
        parts += [painted(one_line(f"{item['message']}", _LINE), "failed", colour) for item in result["errors"]]
        parts.append(_summary(result, colour))
    return "\n".join(parts)


def _row(message: Mapping[str, Any]) -> list[Any]:
    upcoming = message.get("next_attempt_at") or ""
    if "due" in message:
        upcoming = "now" if message["due"] else upcoming
    payload = message["payload"]
    text = payload.get("text") or payload.get("summary") or payload.get("title") or payload.get("body") or ""
    stage = " ".join(part for part in (message["stage"].partition(":")[0], message["verdict"]) if part)
    to = message.get("target") or message["to"] or ""
    return [message["channel"], to, message["purpose"], stage, message["state"], upcoming, one_line(text, _TEXT)]


def _why(message: Mapping[str, Any], colour: bool) -> str:
    loud = message["channel"] == "pagerduty" and message["stage"] == "opened" and message["state"] == "failed"
    said = one_line(f"{'NOT PAGED: ' if loud else ''}{message['id']}: {message['message']}", _LINE)
    return bold(painted(said, "failed", colour), colour) if loud else said


def _summary(result: Mapping[str, Any], colour: bool) -> str:
    counts: dict[str, int] = {}
    for item in result["notifications"]:
        counts[str(item.get("status"))] = counts.get(str(item.get("status")), 0) + 1
    return bold(", ".join(f"{number} {status}" for status, number in counts.items()) or "Nothing was due.", colour)
