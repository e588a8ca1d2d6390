# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook list``."""

from __future__ import annotations

from typing import Any

import click

from incident_runbooks import catalogue
from incident_runbooks.cli.options import Answer, output_option
from incident_runbooks.outcomes import EXIT_OK
from incident_runbooks.render.table import table
from incident_runbooks.render.text import duration


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
    rows = [
        [
            kind.name,
            kind.title,
            kind.severity,
            kind.priority,
            duration(kind.sla_target_s),
            ", ".join(f"{item.id} ({item.risk})" for item in kind.remediations),
        ]
        for kind in types
    ]
    return table(["TYPE", "TITLE", "SEVERITY", "PRIORITY", "SLA", "REMEDIATIONS (RISK)"], rows)
