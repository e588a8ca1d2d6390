# SPDX-License-Identifier: GPL-3.0-or-later
"""Run stand-in runbooks under the recorder, in a copy of the collection that also has an acting module."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import verify_chain
from incident_runbooks import schemas

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "journal"
ACT = "brandconnect.incidents.act"
PROGRAM = Path(sys.executable).with_name("ansible-playbook")
INCIDENT = "rehearsal-20261123T231455Z-3fa1"
Json = dict[str, Any]


def copy_collection(base: Path) -> Path:
    """Copy the collection's plugins to *base*, with two stand-in incident types and the acting module."""
    root = base / "ansible_collections" / "brandconnect" / "incidents"
    shutil.copytree(ROOT / "plugins", root / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "meta", root / "meta")
    shutil.copy(ROOT / "galaxy.yml", root)
    shutil.copy(FIXTURES / "act.py", root / "plugins" / "action")
    shutil.copytree(ROOT / "src/incident_runbooks/schemas", root / "src/incident_runbooks/schemas")
    for role in ("rehearsal", "other_rehearsal"):
        (root / "roles" / role / "meta").mkdir(parents=True)
        shutil.copy(FIXTURES / "runbook.yml", root / "roles" / role / "meta")
    return base


@dataclass
class Ran:
    """What a run left behind."""

    rc: int
    output: str
    directories: list[Path]

    @property
    def directory(self) -> Path:
        (directory,) = self.directories
        return directory

    @property
    def result(self) -> Json:
        result: Json = json.loads((self.directory / "result.json").read_text(encoding="utf-8"))
        assert schemas.validate("result", result) == []
        return result

    @property
    def journal(self) -> list[Json]:
        journal = self.directory / "journal.jsonl"
        assert verify_chain(journal) == []
        lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        assert [problem for line in lines for problem in schemas.validate("journal", line)] == []
        return lines

    def of_type(self, kind: str) -> list[Json]:
        return [record["data"] for record in self.journal if record["type"] == kind]


@dataclass
class Bench:
    """A place to run playbooks in."""

    collections: Path
    directory: Path
    hosts: dict[str, Json | None] = field(default_factory=lambda: {"alpha": None, "beta": None})

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def trace(self) -> Path:
        return self.directory / "trace"

    def traces(self) -> list[str]:
        return self.trace.read_text().split() if self.trace.exists() else []

    def playbook(self, plays: list[Json], name: str = "rehearsal") -> Path:
        path = self.directory / f"{name}.yml"
        defaults = {"hosts": "alpha", "gather_facts": False}
        content = [play if "import_playbook" in play else {**defaults, **play} for play in plays]
        path.write_text(yaml.safe_dump(content, sort_keys=False, width=100_000), encoding="utf-8")
        return path

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = self.directory / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"all": {"vars": local, "hosts": self.hosts}}), encoding="utf-8")
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("RUNBOOK_", "ANSIBLE_", "PG"))
        }
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_CALLBACKS_ENABLED": "brandconnect.incidents.journal",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "RUNBOOK_HOME": str(self.home),
        }
        return subprocess.Popen(
            [str(PROGRAM), "-i", str(inventory), *map(str, arguments)],
            cwd=self.directory,
            env={**kept, **settings, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str | Path, **environment: str) -> Ran:
        process = self.start(*arguments, **environment)
        try:
            output, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Ran(process.returncode, output, self.directories())

    def untrusted(self, name: str, text: str) -> str:
        """A variable with text from outside, which Ansible does not template."""
        (self.directory / name).write_text(text, encoding="utf-8")
        return f"{{{{ lookup('ansible.builtin.file', '{self.directory}/{name}', rstrip=false) }}}}"

    def directories(self) -> list[Path]:
        folder = self.home / "incidents"
        return sorted(folder.iterdir()) if folder.exists() else []


def act(name: str = "Act", **arguments: Any) -> Json:
    return {"name": name, ACT: arguments}


def finding(status: str = "ok", **more: Any) -> Json:
    return {"type": "finding", "data": {"check": "a", "component": "alpha", "status": status, "summary": "s", **more}}


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.02)
