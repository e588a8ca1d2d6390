# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as it is installed: package and collection side by side, with an incident type for these tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

from incident_runbooks.lab import binaries

ROOT = Path(__file__).parents[2]
FIXTURES = Path(__file__).parent / "fixtures"
INVENTORY = """
fixture:
  hosts:
    fixture:
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""


@dataclass(frozen=True)
class Said:
    """What one call of the command said."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """Stdout, which must be exactly one JSON document."""
        return json.loads(self.stdout)


class Runbook:
    """Calls the command in a process of its own, from a directory and with a home of its own."""

    def __init__(self, site: Path, directory: Path, temporary: Path) -> None:
        self.cwd = directory / "work"
        self.home = directory / "state"
        self.inventory = self.cwd / "inventory.yml"
        self.cwd.mkdir(mode=0o755)
        (directory / "home").mkdir()
        self.inventory.write_text(INVENTORY, encoding="utf-8")
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environment = {
            **kept,
            "HOME": str(directory / "home"),
            "TMPDIR": str(temporary),
            "RUNBOOK_HOME": str(self.home),
            "PYTHONPATH": str(site),
        }

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        environment = {**self.environment, **options.pop("environment", {})}
        return subprocess.Popen(
            [*options.pop("prefix", []), sys.executable, "-P", "-m", "incident_runbooks", *arguments],
            **{"cwd": self.cwd, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
            env={name: value for name, value in environment.items() if value is not None},
            stdin=subprocess.DEVNULL,
        )

    def __call__(self, *arguments: str, environment: Mapping[str, str | None] | None = None, **options: Any) -> Said:
        process = self.start(*arguments, environment=environment or {}, **options)
        try:
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
        return Said(process.returncode, stdout, stderr)

    def run(self, *arguments: str, **options: Any) -> Said:
        return self("run", "fixture", "--inventory", str(self.inventory), *arguments, **options)

    def start_run(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return self.start("run", "fixture", "--inventory", str(self.inventory), *arguments, **options)

    def left_behind(self) -> Sequence[Path]:
        """Everything in the private directories' places but their lock."""
        places = (self.home / "tmp", Path(self.environment["TMPDIR"]))
        return [path for place in places for path in place.glob("*") if path.name != ".lock"]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and the collection as the wheel lays them out, with the incident type ``fixture``."""
    place = tmp_path_factory.mktemp("site")
    bytecode = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "incident_runbooks", place / "incident_runbooks", ignore=bytecode)
    collection = place / "ansible_collections" / "brandconnect" / "incidents"
    for part in ("alerts", "meta", "playbooks", "plugins", "roles"):
        shutil.copytree(ROOT / part, collection / part, ignore=bytecode)
    shutil.copy(ROOT / "galaxy.yml", collection)
    schemas = ROOT / "src" / "incident_runbooks" / "schemas"
    shutil.copytree(schemas, collection / "src" / "incident_runbooks" / "schemas", ignore=bytecode)
    shutil.copytree(FIXTURES / "roles", collection / "roles", dirs_exist_ok=True)
    shutil.copytree(FIXTURES / "playbooks", collection / "playbooks", dirs_exist_ok=True)
    return place


@pytest.fixture
def runbook(site: Path, tmp_path: Path) -> Iterator[Runbook]:
    with tempfile.TemporaryDirectory() as temporary:
        yield Runbook(site, tmp_path, Path(temporary))


@pytest.fixture
def terminal(runbook: Any) -> Iterator[Callable[..., Any]]:
    """Start ``runbook`` on a pseudo terminal."""
    started: list[Any] = []

    def start(*arguments: str, **environment: str) -> Any:
        child = pexpect.spawn(
            sys.executable,
            ["-P", "-m", "incident_runbooks", *arguments],
            cwd=str(runbook.cwd),
            env={**runbook.environment, "RUNBOOK_OPERATOR": "ada", "TERM": "xterm", "NO_COLOR": "1", **environment},
            encoding="utf-8",
            dimensions=(60, 250),
            timeout=90,
            echo=False,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


@pytest.fixture(scope="module")
def shared_runbook(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runbook]:
    """One place for the tests of a module that only look at what a first one left."""
    with tempfile.TemporaryDirectory() as temporary:
        yield Runbook(site, tmp_path_factory.mktemp("shared"), Path(temporary))


@pytest.fixture
def one_pg(_postgres_servers: Any) -> Iterator[Any]:
    """One real PostgreSQL, whichever is found first: what is tested does not depend on its version."""
    found = binaries.available()
    if not found:
        message = "no PostgreSQL here; install the extra incident-runbooks[lab]"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    running = _postgres_servers.get(found[0])
    running.end_sessions()
    yield running
    running.end_sessions()


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    """Wait until a function returns something true, and return it."""

    def wait(what: Callable[[], Any], seconds: float = 20) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := what():
                return found
            time.sleep(0.02)
        pytest.fail(f"waited {seconds} s in vain")

    return wait


@pytest.fixture
def nothing_lives() -> Callable[..., None]:
    """Assert that no process of a test's run lives: not the named one, none that mentions its directory."""

    def check(pid: int, directory: Path) -> None:
        alive = psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        if alive:
            os.kill(pid, signal.SIGKILL)
        assert not alive, f"process {pid} still lives"
        processes = [process.info for process in psutil.process_iter(["pid", "cmdline"])]
        assert [found for found in processes if str(directory) in " ".join(found["cmdline"] or [])] == []

    return check
