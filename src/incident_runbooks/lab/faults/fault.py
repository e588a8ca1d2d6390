# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incident_runbooks.lab.lab import Lab

PLATFORM = "platform"


@dataclass(frozen=True)
class Fault:
    """Something that breaks in production and that the lab can break, too.

    Attributes:
        name: for ``runbook lab break``.
        what: what it does to the lab, in one line.
        cause: the cause that a diagnosis is expected to name; ``None`` where no runbook looks for it yet.
        inject: does it and returns when it is seen to be in effect; whatever it starts, ``heal`` stops.
        needs_cluster: only a lab with a cluster can be broken like this.
        needs_payments: only a lab with payments can.
        needs_data: only a lab with the data plane can.
        runbook: the incident type whose diagnosis is expected to find it; ``None`` where none is there yet.
        recommends: the remediations that this diagnosis is expected to recommend, and no others.
        part: what is broken; faults of different parts can be in effect together.
        undo: heals this one alone, after it has left the lab's list; ``None`` where only all are healed at once.
    """

    name: str
    what: str
    cause: str | None
    inject: Callable[[Lab], None]
    needs_cluster: bool = False
    needs_payments: bool = False
    needs_data: bool = False
    runbook: str | None = None
    recommends: tuple[str, ...] = ()
    part: str = PLATFORM
    undo: Callable[[Lab], None] | None = None
