# SPDX-License-Identifier: GPL-3.0-or-later
"""When the live part stands on the terminal, and when it makes room."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks.inventory import Inventory
from incident_runbooks.render.progress import Progress, incident_began_at
from incident_runbooks.render.progress_state import instant
from support.journal_entries import ENDED, FIRST, INCIDENT, SECOND, finding, journal_in, started
from support.terminal import Screen, Terminal

STARTED = {"incident": {"type": "t"}, "run": {"mode": "diagnose"}, "sla": {"target_s": 900}}


def record(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "at": "2026-01-01T00:00:00Z", "run_id": "run-1", "data": data}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, runbook_home: Path) -> Iterator[Terminal]:
    opened = Terminal(80, 24)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    yield opened
    opened.close()


def is_live() -> bool:
    return any(thread.name == "progress" for thread in threading.enumerate())


def test_it_lives_from_the_first_record_of_a_run_to_its_last(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal.stream)  # not in the fixture: pytest sets its own before each test
    progress = Progress()
    progress.announce("rollback of \x1b[2Jx", Inventory(sources=("a", "b"), origin="--inventory"))
    assert not is_live(), "whatever starts the run may print, ask, and fork"
    for _run in range(2):
        progress.show(record("run_started", **STARTED))
        assert is_live()
        progress.show(record("finding", component="pg", check="c", status="ok", summary="[red]Fine[/]"))
        progress.show(record("run_ended"))
        assert not is_live()
    terminal.close()
    screen = Screen(80, 24)
    screen.feed(terminal.text())
    assert screen.lines() == [
        r"runbook: rollback of \x1b[2Jx, inventory a, b (from --inventory)",
        *["  ok           pg/c: [red]Fine[/]"] * 2,
    ]


def test_the_elapsed_time_counts_from_the_detection_or_the_first_run(runbook_home: Path) -> None:
    directory = runbook_home / "incidents" / INCIDENT
    directory.mkdir(parents=True, mode=0o700)
    write = journal_in(directory)

    def begins(run_id: str, **more: str) -> float | None:
        kind, data = started(run_id=run_id)
        entry = (kind, {**data, "run": {**data["run"], **more}})
        write(entry, finding(), ENDED, run_id=run_id)
        return incident_began_at({"type": kind, "at": "2026-11-23T23:59:00Z", "run_id": run_id, "data": entry[1]})

    first = instant("2026-11-23T23:14:00Z")
    assert begins(FIRST) == first
    assert begins(SECOND, detected_at="2026-11-23T23:40:00Z") == first
    (directory / "journal.jsonl").unlink()
    assert begins(FIRST, detected_at="2026-11-23T23:02:00Z") == instant("2026-11-23T23:02:00Z")
    assert begins(SECOND) == instant("2026-11-23T23:02:00Z")


def test_it_makes_room_for_a_question(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    with Progress() as progress:
        with progress.paused():
            assert not is_live()
        assert not is_live(), "no run, nothing to show"
        progress.show(record("run_started", **STARTED))
        with progress.paused():
            assert not is_live()
            print("Restart? [y/N]", file=sys.stderr, flush=True)
        assert is_live()
    assert not is_live()
    terminal.close()
    screen = Screen(80, 24)
    screen.feed(terminal.text())
    assert screen.lines() == ["Restart? [y/N]"]


def test_an_error_takes_it_away(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    progress = Progress()

    def fail() -> None:
        with progress:
            progress.show(record("run_started", **STARTED))
            assert is_live()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not is_live()


@pytest.mark.usefixtures("runbook_home")
def test_a_terminal_that_goes_away_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = os.openpty()
    stream = os.fdopen(follower, "w", encoding="utf-8")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress() as progress:
        progress.show(record("run_started", **STARTED))
        os.close(leader)
        for _ in range(3):
            progress.show(record("finding", component="pg", check="c", status="ok", summary="Fine"))
        progress.show(record("run_interrupted", reason="sigterm"))
    with pytest.raises(OSError, match="Input/output"):
        stream.close()
