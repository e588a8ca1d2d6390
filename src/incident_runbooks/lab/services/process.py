# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of a service: how it is started and waited for, and what it does until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import logging
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.processes import ProcessRecord, RunAs, base_environ, collect, spawn
from incident_runbooks.lab.server import HOST

READY = "/lab/ready"

_START_S = 20.0
_POLL_S = 0.01
_OK = 200


@dataclass(frozen=True)
class ServiceProcess:
    """The process of a service, whether it runs or not.

    Attributes:
        name: of the process and of its log.
        called: what people call it.
        module: what Python runs.
        directory: its own, in the lab's.
        port: where it listens.
    """

    name: str
    called: str
    module: str
    directory: Path
    port: int

    @property
    def log(self) -> Path:
        """What the process says."""
        return self.directory.with_name(f"{self.name}.log")

    def start(self, *, mark: Mapping[str, str]) -> ProcessRecord:
        """Start it; :meth:`wait` comes next.

        Args:
            mark: what it carries in its environment, to be found by.
        """
        command = [sys.executable, "-P", "-m", self.module]
        command += ["--directory", str(self.directory), "--port", str(self.port)]
        return spawn(self.name, command, run_as=RunAs.SELF, environ={**base_environ(), **mark}, log=self.log)

    def wait(self, record: ProcessRecord | None) -> None:
        """Wait until it serves.

        Raises:
            RunbookError: it ended, or does not within a third of a minute.
        """
        wait_until(self.answers, record, f"{self.called} on {HOST}:{self.port}", self.log)

    def answers(self) -> bool:
        """Return whether it serves."""
        return answers(self.port, READY)


def answers(port: int, path: str) -> bool:
    """Return whether a server on this machine says 200 to a GET of *path*."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == _OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until(
    served: Callable[[], bool], record: ProcessRecord | None, what: str, log: Path, *, limit_s: float = _START_S
) -> None:
    """Wait until a process that was just started serves.

    Args:
        served: whether it does.
        record: of the process; ``None``: there is none.
        what: it is, and where, such as ``Stripe on 127.0.0.1:4000``.
        log: what it says; the end of it tells why it does not.
        limit_s: how long at most, in seconds.

    Raises:
        RunbookError: it ended, or does not in that time.
    """
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if served():
            return
        collect()
        if record is None or record.find() is None:
            break
        time.sleep(_POLL_S)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:] if log.exists() else []
    raise RunbookError(f"Starting the lab's {what}: {' | '.join(said) or 'no answer'}", hint=str(log))


def print_failure(error: BaseException) -> None:
    """Say on standard error where a request failed and by what kind of error; its text may quote the request."""
    print(_without_text(error), file=sys.stderr)


def _without_text(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__


class _WithoutTexts(logging.Formatter):
    """For what the web server says of requests that it cannot read: the error quotes them, with a token in a header."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the base class's name
        return _without_text(ei[1])


class Serves(Protocol):
    """A server that can be started and stopped."""

    async def start(self, host: str, port: int) -> None:
        """Listen."""

    async def stop(self) -> None:
        """End every connection."""


def run(module: str, called: str, server: Callable[[Path], Serves]) -> int:
    """Serve until told to stop; return the exit status.

    Args:
        module: what Python was told to run.
        called: what people call the service, such as ``the communications``.
        server: makes it from its directory.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--directory", type=Path, required=True, help="their own folder, with the keys in it")
    parser.add_argument("--port", type=int, required=True, help=f"of {HOST}")
    arguments = parser.parse_args()
    said = logging.StreamHandler()
    said.setFormatter(_WithoutTexts())
    logging.basicConfig(handlers=[said], level=logging.WARNING)
    try:
        asyncio.run(_serve(server(arguments.directory), arguments.port))
    except OSError as exc:
        print(f"starting {called} on {HOST}:{arguments.port}: {exc}", file=sys.stderr)
        return 1
    return 0


async def _serve(server: Serves, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.start(HOST, port)
    try:
        await stop.wait()
    finally:
        await server.stop()
