# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run records of its steps, when it is on the disk, and what a result may hand over."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible import context

from ansible_collections.brandconnect.incidents.plugins.plugin_utils import journal as journal_module
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import (
    read_journal,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_beginning import hosts_hint
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_recorder import Recorder, Step, StepEnd
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_steps import can_change, may_record
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import Redactor

RUN = "run-20261123T231455Z-0001"


@pytest.mark.parametrize(("subset", "also"), [(None, "check the inventory"), ("x", "check --limit, and the inventory")])
def test_no_hosts_says_how_to_see_them(subset: str | None, also: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "CLIARGS", {"inventory": ["/a b.yml"], "subset": subset})
    assert hosts_hint() == f"{also}: ansible-inventory -i '/a b.yml' --graph shows its hosts"


class Disk:
    """What os.fsync was called on, and what the file held at that moment."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.types: list[str] = []
        real = os.fsync

        def fsync(fd: int) -> None:
            real(fd)
            if path.exists() and os.path.samestat(os.fstat(fd), path.stat()):
                self.types.append(json.loads(path.read_bytes().splitlines()[-1])["type"])

        monkeypatch.setattr(journal_module.os, "fsync", fsync)


def test_what_can_change_something_is_on_the_disk_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, run_id=RUN, operator="tester", redactor=Redactor())
    disk = Disk(tmp_path / "journal.jsonl", monkeypatch)
    look = Step("1/alpha", "alpha", "brandconnect.incidents.pg_activity", "Look")
    act = Step("2/alpha", "alpha", "brandconnect.incidents.pg_terminate_idle", "Act")
    recorder.start({"run": {"mode": "remediate"}})
    assert disk.types == ["run_started"]
    recorder.step_started(look, mutates=False)
    recorder.step_ended(look, StepEnd("ok"))
    assert disk.types == ["run_started"], "looking costs no wait for the disk"
    recorder.step_started(act, mutates=True)
    assert disk.types == ["run_started", "step_started"]
    recorder.accept({"record": {"type": "action", "data": {"id": "a", "status": "done"}}})
    recorder.step_ended(act, StepEnd("ok", changed=True))
    assert disk.types == ["run_started", "step_started", "action", "step_ended"]
    recorder.finish({"alpha": {"ok": 2}})
    assert disk.types[-1] == "run_ended"
    recorder.close()


def test_only_what_nobody_rescued_is_an_error(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, run_id=RUN, operator="tester", redactor=Redactor())
    steps = [Step(f"{number}/alpha", "alpha", "a.b.c", f"Step {number}") for number in range(4)]
    for step in steps:
        recorder.step_started(step, mutates=True)
        recorder.step_ended(step, StepEnd("failed", message=f"{step.name} broke", ignored=step is steps[1]))
    other = Step("9/beta", "beta", "a.b.c", "Reach beta")
    recorder.step_ended(other, StepEnd("unreachable", message="no route"))
    result = recorder.finish({"alpha": {"failures": 1, "rescued": 2}, "beta": {"unreachable": 1}})
    recorder.close()
    assert [(error["code"], error["message"], error["component"]) for error in result["errors"]] == [
        ("step_failed", "Running the step 'Step 3' on alpha: Step 3 broke", "alpha"),
        ("unreachable", "Running the step 'Reach beta' on beta: no route", "beta"),
    ]
    assert result["outcome"] == "incomplete"


def test_a_result_may_hand_over_records_but_not_forge_the_writers_own(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, run_id=RUN, operator="tester", redactor=Redactor())
    recorder.accept(
        {
            "record": {"type": "finding", "data": {"check": "a"}},
            "records": [
                {"type": "evidence", "data": {"path": "b"}},
                {"type": "run_ended", "data": {}},
                {"type": "run_started", "data": {}},
                {"type": "finding", "data": "no object"},
                "nonsense",
                {"type": ["finding"], "data": {}},
                None,
            ],
        }
    )
    recorder.accept({"record": 5, "records": "text"})
    recorder.close()
    records = read_journal(tmp_path / "journal.jsonl").records
    assert [record["type"] for record in records] == ["finding", "evidence", "error", "error"]
    assert [record["data"]["code"] for record in records[2:]] == ["internal", "internal"]


@pytest.mark.parametrize(
    ("action", "check_mode", "changes"),
    [
        ("brandconnect.incidents.pg_terminate_idle", False, True),
        ("brandconnect.incidents.pg_terminate_idle", True, False),
        ("brandconnect.incidents.pg_terminate_idle", "{{ maybe }}", True),
        ("brandconnect.incidents.pg_activity", False, False),
        ("brandconnect.incidents.finding", False, False),
        ("ansible.builtin.set_fact", False, False),
        ("ansible.builtin.include_role", False, False),
        ("ansible.builtin.command", False, True),
        ("kubernetes.core.k8s_info", False, False),
        ("kubernetes.core.k8s", False, True),
        ("another.collection.finding", False, True),
        (None, False, True),
    ],
)
def test_what_is_not_known_to_look_only_can_change_something(action: str, check_mode: Any, changes: bool) -> None:
    assert can_change(action, check_mode) is changes


@pytest.mark.parametrize(
    ("arguments", "check_mode", "changes"),
    [
        ({"reads": [{"as": "a", "module": "sql_query"}, {"as": "b", "module": "k8s_logs"}]}, False, False),
        ({"reads": [{"as": "a", "module": "sql_query"}, {"as": "b", "module": "webhook_probe"}]}, False, True),
        ({"reads": [{"as": "a", "module": "webhook_probe"}]}, True, False),
        ({"reads": [{"as": "a", "module": "{{ which }}"}]}, False, True),
        ({"reads": ["sql_query"]}, False, True),
        ({"reads": "{{ all }}"}, False, True),
        ({}, False, True),
        (None, False, True),
    ],
    ids=["looks", "probes", "check-mode", "template", "malformed", "template-list", "none", "unknown"],
)
def test_what_several_modules_do_is_what_each_of_them_does(arguments: Any, check_mode: Any, changes: bool) -> None:
    assert can_change("brandconnect.incidents.examine", check_mode, arguments) is changes


def test_only_this_collection_may_record() -> None:
    assert may_record("brandconnect.incidents.finding")
    assert not may_record("brandconnect.incidents_evil.finding")
    assert not may_record("ansible.builtin.debug")
    assert not may_record(None)
