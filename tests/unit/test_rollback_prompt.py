# SPDX-License-Identifier: GPL-3.0-or-later
"""Without a yes nothing is restored, whatever the look came to."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from incident_runbooks import catalogue
from incident_runbooks.cli import rollback
from incident_runbooks.execution import Approvals, RunRequest

LOOK = {"outcome": "findings", "notices": [], "errors": [], "plan": {"digest": "ab" * 32, "remediations": []}}
REFUSED = [{"code": "would_be_refused", "message": "somebody changed it"}]


@pytest.mark.parametrize(
    ("look", "says", "code"),
    [
        ({**LOOK, "outcome": "unknown", "plan": {"digest": None}}, True, 9),  # Ctrl-C or a time-out in the look
        ({**LOOK, "outcome": "incomplete"}, True, 4),
        ({**LOOK, "outcome": "healthy"}, True, 0),
        ({**LOOK, "notices": REFUSED}, True, 6),
        (LOOK, False, 6),
    ],
    ids=["cut off", "unread", "nothing", "moved on", "no"],
)
def test_nothing_is_restored(monkeypatch: pytest.MonkeyPatch, look: Any, says: bool, code: int) -> None:
    ran: list[bool] = []

    def execute(request: RunRequest) -> Any:
        ran.append(request.check_mode)
        return look

    monkeypatch.setattr(rollback, "_confirmed", lambda _plan: says)
    request = RunRequest(catalogue.get("pool-exhaustion"), ["inventory"], mode="rollback")
    assert rollback._asked(request, execute) == (look, code)
    assert ran == [True]


def test_a_yes_restores_by_the_plan_that_was_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[RunRequest] = []

    def execute(request: RunRequest) -> Any:
        ran.append(request)
        return LOOK if request.check_mode else {**LOOK, "outcome": "resolved"}

    monkeypatch.setattr(rollback, "_confirmed", lambda _plan: True)
    request = RunRequest(catalogue.get("pool-exhaustion"), ["inventory"], mode="rollback")
    _, code = rollback._asked(request, execute)
    assert (code, [each.check_mode for each in ran]) == (0, [True, False])
    assert ran[1].approvals.plan_digest == LOOK["plan"]["digest"]  # type: ignore[index]

    given = dataclasses.replace(request, approvals=Approvals(plan_digest="cd" * 6))
    rollback._asked(given, execute)
    assert ran[-1].approvals.plan_digest == "cd" * 6, "whoever names a plan gets that one or none"
