# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whose access to data does not look like theirs, and which of it is the attacker's. Pure, no I/O.

An actor is not the attacker: it is the account that was used. So each of its addresses is judged apart. Rows from
where the actor has always come are its own, rows from elsewhere are attributed; where nothing came from elsewhere, all
of the actor's rows are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.audit_window import Window

SUSPECT = 2  # points
EVERY_ADDRESS = "*"
NOT_RECORDED = ""
Json = dict[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Limits:
    """What is judged by.

    Attributes:
        ratio: so many times more than expected is unusual.
        min_records: fewer different records are no reason to suspect anybody.
        min_failed_logins: so many failed logins from a new address are guessing.
        shared_by: an address with so many actors is a proxy's or a network's, nobody's own.
        most: so long are the lists.
    """

    ratio: float
    min_records: int
    min_failed_logins: int
    shared_by: int
    most: int


def suspects(rows: Sequence[Row], window: Window, limits: Limits) -> list[Json]:
    """Return the actors to suspect, worst first; see the documentation of ``audit_scope``.

    Args:
        rows: candidates, one row for each address of each.
        window: what was looked at.
        limits: what is judged by.
    """
    by_actor: dict[int, list[Row]] = {}
    for row in rows:
        by_actor.setdefault(int(row["actor_id"]), []).append(row)
    found = [_suspect(actor, its, window, limits) for actor, its in by_actor.items()]
    chosen = [each for each in found if each["score"] >= SUSPECT]
    return sorted(chosen, key=lambda each: (-each["score"], -each["records"], -each["events"], each["actor_id"]))


def pairs(found: Iterable[Row]) -> tuple[list[int], list[str]]:
    """Return actors and addresses whose rows are attributed to the attacker, as two lists of equal length."""
    both = [
        (each["actor_id"], address)
        for each in found
        for address in (
            [EVERY_ADDRESS]
            if each["attributed"] == "all"
            else [row["address"] or NOT_RECORDED for row in each["addresses"] if row["attributed"]]
        )
    ]
    return [actor for actor, _ in both], [address for _, address in both]


def shown(found: Sequence[Row], limits: Limits) -> list[Json]:
    """Return the suspects as a result holds them: with lists of bounded length."""
    return [
        {
            **each,
            "addresses": each["addresses"][: limits.most],
            "addresses_omitted": each["addresses_omitted"] + max(0, len(each["addresses"]) - limits.most),
        }
        for each in found[: limits.most]
    ]


def attack_window(found: Sequence[Row]) -> Json:
    """Return when the attributed rows were written, by whom and from where."""
    firsts, lasts = [each["first_seen"] for each in found], [each["last_seen"] for each in found]
    own = {row["address"] for each in found for row in each["addresses"] if row["attributed"] and row["own"]}
    return {
        "first_seen": min(firsts, default=None),
        "last_seen": max(lasts, default=None),
        "actor_ids": sorted(each["actor_id"] for each in found),
        "addresses": sorted(own),
        "events": sum(each["events"] for each in found),
    }


def _suspect(actor: int, rows: Sequence[Row], window: Window, limits: Limits) -> Json:
    foreign = [row for row in rows if row["new"] and not row["trusted"]]
    reasons = _reasons(rows, foreign, window, limits)
    # an insider, or somebody in the same office: nothing tells their rows apart
    everything = not any(row["reads"] + row["exports"] for row in foreign)
    counted = list(rows) if everything else foreign
    return {
        "actor_id": actor,
        "score": sum(reason["points"] for reason in reasons),
        "reasons": [{"reason": reason["reason"], "text": reason["text"]} for reason in reasons],
        "attributed": "all" if everything else "new_addresses",
        "first_seen": min(row["first_seen"] for row in counted) if counted else None,
        "last_seen": max(row["last_seen"] for row in counted) if counted else None,
        **{name: sum(row[name] for row in counted) for name in ("events", "reads", "exports", "failed_logins")},
        "records": sum(row["records"] for row in counted),
        "usual_events": sum(row["events"] for row in rows) - sum(row["events"] for row in counted),
        "baseline": {
            "events": rows[0]["events_before"],
            "expected_reads": round(rows[0]["taken_before"] * window.scale, 1),
            "expected_exports": round(rows[0]["exports_before"] * window.scale, 1),
        },
        "addresses": [_address(row, limits, everything=everything) for row in rows],
        "addresses_omitted": int(rows[0]["addresses_of_actor"]) - len(rows),
    }


def _address(row: Row, limits: Limits, *, everything: bool) -> Json:
    elsewhere = bool(row["new"] and not row["trusted"])
    return {
        "address": row["address"] or None,
        "attributed": everything or elsewhere,
        "own": elsewhere and bool(row["address"]) and row["actors"] < limits.shared_by,
        "new": row["new"],
        "trusted": row["trusted"],
        **{
            name: row[name]
            for name in ("actors", "events", "reads", "exports", "failed_logins", "records", "first_seen", "last_seen")
        },
    }


def _reasons(rows: Sequence[Row], foreign: Sequence[Row], window: Window, limits: Limits) -> list[Json]:
    """Return what speaks against an actor, most important first."""
    first = rows[0]
    exports, taken = sum(row["exports"] for row in rows), sum(row["reads"] + row["exports"] for row in rows)
    expected_exports = first["exports_before"] * window.scale
    expected = first["taken_before"] * window.scale
    elsewhere = sum(row["records"] for row in foreign)
    exported_elsewhere = sum(row["exports"] for row in foreign)
    guesses = sum(row["failed_logins"] for row in foreign)
    found = []
    if exports > max(limits.ratio * expected_exports, 0):
        many = exports >= limits.min_records
        text = f"{exports} exports or bulk reads, {_number(expected_exports)} expected"
        found.append(_reason("exports", 2 if many else 1, text))
    if elsewhere >= limits.min_records or exported_elsewhere:
        number = len([row for row in foreign if row["records"]])
        text = f"{elsewhere} records read from {number} addresses that this actor has not come from before"
        found.append(_reason("new_addresses", 2 if elsewhere >= limits.min_records else 1, text))
    if taken >= limits.min_records and taken > limits.ratio * expected:
        found.append(_reason("above_baseline", 1, f"{taken} reads, {_number(expected)} expected"))
    if guesses >= limits.min_failed_logins and found:
        found.append(_reason("failed_logins", 1, f"{guesses} failed logins from new addresses"))
    if not first["events_before"] and found:
        found.append(_reason("no_history", 0, "nothing is known of this actor from before"))
    return found


def _reason(reason: str, points: int, text: str) -> Json:
    return {"reason": reason, "points": points, "text": text}


def _number(value: float) -> str:
    return str(math.floor(value + 0.5))
