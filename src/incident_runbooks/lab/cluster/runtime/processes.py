# SPDX-License-Identifier: GPL-3.0-or-later
"""Local processes that an asyncio loop starts, waits for and ends: without a thread for each."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path


class Process:
    """A process at the head of a session of its own.

    Attributes:
        pid: its id, and that of its process group.
        returncode: after its end; negative for a signal.
    """

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self.pid = child.pid
        self.returncode: int | None = None
        self._child = child
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._follow()

    async def wait(self) -> int:
        """Wait for its end and return its return code; cancelling that does it no harm."""
        return await asyncio.shield(self._ended)

    def send(self, number: int) -> None:
        """Send it a signal, as a runtime does: to the first process of a container only."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill_group(self) -> None:
        """Kill what is left of its process group; when the first process of a container ends, the others do."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        if hasattr(os, "pidfd_open"):
            descriptor = os.pidfd_open(self.pid)
            loop.add_reader(descriptor, self._collect, descriptor)
            return

        def wait() -> None:
            self._child.wait()
            with contextlib.suppress(RuntimeError):  # the loop has ended before the process
                loop.call_soon_threadsafe(self._finish)

        threading.Thread(target=wait, daemon=True, name=f"wait-{self.pid}").start()

    def _collect(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        self._child.wait()  # it has ended: this collects it at once
        self._finish()

    def _finish(self) -> None:
        self.returncode = self._child.returncode
        if not self._ended.done():
            self._ended.set_result(self.returncode)


def start(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    terminal: bool = False,
) -> Process:
    """Start a process that the kernel kills when this one dies.

    Args:
        argv: program and arguments; the program is looked for on the PATH of *environ*.
        cwd: where it works.
        environ: its whole environment.
        stdin: file descriptor; likewise *stdout* and *stderr*.
        stdout: see *stdin*.
        stderr: see *stdin*.
        terminal: *stdin* is a terminal, and shall control it.

    Raises:
        OSError: there is no such program, or it cannot be executed.
    """
    program = find_program(argv[0], cwd=cwd, search_path=environ.get("PATH", ""))
    child = subprocess.Popen(  # noqa: S603 - running what a pod says is what this is for
        [*_bound_to_us(), *(("setsid", "--ctty") if terminal else ()), program, *argv[1:]],
        cwd=cwd,
        env=dict(environ),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=not terminal,  # with a terminal setsid(1) does it, and takes the terminal
    )
    return Process(child)


def find_program(name: str, *, cwd: Path, search_path: str) -> str:
    """Return the path of a program.

    Raises:
        FileNotFoundError: worded as the container runtime words it; likewise PermissionError.
    """
    if "/" not in name:
        if found := shutil.which(name, path=search_path):
            return found
        raise FileNotFoundError(f'exec: "{name}": executable file not found in $PATH')
    path = cwd / name
    if not path.exists():
        raise FileNotFoundError(f'exec: "{name}": stat {name}: no such file or directory')
    if path.is_dir() or not os.access(path, os.X_OK):
        raise PermissionError(f'exec: "{name}": permission denied')
    return str(path)


@functools.cache
def _bound_to_us() -> tuple[str, ...]:
    """What to put before a command so that it does not outlive this process, where the system can do that.

    setpriv(1) replaces itself with the command: PR_SET_PDEATHSIG stays, and a fork of this whole process
    with Python code in the child is not needed.
    """
    launcher = shutil.which("setpriv") if sys.platform == "linux" else None
    return (launcher, "--pdeathsig", "KILL", "--") if launcher else ()
