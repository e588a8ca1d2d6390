# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of the lab: how they are started, recognised again by a later command, and stopped."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

_NAMESPACE = ("unshare", "-U", "--map-user=65534", "--map-group=65534")
_POLL_S = 0.01
_children: dict[int, subprocess.Popen[bytes]] = {}  # ours to collect, so that none stays behind as a zombie


class RunAs(StrEnum):
    """As whom a server runs that refuses to be root."""

    SELF = "self"
    NAMESPACE = "user-namespace"  # not root inside; outside the files stay the caller's
    NOBODY = "nobody"


@functools.cache
def unprivileged() -> RunAs:
    """Return how a program that refuses uid 0 can be run here."""
    if os.geteuid() != 0:
        return RunAs.SELF
    if shutil.which("unshare"):
        probe = subprocess.run([*_NAMESPACE, "true"], capture_output=True, timeout=10, check=False)  # noqa: S603 - a constant
        if probe.returncode == 0:
            return RunAs.NAMESPACE
    return RunAs.NOBODY


def launch_options(run_as: RunAs) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return what comes before the command, and the options for :mod:`subprocess`."""
    if run_as is RunAs.NAMESPACE:
        return _NAMESPACE, {}
    if run_as is RunAs.NOBODY:
        account = pwd.getpwnam("nobody")
        return (), {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return (), {}


@dataclass(frozen=True)
class ProcessRecord:
    """What lab.json keeps of a process.

    Attributes:
        name: what it is, such as ``postgres``.
        pid: process id.
        started: with the pid it identifies the process: a later one with the same pid started at another time.
    """

    name: str
    pid: int
    started: str

    @classmethod
    def of(cls, name: str, pid: int) -> ProcessRecord:
        """Return the record of a process that was just started."""
        return cls(name=name, pid=pid, started=_start_mark(pid) or "gone")

    def to_plain(self) -> dict[str, Any]:
        """Return it as lab.json holds it."""
        return asdict(self)

    def find(self) -> psutil.Process | None:
        """Return the process if it is alive and still the same one."""
        try:
            process = psutil.Process(self.pid)
        except psutil.Error:
            return None
        return process if _runs(process) and _start_mark(self.pid) == self.started else None


def spawn(
    name: str, command: Sequence[str | Path], *, run_as: RunAs, environ: Mapping[str, str], log: Path
) -> ProcessRecord:
    """Start a process that outlives this command and that the terminal's Ctrl-C does not reach.

    Args:
        name: for the record.
        command: program and arguments; never a secret.
        run_as: see :func:`unprivileged`.
        environ: its whole environment.
        log: standard output and error are appended to this file, which only its owner can read.
    """
    prefix, options = launch_options(run_as)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        child = subprocess.Popen(  # noqa: S603 - no shell, no foreign text
            [*prefix, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=dict(environ),
            cwd="/",
            start_new_session=True,
            **options,
        )
    finally:
        os.close(descriptor)
    _children[child.pid] = child
    return ProcessRecord.of(name, child.pid)


def stop(processes: Sequence[psutil.Process], *, grace_s: float = 5.0) -> None:
    """Stop processes and everything below them: SIGTERM, a grace in seconds, SIGKILL."""
    tree = [*processes, *(child for process in processes for child in _below(process))]
    for process in tree:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    stubborn = wait_until_gone(tree, grace_s)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    wait_until_gone(stubborn, grace_s)


def wait_until_gone(waiting: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until processes have ended, and return those that have not.

    A zombie has ended: in a container nobody may ever collect it.
    """
    deadline = time.monotonic() + seconds
    while True:
        collect()
        alive = [process for process in waiting if _runs(process)]
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(_POLL_S)


def marked(variable: str, value: str) -> list[psutil.Process]:
    """Return the processes that carry *value* in that variable of their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(variable) == value:
                found.append(process)
    return found


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a second Ctrl-C not cut off the clean-up that the first one began."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def exit_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that a command that is told to end cleans up first."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def collect() -> None:
    """Collect the exit status of our own children that have ended."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def base_environ() -> dict[str, str]:
    """Return the environment of the lab's processes: nothing of the operator's that they do not need."""
    keep = {
        name: _absolute(value) for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH") if (value := os.environ.get(name))
    }
    return keep | {"LANG": "C.UTF-8", "LC_ALL": "C", "TZ": "UTC"}


def _absolute(search_path: str) -> str:
    return os.pathsep.join(str(Path(entry).absolute()) for entry in search_path.split(os.pathsep) if entry)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _start_mark(pid: int) -> str | None:
    """Return when a process started, in a form that no step of the wall clock changes."""
    if sys.platform != "linux":
        try:
            return f"{psutil.Process(pid).create_time():.2f}"
        except psutil.Error:
            return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return f"{_boot_id()}/{fields[19]}"  # proc(5): field 22, in clock ticks since the machine started


@functools.cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
