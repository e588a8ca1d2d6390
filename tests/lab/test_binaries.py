# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain by which the lab finds PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.lab import binaries


def fake_installation(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n", encoding="utf-8")
        program.chmod(0o755)
    return folder


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine whose PATH has no PostgreSQL and whose distribution keeps two majors below tmp_path/usr."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(binaries, "_DISTRIBUTIONS", {"debian": (str(tmp_path / "usr/*/bin"),)})
    monkeypatch.setattr(binaries, "_WHEEL", "there_is_no_such_wheel")
    fake_installation(tmp_path / "usr/9/bin", "9.6.24")
    fake_installation(tmp_path / "usr/15/bin", "15.18 (Debian 15.18-0+deb12u1)")
    fake_installation(tmp_path / "usr/17/bin", "17beta2")
    return tmp_path


def test_newest_of_the_first_link_is_used(chain: Path) -> None:
    found = binaries.find()
    assert (found.major, found.version, found.source) == (17, "17beta2", "debian")
    assert found.folder == chain / "usr/17/bin"


def test_path_comes_before_the_distribution(chain: Path) -> None:
    real = fake_installation(chain / "elsewhere/bin", "16.2")
    (chain / "bin").mkdir()
    (chain / "bin/postgres").symlink_to(real / "postgres")
    found = binaries.available()
    assert [(each.major, each.source) for each in found] == [(16, "path"), (17, "debian"), (15, "debian")]
    assert found[0].folder == real, "the link must be followed: initdb is beside the real program"


def test_a_major_can_be_chosen(chain: Path) -> None:
    assert binaries.find("15").folder == chain / "usr/15/bin"


def test_a_path_can_be_chosen(chain: Path) -> None:
    folder = fake_installation(chain / "mine", "16.2")
    assert binaries.find(str(folder)) == binaries.find(str(folder / "postgres"))
    assert binaries.find(str(folder)).source == "given"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("12", "PostgreSQL 12: this machine has 17 (debian), 15 (debian)"),
        ("/nowhere", "in /nowhere: no working initdb"),
    ],
)
def test_what_is_not_there_is_said(chain: Path, wanted: str, expected: str) -> None:
    with pytest.raises(UsageError) as error:
        binaries.find(wanted)
    assert expected in error.value.message


def test_versions_that_are_too_old_are_no_choice(chain: Path) -> None:
    with pytest.raises(UsageError, match="14 or newer"):
        binaries.find(str(chain / "usr/9/bin"))


def test_nothing_found_names_what_to_install(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_DISTRIBUTIONS", {})
    with pytest.raises(RunbookError) as error:
        binaries.find()
    assert "incident-runbooks[lab]" in (error.value.hint or "")
    assert "Debian package postgresql" in (error.value.hint or "")


LOOK = """
import sys
from incident_runbooks.lab import binaries
print([each.source for each in binaries.available()])
print([name for name in sys.modules if name.startswith("pixeltable")])
"""


def test_the_wheel_is_looked_into_but_never_imported() -> None:
    said = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[1] == "[]"
