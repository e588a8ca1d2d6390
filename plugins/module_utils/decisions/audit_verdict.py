# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How sure the scope of a breach is, and which status that is. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.audit_window import looks_like

_EXPORTING = frozenset({"export", "exported", "exports", "download", "downloaded", "dump", "bulk", "backup"})
_READING = frozenset({"read", "select", "view", "viewed", "list", "listed", "fetched"})
LOW, MEDIUM, HIGH = "low", "medium", "high"
STRONG = 4  # points of an actor against whom several things speak
UNSEEN = "rows changed without changing their time cannot be told: compare with logs that are kept elsewhere"

Json = dict[str, Any]


@dataclass(frozen=True)
class Doubts:
    """What may be missing.

    Attributes:
        baseline: whether the trail reaches back to the beginning of the baseline.
        any_baseline: whether there are rows in it at all.
        candidates_omitted: how many actors were not looked at.
        records_cut: whether more records were read than were resolved.
        addresses_omitted: how many addresses of suspects were not looked at.
        unnamed_exports: how many exports name no record: they may hold everybody.
        owners_unknown: how many records have no known owner.
        owners_failed: types of records whose owners could not be asked for.
        totals: rows that were looked at, those that take something, and those of them without actor or address.
        dropped: how many actors have a reason without being suspected, by reason.
        excused: actors whose activity is known.
        unlisted: actions that no option names.
    """

    baseline: bool
    any_baseline: bool
    candidates_omitted: int
    records_cut: bool
    addresses_omitted: int
    unnamed_exports: int
    owners_unknown: int
    owners_failed: Sequence[str]
    totals: Mapping[str, int]
    dropped: Mapping[str, int]
    excused: Sequence[int]
    unlisted: Sequence[str]


def confidence(suspects: Sequence[Mapping[str, Any]], trail: Mapping[str, Any], doubts: Doubts) -> Json:
    """Return the ``level`` and its ``reasons``: how sure it is who it was and what was taken."""
    unseen, grave, slight = _unseen(doubts), _grave(suspects, doubts), _slight(suspects, trail, doubts)
    if suspects:  # what else was done does not make it less sure that it was these
        slight = [*slight, *unseen]
    else:
        grave = [*grave, *unseen]
    level = LOW if grave else MEDIUM if slight else HIGH
    return {"level": level, "reasons": [*grave, *slight, *_excused(doubts), UNSEEN]}


def status(suspects: Sequence[Mapping[str, Any]], trail: Mapping[str, Any], level: str, doubts: Doubts) -> str:
    """Return the status of a finding: ``ok`` only where all could be looked at and nothing was found."""
    if suspects:
        return "degraded" if level == LOW else "down"
    if level == LOW:
        return "unknown"
    if trail["gaps"]["count"] or trail["tampered"]["count"]:
        return "degraded"
    looked_at = doubts.totals["taken"] and doubts.any_baseline and trail["gaps"]["known"]
    return "ok" if looked_at else "unknown"


def complete(trail: Mapping[str, Any], doubts: Doubts) -> bool:
    """Whether nobody is missing among those who are affected, as far as the trail can tell."""
    shows = trail["gaps"]["known"] and trail["tampered"]["known"]  # that rows were deleted or moved, if they were
    changed = not shows or trail["gaps"]["missing"] or trail["tampered"]["count"]
    cut = doubts.records_cut or doubts.candidates_omitted or doubts.addresses_omitted
    unknown = doubts.owners_unknown or doubts.owners_failed or doubts.unnamed_exports
    unlooked = any(looks_like(_EXPORTING | _READING, name) for name in doubts.unlisted)
    return not (changed or cut or unknown or unlooked or doubts.totals["taken_without_actor"])


def _unseen(doubts: Doubts) -> list[str]:
    """Return what may hide somebody who is not suspected."""
    found = []
    totals, dropped = doubts.totals, doubts.dropped
    if totals["events"] and not totals["taken"]:
        found.append("none of actions and export_actions occurs: name those of your application, see unlisted_actions")
    if totals["taken_without_actor"]:
        found.append(f"{totals['taken_without_actor']} reads or exports name no actor: nobody is suspected for them")
    if totals["taken_unreadable"]:
        found.append(f"the address of {totals['taken_unreadable']} reads or exports cannot be read")
    if totals["taken_without_address"] > totals["taken"] / 2:
        found.append(f"{totals['taken_without_address']} of {totals['taken']} reads and exports have no address")
    if names := [name for name in doubts.unlisted if looks_like(_EXPORTING, name)]:
        found.append(f"what {', '.join(names[:5])} took away was not looked at: see export_actions")
    if dropped["exports"]:
        found.append(f"{_accounts(dropped['exports'])} exported more than expected, and too little to be suspected")
    if dropped["no_history"]:
        found.append(f"{_accounts(dropped['no_history'])} without a history read a lot: nothing can be compared with")
    return found


def _accounts(number: int) -> str:
    return f"{number} account{'' if number == 1 else 's'}"


def _excused(doubts: Doubts) -> list[str]:
    if not doubts.excused:
        return []
    return [f"the activity of {', '.join(str(actor) for actor in doubts.excused[:10])} is known and does not count"]


def _grave(suspects: Sequence[Mapping[str, Any]], doubts: Doubts) -> list[str]:
    found = []
    if not doubts.totals["events"]:
        found.append("there is no row in this time")
    if not doubts.any_baseline:
        found.append("there is no row before this time: nothing can be compared with")
    if doubts.candidates_omitted:
        found.append(f"{doubts.candidates_omitted} more actors were not looked at: raise max_candidates")
    if doubts.addresses_omitted:
        found.append(f"{doubts.addresses_omitted} addresses of suspects were not looked at")
    if doubts.owners_failed:
        found.append(f"whom records of {', '.join(doubts.owners_failed)} are about could not be asked for")
    if suspects and all(_reason(each, "no_history") for each in suspects):
        found.append("nothing is known of the suspects from before")
    if suspects and max(each["score"] for each in suspects) < STRONG:
        found.append("one thing only speaks against the suspects")
    return found


def _slight(suspects: Sequence[Mapping[str, Any]], trail: Mapping[str, Any], doubts: Doubts) -> list[str]:
    found = []
    gaps, tampered = trail["gaps"], trail["tampered"]
    if not gaps["known"]:
        found.append(gaps["reason"])
    if gaps["missing"]:
        found.append(f"{gaps['missing']} rows are missing from the trail: what was taken may be more")
    if tampered["count"]:
        found.append(f"the time of {tampered['count']} rows does not fit: the trail was changed, or imported")
    if doubts.any_baseline and not doubts.baseline:
        found.append("the trail does not reach back to the beginning of the baseline")
    if doubts.records_cut:
        found.append("more records were read than max_records: people are counted for these only")
    if doubts.unnamed_exports:
        found.append(f"{doubts.unnamed_exports} exports or reads name no record: they may be about everybody")
    if doubts.owners_unknown:
        found.append(f"{doubts.owners_unknown} records have no known owner")
    if any(each["attributed"] == "all" for each in suspects):
        found.append("of some suspects all rows count: nothing tells the attacker's from their own")
    return [*found, *_different(doubts)]


def _different(doubts: Doubts) -> list[str]:
    found = []
    events, without = doubts.totals["events"], doubts.totals["without_address"]
    if events and without / events > 0.1:  # noqa: PLR2004 - a tenth
        found.append(f"{without} of {events} rows have no address")
    if doubts.dropped["new_addresses"]:
        found.append(f"{_accounts(doubts.dropped['new_addresses'])} came from elsewhere and read no more than usual")
    if names := [name for name in doubts.unlisted if looks_like(_READING, name)]:
        found.append(f"{', '.join(names[:5])} may be reads, and were not looked at: see actions")
    return found


def _reason(suspect: Mapping[str, Any], name: str) -> bool:
    return any(reason["reason"] == name for reason in suspect["reasons"])
