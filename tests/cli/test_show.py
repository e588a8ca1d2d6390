# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier incidents, folded anew from their journals."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks import schemas


@pytest.fixture(scope="module")
def diagnosis(shared_runbook: Any) -> dict[str, Any]:
    """A diagnosis that found something."""
    result: dict[str, Any] = shared_runbook.run("--status", "down").document
    return result


@pytest.fixture
def journal(runbook: Any, shared_runbook: Any, diagnosis: dict[str, Any]) -> Path:
    """A copy of its journal, in the test's own RUNBOOK_HOME."""
    shutil.copytree(shared_runbook.home, runbook.home)
    path: Path = runbook.home / "incidents" / diagnosis["incident"]["id"] / "journal.jsonl"
    return path


def test_the_latest_incident_is_shown_from_its_journal(runbook: Any, journal: Path, diagnosis: dict[str, Any]) -> None:
    journal.with_name("result.json").write_text("a cache that nobody reads")
    (journal.parents[1] / "fixture-20991231T235959Z-ffff").mkdir()  # nothing was recorded there
    said = runbook("show")
    assert (said.code, said.stderr) == (0, "")
    assert said.document == diagnosis
    assert runbook("show", "--run", diagnosis["run"]["id"]).document == diagnosis


def test_as_text_it_says_what_to_type_next(runbook: Any, journal: Path, diagnosis: dict[str, Any]) -> None:
    text = runbook("show", diagnosis["incident"]["id"], "--output", "text").stdout
    assert "fixture: FINDINGS" in text
    assert f"--approve fix-it --inventory {diagnosis['run']['inventory'][0]}" in text
    assert str(journal.parent) in text


def test_an_unknown_id_names_the_newest(runbook: Any, journal: Path, diagnosis: dict[str, Any]) -> None:
    unknown = runbook("show", "fixture-20260101T000000Z-0000")
    assert unknown.code == 2
    assert f"the newest are: {diagnosis['incident']['id']}" in unknown.stderr
    unknown = runbook("show", "--run", "run-20260101T000000Z-0000")
    assert unknown.code == 2
    assert diagnosis["run"]["id"] in unknown.stderr


def test_a_tampered_journal_is_shown_and_said(runbook: Any, journal: Path, diagnosis: dict[str, Any]) -> None:
    journal.write_text(journal.read_text().replace("It is broken", "It is golden"))
    said = runbook("show")
    assert said.code == 0
    shown = said.document
    assert schemas.validate("result", shown) == []
    damage = [error for error in shown["errors"] if error["code"] == "journal_damaged"]
    assert damage
    assert "edited" in damage[0]["message"]
    assert shown["outcome"] == diagnosis["outcome"]
    assert "journal_damaged" in runbook("show", "--output", "text").stdout


def test_a_journal_that_was_cut_off_is_unknown(runbook: Any, journal: Path) -> None:
    content = journal.read_bytes()
    journal.write_bytes(content[: len(content) // 2])
    said = runbook("show")
    assert (said.code, said.document["outcome"]) == (0, "unknown")
    assert schemas.validate("result", said.document) == []
