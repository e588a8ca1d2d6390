# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome table: the first line that fits what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outcome import OUTCOMES, outcome_of
from incident_runbooks import schemas
from support.journal_entries import (
    ENDED,
    Entry,
    Json,
    action,
    error,
    finding,
    journal_in,
    started,
    verification,
)


@pytest.fixture
def journal(tmp_path: Path) -> Callable[..., bytes]:
    return journal_in(tmp_path)


OUTCOME_TABLE: list[tuple[str, str, list[Entry]]] = [
    ("healthy", "all ok", [started("diagnose"), finding("ok")]),
    (
        "healthy",
        "an unknown that is not required",
        [started("diagnose"), finding("ok"), finding("unknown", required=False)],
    ),
    ("healthy", "nothing to do", [started(), finding("ok"), action("nothing_to_do")]),
    ("findings", "degraded", [started("diagnose"), finding("ok"), finding("degraded")]),
    ("findings", "down", [started("diagnose"), finding("down")]),
    ("findings", "a check mode run acts on nothing", [started(check_mode=True), finding(), action("done")]),
    ("incomplete", "no findings", [started("diagnose")]),
    ("incomplete", "a required unknown", [started("diagnose"), finding("unknown"), finding("down")]),
    ("incomplete", "a step that failed", [started("diagnose"), finding("ok"), error("step_failed")]),
    ("incomplete", "an unreachable host", [started("diagnose"), finding("down"), error("unreachable")]),
    ("resolved", "verified", [started(), finding(), action(), verification()]),
    ("resolved", "partly done, but verified", [started(), finding(), action("partial"), verification()]),
    ("unresolved", "one verification fails", [started(), action(), verification(), verification("unresolved")]),
    (
        "unresolved",
        "and another is unknown",
        [started(), action(), verification("unverified"), verification("unresolved")],
    ),
    ("unverified", "no verification", [started(), finding(), action()]),
    (
        "unverified",
        "a step of the verification failed",
        [started(), finding(), action(), verification(), error("step_failed")],
    ),
    ("healthy", "a report", [started("report")]),
    ("failed", "a report that broke off", [started("report"), error("step_failed")]),
    ("unverified", "one is unknown", [started(), action(), verification(), verification("unverified")]),
    ("refused", "an action", [started(), finding(), action("refused")]),
    ("refused", "approval", [started(), finding(), error("refused")]),
    ("refused", "the plan", [started(), finding(), error("plan_changed"), action("failed")]),
    ("failed", "an action", [started(), finding(), action("failed"), verification()]),
    ("failed", "and another is done", [started(), finding(), action("done"), action("failed"), verification()]),
    ("failed", "a remediation", [started(), finding(), error("remediation_failed")]),
    ("failed", "no hosts", [started(), error("no_hosts"), action("refused")]),
    ("failed", "usage", [started(), error("usage")]),
    ("failed", "internal", [started(), finding("ok"), error("internal")]),
    ("failed", "locked", [started(), error("locked")]),
    ("healthy", "an error of no consequence", [started("diagnose"), finding("ok"), error("not_validated")]),
]


@pytest.mark.parametrize(("outcome", "why", "entries"), OUTCOME_TABLE, ids=[f"{o}: {w}" for o, w, _ in OUTCOME_TABLE])
def test_outcomes(journal: Any, outcome: str, why: str, entries: list[Entry]) -> None:
    content = journal(*entries, ENDED)
    assert fold(content)["outcome"] == outcome
    assert fold(content[: content.rstrip().rindex(b"\n") + 1])["outcome"] == "unknown"


def test_every_outcome_is_in_the_schema_and_reachable() -> None:
    assert set(OUTCOMES) == set(schemas.load("result")["properties"]["outcome"]["enum"])
    assert {outcome for outcome, _, _ in OUTCOME_TABLE} == set(OUTCOMES) - {"unknown"}
    nothing: Json = {"errors": [], "actions": [], "verification": [], "findings": [], "run": {}}
    assert outcome_of(nothing, ended=False) == "unknown"
