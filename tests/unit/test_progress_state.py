# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is doing, told from its records."""

from __future__ import annotations

from typing import Any

import pytest

from incident_runbooks.render.progress_state import ProgressState, clock, instant, tally, worst

AT = "2026-01-01T00:00:00.000000Z"
SPEC = "ansible.builtin.validate_argument_spec"


def record(kind: str, at: str = AT, **data: Any) -> dict[str, Any]:
    return {"type": kind, "at": at, "run_id": "run-1", "data": data}


def started(mode: str = "remediate", target: Any = 900) -> dict[str, Any]:
    run = {"id": "run-1", "mode": mode, "check_mode": False}
    return record("run_started", incident={"type": "pool-exhaustion"}, run=run, sla={"target_s": target})


def entry(point: str) -> dict[str, Any]:
    name = f"brandconnect.incidents.common : Validating arguments against arg spec '{point}' - Do it"
    return record("step_started", step="s", host="localhost", action=SPEC, name=name)


def step(name: str, host: str = "postgres", step: str = "a/postgres", at: str = AT) -> dict[str, Any]:
    return record("step_started", at, step=step, host=host, action="brandconnect.incidents.pg_activity", name=name)


def state(*records: dict[str, Any], mode: str = "remediate") -> ProgressState:
    found = ProgressState()
    for each in (started(mode), *records):
        found.feed(each)
    return found


@pytest.mark.parametrize(
    ("records", "phase"),
    [
        ([], "diagnose"),
        ([entry("conclude")], "diagnose"),
        ([entry("plan")], "plan"),
        ([record("plan", remediations=[])], "plan"),
        ([entry("communicate")], "tell"),
        ([entry("act")], "act"),
        ([entry("act"), entry("remediate")], "act"),
        ([record("action", id="x", status="done")], "act"),
        ([record("action", id="x", status="done"), record("verification", check="c", status="resolved")], "verify"),
        ([entry("verify"), entry("release")], "verify"),
        ([entry("verify"), entry("communicate")], "tell"),
        ([entry("report")], "report"),
        ([record("follow_up"), record("notice"), record("later")], "diagnose"),
    ],
)
def test_the_phase_of_a_remediation(records: list[dict[str, Any]], phase: str) -> None:
    assert state(*records).phase == phase


def test_a_diagnosis_only_passes_through_what_it_does_not_do() -> None:
    found = state(entry("plan"), entry("communicate"), entry("act"), mode="diagnose")
    assert (found.phases, found.phase) == (("diagnose", "plan", "report"), "plan")


@pytest.mark.parametrize(
    ("mode", "first", "timed"),
    [
        ("rollback", "plan", False),
        ("report", "report", False),
        ("diagnose", "diagnose", True),
        ("?", "diagnose", False),
    ],
)
def test_what_has_no_sla(mode: str, first: str, timed: bool) -> None:
    found = ProgressState()
    found.feed(started(mode), incident_began_at=5.0)
    assert found.phase == first
    assert found.sla_target_s == (900 if timed else None)
    assert found.began_at == (5.0 if timed else instant(AT)), "a rollback may come days after the incident's first run"


@pytest.mark.parametrize("target", [None, "900", 0, -1])
def test_a_target_that_is_none(target: Any) -> None:
    found = ProgressState()
    found.feed(started("diagnose", target))
    assert found.sla_target_s is None


def test_the_step_that_runs_and_what_was_found() -> None:
    found = state(step("brandconnect.incidents.pool_exhaustion : Read slots"))
    postgres = found.components["postgres"]
    assert (postgres.step, postgres.since, postgres.status) == ("Read slots", instant(AT), "")
    found.feed(record("step_ended", step="another/postgres", host="postgres", status="ok"))
    assert postgres.step == "Read slots"
    found.feed(record("step_ended", step="a/postgres", host="postgres", status="ok"))
    assert postgres.step == ""
    for check, status in (("a", "ok"), ("b", "unknown"), ("c", "ok"), ("b", "down")):
        found.feed(record("finding", component="postgres", check=check, status=status))
    assert (postgres.status, postgres.tally()) == ("down", "1 down, 2 ok")


def test_the_controller_comes_last() -> None:
    found = state(entry("plan"), record("finding", component="backend", check="c", status="ok"), step("Read"))
    assert [row.name for row in found.rows()] == ["backend", "postgres", "localhost"]


def test_the_remediations_that_the_plan_lets_run() -> None:
    entries = [
        {"id": "a", "title": "Do a", "status": "recommended", "approved": True},
        {"id": "b", "title": "Do b", "status": "recommended", "approved": False},
        {"id": "c", "title": "Do c", "status": "not_recommended", "approved": True},
        "torn",
    ]
    found = state(record("plan", remediations=entries))
    assert {name: item.status for name, item in found.remediations.items()} == {"a": "approved"}
    found.feed(record("action", id="a", title="Do a", status="failed"))
    found.feed(record("action", id="held", status="refused"))
    assert {name: item.status for name, item in found.remediations.items()} == {"a": "failed", "held": "refused"}
    assert state(record("plan", remediations=entries), mode="diagnose").remediations == {}


@pytest.mark.parametrize("last", ["run_ended", "run_interrupted"])
def test_the_end(last: str) -> None:
    found = state()
    assert not found.ended
    found.feed(record(last))
    assert found.ended


@pytest.mark.parametrize(
    "torn",
    [{}, {"type": "finding"}, {"type": "plan", "data": {"remediations": None}}, {"type": "run_started", "data": 7},
     {"type": "step_started", "at": None, "data": {"host": None, "name": None}}, {"type": None, "data": []}],
)  # fmt: skip
def test_a_record_that_says_nothing_disturbs_nothing(torn: dict[str, Any]) -> None:
    state().feed(torn)
    ProgressState().feed(torn)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0:00"), (0, "0:00"), (59.9, "0:59"), (754, "12:34"), (3600, "1:00:00"), (86399, "23:59:59")],
)
def test_the_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_tallies() -> None:
    checks = {"a": "resolved", "b": "unresolved", "c": "resolved", "d": "odd"}
    assert (worst(checks), tally(checks)) == ("unresolved", "1 unresolved, 2 resolved, 1 odd")
    assert (worst({}), tally({})) == ("", "")
