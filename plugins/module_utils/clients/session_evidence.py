# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What has to be preserved before sessions are ended: that it is there, and the sessions themselves."""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import evidence_precondition
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle import Bundle
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_state import Sealed
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_precondition import (
    SHORTEST_REASON,
    Preserved,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

LARGEST_LIST = 64 * 2**20
NOT_OWNER = 0o077
TOKENS, KEYS = "db/refresh_tokens.jsonl", "redis/sessions.jsonl"  # in a bundle
_SUFFIX = "-revoked-sessions"
_NAMED_BY = {TOKENS: "id", KEYS: "key"}  # what names a token or a session in its line
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


def look(params: Mapping[str, Any]) -> Preserved:
    """Look whether evidence was preserved and the sessions can be saved, or who wants to go without says why.

    Args:
        params: as :func:`evidence_precondition.look` takes them, and ``directory``.
    """
    anchor = params["evidence_anchor"] if params["incident"] else None  # of no incident nothing can be evidence
    found = evidence_precondition.look({**params, "evidence_anchor": anchor})
    if found.objection or params["directory"]:
        return found
    missing = "directory is not given: the sessions would be lost unseen"
    if override := accepted(params):
        said = f"{missing}; by decision: {override[:200]}"
        return replace(found, caveat="; ".join(text for text in (found.caveat, said) if text))
    text = f"{missing}; give it, or say in evidence_override why not in {SHORTEST_REASON} characters or more"
    return replace(found, objection=("no_evidence", text), caveat=text)


def accepted(params: Mapping[str, Any]) -> str:
    """The reason to go without evidence; empty where there is none, or one that says nothing."""
    reason = (params["evidence_override"] or "").strip()
    return reason if len(reason) >= SHORTEST_REASON else ""


def read_saved(directory: str | None, saved_at: str, folders: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return what :func:`preserve` has saved, ids of rows and fingerprints of keys by the folder in the bundle.

    Args:
        directory: in which the bundles are.
        saved_at: when the run began whose bundle there must be, RFC 3339; those that are later count as well.
        folders: of :data:`TOKENS` and :data:`KEYS` those that must be in it.

    Raises:
        IncidentsError: it is not there or cannot be read, so nobody can tell.
    """
    attempted = f"Reading which sessions there were before in {directory or 'no directory'}"
    place = Path(directory or ".")
    try:
        first = _name(dt.datetime.fromisoformat(saved_at))
        bundles = [first, *sorted(each.name for each in place.glob(f"*{_SUFFIX}") if each.name > first)]
        found: dict[str, frozenset[str]] = {}
        for path in folders if directory else ():
            lines = (place / first / "data" / path).read_text(encoding="utf-8").splitlines()
            for later in bundles[1:]:
                for more in (place / later / "data" / path).parent.glob("*.jsonl"):
                    lines += more.read_text(encoding="utf-8").splitlines()
            found[path] = frozenset(str(json.loads(line)[_NAMED_BY[path]]) for line in lines)
    except OSError as error:
        text = f"{error.strerror or 'error'}; those of before cannot be told from newer ones"
        raise IncidentsError(f"{attempted}: {text}") from error
    except (ValueError, KeyError, TypeError):
        text = "saved_at is no time, or what is there is not what was saved; runbook verify says whether it was changed"
        raise IncidentsError(f"{attempted}: {text}") from None
    if not found:
        raise IncidentsError(f"{attempted}: none were saved, so those of before cannot be told from newer ones")
    return found


def _name(moment: dt.datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S.%fZ}{_SUFFIX}"


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
    place = Path(directory) / _name(now)
    with Bundle.open(place, incident=incident, custodian=custodian, collector=COLLECTOR, run_id=run_id) as bundle:
        for each in sources:
            bundle.write(each.path, each.chunks, source=each.source)
        return bundle.finish()
