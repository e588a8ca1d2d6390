# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction that nobody ends holds a row lock, and others wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_runbooks.lab.clients import PAYOUT_BATCH, REPORT_EXPORT, PoolSpec
from incident_runbooks.lab.faults.fault import Fault

if TYPE_CHECKING:
    from incident_runbooks.lab.lab import Lab

_WAITING = 2
_HOLDERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = %s AND state = 'idle in transaction'
"""
_BLOCKED = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = %s AND cardinality(pg_blocking_pids(pid)) > 0
"""


def _inject(lab: Lab) -> None:
    app = lab.server.app
    lab.start_client(PoolSpec(app, PAYOUT_BATCH, sessions=1, state="idle-in-transaction"))
    lab.wait_until(lambda: _count(lab, _HOLDERS, PAYOUT_BATCH) == 1, "a session holds a lock in an open transaction")
    lab.start_client(PoolSpec(app, REPORT_EXPORT, sessions=_WAITING, state="blocked"))
    lab.wait_until(lambda: _count(lab, _BLOCKED, REPORT_EXPORT) == _WAITING, "two sessions wait for the lock")


def _count(lab: Lab, query: str, application: str) -> int:
    with lab.server.connect(lab.server.superuser) as connection:
        row = connection.execute(query.encode(), [application]).fetchone()
    return int(row[0]) if row else 0


FAULT = Fault(
    name="idle-in-transaction",
    what="a session holds a lock in an open transaction, two sessions are blocked behind it",
    cause="idle_in_transaction",
    inject=_inject,
)
