# SPDX-License-Identifier: GPL-3.0-or-later
"""Four eyes across two laptops: one diagnoses, the other approves the result, the first one acts on the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import digest
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import JournalWriter
from incident_runbooks import schemas

ADA, GRACE = {"RUNBOOK_OPERATOR": "ada"}, {"RUNBOOK_OPERATOR": "grace"}


@pytest.fixture(scope="module")
def diagnosed(shared_runbook: Any) -> str:
    """The result of ada's diagnosis, the same for every test."""
    said = shared_runbook.run("--status", "ruined", "--file", "mark", environment=ADA)
    assert said.code == 3, said.stderr
    return str(said.stdout)


@pytest.fixture
def sent(runbook: Any, shared_runbook: Any, diagnosed: str) -> Path:
    """It as grace received it; ada's home knows the incident, and grace's knows none."""
    shutil.copytree(shared_runbook.home, runbook.home)
    path: Path = runbook.cwd / "received.json"
    path.write_text(diagnosed)
    return path


def approve(runbook: Any, source: str, *arguments: str, name: str = "approval.json") -> Any:
    elsewhere = {**GRACE, "RUNBOOK_HOME": str(runbook.cwd / "laptop-of-grace")}
    return runbook("approve", source, "-o", name, *arguments, environment=elsewhere)


def test_from_one_laptop_to_the_other_and_back(runbook: Any, sent: Path) -> None:
    said = approve(runbook, sent.name, "--only", "tell-all", "--message", "Legal agrees", "--expires-in", "30m")
    assert said.code == 0, said.stderr
    written = runbook.cwd / "approval.json"
    document = json.loads(written.read_text())
    assert said.document == document
    assert schemas.validate("approval", document) == []
    incident = json.loads(sent.read_text())["incident"]["id"]
    assert (document["decided_by"], document["remediations"], document["incident"]) == ("grace", ["tell-all"], incident)
    assert written.stat().st_mode & 0o777 == 0o600
    assert "tell-all (irreversible): Tell everybody" in said.stderr
    assert "erase-it" not in said.stderr, "only what is decided on is shown"
    assert "name=a, label=a" in said.stderr
    assert "\x1b" not in said.stderr
    assert "\u202e" not in said.stderr
    done = runbook.run(
        *("--status", "ruined", "--file", "mark", "--incident", incident, "--remediate", "--approval", "approval.json"),
        environment=ADA,
    )
    assert (done.code, [action["id"] for action in done.document["actions"]]) == (0, ["tell-all"])
    assert (runbook.cwd / "mark.tell-all").exists()
    assert done.document["plan"]["approval"]["reason"] == "Legal agrees"


def test_a_rejection(runbook: Any, sent: Path) -> None:
    said = approve(runbook, sent.name, "--reject", "--message", "Not during the sale")
    assert (said.code, said.document["decision"]) == (0, "rejected")
    refused = runbook.run(
        "--status", "ruined", "--file", "mark", "--remediate", "--approval", "approval.json", environment=ADA
    )
    assert refused.code == 6
    assert "grace rejected the plan" in refused.stderr


def test_by_the_id_of_an_incident_and_a_warning_for_ones_own_plan(runbook: Any, sent: Path) -> None:
    incident = json.loads(sent.read_text())["incident"]["id"]
    said = runbook("approve", incident, "-o", "x.json", "--only", "fix-it", environment=ADA)
    assert said.code == 0, said.stderr
    assert "ada made this plan as well; the approval is refused where ada is the operator" in said.stderr
    refused = runbook.run("--status", "ruined", "--remediate", "--approval", "x.json", environment=ADA)
    assert refused.code == 6


def test_a_result_that_shows_other_targets_than_its_digest_stands_for(runbook: Any, sent: Path) -> None:
    result = json.loads(sent.read_text())
    for entry in result["plan"]["remediations"]:
        entry["targets"] = entry["targets"][:1]
    sent.write_text(json.dumps(result))
    said = approve(runbook, sent.name, "--message", "m")
    assert said.code == 6
    assert "what it shows is not what this digest stands for" in said.stderr
    assert not (runbook.cwd / "approval.json").exists()


def test_a_journal_that_was_changed_is_not_approved(runbook: Any, sent: Path) -> None:
    incident = json.loads(sent.read_text())["incident"]["id"]
    journal = runbook.home / "incidents" / incident / "journal.jsonl"
    journal.write_text(journal.read_text().replace("Tell everybody", "Tell nobody"))
    said = runbook("approve", incident, "-o", "x.json", "--message", "m", environment=GRACE)
    assert said.code == 6
    assert "its journal cannot be trusted" in said.stderr
    assert f"runbook verify {incident}" in said.stderr


def test_a_line_that_a_crash_tore_does_not_stand_in_the_way(runbook: Any, sent: Path) -> None:
    incident = json.loads(sent.read_text())["incident"]["id"]
    with (runbook.home / "incidents" / incident / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"at":"2026')
    told = runbook.run("--status", "ruined", "--incident", incident, environment=ADA)
    assert told.document["plan"]["digest"] is not None
    assert "recovered by the writer after it" in runbook("verify", incident).stdout
    said = runbook("approve", incident, "-o", "x.json", "--message", "m", environment=GRACE)
    assert said.code == 0, said.stderr
    assert said.document["plan_digest"] == told.document["plan"]["digest"]


@pytest.mark.parametrize("of", ["incident", "file"])
def test_the_plan_of_a_rollback_is_not_approved(runbook: Any, sent: Path, of: str) -> None:
    diagnosis = json.loads(sent.read_text())
    incident = diagnosis["incident"]["id"]
    back = "run-20990101T000000Z-0002"
    journal = runbook.home / "incidents" / incident / "journal.jsonl"
    with JournalWriter(journal, back) as writer:
        run = {**diagnosis["run"], "id": back, "mode": "rollback"}
        writer.append("run_started", {"incident": diagnosis["incident"], "run": run})
        entries = diagnosis["plan"]["remediations"][:1]
        writer.append("plan", {"digest": digest(entries), "approval": None, "remediations": entries})
        writer.append("run_ended", {"hosts": {}})
    if of == "incident":
        said = runbook("approve", incident, "-o", "x.json", "--message", "m", environment=GRACE)
        assert said.code == 0, said.stderr
        assert said.document["plan_digest"] == diagnosis["plan"]["digest"]
        return
    (runbook.cwd / "back.json").write_text(json.dumps(fold(journal.read_bytes(), back)))
    said = approve(runbook, "back.json", "--message", "m")
    assert (said.code, said.document["outcome"]) == (2, "failed")
    assert "the plan of a rollback is not approved" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "Approving tell-all: it is irreversible and needs a reason; add --message"),
        (("--only", "nonsense"), "Approving 'nonsense': the plan does not recommend it; known: fix-it"),
        (("--message", "m", "--expires-in", "8d"), "Reading --expires-in '8d'"),
        (("--message", "m", "--expires-in", "soon"), "Reading --expires-in 'soon'"),
        (("--message", "x" * 2001), "Reading --message: it has 2001 characters"),
        (("--message", "m", "--by", " "), "Reading --by: a name is needed"),
    ],
)
def test_usage(runbook: Any, sent: Path, arguments: tuple[str, ...], line: str) -> None:
    said = approve(runbook, sent.name, *arguments)
    assert (said.code, said.document["outcome"]) == (2, "failed")
    assert line in said.stderr
    assert not (runbook.cwd / "approval.json").exists()


def test_what_is_no_plan(runbook: Any, sent: Path) -> None:
    healthy = runbook.run()
    (runbook.cwd / "healthy.json").write_text(healthy.stdout)
    (runbook.cwd / "garbage.json").write_text('{"a": NaN}')
    (runbook.cwd / "other.json").write_text('{"a": 1}')
    (runbook.cwd / "taken.json").write_text("mine")
    for source, name, line in (
        ("healthy.json", "x.json", "it recommends nothing"),
        ("garbage.json", "x.json", "it is no JSON"),
        ("other.json", "x.json", "give a result.json of a run"),
        ("nowhere.json", "x.json", "No such file or directory"),
        ("nonsense", "x.json", "Reading the incident id 'nonsense'"),
        (sent.name, "nowhere/x.json", "No such file or directory"),
        (sent.name, "taken.json", "it is there already"),
    ):
        said = approve(runbook, source, "--message", "m", name=name)
        assert (said.code, line in said.stderr) == (2, True), said.stderr
    assert (runbook.cwd / "taken.json").read_text() == "mine"
