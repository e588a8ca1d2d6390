# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What an evidence bundle says of itself: a bag as RFC 8493 (BagIt 1.0) lays it out. Pure, no I/O.

The payload is ``data/``. ``manifest-sha256.txt`` lists it, ``MANIFEST.json`` says where each file came from,
``custody.jsonl`` who did what when, and ``tagmanifest-sha256.txt`` lists those: its SHA-256 stands for all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain

Json = dict[str, Any]

PAYLOAD = "data"
DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
LIST = "manifest-sha256.txt"
DOCUMENT = "MANIFEST.json"
CUSTODY = "custody.jsonl"
TAG_LIST = "tagmanifest-sha256.txt"
TAGS = (INFO, DECLARATION, CUSTODY, DOCUMENT, LIST)

COLLECTING = frozenset({"collected", "failed"})  # the records of the custody log that are entries
LOOKED = "looked"  # the record that all that a source has was asked for
PART = ".part"
PARTIAL = ".partial"
BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"  # RFC 8493, 2.1.1: exactly these two lines

LONGEST_TEXT = 2000
_LONGEST_PATH = 900
_LONGEST_PART = 200  # a file system takes 255 bytes, and an ending may come behind it
# No percent sign, line end or space, which manifests escape, and nothing that another file system writes otherwise
_NAME = re.compile(r"[A-Za-z0-9_+=@-][A-Za-z0-9._+=@-]*\Z")
_LINE = re.compile(r"([0-9a-f]{64})[ \t]+\*?(\S.*)\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class Received:
    """What came of a source.

    Attributes:
        sha256: hexadecimal; ``None`` when no file was kept.
        size: in bytes.
        truncated: whether it was cut off, by a limit or because the source broke.
        error: why the source did not give all of it; ``None`` when it did.
    """

    sha256: str | None
    size: int
    truncated: bool
    error: str | None


@dataclass
class Standing:
    """What a bundle holds.

    Attributes:
        entries: one for each attempt, in the order in which they ended.
        looked: the sources of which all that they have was asked for.
    """

    entries: list[Json] = field(default_factory=list)
    looked: set[str] = field(default_factory=set)

    @property
    def files(self) -> list[Json]:
        """The entries of which there is a file."""
        return [entry for entry in self.entries if entry["path"]]

    @property
    def whole(self) -> set[str]:
        """The names that were collected without an error."""
        return {entry["name"] for entry in self.entries if entry["error"] is None}

    @property
    def failed(self) -> list[Json]:
        """The last attempt of each name of which none succeeded."""
        whole = self.whole
        return list({entry["name"]: entry for entry in self.entries if entry["name"] not in whole}.values())

    def attempts_kept(self, name: str) -> int:
        """How many broken attempts of *name* left a file."""
        return sum(1 for entry in self.files if entry["name"] == name and entry["error"] is not None)


def checked_name(path: str) -> str:
    """Return the path inside ``data/`` as it is, when it is one that every file system and manifest writes alike.

    Raises:
        IncidentsError: it is not.
    """
    parts = path.split("/")
    fits = len(path) <= _LONGEST_PATH and all(_NAME.match(part) and len(part) <= _LONGEST_PART for part in parts)
    if not fits or path.endswith(PART) or PARTIAL in path:
        raise IncidentsError(
            f"Collecting {line_of(path, 100)!r} as evidence: no path for a bundle; give parts of letters, digits and "
            f"._+=@- that do not begin with a dot, and no name that ends in {PART} or has {PARTIAL} in it"
        )
    return path


def kept_as(name: str, received: Received, attempts_kept: int) -> str | None:
    """Where the file of an attempt goes: half a file never gets the name of the whole; ``None`` without a file."""
    if received.sha256 is None:
        return None
    if received.error is None:
        return f"{PAYLOAD}/{name}"
    return f"{PAYLOAD}/{name}{PARTIAL}" + (f"-{attempts_kept + 1}" if attempts_kept else "")


def part_of(name: str) -> str:
    """Where a file grows."""
    return f"{PAYLOAD}/{name}{PART}"


def entry_of(
    name: str,
    received: Received,
    *,
    path: str | None,
    source: str,
    times: tuple[str, str],
    collected_from: Mapping[str, Any],
    facts: Mapping[str, Any],
    people: Mapping[str, str],
) -> Json:
    """Return what a bundle says of one attempt to collect something.

    Args:
        name: path inside ``data/`` that was wanted.
        received: what came.
        path: of the file, inside the bundle.
        source: the call or the SQL text that gave it.
        times: when it began and ended, RFC 3339.
        collected_from: what was known of the object before, such as ``uid`` and ``resource_version``.
        facts: what was known of the content afterwards, such as the number of rows.
        people: ``collector`` and ``custodian``.
    """
    return {
        "name": name,
        "path": path,
        "sha256": received.sha256,
        "bytes": received.size if received.sha256 else None,
        "source": str(source)[:LONGEST_TEXT],
        "collected_at": {"start": times[0], "end": times[1]},
        "object": to_plain(collected_from),
        "facts": to_plain(facts),
        "truncated": received.truncated,
        "error": None if received.error is None else line_of(received.error),
        "collector": people["collector"],
        "custodian": people["custodian"],
    }


def document(standing: Standing, *, opened: Mapping[str, Any], finished_at: str) -> Json:
    """Return the content of ``MANIFEST.json``.

    Args:
        standing: what the bundle holds.
        opened: the data of the custody log's first record.
        finished_at: RFC 3339.
    """
    failed = standing.failed
    return {
        "version": 1,
        "incident": opened.get("incident"),
        "custodian": opened.get("custodian"),
        "collector": opened.get("collector"),
        "opened_at": opened.get("opened_at"),
        "finished_at": finished_at,
        "partial": bool(failed),
        "bytes": sum(entry["bytes"] for entry in standing.files),
        "files": sorted(standing.files, key=lambda entry: str(entry["path"])),
        "failed": sorted(failed, key=lambda entry: str(entry["name"])),
    }


def bag_info(manifest: Mapping[str, Any], agent: str) -> str:
    """Return ``bag-info.txt`` (RFC 8493, 2.2.2). A source that failed is said here too, in the words of a person."""
    files, failed = manifest["files"], manifest["failed"]
    cut = sum(1 for entry in files if entry["truncated"])
    complete = "yes" if not failed else f"NO, PARTIAL: {len(failed)} sources could not be collected"
    tags = {
        "External-Identifier": manifest["incident"],
        "Contact-Name": manifest["custodian"],
        "Bag-Software-Agent": agent,
        "Bagging-Date": str(manifest["finished_at"])[:10],
        "Payload-Oxum": f"{manifest['bytes']}.{len(files)}",
        "Evidence-Complete": complete + (f"; {cut} files were cut off" if cut else ""),
    }
    return "".join(f"{label}: {line_of(str(value), 500)}\n" for label, value in tags.items())


def sums(digests: Mapping[str, str]) -> str:
    """Return a manifest: one line ``<sha256>  <path>`` a file, which ``sha256sum -c`` reads too."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests))


def sums_of(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The SHA-256 by path of the entries that have a file."""
    return {str(entry["path"]): str(entry["sha256"]) for entry in entries if entry["path"]}


def read_sums(content: bytes) -> tuple[dict[str, str], list[int]]:
    """Read a manifest: the SHA-256 by path, and the numbers of the lines that are none, or name a path again."""
    found: dict[str, str] = {}
    wrong: list[int] = []
    lines = content.decode("utf-8", "replace").split("\n")
    ended = lines.pop() == ""
    for number, line in enumerate(lines, start=1):
        match = _LINE.match(line)
        if match is None or match[2] in found:
            wrong.append(number)
        else:
            found[match[2]] = match[1]
    return found, wrong if ended else [*wrong, len(lines) + 1]


def line_of(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text of others as one line of limited length."""
    return _CONTROL.sub(" ", text).strip()[:longest]


def standing_of(records: Sequence[Mapping[str, Any]]) -> Standing:
    """What a bundle holds according to its custody log."""
    entries = [dict(record["data"]) for record in records if record["type"] in COLLECTING]
    return Standing(entries, {str(record["data"].get("source")) for record in records if record["type"] == LOOKED})


def unsealed(
    records: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any], listing: bytes, digests: Mapping[str, str]
) -> set[str]:
    """Which files of a finished bundle are not what its custody log says.

    Args:
        records: of the custody log.
        manifest: the content of ``MANIFEST.json``.
        listing: the content of ``manifest-sha256.txt``.
        digests: the SHA-256 of the files beside the payload, by name.
    """
    if not records or records[-1]["type"] != "sealed":
        return {CUSTODY}
    standing = standing_of(records)
    said = document(standing, opened=records[0]["data"], finished_at=str(manifest.get("finished_at")))
    changed = {DOCUMENT} if any(manifest.get(name) != said[name] for name in said) else set()
    if records[-1]["data"].get(LIST) != digests.get(LIST) or read_sums(listing) != (sums_of(standing.files), []):
        changed.add(LIST)
    return changed
