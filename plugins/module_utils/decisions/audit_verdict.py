# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How sure the scope of a breach is, and which status that is. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
        events: rows that were looked at.
        without_address: rows without an address.
    """

    baseline: bool
    any_baseline: bool
    candidates_omitted: int
    records_cut: bool
    addresses_omitted: int
    unnamed_exports: int
    owners_unknown: int
    owners_failed: Sequence[str]
    events: int
    without_address: int


def confidence(suspects: Sequence[Mapping[str, Any]], trail: Mapping[str, Any], doubts: Doubts) -> Json:
    """Return the ``level`` and its ``reasons``: how sure it is who it was and what was taken."""
    grave, slight = _grave(suspects, doubts), _slight(suspects, trail, doubts)
    level = LOW if grave else MEDIUM if slight else HIGH
    reasons = [*grave, *slight, UNSEEN]
    return {"level": level, "reasons": reasons}


def status(suspects: Sequence[Mapping[str, Any]], trail: Mapping[str, Any], level: str, doubts: Doubts) -> str:
    """Return the status of a finding: ``ok`` only where all could be looked at and nothing was found."""
    if suspects:
        return "degraded" if level == LOW else "down"
    if trail["gaps"]["count"] or trail["tampered"]["count"]:
        return "degraded"
    complete = doubts.events and doubts.any_baseline and trail["gaps"]["known"] and not doubts.candidates_omitted
    return "ok" if complete else "unknown"


def _grave(suspects: Sequence[Mapping[str, Any]], doubts: Doubts) -> list[str]:
    found = []
    if not doubts.events:
        found.append("there is no row in this time")
    if not doubts.any_baseline:
        found.append("there is no row before this time: nothing can be compared with")
    if doubts.candidates_omitted:
        found.append(f"{doubts.candidates_omitted} more actors were not looked at: raise max_candidates")
    if doubts.addresses_omitted:
        found.append(f"{doubts.addresses_omitted} addresses of suspects were not looked at")
    if doubts.owners_failed:
        found.append(f"whom records of {', '.join(doubts.owners_failed)} are about could not be asked for")
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
    if doubts.events and doubts.without_address / doubts.events > 0.1:  # noqa: PLR2004 - a tenth
        found.append(f"{doubts.without_address} of {doubts.events} rows have no address")
    return found
