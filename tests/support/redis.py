# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Redis servers for tests, without a lab, with redis-cli as the second channel.

``redis_server`` is a fixture: a function that starts one with settings of the test's own. All are stopped at its end.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks.lab.binaries import find_program
from incident_runbooks.lab.ports import free_port

HOST = "127.0.0.1"
PASSWORD = "c4n4ry/redis passwörd"

Settings = Mapping[str, str]


def eventually(true: Callable[[], Any], what: str, limit_s: float = 20) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"still waiting: {what}"
        time.sleep(0.02)


class RedisServer:
    """A server.

    Attributes:
        directory: with its data, its configuration and its log.
        port: where it listens.
        tls: whether with TLS.
    """

    def __init__(self, directory: Path, settings: Settings, tls: Mapping[str, Path] | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self.tls = tls
        self._settings = {
            "bind": HOST,
            "port": "0" if tls else str(self.port),
            "dir": f'"{directory}"',
            "logfile": '"redis.log"',
            "save": '""',
            "requirepass": f'"{PASSWORD}"',
            "daemonize": "no",
            **({"tls-port": str(self.port), "tls-auth-clients": "no"} if tls else {}),
            **({f"tls-{name}": f'"{path}"' for name, path in (tls or {}).items()}),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = find_program("redis-server")
        (self.directory / "redis.log").unlink(missing_ok=True)
        file = self.directory / "redis.conf"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name} {value}\n" for name, value in self._settings.items()), encoding="utf-8")
        self._process = subprocess.Popen(
            [program.path, file], env={**os.environ, **program.environ}, cwd=self.directory
        )
        eventually(self._has_started, "Redis has started")

    def _has_started(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        return "Ready to accept" in self.log() or "Loading RDB" in self.log()

    def log(self) -> str:
        file = self.directory / "redis.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def stop(self) -> None:
        """End it at once, without saving."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait(10)
            self._process = None

    def cli(self, *command: str, user: str = "default", password: str = PASSWORD) -> str:
        """Return what redis-cli prints."""
        program = find_program("redis-cli")
        tls = ["--tls", "--cacert", self.tls["ca-cert-file"]] if self.tls else []
        done = subprocess.run(
            [program.path, "-h", HOST, "-p", str(self.port), *tls, "--user", user, *command],
            env={**os.environ, **program.environ, "REDISCLI_AUTH": password},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done.stdout.strip()

    def info(self, name: str) -> str:
        """Return one value of INFO."""
        return next(line.split(":", 1)[1] for line in self.cli("INFO").splitlines() if line.startswith(f"{name}:"))

    def options(self, **given: Any) -> dict[str, Any]:
        """Return module options for it."""
        login = {"redis_host": HOST, "redis_port": self.port, "redis_password": PASSWORD}
        return {**login, "redis_request_timeout": 10, **given}


@contextlib.contextmanager
def running(directory: Path, settings: Settings, tls: Mapping[str, Path] | None = None) -> Iterator[RedisServer]:
    """A server that answers."""
    directory.mkdir(parents=True, exist_ok=True)
    server = RedisServer(directory, settings, tls)
    try:
        server.start()
        yield server
    finally:
        server.stop()


Starter = Callable[..., RedisServer]


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Starter]:
    """Start a server; settings are given as keywords, ``_`` for ``-``."""
    with contextlib.ExitStack() as stack:

        def start(tls: Mapping[str, Path] | None = None, **settings: str) -> RedisServer:
            named = {name.replace("_", "-"): value for name, value in settings.items()}
            return stack.enter_context(running(tmp_path / f"redis-{free_port()}", named, tls))

        yield start
