# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which addresses of an audit trail are suspicious. Pure, no I/O.

How often an address appears says little: most is what offices and proxies do. So it has to be one that few use, and
that either takes far more than ever before, or is new and takes many different records, however slowly. What is done
comes first: that many actors use an address excuses nothing, as somebody who tries their passwords makes it so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOUD, SLOW, GUESSING, EXPORTS, SHARED = "loud", "slow", "guessing", "exports", "shared"
_MOSTLY = 0.5  # more rows without an address: who came from where is not known
_FAILING = 0.1  # of the rows: fewer failed logins are people's mistakes

Json = dict[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Limits:
    """What is judged by.

    Attributes:
        min_events: fewer rows are not loud.
        ratio: so many times more than expected is unusual.
        min_records: fewer different records are no reason to suspect anybody.
        min_failed_logins: so many failed logins are guessing.
        slow_min_days: on so many days at least low-and-slow goes on.
        slow_max_per_hour: so many rows at most in each hour that has any.
        shared_by: an address with so many actors is nobody's own, where most of them have come from it before.
        proxy_share: an address with a larger share of all rows is the proxy's.
        most: so long are the lists.
    """

    min_events: int
    ratio: float
    min_records: int
    min_failed_logins: int
    slow_min_days: int
    slow_max_per_hour: float
    shared_by: int
    proxy_share: float
    most: int


def judge(rows: Sequence[Row], totals: Row, scale: float, limits: Limits, *, compared: bool) -> Json:
    """Return the verdict; see the documentation of ``audit_ips``.

    Args:
        rows: addresses that are not trusted, as the query gives them; at least one, its address ``None`` for none.
        totals: rows of the time.
        scale: what a count of the baseline is multiplied with.
        limits: what is judged by.
        compared: whether there is a baseline.
    """
    first = rows[0]
    found = [_address(row, scale, limits, compared=compared) for row in rows if row["address"] is not None]
    told = [each for each in found if each["kinds"]]
    suspicious = [each for each in told if each["kinds"] != [SHARED]]
    share = first["top_events"] / first["all_events"] if first["all_events"] else 0.0
    recorded = _recorded(share, totals, limits)
    ordered = [*suspicious, *(each for each in told if each["kinds"] == [SHARED])]
    return {
        "status": _status(suspicious, totals, recorded=recorded, compared=compared),
        "client_ip_recorded": recorded,
        "top": {"address": first["top_address"], "events": first["top_events"] or 0, "share": round(share, 4)},
        "suspicious_addresses": [each["address"] for each in suspicious[: limits.most]],
        "suspicious_count": len(suspicious),
        "shared_addresses": [each["address"] for each in told if SHARED in each["kinds"]][: limits.most],
        "addresses": ordered[: limits.most],
        "omitted": max(0, len(ordered) - limits.most) + max(0, int(first["candidates"] or 0) - len(found)),
        "totals": {
            "events": totals["events"],
            "without_address": totals["without_address"],
            "unreadable_addresses": totals["unreadable_addresses"],
            "addresses": first["all_addresses"],
            "trusted_addresses": first["trusted_addresses"],
            "trusted_events": first["trusted_events"],
        },
    }


def _recorded(share: float, totals: Row, limits: Limits) -> bool | None:
    """Whether the clients' own addresses are recorded; ``None`` where most rows have none that can be read."""
    missing = totals["without_address"] + totals["unreadable_addresses"]
    if not totals["events"] or missing > _MOSTLY * totals["events"]:
        return None
    return share <= limits.proxy_share


def _status(suspicious: Sequence[Json], totals: Row, *, recorded: bool | None, compared: bool) -> str:
    if suspicious:
        return "degraded"
    missing = totals["taken_without_address"] > _MOSTLY * totals["taken"]
    looked_at = totals["taken"] and not missing and not totals["taken_unreadable"]
    return "ok" if recorded and compared and looked_at else "unknown"


def _address(row: Row, scale: float, limits: Limits, *, compared: bool) -> Json:
    expected = row["same_hours_before"] * scale
    ratio = row["events"] / expected if expected else None
    per_hour = row["events"] / row["hours"]
    kinds, reasons = _kinds(row, ratio, per_hour, limits, compared=compared)
    return {
        "address": row["address"],
        "kinds": kinds,
        "reasons": reasons,
        **{name: row[name] for name in ("events", "taken", "exports", "failed_logins", "records", "actors", "new")},
        "actor_ids": sorted(row["actor_ids"] or []),
        "new_for_actors": row["new_for_actors"],
        "expected": round(expected, 1),
        "ratio": None if ratio is None else round(ratio, 1),
        "first_seen": row["first_seen"],
        "last_seen": row["last_seen"],
        "hours": row["hours"],
        "days": row["days"],
        "per_hour": round(per_hour, 2),
    }


def _kinds(
    row: Row, ratio: float | None, per_hour: float, limits: Limits, *, compared: bool
) -> tuple[list[str], list[str]]:
    """Return what an address is, and why. Without a baseline every address is new, which says nothing."""
    new = row["new"] and compared
    found: dict[str, str] = {}
    unusual = new or (ratio is not None and ratio > limits.ratio)
    takes = row["records"] >= limits.min_records
    quiet = per_hour <= limits.slow_max_per_hour
    if unusual and takes and row["events"] >= limits.min_events and not quiet:
        times = "never seen before" if ratio is None else f"{ratio:.0f} times what is expected"
        found[LOUD] = f"{row['taken']} reads of {row['records']} records, {row['exports']} of them exports; {times}"
    if new and takes and quiet and row["days"] >= limits.slow_min_days:
        found[SLOW] = f"new, {per_hour:.1f} rows an hour on {row['days']} days, {row['records']} records"
    if row["failed_logins"] >= max(limits.min_failed_logins, _FAILING * row["events"]):
        found[GUESSING] = f"{row['failed_logins']} failed logins"
    if new and LOUD not in found and (row["exports"] >= limits.min_records or row["open_exports"]):
        of_everybody = f", {row['open_exports']} of no single record" if row["open_exports"] else ""
        found[EXPORTS] = f"new, {row['exports']} exports{of_everybody}"
    if _shared(row, limits):
        found[SHARED] = f"{row['actors']} actors use it, as most of them did before: a proxy's, or a network's"
    return list(found), list(found.values())


def _shared(row: Row, limits: Limits) -> bool:
    known = row["actors"] - row["new_for_actors"]
    return bool(not row["new"] and row["actors"] >= limits.shared_by and known > row["actors"] / 2)
