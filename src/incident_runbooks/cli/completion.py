# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell completion: ``runbook completion SHELL``, and what the commands' arguments and options complete to.

A shell calls the command at every press of the tab key. So what is needed is imported when it is asked for, and what
cannot be found out completes to nothing: an error would be written into the line that somebody is typing.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from incident_runbooks.render.neutral import one_line

if TYPE_CHECKING:
    from incident_runbooks.catalogue import IncidentType

VARIABLE = "_RUNBOOK_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
_PROGRAM = "runbook"
_MOST = 50  # more is no help to choose from
_HELP_COLUMNS = 80
_HEAD_BYTES = 64 * 1024
_OUTCOME = re.compile(r'^  "outcome": "([a-z_]+)"', re.MULTILINE)  # the result's own key: nested ones stand deeper
_WORTH_UNDOING = frozenset({"done", "partial", "failed", "unknown"})

Items = list[CompletionItem]
Complete = Callable[[click.Context, click.Parameter, str], Items]


@click.command(
    epilog="""\b
Put this into the file that your shell reads at its start:
  bash, ~/.bashrc:                   eval "$(runbook completion bash)"
  zsh, ~/.zshrc, after compinit:     eval "$(runbook completion zsh)"
  fish, ~/.config/fish/config.fish:  runbook completion fish | source"""
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes commands in your shell.

    It completes commands, options, incident types, incident and run ids, remediations and the lab's faults.
    """
    from incident_runbooks.cli.main import cli  # noqa: PLC0415 - it imports this module

    make = get_completion_class(shell)
    if make is not None:
        click.echo(make(cli, {}, _PROGRAM, VARIABLE).source(), nl=False)


def answer(cli: click.Command, instruction: str) -> int:
    """Answer a shell that asks for completions; whatever goes wrong, nothing is said about it.

    Args:
        instruction: the value of :data:`VARIABLE`, such as ``bash_complete``.
    """
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(Exception):
        return shell_complete(cli, {}, _PROGRAM, VARIABLE, instruction)
    return 1


def _silent(complete: Complete) -> Complete:
    """Complete to nothing where it cannot be found out what there is."""

    @functools.wraps(complete)
    def guarded(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        try:
            return complete(ctx, param, incomplete)
        except Exception:  # noqa: BLE001 - see the module's docstring
            return []

    return guarded


def matching(pairs: Iterable[tuple[str, str | None]], incomplete: str, *, most: int = _MOST) -> Items:
    """Return the completions among names and their help, in the order given, at most *most*."""
    found: Items = []
    for name, help_text in pairs:
        if name.startswith(incomplete) and len(found) < most:
            found.append(CompletionItem(name, help=one_line(help_text, _HELP_COLUMNS) if help_text else None))
    return found


def incident_types(incomplete: str) -> Items:
    """Return the incident types with their titles."""
    from incident_runbooks import catalogue  # noqa: PLC0415

    return matching([(kind.name, kind.title) for kind in catalogue.incident_types()], incomplete)


@_silent
def complete_incident(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """Complete to the ids of incidents, the newest first, with the outcome of the last run."""
    return matching(_incidents(None), incomplete)


@_silent
def complete_incident_of_type(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """The same among those of the type whose ``runbook run TYPE`` is typed."""
    return matching(_incidents(ctx.info_name), incomplete)


@_silent
def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """Complete to the runs of the incident in the line, or of the latest, the newest first."""
    runs = [(str(record["run_id"]), _described(record["data"])) for record in _records(_directory(ctx), "run_started")]
    return matching(list(dict(runs).items())[::-1], incomplete)


@_silent
def complete_remediation(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete to the remediations of the incident type, or of the incident, in the line, without those typed."""
    typed = set(ctx.params.get(str(param.name)) or ())
    kind = _incident_type(ctx)
    items = [(item.id, f"{item.risk}: {item.title}") for item in kind.remediations if item.id not in typed]
    return matching(items, incomplete)


@_silent
def complete_acted(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete to what the incident in the line records as done and not rolled back since, the last first."""
    typed = set(ctx.params.get(str(param.name)) or ())
    acted: dict[str, str] = {}
    for record in _records(_directory(ctx), "action"):
        data = record["data"]
        name, status = str(data.get("id")), str(data.get("status"))
        if data.get("rolls_back") and status == "done":
            acted.pop(str(data["rolls_back"].get("remediation")), None)
        elif status in _WORTH_UNDOING and data.get("can_roll_back") is not False and not data.get("rolls_back"):
            acted[name] = status
    return matching([(name, status) for name, status in list(acted.items())[::-1] if name not in typed], incomplete)


@_silent
def complete_fault(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """Complete to the lab's faults."""
    from incident_runbooks.lab.faults import FAULTS  # noqa: PLC0415

    # all of them: they are a fixed list
    return matching([(name, fault.what) for name, fault in FAULTS.items()], incomplete, most=len(FAULTS))


def complete_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """Let the shell complete to a file."""
    return [CompletionItem(incomplete, type="file")]


def _incidents(kind: str | None) -> Iterator[tuple[str, str]]:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415

    for incident in incidents.list_incidents():
        if kind in (None, incident.type) and incident.journal.is_file():
            yield incident.id, f"{incident.type}: {'under way' if incident.under_way else _outcome(incident.result)}"


def _outcome(result: Path) -> str:
    with contextlib.suppress(OSError), result.open(encoding="utf-8", errors="replace") as file:
        found = _OUTCOME.search(file.read(_HEAD_BYTES))
        return found[1] if found else "unknown"
    return "no result"


def _described(started: dict[str, Any]) -> str:
    run = started.get("run") or {}
    check = " in check mode" if run.get("check_mode") is True else ""
    return f"{run.get('mode')}{check} by {run.get('operator')}"


def _directory(ctx: click.Context) -> Path:
    """Return the directory of the incident in the line, or of the latest one."""
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415

    return incidents.incident_dir(_typed_incident(ctx) or next(_incidents(None))[0])


def _typed_incident(ctx: click.Context) -> str | None:
    # behind an option that still lacks its value, click leaves the arguments unread
    given = ctx.params.get("incident") or next(iter(ctx.args), None)
    return str(given) if given else None


def _incident_type(ctx: click.Context) -> IncidentType:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415
    from incident_runbooks import catalogue  # noqa: PLC0415

    name = str(ctx.info_name)
    return catalogue.get(name if name in catalogue.names() else incidents.type_of(_typed_incident(ctx) or ""))


def _records(directory: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the records of one type; only their lines are parsed, as a journal may be long."""
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import (  # noqa: PLC0415
        FILE_NAME,
        parse_record,
    )

    mark = f'"type":"{kind}"'.encode()
    with (directory / FILE_NAME).open("rb") as file:
        for line in file:
            record = parse_record(line) if mark in line else None
            if record is not None and record["type"] == kind:
                yield record
