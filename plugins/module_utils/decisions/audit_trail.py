# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What an audit trail says about itself: identifiers that are missing, rows whose time does not fit. Pure, no I/O.

A single missing identifier is everyday: a transaction that was rolled back has taken one. A run of them is not, though
a crashed server skips up to 32 (https://www.postgresql.org/docs/current/sql-createsequence.html). Times follow
identifiers but for the length of a transaction, as ``now()`` is the time of its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.audit_window import Window

Json = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What is judged by.

    Attributes:
        min_gap: so many missing identifiers in a row are a deletion.
        most: so long are the lists.
    """

    min_gap: int
    most: int


def trail(rows: Sequence[Mapping[str, Any]], window: Window, limits: Limits, *, has_numbers: bool) -> Json:
    """Return ``gaps`` and ``tampered``; see the documentation of ``audit_scope``.

    Args:
        rows: steps between neighbours, as the query gives them.
        window: what is looked at.
        limits: what is judged by.
        has_numbers: whether identifiers are numbers.
    """
    if not has_numbers:
        reason = "identifiers are no numbers: what is missing does not show"
        none = {"known": False, "reason": reason, "count": 0, "missing": 0}
        return {
            "gaps": {**none, "single": 0, "items": [], "omitted": 0},
            "tampered": {"known": False, "reason": reason, "count": 0, "items": [], "omitted": 0},
        }
    missing = [row for row in rows if row["missing"] >= limits.min_gap]
    back = [_odd(row, window) for row in rows if row["back"]]
    all_gaps = int(rows[0]["gaps"]) if rows else 0
    all_back = int(rows[0]["steps_back"]) if rows else 0
    gaps = sorted(missing, key=lambda row: int(row["id"]))
    return {
        "gaps": {
            "known": True,
            "reason": None,
            "count": len(gaps),
            "missing": sum(int(row["missing"]) for row in gaps),
            "single": all_gaps - len(gaps),
            "items": [_gap(row) for row in gaps[: limits.most]],
            "omitted": max(0, len(gaps) - limits.most),
        },
        "tampered": {
            "known": True,
            "reason": None,
            "count": all_back,
            "items": sorted(back, key=lambda item: int(item["id"]))[: limits.most],
            "omitted": max(0, all_back - min(len(back), limits.most)),
        },
    }


def _gap(row: Mapping[str, Any]) -> Json:
    return {
        "from_id": row["id_before"] + 1,
        "to_id": row["id"] - 1,
        "missing": row["missing"],
        "after": row["at_before"],
        "before": row["created_at"],
    }


def _odd(row: Mapping[str, Any], window: Window) -> Json:
    """Return which of the two rows of a step back does not fit to its neighbours.

    A row moved into the past is older than the one before it and the one after; one moved into the future is what all
    that follows seems to step back from.
    """
    earlier = row["at_before_that"]
    forward = earlier is not None and row["created_at"] >= earlier and row["at_before"] > row["created_at"]
    if row["at_after"] is not None and row["at_after"] >= row["at_before"]:
        forward = False
    elif earlier is None:  # the row before is the first that is looked at: the two after it agree, or not
        forward = row["at_after"] is not None and row["at_after"] >= row["created_at"]
    found = row["at_before"] if forward else row["created_at"]
    return {
        "id": row["id_before"] if forward else row["id"],
        "created_at": found,
        "moved": "forward" if forward else "back",
        "expected_after": earlier if forward else row["at_before"],
        "expected_before": row["created_at"] if forward else row["at_after"],
        "in_window": window.since <= found < window.until,
    }
