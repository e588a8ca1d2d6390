# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook run TYPE``: one subcommand per incident type, its options built from the role's argument spec."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from incident_runbooks import catalogue, inventory
from incident_runbooks.catalogue import IncidentType, RoleOption
from incident_runbooks.cli import completion
from incident_runbooks.cli.options import Answer, Value
from incident_runbooks.cli.run_options import approvals, common_options, detected_at, require_sense, text
from incident_runbooks.errors import UsageError
from incident_runbooks.working_directory import working_directory


class IncidentGroup(click.Group):
    """The incident types of the catalogue as commands; only the one that runs is built."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the incident types' names."""
        return catalogue.names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Build the command of one incident type."""
        return incident_command(catalogue.get(cmd_name))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse an empty line in words that help."""
        if not args and not ctx.resilient_parsing:
            raise UsageError(
                f"Choosing the incident type: none is given; known: {', '.join(catalogue.names())}",
                hint="see: runbook list",
            )
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete to the incident types without building their commands, or to the options."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return completion.incident_types(incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the incident types with their titles."""
        with formatter.section("Incident types"):
            formatter.write_dl([(kind.name, kind.title) for kind in catalogue.incident_types()])


@click.group(cls=IncidentGroup, name="run", options_metavar="", subcommand_metavar="TYPE [OPTIONS]")
def run() -> None:
    """Diagnose an incident; remediate what was approved.

    Without --remediate nothing is changed and nobody is told. The options of each incident type:
    runbook run TYPE --help
    """


class IncidentCommand(click.Command):
    """The command of one incident type; its help shows the role's inputs in a section of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the role's inputs, then the options that every incident type has."""
        sections: dict[str, list[tuple[str, str]]] = {"Inputs of this incident type": [], "Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record:
                mine = isinstance(param, RoleInput)
                sections["Inputs of this incident type" if mine else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class RoleInput(click.Option):
    """An option that stands for a variable of the role."""

    def __init__(self, declarations: Sequence[str], variable: str, **attributes: Any) -> None:
        super().__init__(declarations, **attributes)
        self.variable = variable


def incident_command(kind: IncidentType) -> click.Command:
    """Build the command of one incident type."""
    command = click.Command(kind.name, callback=click.pass_context(partial(_run, kind)))
    for decorate in common_options(kind):
        decorate(command)
    shared = {name for param in command.params for name in param.opts}
    inputs: list[click.Parameter] = [_role_input(option, shared) for option in kind.options]
    remediations = "".join(f"\n  {item.id} ({item.risk}): {item.title}" for item in kind.remediations)
    return IncidentCommand(
        kind.name,
        callback=command.callback,
        params=[*inputs, *command.params],
        short_help=kind.title,
        help=f"{kind.title}: {kind.severity}, {kind.priority}. {kind.impact}.\n\n\b\nRemediations:{remediations}",
    )


def _role_input(option: RoleOption, taken: set[str]) -> RoleInput:
    flag = f"--{option.name}"
    if {flag, f"--no-{option.name}"} & taken:  # a common option has that name
        flag = f"--{option.variable.replace('_', '-')}"
    help_text = _MARKUP.sub(r"\1", " ".join(option.description))
    if option.required:
        help_text += " Required, here or in the inventory."
    if option.default not in (None, "", [], {}):
        help_text += f" [default: {_shown(option.default)}]"
    if option.type == "bool":
        declaration, metavar, value_type = f"{flag}/--no-{flag[2:]}", None, None
    else:
        element = option.elements if option.type == "list" else option.type
        declaration = flag
        value_type = Value(element, option.choices, limits=option.limits)
        metavar = f"[{'|'.join(map(str, option.choices))}]" if option.choices else _METAVAR.get(element, "TEXT")
    return RoleInput(
        [declaration, option.variable],
        option.variable,
        type=value_type,
        multiple=option.type in ("list", "dict"),
        default=None,
        metavar=metavar,
        help=help_text + (" Repeat for more." if option.type in ("list", "dict") else ""),
    )


_MARKUP = re.compile(r"\b[A-Z]+\(([^)]*)\)")  # Ansible's, as in V(value)
_METAVAR = {"int": "INTEGER", "float": "NUMBER", "bool": "YES|NO", "dict": "KEY=VALUE|JSON", "path": "PATH"}


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, (dict, bool)) else str(value)


def _run(kind: IncidentType, ctx: click.Context, **given: Any) -> Answer:
    # help needs neither Ansible nor psutil
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415
    from incident_runbooks import execution, outcomes  # noqa: PLC0415
    from incident_runbooks.cli import prompt  # noqa: PLC0415
    from incident_runbooks.execution.record import continued  # noqa: PLC0415
    from incident_runbooks.render.progress import Progress  # noqa: PLC0415
    from incident_runbooks.render.text import render  # noqa: PLC0415

    require_sense(kind, given)
    extra_vars = _extra_vars(kind, ctx)
    request = execution.RunRequest(
        incident_type=kind,
        inventory=(),
        extra_vars=extra_vars,
        mode="remediate" if given["remediate"] else "diagnose",
        approved=list(dict.fromkeys(given["approve"])),
        approvals=approvals(given),
        take_over=given["take_over"],
        notify=not given["no_notify"],
        eta=text(given, "eta"),
        detected_at=detected_at(given),
        check_mode=given["check"],
        timeout_s=given["timeout"],
        incident_id=given["incident"],
        verbosity=given["verbose"],
    )
    if request.incident_id is not None:
        continued(request.incident_id, kind.name)
    where = inventory.resolve(given["inventory"], os.environ, working_directory())
    request = dataclasses.replace(request, inventory=list(where.sources))

    def execute(asked: execution.RunRequest) -> dict[str, Any]:
        progress = Progress(asked.verbosity)
        progress.begin(kind, asked.mode == "remediate", asked.check_mode, where)
        with progress:
            return execution.execute(dataclasses.replace(asked, on_event=progress.show))

    if prompt.is_wanted(request, given["output"]):
        result, code = prompt.run(request, execute)
    else:
        result = execute(request)
        code = outcomes.exit_code(result)
    again = _again(ctx, extra_vars, where.sources if given["inventory"] else ())
    path = incidents.incident_dir(result["incident"]["id"])
    return Answer(code, result, lambda colour: render(result, colour, again, path), given["output"])


def _extra_vars(kind: IncidentType, ctx: click.Context) -> dict[str, Any]:
    """Return the inputs that really stand on the command line, so that the inventory's keep their precedence."""
    types = {option.variable: option.type for option in kind.options}
    extra: dict[str, Any] = {}
    for variable, value in ctx.params.items():
        if variable not in types or ctx.get_parameter_source(variable) is not ParameterSource.COMMANDLINE:
            continue
        if types[variable] == "list":
            extra[variable] = [] if list(value) == [""] else list(value)  # one empty value: an empty list
        elif types[variable] == "dict":
            extra[variable] = {key: item for part in value for key, item in part.items()}
        else:
            extra[variable] = value
    return extra


def _again(ctx: click.Context, extra_vars: Mapping[str, Any], inventories: Sequence[str]) -> list[str]:
    """Return the arguments that a next command has to repeat: it must see what this one saw."""
    words = [word for source in inventories for word in ("--inventory", source)]
    for param in ctx.command.params:
        if isinstance(param, RoleInput) and param.variable in extra_vars:
            words += _spelled(param, extra_vars[param.variable])
    return words


def _spelled(param: RoleInput, value: Any) -> list[str]:
    flag = param.opts[0]
    if isinstance(value, bool):
        return [flag if value else param.secondary_opts[0]]
    if isinstance(value, list):
        return [word for item in value or [""] for word in (flag, _word(item))]
    return [flag, _word(value)]


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, bool)) else str(value)
