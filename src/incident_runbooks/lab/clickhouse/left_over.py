# SPDX-License-Identifier: GPL-3.0-or-later
"""A query log of an older version. An upgrade renames it when its columns changed; nothing will ever drop it."""

from __future__ import annotations

from pathlib import Path

NAME = "query_log_0"
TABLE = f"system.{NAME}"
DEFINITION = """(
    event_date Date, event_time DateTime, query_duration_ms UInt64, query String
) ENGINE = MergeTree PARTITION BY toYYYYMM(event_date) ORDER BY (event_date, event_time)"""

# The engine keeps the tables of ``system`` in memory, their data on disk: a new process has to be told of them. It
# wants a UUID for that; which one is of no importance.
_UUID = "6b1f7c1e-52b5-4e1c-9b0a-6f0a4b0a5d10"


def attachment(data: Path) -> str | None:
    """Return the statement that brings the table back, ``None`` where there is none.

    Args:
        data: the engine's directory.
    """
    if not any((data / "data" / "system" / NAME).glob("*/checksums.txt")):
        return None
    return f"ATTACH TABLE {TABLE} UUID '{_UUID}' {DEFINITION}"
