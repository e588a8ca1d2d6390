# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook report``: an incident's report, made anew from the journal of all its runs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import click

from incident_runbooks.cli.completion import complete_file, complete_incident
from incident_runbooks.cli.options import JSON, TEXT, Answer
from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.outcomes import EXIT_INTERNAL, EXIT_OK
from incident_runbooks.working_directory import absolute

FORMATS = ("markdown", "html", "json", "ics")
_BY_ENDING = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".ics": "ics",
}


@click.command()
@click.argument("incident", required=False, shell_complete=complete_incident)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="What to write. [default: what the file's ending says; markdown without one]",
)
@click.option(
    "-o",
    "--to",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    shell_complete=complete_file,
    help="Write to this file, readable by you only. [default: stdout]",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
def report(incident: str | None, form: str | None, to: Path | None, *, force: bool) -> Answer:
    """Report on an incident, the latest by default.

    The report is made from the journal of all runs: timeline, causes, impact, actions, verification, messages,
    evidence and follow-ups. What is not known says so; `runbook post-incident` states it. HTML is one file without
    scripts that prints well; ics has the due times of report, post-mortem and follow-ups.
    """
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import (  # noqa: PLC0415 - for help
        IncidentsError,
    )
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import (  # noqa: PLC0415
        holder_of,
    )
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_files import (  # noqa: PLC0415
        read_incident,
        rendered,
    )
    from incident_runbooks.cli.show import chosen  # noqa: PLC0415

    wanted = form or _by_ending(to)
    path = chosen(incident)
    try:
        record = read_incident(path, current_run=(holder_of(path) or {}).get("run_id"))
        text = rendered(record, wanted)
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    code = _checked(record) if wanted == "json" else EXIT_OK
    if wanted == "ics" and "BEGIN:VEVENT" not in text:
        hint = f"runbook post-incident {path.name} --due FOLLOW-UP=WHEN" if record["follow_ups"] else None
        click.echo(f"Nothing is due, so the calendar has no entries{f'; state when: {hint}' if hint else ''}", err=True)
    if to is not None and str(to) != "-":
        if not to.name:
            raise UsageError("Writing the report: the file is not named", hint="give -o FILE")
        said = {**_written(to, text, force=force), "format": wanted, "incident": path.name}
        return Answer(code, said, lambda _: f"Written: {said['path']}", None)
    if wanted == "json":
        return Answer(code, record, lambda _: "", JSON)
    return Answer(code, None, lambda _: text.removesuffix("\n"), TEXT)


def _by_ending(to: Path | None) -> str:
    ending = to.suffix.lower() if to else ""
    if ending and ending not in _BY_ENDING:
        raise UsageError(
            f"Writing {to}: {ending} is the ending of no format", hint=f"add --format, one of {', '.join(FORMATS)}"
        )
    return _BY_ENDING.get(ending, "markdown")


def _checked(record: dict[str, Any]) -> int:
    """Validate the document; a mistake of ours is said in it, and the data is kept."""
    from incident_runbooks import schemas  # noqa: PLC0415

    problems = schemas.validate("incident", record)
    if not problems:
        return EXIT_OK
    nothing = dict.fromkeys(("component", "at", "run_id"))
    message = f"Validating the document of {record['incident']['id']}: {'; '.join(problems[:3])}"
    record["errors"].append({"code": "internal", "message": message, "hint": "report it", **nothing})
    return EXIT_INTERNAL


def _written(path: Path, text: str, *, force: bool) -> dict[str, Any]:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import (  # noqa: PLC0415
        write_private,
    )

    path = absolute(path)
    try:
        if not force:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        write_private(path, text)
    except FileExistsError:
        raise UsageError(f"Writing {path}: it exists", hint="add --force to overwrite it") from None
    except OSError as error:
        raise UsageError(f"Writing {path}: {error.strerror}") from error
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    data = text.encode("utf-8")
    return {"path": str(path), "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
