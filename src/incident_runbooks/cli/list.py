# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook list``."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from incident_runbooks import catalogue
from incident_runbooks.cli.options import Answer, output_option
from incident_runbooks.outcomes import EXIT_OK
from incident_runbooks.render.style import columns
from incident_runbooks.render.table import table
from incident_runbooks.render.text import duration

_HEAD = ("TYPE", "TITLE", "SEVERITY", "PRIORITY", "SLA", "REMEDIATIONS (RISK)")
_LINE = 1000
_NARROW = 120  # columns, below which the last one of the table would be no wider than two words


@click.command("list")
@output_option
def list_types(output: str | None) -> Answer:
    """List the incident types and their remediations.

    With each type its title, severity, priority, the time in which it is to be resolved (SLA), and its
    remediations with their risk. JSON when piped.
    """
    types = catalogue.incident_types()
    return Answer(EXIT_OK, [_plain(kind) for kind in types], lambda _colour: _text(types), output)


def _plain(kind: catalogue.IncidentType) -> dict[str, Any]:
    return {
        "type": kind.name,
        "title": kind.title,
        "severity": kind.severity,
        "priority": kind.priority,
        "impact": kind.impact,
        "sla_target_s": kind.sla_target_s,
        "required_components": list(kind.required_components),
        "remediations": [{"id": item.id, "title": item.title, "risk": item.risk} for item in kind.remediations],
    }


def _text(types: list[catalogue.IncidentType]) -> str:
    """Return the table; on a narrow terminal the remediations stand below their type."""
    rows = [
        [kind.name, kind.title, kind.severity, kind.priority, duration(kind.sla_target_s), _remediations(kind)]
        for kind in types
    ]
    wide = columns()
    if not 0 < wide < _NARROW:
        return table(_HEAD, rows, last=_LINE, columns=wide)
    first, *lines = table(_HEAD[:-1], [row[:-1] for row in rows]).splitlines()
    for row, line in zip(rows, lines, strict=True):
        below = textwrap.fill(row[-1], wide, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        first = "\n".join([first, line, *([below] if below else [])])
    return first


def _remediations(kind: catalogue.IncidentType) -> str:
    return ", ".join(f"{item.id} ({item.risk})" for item in kind.remediations)
