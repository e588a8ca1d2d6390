# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which sessions wait for locks long enough to make an API slow. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.latency_cause_told import answered

_LEAST_WAIT_S = 1.0  # shorter waits for locks are everyday


def waiters_of(given: Mapping[str, Mapping[str, Any]], slo_p95_ms: float) -> tuple[dict[int, float], int | None]:
    """Return who waits for a lock long enough to be seen in the latency, and who is first in their way.

    The age of the statement stands for that of the wait, which is not longer; where it is not known, nothing is proven.
    An advisory lock is waited for by intention, as by workers that take turns.

    Args:
        given: results as ``latency_cause`` has them; the first of ``activity`` and ``statements`` with waiters counts.
        slo_p95_ms: the objective in milliseconds.

    Returns:
        Seconds by process id, and the process id of the first blocker; ``None`` where it is not known.
    """
    least = max(_LEAST_WAIT_S, slo_p95_ms / 1000)
    for name in ("activity", "statements"):
        blocking = answered(given, name).get("blocking") or {}
        found = [row for row in blocking.get("blocked") or [] if row.get("wait_event") != "advisory"]
        waiters = {row["pid"]: age for row in found if (age := row.get("query_age_s")) is not None and age >= least}
        if waiters:
            in_the_way = {pid for row in found if row["pid"] in waiters for pid in row.get("roots") or []}
            roots = (root.get("pid") for root in blocking.get("roots") or [])
            return waiters, next((pid for pid in roots if pid in in_the_way), None)
    return {}, None
