# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The files of an evidence bundle: whose they are, how they grow and how they are closed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_files import (
    FILE_MODE,
    FOLDER_MODE,
    make_folder,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.bundle import PART, Received
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

CLOSED_FOLDER = 0o500
CLOSED_FILE = 0o400
NOT_OWNER = 0o077
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def prepare(directory: Path) -> None:
    """Make the folder of a bundle, or check the one that is there.

    Raises:
        IncidentsError: it or its parent is somebody else's, or others may read, write or replace it.
    """
    attempted = f"Keeping evidence in {directory}"
    parent = directory.parent
    try:
        for place in (parent, directory):
            if os.path.lexists(place):
                _check(attempted, place)
        for place in parent.resolve().parents:
            mode = place.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                raise IncidentsError(f"{attempted}: everybody may put something else in place of what {place} holds")
        make_folder(parent, directory.name)
        _check(attempted, directory)
        sync(parent)
    except OSError as error:
        raise IncidentsError(f"{attempted}: {error.strerror or 'error'}; check the path and its owner") from error


def _check(attempted: str, place: Path) -> None:
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise IncidentsError(f"{attempted}: {place} is no folder; give another one")
    if found.st_uid != os.geteuid():
        raise IncidentsError(f"{attempted}: {place} belongs to somebody else; give a folder of your own")
    if found.st_mode & NOT_OWNER:
        mode = stat.S_IMODE(found.st_mode)
        raise IncidentsError(f"{attempted}: others may read or write {place}, its mode is {mode:04o}; give one of 0700")


def receive(path: Path, chunks: Iterable[bytes | bytearray | memoryview], limit_bytes: int | None) -> Received:
    """Write a stream into the new file *path*, on the disk when this returns; memory does not grow with its length.

    What the source raises as :class:`IncidentsError` or :class:`OSError` ends the file there and is the result's
    ``error``. The file stays only when there is something in it or the source ended well.

    Raises:
        OSError: the disk does not take it; the file is gone.
    """
    stream = iter(chunks)
    try:
        descriptor = os.open(path, _CREATE, FILE_MODE)  # what is there already is not ours to remove
        try:
            received = _pour(stream, descriptor, limit_bytes)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    finally:
        _close(stream)
    if received.sha256 is None:
        path.unlink()
    return received


def _pour(stream: Iterator[bytes | bytearray | memoryview], descriptor: int, limit_bytes: int | None) -> Received:
    error, truncated, size, digest = None, False, 0, hashlib.sha256()
    with os.fdopen(descriptor, "wb") as file:
        while not truncated:
            try:
                view = memoryview(next(stream)).cast("B")
            except StopIteration:
                break
            except (IncidentsError, OSError) as broken:
                error, truncated = text_of(broken), True
                break
            if limit_bytes is not None and size + len(view) > limit_bytes:
                view, truncated = view[: limit_bytes - size], True
            file.write(view)
            digest.update(view)
            size += len(view)
        file.flush()
        os.fsync(file.fileno())
    if truncated and not size:
        error = error or "there was no room for any of it"
        return Received(None, 0, truncated=False, error=error)
    return Received(digest.hexdigest(), size, truncated, error)


def text_of(error: IncidentsError | OSError) -> str:
    """What an error of a source says."""
    return error.message if isinstance(error, IncidentsError) else error.strerror or type(error).__name__


def _close(stream: object) -> None:
    """Let a source that was not read to its end clean up; what it says then is about that end."""
    close = getattr(stream, "close", None)
    if close is not None:
        with contextlib.suppress(IncidentsError, OSError):
            close()


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file anew: the old one or the new one, never half of one.

    Raises:
        OSError: the disk does not take it.
    """
    part = path.with_name(path.name + PART)
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, _CREATE, FILE_MODE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    sync(path.parent)


def name_finally(part: Path, path: Path) -> None:
    """Give a file that is complete its own name.

    Raises:
        OSError: it cannot be renamed, or there is such a file: none is ever overwritten.
    """
    if os.path.lexists(path):
        raise FileExistsError(0, "there is such a file, and evidence is never overwritten", str(path))
    part.rename(path)
    sync(path.parent)


def make_folders(root: Path, below: Path) -> None:
    """Make every folder on the way from *root* on, for its owner only and on the disk.

    Raises:
        OSError: one cannot be made, or is something else.
    """
    for step in [*reversed(below.parents), below]:
        place = root / step
        if not os.path.lexists(place):
            place.mkdir(mode=FOLDER_MODE, exist_ok=True)
            sync(place.parent)
        if not stat.S_ISDIR(place.lstat().st_mode):
            raise NotADirectoryError(0, "it is no folder", str(place))


def sha256_of(path: Path) -> str:
    """SHA-256 of an ordinary file, hexadecimal.

    Raises:
        OSError: it cannot be read, or it is a link.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def below(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield everything in a folder that is no folder itself: its path inside and its ``st_mode``, links not followed.

    Raises:
        OSError: a folder cannot be read.
    """
    for item in sorted(os.scandir(folder), key=lambda item: item.name):
        mode = item.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            yield from ((f"{item.name}/{path}", found) for path, found in below(Path(item.path)))
        else:
            yield item.name, mode


def close_up(folder: Path) -> None:
    """Let nobody write any more: files 0400, folders 0500, the innermost first.

    Raises:
        OSError: a mode cannot be set.
    """
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            Path(place, name).chmod(CLOSED_FILE)
        Path(place).chmod(CLOSED_FOLDER)


def sync(folder: Path) -> None:
    """Return when the names in a folder are on the disk.

    Raises:
        OSError: the disk does not take them.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
