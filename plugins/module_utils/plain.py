# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Turn what a client library returns into plain JSON data."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from typing import Any


def in_utc(moment: dt.datetime) -> dt.datetime:
    """Return an instant that knows its zone: a naive value is taken as UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def parse_instant(text: Any) -> dt.datetime | None:
    """Read an RFC 3339 instant, without a zone as UTC; ``None`` for anything else."""
    try:
        return in_utc(dt.datetime.fromisoformat(str(text)))
    except ValueError:
        return None


def rfc3339(moment: dt.datetime) -> str:
    """Format an instant as RFC 3339 in UTC, with microseconds (they identify a PostgreSQL session).

    A naive value is taken as UTC.
    """
    return in_utc(moment).astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_plain(value: Any) -> Any:
    """Return *value* as JSON data: str, int, float, bool, None, list and dict only.

    Instants become RFC 3339, durations seconds, NaN and infinities ``None`` (JSON has neither), bytes
    text, anything unknown its ``str()``. Subclasses of ``str`` and ``int`` (Ansible's tagged values)
    become the plain type.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value).encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(to_plain(key)): to_plain(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, dt.datetime):
        return rfc3339(value)
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, Iterable):
        return [to_plain(item) for item in value]
    return _number_or_text(value)


def _number_or_text(value: Any) -> Any:
    try:
        number = float(value)  # Decimal and friends
    except (TypeError, ValueError, OverflowError):
        return to_plain(str(value))
    return number if math.isfinite(number) else None
