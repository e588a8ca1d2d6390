# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that are seen in how payments and requests go: injected while all is well, so that their effect shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from incident_runbooks.lab.faults import workloads
from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.workloads.scenarios import Step

if TYPE_CHECKING:
    from incident_runbooks.lab.flow import Flow
    from incident_runbooks.lab.lab import Lab

Do = Callable[["Lab", "Flow"], None]
Shows = Callable[["Flow"], bool]


def seen_in_flow(
    runbook: str, name: str, what: str, cause: str, do: Do, shows: Shows, recommends: tuple[str, ...] = ()
) -> Fault:
    """Return a fault of a lab with payments.

    Args:
        runbook: the incident type whose diagnosis is expected to find it.
        name: for ``runbook lab break``.
        what: it does, in one line.
        cause: that the diagnosis is expected to name.
        do: breaks something.
        shows: whether it is in effect, as seen from outside.
        recommends: the remediations that are expected to be recommended.
    """
    return Fault(
        name,
        what,
        cause,
        lambda lab: inject(lab, name, do, shows),
        needs_cluster=True,
        needs_payments=True,
        runbook=runbook,
        recommends=recommends,
    )


def inject(lab: Lab, name: str, do: Callable[[Lab, Flow], None], shows: Shows) -> None:
    """Break something, and wait until it shows.

    Args:
        lab: where.
        name: of the fault.
        do: breaks it.
        shows: whether it is in effect, as seen from outside.
    """
    from incident_runbooks.lab.flow import Flow  # noqa: PLC0415 - the command's help must not wait for it

    lab.wait_until_payments_flow()  # else nobody can tell what comes of the fault
    flow = Flow(lab)
    do(lab, flow)
    lab.wait_until(lambda: shows(flow), f"the fault {name} is in effect")


def step(what: Step) -> Callable[[Lab, Flow], None]:
    """Return what does a step of a scenario."""
    return lambda lab, flow: workloads.carry_out(what, lab, flow.platform)
