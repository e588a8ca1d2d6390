# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The file of a bundle's custody log: one writer at a time, appended to only, on the disk line by line."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_files import sync
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_files import FILE_MODE
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.bundle_custody import (
    line_for,
    next_record,
    read_log,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

Json = dict[str, Any]


class Custody:
    """Holds the log open and locked.

    Args:
        path: the file; made where it does not exist.
        run_id: the run that writes.
        now: the clock.
        closed: only look: the bundle is finished.

    Raises:
        IncidentsError: it cannot be opened, another process has it, or a line of it was changed.
    """

    def __init__(self, path: Path, *, run_id: str, now: Callable[[], dt.datetime], closed: bool) -> None:
        self.path = path
        self.run_id = run_id
        self._now = now
        self.torn = 0
        flags = os.O_RDONLY if closed else os.O_RDWR | os.O_APPEND | os.O_CREAT
        try:
            self._fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise self._error("Opening", error.strerror or "error") from error
        try:
            self.records = self._read(closed=closed)
        except BaseException:
            self.close()
            raise

    def _read(self, *, closed: bool) -> list[Json]:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with os.fdopen(os.dup(self._fd), "rb") as file:
                log = read_log(file.read())
            if log.torn and not closed:  # never whole, so never true: nothing that was done depends on it
                os.ftruncate(self._fd, log.size)
                os.fsync(self._fd)
                self.torn = log.torn
            self._size = log.size
            sync(self.path.parent)
        except BlockingIOError as error:
            raise self._error("Writing", "another process is writing into this bundle") from error
        except OSError as error:
            raise self._error("Reading", error.strerror or "error") from error
        except IncidentsError as error:
            problem = self._error("Continuing", f"{error.message}; keep this bundle, begin another one")
            problem.details["changed_files"] = [self.path.name]
            raise problem from error
        return log.records

    def append(self, kind: str, data: Mapping[str, Any]) -> Json:
        """Append one record; it is on the disk when this returns.

        Raises:
            IncidentsError: it is not, and nothing is appended any more.
        """
        record = next_record(self.records, kind, data, at=rfc3339(self._now()), run_id=self.run_id)
        line = line_for(record)
        try:
            self._write(line)
        except OSError as error:
            self._size = -1  # what comes behind half a line would be lost with it
            raise self._error("Writing", error.strerror or "error") from error
        self._size += len(line)
        self.records.append(record)
        return record

    def _write(self, line: bytes) -> None:
        if os.fstat(self._fd).st_size != self._size:
            raise OSError(0, "an earlier write failed, or another process has written to it")
        written = os.write(self._fd, line)
        if written != len(line):
            raise OSError(0, f"only {written} of {len(line)} bytes were written; is the disk full?")
        os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = self._size = -1

    def _error(self, what: str, cause: str) -> IncidentsError:
        return IncidentsError(f"{what} the custody log {self.path}: {cause}")
