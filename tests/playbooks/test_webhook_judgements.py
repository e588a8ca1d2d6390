# SPDX-License-Identifier: GPL-3.0-or-later
"""What webhook-failures makes of facts that a lab cannot easily have: the role's own rules, run by Ansible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.journal_bench import Bench, Ran
from support.runbook import ROOT

Json = dict[str, Any]

ROLE = {"name": "brandconnect.incidents.webhook_failures", "rolespec_validate": False}
ENDPOINT = {"id": "we_1", "status": "enabled", "created": 1, "enabled_events": ["*"]}
CAUSE = {
    "cause": "endpoint_disabled",
    "reason": "it is disabled",
    "probes": "ok",
    "signed": None,
    "taken": True,
    "stored": "as_expected",
    "failing": None,
    "missing": [],
    "evidence": [],
    "gaps": [],
    "notes": [],
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(ROOT / ".collections", tmp_path)


def events(**changes: Any) -> Json:
    return {"reachable": True, "missing": [], "truncated": False, **changes}


def ran(bench: Bench, phase: str, seen: Json, **variables: Any) -> Ran:
    """Run a file of the role."""
    endpoints = {"reachable": True, "endpoint": ENDPOINT, "problems": []}
    stripe = {"__webhook_failures_examined": {"found": {"endpoints": endpoints, "events": seen}}}
    bench.hosts = {"stripe": stripe, "backend": None, "postgres": None, "prometheus": None}
    task = {"name": "Judge", "ansible.builtin.import_role": {**ROLE, "tasks_from": phase}}
    done = bench.run(bench.playbook([{"hosts": "stripe", "tasks": [task], "vars": variables}], "webhook_failures"))
    assert done.rc == 0, done.output
    return done


def judged(bench: Bench, phase: str, seen: Json, **variables: Any) -> dict[str, Json]:
    """The findings of a file of the role, by their check."""
    return {finding["check"]: finding for finding in ran(bench, phase, seen, **variables).result["findings"]}


@pytest.mark.parametrize(("truncated", "status"), [(True, "unknown"), (False, "ok")])
@pytest.mark.parametrize(("phase", "check"), [("stripe", "undelivered_events"), ("together", "missing_events")])
def test_a_list_that_is_cut_off_proves_nothing(
    bench: Bench, phase: str, check: str, truncated: bool, status: str
) -> None:
    cause = CAUSE | {"cause": "none"}
    found = judged(bench, f"judge/{phase}", events(truncated=truncated), __webhook_failures_cause=cause)
    assert found[check]["status"] == status


@pytest.mark.parametrize(
    ("known", "recommended"),
    [
        ({}, ["enable-endpoint"]),
        ({"stored": "differs", "signed": True}, ["enable-endpoint"]),
        ({"stored": None, "taken": False}, []),
        ({"stored": "differs", "taken": False}, []),
        ({"stored": "unusable", "taken": False}, []),
        ({"probes": "failing"}, []),
        ({"probes": "unknown"}, []),
    ],
)
def test_an_endpoint_is_enabled_only_where_the_handler_takes_its_events(
    bench: Bench, known: Json, recommended: list[str]
) -> None:
    found = judged(bench, "judge/together", events(), __webhook_failures_cause=CAUSE | known)["webhook_cause"]
    assert (found["status"], found["cause"]) == ("down", "endpoint_disabled")
    assert found["recommend"] == recommended, found["next_step"]
    if known.get("probes") is None and not recommended:
        assert "--signed-probe" in found["next_step"]


BEFORE = [{"id": "evt_1", "created": "2026-11-24T14:20:12.000000Z"}]


@pytest.mark.parametrize(
    ("now", "before", "status"),
    [
        ({}, BEFORE, "resolved"),
        ({"truncated": True, "oldest_at": "2026-11-24T14:20:12.000000Z"}, BEFORE, "resolved"),
        ({"truncated": True, "oldest_at": "2026-11-24T14:20:13.000000Z"}, BEFORE, "unverified"),
        ({"truncated": True, "oldest_at": None}, BEFORE, "unverified"),
        ({"truncated": True, "oldest_at": "2026-11-24T14:00:00.000000Z"}, [], "unverified"),
        ({"missing": BEFORE}, BEFORE, "unresolved"),
        ({"missing": None, "reachable": False, "cause": "timeout", "message": "no answer"}, BEFORE, "unverified"),
    ],
)
def test_what_was_missing_is_looked_for_as_far_back_as_it_was(
    bench: Bench, now: Json, before: list[Json], status: str
) -> None:
    seen = events(oldest_at=None) | now
    cause = CAUSE | {"missing": before}
    variables = {"__webhook_failures_events_now": seen, "__webhook_failures_ran": ["resend-events"]}
    done = ran(bench, "judge/missing_events", seen, __webhook_failures_cause=cause, **variables)
    (verdict,) = done.of_type("verification")
    assert (verdict["check"], verdict["status"]) == ("missing_events", status), verdict


@pytest.mark.parametrize(
    ("agrees", "status", "words"),
    [
        ((True, True), "resolved", "All 2 payments"),
        ((True, False), "unresolved", "1 of 2 payments"),
        ((False, None), "unresolved", "1 of 2 payments"),
        ((True, None), "unverified", "Of 1 of 2 payments it is not known"),
    ],
)
def test_the_payments_of_what_was_sent_again_are_compared(
    bench: Bench, agrees: tuple[bool | None, ...], status: str, words: str
) -> None:
    lines = [{"agrees": agreed, "advice": None if agreed else "look at it"} for agreed in agrees]
    done = ran(bench, "judge/payments", events(), __webhook_failures_resent={"payments": lines})
    (verdict,) = done.of_type("verification")
    assert (verdict["check"], verdict["status"]) == ("payments", status), verdict
    assert words in verdict["summary"]
