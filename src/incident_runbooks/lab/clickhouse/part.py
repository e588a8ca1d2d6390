# SPDX-License-Identifier: GPL-3.0-or-later
"""ClickHouse as a part of the lab: its directory, its process, how clients reach it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incident_runbooks.lab.binaries import Program, debian
from incident_runbooks.lab.clickhouse import old_server, small_disk
from incident_runbooks.lab.clickhouse.client import Client
from incident_runbooks.lab.clickhouse.logins import USER, write_logins
from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.processes import ProcessRecord, RunAs, base_environ, spawn
from incident_runbooks.lab.server import HOST, Login
from incident_runbooks.lab.services import process
from incident_runbooks.lab.services.process import wait_until

NAME = "clickhouse"
DATABASE = "analytics"
_MODULE = "incident_runbooks.lab.clickhouse"
_READY = "/ping"
_START_S = 30.0

Json = dict[str, Any]


@dataclass(frozen=True)
class ClickHousePart:
    """A ClickHouse of a lab, whether it runs or not.

    Attributes:
        directory: its own; ``data`` is in it.
        port: of its HTTP interface.
        login: who may do everything.
        program: Debian's server; ``None``: the engine of the wheel chdb-core.
    """

    directory: Path
    port: int
    login: Login
    program: Path | None = None

    @property
    def url(self) -> str:
        """The base of its HTTP interface, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    @property
    def user(self) -> str:
        """Who may do everything."""
        return self.login.user

    @property
    def password(self) -> str:
        """Of :attr:`user`."""
        return self.login.password

    @property
    def data(self) -> Path:
        """What the server keeps."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What the process says."""
        return self.directory.with_name(f"{self.directory.name}.log")

    @property
    def client(self) -> Client:
        """How the lab itself asks it."""
        return Client(self.url, self.login)

    def variables(self) -> Json:
        """Return the variables of the inventory's host ``clickhouse``."""
        return {
            "clickhouse_url": self.url,
            "clickhouse_user": self.user,
            "clickhouse_password": self.password,
            "clickhouse_database": DATABASE,
        }

    def to_plain(self) -> Json:
        """Return it as lab.json holds it."""
        return {
            "directory": str(self.directory),
            "port": self.port,
            "login": self.login.to_plain(),
            "program": str(self.program) if self.program else None,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ClickHousePart:
        """Return what :meth:`to_plain` wrote."""
        return cls(
            directory=Path(plain["directory"]),
            port=int(plain["port"]),
            login=Login(**plain["login"]),
            program=Path(plain["program"]) if plain["program"] else None,
        )


def available() -> bool:
    """Return whether the engine of the wheel chdb-core is installed; it is not imported."""
    return importlib.util.find_spec("chdb") is not None


def lay_out(directory: Path, program: Program | None = None) -> ClickHousePart:
    """Make its directory in the lab's *directory*, with a new password, and choose its port.

    Args:
        directory: the lab's.
        program: Debian's server; otherwise the engine of the wheel chdb-core serves.
    """
    own = directory / (f"{NAME}-old" if program else NAME)
    own.mkdir(mode=0o700)
    part = ClickHousePart(own, free_port(), Login.generate(USER), program.path if program else None)
    part.data.mkdir(mode=0o700)
    if program:
        old_server.configure(own, part.port, part.login)
    else:
        write_logins(own, part.login)
    return part


def start(part: ClickHousePart, *, mark: Mapping[str, str], disk_bytes: int | None = None) -> ProcessRecord:
    """Start its process; :func:`wait_until_they_answer` comes next.

    Args:
        part: where.
        mark: what it carries in its environment, to be found by.
        disk_bytes: give it a disk of that size, which begins with the data that is there and is gone with the
            process; see :mod:`.small_disk`.

    Raises:
        RunbookError: this machine does not allow a small disk.
    """
    environ = {**base_environ(), **mark}
    command: list[str | Path] = [sys.executable, "-P", "-m", _MODULE]
    command += ["--directory", part.directory, "--port", str(part.port)]
    if part.program:
        command = old_server.command(part.program, part.directory)
        environ |= debian.library_environ(part.program.parents[2], environ)
    if disk_bytes is not None:
        command = small_disk.around(command, part.data, disk_bytes)
    return spawn(part.directory.name, command, run_as=RunAs.SELF, environ=environ, log=part.log)


def wait_until_they_answer(part: ClickHousePart, record: ProcessRecord | None) -> None:
    """Wait until the process serves.

    Raises:
        RunbookError: it ended, or does not within half a minute.
    """
    what = f"ClickHouse on {HOST}:{part.port}"
    wait_until(lambda: answers(part), record, what, part.log, limit_s=_START_S)


def answers(part: ClickHousePart) -> bool:
    """Return whether the process serves."""
    return process.answers(part.port, _READY)


def clear(part: ClickHousePart) -> None:
    """Forget all that it holds; its process must not run."""
    shutil.rmtree(part.data)
    part.data.mkdir(mode=0o700)
