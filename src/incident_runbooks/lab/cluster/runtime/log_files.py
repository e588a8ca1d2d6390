# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of containers: one file for each instance, each line with its time, as a CRI runtime writes them.

A line of the file is ``<time> <stream> <tag> <text>``, with the tag ``F``, or ``P`` where the line goes on.
Time and stream have a fixed width, so that what stands before the text is cut off without parsing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from incident_runbooks.lab.cluster.cluster import LogOptions

STDOUT, STDERR = b"stdout", b"stderr"

_STAMP = 30  # characters of 2026-01-31T12:00:00.123456789Z
_HEAD = _STAMP + len(b" stdout F ")
_TAG = _HEAD - 2
_PARTIAL = ord("P")
_LONGEST = 16 * 1024  # a line that has not ended by then is written in parts
_BLOCK = 64 * 1024


class LogFile:
    """The log of one instance of a container, which it writes at present or has written.

    Args:
        path: its file, which only its owner can read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.closed = False
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._pending: dict[bytes, bytes] = {}
        self._latest = 0
        self._grown = asyncio.Event()

    def write(self, stream: bytes, data: bytes) -> None:
        """Add what came from a stream; a line is written when it is complete."""
        head, newline, rest = (self._pending.pop(stream, b"") + data).rpartition(b"\n")
        written = b""
        if newline:
            before = self._prefix(stream, b"F")
            written = before + head.replace(b"\n", b"\n" + before) + b"\n"
        while len(rest) > _LONGEST:
            written += self._prefix(stream, b"P") + rest[:_LONGEST] + b"\n"
            rest = rest[_LONGEST:]
        if rest:
            self._pending[stream] = rest
        if written:
            self._append(written)

    def close(self) -> None:
        """Write what is left of lines that have no end, and tell who follows."""
        if self.closed:
            return
        for stream, rest in self._pending.items():
            self._append(self._prefix(stream, b"P") + rest + b"\n")
        self._pending.clear()
        self.closed = True
        os.close(self._descriptor)
        self._wake()

    async def more(self) -> None:
        """Wait until something was added, or it was closed."""
        if not self.closed:
            await self._grown.wait()

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._wake()

    def _wake(self) -> None:
        woken, self._grown = self._grown, asyncio.Event()
        woken.set()

    def _prefix(self, stream: bytes, tag: bytes) -> bytes:
        self._latest = max(self._latest, time.time_ns())  # never back: searching by time relies on it
        return b"%s %s %s " % (_stamp(self._latest), stream, tag)


class Collector(asyncio.Protocol):
    """Takes what comes through a pipe to a log.

    Args:
        log: where to.
        stream: which of the two.
    """

    def __init__(self, log: LogFile, stream: bytes) -> None:
        self.log = log
        self._stream = stream
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Write it at once: while we do, the pipe holds the container back."""
        if not self.log.closed:
            self.log.write(self._stream, data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        """Nobody has the other end any more."""
        if not self.ended.done():
            self.ended.set_result(None)


async def read(log: LogFile, options: LogOptions) -> AsyncIterator[bytes]:
    """Yield a log in chunks.

    Args:
        log: which.
        options: which part of it; ``previous`` was the caller's to look at.
    """
    left = options.limit_bytes
    async for chunk in _chunks(log, options):
        if left is None:
            yield chunk
            continue
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def read_now(log: LogFile, options: LogOptions) -> Iterator[bytes]:
    """Yield what of a log is there, without limit."""
    with log.path.open("rb") as file:
        file.seek(_start(file, options))
        carried = b""
        while block := file.read(_BLOCK):
            lines, newline, carried = (carried + block).rpartition(b"\n")
            if newline:
                yield b"".join(_shown(lines, timestamps=options.timestamps))


async def _chunks(log: LogFile, options: LogOptions) -> AsyncIterator[bytes]:
    with log.path.open("rb") as file:
        file.seek(_start(file, options))
        carried = b""
        while True:
            closed = log.closed
            block = file.read(_BLOCK)
            lines, newline, carried = (carried + block).rpartition(b"\n")
            if newline:
                yield b"".join(_shown(lines, timestamps=options.timestamps))
                await asyncio.sleep(0)
            elif not block:
                if closed or not options.follow:
                    return
                await log.more()


def _shown(lines: bytes, *, timestamps: bool) -> Iterator[bytes]:
    """Yield the texts of whole lines of the file."""
    for line in lines.split(b"\n"):
        if timestamps:
            yield line[: _STAMP + 1]
        yield line[_HEAD:]
        if line[_TAG] != _PARTIAL:
            yield b"\n"


def _start(file: io.BufferedReader, options: LogOptions) -> int:
    """Return where in the file the wanted part begins."""
    size = file.seek(0, os.SEEK_END)
    start = 0
    if options.tail_lines is not None:
        start = _tail(file, size, options.tail_lines)
    since = _since(options)
    return start if since is None else max(start, _first_since(file, size, since))


def _since(options: LogOptions) -> bytes | None:
    if options.since_time is not None:
        return _stamp(int(options.since_time.timestamp() * 1_000_000) * 1000)
    if options.since_seconds is not None:
        return _stamp(max(0, time.time_ns() - options.since_seconds * 1_000_000_000))
    return None


def _tail(file: io.BufferedReader, size: int, count: int) -> int:
    """Return where the last *count* lines begin; reads no more than those."""
    if count <= 0:
        return size
    end, wanted = size, count + 1  # the file ends with a newline
    while end > 0:
        begin = max(0, end - _BLOCK)
        file.seek(begin)
        block = file.read(end - begin)
        found = block.count(b"\n")
        if found < wanted:
            wanted -= found
            end = begin
            continue
        position = len(block)
        for _ in range(wanted):
            position = block.rindex(b"\n", 0, position)
        return begin + position + 1
    return 0


def _first_since(file: io.BufferedReader, size: int, since: bytes) -> int:
    """Return where the first line begins that is not older; bisects, because the times only rise."""
    low, high = 0, size  # the line begins in this range
    while low < high:
        middle = (low + high) // 2
        begin = _line_after(file, middle)
        file.seek(begin)
        if begin >= high:
            high = middle
        elif file.read(_STAMP) < since:
            low = begin + 1
        else:
            high = middle
    return _line_after(file, low)


def _line_after(file: io.BufferedReader, position: int) -> int:
    """Return where the first line begins at a position or after it."""
    if position == 0:
        return 0
    file.seek(position - 1)
    file.readline()
    return file.tell()


def _stamp(nanoseconds: int) -> bytes:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    instant = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z".encode()
