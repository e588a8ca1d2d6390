# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What has to be preserved before sessions are ended: that it is there, and the sessions themselves."""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle import Bundle
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_files import sha256_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_state import Sealed
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

LARGEST_LIST = 64 * 2**20
NOT_OWNER = 0o077
COLLECTOR = "revoke_sessions (collection brandconnect.incidents)"


@dataclass(frozen=True)
class Source:
    """A stream to keep: its path in the bundle, where it comes from, and its chunks."""

    path: str
    source: str
    chunks: Iterable[bytes]


def read_ids(path: str | None) -> list[str]:
    """Return the ids of a file, one a line.

    Raises:
        IncidentsError: it cannot be read, or others may read or change it.
    """
    if not path:
        return []
    attempted = f"Reading the ids of the actors in {path}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & NOT_OWNER:
                raise IncidentsError(f"{attempted}: it must be a file of your own that nobody else may read, mode 0600")
            content = stream.read(LARGEST_LIST + 1)
    except OSError as error:
        raise IncidentsError(f"{attempted}: {error.strerror or 'error'}; check the path") from error
    if len(content) > LARGEST_LIST:
        raise IncidentsError(f"{attempted}: it is larger than {LARGEST_LIST} bytes")
    try:
        return content.decode().split("\n")
    except UnicodeDecodeError:
        raise IncidentsError(f"{attempted}: it is no text in UTF-8; give one id a line") from None


def missing(anchor: Mapping[str, Any] | None, directory: str | None) -> str | None:
    """Return what of the evidence is not there, in a sentence; ``None`` when all is.

    Args:
        anchor: ``path`` and ``sha256`` of the file that stands for what was preserved before.
        directory: where the sessions are to be saved.
    """
    if not anchor:
        return "evidence_anchor is not given: nothing shows that evidence was preserved"
    path, expected = Path(str(anchor.get("path") or "")), str(anchor.get("sha256") or "")
    if not path.is_absolute() or not path.is_file():
        return f"the evidence {path} is not there"
    try:
        if sha256_of(path) != expected:
            return f"the evidence {path} is not what was preserved, its SHA-256 is another"
    except OSError as error:
        return f"the evidence {path} cannot be read: {error.strerror or 'error'}"
    return None if directory else "directory is not given: the sessions would be lost unseen"


def preserve(
    directory: str, sources: Sequence[Source], now: dt.datetime, *, incident: str, custodian: str, run_id: str
) -> Sealed:
    """Save streams in a new bundle and return it; ``partial`` where one could not be read to its end.

    Args:
        directory: in which the bundle becomes a folder.
        now: names the folder.

    Raises:
        IncidentsError: nothing can be written there.
    """
    place = Path(directory) / f"{now:%Y%m%dT%H%M%S.%fZ}-revoked-sessions"
    with Bundle.open(place, incident=incident, custodian=custodian, collector=COLLECTOR, run_id=run_id) as bundle:
        for each in sources:
            bundle.write(each.path, each.chunks, source=each.source)
        return bundle.finish()
