# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in a container: with its environment, in its directory."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from incident_runbooks.lab.cluster.runtime import processes
from incident_runbooks.lab.cluster.runtime.processes import Process

STDOUT, STDERR = 1, 2
_BLOCK = 64 * 1024
_AHEAD = 16  # blocks that are read before somebody takes them
_DRAIN_S = 1.0  # a child that the command left behind may hold its output open


class Session:
    """A command that runs, or has run.

    Attributes:
        exit_code: after its end, 128 + number for a signal; ``None`` when it could not be started.
        failure: why it could not be started.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self.failure: str | None = None
        self._process: Process | None = None
        self._stdin: int | None = None
        self._terminal: int | None = None
        self._output: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(_AHEAD)
        self._tasks: list[asyncio.Task[None]] = []

    async def read(self) -> tuple[int, bytes] | None:
        """Return the channel (1 stdout, 2 stderr) and the next bytes; ``None`` after the end."""
        if self._process is None and self._output.empty():
            return None
        return await self._output.get()

    async def write_stdin(self, data: bytes) -> None:
        """Hand bytes to the command; one that reads no more loses them."""
        view = memoryview(data)
        while view and self._stdin is not None:
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                await _writable(self._stdin)
            except OSError:
                return

    async def close_stdin(self) -> None:
        """Tell the command that no more will come."""
        if self._terminal is not None:
            await self.write_stdin(b"\x04")  # what Ctrl-D sends
        elif self._stdin is not None:
            os.close(self._stdin)
            self._stdin = None

    async def resize(self, width: int, height: int) -> None:
        """Set the size of its terminal, in characters."""
        if self._terminal is not None and self._process is not None:
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
            self._process.send(signal.SIGWINCH)

    async def terminate(self) -> None:
        """End it, whatever it does."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill_group()
            await self._process.wait()
        for task in self._tasks:
            task.cancel()
        self._close()
        with contextlib.suppress(asyncio.QueueFull):  # then nobody waits
            self._output.put_nowait(None)

    def kill(self) -> None:
        """Kill it at once: its container has ended."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill_group()

    def start(self, command: Sequence[str], cwd: Path, environ: Mapping[str, str], *, stdin: bool, tty: bool) -> None:
        """Start the command; ``failure`` says why if that cannot be done."""
        try:
            ends = self._start_on_terminal(command, cwd, environ) if tty else self._start(command, cwd, environ, stdin)
        except OSError as error:
            said = error if error.strerror is None else error.strerror
            self.failure = (
                f"failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: "
                f"unable to start container process: {said}: unknown"
            )
            return
        readers = [asyncio.create_task(self._collect(channel, end)) for channel, end in ends.items()]
        self._tasks = [*readers, asyncio.create_task(self._finish(readers))]

    def _start(self, command: Sequence[str], cwd: Path, environ: Mapping[str, str], stdin: bool) -> dict[int, int]:
        pipes = [os.pipe(), os.pipe(), *([os.pipe()] if stdin else [])]
        mine = [pipes[0][0], pipes[1][0], *(pipe[1] for pipe in pipes[2:])]
        theirs = [pipes[0][1], pipes[1][1], *(pipe[0] for pipe in pipes[2:])]
        try:
            self._process = processes.start(
                command,
                cwd=cwd,
                environ=environ,
                stdout=theirs[0],
                stderr=theirs[1],
                stdin=theirs[2] if stdin else subprocess.DEVNULL,
            )
        except OSError:
            _close_all(mine)
            raise
        finally:
            _close_all(theirs)
        for descriptor in mine:
            os.set_blocking(descriptor, False)
        self._stdin = mine[2] if stdin else None
        return {STDOUT: mine[0], STDERR: mine[1]}

    def _start_on_terminal(self, command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> dict[int, int]:
        mine, theirs = os.openpty()
        try:
            self._process = processes.start(
                command,
                cwd=cwd,
                environ={"TERM": "xterm", **environ},
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                terminal=True,
            )
        except OSError:
            os.close(mine)
            raise
        finally:
            os.close(theirs)
        os.set_blocking(mine, False)
        self._stdin = self._terminal = mine
        return {STDOUT: mine}

    async def _collect(self, channel: int, end: int) -> None:
        try:
            while data := await _read(end):
                await self._output.put((channel, data))
        finally:
            if end != self._terminal:
                os.close(end)

    async def _finish(self, readers: list[asyncio.Task[None]]) -> None:
        assert self._process is not None  # noqa: S101 - started before
        code = await self._process.wait()
        _, late = await asyncio.wait(readers, timeout=_DRAIN_S)
        while late and self._output.full():  # held up by who reads, not by the command
            _, late = await asyncio.wait(late, timeout=_DRAIN_S)
        for reader in late:
            reader.cancel()
        self.exit_code = code if code >= 0 else 128 - code
        await self._output.put(None)
        self._process = None
        self._close()

    def _close(self) -> None:
        for descriptor in {self._stdin, self._terminal} - {None}:
            with contextlib.suppress(OSError):
                os.close(int(descriptor))  # type: ignore[arg-type]
        self._stdin = self._terminal = None


async def capture(command: Sequence[str], cwd: Path, environ: Mapping[str, str], timeout_s: float) -> tuple[int, str]:
    """Run a command and return its exit code and output.

    Raises:
        TimeoutError: it took longer.
    """
    session = Session()
    session.start(command, cwd, environ, stdin=False, tty=False)
    if session.failure is not None:
        return 126, session.failure
    output = b""
    try:
        async with asyncio.timeout(timeout_s):
            while (got := await session.read()) is not None:
                output += got[1][: _BLOCK - len(output)]
    finally:
        await session.terminate()
    return session.exit_code or 0, output.decode("utf-8", errors="replace").strip()


async def _read(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, _BLOCK)
        except BlockingIOError:
            await _ready(descriptor, writing=False)
        except OSError:  # a terminal that nobody has open any more
            return b""


async def _writable(descriptor: int) -> None:
    await _ready(descriptor, writing=True)


async def _ready(descriptor: int, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
