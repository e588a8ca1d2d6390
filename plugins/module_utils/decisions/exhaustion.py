# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which connections are exhausted: the server's slots, the application's pool, PgBouncer's, or none. Pure, no I/O.

What PostgreSQL itself shows now outranks what applications logged. An application's time-out while waiting for
a connection is a proof of an exhausted pool only while the server has free slots: with a full or silent server
the same text is a consequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KINDS = ("server_slots", "app_pool", "pgbouncer", "not_exhaustion", "none", "unknown")

# classes of log lines that are read here; others are ignored
SERVER_SLOTS, APP_POOL, PGBOUNCER = "server_slots", "app_pool", "pgbouncer"
NO_CONNECTION = ("refused", "dns", "auth", "disk_full", "in_recovery")

# Seen by our own login, these are facts of the server. What else can fail (name service, network, password, TLS)
# may be wrong for this login only, and says nothing of the application.
FACTS_OF_THE_SERVER = ("refused", "disk_full", "in_recovery", "shutting_down")
SLOTS_EXHAUSTED, POOLER_EXHAUSTED = "server_slots_exhausted", "pooler_exhausted"


@dataclass(frozen=True)
class Seen:
    """What the logs of all pods say.

    Attributes:
        counts: lines by class.
        complete: whether every log was read, to its end.
        gaps: what was not read.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    complete: bool = False
    gaps: Sequence[str] = ()

    def lines(self, *classes: str) -> int:
        """How many lines are of one of the classes."""
        return sum(self.counts.get(name, 0) for name in classes)


def read_logs(logs: Sequence[Mapping[str, Any]]) -> Seen:
    """Sum up results of k8s_logs."""
    counts: dict[str, int] = {}
    gaps = [] if logs else ["no logs were read"]
    for log in logs:
        for name, found in (log.get("classes") or {}).items():
            counts[name] = counts.get(name, 0) + int(found.get("count") or 0)
        if not log.get("reachable"):
            gaps.append(f"logs could not be read: {log.get('message') or log.get('cause') or 'no reason given'}")
            continue
        total, read = int(log.get("pods_total") or 0), int(log.get("pods_read") or 0)
        if read < total or not total or log.get("pods_unread"):
            gaps.append(f"logs of {read} of {total} pods were read")
        if log.get("truncated"):
            gaps.append(f"{len(log['truncated'])} logs were cut off")
    return Seen(counts, not gaps, gaps)


def exhaustion_kind(
    activity: Mapping[str, Any] | None, logs: Sequence[Mapping[str, Any]], critical_ratio: float
) -> dict[str, Any]:
    """Return ``kind``, ``cause``, ``current``, ``reason``, ``evidence`` and ``gaps``.

    Args:
        activity: the result of pg_activity; ``None`` when it was not asked.
        logs: results of k8s_logs, classified by the classes above.
        critical_ratio: used ratio of the slots from which they count as exhausted.
    """
    seen = read_logs(logs)
    server = activity or {}
    kind, cause, current, reason = _by_server(server, critical_ratio) or _by_logs(server, seen)
    return {
        "kind": kind,
        "cause": cause,
        "current": current,
        "reason": reason,
        "evidence": _evidence(server, seen),
        "gaps": [*_server_gaps(server), *seen.gaps],
    }


Verdict = tuple[str, str | None, bool | None, str]


def _by_server(server: Mapping[str, Any], critical_ratio: float) -> Verdict | None:
    """What PostgreSQL shows by itself, whatever applications logged."""
    cause, said = server.get("cause"), server.get("message")
    if cause == SLOTS_EXHAUSTED:  # also when the reserved login got in after the ordinary one was turned away
        return "server_slots", cause, True, f"PostgreSQL turned a login away for want of a slot: {said}"
    if cause == POOLER_EXHAUSTED:
        return "pgbouncer", cause, True, f"PgBouncer turned a login away: {said}"
    if not server.get("reachable"):
        if cause not in FACTS_OF_THE_SERVER:
            return None
        return "not_exhaustion", cause, True, f"PostgreSQL takes no connections at all, which no pool causes: {said}"
    slots = server.get("slots") or {}
    full = next((limit for limit in slots.get("limits") or [] if limit.get("exhausted") and limit.get("limit")), None)
    ratio = slots.get("used_ratio")
    if ratio is not None and ratio >= critical_ratio:
        return "server_slots", SLOTS_EXHAUSTED, True, f"{_slots(slots)}, ratio {ratio:g}"
    if full:
        text = f"the {full['kind']} {full['name']} has {full['used']} of its {full['limit']} connections"
        return "server_slots", f"{full['kind']}_slots_exhausted", True, text
    return None


def _by_logs(server: Mapping[str, Any], seen: Seen) -> Verdict:
    """What applications logged, read in the light of what PostgreSQL shows."""
    slots = server.get("slots") if server.get("reachable") else None
    now = _slots(slots) if slots else "whether slots are free now is not known"
    current = False if slots else None
    if lines := seen.lines(SERVER_SLOTS):
        text = f"{lines} log lines say that PostgreSQL had no slot left; {now}"
        return "server_slots", SLOTS_EXHAUSTED, current, text
    if lines := seen.lines(PGBOUNCER):
        return "pgbouncer", POOLER_EXHAUSTED, None, f"{lines} log lines say that PgBouncer let nobody wait; {now}"
    waited, failed = seen.lines(APP_POOL), seen.lines(*NO_CONNECTION)
    if failed and failed >= waited:  # a pool that cannot connect also times out: the cause is the connection
        cause = max(NO_CONNECTION, key=seen.lines)
        return "not_exhaustion", cause, None, f"{failed} log lines say that connecting failed, mostly {cause}; {now}"
    if waited and slots:
        return "app_pool", "pool_timeout", None, f"{waited} log lines say that a pool gave no connection in time; {now}"
    if waited:
        text = f"{waited} log lines say that a pool gave no connection in time, but a full server looks the same: {now}"
        return "unknown", None, None, text
    if slots and seen.complete:
        return "none", None, None, f"{now}, and no log line speaks of missing connections"
    reasons = [*_server_gaps(server), *seen.gaps]
    return "unknown", None, None, f"nothing speaks of missing connections, but {'; '.join(reasons)}"


def _slots(slots: Mapping[str, Any]) -> str:
    return f"{slots.get('used')} of {slots.get('usable')} usable slots in use"


def _server_gaps(server: Mapping[str, Any]) -> list[str]:
    if not server:
        return ["PostgreSQL was not asked"]
    if not server.get("reachable"):
        return [f"PostgreSQL could not be asked: {server.get('message') or server.get('cause') or 'no reason given'}"]
    return [] if server.get("slots") else ["PostgreSQL's slots could not be counted"]


def _evidence(server: Mapping[str, Any], seen: Seen) -> list[dict[str, Any]]:
    slots = server.get("slots") or {}
    first = {
        "source": "postgres",
        "reachable": bool(server.get("reachable")),
        "cause": server.get("cause"),
        "used_ratio": slots.get("used_ratio"),
    }
    relevant = (SERVER_SLOTS, PGBOUNCER, APP_POOL, *NO_CONNECTION)
    return [
        *([first] if server else []),
        *({"source": "logs", "class": name, "lines": seen.lines(name)} for name in relevant if seen.lines(name)),
    ]
