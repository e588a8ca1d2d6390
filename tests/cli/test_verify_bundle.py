# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook verify`` reads an evidence bundle, without any service: what changed, is missing or was added."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.bundles import incident_with_bundle

LOG = "evidence/bundle/data/pods/a/app.log"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An incident with a bundle that its journal knows."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    return incident_with_bundle(home)


@pytest.fixture
def directory(runbook: Any, made: Path) -> Path:
    """A copy of it, in the test's own RUNBOOK_HOME."""
    path: Path = runbook.home / "incidents" / made.name
    shutil.copytree(made, path, symlinks=True)
    return path


def test_a_whole_bundle_is_intact(runbook: Any, directory: Path) -> None:
    said = runbook("verify")
    assert (said.code, said.stderr, said.document["intact"]) == (0, "", True)
    (check,) = [check for check in said.document["checks"] if check["name"] == "evidence"]
    assert (check["status"], check["checked"], check["problems"]) == ("intact", 11, [])


def flip(path: Path) -> None:
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        (LOG, flip, "its content was changed: another SHA-256 is listed in manifest-sha256.txt"),
        (LOG, Path.unlink, "it is missing"),
        ("evidence/bundle/data/more.log", Path.touch, "it was added: no list of the bundle names it"),
        ("evidence/bundle/tagmanifest-sha256.txt", flip, "its content was changed: another SHA-256 is recorded"),
        ("evidence/bundle/custody.jsonl", flip, "edited, its hash does not fit its content"),
    ],
    ids=["flipped", "missing", "added", "lists", "custody"],
)  # fmt: skip
def test_what_was_done_to_it_is_named(
    runbook: Any, directory: Path, name: str, change: Callable[[Path], object], problem: str
) -> None:
    change(directory / name)
    said = runbook("verify", "--output", "text")
    assert said.code == 5
    assert "NOT INTACT" in said.stdout
    named = [line for line in said.stdout.splitlines() if line.startswith("    ")]
    assert name in named[0]
    assert problem in named[0]
    assert all(name in line for line in named)
