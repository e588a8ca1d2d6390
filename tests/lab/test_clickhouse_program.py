# SPDX-License-Identifier: GPL-3.0-or-later
"""How the old ClickHouse server is found: it cannot tell its version, and its libraries name one that is renamed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from incident_runbooks.lab import binaries
from incident_runbooks.lab.binaries import debian, programs
from support.clickhouse import old_program


def test_the_package_tells_the_version_that_the_program_cannot() -> None:
    found = old_program()
    assert (found.name, found.version, found.source) == ("clickhouse-server", "18.16.1", "package")
    assert found.path.is_relative_to(debian.cache())
    assert "LD_LIBRARY_PATH" in found.environ


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo 'ClickHouse server version 26.9.2.1 (official build).'", "26.9.2"),
        ("echo 'Unknown option specified: version' >&2; exit 78", None),
    ],
)
def test_on_path_only_what_tells_its_version_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, version: str | None
) -> None:
    program = tmp_path / "clickhouse-server"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(programs, "_FOLDERS", ())
    found = binaries.locate("clickhouse-server", source="path")
    assert (found.version if found else None) == version


def test_a_library_under_another_name_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    records = {"tool": "Version: 1\nDepends: libnew (>= 1), libold\n", "libnew": "Version: 2\nDepends: libgcc1\n"}

    def run(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        said, status = "", 0
        if command[0] == "apt-cache":
            said = records.get(command[-1], "")
            status = 0 if said else 100
        elif command[2] == "-f=${Provides}\\n":
            said = "\nlibgcc1 (= 1:12.2.0-14), libold\n"
        return subprocess.CompletedProcess(command, status, said, "")

    monkeypatch.setattr(debian, "_run", run)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert debian._with_missing_libraries(["tool"]) == {"tool": "1", "libnew": "2"}
