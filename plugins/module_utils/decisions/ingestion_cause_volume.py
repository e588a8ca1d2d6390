# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Prometheus says of the volume of ClickHouse, for a server that does not know its disk. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


def read_volume(result: Json) -> dict[str, Any]:
    """Return what is known of the volume; of several ones nobody knows which one is this server's.

    Args:
        result: of prometheus_query, with the queries ``volumes`` (how many there are), ``used_ratio``, ``total_bytes``
            and ``free_bytes``; empty where it was not asked.

    Returns:
        ``used_ratio`` the used share, 0 to 1; ``total_bytes`` and ``free_bytes``, both or neither. ``None`` for what is
        not known.
    """
    answers = result.get("answers") or {}
    known = {name: each["value"] for name, each in answers.items() if each.get("status") == "value"}
    if known.get("volumes") != 1:
        known = {}
    used, total, free = (known.get(name) for name in ("used_ratio", "total_bytes", "free_bytes"))
    if total is None or free is None or not total > 0:
        total = free = None
    return {
        "used_ratio": used if used is not None and 0 <= used <= 1 else None,
        "total_bytes": total if total is None else int(total),
        "free_bytes": free if free is None else int(free),
    }
