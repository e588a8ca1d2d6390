# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook demo``: the whole way, and nothing of its lab left behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from incident_runbooks import catalogue, execution
from incident_runbooks.cli.demo import REHEARSALS, _rehearse, demo
from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.lab.lab import Lab

COMMAND = [sys.executable, "-m", "incident_runbooks", "demo", "pool-exhaustion", "--output", "json"]


@pytest.fixture
def temporary(
    tmp_path: Path, processes_of: Callable[[Path], list[psutil.Process]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Where the demo puts its lab; afterwards it must be empty, and nobody may work there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []
    assert [
        process for process in psutil.process_iter() if str(folder) in str(environ_of(process).get("RUNBOOK_LAB", ""))
    ] == []


def environ_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ() if process.pid != os.getpid() else {}
    except psutil.Error:
        return {}


def test_from_fault_to_report(temporary: Path, runbook_home: Path, tmp_path: Path) -> None:
    done = subprocess.run(COMMAND, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
    result = json.loads(done.stdout)
    assert (done.returncode, result["outcome"]) == (0, "resolved"), done.stderr
    journal = runbook_home / "incidents" / result["incident"]["id"] / "journal.jsonl"
    records = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    attempts = [
        attempt["sqlstate"]
        for record in records
        if record["type"] == "finding"
        for attempt in record["data"]["data"].get("attempts", [])
    ]
    assert "53300" in attempts
    assert [record["data"]["run"]["mode"] for record in records if record["type"] == "run_started"] == [
        "diagnose",
        "remediate",
    ]
    assert "lab: injecting backend-leak" in done.stderr


def test_interrupted_it_removes_its_lab(temporary: Path, runbook_home: Path, tmp_path: Path) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as running:
        assert running.stderr is not None
        while "lab: injecting" not in running.stderr.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=30)
    assert running.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert json.loads(stdout)["errors"][0]["code"] == "interrupted"


def test_an_error_removes_its_lab(temporary: Path, runbook_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_LAB", "/the/operators/own")
    ended = CliRunner().invoke(demo, ["--postgres", "9"], standalone_mode=False)
    assert isinstance(ended.exception, UsageError)
    assert os.environ["RUNBOOK_LAB"] == "/the/operators/own"


def test_a_diagnosis_that_misses_the_fault_is_a_failure(cluster_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    blind = {"outcome": "healthy", "findings": [{"cause": None}], "incident": {"id": "pool-exhaustion-x"}, "errors": []}
    monkeypatch.setattr(execution, "execute", lambda _: blind)
    with pytest.raises(RunbookError, match="does not name connection_leak"):
        _rehearse(cluster_lab, catalogue.get("pool-exhaustion"), REHEARSALS["pool-exhaustion"], 0)
