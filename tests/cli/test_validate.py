# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook validate``: all problems in one document, with the exit code that says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HEADER = "roles/fixture/meta/runbook.yml"


def test_the_problems_of_the_collection_in_use_are_all_listed(runbook: Any) -> None:
    """The incident type of these tests is no complete runbook."""
    said = runbook("validate")
    assert (said.code, said.stderr) == (2, "")
    assert (said.document["valid"], said.document["checked"]["runbooks"]) == (False, 8)
    assert {problem["file"] for problem in said.document["problems"]} == {HEADER, "roles/fixture/README.md"}
    whats = [problem["what"] for problem in said.document["problems"] if problem["file"] == HEADER]
    assert "remediations/0: 'touches' is a required property" in whats
    assert any(what.startswith("symptoms: ") for what in whats)
    assert all(problem["fix"] for problem in said.document["problems"])
    assert runbook.left_behind() == []


def test_a_copy_is_validated_in_its_place_and_said_in_text(runbook: Any) -> None:
    copy = runbook.cwd / "copy"
    for part in ("roles/pool_exhaustion", "roles/common"):
        shutil.copytree(ROOT / part, copy / part)
    for file in ("alerts/pool_exhaustion.yml", "playbooks/pool_exhaustion.yml"):
        (copy / file).parent.mkdir()
        shutil.copy(ROOT / file, copy / file)
    for part in ("plugins", "meta", "galaxy.yml"):
        (copy / part).symlink_to(ROOT / part)
    said = runbook("validate", "--collection", "copy", "--output", "text")
    assert (said.code, said.stderr) == (0, "")
    assert said.stdout == f"{copy}: VALID (runbooks: 1, roles: 2, playbooks: 1)\n"
    playbook = copy / "playbooks/pool_exhaustion.yml"
    playbook.write_text(playbook.read_text(encoding="utf-8") + "- hosts: [\x1b[2J\n", encoding="utf-8")
    said = runbook("validate", "--collection", "copy", "--output", "text")
    assert said.code == 2
    assert "  playbooks/pool_exhaustion.yml\n    Ansible cannot read it: " in said.stdout
    assert "      fix: " in said.stdout
    assert "\x1b" not in said.stdout


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_what_is_no_collection_is_refused(runbook: Any, path: str) -> None:
    said = runbook("validate", "--collection", path)
    (error,) = said.document["errors"]
    assert (said.code, error["code"]) == (2, "usage")
    (only,) = said.stderr.splitlines()
    assert "there is no roles/*/meta/runbook.yml; name the directory that has roles and playbooks" in only
