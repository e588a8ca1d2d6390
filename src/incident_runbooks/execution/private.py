# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's private directory: there while the run lasts, and gone afterwards however it ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from incident_runbooks.processes import marked, stop_all

_OWNER = "owner"
_SHORT = "short"
_LONGEST_TEMPORARY = 60  # of a socket's path, which may be 107 long, Python and Ansible take up to 45


@contextlib.contextmanager
def private_directory(home: Path, run_id: str) -> Iterator[Path]:
    """Make a directory below ``<home>/tmp`` for one run, after removing those of wrappers that are dead.

    It has a directory ``tmp``, and :func:`short_directory` beside it.

    The directory's file ``owner`` holds the run's id and is locked while this process lives, so that the
    next start can tell a dead wrapper's directory, in another container too, where pids tell nothing.

    Raises:
        OSError: the directory cannot be made.
    """
    parent = home / "tmp"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(parent / ".lock"):
        _sweep(parent)
        path = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        owner = _hold(path / _OWNER, run_id)
    try:
        (path / "tmp").mkdir(mode=0o700)
        (path / _SHORT).symlink_to(tempfile.mkdtemp(prefix="runbook-", dir=_short_place()))
        yield path
    finally:
        _remove_both(path)
        os.close(owner)


def short_directory(private: Path) -> Path:
    """Return the run's second directory, for what needs a short path: sockets. It goes away with the first."""
    return (private / _SHORT).readlink()


def _short_place() -> str:
    place = tempfile.gettempdir()
    return place if len(place) <= _LONGEST_TEMPORARY else "/tmp"  # noqa: S108 - mkdtemp makes it private


def _remove_both(path: Path) -> None:
    with contextlib.suppress(OSError):
        remove(short_directory(path))
    remove(path)


def remove(path: Path) -> None:
    """Remove a directory with everything in it, whatever its modes."""

    def retry(function: Callable[[str], object], name: str, _: object) -> None:
        with contextlib.suppress(OSError):  # what stays is swept at the next start
            Path(name).parent.chmod(stat.S_IRWXU)
            if not Path(name).is_symlink():
                Path(name).chmod(stat.S_IRWXU)
            function(name)

    shutil.rmtree(path, onerror=retry)
    if path.exists():
        shutil.rmtree(path, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for path in parent.glob("run-*"):
        with contextlib.suppress(OSError), _locked(path / _OWNER, wait=False) as owner:
            run_id = os.pread(owner, 100, 0).decode("ascii", "replace")
            if run_id:  # nobody watches what that wrapper started
                stop_all(lambda run_id=run_id: marked(run_id), 2.0, 5.0)
            _remove_both(path)


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def _hold(path: Path, run_id: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, run_id.encode("ascii"))
    return descriptor
