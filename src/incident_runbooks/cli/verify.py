# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook verify``: is what was kept of an incident still what was recorded?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from incident_runbooks.cli.completion import complete_incident
from incident_runbooks.cli.options import Answer, output_option
from incident_runbooks.errors import RunbookError
from incident_runbooks.outcomes import EXIT_OK

EXIT_NOT_INTACT = 5  # "not verified", as after a remediation
_LISTED = 20


@click.command()
@click.argument("incident", required=False, shell_complete=complete_incident)
@output_option
def verify(incident: str | None, output: str | None) -> Answer:
    """Verify that an incident's record is intact.

    Compared are the hash chain of the journal, the result with the journal, every file of evidence and every report
    with its recorded size and SHA-256, and the outbox is read. The first broken line or file is named. The exit code
    is 0 when all is intact and 5 when it is not. Without INCIDENT it is the latest.

    It is no proof against somebody who can write the directory: that one can write everything anew.
    """
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_verify import (  # noqa: PLC0415
        verify_incident,
    )
    from incident_runbooks.cli.show import chosen  # noqa: PLC0415

    try:
        said = verify_incident(chosen(incident))
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    return Answer(EXIT_OK if said["intact"] else EXIT_NOT_INTACT, said, lambda colour: _text(said, colour), output)


def _text(said: Mapping[str, Any], colour: bool) -> str:
    from incident_runbooks.render.neutral import one_line  # noqa: PLC0415
    from incident_runbooks.render.style import bold, painted  # noqa: PLC0415

    verdict = painted("INTACT", "ok", colour) if said["intact"] else painted("NOT INTACT", "failed", colour)
    lines = [f"{bold(said['incident'], colour)}: {verdict}"]
    if said["under_way"]:
        lines.append("  a run is under way: what it writes at this moment may look unfinished")
    for check in said["checks"]:
        status = {"intact": "ok", "broken": "failed"}.get(check["status"], "skipped")
        counted = f" ({check['checked']})" if check["checked"] else ""
        lines.append(f"  {painted(check['status'].ljust(7), status, colour)} {check['name']}{counted}")
        problems = check["problems"]
        lines += [_problem(item, one_line) for item in problems[:_LISTED]]
        lines += [f"    and {len(problems) - _LISTED} more"] if len(problems) > _LISTED else []
    return "\n".join(lines)


def _problem(item: Mapping[str, Any], one_line: Any) -> str:
    where, problem = str(item["where"]), str(item["problem"])
    said = problem if problem.startswith(where.partition(" ")[2] or where) else f"{where}: {problem}"
    if said is problem and " " in where:
        said = f"{where.partition(' ')[0]} {problem}"
    return f"    {one_line(said, 400)}"
