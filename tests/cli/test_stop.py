# SPDX-License-Identifier: GPL-3.0-or-later
"""A time-out or a signal ends the whole tree of processes, and the document still comes."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from incident_runbooks import schemas

Check = Callable[[int, Path], None]


@pytest.fixture
def escaped(tmp_path: Path, wait_for: Callable[..., Any]) -> Callable[[], int]:
    """Wait until the run has left a process that left its session, parent and environment; return its pid."""
    return lambda: int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))


def interrupted(document: dict[str, Any], reason: str) -> dict[str, Any]:
    assert schemas.validate("result", document) == []
    assert document["outcome"] == "unknown"
    error: dict[str, Any] = document["errors"][0]
    assert error["reason"] == reason
    assert "Leave a process" in error["message"], "the step that was under way is named"
    return error


def test_a_time_out_stops_everything(runbook: Any, tmp_path: Path, nothing_lives: Check) -> None:
    pid = tmp_path / "pid"
    for seconds in (3, 10, 30):  # a busy machine may not have come to the step when the time is over
        started = time.monotonic()
        said = runbook.run("--hang", str(pid), "--timeout", str(seconds))
        assert time.monotonic() - started < seconds + 15
        assert said.code == 9, said.stderr
        if pid.exists():
            break
    assert interrupted(said.document, "timeout")["code"] == "timeout"
    nothing_lives(int(pid.read_text()), tmp_path)
    assert runbook.left_behind() == []


@pytest.mark.parametrize(
    ("number", "reason", "code"), [(signal.SIGINT, "sigint", 130), (signal.SIGTERM, "sigterm", 143)]
)
def test_a_signal_stops_everything(
    runbook: Any,
    tmp_path: Path,
    nothing_lives: Check,
    escaped: Callable[[], int],
    number: signal.Signals,
    reason: str,
    code: int,
) -> None:
    process = runbook.start_run("--hang", str(tmp_path / "pid"))
    pid = escaped()
    process.send_signal(number)
    time.sleep(0.1)
    process.send_signal(number)  # an impatient second one changes nothing
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    interrupted(json.loads(stdout), reason)
    nothing_lives(pid, tmp_path)
    assert runbook.left_behind() == []


def test_after_sigkill_the_next_start_cleans_up(
    runbook: Any, tmp_path: Path, nothing_lives: Check, escaped: Callable[[], int], wait_for: Callable[..., Any]
) -> None:
    canary = {"PGPASSWORD": "canary-4711"}
    process = runbook.start_run("--hang", str(tmp_path / "pid"), environment=canary)
    pid = escaped()
    tree = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    assert runbook.left_behind() != []
    files = [path for place in runbook.left_behind() for path in place.rglob("*") if path.is_file()]
    assert [path for path in files if b"canary-4711" in path.read_bytes()] == []
    said = runbook.run()
    assert said.code == 0
    assert runbook.left_behind() == []
    psutil.Process(pid).kill()  # without its parent, session and environment nobody can tell whose it was
    wait_for(lambda: not any(process.is_running() for process in tree if process.pid != pid))
    shown = runbook("show", min(path.name for path in (runbook.home / "incidents").iterdir()))
    assert shown.document["outcome"] == "unknown"


def test_what_a_finished_run_leaves_running_is_ended(
    runbook: Any, tmp_path: Path, nothing_lives: Check, escaped: Callable[[], int]
) -> None:
    said = runbook.run("--leave", str(tmp_path / "pid"))
    assert (said.code, said.document["outcome"]) == (0, "healthy")
    nothing_lives(escaped(), tmp_path)


def test_a_start_that_hangs_is_in_the_time_out(runbook: Any, tmp_path: Path) -> None:
    runbook.inventory = runbook.cwd / "hang.sh"
    runbook.inventory.write_text("#!/bin/sh\nsleep 600\n")
    runbook.inventory.chmod(0o755)
    said = runbook.run("--timeout", "2")
    document = said.document
    assert (said.code, document["outcome"], document["errors"][0]["code"]) == (9, "unknown", "timeout")
    assert schemas.validate("result", document) == []
    assert document["incident"]["type"] == "fixture"
    assert runbook.left_behind() == []
