# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook from-alert``: which runbooks the alerts of an Alertmanager webhook ask for."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import click

from incident_runbooks.cli.completion import complete_file
from incident_runbooks.cli.options import Answer, output_option
from incident_runbooks.errors import UsageError
from incident_runbooks.outcomes import EXIT_FINDINGS, EXIT_INCOMPLETE, EXIT_OK

LARGEST_BYTES = 8 * 1024 * 1024  # thousands of alerts; Alertmanager itself sends one group at a time
_VERSION = "4"
_MOST_PROBLEMS = 3
_STDIN = "-"


@click.command("from-alert")
@click.argument("file", shell_complete=complete_file)
@click.option(
    "-i",
    "--inventory",
    multiple=True,
    metavar="PATH",
    help="Inventory for the commands that are shown; repeat for more. [default: the commands name none]",
    shell_complete=complete_file,
)
@output_option
def from_alert(file: str, inventory: tuple[str, ...], output: str | None) -> Answer:
    """Say which runbooks the alerts of a webhook ask for.

    FILE is the body that Alertmanager sends to a webhook (version 4); - reads it from standard input. Nothing is run:
    per incident type you get the alerts that fire, until when it is to be resolved, and the command to type, the most
    urgent first. An alert leads to the incident type that its label runbook names, else to those whose header names
    the alert. Incidents of the type that were recorded since it began are named: do not open a second one of the same.
    No label becomes an option of the command: labels are text from outside, and options move thresholds.

    \b
    Exit codes:
      0  nothing to run: every alert is resolved, or there is none
      2  the payload cannot be read
      3  there is something to run; alerts without a runbook are listed too
      4  nothing to run, but an alert fires that has no runbook, or Alertmanager left alerts out
    """
    from incident_runbooks import alertmanager, catalogue  # noqa: PLC0415 - help needs neither
    from incident_runbooks.render.alerts import text  # noqa: PLC0415

    payload = _parsed(*_read(file))
    again = [word for source in inventory for word in ("--inventory", source)]
    recorded, problem = _recorded()
    document = alertmanager.triage(payload, catalogue.incident_types(), again, dt.datetime.now(dt.UTC), recorded)
    document["notes"] += problem
    if document["incidents"]:
        code = EXIT_FINDINGS
    else:
        code = EXIT_INCOMPLETE if alertmanager.is_incomplete(document) else EXIT_OK
    return Answer(code, document, lambda colour: text(document, colour), output)


def _recorded() -> tuple[list[dict[str, str]], list[str]]:
    """Return the incidents on record, the newest first; and why they are not known, where they are not."""
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415

    try:
        found = [each for each in incidents.list_incidents() if each.journal.is_file()]
    except IncidentsError as error:
        return [], [f"which incidents are on record is not known: {error.message}"]
    return [{"id": each.id, "type": each.type, "opened_at": each.opened_at} for each in found], []


def _read(file: str) -> tuple[str, bytes]:
    """Return what the payload is called, and its bytes.

    Raises:
        UsageError: it cannot be read, or is too large.
    """
    name = "standard input" if file == _STDIN else file
    try:
        if file == _STDIN:
            content = sys.stdin.buffer.read(LARGEST_BYTES + 1)
        else:
            with Path(file).open("rb") as stream:
                content = stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError, AttributeError) as error:  # closed, or a name with a NUL
        cause = getattr(error, "strerror", None) or error
        raise UsageError(f"Reading the alerts from {name}: {cause}", hint="see: runbook from-alert --help") from error
    if len(content) > LARGEST_BYTES:
        raise UsageError(f"Reading the alerts from {name}: more than {LARGEST_BYTES} bytes", hint="lower max_alerts")
    return name, content


def _parsed(name: str, content: bytes) -> dict[str, Any]:
    """Return the payload, valid by its schema.

    Raises:
        UsageError: it is none, or of another version.
    """
    hint = "give the body that Alertmanager sends to a webhook"
    try:
        payload = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"Reading the alerts from {name}: it is no JSON: {error}", hint=hint) from error
    if not isinstance(payload, dict):
        raise UsageError(f"Reading the alerts from {name}: it is no JSON object", hint=hint)
    if "version" in payload and payload["version"] != _VERSION:
        raise UsageError(
            f"Reading the alerts from {name}: version {payload['version']!r:.40} of the payload is not known",
            hint="known is version '4', which Alertmanager sends",
        )
    from incident_runbooks import schemas  # noqa: PLC0415 - it costs a tenth of a second

    problems = schemas.validate("alertmanager", payload)
    if problems:
        more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
        said = "; ".join(problems[:_MOST_PROBLEMS]) + more
        raise UsageError(f"Reading the alerts from {name}: {said}", hint=hint)
    return payload
