# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook show``: an earlier incident, folded anew from its journal."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import click

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record import incident_record
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_parts import run_to_show
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import FILE_NAME, read_journal
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_end import end_problems
from incident_runbooks.cli.completion import complete_incident, complete_run
from incident_runbooks.cli.options import Answer, output_option
from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.outcomes import EXIT_OK
from incident_runbooks.render.standing import standing_lines
from incident_runbooks.render.text import render
from incident_runbooks.standing import next_update_of

Json = dict[str, Any]


@click.command()
@click.argument("incident", required=False, shell_complete=complete_incident)
@click.option(
    "--run",
    "run_id",
    metavar="ID",
    shell_complete=complete_run,
    help="One of the incident's runs. [default: the last that does more than report or look at what could be restored]",
)
@output_option
def show(incident: str | None, run_id: str | None, output: str | None) -> Answer:
    """Show an earlier incident, the latest by default.

    The document is made anew from the journal. Where the journal's hash chain is broken (a line was edited,
    removed, or torn by a crash), or where runs that the result tells of are missing, the errors say so. The exit
    code is 0 when it could be shown, whatever its outcome.
    """
    try:
        path = chosen(incident)
        journal = read_journal(path / FILE_NAME)
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    runs = list(dict.fromkeys(record["run_id"] for record in journal.records if record["type"] == "run_started"))
    if run_id is not None and run_id not in runs:
        raise UsageError(
            f"Showing the run {run_id} of {path.name}: it has none of that id", hint=f"known: {', '.join(runs)}"
        )
    result = fold(journal.records, run_id or run_to_show(journal.records), incident_id=path.name)
    result["errors"] += [
        {
            "code": "journal_damaged",
            "message": f"Verifying the journal {path / FILE_NAME}: {problem}",
            "hint": "what it says there cannot be trusted",
            "component": None,
            "at": None,
        }
        for problem in [*journal.problems, *end_problems(path, journal.records)]
    ]
    return Answer(
        EXIT_OK, result, lambda colour: _text(path, journal.records, result, colour, whole=run_id is None), output
    )


def chosen(incident: str | None) -> Path:
    """Return the directory of the incident that was named, or of the latest one.

    Raises:
        UsageError: there is none.
    """
    from incident_runbooks.execution.record import existing  # noqa: PLC0415 - help and completion need no runner

    return existing(_latest() if incident is None else incident)


def _text(path: Path, records: list[Json], result: Json, colour: bool, *, whole: bool) -> str:
    """The run, and how the incident stands; who was told counts over all runs, unless one was asked for."""
    now = dt.datetime.now(dt.UTC)
    record = incident_record(records, incident_id=path.name, as_of=now)
    update = next_update_of(path, record["incident"], record["sla"]["target_s"], record["opened_at"], now)
    again = [word for source in result["run"]["inventory"] for word in ("--inventory", source)]
    shown = {**result, **{key: record[key] for key in ("notifications", "notices", "notes")}} if whole else result
    return render(shown, colour, again, path, standing_lines(record, update, now, colour))


def _latest() -> str:
    recorded = [entry for entry in incidents.list_incidents() if entry.journal.is_file()]
    if not recorded:
        raise UsageError(
            f"Looking for the latest incident in {incidents.home()}: none was recorded so far",
            hint="see: runbook run --help",
        )
    return recorded[0].id
