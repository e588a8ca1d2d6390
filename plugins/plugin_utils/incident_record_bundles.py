# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Is an evidence bundle still what was collected? Names what was changed, is missing or was added.

Three lists in a bundle say the same of each file: ``manifest-sha256.txt``, ``MANIFEST.json`` and the custody log. They
are covered by ``tagmanifest-sha256.txt``, and that one by the journal. So when a list itself was changed, another one
tells what the files were: a flipped byte of a list is not blamed on the files that it lists.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_files import below, sha256_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.bundle import (
    COLLECTING,
    CUSTODY,
    DECLARATION,
    DOCUMENT,
    LIST,
    PAYLOAD,
    TAG_LIST,
    TAGS,
    read_sums,
    sums,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import listed, mapping
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import JournalError, read_journal

Json = dict[str, Any]
Problem = tuple[str, str]  # a path inside the bundle, and what is wrong with it

MISSING = "it is missing"
ADDED = "it was added: no list of the bundle names it"
CHANGED = "its content was changed: another SHA-256 is listed in {}"


@dataclass
class _Bag:
    """What is on the disk, and what the lists say."""

    folder: Path
    modes: dict[str, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def look(self) -> None:
        """Read every ordinary file once."""
        try:
            self.modes = dict(below(self.folder))
        except OSError as error:
            self.problems.append((".", f"it cannot be read: {error.strerror}"))
        for path, mode in self.modes.items():
            if not stat.S_ISREG(mode):
                self.problems.append((path, "it is no ordinary file"))
                continue
            try:
                self.digests[path] = sha256_of(self.folder / path)
            except OSError as error:
                self.problems.append((path, f"it cannot be read: {error.strerror}"))

    def content(self, name: str) -> bytes:
        """A small file; empty where there is none."""
        return (self.folder / name).read_bytes() if name in self.digests else b""

    def compare(self, said: Mapping[str, str], by: str) -> Iterator[Problem]:
        """Compare files with the SHA-256 that a list says."""
        for path in sorted(said):
            if path not in self.modes:
                yield path, MISSING
            elif path in self.digests and self.digests[path] != said[path]:
                yield path, CHANGED.format(by)


def bundles_in(folder: Path) -> list[Path]:
    """The bundles in an incident's evidence: folders with one of the files that only a bundle has."""
    if not folder.is_dir():
        return []
    marks = (CUSTODY, DECLARATION, TAG_LIST)
    return sorted(
        item for item in folder.iterdir() if not item.is_symlink() and any((item / m).exists() for m in marks)
    )


def verify_bundle(folder: Path, *, anchor: str | None = None, under_way: bool = False) -> tuple[int, list[Problem]]:
    """Return how many files were read, and what is wrong: a path inside the bundle and what it is, in its order.

    Nothing but the folder is read; what *anchor* says of ``tagmanifest-sha256.txt`` itself the caller reports.

    Args:
        folder: the bundle.
        anchor: SHA-256 of ``tagmanifest-sha256.txt`` that was recorded elsewhere, hexadecimal.
        under_way: a run is writing it: that it is not finished is no problem, and nothing of it is read.
    """
    if under_way and not (folder / TAG_LIST).exists():
        return 0, []  # it changes while one looks
    bag = _Bag(folder)
    bag.look()
    log, chain = _custody(bag)
    finished = TAG_LIST in bag.modes
    if not finished:
        bag.problems.append(_unfinished(log))
    tags = _tags(bag, anchor) if finished else {}
    by, said = _lists(bag, tags, log)
    known = bag.problems + chain + list(bag.compare(tags, TAG_LIST))
    known += list(bag.compare(said, by))
    named = {*said, *tags, *TAGS, TAG_LIST}
    known += [(path, ADDED) for path in bag.modes if path not in named]
    return len(bag.digests), _one_each(known)


def _one_each(problems: list[Problem]) -> list[Problem]:
    """The first thing that is wrong with a file is what is said of it; lines of the custody log are all said."""
    first: dict[str, str] = {}
    for path, problem in problems:
        if not (path == CUSTODY and any(other.startswith(f"{CUSTODY} line") for other in first)):
            first.setdefault(path, problem)
    return sorted(first.items())


def _custody(bag: _Bag) -> tuple[list[Json], list[Problem]]:
    """The records of the custody log, and the lines that were changed."""
    if CUSTODY not in bag.digests:
        return [], []
    try:
        log = read_journal(bag.folder / CUSTODY)
    except JournalError as error:
        return [], [(CUSTODY, error.message)]
    broken = []
    for problem in log.problems:
        line, _, text = problem.partition(": ")
        broken.append((f"{CUSTODY} {line}", text))
    return ([] if broken else log.records), broken


def _unfinished(log: list[Json]) -> Problem:
    if any(record["type"] == "sealed" for record in log[-1:]):
        return TAG_LIST, MISSING
    return ".", "it was never finished: sources may be missing"


def _tags(bag: _Bag, anchor: str | None) -> dict[str, str]:
    """What the list of tag files says of them; the files themselves when it alone was changed."""
    found = {name: bag.digests[name] for name in TAGS if name in bag.digests}
    changed = anchor is not None and bag.digests.get(TAG_LIST) != anchor
    if changed and hashlib.sha256(sums(found).encode()).hexdigest() == anchor:
        return found
    listing, wrong = read_sums(bag.content(TAG_LIST))
    said = {name: listing[name] for name in TAGS if name in listing}
    if not changed:  # else its lines are what the journal's check is about
        bag.problems += [(TAG_LIST, f"line {number} is no line of a list") for number in wrong]
        lost, more = sorted({*TAGS} - {*listing}), sorted({*listing} - {*TAGS})
        bag.problems += (
            [(TAG_LIST, f"it names {', '.join(more) or 'nothing'} instead of {', '.join(lost)}")] if lost else []
        )
        bag.problems += [(TAG_LIST, f"it names {', '.join(more)} too")] if more and not lost else []
    return said


def _lists(bag: _Bag, tags: Mapping[str, str], log: list[Json]) -> tuple[str, dict[str, str]]:
    """What the payload was, by the first list that is itself what it was; where two of those differ, that is said."""
    collected = [record["data"] for record in log if record["type"] in COLLECTING]
    listed_by = {LIST: read_sums(bag.content(LIST))[0], DOCUMENT: _document(bag), CUSTODY: _by_path(collected)}
    good = [name for name in (LIST, DOCUMENT, CUSTODY) if tags and bag.digests.get(name) == tags.get(name)]
    good = [name for name in good if name != CUSTODY or log]
    if not good:
        good = [CUSTODY] if log else [LIST]
    by = good[0]
    for other in good[1:]:
        for path in sorted({*listed_by[by], *listed_by[other]}):
            if listed_by[by].get(path) != listed_by[other].get(path):
                bag.problems.append((path, f"{by} and {other} do not say the same of it"))
    inside = {path: digest for path, digest in listed_by[by].items() if path.startswith(f"{PAYLOAD}/")}
    return by, inside


def _document(bag: _Bag) -> dict[str, str]:
    try:
        files = listed(mapping(json.loads(bag.content(DOCUMENT))).get("files"))
    except (ValueError, RecursionError):
        return {}
    return _by_path(files)


def _by_path(entries: list[Any]) -> dict[str, str]:
    found = (mapping(entry) for entry in entries)
    return {str(entry["path"]): str(entry.get("sha256")) for entry in found if entry.get("path")}
