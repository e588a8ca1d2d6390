# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaking pools take the connection slots: all ordinary ones, again after a kill, or the reserved ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_runbooks.lab.clients import ADMIN_CONSOLE, REPORT_EXPORT, PoolSpec
from incident_runbooks.lab.faults.fault import Fault

if TYPE_CHECKING:
    from incident_runbooks.lab.lab import Lab

_REPLICAS = 2
_OVERSIZE = 10  # sessions that the pools want beyond what the server has
_EXHAUSTED = "server_slots_exhausted"

_SLOTS = """
    SELECT current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int,
           count(*) FILTER (WHERE pid <> pg_backend_pid()),
           count(*) FILTER (WHERE application_name = %s AND state = 'idle')
    FROM pg_stat_activity WHERE backend_type = 'client backend'
"""


def _leak(lab: Lab) -> None:
    free = _free_slots(lab)
    _open_pools(lab, free, refill=False)
    lab.wait_until(lambda: _ordinary_slots_taken(lab, free), "every ordinary connection slot is taken")


def _refill(lab: Lab) -> None:
    free = _free_slots(lab)
    _open_pools(lab, free + _OVERSIZE, refill=True)
    lab.wait_until(lambda: _ordinary_slots_taken(lab, free), "every ordinary connection slot is taken")


def _full(lab: Lab) -> None:
    _leak(lab)
    with lab.server.connect(lab.server.superuser) as connection:
        row = connection.execute("SELECT current_setting('superuser_reserved_connections')::int").fetchone()
    reserved = int(row[0]) if row else 0
    lab.start_client(PoolSpec(lab.server.superuser, ADMIN_CONSOLE, sessions=reserved))
    lab.wait_until(
        lambda: lab.server.refusal(lab.server.superuser) == _EXHAUSTED, "the reserved connection slots are taken"
    )


def _open_pools(lab: Lab, sessions: int, *, refill: bool) -> None:
    for replica in range(_REPLICAS):
        share = sessions // _REPLICAS + (replica < sessions % _REPLICAS)
        if share:
            lab.start_client(PoolSpec(lab.server.app, REPORT_EXPORT, sessions=share, refill=refill))


def _free_slots(lab: Lab) -> int:
    with lab.server.connect(lab.server.superuser) as connection:
        row = connection.execute(_SLOTS, [REPORT_EXPORT]).fetchone()
    if row is None:
        return 0
    limit, reserved, used, _ = row
    return int(limit - reserved - used)


def _ordinary_slots_taken(lab: Lab, wanted: int) -> bool:
    """Look from outside: the ops role is refused, the superuser gets in and sees the leaked sessions at rest."""
    if lab.server.refusal(lab.server.ops) != _EXHAUSTED:
        return False
    with lab.server.connect(lab.server.superuser) as connection:
        row = connection.execute(_SLOTS, [REPORT_EXPORT]).fetchone()
    return row is not None and row[3] >= wanted


LEAK = Fault(
    name="pool-exhaustion",
    what="leaked idle sessions of an application outside of the cluster take every ordinary connection slot",
    cause=_EXHAUSTED,
    inject=_leak,
)
REFILL = Fault(
    name="pool-exhaustion-refill",
    what="leaked idle sessions take every ordinary connection slot, and the pools reconnect whatever is terminated",
    cause=_EXHAUSTED,
    inject=_refill,
)
FULL = Fault(
    name="pool-exhaustion-full",
    what="leaked idle sessions take every connection slot, those reserved for superusers too",
    cause=_EXHAUSTED,
    inject=_full,
)
