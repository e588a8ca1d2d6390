# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL is stopped: nothing listens, connections are refused. This is no pool exhaustion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_runbooks.lab.faults.fault import Fault

if TYPE_CHECKING:
    from incident_runbooks.lab.lab import Lab


def _inject(lab: Lab) -> None:
    lab.stop_postgres()
    lab.wait_until(lambda: lab.server.refusal(lab.server.superuser) == "refused", "connections are refused")


FAULT = Fault(
    name="postgres-down",
    what="PostgreSQL is stopped, connections are refused",
    cause="refused",
    inject=_inject,
)
