# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lab's tests look at the machine without asking the lab."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from incident_runbooks.lab.lab import Lab

Run = Callable[..., subprocess.CompletedProcess[str]]


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def environ_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def cwd_of(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


@pytest.fixture
def processes_of() -> Callable[[Path], list[psutil.Process]]:
    """Every living process that works for the lab in a directory: by its environment, or by where it works."""

    def find(directory: Path) -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter()
            if process.pid != os.getpid()
            and lives(process)
            and (
                (environ_of(process).get("RUNBOOK_LAB") == str(directory) and "RUNBOOK_LAB_ID" in environ_of(process))
                or Path(cwd_of(process)).is_relative_to(directory)
            )
        ]

    return find


@pytest.fixture
def new_lab(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Makes labs that are not up yet; whatever the test leaves of them is stopped."""
    made = []

    def make(name: str = "lab") -> Lab:
        made.append(Lab(tmp_path / name))
        return made[-1]

    yield make
    for lab in made:
        lab.down()


@pytest.fixture
def runbook(tmp_path: Path) -> Run:
    """Runs the command in a process of its own, as an operator does."""

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "incident_runbooks", *arguments],
            env={**os.environ, **environ},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def secrets_of() -> Callable[[Lab], list[str]]:
    """The passwords and keys of a lab."""

    def read(lab: Lab) -> list[str]:
        server = lab.server
        keys = lab.read().stripe.keys.secrets() if lab.read().stripe else []
        return [*keys, *(login.password for login in (server.superuser, server.ops, server.app, server.dba))]

    return read


@pytest.fixture
def scalar() -> Callable[..., Any]:
    """Asks a database for one value."""

    def ask(connection: Any, query: str, *parameters: Any) -> Any:
        return connection.execute(query, parameters).fetchone()[0]

    return ask
