# SPDX-License-Identifier: GPL-3.0-or-later
"""The command group, lazily loaded, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from incident_runbooks import __version__
from incident_runbooks.cli.options import Answer, output_in, to_json, wants_colour, wants_json
from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.outcomes import EXIT_INTERNAL, EXIT_SIGINT, EXIT_USAGE, failed_document, failed_result

_LONGEST, _LONGEST_TYPE = 2000, 100


class Entry(NamedTuple):
    """A command that is imported only when it runs.

    Attributes:
        target: ``module:attribute``.
        help: the command's own short help, so that ``--help`` need not import it.
        document: it yields a result document, so stdout carries one also when it fails; else a short one.
        script: it prints for a shell, which would execute a document.
    """

    target: str
    help: str
    document: bool = False
    script: bool = False


COMMANDS = {
    "list": Entry("incident_runbooks.cli.list:list_types", "List the incident types and their remediations."),
    "run": Entry("incident_runbooks.cli.run:run", "Diagnose an incident; remediate what was approved.", document=True),
    "from-alert": Entry(
        "incident_runbooks.cli.from_alert:from_alert", "Say which runbooks the alerts of a webhook ask for."
    ),
    "approve": Entry("incident_runbooks.cli.approve:approve", "Approve somebody else's plan: write an approval file."),
    "show": Entry("incident_runbooks.cli.show:show", "Show an earlier incident, the latest by default.", document=True),
    "rollback": Entry(
        "incident_runbooks.cli.rollback:rollback",
        "Give back what the runs of an incident changed.",
        document=True,
    ),
    "history": Entry(
        "incident_runbooks.cli.history:history", "List the incidents that were recorded, the newest first."
    ),
    "report": Entry("incident_runbooks.cli.report:report", "Report on an incident, the latest by default."),
    "post-incident": Entry(
        "incident_runbooks.cli.post_incident:post_incident",
        "State what only people know, and write the report.",
        document=True,
    ),
    "verify": Entry("incident_runbooks.cli.verify:verify", "Verify that an incident's record is intact."),
    "notify": Entry(
        "incident_runbooks.cli.notify:notify", "Send what is due about an incident, or an update.", document=True
    ),
    "doctor": Entry("incident_runbooks.cli.doctor:doctor", "Ask what is configured, reachable and permitted."),
    "validate": Entry(
        "incident_runbooks.cli.validate:validate", "Validate the runbooks: headers, inputs, tasks, alerts, playbooks."
    ),
    "lab": Entry("incident_runbooks.cli.lab:lab", "Rehearse incidents against real services on this machine."),
    "demo": Entry(
        "incident_runbooks.cli.demo:demo", "Rehearse one incident: break, diagnose, remediate, verify.", document=True
    ),
    "completion": Entry(
        "incident_runbooks.cli.completion:completion",
        "Print the script that completes commands in your shell.",
        script=True,
    ),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order of the registry."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help for an empty line, but not as a success: 0 means healthy."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(EXIT_USAGE)
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> Any:  # a list; its items are generic in new clicks
        """Complete to the commands of the registry, without importing them, or to the options."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        from incident_runbooks.cli.completion import matching  # noqa: PLC0415 - only a press of the tab key pays for it

        return matching([(name, entry.help) for name, entry in COMMANDS.items()], incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands' help from the registry."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runbook", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error; allowed anywhere.")
def cli(debug: bool) -> None:
    """Diagnose and remediate production incidents, guided by runbooks.

    \b
    Exit codes:
      0  healthy, or resolved and verified     1  internal error
      2  usage or invalid input                3  findings, action recommended
      4  diagnosis incomplete                  5  remediation failed or not verified
      6  refused                               7  another run holds the incident
      9  outcome unknown (time-out, crash)     130/143  interrupted, terminated
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; whatever happens, no traceback without ``--debug``."""
    if instruction := os.environ.get("_RUNBOOK_COMPLETE"):
        from incident_runbooks.cli.completion import answer  # noqa: PLC0415 - only a press of the tab key pays for it

        return answer(cli, instruction)
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = _take_debug(given)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # text from outside may not fit the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    try:
        if _only_prints(given):
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                code = int(cli.main(args=given, prog_name="runbook", standalone_mode=False) or 0)
            return _write(printed.getvalue().removesuffix("\n"), code)
        said = cli.main(args=given, prog_name="runbook", standalone_mode=False)
        return _present(said)
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - the edge
        return _report(_as_runbook_error(error), given, traceback.format_exc() if debug else "")


def _only_prints(given: Sequence[str]) -> bool:
    """Whether click, or the completion, would print for itself: it does not expect that nobody reads it."""
    return bool({"--help", "-h", "--version"}.intersection(given)) or given[:1] == ["completion"]


def _take_debug(given: list[str]) -> bool:
    end = given.index("--") if "--" in given else len(given)
    if "--debug" not in given[:end]:
        return False
    given[:end] = [argument for argument in given[:end] if argument != "--debug"]
    return True


def _present(said: Any) -> int:
    """Print a command's answer; a command that prints for itself returns its exit code, or nothing."""
    if not isinstance(said, Answer):
        return int(said or 0)
    if wants_json(said.output):
        return _write(to_json(said.document), said.exit_code)
    return _write(said.text(wants_colour(sys.stdout, bool(os.environ.get("NO_COLOR")))), said.exit_code)


def _as_runbook_error(error: BaseException) -> RunbookError:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import HomeError  # noqa: PLC0415

    cause = error.__cause__ if isinstance(error, RunbookError) else error
    if isinstance(cause, HomeError):
        return UsageError(cause.message)
    if isinstance(error, RunbookError):
        return error
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return RunbookError("interrupted", code="interrupted", exit_code=EXIT_SIGINT)
    if isinstance(error, SystemExit):  # how a command that cleans up after itself ends on a signal
        code = error.code if isinstance(error.code, int) else EXIT_INTERNAL
        return RunbookError("stopped before its end", code="interrupted", exit_code=code)
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = f"see: {context.command_path if context else 'runbook'} --help"
        return UsageError(error.format_message().rstrip("."), hint=hint)
    return RunbookError(
        f"internal error: {type(error).__name__}: {error}",
        hint="run it again with --debug for the traceback, and report it",
    )


def _report(error: RunbookError, given: Sequence[str], trace: str) -> int:
    """Say the error on stderr, and on stdout too where JSON is waited for."""
    from incident_runbooks.render.neutral import one_line  # noqa: PLC0415 - only an error pays for it

    error.message, trace = _redacted(error.message), _redacted(trace)
    line = error.message if error.hint is None else f"{error.message}; {error.hint}"
    with contextlib.suppress(OSError, ValueError, AttributeError):  # stderr is closed
        print(f"{trace}runbook: {one_line(line, _LONGEST)}", file=sys.stderr)
    name = next((argument for argument in given if not argument.startswith("-")), "")
    entry = COMMANDS.get(name)
    if (entry is not None and entry.script) or not wants_json(output_in(given, report=name == "report")):
        return error.exit_code
    with_result = entry is not None and entry.document
    document = failed_result(_type_in(name, given), error) if with_result else failed_document(error)
    return _write(to_json(document), error.exit_code)


def _redacted(text: str) -> str:
    """Take the secrets of the environment out: an unexpected error may quote anything."""
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import Redactor  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction_secrets import (  # noqa: PLC0415
        secret_values,
    )

    return Redactor(secret_values(os.environ)).text(text)


def _type_in(command: str, given: Sequence[str]) -> str | None:
    """Return the incident type in a line that may not parse: what follows the command at once."""
    following = given[given.index(command) + 1 :][:1]
    if command not in ("run", "demo"):
        return None
    return next((word[:_LONGEST_TYPE] for word in following if not word.startswith("-")), None)


def _write(text: str, exit_code: int) -> int:
    """Print *text* on stdout; a reader that has gone away does not change what the run did."""
    if sys.stdout is None:
        return exit_code
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
    except OSError as error:
        with contextlib.suppress(OSError):
            print(f"runbook: Writing to stdout: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_code or 1
    return exit_code
