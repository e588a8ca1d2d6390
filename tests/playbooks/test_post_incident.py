# SPDX-License-Identifier: GPL-3.0-or-later
"""The report with plain ansible-playbook: statements in the journal, files beside it."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from pathlib import Path

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_verify import verify_incident
from incident_runbooks import schemas
from support.journal_bench import ROOT, Bench, act, copy_collection, finding

PLAYBOOK = "brandconnect.incidents.post_incident"
FILES = ("incident.ics", "report.html", "report.json", "report.md")


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = copy_collection(tmp_path_factory.mktemp("collections"))
    root = base / "ansible_collections/brandconnect/incidents"
    (root / "playbooks").mkdir()
    shutil.copy(ROOT / "playbooks/post_incident.yml", root / "playbooks")
    shutil.copytree(ROOT / "roles/common", root / "roles/common")
    return base


@pytest.fixture
def bench(collections: Path, tmp_path: Path) -> Bench:
    return Bench(collections, tmp_path)


@pytest.fixture
def incident(bench: Bench) -> str:
    records = [finding("degraded"), {"type": "follow_up", "data": {"title": "Find the leak"}}]
    ran = bench.run(bench.playbook([{"tasks": [act(result={"records": records})]}]))
    assert ran.rc == 0
    return ran.directory.name


def test_statements_are_recorded_and_the_report_is_written(bench: Bench, incident: str) -> None:
    said = {
        "incident": incident,
        "root_cause": {"__ansible_unsafe": "a {{ 7*7 }} leak"},
        "users_affected": 12,
        "acknowledged_at": "2026-11-24T00:12:00+01:00",
        "lessons": ["Alert earlier"],
        "owners": {"Find the leak": "bob"},
    }
    ran = bench.run(PLAYBOOK, "-e", json.dumps(said), RUNBOOK_OPERATOR="alice")
    assert ran.rc == 0, ran.output
    assert ran.result["run"]["mode"] == "report"
    assert ran.result["outcome"] == "healthy"
    assert {(note["key"], note["value"], note["by"]) for note in ran.result["notes"]} == {
        ("root_cause", "a {{ 7*7 }} leak", "alice"),
        ("impact_users", "12", "alice"),
        ("acknowledged_at", "2026-11-23T23:12:00.000000Z", "alice"),
        ("lesson", "Alert earlier", "alice"),
        ("owner:Find the leak", "bob", "alice"),
    }
    written = {path.name: path for path in ran.directory.iterdir() if path.name in FILES}
    assert sorted(written) == sorted(FILES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in written.values()} == {0o600}
    document = json.loads(written["report.json"].read_text(encoding="utf-8"))
    assert schemas.validate("incident", document) == []
    assert (document["outcome"], document["runs"][-1]["under_way"]) == ("findings", True)
    assert document["root_cause"]["text"] == "a {{ 7*7 }} leak"
    assert document["follow_ups"][0]["owner"] == "bob"
    notices = [record["data"] for record in ran.journal if record["type"] == "notice"]
    (notice,) = [data for data in notices if data["code"] == "report_written"]
    sums = {file["path"]: file["sha256"] for file in notice["files"]}
    assert sums == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in written.items()}
    assert verify_incident(ran.directory)["intact"] is True


def test_a_second_report_is_made_anew(bench: Bench, incident: str) -> None:
    for _ in range(2):
        ran = bench.run(PLAYBOOK, "-e", f"incident={incident}")
        assert ran.rc == 0, ran.output
    assert verify_incident(ran.directory)["intact"] is True
    document = json.loads((ran.directory / "report.json").read_text(encoding="utf-8"))
    assert [run["mode"] for run in document["runs"]] == ["diagnose", "report", "report"]


def test_check_mode_writes_nothing(bench: Bench, incident: str) -> None:
    ran = bench.run(PLAYBOOK, "-e", f"incident={incident}", "--check")
    assert ran.rc == 0, ran.output
    assert not [path for path in ran.directory.iterdir() if path.name in FILES]


def test_a_time_that_is_none_is_said(bench: Bench, incident: str) -> None:
    ran = bench.run(PLAYBOOK, "-e", f"incident={incident}", "-e", "resolved_at=noon")
    assert ran.rc != 0
    assert "'noon' is no RFC 3339 time with a time zone" in ran.output
    assert ran.result["notes"] == []


def test_a_run_that_is_not_recorded_writes_no_report(bench: Bench, incident: str) -> None:
    ran = bench.run(PLAYBOOK, ANSIBLE_CALLBACKS_ENABLED="ansible.builtin.junit", RUNBOOK_INCIDENT=incident)
    assert ran.rc != 0
    assert "this run is not recorded" in ran.output


def test_the_time_of_the_alert_reaches_the_report(bench: Bench) -> None:
    playbook = bench.playbook([{"tasks": [act(result={"record": finding("degraded")})]}])
    ran = bench.run(playbook, "-e", "runbook_detected_at=2026-11-23T23:13:00Z")
    assert bench.run(PLAYBOOK, "-e", f"incident={ran.directory.name}").rc == 0
    document = json.loads((ran.directory / "report.json").read_text(encoding="utf-8"))
    assert document["detected_at"] == {
        "at": "2026-11-23T23:13:00.000000Z",
        "source": "stated",
        "basis": "the alert's time, given to the run",
    }
