# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL of one's own: made, started, asked and stopped without root's help and without containers."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.binaries import Binaries
from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.processes import (
    ProcessRecord,
    RunAs,
    base_environ,
    collect,
    launch_options,
    spawn,
    stop,
    unprivileged,
    wait_until_gone,
)
from incident_runbooks.lab.server import HOST, Login, Server

MAX_CONNECTIONS = 20
RESERVED_CONNECTIONS = 3
_START_S = 30.0
_STOP_S = 5.0
_PORT_ATTEMPTS = 5
_POLL_S = 0.01

_MARKER = ".incident-runbooks-postgres"

_LOG_PREFIX = re.compile(r"^\S+ \S+ UTC \[\d+\] \w{5} ")  # of log_line_prefix below, where there is no session

# No durability: the data is thrown away. Everything that outlives a crash is kept inside the data directory.
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": MAX_CONNECTIONS,
    "superuser_reserved_connections": RESERVED_CONNECTIONS,
    "password_encryption": "scram-sha-256",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",
    "max_wal_senders": 2,
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "log_statement": "all",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_line_prefix": "%m [%p] %e %q%u@%d/%a ",  # with the SQLSTATE, which libpq hides when a connection is refused
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
}


def lay_out(binaries: Binaries, directory: Path, *, run_as: RunAs | None = None) -> Server:
    """Decide where a new server's files go and who its roles are; :func:`initialise` comes next.

    Args:
        binaries: the programs to use.
        directory: an existing directory of the caller's; the log goes there, and the data where that is possible.
        run_as: otherwise what :func:`unprivileged` says.
    """
    run_as = run_as or unprivileged()
    return Server(
        folder=binaries.folder,
        major=binaries.major,
        version=binaries.version,
        source=binaries.source,
        run_as=run_as,
        data=_workspace(directory, run_as) / "data",
        log=directory / "postgres.log",
        superuser=Login.generate("postgres"),
        ops=Login.generate("brandconnect_ops"),
        app=Login.generate("brandconnect_app"),
        dba=Login.generate("brandconnect_dba"),
    )


def initialise(server: Server, *, mark: Mapping[str, str] | None = None) -> None:
    """Make the database cluster; it is not started.

    Args:
        server: as :func:`lay_out` returned it.
        mark: see :func:`start`.

    Raises:
        RunbookError: ``initdb`` failed.
    """
    password_file = server.data.parent / "password"
    password_file.touch(mode=0o600)
    try:
        password_file.write_text(server.superuser.password + "\n", encoding="ascii")
        _give(password_file, server.run_as)
        _initdb(server, password_file, base_environ() | dict(mark or {}))
    finally:
        password_file.unlink()
    _configure(server)


def start(
    server: Server, *, mark: Mapping[str, str] | None = None, on_spawn: Callable[[ProcessRecord], None] = lambda _: None
) -> tuple[Server, ProcessRecord]:
    """Start a server and wait until it accepts connections, on its old port if that is still free.

    Args:
        server: as :func:`initialise` left it, or one that was stopped or crashed.
        mark: what the server's process carries in its environment, to be found by.
        on_spawn: told the process before it is ready, so that nothing started is ever unknown.

    Returns:
        The server with its port, and its process.

    Raises:
        RunbookError: it does not start.
    """
    release_shared_memory(server)
    environ = base_environ() | dict(mark or {})
    for _ in range(_PORT_ATTEMPTS):
        server = replace(server, port=_free_port(server.port))
        log_offset = server.log.stat().st_size if server.log.exists() else 0
        command: list[str | Path] = [server.folder / "postgres", "-D", server.data, "-p", str(server.port)]
        record = spawn("postgres", command, run_as=server.run_as, environ=environ, log=server.log)
        on_spawn(record)
        if _ready(server, record):
            return server, record
        said = _log_after(server, log_offset)
        if "Address already in use" not in said:  # otherwise somebody took the port in between: another one
            raise RunbookError(f"Starting PostgreSQL {server.version} in {server.data}: {_causes(said)}")
    raise RunbookError(f"Starting PostgreSQL {server.version} on {HOST}: no port stays free; start fewer at once")


def stop_server(server: Server, record: ProcessRecord | None) -> None:
    """Stop a server and whatever is left of it, also when its first process was killed before."""
    process = record.find() if record else None
    alive = [process] if process else []
    for how in (signal.SIGINT, signal.SIGQUIT):  # fast shutdown, then immediate shutdown
        for each in alive:
            with suppress(psutil.Error):
                each.send_signal(how)
        alive = wait_until_gone(alive, _STOP_S)
    stop(alive + stray_processes(server))
    release_shared_memory(server)


def remove(server: Server) -> None:
    """Remove the files of a stopped server, also those outside of the lab's directory."""
    workspace = server.data.parent
    if (workspace / _MARKER).is_file():
        shutil.rmtree(workspace)


def stray_processes(server: Server) -> list[psutil.Process]:
    """Return processes that still work in the server's data directory: a killed server can leave some behind."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == "postgres" and Path(process.cwd()) == server.data:
                found.append(process)
    return found


def release_shared_memory(server: Server) -> None:
    """Remove the System V segment that a killed server leaves behind; its lock file names it (line 7)."""
    if sys.platform != "linux" or stray_processes(server):
        return
    lines = _pid_file(server)
    if len(lines) < 7 or len(words := lines[6].split()) != 2 or not all(word.isdigit() for word in words):  # noqa: PLR2004 - miscadmin.h
        return
    key, identifier = map(int, words)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.shmget(key, 0, 0) == identifier:  # the identifier alone could belong to somebody else by now
        libc.shmctl(identifier, 0, None)  # IPC_RMID is 0


def _workspace(directory: Path, run_as: RunAs) -> Path:
    """Make the folder around the data directory; an account without access to *directory* gets one of its own."""
    if run_as is not RunAs.NOBODY:
        workspace = directory / "postgres"
        workspace.mkdir(mode=0o700)
    else:
        workspace = Path(tempfile.mkdtemp(prefix="incident-runbooks-lab-"))
    (workspace / _MARKER).touch(mode=0o600)
    _give(workspace, run_as)
    return workspace


def _initdb(server: Server, password_file: Path, environ: Mapping[str, str]) -> None:
    prefix, options = launch_options(server.run_as)
    command = [*prefix, str(server.folder / "initdb"), "-D", str(server.data), "-U", server.superuser.user]
    command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--no-locale"]
    command += ["--no-sync", "--no-instructions"]
    attempted = f"Running initdb of PostgreSQL {server.version} as {server.run_as} in {server.data}"
    try:
        done = subprocess.run(  # noqa: S603 - no shell, our own arguments
            command,
            env=dict(environ),
            cwd="/",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_START_S * 2,
            check=False,
            start_new_session=True,
            **options,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise RunbookError(f"{attempted}: {error}") from error
    if done.returncode != 0:
        raise RunbookError(f"{attempted}: {_causes(done.stderr)}")


def _configure(server: Server) -> None:
    settings: dict[str, Any] = dict(_SETTINGS)
    if server.major >= 16:  # noqa: PLR2004 - reserved_connections came with 16
        settings["reserved_connections"] = 0
    if has_statement_statistics(server.folder):
        settings["shared_preload_libraries"] = "pg_stat_statements"
    lines = [f"{name} = '{value}'" for name, value in settings.items()]
    with (server.data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\n".join(["", "# the lab's own", *lines, ""]))


def has_statement_statistics(folder: Path) -> bool:
    """Return whether the installation carries pg_stat_statements."""
    return any((folder.parent / "lib").rglob("pg_stat_statements.*"))


def _ready(server: Server, record: ProcessRecord) -> bool:
    """Wait until the server's lock file says that it accepts connections; False if it ended instead."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        lines = _pid_file(server)
        if len(lines) > 7 and lines[0] == str(record.pid) and lines[7].strip() == "ready":  # noqa: PLR2004 - miscadmin.h
            return True
        collect()
        if record.find() is None:
            return False
        time.sleep(_POLL_S)
    stop_server(server, record)
    return False


def _pid_file(server: Server) -> list[str]:
    try:
        return (server.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _free_port(preferred: int) -> int:
    if not preferred:
        return free_port()
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, preferred))
        return preferred
    return free_port()


def _log_after(server: Server, offset: int) -> str:
    with server.log.open("rb") as file:
        file.seek(offset)
        return file.read(65536).decode("utf-8", errors="replace")


def _causes(said: str) -> str:
    """Return the last lines of a program's output without the log's prefix: the last says what, those before why."""
    lines = [_LOG_PREFIX.sub("", line.strip()) for line in said.splitlines() if line.strip()]
    return " | ".join(lines[-3:])[-500:] or "it ended without a word"


def _give(path: Path, run_as: RunAs) -> None:
    if run_as is RunAs.NOBODY:
        _, options = launch_options(run_as)
        os.chown(path, options["user"], options["group"])
