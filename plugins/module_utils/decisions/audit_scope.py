# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whose access to data does not look like theirs, and which of it is the attacker's. Pure, no I/O.

An actor is not the attacker: it is the account that was used. So each of its addresses is judged apart. Rows from
where the actor has always come are its own, rows from elsewhere are attributed; where nothing came from elsewhere, or
what is unusual came from where the actor always comes, all of the actor's rows are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.audit_window import Window

SUSPECT = 2  # points
COUNTS = ("events", "reads", "exports", "failed_logins", "records")
_MOVED = 1.5  # times what is expected: an actor that has moved reads as much as before, give or take
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


@dataclass(frozen=True)
class Judged:
    """Who is suspected, and who is not.

    Attributes:
        suspects: worst first.
        expected: actors whose activity is known.
        dropped: how many actors have a reason without being suspected, by reason.
    """

    suspects: Sequence[Json]
    expected: Sequence[Json]
    dropped: Mapping[str, int]


def judge(rows: Sequence[Row], window: Window, limits: Limits, expected: Iterable[int] = ()) -> Judged:
    """Return the actors to suspect; see the documentation of ``audit_scope``.

    Args:
        rows: candidates, one row for each address of each.
        window: what was looked at.
        limits: what is judged by.
        expected: actors whose activity is known. It excuses nothing that came from an address that is new for them.
    """
    by_actor: dict[int, list[Row]] = {actor: [] for actor in sorted(set(expected))}
    known = [_expected(actor, [row for row in rows if int(row["actor_id"]) == actor]) for actor in by_actor]
    excused = {each["actor_id"] for each in known if each["excused"]}
    for row in rows:
        by_actor.setdefault(int(row["actor_id"]), []).append(row)
    found = [_suspect(actor, its, window, limits) for actor, its in by_actor.items() if its and actor not in excused]
    chosen = [each for each in found if each["score"] >= SUSPECT]
    dropped = {"exports": 0, "no_history": 0, "new_addresses": 0}
    for each in found:
        reasons = {reason["reason"] for reason in each["reasons"]}
        if each["score"] < SUSPECT and (weightiest := next((name for name in dropped if name in reasons), None)):
            dropped[weightiest] += 1
    ordered = sorted(chosen, key=lambda each: (-each["score"], -each["records"], -each["events"], each["actor_id"]))
    return Judged(ordered, known, dropped)


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


def shown_resources(rows: Sequence[Row], most: int) -> list[Row]:
    """Return what a result holds of rows in the order of the query.

    Exports that name no record come last in it and may be about everybody, so one of each type is never cut off.
    """
    unnamed = {row["resource_type"]: row for row in reversed(rows) if row["exports"] and row["unnamed"]}
    needed = {id(row) for row in list(unnamed.values())[:most]}
    room = most - len(needed)
    for row in rows:
        if room and id(row) not in needed:
            needed.add(id(row))
            room -= 1
    return [row for row in rows if id(row) in needed]


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


def _expected(actor: int, rows: Sequence[Row]) -> Json:
    """Return what an actor did whose activity is known. Who guesses at its password elsewhere is not the actor."""
    elsewhere = [row for row in rows if row["new"] and not row["trusted"] and row["events"] > row["failed_logins"]]
    return {
        "actor_id": actor,
        **{name: sum(row[name] for row in rows) for name in COUNTS},
        "first_seen": min((row["first_seen"] for row in rows), default=None),
        "last_seen": max((row["last_seen"] for row in rows), default=None),
        "new_addresses": bool(elsewhere),
        "excused": not elsewhere,
    }


def _suspect(actor: int, rows: Sequence[Row], window: Window, limits: Limits) -> Json:
    foreign = [row for row in rows if row["new"] and not row["trusted"]]
    reasons = _reasons(rows, foreign, window, limits)
    everything = _everything(rows, foreign, window, limits)
    counted = list(rows) if everything else foreign
    return {
        "actor_id": actor,
        "score": sum(reason["points"] for reason in reasons),
        "reasons": [{"reason": reason["reason"], "text": reason["text"]} for reason in reasons],
        "attributed": "all" if everything else "new_addresses",
        "first_seen": min(row["first_seen"] for row in counted) if counted else None,
        "last_seen": max(row["last_seen"] for row in counted) if counted else None,
        **{name: sum(row[name] for row in counted) for name in COUNTS},
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
        "own": elsewhere and bool(row["address"]) and not _shared(row, limits),
        "new": row["new"],
        "trusted": row["trusted"],
        **{
            name: row[name]
            for name in ("actors", "events", "reads", "exports", "failed_logins", "records", "first_seen", "last_seen")
        },
    }


def _shared(row: Row, limits: Limits) -> bool:
    """Whether an address is a proxy's or a network's: most of its many actors have come from there before.

    One that many accounts come from for the first time is where somebody tries them.
    """
    return bool(row["actors"] >= limits.shared_by and row["known_actors"] > row["actors"] / 2)


def _everything(rows: Sequence[Row], foreign: Sequence[Row], window: Window, limits: Limits) -> bool:
    """Whether nothing tells the attacker's rows from the actor's own.

    So it is with an insider, or with somebody in the same office. A harmless row from elsewhere must not hide that.
    """
    if not any(row["reads"] + row["exports"] for row in foreign):
        return True
    usual = [row for row in rows if not row["new"] or row["trusted"]]
    exports, taken = _sum(usual, "exports"), _sum(usual, "reads") + _sum(usual, "exports")
    return _many_exports(exports, rows[0], window, limits) or _much(taken, rows[0], window, limits)


def _many_exports(exports: int, first: Row, window: Window, limits: Limits) -> bool:
    return bool(exports > limits.ratio * first["exports_before"] * window.scale)


def _much(taken: int, first: Row, window: Window, limits: Limits) -> bool:
    return bool(taken >= limits.min_records and taken > limits.ratio * first["taken_before"] * window.scale)


def _reasons(rows: Sequence[Row], foreign: Sequence[Row], window: Window, limits: Limits) -> list[Json]:
    """Return what speaks against an actor, most important first.

    Without a history every address is new and nothing is expected, which says nothing against anybody.
    """
    first = rows[0]
    history = bool(first["events_before"])
    exports, opened = _sum(rows, "exports"), _sum(rows, "open_exports")
    taken = _sum(rows, "reads") + exports
    expected = first["taken_before"] * window.scale
    elsewhere, guesses = _sum(foreign, "records"), _sum(foreign, "failed_logins")
    guessed = guesses >= limits.min_failed_logins
    found = []
    if _many_exports(exports, first, window, limits):
        everybody = opened > 0 and not first["exports_ever"]
        text = f"{exports} exports or bulk reads, {_number(first['exports_before'] * window.scale)} expected"
        text += f"; {opened} of them of no single record" if opened else ""
        found.append(_reason("exports", 2 if exports >= limits.min_records or everybody else 1, text))
    if elsewhere >= limits.min_records or _sum(foreign, "exports"):
        number = len([row for row in foreign if row["records"] or row["exports"]])
        text = f"{elsewhere} records read from {number} addresses that this actor has not come from before"
        more = taken > _MOVED * expected or guessed
        strong = elsewhere >= limits.min_records and history and more
        found.append(_reason("new_addresses", 2 if strong else 1, text))
    if _much(taken, first, window, limits):
        text = f"{taken} reads, {_number(expected)} expected"
        found.append(_reason("above_baseline", 1 if history else 0, text))
    if guessed and found:
        found.append(_reason("failed_logins", 1, f"{guesses} failed logins from new addresses"))
    if not history and found:
        found.append(_reason("no_history", 0, "nothing is known of this actor from before"))
    return found


def _sum(rows: Sequence[Row], name: str) -> int:
    return sum(int(row[name]) for row in rows)


def _reason(reason: str, points: int, text: str) -> Json:
    return {"reason": reason, "points": points, "text": text}


def _number(value: float) -> str:
    return str(math.floor(value + 0.5))
