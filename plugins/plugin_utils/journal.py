# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Write and read journals: JSON lines, chained by hash, appended as things happen.

A line: ``{"v": 1, "seq": n, "at": RFC 3339, "run_id": .., "type": .., "data": {..}, "prev": hash, "hash": hash}``.
Several runs append to one journal. Only one process writes at a time: it holds the incident's lock.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ansible_collections.brandconnect.incidents.plugins.module_utils.canonical import GENESIS, canonical
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.hash_chain import Line, chain_problems, seal
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_records import payload
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import Redactor

FORMAT_VERSION = 1
FILE_NAME = "journal.jsonl"
DAMAGED = "journal_damaged"  # what the chain does not show any more, as the run that found it noted
_TAIL_BLOCK = 64 * 1024
_REQUIRED = {"seq": int, "at": str, "run_id": str, "type": str, "data": dict, "prev": str, "hash": str}


class JournalError(IncidentsError):
    """The journal cannot be written or read; what is not recorded must not be done."""


@dataclass(frozen=True)
class Journal:
    """What a journal file holds.

    Attributes:
        records: every readable record, in the file's order.
        problems: what is wrong with the file, one text each, naming the line; empty when all is well.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def damage(self) -> list[str]:
        """The problems because of which it cannot be trusted; what a crash tore was never whole, and is none."""
        return [problem for problem in self.problems if ": torn, " not in problem]


def utc_now() -> str:
    """The present instant, RFC 3339 in UTC."""
    return rfc3339(dt.datetime.now(dt.UTC))


def parse_record(raw: bytes | str) -> dict[str, Any] | None:
    """Return the record that a line holds, ``None`` where it holds none. Unknown keys and types are kept."""
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        record = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    right = all(isinstance(record.get(key), kind) for key, kind in _REQUIRED.items())
    return record if right else None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None  # 1e999 is JSON, infinity is not


def parse_lines(content: bytes) -> Iterator[Line]:
    """Split a journal file into its lines; the last one may be torn."""
    parts = content.split(b"\n")
    last = len(parts) - 1
    for index, raw in enumerate(parts):
        if raw or index < last:
            yield Line(index + 1, raw, parse_record(raw), ended=index < last)


def read_journal(path: Path) -> Journal:
    """Read a journal, also one with a torn end, garbage bytes or records of a later version.

    Raises:
        JournalError: the file cannot be read.
    """
    try:
        lines = list(parse_lines(path.read_bytes()))
    except OSError as error:
        raise JournalError(f"Reading the journal {path}: {error.strerror}") from error
    records = [line.record for line in lines if line.record is not None]
    return Journal(records, [*chain_problems(lines), *_noted(lines)])


def _noted(lines: Iterable[Line]) -> Iterator[str]:
    for line in lines:
        if line.record is not None and line.record["type"] == DAMAGED:
            found = line.record["data"].get("problem")
            yield f"line {line.number}: the run {line.record['run_id']} found it damaged: {found}"


def verify_chain(path: Path) -> list[str]:
    """Return what is wrong with a journal's chain, naming line numbers; empty when all is well.

    Raises:
        JournalError: the file cannot be read.
    """
    return read_journal(path).problems


@dataclass(frozen=True)
class _Tail:
    """The end of an existing journal: what a writer continues from."""

    previous: str = GENESIS
    seq: int = 0
    torn_bytes: int = 0
    ended: bool = True


class JournalWriter:
    """Appends to a journal; one write a line, redacted and bounded before it is written.

    The holder of the incident's lock opens it. After an append that failed it refuses to go on, because the
    file may end in half a line: the next writer recovers it.

    Args:
        path: the journal file; made with mode 0600 where it does not exist.
        run_id: the run that writes.
        redactor: knows the secrets; without one nothing is redacted.
        now: the clock, RFC 3339.

    Raises:
        JournalError: the file cannot be opened or continued.
    """

    def __init__(
        self, path: Path, run_id: str, *, redactor: Redactor | None = None, now: Callable[[], str] = utc_now
    ) -> None:
        self.path = path
        self.run_id = run_id
        self.redactor = redactor if redactor is not None else Redactor()
        self._now = now
        self._broken = False
        try:
            self._fd = self._open()
            tail = _read_tail(self._fd)
            self._size = os.fstat(self._fd).st_size
            if not tail.ended:
                self._write(b"\n")
        except OSError as error:
            raise self._error("Opening", error) from error
        self._previous, self._seq = tail.previous, tail.seq
        if tail.torn_bytes:
            self.append("journal_recovered", {"torn_bytes": tail.torn_bytes}, durable=True)

    def append(self, kind: str, data: Mapping[str, Any], *, durable: bool = False) -> dict[str, Any]:
        """Append one record and return it as it was written.

        Args:
            kind: the record's type.
            data: its payload; redacted and bounded here.
            durable: do not return before the line is on the disk.

        Raises:
            JournalError: it could not be written.
        """
        body = {
            "v": FORMAT_VERSION,
            "seq": self._seq + 1,
            "at": self._now(),
            "run_id": self.run_id,
            "type": kind,
            "data": payload(kind, data, self.redactor),
            "prev": self._previous,
        }
        record = seal(body)
        try:
            self._write(canonical(record).encode("ascii") + b"\n")
        except OSError as error:
            raise self._error("Writing", error) from error
        self._previous, self._seq = record["hash"], record["seq"]
        if durable:
            self.sync()
        return record

    def sync(self) -> None:
        """Return when everything appended is on the disk.

        Raises:
            JournalError: the disk does not take it.
        """
        try:
            os.fsync(self._fd)
        except OSError as error:
            self._broken = True  # what an fsync lost, a later one does not bring back
            raise self._error("Writing", error) from error

    def close(self) -> None:
        """Close the file; appending afterwards is an error."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._broken = -1, True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> int:
        new = not self.path.exists()
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(fd, 0o600)  # whatever the umask took away or an earlier hand had added
        if new:
            sync_directory(self.path.parent)
        return fd

    def _write(self, line: bytes) -> None:
        if self._broken:
            raise OSError(0, "an earlier write failed, or it is closed")
        if os.fstat(self._fd).st_size != self._size:
            self._broken = True
            raise OSError(0, "another process has written to it")
        self._broken = True  # until it is known to be whole
        written = os.write(self._fd, line)
        if written != len(line):
            raise OSError(0, f"only {written} of {len(line)} bytes were written; is the disk full?")
        self._size += written
        self._broken = False

    def _error(self, what: str, error: OSError) -> JournalError:
        return JournalError(f"{what} the journal {self.path}: {error.strerror}")


def _read_tail(fd: int) -> _Tail:
    """Find the last valid record from the end, without reading a long journal from its beginning."""
    size = os.fstat(fd).st_size
    block = _TAIL_BLOCK
    while size:
        start = max(0, size - block)
        content = os.pread(fd, size - start, start)
        tail = _tail_of(content, whole=start == 0)
        if tail:
            return tail
        block *= 4
    return _Tail()


def _tail_of(content: bytes, *, whole: bool) -> _Tail | None:
    ended = content.endswith(b"\n")
    lines = list(parse_lines(content))
    after = 0
    for line in reversed(lines if whole else lines[1:]):
        if line.record is not None:
            return _Tail(line.record["hash"], line.record["seq"], after, ended)
        after += len(line.raw) + line.ended
    return _Tail(torn_bytes=len(content), ended=ended) if whole else None


def sync_directory(path: Path) -> None:
    """Make a file's name durable, not only its content.

    Raises:
        OSError: the directory cannot be opened.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def records_of(source: Iterable[bytes | str | Mapping[str, Any]] | bytes | str) -> list[dict[str, Any]]:
    """Return the records of a journal given as file content, as lines or as records already read."""
    if isinstance(source, str):
        source = source.encode("utf-8", "replace")
    if isinstance(source, bytes):
        return [line.record for line in parse_lines(source) if line.record is not None]
    read = (parse_record(item) if isinstance(item, (bytes, str)) else _checked(item) for item in source)
    return [record for record in read if record is not None]


def _checked(record: Mapping[str, Any]) -> dict[str, Any] | None:
    right = all(isinstance(record.get(key), kind) for key, kind in (("type", str), ("run_id", str), ("data", dict)))
    return dict(record) if right else None
