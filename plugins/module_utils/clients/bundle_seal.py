# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""A finished evidence bundle is looked at before anybody vouches for it again: is it what was sealed?

The lists are compared with each other and with the custody log, which says the same of each file. Whoever rewrites all
of them is found out by the hash that the incident's journal has; this is what ``anchor`` is for.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import bundle_files as files
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_state import Sealed
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import bundle as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

HASHED_AT_MOST = 256 * 2**20  # bytes of the payload that are read, the smallest files first: a second or less


def sealed_as(directory: Path, records: Sequence[Json], anchor: str | None = None) -> Sealed:
    """Return what a finished bundle is; nothing is written.

    Of the payload every file's size is compared, and the content of as many as :data:`HASHED_AT_MOST` allows;
    ``runbook verify`` reads all of them.

    Args:
        directory: of the bundle.
        records: of its custody log, whose chain was checked.
        anchor: SHA-256 of ``tagmanifest-sha256.txt`` that was recorded elsewhere, hexadecimal.

    Raises:
        IncidentsError: it is not what was sealed (``details["changed_files"]`` names the files).
        OSError: it cannot be read.
    """
    modes = dict(files.below(directory))
    content = {name: _content(directory, name, modes) for name in (decisions.TAG_LIST, *decisions.TAGS)}
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in content.items() if text is not None}
    manifest = _manifest(content[decisions.DOCUMENT])
    changed = {decisions.TAG_LIST} if anchor is not None and digests.get(decisions.TAG_LIST) != anchor else set()
    changed |= decisions.unsealed(records, manifest, content[decisions.LIST] or b"", digests)
    changed |= set(_tags_changed(content[decisions.TAG_LIST] or b"", digests))
    entries = {str(entry["path"]): entry for entry in decisions.standing_of(records).files}
    changed |= set(_payload_changed(directory, entries, modes))
    changed |= {path for path in modes if path not in {*entries, *content}}
    if changed:
        raise refused(directory, sorted(changed))
    return Sealed(directory, digests[decisions.TAG_LIST], len(content[decisions.TAG_LIST] or b""), manifest)


def refused(directory: Path, changed: Sequence[str]) -> IncidentsError:
    """A bundle that nobody vouches for any more."""
    more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""  # noqa: PLR2004 - as many as are named
    return IncidentsError(
        f"Looking at the finished evidence in {directory}: {', '.join(changed[:5])}{more} is not what was sealed; "
        "keep this bundle as it is, run runbook verify, and begin another one",
        changed_files=list(changed),
    )


def _content(directory: Path, name: str, modes: Mapping[str, int]) -> bytes | None:
    """A small file; ``None`` where there is no ordinary one."""
    return (directory / name).read_bytes() if stat.S_ISREG(modes.get(name, 0)) else None


def _manifest(content: bytes | None) -> Json:
    try:
        found = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tags_changed(listing: bytes, digests: Mapping[str, str]) -> Iterator[str]:
    said, wrong = decisions.read_sums(listing)
    if wrong or set(said) != set(decisions.TAGS):
        yield decisions.TAG_LIST
    yield from (name for name in decisions.TAGS if name not in digests or said.get(name) != digests[name])


def _payload_changed(directory: Path, entries: Mapping[str, Json], modes: Mapping[str, int]) -> Iterator[str]:
    left = HASHED_AT_MOST
    for path, entry in sorted(entries.items(), key=lambda item: int(item[1]["bytes"] or 0)):
        place = directory / path
        if not stat.S_ISREG(modes.get(path, 0)) or place.lstat().st_size != entry["bytes"]:
            yield path
            continue
        left -= int(entry["bytes"])
        if left >= 0 and files.sha256_of(place) != entry["sha256"]:
            yield path
