# SPDX-License-Identifier: GPL-3.0-or-later
"""One acting run: of two that are started at once on one machine exactly one acts, and the other says who does."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import open_incident
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import IncidentLock
from incident_runbooks import schemas
from incident_runbooks.lab.lab import Lab
from support.journal_bench import Bench, act, copy_collection, finding, wait_for
from support.runbook import ROOT, is_alive

PAIRS = 20  # about 6 s each
SESSIONS = 4
# three idle sessions are an exhausted pool, one of them may be ended, and nothing is waited for
CHEAP = (
    *("--warn-ratio", "0.1", "--target-ratio", "0.01", "--min-idle-s", "1", "--keep-min-per-application", "0"),
    *("--max-terminate", "1", "--verify-after-s", "0", "--verify-refill-after-s", "1"),
)
LOCKED = "Acting on rehearsal in production: another run acts (pid "


@dataclass(frozen=True)
class Said:
    """What one wrapper said."""

    code: int
    document: dict[str, Any]
    stderr: str

    @property
    def acted(self) -> bool:
        return any(action["status"] == "done" for action in self.document["actions"])

    def times(self) -> tuple[str, str]:
        run = self.document["run"]
        return run["started_at"], run["ended_at"]


@pytest.fixture
def idle(lab: Lab) -> Iterator[list[psycopg.Connection[Any]]]:
    """Sessions of an application that does nothing; they are the second channel: each knows whether it was ended."""
    held: list[psycopg.Connection[Any]] = []
    yield held
    for session in held:
        session.close()


def fill(lab: Lab, held: list[psycopg.Connection[Any]]) -> None:
    while len(held) < SESSIONS:
        held.append(lab.server.connect(lab.server.app))
    for session in held:
        session.execute("SELECT 1")


def start(home: Path) -> subprocess.Popen[str]:
    command = ["run", "pool-exhaustion", "--inventory", "inventory/lab", "--output", "json", *CHEAP]
    return subprocess.Popen(
        [sys.executable, "-m", "incident_runbooks", *command, "--remediate", "--approve", "kill-idle-connections"],
        cwd=ROOT,
        env={**os.environ, "RUNBOOK_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Said:
    stdout, stderr = process.communicate(timeout=300)
    document = json.loads(stdout)
    assert schemas.validate("result", document) == []
    return Said(process.returncode, document, stderr)


def test_of_two_wrappers_that_start_at_once_exactly_one_acts(
    lab: Lab, idle: list[psycopg.Connection[Any]], tmp_path: Path
) -> None:
    raced = 0
    for number in range(2 * PAIRS):
        if raced == PAIRS:
            break
        fill(lab, idle)
        both = [start(tmp_path / "home") for _ in range(2)]
        first, second = sorted(map(ended, both), key=lambda said: said.times())
        lost = [session for session in idle if not is_alive(session)]
        idle[:] = [session for session in idle if session not in lost]
        if second.times()[0] > first.times()[1]:  # a busy machine ran them one after the other: no race
            continue
        raced += 1
        (winner,) = [said for said in (first, second) if said.acted]
        (loser,) = [said for said in (first, second) if not said.acted]
        assert len(lost) == 1, f"pair {number}: {len(lost)} sessions were ended"
        error = loser.document["errors"][0]
        assert (loser.code, loser.document["outcome"], error["code"]) == (7, "failed", "locked"), loser.document
        assert loser.document["findings"] == loser.document["actions"] == []
        run, incident = winner.document["run"], winner.document["incident"]["id"]
        for part in (f"operator {run['operator']}", f"run {run['id']}", f"incident {incident}"):
            assert part in error["message"]
        assert winner.code != 7
    assert raced == PAIRS


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_collection(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def bench(collections: Path, tmp_path: Path) -> Bench:
    return Bench(collections, tmp_path)


def waiting(bench: Bench, seconds: float = 90) -> Path:
    """A playbook that acts, and takes its time."""
    tasks = [act("Act", trace=str(bench.trace), seconds=seconds, result={"record": finding("degraded")})]
    return bench.playbook([{"tasks": tasks}])


def remediate(environment: str = "production") -> tuple[str, ...]:
    return ("-e", json.dumps({"runbook_mode": "remediate", "runbook_environment": environment}))


@pytest.fixture
def acting(bench: Bench) -> Iterator[subprocess.Popen[str]]:
    """A run that acts on production at this moment."""
    process = bench.start(waiting(bench), *remediate(), RUNBOOK_OPERATOR="bob")
    wait_for(bench.traces, "acting")
    workers = psutil.Process(process.pid).children(recursive=True)
    yield process
    kill(process, workers)
    process.communicate(timeout=30)


def kill(process: subprocess.Popen[str], workers: list[psutil.Process]) -> None:
    """End a controller and its workers, which have left its process group."""
    if process.poll() is None:
        process.kill()
    for worker in workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
    psutil.wait_procs(workers, timeout=20)


def result(directory: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    assert schemas.validate("result", document) == []
    return document


def test_a_plain_run_that_may_act_ends_before_anything_while_another_acts(
    bench: Bench, acting: subprocess.Popen[str]
) -> None:
    (holder,) = bench.directories()
    ran = bench.run(waiting(bench), *remediate(), RUNBOOK_OPERATOR="alice")
    assert ran.rc == 7
    assert bench.traces() == ["alpha"], "only the run that holds it"
    (own,) = set(ran.directories) - {holder}
    document = result(own)
    assert document["outcome"] == "failed"
    (error,) = document["errors"]
    assert error["code"] == "locked"
    assert error["message"].startswith(f"{LOCKED}{acting.pid}, operator bob, since 2")
    assert f"incident {holder.name}); wait for it, or stop it" in error["message"]
    (line,) = [line for line in ran.output.splitlines() if line.startswith("[ERROR]")]
    assert LOCKED in line
    assert "Traceback" not in ran.output


def test_who_only_looks_or_acts_elsewhere_is_not_kept_off(bench: Bench, acting: subprocess.Popen[str]) -> None:
    del acting
    quick = bench.playbook([{"tasks": [act(result={"record": finding()})]}])
    assert bench.run(quick).rc == 0, "a diagnosis"
    assert bench.run(quick, *remediate(), "--check").rc == 0, "a preview"
    assert bench.run(quick, *remediate("staging")).rc == 0, "another environment"
    other = bench.playbook([{"tasks": [act(result={"record": finding()})]}], name="other_rehearsal")
    assert bench.run(other, *remediate()).rc == 0, "another incident type"
    assert bench.run(quick, *remediate(" Production ")).rc == 7, "the same, written otherwise"


def test_the_environment_is_read_from_the_inventory_and_else_the_inventory_counts(bench: Bench) -> None:
    quick = bench.playbook([{"tasks": [act(result={"record": finding()})]}])
    mode = ("-e", "runbook_mode=remediate")
    assert bench.run(quick, *mode).rc == 0
    (bench.directory / "group_vars").mkdir()
    (bench.directory / "group_vars" / "all.yml").write_text("runbook_environment: \"{{ 'sta' ~ 'ging' }}\"\n")
    assert bench.run(quick, *mode).rc == 0
    names = {path.name for path in (bench.home / "locks").iterdir()}
    assert "rehearsal@staging.lock" in names
    assert len(names) == 2
    assert {path.stat().st_mode & 0o777 for path in (bench.home / "locks").iterdir()} == {0o600}
    assert (bench.home / "locks").stat().st_mode & 0o777 == 0o700


def test_after_a_kill_9_the_next_run_acts_and_says_whom_it_follows(bench: Bench, acting: subprocess.Popen[str]) -> None:
    (killed,) = bench.directories()
    workers = psutil.Process(acting.pid).children(recursive=True)
    acting.kill()
    acting.wait()
    quick = bench.playbook([{"tasks": [act(result={"record": finding()})]}])
    assert bench.run(quick, *remediate()).rc == 7, "its worker may still act"
    kill(acting, workers)
    assert bench.run(quick, *remediate()).rc == 0
    (first, *_) = [
        notice for directory in bench.directories() if directory != killed for notice in result(directory)["notices"]
    ]
    assert first["code"] == "lock_taken_over"
    assert f"ended without letting go of it (pid {acting.pid}, operator bob, since 2" in first["message"]
    assert killed.name in first["message"]
    last = bench.run(quick, *remediate())
    assert result(last.directories[-1])["notices"] == [], "the run before let go"


def test_a_killed_run_of_the_same_incident_is_told_too(bench: Bench) -> None:
    """The lock of the incident itself, which every run takes, diagnoses too."""
    incident = "rehearsal-20261123T231455Z-3fa1"
    directory = open_incident(incident, bench.home)
    lock = IncidentLock(directory, run_id="run-20261123T231455Z-0001", operator="bob")
    left = lock.path.read_text(encoding="utf-8")
    lock.release()
    lock.path.write_text(left, encoding="utf-8")
    ran = bench.run(bench.playbook([{"tasks": [act(result={"record": finding()})]}]), RUNBOOK_INCIDENT=incident)
    assert ran.rc == 0
    (notice,) = ran.result["notices"]
    assert notice["code"] == "lock_taken_over"
    assert f"Locking the incident {incident}: the run before ended without letting go" in notice["message"]
    assert f"pid {os.getpid()}, operator bob, since 2" in notice["message"]
