# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``runbook doctor`` found, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incident_runbooks.doctor import ATTENTION, NOT_ANSWERED
from incident_runbooks.render.neutral import one_line
from incident_runbooks.render.style import bold, columns, painted
from incident_runbooks.render.table import table

Json = Mapping[str, Any]

_LONGEST = 300
_COLOURS = {
    **dict.fromkeys(("missing", "misconfigured", "expires"), "degraded"),
    **dict.fromkeys(("refused", "unreachable"), "down"),
    **dict.fromkeys(("not_configured", "not_granted", "not_asked"), "skipped"),
}
_VERDICTS = {
    "healthy": "Everything that is configured works",
    "findings": "Something is missing or not permitted",
    "incomplete": "Something could not be asked",
}


def render(document: Json, colour: bool) -> str:
    """Return the checks as a table, and what to do about those that need attention."""
    checks = document["checks"]
    verdict = _VERDICTS.get(document["outcome"], f"The doctor did not get to its end: {document['outcome']}")
    took = "" if document["duration_s"] is None else f" ({document['duration_s']:.1f} s)"
    parts = [f"{bold(verdict, colour)}{took}: {_counted(document['counts'])}"]
    if checks:
        rows = [
            [each["component"], each["check"], _word(each["status"]), _found(each, document["types"])]
            for each in checks
        ]
        parts.append(
            table(
                ("component", "check", "is", "found"),
                rows,
                lambda number, line: painted(line, _colour(checks[number]["status"]), colour),
                last=_LONGEST,
                columns=columns(),
            )
        )
    parts += [part for part in (_steps(checks, colour), _errors(document["errors"])) if part]
    return "\n\n".join(parts)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {_word(status)}" for status, number in counts.items()) or "nothing was asked"


def _found(check: Json, types: Sequence[str]) -> str:
    """What was found, and where that is not all well, who needs it."""
    needed = "all" if len(check["needed_by"]) == len(types) > 1 else ", ".join(check["needed_by"])
    return f"{check['summary']} (for {needed})" if needed and check["status"] != "ok" else str(check["summary"])


def _steps(checks: Sequence[Json], colour: bool) -> str:
    wanted = [each for each in checks if each["status"] in ATTENTION + NOT_ANSWERED and each["next_step"]]
    if not wanted:
        return ""
    lines = [f"  {each['component']} {each['check']}: {one_line(each['next_step'], _LONGEST)}" for each in wanted]
    return "\n".join([bold("What to do", colour), *lines])


def _errors(errors: Sequence[Json]) -> str:
    return "\n".join(
        one_line("; ".join(str(part) for part in (each["message"], each["hint"]) if part), 4 * _LONGEST)
        for each in errors
    )


def _word(status: str) -> str:
    return status.replace("_", " ")


def _colour(status: str) -> str:
    return _COLOURS.get(status, status)
