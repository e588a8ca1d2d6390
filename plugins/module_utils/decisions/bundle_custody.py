# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The custody log of an evidence bundle: JSON lines, each with the hash of the one before. Pure, no I/O.

A line has the shape of a journal's, so that the same check reads both. The chain is no signature: whoever can write
the file can write a new one. That is what the hash of the finished bundle is for, which goes elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.canonical import GENESIS, canonical, record_digest
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Log:
    """What a custody log holds.

    Attributes:
        records: every record.
        size: bytes of the whole lines.
        torn: bytes behind them, of a record that was being written when the process was killed.
    """

    records: list[Json] = field(default_factory=list)
    size: int = 0
    torn: int = 0


def next_record(records: list[Json], kind: str, data: Mapping[str, Any], *, at: str, run_id: str) -> Json:
    """Return the record that continues a log.

    Args:
        records: all that there are; only the last one counts.
        kind: what happened.
        data: plain JSON.
        at: RFC 3339.
        run_id: the run that writes.
    """
    last: Json = records[-1] if records else {"seq": 0, "hash": GENESIS}
    body = {
        "v": FORMAT_VERSION,
        "seq": last["seq"] + 1,
        "at": at,
        "run_id": run_id,
        "type": kind,
        "data": dict(data),
        "prev": last["hash"],
    }
    return {**body, "hash": record_digest(body)}


def line_for(record: Mapping[str, Any]) -> bytes:
    """The line of a record, with its end."""
    return canonical(record).encode("ascii") + b"\n"


def read_log(content: bytes) -> Log:
    """Read a custody log that is to be continued; the end may be torn, everything before must be whole.

    Raises:
        IncidentsError: a line was changed, added or removed.
    """
    lines = content.split(b"\n")
    torn = len(lines.pop())
    records: list[Json] = []
    for number, raw in enumerate(lines, start=1):
        record = _record(raw)
        expected = records[-1]["hash"] if records else GENESIS
        if record is None or record.get("prev") != expected:
            raise IncidentsError(f"line {number} is not what was written there")
        records.append(record)
    return Log(records, len(content) - torn, torn)


def _record(raw: bytes) -> Json | None:
    try:
        record = json.loads(raw)
        # the text too: a key that stands twice leaves the hash right
        whole = record["hash"] == record_digest(record) and canonical(record).encode("ascii") == raw
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return record if whole and isinstance(record["data"], dict) else None
