# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody has the account of one of the staff: weeks of audit trail in which it shows, and sessions that are open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.workloads.manifests import NAMESPACE

if TYPE_CHECKING:
    from incident_runbooks.lab.lab import Lab

ROWS = 1_000_000  # of the weeks before
_LASTS_S = 86_400  # of a session
_BACKEND = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/backend"


def _inject(lab: Lab) -> None:
    from incident_runbooks.lab import breach  # noqa: PLC0415 - with psycopg, which help does not need
    from incident_runbooks.lab.login import Login  # noqa: PLC0415 - as above

    with lab.server.connect(lab.server.superuser) as connection:
        breach.history(connection, ROWS)
        truth = breach.attack(connection)
    login = Login(lab)
    for session in truth.session_ids:
        login.redis("SET", _key(session), str(truth.actor_id), "EX", str(_LASTS_S))


def _undo(lab: Lab) -> None:
    from incident_runbooks.lab import breach  # noqa: PLC0415 - as above
    from incident_runbooks.lab.login import Login  # noqa: PLC0415 - as above

    held = (f"incidents.brandconnect/evidence-hold{part}" for part in ("", "-by", "-since"))
    Login(lab).platform.api.patch(_BACKEND, {"metadata": {"annotations": dict.fromkeys(held)}})  # null removes one
    with lab.server.connect(lab.server.superuser) as connection:
        truth = breach.recorded(connection)
        if truth and truth.session_ids:  # first in Redis: who is healed only half can be healed again
            Login(lab).redis("DEL", *(_key(session) for session in truth.session_ids))
        breach.remove(connection)


def _key(session: int) -> str:
    """The key under which the backend keeps a session."""
    return f"sess:{session}"


FAULTS = (
    Fault(
        "breach-suspected",
        "somebody has the account of one of the staff, has read quietly for days and then exported a lot",
        "mass_export",
        _inject,
        needs_cluster=True,
        needs_payments=True,
        runbook="data-breach",
        recommends=(
            *("preserve-evidence", "revoke-suspect-sessions", "revoke-suspect-access", "revoke-affected-sessions"),
            *("reset-credentials", "require-2fa", "revoke-oauth"),
        ),
        undo=_undo,
    ),
)
