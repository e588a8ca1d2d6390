# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in the environment and in the inventory appear nowhere, whatever becomes of the run."""

from __future__ import annotations

import base64
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any, Self
from urllib.parse import quote

import psutil
import psycopg
import pytest
import yaml
from psycopg import sql

MARK = token_hex(4)  # another run of these tests on the same machine has its own
PASSWORD = f"canary/in the:inventory@{MARK}"
IN_A_DSN = f"canary-in-a-dsn-{MARK}"
ENVIRONMENT = {
    "PGPASSWORD": f"canary-in-the-environment-{MARK}",
    "BRANDCONNECT_DATABASE_URL": f"postgresql://app:{IN_A_DSN}@127.0.0.1/brandconnect",
    "VAULT_TOKEN": f"canary-in-a-token-{MARK}",
    "RUNBOOK_NOTHING": "canary-that-is-no-secret",
}
SECRETS = (PASSWORD, IN_A_DSN, ENVIRONMENT["PGPASSWORD"], ENVIRONMENT["VAULT_TOKEN"])
FORMS = [
    form.encode()
    for secret in SECRETS
    for form in {secret, quote(secret), quote(secret, safe=""), base64.b64encode(secret.encode()).decode()[:-4]}
]


class Arguments:
    """Looks at the arguments of every process again and again while it is open."""

    def __init__(self) -> None:
        self.leaks: set[str] = set()
        self.looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.looks += 1
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    content = process.read_bytes()
                except OSError:
                    continue
                if any(form in content for form in FORMS):
                    self.leaks.add(repr(content))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def write_inventory(runbook: Any, host: dict[str, Any]) -> None:
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    text = yaml.safe_dump({"all": {"vars": local, "hosts": {"postgres": host}}})
    runbook.inventory.write_text(text, encoding="utf-8")


def leaks(runbook: Any, said: Any) -> list[str]:
    """Where a secret turned up: the outputs, and every file but the inventory itself."""
    places = {"stdout": said.stdout.encode(), "stderr": said.stderr.encode()}
    roots = (runbook.home.parent, Path(runbook.environment["TMPDIR"]))
    files = [path for root in roots for path in root.rglob("*") if path.is_file() and path != runbook.inventory]
    places.update({str(path): path.read_bytes() for path in files})
    return [place for place, content in places.items() if any(form in content for form in FORMS)]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc")
@pytest.mark.parametrize("case", ["success", "failure", "timeout"])
def test_no_secret_appears_anywhere(runbook: Any, one_pg: Any, silent_port: int, case: str) -> None:
    role = sql.Identifier(f"canary_{case}")
    with one_pg.connect() as admin:
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(role))
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE pg_monitor").format(role, sql.Literal(PASSWORD))
        )
    right = psycopg.connect(
        host=one_pg.host, port=one_pg.port, dbname=one_pg.database, user=f"canary_{case}", password=PASSWORD
    )
    right.close()
    write_inventory(
        runbook,
        {
            "postgres_host": one_pg.host,
            "postgres_port": silent_port if case == "timeout" else one_pg.port,
            "postgres_database": one_pg.database,
            "postgres_user": "canary_nobody" if case == "failure" else f"canary_{case}",
            "postgres_password": PASSWORD,
            "unused_api_token": PASSWORD,
        },
    )
    arguments = ("run", "pool-exhaustion", "--inventory", str(runbook.inventory), "-v")
    with Arguments() as sampled:
        said = runbook(*arguments, *(["--timeout", "2.5"] if case == "timeout" else []), environment=ENVIRONMENT)
    outcomes = {"success": (0, "healthy"), "failure": (4, "incomplete"), "timeout": (9, "unknown")}
    assert (said.code, said.document["outcome"]) == outcomes[case], said.stderr
    assert leaks(runbook, said) == []
    assert sampled.looks > 20
    assert sampled.leaks == set()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc")
def test_this_test_would_notice() -> None:
    with Arguments() as sampled:
        process = subprocess.Popen(["/bin/sh", "-c", "sleep 5; :", PASSWORD])
        psutil.Process(process.pid)
        while not sampled.leaks and process.poll() is None:
            pass
        process.kill()
        process.wait()
    assert sampled.leaks
