# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook lab`` as an operator uses it: one document on stdout, progress on stderr, exit codes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from incident_runbooks.lab import processes
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.lab import Lab

Run = Callable[..., subprocess.CompletedProcess[str]]


def document(done: subprocess.CompletedProcess[str], exit_code: int = 0) -> dict[str, Any]:
    assert done.returncode == exit_code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_from_up_to_down(
    runbook: Run, tmp_path: Path, processes_of: Callable[[Path], list[psutil.Process]], secrets_of: Any
) -> None:
    directory = tmp_path / "lab"
    here = ("--dir", str(directory))
    said = [runbook("lab", "up", *here)]
    try:
        found = document(said[0])
        assert (found["changed"], found["state"], found["postgres"]["ops_login"]) == (True, "up", "ok")
        secrets = secrets_of(Lab(directory))
        assert (found["payments"]["state"], found["data"]["state"]) == ("running", "running")
        said.append(runbook("lab", "break", "pool-exhaustion", *here))
        found = document(said[-1])
        assert found["postgres"]["ops_login"] == "server_slots_exhausted"
        tree = [psutil.Process(process["pid"]) for process in found["processes"]]
        tree += [child for process in tree for child in process.children(recursive=True)]
        assert {process.pid for process in tree} == {process.pid for process in processes_of(directory)}
        assert len(tree) > 17
        said.append(runbook("lab", "status", RUNBOOK_LAB=str(directory)))
        assert document(said[-1])["faults"][0]["expected_cause"] == "server_slots_exhausted"
        said.append(runbook("lab", "heal", *here, "--output", "text"))
        assert "healed: pool-exhaustion" in said[-1].stdout
    finally:
        said.append(runbook("lab", "down", *here))
    assert (document(said[-1])["changed"], document(said[-1])["state"]) == (True, "down")
    assert processes_of(directory) == []
    assert processes.wait_until_gone(tree, 0) == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", found["postgres"]["port"]), timeout=2)
    everything = "".join(done.stdout + done.stderr for done in said)
    assert [secret for secret in secrets if secret in everything] == []


def test_what_there_is_no_lab_for(runbook: Run, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "lab")
    found = document(runbook("lab", "status", RUNBOOK_LAB=nowhere), exit_code=3)
    assert found["state"] == "down"
    assert found["postgres"]["available"]
    assert document(runbook("lab", "down", RUNBOOK_LAB=nowhere))["message"] == "there is no lab"
    for command in (["heal"], ["break", "pool-exhaustion"]):
        done = runbook("lab", *command, RUNBOOK_LAB=nowhere)
        assert document(done, exit_code=2)["outcome"] == "failed"
        assert done.stderr == f"runbook: Looking for a lab in {nowhere}: there is none; start one: runbook lab up\n"
    assert not Path(nowhere).exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["break", "flood"], "unknown fault 'flood'"),
        (["up", "--postgres", "9"], "Looking for PostgreSQL 9: this machine has"),
        (["up", "--payments", "--no-cluster"], "it is the cluster's pods that take payments"),
        (["up", "--data", "--no-payments"], "it needs their public address and Prometheus"),
        (["up", "--dir", "."], "it holds other files and is not a lab's directory"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(runbook: Run, tmp_path: Path, arguments: list[str], expected: str) -> None:
    (tmp_path / "mine").touch()
    done = runbook("lab", *arguments, RUNBOOK_LAB=str(tmp_path / "lab"))
    assert document(done, exit_code=2)["outcome"] == "failed"
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_help_names_every_fault_and_needs_no_database_driver(runbook: Run) -> None:
    said = " ".join(runbook("lab", "break", "--help").stdout.split())
    for fault in FAULTS.values():
        assert f"{fault.name}: {fault.what}" in said
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, incident_runbooks.cli.lab; print(sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "'psycopg'" not in loaded
    assert "'ansible'" not in loaded
