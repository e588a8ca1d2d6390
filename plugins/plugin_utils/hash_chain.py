# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Chain journal lines by hash, so that a line that was edited, removed, added or moved shows.

The hash is SHA-256 over the canonical JSON of the line without its own hash; it covers the hash of the line
before. The chain is no signature: whoever can write the file can write a new chain. Lines removed from the
end leave a valid, shorter chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.canonical import GENESIS, canonical, record_digest


@dataclass(frozen=True)
class Line:
    """One line of a journal file.

    Attributes:
        number: counted from 1.
        raw: its bytes without the line end.
        record: what it says, ``None`` where it is no journal record.
        ended: whether a line end followed.
    """

    number: int
    raw: bytes
    record: dict[str, Any] | None
    ended: bool = True


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record with its hash."""
    return {**record, "hash": record_digest(record)}


def chain_problems(lines: Iterable[Line]) -> list[str]:
    """Return what is wrong with a chain, one text a problem, each naming its line; empty when all is well."""
    problems: list[str] = []
    chain = _Chain()
    lines = list(lines)
    for index, line in enumerate(lines):
        if line.record is None:
            following = next((later.record for later in lines[index + 1 :] if later.record), None)
            problems.append(_not_a_record(line, following))
        else:
            problems.extend(f"line {line.number}: {problem}" for problem in chain.problems(line))
    return problems


def _not_a_record(line: Line, following: Mapping[str, Any] | None) -> str:
    size = len(line.raw) + line.ended
    recovered = following is not None and following["type"] == "journal_recovered"
    if recovered or not line.ended:
        after = ", recovered by the writer after it" if recovered else ""
        return f"line {line.number}: torn, {size} bytes of a record{after}"
    return f"line {line.number}: garbage, {size} bytes that are no journal record"


def _intact(raw: bytes, record: Mapping[str, Any]) -> bool:
    try:
        # the text too: a key that stands twice leaves the hash right
        return record_digest(record) == record["hash"] and canonical(record).encode("ascii") == raw
    except RecursionError:  # nested deeper than any record of ours
        return False


class _Chain:
    """Where a chain stands; compares each line with what must come next."""

    def __init__(self) -> None:
        self._previous = GENESIS
        self._seq = 0
        self._number = 0

    def problems(self, line: Line) -> list[str]:
        record = line.record or {}
        found = []
        if not _intact(line.raw, record):
            found.append("edited, its hash does not fit its content")
        if record["prev"] != self._previous:
            found.append(self._gap(record["seq"]))
        self._previous, self._seq, self._number = record["hash"], record["seq"], line.number
        return found

    def _gap(self, seq: int) -> str:
        before = f"after line {self._number} (seq {self._seq})" if self._number else "at the beginning"
        if seq > self._seq + 1:
            return f"removed before it, seq {self._seq + 1} to {seq - 1} are missing {before}"
        if seq <= self._seq:
            return f"reordered, seq {seq} stands {before}"
        return f"not the continuation {before}: that one was replaced, or this one"
