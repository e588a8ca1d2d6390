# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook lab up|break|heal|status|down``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from incident_runbooks.cli.completion import complete_fault
from incident_runbooks.cli.options import Answer, Command, Value, output_option
from incident_runbooks.errors import UsageError
from incident_runbooks.lab import directory, inventory
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.processes import exit_on_signals
from incident_runbooks.lab.status import UP, describe
from incident_runbooks.outcomes import EXIT_OK

EXIT_NOT_UP = 3


def directory_option(command: Command) -> Command:
    """``--dir``: which lab."""
    return click.option(
        "--dir",
        "path",
        type=Value("path"),
        callback=lambda _ctx, _param, value: None if value is None else Path(value),
        metavar="DIRECTORY",
        help=f"The lab's directory; two labs have two. [default: {directory.VARIABLE}, or among your state files]",
    )(command)


def postgres_option(command: Command) -> Command:
    """``--postgres``: which server."""
    return click.option(
        "--postgres",
        metavar="MAJOR|PATH",
        help="PostgreSQL to use: a major version, or the folder of its programs. [default: the first that is found]",
    )(command)


class LabGroup(click.Group):
    """The lab's commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse an empty line in words that help."""
        if not args and not ctx.resilient_parsing:
            raise UsageError(
                f"Choosing what to do with the lab: nothing is said; known: {', '.join(self.commands)}",
                hint="see: runbook lab --help",
            )
        return super().parse_args(ctx, args)


class Fault(click.ParamType):  # type: ignore[type-arg]  # no generic class in the oldest click allowed
    """The name of a fault.

    Args:
        alone: only those that can be undone alone.
    """

    name = "fault"

    def __init__(self, *, alone: bool = False) -> None:
        self._known = [name for name, each in FAULTS.items() if each.undo or not alone]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return the name, or say which is near it."""
        if value in self._known:
            return str(value)
        if value in FAULTS:
            raise UsageError(f"Healing {value!r} alone: it cannot be undone alone", hint="runbook lab heal undoes all")
        from difflib import get_close_matches  # noqa: PLC0415 - only a mistyped name pays for it

        close = get_close_matches(str(value).replace("_", "-"), self._known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "see: runbook lab break --help"
        raise UsageError(f"unknown fault {value!r}", hint=hint)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Complete to the names."""
        return [CompletionItem(name) for name in self._known if name.startswith(incomplete)]


@click.group(cls=LabGroup)
def lab() -> None:
    """Rehearse incidents against real services on this machine.

    A lab is one directory with everything in it: no root, no containers, nothing outside of 127.0.0.1.
    """


@lab.command()
@postgres_option
@click.option(
    "--cluster/--no-cluster",
    default=True,
    help="With a Kubernetes API and the platform's workloads, or PostgreSQL alone. [default: with]",
)
@click.option(
    "--payments/--no-payments",
    default=None,
    help="With Stripe, the public address, Prometheus and customers who pay; needs the cluster."
    " [default: with, if there is a cluster]",
)
@click.option(
    "--data/--no-data",
    default=None,
    help="With ClickHouse, Vault and the social APIs; needs the payments. [default: with, if there are payments]",
)
@directory_option
@output_option
def up(
    path: Path | None,
    postgres: str | None,
    output: str | None,
    *,
    cluster: bool,
    payments: bool | None,
    data: bool | None,
) -> Answer:
    """Start the lab. A crashed one is cleaned up before."""
    if payments and not cluster:
        raise UsageError("Starting a lab with --payments and --no-cluster: it is the cluster's pods that take payments")
    if data and (payments is False or not cluster):
        raise UsageError(
            "Starting a lab with --data and without payments: it needs their public address and Prometheus"
        )
    here = open_lab(path)
    with exit_on_signals():
        changed = here.up(postgres, cluster=cluster, payments=payments is not False, data=data is not False)
    return _answer(here, output, "started" if changed else "it is up already", changed=changed)


@lab.command(
    name="break", epilog="\b\nFaults:\n" + "\n".join(f"  {name}: {each.what}" for name, each in FAULTS.items())
)
@click.argument("fault", metavar="FAULT", type=Fault(), shell_complete=complete_fault)
@directory_option
@output_option
def break_(path: Path | None, fault: str, output: str | None) -> Answer:
    """Inject a fault; returns when it is in effect."""
    here = open_lab(path)
    with exit_on_signals():
        changed = here.break_(fault)
    return _answer(here, output, f"broken: {fault}" if changed else f"{fault} is in effect already", changed=changed)


@lab.command()
@click.argument("fault", metavar="[FAULT]", required=False, type=Fault(alone=True))
@directory_option
@output_option
def heal(path: Path | None, fault: str | None, output: str | None) -> Answer:
    """Undo every fault, or one of the communications alone."""
    here = open_lab(path)
    undone = here.heal(fault)
    return _answer(
        here, output, f"healed: {', '.join(undone)}" if undone else "nothing was broken", changed=bool(undone)
    )


@lab.command()
@directory_option
@output_option
def status(path: Path | None, output: str | None) -> Answer:
    """Say what is up and what is broken. Exit 0 if the lab is up, 3 if it is not."""
    here = open_lab(path)
    found = describe(here)
    return Answer(EXIT_OK if found["state"] == UP else EXIT_NOT_UP, found, lambda _colour: _text(found), output)


@lab.command()
@directory_option
@output_option
def down(path: Path | None, output: str | None) -> Answer:
    """Stop the lab and remove its directory, whatever is left of it."""
    here = open_lab(path)
    changed = here.down()
    return _answer(here, output, "stopped and removed" if changed else "there is no lab", changed=changed)


def open_lab(path: Path | None) -> Lab:
    """Return the lab that the operator means; its progress goes to stderr."""
    return Lab(path or directory.default(os.environ), say)


def say(text: str) -> None:
    """Print a line of progress."""
    click.echo(f"lab: {text}", err=True)


def _answer(here: Lab, output: str | None, message: str, *, changed: bool) -> Answer:
    found = {"message": message, "changed": changed, **describe(here)}
    return Answer(EXIT_OK, found, lambda _colour: _text(found), output)


def _text(found: dict[str, Any]) -> str:
    title = f"lab in {found['directory']}: {found['state']}"
    lines = [f"{title} ({found['message']})" if "message" in found else title]
    lines += _POSTGRES_TEXT.get(found["postgres"]["state"], _server_text)(found["postgres"])
    lines += _cluster_text(found["cluster"])
    lines += _communications_text(found["communications"])
    lines += _payments_text(found["payments"])
    lines += _data_text(found["data"])
    absent = [each for each in found["programs"] if each["source"] == "absent"]
    lines += [f"  {each['name']} is absent: install the package {each['package']}" for each in absent]
    for process in found["processes"]:
        lines.append(f"  process {process['pid']}: {process['name']}" + ("" if process["alive"] else ", ended"))
    for fault in found["faults"]:
        lines.append(f"  fault {fault['name']} since {fault['since']}: {fault['what']}")
    if found["state"] == UP:
        lines += ["", "next:", *(f"  {command}" for command in _next(found))]
    return "\n".join(lines)


def _absent_text(postgres: dict[str, Any]) -> list[str]:
    available = [f"{each['version']} ({each['source']}: {each['folder']})" for each in postgres["available"]]
    return [f"  PostgreSQL that can serve, the first by default: {'; '.join(available) or 'none'}"]


def _server_text(postgres: dict[str, Any]) -> list[str]:
    program = f"{postgres['version']} ({postgres['source']}: {postgres['folder']})"
    return [
        f"  PostgreSQL {program}: {postgres['state']}, {postgres['host']}:{postgres['port']}/{postgres['database']}",
        f"  login of {postgres['roles']['ops']}: {postgres['ops_login']}",
    ]


def _cluster_text(cluster: dict[str, Any]) -> list[str]:
    if cluster["state"] == "absent":
        return []
    lines = [f"  cluster: {cluster['state']}, {cluster['server']}, namespace {cluster['namespace']}"]
    lines.append(f"  kubectl --kubeconfig {cluster['kubeconfig']}")
    return lines + [f"  not ready: {each}" for each in cluster["not_ready"]]


def _communications_text(found: dict[str, Any]) -> list[str]:
    if found["state"] == "absent":
        return []
    lines = [f"  Slack, PagerDuty, Statuspage: {found['state']}, {found['url']}"]
    return [*lines, f"  what they are sent: {found['request_log']}"]


def _payments_text(found: dict[str, Any]) -> list[str]:
    if found["state"] == "absent":
        return []
    lines = [f"  Stripe: {found['state']}, {found['stripe_url']}, delivers to {found['webhook_url']}"]
    lines.append(f"  what it is asked: {found['stripe_request_log']}")
    return lines + ([f"  Prometheus: {found['prometheus_url']}"] if found["prometheus_url"] else [])


def _data_text(found: dict[str, Any]) -> list[str]:
    if found["state"] == "absent":
        return []
    addresses = {"ClickHouse": found["clickhouse_url"], "Vault": found["vault_url"], "social APIs": found["social_url"]}
    return [f"  {name}: {found['state']}, {url}" for name, url in addresses.items() if url]


_POSTGRES_TEXT: dict[str, Callable[[dict[str, Any]], list[str]]] = {"absent": _absent_text}


def _next(found: dict[str, Any]) -> list[str]:
    prefix = ""
    if directory.LabDirectory(directory.default(os.environ)).path != Path(found["directory"]):
        prefix = f"{directory.VARIABLE}={found['directory']} "
    if not found["faults"]:
        return [f"{prefix}runbook lab break pool-exhaustion"]
    runbooks = {FAULTS[each["name"]].runbook or "pool-exhaustion" for each in found["faults"]}
    runs = [f"{prefix}runbook run {each} --inventory {inventory.path()}" for each in sorted(runbooks)]
    return [*runs, f"{prefix}runbook lab heal"]
