# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for a person who is to approve it: neutralised lines, the parts that decide first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from incident_runbooks.render.details import item_line
from incident_runbooks.render.neutral import one_line
from incident_runbooks.render.style import bold, painted

Json = Mapping[str, Any]

_LINE = 400
_FEW, _MANY = 10, 500
_PREVIEW_LINES = 60


def recommended(plan: Json) -> list[Json]:
    """Return the remediations that the plan recommends."""
    return [entry for entry in plan["remediations"] if entry.get("status") == "recommended"]


def plan_lines(plan: Json, colour: bool, only: Sequence[str] | None = None) -> list[str]:
    """Return the plan: its digest and what it recommends.

    Args:
        only: show these remediations; ``None`` for all.
    """
    lines = [bold(f"Plan {one_line(plan.get('digest'), 64)}", colour)]
    for entry in recommended(plan):
        if only is None or entry["id"] in only:
            lines += entry_lines(entry, colour, _FEW)
    return lines


def entry_lines(entry: Json, colour: bool, targets: int) -> list[str]:
    """Return one remediation.

    Args:
        targets: how many targets to list.
    """
    risk = str(entry.get("risk"))
    head = f"  {one_line(entry['id'], 100)} ({painted(one_line(risk, 20), risk, colour)}): "
    lines = [head + one_line(entry.get("title"), _LINE), _line("because", entry.get("reason"))]
    if entry.get("touches"):
        lines.append(_line("touches", entry["touches"]))
    lines += [_line("only if", sentence) for sentence in entry.get("preconditions") or ()]
    if entry.get("targets_unknown"):
        lines.append("    what it would touch is not known, so it cannot be approved")
    lines += _listed("would touch", entry.get("targets"), targets)
    if entry.get("verified_by"):
        lines.append(_line("verified by", entry["verified_by"]))
    if "can_roll_back" in entry:
        lines.append(f"    {'can' if entry['can_roll_back'] else 'cannot'} be rolled back")
    return lines


def detail_lines(entry: Json, colour: bool) -> list[str]:
    """Return everything that the plan says of one remediation."""
    lines = entry_lines(entry, colour, _MANY)
    lines += _listed("would spare", entry.get("excluded"), _MANY)
    preview = json.dumps(entry.get("preview") or {}, indent=2, ensure_ascii=True).splitlines()
    if entry.get("preview"):
        lines += ["    preview:", *(f"      {one_line_kept(line)}" for line in preview[:_PREVIEW_LINES])]
    if len(preview) > _PREVIEW_LINES:
        lines.append(f"      and {len(preview) - _PREVIEW_LINES} more lines: runbook show --output json")
    return lines


def one_line_kept(line: str) -> str:
    """Return a line of JSON cut and neutralised, with its indentation."""
    text = line.lstrip(" ")
    return " " * (len(line) - len(text)) + one_line(text, _LINE)


def _line(what: str, text: Any) -> str:
    return f"    {what} {one_line(text, _LINE)}"


def _listed(what: str, items: Any, limit: int) -> list[str]:
    if not items:
        return []
    rest = [f"      and {len(items) - limit} more"] if len(items) > limit else []
    return [f"    {what} {len(items)}:", *(f"      {item_line(item)}" for item in items[:limit]), *rest]
