# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook show``: an earlier incident, folded anew from its journal."""

from __future__ import annotations

import click

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import FILE_NAME, read_journal
from incident_runbooks.cli.options import Answer, output_option
from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.execution.record import existing
from incident_runbooks.outcomes import EXIT_OK
from incident_runbooks.render.text import render


@click.command()
@click.argument("incident", required=False)
@click.option("--run", "run_id", metavar="ID", help="One of the incident's runs. [default: the last]")
@output_option
def show(incident: str | None, run_id: str | None, output: str | None) -> Answer:
    """Show an earlier incident, the latest by default.

    The document is made anew from the journal. Where the journal's hash chain is broken (a line was edited,
    removed, or torn by a crash) the errors say so. The exit code is 0 when it could be shown, whatever its outcome.
    """
    try:
        path = existing(incident or _latest())
        journal = read_journal(path / FILE_NAME)
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    runs = list(dict.fromkeys(record["run_id"] for record in journal.records if record["type"] == "run_started"))
    if run_id is not None and run_id not in runs:
        raise UsageError(
            f"Showing the run {run_id} of {path.name}: it has none of that id", hint=f"known: {', '.join(runs)}"
        )
    result = fold(journal.records, run_id, incident_id=path.name)
    result["errors"] += [
        {
            "code": "journal_damaged",
            "message": f"Verifying the journal {path / FILE_NAME}: {problem}",
            "hint": "what it says there cannot be trusted",
            "component": None,
            "at": None,
        }
        for problem in journal.problems
    ]
    again = [word for source in result["run"]["inventory"] for word in ("--inventory", source)]
    return Answer(EXIT_OK, result, lambda colour: render(result, colour, again, path), output)


def _latest() -> str:
    recorded = [entry for entry in incidents.list_incidents() if entry.journal.is_file()]
    if not recorded:
        raise UsageError(
            f"Looking for the latest incident in {incidents.home()}: none was recorded so far",
            hint="see: runbook run --help",
        )
    return recorded[0].id
