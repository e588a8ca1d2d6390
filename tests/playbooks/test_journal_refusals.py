# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be recorded is not done: the run ends with one line before the next step begins."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import open_incident
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import IncidentLock
from support.journal_bench import INCIDENT, Bench, act, copy_collection, finding


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_collection(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def bench(collections: Path, tmp_path: Path) -> Bench:
    return Bench(collections, tmp_path)


def test_a_journal_that_cannot_be_opened_ends_the_run_before_anything_acts(bench: Bench) -> None:
    (open_incident(INCIDENT, bench.home) / "journal.jsonl").mkdir()
    ran = bench.run(bench.playbook([{"tasks": [act(trace=str(bench.trace))]}]), RUNBOOK_INCIDENT=INCIDENT)
    assert ran.rc == 1
    assert bench.traces() == []
    (line,) = [line for line in ran.output.splitlines() if line.startswith("[ERROR]")]
    assert "Opening the journal" in line
    assert "Is a directory; nothing more is done unrecorded" in line
    assert "Traceback" not in ran.output


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_a_journal_that_fails_on_the_way_ends_the_run_before_the_next_step(bench: Bench, strategy: str) -> None:
    """Something else writes into the journal: the next step does not begin."""
    journal = f"{bench.home}/incidents/*/journal.jsonl"
    tasks = [
        act("First", trace=str(bench.trace)),
        {
            "name": "Disturb",
            "ansible.builtin.shell": f"echo disturbed >> {journal}",
            "args": {"executable": "/bin/bash"},
        },
        act("Second", trace=str(bench.trace)),
    ]
    ran = bench.run(bench.playbook([{"tasks": tasks, "strategy": strategy}]))
    assert ran.rc == 1
    assert bench.traces() == ["alpha"], "only the step before"
    assert "another process has written to it; nothing more is done unrecorded" in ran.output
    assert "Traceback" not in ran.output
    assert fold((ran.directory / "journal.jsonl").read_bytes())["outcome"] == "unknown"


def test_a_record_of_a_loop_that_cannot_be_written_ends_the_run(bench: Bench) -> None:
    """Items are announced by another thread; its failure must neither be lost nor hang the run."""
    loop = act("Loop", trace=str(bench.trace), result={"record": finding()}, seconds=0.5)
    disturb = f"(sleep 0.7; echo disturbed >> {bench.home}/incidents/*/journal.jsonl) >/dev/null 2>&1 &"
    tasks = [
        {"name": "Disturb soon", "ansible.builtin.shell": disturb, "args": {"executable": "/bin/bash"}},
        {**loop, "loop": [1, 2, 3]},
        act("After", trace=str(bench.trace)),
    ]
    ran = bench.run(bench.playbook([{"tasks": tasks}]))
    assert ran.rc == 1
    assert len(bench.traces()) <= 3
    assert "another process has written to it" in ran.output


def test_a_mistake_in_the_recorder_ends_the_run_too(bench: Bench) -> None:
    """Ansible would make a warning of it and go on; a header that cannot be read is such a case."""
    header = bench.directory / "collections"
    shutil.copytree(bench.collections, header)
    (header / "ansible_collections/brandconnect/incidents/roles/rehearsal/meta/runbook.yml").write_text("title: x\n")
    ran = Bench(header, bench.directory).run(bench.playbook([{"tasks": [act(trace=str(bench.trace))]}]))
    assert ran.rc == 1
    assert bench.traces() == []
    assert "Reading the runbook header" in ran.output


def test_an_incident_that_another_run_holds(bench: Bench) -> None:
    directory = open_incident(INCIDENT, bench.home)
    with IncidentLock(directory, run_id="run-20261123T231455Z-0001", operator="bob"):
        ran = bench.run(bench.playbook([{"tasks": [act(trace=str(bench.trace))]}]), RUNBOOK_INCIDENT=INCIDENT)
    assert ran.rc == 7
    assert bench.traces() == []
    assert f"another run holds it (pid {os.getpid()}, operator bob, since 2" in ran.output
    assert not (directory / "journal.jsonl").exists()


def test_an_incident_id_that_is_none(bench: Bench) -> None:
    ran = bench.run(bench.playbook([{"tasks": [act(trace=str(bench.trace))]}]), RUNBOOK_INCIDENT="../../escape")
    assert ran.rc == 1
    assert bench.traces() == []
    assert "Reading the incident id '../../escape': it is none" in ran.output
    assert not bench.home.exists()
