# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook demo [TYPE]``: an incident from fault to report, in a lab of its own that is gone afterwards."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from incident_runbooks import catalogue
from incident_runbooks.catalogue import IncidentType
from incident_runbooks.cli.lab import postgres_option, say
from incident_runbooks.cli.options import Answer, output_option, verbose_option
from incident_runbooks.errors import RunbookError
from incident_runbooks.inventory import Inventory
from incident_runbooks.lab import inventory as lab_inventory
from incident_runbooks.lab.directory import VARIABLE
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.processes import exit_on_signals, uninterrupted
from incident_runbooks.render.progress import Progress

if TYPE_CHECKING:
    from incident_runbooks.execution import Approvals

_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Rehearsal:
    """How an incident type is rehearsed.

    Attributes:
        fault: the lab's fault that leads to it.
        approve: the remediations to run.
    """

    fault: str
    approve: tuple[str, ...]


_FIRST = "pool-exhaustion"
REHEARSALS = {
    "pool-exhaustion": Rehearsal(fault="backend-leak", approve=("restart-backend",)),
    "payment-failure": Rehearsal(fault="stripe-rate-limited", approve=("lower-rate-limit",)),
    "auth-down": Rehearsal(fault="jwt-key-stale", approve=("restart-auth",)),
    "api-latency": Rehearsal(fault="latency-missing-index", approve=("create-index",)),
    "ingestion-lag": Rehearsal(fault="social-rate-limited", approve=("slow-ingestion",)),
    "data-breach": Rehearsal(
        fault="breach-suspected",
        approve=(
            *("preserve-evidence", "revoke-suspect-sessions", "revoke-suspect-access", "revoke-affected-sessions"),
            *("reset-credentials", "require-2fa", "revoke-oauth"),
        ),
    ),
    "webhook-failures": Rehearsal(fault="webhook-secret-stale", approve=("restart-backend",)),
}


@click.command()
@click.argument("incident_type", metavar="[TYPE]", type=click.Choice(list(REHEARSALS)), required=False)
@postgres_option
@output_option
@verbose_option
def demo(incident_type: str | None, postgres: str | None, output: str | None, verbose: int) -> Answer:
    """Rehearse one incident: break, diagnose, remediate, verify.

    It runs in a lab of its own that is started before and removed afterwards. The incident is kept among
    the others; the exit code is the run's.
    """
    from incident_runbooks import outcomes  # noqa: PLC0415 - help needs none of it
    from incident_runbooks.render.text import render  # noqa: PLC0415

    if incident_type is None:
        say(f"rehearsing {_FIRST}; others: {', '.join(name for name in REHEARSALS if name != _FIRST)}")
    kind = catalogue.get(incident_type or _FIRST)
    with exit_on_signals(), _temporary_lab() as lab:
        fault = FAULTS[REHEARSALS[kind.name].fault]
        lab.up(postgres, payments=fault.needs_payments or fault.needs_data, data=fault.needs_data)
        result = _rehearse(lab, kind, REHEARSALS[kind.name], verbose)
    return Answer(outcomes.exit_code(result), result, lambda colour: render(result, colour), output)


@contextlib.contextmanager
def _temporary_lab() -> Iterator[Lab]:
    directory = Path(tempfile.mkdtemp(prefix="runbook-demo-"))
    lab = Lab(directory, say)
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(lab.directory.path)  # what the lab's inventory reads
    try:
        yield lab
    finally:
        with uninterrupted():
            lab.down()
            if directory.exists():  # it never was a lab
                directory.rmdir()
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _rehearse(lab: Lab, kind: IncidentType, rehearsal: Rehearsal, verbosity: int) -> dict[str, Any]:
    lab.break_(rehearsal.fault)
    diagnosis = _run(kind, verbosity, mode="diagnose")
    expected = FAULTS[rehearsal.fault].cause
    if diagnosis["outcome"] == "unknown":  # interrupted
        return diagnosis
    if expected not in [finding["cause"] for finding in diagnosis["findings"]]:
        raise RunbookError(
            f"Rehearsing {kind.name}: the diagnosis of the fault {rehearsal.fault} does not name {expected}",
            hint=f"see: runbook show {diagnosis['incident']['id']}",
        )
    say(f"diagnosed: {expected}; remediating with {', '.join(rehearsal.approve)}")
    asked = {"approved": list(rehearsal.approve), "incident_id": diagnosis["incident"]["id"]}
    return _run(kind, verbosity, mode="remediate", approvals=_approvals(diagnosis, rehearsal), **asked)


def _approvals(diagnosis: dict[str, Any], rehearsal: Rehearsal) -> Approvals:
    """What the approval of these needs beside their ids; in a rehearsal nobody has to be asked."""
    from incident_runbooks.execution import Approvals  # noqa: PLC0415 - help needs none of it

    risks = {entry["risk"] for entry in diagnosis["plan"]["remediations"] if entry["id"] in rehearsal.approve}
    if not risks & {"destructive", "irreversible"}:
        return Approvals()
    digest, two = str(diagnosis["plan"]["digest"]), "irreversible" in risks
    second, reason = ("second-person", "a rehearsal") if two else (None, None)
    return Approvals(plan_digest=digest, second_approver=second, reason=reason)


def _run(kind: IncidentType, verbosity: int, **asked: Any) -> dict[str, Any]:
    from incident_runbooks.execution import RunRequest, execute  # noqa: PLC0415 - help needs none of it

    where = Inventory(sources=(str(lab_inventory.path()),), origin="the lab")
    progress = Progress(verbosity)
    progress.begin(kind, remediate=asked["mode"] == "remediate", check=False, inventory=where)
    defaults: dict[str, Any] = {"approved": [], "incident_id": None}
    request = RunRequest(
        incident_type=kind,
        inventory=list(where.sources),
        extra_vars={},
        check_mode=False,
        timeout_s=_TIMEOUT_S,
        verbosity=verbosity,
        on_event=progress.show,
        **{**defaults, **asked},
    )
    with progress:
        result: dict[str, Any] = execute(request)
    return result
