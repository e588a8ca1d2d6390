# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that every incident type's command has, and what they may not be together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from incident_runbooks.catalogue import IncidentType
from incident_runbooks.cli.completion import complete_incident_of_type, complete_remediation
from incident_runbooks.cli.options import Value, inventory_option, output_option, verbose_option
from incident_runbooks.errors import UsageError

if TYPE_CHECKING:
    from incident_runbooks.execution import Approvals

_LONGEST_TEXT = 1000
_WITH_IDS = ("plan_digest", "second_approver", "reason")


def common_options(kind: IncidentType) -> list[Callable[[click.Command], Any]]:
    """Return the decorators of the options, the last of the help first."""
    known = ", ".join(item.id for item in kind.remediations) or "none"
    return [
        click.option("--remediate", is_flag=True, help="Act: run the remediations that are approved."),
        click.option(
            "--approve",
            multiple=True,
            metavar="ID",
            help=f"Approve a remediation; repeat for more. One of: {known}",
            shell_complete=complete_remediation,
        ),
        click.option(
            "--plan-digest", metavar="DIGEST", help="Act only if the plan still is this one. At least 12 of its digits."
        ),
        click.option("--second-approver", metavar="NAME", help="Who approved as well: for what is irreversible."),
        click.option("--reason", metavar="TEXT", help="Why it was approved: for what is irreversible."),
        click.option(
            "--approval",
            type=Value("path"),
            metavar="FILE",
            help="Act on what somebody else approved. See: runbook approve --help",
        ),
        click.option("--take-over", is_flag=True, help="Take the incident over from a run that holds it and is gone."),
        click.option("--no-notify", is_flag=True, help="Tell nobody; the messages are kept as drafts."),
        click.option("--eta", metavar="TEXT", help="What people may be told about when it is over. [default: nothing]"),
        click.option(
            "--detected-at", metavar="TIME", help="When it was noticed, such as 2026-11-23T23:14:55Z. [default: now]"
        ),
        click.option("--check", is_flag=True, help="Change nothing; with --remediate, show what would be done."),
        inventory_option,
        output_option,
        click.option(
            "--timeout",
            type=Value("float", above=0),
            default=None,
            metavar="SECONDS",
            help=f"Stop everything after this many seconds. [default: {_default_timeout(kind)}]",
        ),
        click.option(
            "--incident",
            metavar="ID",
            help="Continue an earlier incident. [default: a new one]",
            shell_complete=complete_incident_of_type,
        ),
        verbose_option,
    ]


def require_sense(kind: IncidentType, given: Mapping[str, Any]) -> None:
    """Refuse approvals that name nothing known, or would not be used.

    Raises:
        UsageError: says which, and what to do.
    """
    known = [item.id for item in kind.remediations]
    for name in given["approve"]:
        if name not in known:
            raise UsageError(
                f"Approving {name!r} for {kind.name}: there is no such remediation", hint=f"known: {', '.join(known)}"
            )
    if not given["remediate"]:
        unused = [name for name in ("approval", *_WITH_IDS, "take_over") if given[name]]
        if given["approve"] or unused:
            what = f"{_flag(unused[0])} is given" if unused else "Approving a remediation"
            raise UsageError(f"{what} without --remediate: nothing would be done", hint="add --remediate")
    beside = [_flag(name) for name in _WITH_IDS if given[name] is not None]
    if given["approval"] and beside:
        raise UsageError(
            f"Approving with --approval and {beside[0]}: the file says that itself", hint="give either of them"
        )
    if beside and not given["approve"]:
        raise UsageError(f"Approving with {beside[0]}: no remediation is named", hint="add --approve ID")


def plan_digest(given: Mapping[str, Any]) -> str | None:
    """Return the digest of a plan; ``None`` without one.

    Raises:
        UsageError: it is none.
    """
    from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import approval  # noqa: PLC0415

    digest: str | None = given["plan_digest"].strip().lower() if given["plan_digest"] is not None else None
    if digest is not None and not approval.is_digest(digest):
        raise UsageError(
            f"Reading --plan-digest {digest!r}: it is none",
            hint=f"give its 64 hexadecimal digits, or at least the first {approval.SHORTEST_DIGEST}",
        )
    return digest


def approvals(given: Mapping[str, Any]) -> Approvals:
    """Return what comes with the approved ids.

    Raises:
        UsageError: the digest is none, a text is empty or too long, or the approval file cannot be read.
    """
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import approval_reading  # noqa: PLC0415
    from incident_runbooks.execution import Approvals  # noqa: PLC0415 - help needs none of it

    digest = plan_digest(given)
    if given["approval"]:
        try:
            approval_reading.read_approval_file(Path(given["approval"]))
        except approval_reading.ApprovalError as error:
            if error.code == "usage":  # what is refused is refused by the run, which records it
                raise UsageError(error.message, hint=error.hint) from error
    return Approvals(digest, text(given, "second_approver"), text(given, "reason"), given["approval"])


def text(given: Mapping[str, Any], name: str) -> str | None:
    """Return a text that was given, without white space around it.

    Raises:
        UsageError: it is empty or too long.
    """
    if given[name] is None:
        return None
    said = str(given[name]).strip()
    if not said:
        raise UsageError(f"Reading {_flag(name)}: it is empty")
    if len(said) > _LONGEST_TEXT:
        raise UsageError(f"Reading {_flag(name)}: it has {len(said)} characters", hint=f"at most {_LONGEST_TEXT}")
    return said


def detected_at(given: Mapping[str, Any]) -> str | None:
    """Return when the incident was noticed, RFC 3339 in UTC.

    Raises:
        UsageError: it is no instant, or in the future.
    """
    from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval_file import (  # noqa: PLC0415
        CLOCK_SKEW,
        instant,
    )
    from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339  # noqa: PLC0415

    if given["detected_at"] is None:
        return None
    now = dt.datetime.now(dt.UTC)
    moment = instant(given["detected_at"])
    if moment is None:
        raise UsageError(
            f"Reading --detected-at {given['detected_at']!r}: it is no RFC 3339 time with a time zone",
            hint=f"such as {now:%Y-%m-%dT%H:%M:%SZ}",
        )
    if moment > now + CLOCK_SKEW:
        raise UsageError(f"Reading --detected-at {given['detected_at']}: it is in the future", hint="check the clocks")
    return rfc3339(min(moment, now))  # a monitoring system's clock may be a little ahead


def _default_timeout(kind: IncidentType) -> str:
    usual, acting = (kind.timeout_s(acting=acting) for acting in (False, True))
    return str(usual) if usual == acting else f"{usual}; with --remediate {acting}"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
