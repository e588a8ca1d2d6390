# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of a real run: live on a terminal, one line an event in a pipe."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.terminal import Screen, Terminal

DRAWN = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal(100, 30)
    yield opened
    opened.close()


def on(terminal: Terminal, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a run whose stderr is the terminal, and return its document."""
    stdout, _ = process.communicate(timeout=60)
    terminal.close()
    document: dict[str, Any] = json.loads(stdout)
    return document


def left_on(terminal: Terminal) -> list[str]:
    screen = Screen(100, 30)
    screen.feed(terminal.text())
    return screen.lines()


def test_a_terminal_shows_what_happens_and_keeps_what_a_pipe_gets(runbook: Any, terminal: Terminal) -> None:
    arguments = ("--status", "down", "--remediate", "--approve", "fix-it")
    process = runbook.start_run(*arguments, stderr=terminal.follower, environment=DRAWN)
    assert on(terminal, process)["outcome"] == "resolved"
    text = terminal.text()
    assert "\x1b[1m[diagnose]\x1b[0m" in text
    assert " of 1 h\x1b[0m " in text, "elapsed time against the SLA"
    assert "found 1 down" in text
    assert "?25" not in text, "a hidden cursor stays hidden when the process is killed"
    piped = runbook.run(*arguments)
    assert left_on(terminal) == piped.stderr.splitlines()
    assert "\x1b" not in piped.stderr


@pytest.mark.parametrize("quiet", [{"TERM": "dumb"}, {"TERM": None}, {"NO_COLOR": "1"}])
def test_a_terminal_that_cannot_or_shall_not(runbook: Any, terminal: Terminal, quiet: dict[str, str | None]) -> None:
    process = runbook.start_run("--status", "down", stderr=terminal.follower, environment={**DRAWN, **quiet})
    assert on(terminal, process)["outcome"] == "findings"
    assert "\x1b[J" not in terminal.text()
    assert "[diagnose]" not in terminal.text()
    assert left_on(terminal)[-1] == "  down         fixture/inputs: It is broken"


def test_an_interruption_leaves_the_terminal_clean(
    runbook: Any, terminal: Terminal, tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    process = runbook.start_run("--hang", str(tmp_path / "pid"), stderr=terminal.follower, environment=DRAWN)
    wait_for((tmp_path / "pid").exists)
    wait_for(lambda: "Leave a process that left everything behind (1 s)" in terminal.text())
    process.send_signal(signal.SIGINT)
    assert on(terminal, process)["outcome"] == "unknown"
    assert process.returncode == 130
    lines = left_on(terminal)
    assert lines[-1] == "  unknown      the run was cut off: sigint"
    assert not [line for line in lines if "[diagnose]" in line]


def test_the_elapsed_time_counts_from_the_first_run_of_the_incident(runbook: Any, terminal: Terminal) -> None:
    incident = runbook.run("--status", "down").document["incident"]["id"]
    journal = runbook.home / "incidents" / incident / "journal.jsonl"
    first, *rest = journal.read_text(encoding="utf-8").splitlines()
    earlier = {**json.loads(first), "at": "2020-01-01T00:00:00Z"}
    journal.write_text("\n".join([json.dumps(earlier), *rest, ""]), encoding="utf-8")
    process = runbook.start_run("--incident", incident, stderr=terminal.follower, environment=DRAWN)
    assert on(terminal, process)["sla"]["breached"] is True
    assert ":00 of 1 h, breached" in terminal.text() or "of 1 h, breached\x1b[0m" in terminal.text()


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["run", "fixture", "--help"]])
def test_rich_is_for_terminals_alone(runbook: Any, arguments: list[str]) -> None:
    program = (
        "import sys; from incident_runbooks.cli.main import main; import incident_runbooks.render.progress\n"
        "main(sys.argv[1:]); print('rich' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=runbook.environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "False"


def test_a_piped_run_does_not_import_rich(runbook: Any) -> None:
    program = (
        "import sys; from incident_runbooks.cli.main import main\n"
        "code = main(sys.argv[1:]); print(code, 'rich' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "run", "fixture", "--inventory", str(runbook.inventory)],
        env=runbook.environment,
        cwd=runbook.cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "0 False"
