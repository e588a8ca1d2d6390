# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves behind: the same with the command as with Ansible alone, and never a secret."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from support.runbook import ROOT, Runbook
from support.servers import installations

NEWEST = installations()[-1:]  # what a secret passes through is ours, whatever the server
BIN = Path(sys.executable).parent
VOLATILE = re.compile(
    r"(^|_)(s|at|id|start|change|pid|deadline|digest|hash|duration|statement|timeline|measurements|directory)$"
)

# Characters that URLs, shells, JSON and YAML each treat specially
IN_ENVIRONMENT = 'env-c4nary/+=@ "x"'
IN_DSN = "dsn-c4nary/+=@ x%"
IN_INVENTORY = "inv-c4nary/+=@ 'x'"
CANARIES = (IN_ENVIRONMENT, IN_DSN, IN_INVENTORY)


def wrapper(runbook: Runbook, *options: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    """The command that runs the incident, with the inventory written, and its environment."""
    runbook.command()
    command = [str(BIN / "runbook"), "run", "pool-exhaustion", "-i", str(runbook.inventory), *options]
    return command, {**runbook.environment(), **environment}


def alike(value: Any) -> Any:
    """A result without what differs from run to run."""
    if isinstance(value, dict):
        # a message names the incident, and its fingerprint is over what it says
        own = {"payload", "fingerprint"} if "fingerprint" in value else set()
        return {key: alike(item) for key, item in value.items() if key not in own and not VOLATILE.search(key)}
    if isinstance(value, list):
        return sorted((alike(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def test_the_command_and_ansible_alone_leave_the_same_record(runbook: Runbook, pool: Any) -> None:
    pool(17)
    time.sleep(1.1)
    alone = runbook.run()
    command, environment = wrapper(runbook)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    wrapped = json.loads(done.stdout)
    assert alike(wrapped) == alike(alone.result)
    directory = runbook.home / "incidents" / wrapped["incident"]["id"]
    assert json.loads((directory / "result.json").read_text(encoding="utf-8")) == wrapped
    steps = [[(e["type"], e["data"].get("name")) for e in runbook.journal(d)] for d in (alone.directory, directory)]
    assert steps[0] == steps[1]
    assert (directory.stat().st_mode & 0o777, (directory / "journal.jsonl").stat().st_mode & 0o777) == (0o700, 0o600)


def forms(secret: str) -> list[bytes]:
    """A secret as it could stand in a file."""
    quoted = [secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret), json.dumps(secret)[1:-1]]
    encoded = [base64.b64encode(secret.encode()), base64.urlsafe_b64encode(secret.encode()), secret.encode().hex()]
    texts = [*quoted, *(item if isinstance(item, str) else item.decode() for item in encoded)]
    return [text.encode() for text in {*texts, *(text.rstrip("=") for text in texts)}]


def assert_no_secret(what: str, content: bytes) -> None:
    for secret in CANARIES:
        for form in forms(secret):
            assert form not in content, f"{what} holds {secret!r}"
    # not even the tell-tale part of one, cut out of its encoding
    assert b"c4nary" not in content, f"{what} holds a part of a secret"


class ArgumentWatch:
    """Collects the arguments of every process on the machine, as any user could read them."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._known: set[psutil.Process] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            for process in set(psutil.process_iter()) - self._known:
                with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                    self.seen.add("\0".join(process.cmdline()))
                    if process.create_time() < time.time() - 1:  # a young one may still exec
                        self._known.add(process)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def canary_role(pg: Any) -> Iterator[str]:
    """A login that can see everything; its password is in the connection string."""
    with pg.connect() as admin:
        admin.execute("DROP ROLE IF EXISTS canary")
        literal = IN_DSN.replace("'", "''")
        admin.execute(f"CREATE ROLE canary LOGIN PASSWORD '{literal}' IN ROLE pg_monitor")
        yield "canary"
        admin.execute("DROP ROLE canary")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server.getsockname()[1]


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A temporary directory with a short path: Ansible puts sockets there, whose paths are limited."""
    with tempfile.TemporaryDirectory(prefix="rb-") as name:
        yield Path(name)


def dsn(pg: Any, password: str, port: int | None = None) -> str:
    secret = urllib.parse.quote(password, safe="")
    return f"postgresql://canary:{secret}@127.0.0.1:{port or pg.port}/{pg.database}"


Arrange = Callable[[Any, int], dict[str, Any]]
SITUATIONS: dict[str, tuple[Arrange, list[str], set[int]]] = {
    "success": (lambda pg, _: {"postgres_dsn": dsn(pg, IN_DSN)}, [], {0}),
    "refused password": (lambda pg, _: {"postgres_dsn": dsn(pg, IN_DSN + "wrong")}, [], {4}),
    "malformed string": (lambda _pg, _: {"postgres_dsn": f"postgresql://canary:{IN_DSN}@[oops"}, [], {4}),
    "keywords, malformed": (lambda _pg, _: {"postgres_dsn": f"host=x password='{IN_DSN} oops"}, [], {4}),
    "time-out": (lambda pg, port: {"postgres_dsn": dsn(pg, IN_DSN, port)}, ["--timeout", "3"], {9}),
    "wrong type": (lambda pg, _: {"postgres_dsn": dsn(pg, IN_DSN), "postgres_port": IN_DSN}, [], {4}),
}


@pytest.mark.parametrize("pg", NEWEST, indirect=True)
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("with_command", [True, False], ids=["command", "ansible-playbook"])
def test_no_secret_is_left_anywhere(
    runbook: Runbook,
    pg: Any,
    canary_role: str,
    silent_port: int,
    tmp_path: Path,
    short_path: Path,
    situation: str,
    with_command: bool,
) -> None:
    arrange, options, codes = SITUATIONS[situation]
    runbook.host = {
        **arrange(pg, silent_port),
        "postgres_reserved_user": "nobody",
        "postgres_reserved_password": IN_INVENTORY,
    }
    places = {name: short_path / name.lower() for name in ("HOME", "TMPDIR", "ANSIBLE_LOCAL_TEMP")}
    for place in places.values():
        place.mkdir()
    secrets = {"PGPASSWORD": IN_ENVIRONMENT, "BRANDCONNECT_TOKEN": IN_ENVIRONMENT}
    if with_command:
        command, environment = wrapper(runbook, "-vvv", *options)
    else:
        command, environment = [*runbook.command(), "-vvv"], runbook.environment()
    environment |= secrets | {name: str(place) for name, place in places.items()}
    with ArgumentWatch() as watch:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=90, check=False)
    if with_command:
        assert done.returncode in codes, done.stderr.decode()
        assert json.loads(done.stdout)["schema_version"] == "1.0"
    assert watch.seen, "no arguments were sampled"
    assert_no_secret("stdout", done.stdout)
    assert_no_secret("stderr", done.stderr)
    assert_no_secret("an argument", "\n".join(watch.seen).encode())
    left = [path for place in (tmp_path, short_path) for path in place.rglob("*")]
    files = [path for path in left if path.is_file() and path != runbook.inventory]
    assert any(path.name == "journal.jsonl" for path in files)
    for path in files:
        assert_no_secret(str(path), path.read_bytes())


def test_the_search_for_secrets_can_fail(tmp_path: Path) -> None:
    for secret in CANARIES:
        for form in forms(secret):
            with pytest.raises(AssertionError):
                assert_no_secret("text", b"before " + form + b" after")
