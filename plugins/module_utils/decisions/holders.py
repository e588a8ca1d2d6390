# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which application holds PostgreSQL's slots, and whether it leaks them. Pure, no I/O.

Idle sessions alone are no leak: a pool may be too large. An application leaks when its requests wait in vain for
a connection of the pool while the server sees the sessions of that very pool at rest. Both must be true now: what
was logged a while ago may be over, and what a pod's previous instance logged went with its sessions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import parse_instant

APP_POOL = "app_pool"  # the class of log lines that say that a pool gave no connection in time
AT_REST = ("idle", "idle in transaction", "idle in transaction (aborted)")

Json = dict[str, Any]


def holders(activity: Mapping[str, Any] | None) -> list[Json]:
    """Return every application with its sessions, most first.

    Args:
        activity: the result of pg_activity; ``None`` when it was not asked.

    Returns:
        Each with ``application``, ``sessions``, ``idle`` (at rest, in a transaction or not), ``share`` (of the usable
        slots that are held at rest, ``None`` when the slots are not known) and ``longest_idle_s``.
    """
    seen = activity or {}
    usable = (seen.get("slots") or {}).get("usable")
    found: dict[str, Json] = {}
    for group in seen.get("groups") or []:
        name = str(group.get("application") or "")
        entry = found.setdefault(name, {"application": name, "sessions": 0, "idle": 0, "longest_idle_s": None})
        entry["sessions"] += int(group["sessions"])
        if group.get("state") in AT_REST:
            entry["idle"] += int(group["sessions"])
            ages = [age for age in (entry["longest_idle_s"], group.get("max_state_age_s")) if age is not None]
            entry["longest_idle_s"] = max(ages, default=None)
    for entry in found.values():
        entry["share"] = round(entry["idle"] / usable, 4) if usable else None
    return sorted(found.values(), key=lambda entry: (-entry["sessions"], entry["application"]))


def suspect(
    found: Sequence[Json],
    applications: Sequence[Mapping[str, Any]],
    share: float,
    since: dt.datetime | None = None,
) -> tuple[Json | None, str]:
    """Return the application that holds most of the slots at rest, with what its logs say; and why.

    Args:
        found: what :func:`holders` returned.
        applications: each with ``application`` (its ``application_name``), ``workload`` and ``logs`` (of k8s_logs).
        share: of the usable slots at rest from which an application is suspect.
        since: the last time-out must not be older; ``None`` for any age.

    Returns:
        The holder with ``workload`` (``None`` when it is not one of *applications*), ``pool_time_outs`` (log lines;
        ``None`` when its logs were not read) and ``leaks`` (``None`` when that is not known). Then one sentence.
    """
    candidates = [entry for entry in found if entry["share"] is not None and entry["share"] >= share]
    if not candidates:
        return None, f"no application holds {share:.0%} or more of the usable slots at rest"
    entry = max(candidates, key=lambda each: each["idle"])
    known = next((each for each in applications if each.get("application") == entry["application"]), None)
    held = f"{entry['application'] or 'an application without a name'} holds {entry['idle']} sessions at rest"
    held = f"{held}, {entry['share']:.0%} of the usable slots"
    if known is None:
        return {**entry, "workload": None, "pool_time_outs": None, "leaks": None}, f"{held}; it is no known workload"
    waits, last_at = _pool_time_outs(known.get("logs"))
    said = {**entry, "workload": known.get("workload"), "pool_time_outs": waits, "leaks": None}
    if waits is None:
        return said, f"{held}; whether it leaks them is not known, its logs could not be read whole"
    if waits and since and (last_at is None or last_at < since):
        at = f"the last at {last_at:%H:%M:%S} UTC" if last_at else "at an unknown time"
        text = f"{held}; {waits} of its log lines say that its pool gave no connection in time, {at}, so it may be over"
        return said, text
    if waits:
        text = f"{held}, while {waits} of its log lines say that its pool gave no connection in time: it leaks them"
        return {**said, "leaks": True}, text
    return {**said, "leaks": False}, f"{held}; its logs say nothing of waiting, so the pool is rather too large"


def _pool_time_outs(logs: Mapping[str, Any] | None) -> tuple[int | None, dt.datetime | None]:
    """Lines of the class and the time of the last; ``None`` where logs without such a line were not read whole."""
    if not logs or not logs.get("reachable"):
        return None, None
    found = (logs.get("classes") or {}).get(APP_POOL) or {}
    count = int(found.get("count") or 0) - int(found.get("previous") or 0)
    read, total = logs.get("pods_read") or 0, logs.get("pods_total") or 0
    complete = read and read >= total and not logs.get("pods_unread") and not logs.get("truncated")
    return (count if count > 0 or complete else None), parse_instant(found.get("last_at"))
