# SPDX-License-Identifier: GPL-3.0-or-later
"""The live lines and the permanent ones: true, cut to the terminal, and harmless whatever is in them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from incident_runbooks.render.progress_lines import line_of
from incident_runbooks.render.progress_state import ProgressState
from incident_runbooks.render.progress_view import lines

HOSTILE = "[bold red]x[/] :smile: \x1b[2J\x1b]0;owned\x07\r\n\u202e" + "long " * 400
START = 1_767_225_600.0
SPEC = "ansible.builtin.validate_argument_spec"


def record(kind: str, after: float = 0, **data: Any) -> dict[str, Any]:
    at = dt.datetime.fromtimestamp(START + after, dt.UTC).isoformat()
    return {"type": kind, "at": at, "run_id": "run-1", "data": data}


def state(
    *records: dict[str, Any], mode: str = "remediate", target: float | None = 900, check: bool = False
) -> ProgressState:
    run = {"id": "run-1", "mode": mode, "check_mode": check}
    found = ProgressState()
    first = record("run_started", incident={"type": "pool-exhaustion"}, run=run, sla={"target_s": target})
    for each in (first, *records):
        found.feed(each)
    return found


def drawn(found: ProgressState, after: float = 1, width: int = 100, **options: Any) -> list[str]:
    return [text.plain.rstrip() for text in lines(found, START + after, width, **options)][1:]


def step(name: str, after: float = 0, host: str = "postgres") -> dict[str, Any]:
    return record("step_started", after, step=f"a/{host}", host=host, action="brandconnect.incidents.x", name=name)


def test_before_the_first_record_there_is_nothing() -> None:
    assert lines(ProgressState(), START, 80) == []


def test_phases_time_components_and_remediations() -> None:
    plan = [{"id": "restart", "title": "Restart the pods", "status": "recommended", "approved": True}]
    found = state(
        record("finding", component="postgres", check="slots", status="down"),
        record("finding", component="postgres", check="locks", status="ok"),
        record("plan", remediations=plan),
        step("brandconnect.incidents.common : Restart the pods, one patch", 100, "localhost"),
    )
    assert drawn(found, 112) == [
        "  diagnose [plan] tell act verify report  1:52 of 15 min ━━──────────────────",
        "  down         postgres: found 1 down, 1 ok",
        "  ...          localhost: Restart the pods, one patch (12 s)",
        "  approved     restart: Restart the pods",
    ]
    found.feed(record("action", id="restart", title="Restart the pods", status="done"))
    found.feed(record("verification", check="slots", status="resolved"))
    assert drawn(found, 100.1)[1:] == [
        "  down         postgres: found 1 down, 1 ok",
        "  ...          localhost",
        "  resolved     verification: 1 resolved",
        "  done         restart: Restart the pods",
    ]


@pytest.mark.parametrize(
    ("after", "said", "style"),
    [
        (0, "0:00 of 15 min", "green"),
        (719, "11:59 of 15 min", "green"),
        (720, "12:00 of 15 min", "yellow"),
        (900, "15:00 of 15 min", "yellow"),
        (901, "15:01 of 15 min, breached", "bold red"),
        (90_000, "25:00:00 of 15 min, breached", "bold red"),
    ],
)
def test_the_time_against_the_sla(after: float, said: str, style: str) -> None:
    head = lines(state(), START + after, 120)[1]
    assert f" {said} " in head.plain
    assert [span.style for span in head.spans if head.plain[span.start : span.end] == said] == [style]


def test_without_an_sla_only_the_elapsed_time_is_told() -> None:
    assert drawn(state(target=None), 61) == ["  [diagnose] plan tell act verify report  1:01"]
    assert drawn(state(mode="report"), 61) == ["  [report]  1:01"]


def test_check_mode_is_said() -> None:
    assert drawn(state(mode="rollback", check=True), 61) == ["  [plan] act verify tell report (check mode)  1:01"]


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert drawn(state(), 450, unicode=False) == [
        "  [diagnose] plan tell act verify report  7:30 of 15 min ==========----------"
    ]


@pytest.mark.parametrize("width", [20, 39, 60, 79, 200])
def test_nothing_is_wider_than_the_terminal_or_obeyed_by_it(width: int) -> None:
    found = state(
        record("finding", component=HOSTILE, check=HOSTILE, status=HOSTILE),
        record("finding", component="漢字" * 40, check="c", status="down"),
        step(HOSTILE, host=HOSTILE),
        record("verification", check=HOSTILE, status="resolved"),
    )
    shown = lines(found, START + 5, width)
    assert all(text.cell_len <= width for text in shown[2:]), "components and verifications"
    assert shown[1].cell_len <= max(width, 42)
    assert all(character.isprintable() for text in shown for character in text.plain)
    assert "[bold" in shown[2].plain or width < 40, "markup is text"


def test_a_remediation_is_told_in_full_also_on_a_narrow_terminal() -> None:
    title = "Restart the pods one by one, after saving what they logged"
    plan = [{"id": "restart", "title": title, "status": "recommended", "approved": True}]
    found = state(record("plan", remediations=plan))
    assert drawn(found, width=39)[-1] == f"  approved     restart: {title}"


@pytest.mark.parametrize(
    ("kind", "data", "quiet", "verbose"),
    [
        ("finding", {"component": "pg", "check": "c", "status": "ok", "summary": "Fine"}, ("ok", "pg/c: Fine"), ...),
        ("action", {"id": "a", "status": "done", "reason": "did it"}, ("done", "a: did it"), ...),
        ("action", {"id": "a", "status": "refused"}, ("refused", "a"), ...),
        ("verification", {"check": "c", "status": "resolved", "summary": "Over"}, ("resolved", "c: Over"), ...),
        ("notice", {"code": "lease_taken_over", "message": "Taken over"}, ("notice", "Taken over"), ...),
        ("error", {"code": "refused", "message": "No"}, ("failed", "refused: No"), ...),
        ("run_interrupted", {"reason": "sigint"}, ("unknown", "the run was cut off: sigint"), ...),
        ("step_started", {"host": "h", "name": "n", "mutates": True}, ("...", "h: n"), ...),
        ("step_started", {"host": "h", "name": "n", "mutates": False}, None, ("...", "h: n")),
        ("step_ended", {"host": "h", "name": "n", "status": "ok", "duration_s": 1.25}, None, ("ok", "h: n (1.2 s)")),
        ("notification", {"channel": "slack", "purpose": "internal", "stage": "opened", "target": "#incidents",
                          "status": "sent"}, ("sent", "slack internal opened #incidents"), ...),
        ("notification", {"channel": "slack", "purpose": "internal", "status": "failed", "cause": "timeout",
                          "message": "no answer"}, ("failed", "slack internal: no answer"), ...),
        ("notification", {"channel": "slack", "purpose": "page", "status": "draft"}, None, ("draft", "slack page")),
        ("evidence", {"path": "x"}, None, None),
        ("of a later version", {}, None, None),
    ],
)  # fmt: skip
def test_the_line_of_an_event(kind: str, data: dict[str, Any], quiet: Any, verbose: Any) -> None:
    told = [line_of({"type": kind, "data": data}, verbosity) for verbosity in (0, 1)]
    expected = [quiet, quiet if verbose is ... else verbose]
    assert [line and line[:2] for line in told] == expected


def test_a_line_of_torn_data_is_no_error() -> None:
    assert line_of({"type": "finding", "data": None}) is not None
    assert line_of({}) is None
