# SPDX-License-Identifier: GPL-3.0-or-later
"""Check alert rules, and run their tests, with Prometheus' own tool."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from incident_runbooks.lab.binaries import find_program

PATIENCE_S = 60.0


def check_rules(path: Path) -> str:
    """Return what ``promtool check rules`` says of a file of rules.

    Raises:
        AssertionError: the file does not pass; with what the tool says.
    """
    return _promtool(path, "check", "rules", "--lint=all", "--lint-fatal")


def test_rules(path: Path) -> str:
    """Return what ``promtool test rules`` says of a file of tests; it names its rule files relative to itself.

    Raises:
        AssertionError: a test does not pass; with what the tool says.
    """
    return _promtool(path, "test", "rules")


test_rules.__test__ = False  # type: ignore[attr-defined]  # a helper, whatever its name says to pytest


def _promtool(path: Path, *arguments: str) -> str:
    program = find_program("promtool")
    done = subprocess.run(
        [program.path, *arguments, path.name],
        cwd=path.resolve().parent,
        env={**os.environ, **program.environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_S,
        check=False,
    )
    said = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, f"promtool {' '.join(arguments)} {path} says:\n{said}"
    return said
