# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the real playbook with plain ansible-playbook against a real PostgreSQL."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import yaml

ROOT = Path(__file__).parents[2]
FAST = {
    "pool_exhaustion_min_idle_s": 1,
    "pool_exhaustion_verify_after_s": 0,
    "pool_exhaustion_verify_refill_after_s": 1,
}


@dataclass(frozen=True)
class Run:
    """What one run of the playbook left behind."""

    rc: int
    output: str
    result: dict[str, Any]
    journal: list[dict[str, Any]]
    directory: Path

    def finding(self, check: str) -> dict[str, Any]:
        return next(item for item in self.result["findings"] if item["check"] == check)


def recommended(run: Run) -> list[str]:
    """Return the remediations that the findings recommend."""
    return [name for finding in run.result["findings"] for name in finding["recommend"]]


def planned(run: Run, name: str) -> dict[str, Any]:
    """Return what the plan says of a remediation."""
    entry: dict[str, Any] = next(item for item in run.result["plan"]["remediations"] if item["id"] == name)
    return entry


def verdicts(run: Run) -> dict[str, str]:
    """Return what was verified, by its check."""
    return {verdict["check"]: verdict["status"] for verdict in run.result["verification"]}


def assert_no_secret(run: Run, secrets: Iterable[str]) -> None:
    """None of them stands in anything that the run wrote, neither plain nor encoded."""
    files = [path for path in run.directory.rglob("*") if path.is_file()]
    written = run.output + "".join(path.read_text(encoding="utf-8", errors="replace") for path in files)
    written += json.dumps(run.result)
    for secret in secrets:
        for form in (secret, base64.b64encode(secret.encode()).decode(), quote(secret, safe="")):
            assert form not in written


class Runbook:
    """The playbook pool_exhaustion, its inventory and its RUNBOOK_HOME."""

    def __init__(self, pg: Any, directory: Path) -> None:
        self.pg = pg
        self.home = directory / "home"
        self.inventory = directory / "inventory.yml"
        self.hosts: dict[str, dict[str, Any]] = {}  # beside postgres
        self.host = {
            "postgres_host": pg.host,
            "postgres_port": pg.port,
            "postgres_database": pg.database,
            "postgres_user": pg.ops_user,
            "postgres_password": pg.ops_password,
            "postgres_reserved_user": pg.superuser,
            "postgres_reserved_password": pg.superuser_password,
        }

    def command(self, **extra: Any) -> list[str]:
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [str(program), "playbooks/pool_exhaustion.yml", "-i", str(self.write_inventory())]
        return [*command, "-e", json.dumps(extra)] if extra else command

    def write_inventory(self) -> Path:
        """Write the inventory, and return where it is."""
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"vars": {**local, **FAST}, "hosts": {"postgres": self.host, **self.hosts}}}
        self.inventory.write_text(yaml.safe_dump(inventory), encoding="utf-8")
        return self.inventory

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "RUNBOOK_"))}
        return {**kept, "RUNBOOK_HOME": str(self.home), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}

    def start(self, *options: str, **extra: Any) -> subprocess.Popen[str]:
        command = [*self.command(**extra), *options]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(self, *options: str, **extra: Any) -> Run:
        before = set(self.incidents())
        process = self.start(*options, **extra)
        output, _ = process.communicate(timeout=300)
        (directory,) = set(self.incidents()) - before or {None}
        assert directory is not None, f"no incident was recorded:\n{output}"
        result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        return Run(process.returncode, output, result, self.journal(directory), directory)

    def again(self, directory: Path, **extra: Any) -> Run:
        """Run it once more in an incident that there is."""
        environment = self.environment() | {"RUNBOOK_INCIDENT": directory.name}
        done = subprocess.run(
            self.command(**extra), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        return Run(done.returncode, done.stdout + done.stderr, result, self.journal(directory), directory)

    def remediate(self, *options: str, approve: str = "kill-idle-connections", **extra: Any) -> Run:
        return self.run(*options, runbook_mode="remediate", approved=[approve], **extra)

    def incidents(self) -> list[Path]:
        folder = self.home / "incidents"
        return sorted(folder.iterdir()) if folder.exists() else []

    @staticmethod
    def journal(directory: Path) -> list[dict[str, Any]]:
        text = (directory / "journal.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


def is_alive(session: psycopg.Connection[Any]) -> bool:
    """Ask the session itself whether the server has ended it."""
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def unchanged(pg: Any) -> Iterator[None]:
    """The block neither ends nor adds a client session, and sends no pg_terminate_backend."""
    query = "SELECT pid, backend_start FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> %s"
    log = Path(pg.log_path)
    with pg.connect(user=pg.superuser) as watcher:
        pid = watcher.info.backend_pid
        before = set(watcher.execute(query, [pid]).fetchall())
        offset = log.stat().st_size
        yield
        settled = time.monotonic() + 5
        while (after := set(watcher.execute(query, [pid]).fetchall())) != before and time.monotonic() < settled:
            time.sleep(0.05)
        assert after == before
    with log.open("rb") as stream:
        stream.seek(offset)
        statements = stream.read().decode("utf-8", "replace")
    assert "pg_stat_activity" in statements, "the statement log does not show the diagnosis: it proves nothing"
    assert "pg_terminate_backend" not in statements
