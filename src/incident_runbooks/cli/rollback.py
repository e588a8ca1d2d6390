# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook rollback INCIDENT``: give back what the runs of an incident changed."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from incident_runbooks import catalogue, collection, inventory
from incident_runbooks.catalogue import IncidentType
from incident_runbooks.cli.completion import complete_acted, complete_incident
from incident_runbooks.cli.options import Answer, Value, inventory_option, output_option, verbose_option
from incident_runbooks.errors import UsageError
from incident_runbooks.working_directory import working_directory

if TYPE_CHECKING:
    from incident_runbooks.execution import RunRequest

_PLAYBOOK = "rollback"
_EXIT_REFUSED = 6

Json = dict[str, Any]


@click.command()
@click.argument("incident", shell_complete=complete_incident)
@click.option(
    "--only",
    multiple=True,
    metavar="ID",
    help="Roll back only this remediation; repeat for more. [default: all]",
    shell_complete=complete_acted,
)
@click.option("--check", is_flag=True, help="Change nothing; show what would be restored.")
@click.option("--yes", is_flag=True, help="Do not ask. Without a terminal nothing is restored unless it is given.")
@click.option("--plan-digest", metavar="DIGEST", help="Restore only by this plan: for what is destructive.")
@click.option("--take-over", is_flag=True, help="Take the incident over from a run that holds it and is gone.")
@inventory_option
@output_option
@click.option(
    "--timeout",
    type=Value("float", above=0),
    default=None,
    metavar="SECONDS",
    help="Stop everything after this many seconds. [default: as for a run of the incident type that acts]",
)
@verbose_option
def rollback(incident: str, **given: Any) -> Answer:
    """Give back what the runs of an incident changed.

    The last change goes first. What somebody else has changed since is not overwritten: then nothing is restored, the
    difference is shown, and the exit code is 6. What cannot be rolled back, such as sessions that were ended, is named
    with the reason. On a terminal the plan is shown, and you are asked. An evidence hold and a quarantine are ended
    only where --only names them, and only by a plan that was looked at.
    """
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415
    from incident_runbooks import execution, outcomes  # noqa: PLC0415 - help needs none of it
    from incident_runbooks.cli import prompt, run_options  # noqa: PLC0415
    from incident_runbooks.execution.record import existing  # noqa: PLC0415
    from incident_runbooks.render.text import render  # noqa: PLC0415

    path = existing(incident)
    kind = catalogue.get(incidents.type_of(path.name))
    _require_sense(kind, given, terminal=prompt.is_terminal())
    where = inventory.resolve(given["inventory"], os.environ, working_directory())
    request = execution.RunRequest(
        incident_type=kind,
        inventory=list(where.sources),
        extra_vars={"incident": path.name, "only": list(dict.fromkeys(given["only"]))},
        mode="rollback",
        approvals=execution.Approvals(plan_digest=run_options.plan_digest(given)),
        take_over=given["take_over"] and not given["check"],
        check_mode=given["check"],
        timeout_s=given["timeout"],
        incident_id=path.name,
        verbosity=given["verbose"],
        playbook=collection.playbook(_PLAYBOOK),
    )
    execute = _executor(path.name, where)
    if given["yes"] or given["check"]:
        result = execute(request)
        code = outcomes.exit_code(result)
    else:
        result, code = _asked(request, execute)
    again = [word for source in where.sources for word in ("--inventory", source)] if given["inventory"] else []
    return Answer(code, result, lambda colour: render(result, colour, again, path), given["output"])


def _require_sense(kind: IncidentType, given: Mapping[str, Any], *, terminal: bool) -> None:
    known = [item.id for item in kind.remediations]
    for name in given["only"]:
        if name not in known:
            raise UsageError(
                f"Rolling back {name!r} of {kind.name}: there is no such remediation", hint=f"known: {', '.join(known)}"
            )
    if not (given["yes"] or given["check"] or terminal):
        raise UsageError(
            "Rolling back without a terminal: nobody can be asked", hint="look with --check, then restore with --yes"
        )


def _executor(incident: str, where: inventory.Inventory) -> Callable[[RunRequest], Json]:
    """Return what runs a request and shows its progress."""
    from incident_runbooks import execution  # noqa: PLC0415 - help needs none of it
    from incident_runbooks.render.progress import Progress  # noqa: PLC0415

    def execute(request: RunRequest) -> Json:
        progress = Progress(request.verbosity)
        check = ", only looking" if request.check_mode else ""
        progress.announce(f"rollback of {incident}{check}", where)
        with progress:
            return execution.execute(dataclasses.replace(request, on_event=progress.show))

    return execute


def _asked(request: RunRequest, execute: Callable[[RunRequest], Json]) -> tuple[Json, int]:
    """Look, show the plan, ask, and restore by exactly this plan; without a yes nothing is restored."""
    from incident_runbooks import execution, outcomes  # noqa: PLC0415 - help needs none of it

    look = execute(dataclasses.replace(request, check_mode=True, take_over=False))
    refused = any(notice["code"] == "would_be_refused" for notice in look["notices"])
    if look["outcome"] != "findings":  # there is nothing to restore, or the look was cut off
        return look, outcomes.exit_code(look)
    if refused or not _confirmed(look["plan"]):
        click.echo("Nothing was restored.", err=True)
        return look, _EXIT_REFUSED
    # by its digest nothing else than what was shown is restored
    digest = request.approvals.plan_digest or look["plan"]["digest"]
    approvals = execution.Approvals(plan_digest=digest, source="prompt")
    result = execute(dataclasses.replace(request, approvals=approvals))
    return result, outcomes.exit_code(result)


def _confirmed(plan: Json) -> bool:
    """Show the plan and ask; the end of the input is a no.

    Raises:
        click.Abort: Ctrl-C; nothing was done.
    """
    from incident_runbooks.cli import prompt, prompt_plan  # noqa: PLC0415 - help needs none of it
    from incident_runbooks.cli.options import wants_colour  # noqa: PLC0415

    colour = wants_colour(sys.stderr, bool(os.environ.get("NO_COLOR")))
    for line in ("", *prompt_plan.plan_lines(plan, colour)):
        click.echo(line, err=True)
    try:
        while True:
            answer = prompt.read("Restore this, newest first? y = yes, n = no: ").lower()
            if answer in ("y", "yes", "n", "no"):
                return answer in ("y", "yes")
    except EOFError:
        return False
