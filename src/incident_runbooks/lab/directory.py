# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's directory: whose it is, who works in it now, and how it disappears."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from incident_runbooks.errors import LockedError, RunbookError, UsageError

VARIABLE = "RUNBOOK_LAB"
_MARKER = ".incident-runbooks-lab"
_LOCK = ".lock"
_PATIENCE_S = 30.0
_POLL_S = 0.05


def default(environ: Mapping[str, str]) -> Path:
    """Return RUNBOOK_LAB, or the place among the user's state files; the lab's inventory has the same rule."""
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    state = environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state) / "incident-runbooks" / "lab"


class LabDirectory:
    """One lab's directory; everything of the lab's is in it.

    Args:
        path: need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()

    def make(self) -> None:
        """Make it this lab's, readable by its owner only.

        Raises:
            UsageError: something else is there, or it cannot be made.
        """
        if self.exists():
            return
        try:
            for folder in reversed([self.path, *self.path.parents]):
                if not folder.is_dir():
                    folder.mkdir(mode=0o700, exist_ok=True)  # parents too, which mkdir(parents=True) leaves open
            foreign = [
                entry for entry in self.path.iterdir() if not entry.name.startswith((_MARKER, f".{_MARKER}", _LOCK))
            ]
        except OSError as error:
            raise UsageError(f"Making the lab's directory {self.path}: {error.strerror}") from error
        if foreign:
            raise UsageError(
                f"Using {self.path} for the lab: it holds other files and is not a lab's directory",
                hint=f"give --dir, or set {VARIABLE}, to a directory that does not exist yet",
            )
        self.path.chmod(0o700)
        self.write(_MARKER, {"id": secrets.token_hex(8)})

    def exists(self) -> bool:
        """Return whether there is a lab's directory."""
        return self.id is not None

    @property
    def id(self) -> str | None:
        """What the lab's processes carry in their environment; None where no lab is."""
        plain = self.read(_MARKER)
        return plain["id"] if isinstance(plain, dict) and isinstance(plain.get("id"), str) else None

    @property
    def marker(self) -> Path:
        """The file whose disappearance tells the lab's clients that the lab is down."""
        return self.path / _MARKER

    def require(self) -> None:
        """Raise a UsageError where there is no lab."""
        if not self.exists():
            raise UsageError(f"Looking for a lab in {self.path}: there is none", hint="start one: runbook lab up")

    def empty(self) -> None:
        """Remove everything but what makes it a lab's directory."""
        for entry in self.path.iterdir():
            if entry.name in {_MARKER, _LOCK}:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def remove(self) -> None:
        """Remove it, if it is a lab's.

        Raises:
            RunbookError: files cannot be removed.
        """
        if not self.exists():
            return
        try:
            self.empty()  # the marker goes last: an interrupted removal can be repeated
            shutil.rmtree(self.path)
        except OSError as error:
            raise RunbookError(f"Removing the lab's directory {self.path}: {error}") from error

    def read(self, name: str) -> Any:
        """Return the JSON data of a file, None where it is missing or damaged."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def write(self, name: str, data: Any) -> None:
        """Write JSON data in one step, readable by its owner only."""
        descriptor, temporary = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(data, file, indent=2, allow_nan=False)
                file.write("\n")
            Path(temporary).replace(self.path / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other lab commands out of this directory, which exists.

        Raises:
            LockedError: another one does not finish within half a minute.
            UsageError: another one has removed the lab.
        """
        descriptor = self._wait_for_lock()
        try:
            yield
        finally:
            os.close(descriptor)

    def _wait_for_lock(self) -> int:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
                if self._acquire(descriptor):
                    return descriptor
                os.close(descriptor)
            self.require()
            time.sleep(_POLL_S)
        raise LockedError(f"Working on the lab in {self.path}: another lab command is busy with it")

    def _acquire(self, descriptor: int) -> bool:
        """Lock the file; a lock on a file that was removed meanwhile is none."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            return os.fstat(descriptor).st_ino == (self.path / _LOCK).stat().st_ino
        except OSError:
            return False
