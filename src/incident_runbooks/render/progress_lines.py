# SPDX-License-Identifier: GPL-3.0-or-later
"""The one line that an event is worth; pure, and the same in a pipe and on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Json = Mapping[str, Any]

_TOLD = frozenset({"sent", "failed"})
_TELLS = frozenset({"brandconnect.incidents.notify"})  # what it sends has lines of its own


class EventLine(NamedTuple):
    """What to say of an event.

    Attributes:
        status: its label, which also decides the colour.
        text: not neutralised yet.
        limit: how many columns of the text are shown.
    """

    status: str
    text: str
    limit: int = 200


def line_of(record: Json, verbosity: int = 0) -> EventLine | None:
    """Return the line of one journal record, ``None`` where it has none.

    Args:
        verbosity: from 1 on, every step too, and messages that were not sent.
    """
    shown = _LINES.get(str(record.get("type")))
    data = record.get("data")
    return shown(data if isinstance(data, Mapping) else {}, verbosity) if shown is not None else None


def _finding(data: Json, _verbosity: int) -> EventLine:
    return EventLine(str(data.get("status")), f"{data.get('component')}/{data.get('check')}: {data.get('summary')}")


def _action(data: Json, _verbosity: int) -> EventLine:
    reason = f": {data['reason']}" if data.get("reason") else ""
    return EventLine(str(data.get("status")), f"{data.get('id')}{reason}")


def _verification(data: Json, _verbosity: int) -> EventLine:
    return EventLine(str(data.get("status")), f"{data.get('check')}: {data.get('summary')}")


def _notification(data: Json, verbosity: int) -> EventLine | None:
    status = str(data.get("status"))
    if status not in _TOLD and not verbosity:
        return None  # drafts, and what was sent before
    words = (data.get(key) for key in ("channel", "purpose", "stage", "target"))
    cause = data.get("message") or data.get("cause") if status == "failed" else None
    return EventLine(status, " ".join(str(word) for word in words if word) + (f": {cause}" if cause else ""))


def _notice(data: Json, _verbosity: int) -> EventLine:
    return EventLine("notice", str(data.get("message") or data.get("code")), 1000)


def _error(data: Json, _verbosity: int) -> EventLine:
    return EventLine("failed", f"{data.get('code')}: {data.get('message')}", 1000)


def _step_started(data: Json, verbosity: int) -> EventLine | None:
    shown = verbosity or (data.get("mutates") and data.get("action") not in _TELLS)
    return EventLine("...", f"{data.get('host')}: {data.get('name')}") if shown else None


def _step_ended(data: Json, verbosity: int) -> EventLine | None:
    if not verbosity:
        return None
    took = f" ({data['duration_s']:.1f} s)" if isinstance(data.get("duration_s"), (int, float)) else ""
    return EventLine(str(data.get("status")), f"{data.get('host')}: {data.get('name')}{took}")


def _run_interrupted(data: Json, _verbosity: int) -> EventLine:
    return EventLine("unknown", f"the run was cut off: {data.get('reason')}")


_LINES: dict[str, Callable[[Json, int], EventLine | None]] = {
    "finding": _finding,
    "action": _action,
    "verification": _verification,
    "notification": _notification,
    "notice": _notice,
    "error": _error,
    "step_started": _step_started,
    "step_ended": _step_ended,
    "run_interrupted": _run_interrupted,
}
