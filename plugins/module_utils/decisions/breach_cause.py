# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a suspected breach is: the decision table of data-breach. Pure, no I/O.

The first row that is proven counts, the others are named beside it. What was not looked at never counts as fine, and no
row takes an account for known of which nobody has said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_cause_facts import (
    MOST_NARROW,
    Facts,
)

Json = dict[str, Any]
Verdict = tuple[str, str]

CAUSES = (
    *("mass_export", "credential_leak", "account_takeover", "audit_tampered", "expected_activity", "unknown", "none"),
)
PRESERVE = "preserve-evidence"
NARROW = ("revoke-suspect-sessions", "revoke-suspect-access")
QUARANTINE = "quarantine-pods"
AFFECTED = "revoke-affected-sessions"
EVERYBODY = "revoke-all-sessions"
RESET = "reset-credentials"
WIDE = ("require-2fa", "revoke-oauth")
CARDS = "payment"  # the type of record that may hold data of cards


def breach_cause(facts: Facts) -> Json:
    """Return what the module of the same name does."""
    proven = [verdict for row in _ROWS if (verdict := row(facts))]
    cause, reason = proven[0] if proven else _nothing_proven(facts)
    causes = [name for name, _ in proven] or [cause]
    return {
        "cause": cause,
        "reason": reason,
        "status": _status(cause, facts),
        "also": [{"cause": name, "reason": why} for name, why in proven[1:]],
        "recommend": _recommend(causes, facts),
        "wide": _wide(causes, facts),
        "everybody": _everybody(causes, facts),
        "card_data": facts.said.card_data or _cards(facts),
        "suspects": list(facts.suspects),
        "expected": list(facts.known),
        "since": min(_times(facts, "first_seen"), default=None),
        "until": max(_times(facts, "last_seen"), default=None),
        "people": facts.people,
        "taken": facts.taken,
        "complete": facts.complete,
        "counts_are": "approximate" if facts.complete and not _missing(facts) else "at_least",
        "gaps": [*facts.blind, *_held_back(facts), *_unlooked(facts), *_mixed(facts), *facts.doubts],
        "next_step": " ".join([_NEXT[cause], *_held_back(facts)]).strip(),
    }


def _mass_export(facts: Facts) -> Verdict | None:
    if not facts.events:
        return None
    people, least = facts.people, "at least " if facts.more else ""
    if facts.unnamed:
        return "mass_export", f"{_accounts(facts)} exported data, and {least}{facts.unnamed} exports do not say whose"
    records = f"{least}{facts.records} records"
    if people is None:
        return "mass_export", f"{_accounts(facts)} exported {records}, and whose they are is not known"
    if people >= facts.mass_people or facts.records >= facts.mass_records:
        what = f"{_accounts(facts)} exported {records} and took data of {people} people"
        return "mass_export", what
    return None


def _credential_leak(facts: Facts) -> Verdict | None:
    if not facts.said.leaked:
        return None
    return "credential_leak", f"{len(facts.said.leaked)} credentials are said to have got out"


def _account_takeover(facts: Facts) -> Verdict | None:
    if not facts.suspects:
        return None
    if not facts.trail_read:
        return "account_takeover", f"{_accounts(facts)} under suspicion, and the audit trail could not be read whole"
    named = f", {len(facts.unlooked)} of them by the operator alone" if facts.unlooked else ""
    people = "an unknown number of" if facts.people is None else str(facts.people)
    return "account_takeover", f"{_accounts(facts)} used as their owners do not{named}, for data of {people} people"


def _accounts(facts: Facts) -> str:
    count = len(facts.suspects)
    return "1 account" if count == 1 else f"{count} accounts"


def _audit_tampered(facts: Facts) -> Verdict | None:
    gaps, moved = facts.scope.get("gaps") or {}, facts.scope.get("tampered") or {}
    found = []
    if gaps.get("count"):
        text = (
            f"{gaps['missing']} rows are missing in {gaps['count']} places (a server that crashed leaves out up to 32)"
        )
        found.append(text)
    if moved.get("count"):
        found.append(f"the time of {moved['count']} rows does not fit")
    return ("audit_tampered", f"the audit trail was changed: {' and '.join(found)}") if found else None


def _expected_activity(facts: Facts) -> Verdict | None:
    if not facts.known or facts.suspects or facts.said.pods or not facts.trail_read:
        return None
    if facts.blind or facts.loud or _not_whole(facts):
        return None  # it needs what "none" needs
    return "expected_activity", f"what is unusual was done by {len(facts.known)} accounts whose activity is expected"


_ROWS: tuple[Callable[[Facts], Verdict | None], ...] = (
    _mass_export,
    _credential_leak,
    _account_takeover,
    _audit_tampered,
    _expected_activity,
)
_NEXT: Mapping[str, str] = {
    "mass_export": (
        "Preserve evidence, end what the suspects have, then contain widely with two approvals; call the CISO, the DPO "
        "and legal now: the 72 hours are running."
    ),
    "credential_leak": (
        "Preserve evidence, then rotate each credential that is named, at its supplier first; payment-failure and "
        "auth-down put new keys for Stripe and for tokens in place. Quarantine the pods that had it (suspect-pods)."
    ),
    "account_takeover": (
        "Preserve evidence, end the suspects' sessions and access, reset their credentials, and ask their owners by "
        "another way than e-mail."
    ),
    "audit_tampered": (
        "Preserve evidence, trust logs that are kept elsewhere, and take a snapshot of the database's volume with its "
        "write-ahead log: whoever changed the trail can write the database."
    ),
    "expected_activity": "Close it with this record as the evidence, and tune the alert.",
    "unknown": "Preserve what there is, repair what could not be looked at, and run it again; it stays a suspicion.",
    "none": "",
}


def _not_whole(facts: Facts) -> bool:
    """Whether not all was looked at; a trail without suspects is ``ok`` only where it was."""
    omitted = any(each.get("addresses_omitted") for each in facts.scope.get("suspects") or [])
    return facts.scope.get("status") != "ok" and (facts.low or omitted)


def _nothing_proven(facts: Facts) -> Verdict:
    none = "no other account's access is unusual" if facts.known else "no account's access is unusual"
    if not facts.trail_read:
        return "unknown", f"whether data was taken is not known: {_first([*facts.blind, *facts.doubts])}"
    if facts.said.pods:
        return "unknown", f"{len(facts.said.pods)} pods are under suspicion, and {none}"
    if facts.loud:
        return "unknown", f"{facts.loud} addresses are suspicious, and {none}"
    if facts.blind:
        return "unknown", f"{none}, but {facts.blind[0]}"
    if facts.known:
        return "unknown", f"{none}, but not all was looked at: {_first(facts.doubts)}"
    return "none", f"{none}, and the audit trail is whole"


def _first(texts: Sequence[str]) -> str:
    return texts[0] if texts else "nothing says so"


def _status(cause: str, facts: Facts) -> str:
    if cause in ("none", "expected_activity"):
        return "ok"
    seen = set(facts.suspects) - set(facts.unlooked)
    sure = (facts.scope.get("status") == "down" and bool(seen)) or cause == "credential_leak"
    return "down" if sure and cause not in ("audit_tampered", "unknown") else "degraded"


def _recommend(causes: Sequence[str], facts: Facts) -> list[str]:
    """What helps, in the order in which it is done; nobody is logged out for a trail with gaps.

    What cannot be taken back is not recommended on a suspicion of low confidence.
    """
    if set(causes) <= {"none", "expected_activity"}:
        return []
    found = [PRESERVE]
    found += NARROW if facts.suspects and not facts.crowd else ()
    found += [QUARANTINE] if facts.said.pods else []
    concerned = _wide(causes, facts) and bool(facts.people)
    found += [AFFECTED] if concerned or (facts.crowd and facts.confirmed) else []
    found += [EVERYBODY] if _everybody(causes, facts) else []
    found += [RESET] if facts.confirmed else []
    found += WIDE if concerned else ()
    if not _times(facts, "first_seen"):
        found = [name for name in found if name != NARROW[1]]  # from when on is not known
    return found


def _everybody(causes: Sequence[str], facts: Facts) -> bool:
    """Whether those who must be logged out cannot be told from the others.

    A few records without an owner, and what further accounts took, are gaps: they log out nobody.
    """
    return _wide(causes, facts) and (facts.whose_unknown or facts.unnamed_people > 0)


def _wide(causes: Sequence[str], facts: Facts) -> bool:
    """Whether it is for more than the suspects. That others are expected makes a real export no smaller."""
    return "mass_export" in causes and not facts.low


def _held_back(facts: Facts) -> list[str]:
    """Why less is recommended than the cause alone would ask for."""
    found = []
    if facts.suspects and facts.low:
        text = "Confidence is low, so nothing is recommended for others that cannot be taken back; name in actors whom"
        found.append(f"{text} somebody has confirmed.")
    if facts.crowd:
        text = f"{len(facts.suspects)} accounts are under suspicion, more than {MOST_NARROW}: to end what they have"
        found.append(f"{text} needs two approvals (revoke-affected-sessions).")
    return found


def _unlooked(facts: Facts) -> list[str]:
    count = len(facts.unlooked)
    return [f"what {count} accounts took that the operator alone names is not known"] if count else []


def _mixed(facts: Facts) -> list[str]:
    if facts.elsewhere:
        return [f"{facts.elsewhere} accounts that are expected came from addresses that are new for them: not excused"]
    if not facts.mixed or not facts.suspects:
        return []
    return ["among those concerned are people whose data was read by accounts that are expected: narrow the time"]


def _times(facts: Facts, which: str) -> list[str]:
    """When the suspects were there, without those who are expected.

    The list of suspects may be cut, the time of all of them is not; but that is of those too who are expected.
    """
    whole = (facts.scope.get("window") or {}).get(which)
    if whole and not facts.mixed:
        return [str(whole)]
    found = facts.scope.get("suspects") or []
    return [str(each[which]) for each in found if str(each.get("actor_id")) in facts.suspects and each.get(which)]


def _cards(facts: Facts) -> bool:
    taken = facts.affected.get("by_type") or [] if facts.taken is not None else []
    return any(each.get("resource_type") == CARDS and each.get("records") for each in taken)


def _missing(facts: Facts) -> bool:
    return bool((facts.scope.get("gaps") or {}).get("missing"))
