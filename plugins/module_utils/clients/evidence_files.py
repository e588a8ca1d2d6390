# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Files with evidence: readable by their owner only, complete or not there, each with its SHA-256.

A file grows under the name ``*.part`` and gets its own name when all of it is on the disk.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
OTHERS = 0o007
PART = ".part"
CHUNK = 256 * 2**10


@dataclass(frozen=True)
class Saved:
    """A file that was saved.

    Attributes:
        path: absolute.
        sha256: hexadecimal.
        size: in bytes.
        truncated: whether the beginning was left out because it was too long.
    """

    path: Path
    sha256: str
    size: int
    truncated: bool


def make_folder(root: Path, name: str) -> Path:
    """Make the new folder *name* in *root* and return it. *root* is made when only it is missing.

    Raises:
        IncidentsError: *root* is no folder of one's own, or can be entered by everybody, as ``/tmp`` can.
    """
    attempted = f"Saving evidence in {root}"
    if not root.is_absolute():
        raise IncidentsError(f"{attempted}: give an absolute path")
    try:
        if not root.exists() and not root.is_symlink():
            root.mkdir(mode=FOLDER_MODE)
        found = root.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise IncidentsError(f"{attempted}: it is no folder; give another one")
        if found.st_mode & OTHERS:
            raise IncidentsError(f"{attempted}: everybody may read or enter it; give a folder with the mode 0700")
        if found.st_uid != os.geteuid():
            raise IncidentsError(f"{attempted}: it belongs to somebody else; give a folder of your own")
        _make_folders(root, Path(name))
    except OSError as error:
        raise IncidentsError(f"{attempted}: {error.strerror or 'error'}; check the path and its owner") from error
    return root / name


def save(folder: Path, name: str, chunks: Iterable[bytes], limit_bytes: int) -> Saved:
    """Save a stream; of one that is longer than *limit_bytes* the end, from the beginning of a line.

    Neither memory nor disk grow with the length of the stream. What *chunks* raises passes through, and the
    unfinished file is removed.

    Args:
        folder: of :func:`make_folder`.
        name: path inside it; folders in between are made.

    Raises:
        IncidentsError: it cannot be written.
    """
    path = folder / name
    part = path.with_name(path.name + PART)
    try:
        _make_folders(folder, Path(name).parent)
        return _save(path, part, chunks, limit_bytes)
    except OSError as error:
        raise IncidentsError(f"Saving evidence in {path}: {error.strerror or 'error'}; check the disk") from error
    finally:
        part.unlink(missing_ok=True)


def _make_folders(root: Path, below: Path) -> None:
    """Make every folder on the way; ``mkdir(parents=True)`` would give the mode to the last one only."""
    for part in [*reversed(below.parents), below]:
        (root / part).mkdir(mode=FOLDER_MODE, exist_ok=True)


def _save(path: Path, part: Path, chunks: Iterable[bytes], limit_bytes: int) -> Saved:
    size, truncated = 0, False
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "w+b") as stream:
        for chunk in chunks:
            stream.write(chunk)
            size += len(chunk)
            if size > 2 * limit_bytes:
                size, truncated = _keep_the_end(stream, size, limit_bytes), True
        if size > limit_bytes:
            size, truncated = _keep_the_end(stream, size, limit_bytes), True
        if truncated:
            size = _keep_the_end(stream, size, size - _length_of_first_line(stream))
        stream.flush()
        digest = _digest(stream)
        os.fsync(stream.fileno())
    part.rename(path)
    _sync_folder(path.parent)
    return Saved(path, digest, size, truncated)


def _keep_the_end(stream: BufferedRandom, size: int, keep: int) -> int:
    """Move the last *keep* bytes to the beginning and cut the rest off."""
    written = 0
    while written < keep:
        stream.seek(size - keep + written)
        chunk = stream.read(min(CHUNK, keep - written))
        stream.seek(written)
        stream.write(chunk)
        written += len(chunk)
    stream.truncate(keep)
    stream.seek(keep)
    return keep


def _length_of_first_line(stream: BufferedRandom) -> int:
    """Bytes of the first line with its end; 0 when what is read at once has no end of line."""
    stream.seek(0)
    return stream.read(CHUNK).find(b"\n") + 1


def _digest(stream: BufferedRandom) -> str:
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
