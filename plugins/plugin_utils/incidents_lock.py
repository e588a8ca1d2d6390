# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""One incident, one acting run: a lock on the file ``lock`` in the incident's directory."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import utc_now

LOCK_NAME = "lock"
_PATIENCE_S = 0.3
_SAID = ("pid", "operator", "since", "run_id", "incident_id")


class IncidentLockedError(IncidentsError):
    """Another run holds the incident.

    Attributes:
        holder: ``pid``, ``operator``, ``since`` and ``run_id`` of that run, as far as it said.
    """

    def __init__(self, message: str, holder: Mapping[str, Any]) -> None:
        super().__init__(message, holder=dict(holder))
        self.holder = dict(holder)


class FileLock:
    """A lock on a file, which says who holds it; a context.

    A worker process that was forked meanwhile keeps the lock when the run dies: as long as something may still
    act, it stays held. When the last one is gone the kernel lets go of it, and what the run had said stays in
    the file.

    Args:
        path: the file.
        holder: who takes it: ``pid``, ``operator``, ``since``, ``run_id`` and more.
        attempt: the beginning of error texts, such as ``Locking the incident X``.
        held: what another holder means, such as ``another run holds it``.

    Attributes:
        attempt: as given.
        previous: who held it before and did not let go; ``None`` where the last one did.

    Raises:
        IncidentLockedError: somebody else holds it.
        IncidentsError: the lock file cannot be used.
    """

    def __init__(self, path: Path, holder: Mapping[str, Any], *, attempt: str, held: str) -> None:
        self.path = path
        self.previous: dict[str, Any] | None = None
        self.attempt = attempt
        self._held = held
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.fchmod(self._fd, 0o600)
            self._take()
            if os.fstat(self._fd).st_size:
                self.previous = _read_holder(self._fd)
            self._say(holder)
        except OSError as error:
            raise IncidentsError(f"{attempt} in {path.parent}: {error.strerror}") from error

    def release(self) -> None:
        """Let go; releasing twice is no error."""
        if self._fd < 0:
            return
        os.ftruncate(self._fd, 0)
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _take(self) -> None:
        # a reader that looks whether the lock is held holds it for an instant
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    self._refuse()
                time.sleep(0.02)
            else:
                return

    def _refuse(self) -> None:
        holder = _read_holder(self._fd)
        os.close(self._fd)
        self._fd = -1
        raise IncidentLockedError(f"{self.attempt}: {self._held} ({who(holder)}); wait for it, or stop it", holder)

    def _say(self, holder: Mapping[str, Any]) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps(holder).encode(), 0)


class IncidentLock(FileLock):
    """The right to act on an incident and to write its journal; a context.

    Args:
        path: the incident's directory.
        run_id: the run that takes it.
        operator: who runs it.

    Raises:
        IncidentLockedError: another run holds it.
        IncidentsError: the lock file cannot be used.
    """

    def __init__(self, path: Path, *, run_id: str, operator: str) -> None:
        attempt = f"Locking the incident {path.name}"
        super().__init__(path / LOCK_NAME, this_process(run_id, operator), attempt=attempt, held="another run holds it")


def this_process(run_id: str, operator: str) -> dict[str, Any]:
    """Return what a holder says of itself."""
    return {"pid": os.getpid(), "operator": operator, "since": utc_now(), "run_id": run_id}


def who(holder: Mapping[str, Any]) -> str:
    """Return a holder as texts name it."""
    said = ((name.replace("_id", ""), holder[name]) for name in _SAID if holder.get(name))
    return ", ".join(f"{name} {value}" for name, value in said) or "it has not said who"


def holder_of(path: Path) -> dict[str, Any] | None:
    """Return who holds an incident: ``pid``, ``operator``, ``since``, ``run_id``; ``None`` when nobody does.

    Args:
        path: the incident's directory.
    """
    try:
        fd = os.open(path / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # what a run says when it takes the lock it erases when it lets go: an empty file needs no look
        if not os.fstat(fd).st_size:
            return None
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(fd)
    finally:
        os.close(fd)
    return None


def _read_holder(fd: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(fd, 4096, 0))
    except (ValueError, OSError):
        return {}
    return holder if isinstance(holder, dict) else {}
