# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which measures were taken, as a notification may say: only what the incident's record shows as done. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import is_release

Json = dict[str, Any]
Words = Mapping[str, Mapping[str, str]]

_DONE = frozenset({"done", "partial"})
# "known": for all who are known to be concerned, where that is not all of them
SUSPECTS, KNOWN, AFFECTED, ALL = "suspects", "known", "affected", "all"
# remediation: what the regulator reads, and what people read
WORDING: Words = MappingProxyType(
    {
        "quarantine-pod": {
            "regulator": "The part of the platform under suspicion was isolated and preserved.",
            "people": "Isolated the affected system",
        },
        "revoke-sessions": {
            "regulator": "The sessions concerned were ended.",
            "people": "Ended the sessions concerned",
        },
        "revoke-tokens": {
            "regulator": "The refresh tokens concerned were revoked.",
            "people": "Revoked the login tokens concerned",
        },
        "reset-credentials": {
            "regulator": "The passwords of the users concerned were invalidated and links for new ones sent.",
            "people": "Reset the passwords of the accounts concerned",
        },
        "require-2fa": {
            "regulator": "A second factor was made a requirement for the users concerned.",
            "people": "Made two-factor authentication a requirement for the accounts concerned",
        },
        "revoke-oauth": {
            "regulator": "The OAuth grants of the social accounts concerned were revoked.",
            "people": "Revoked the access to connected social accounts",
        },
    }
)
# the same where it was done for the accounts under suspicion alone: whoever reads it would take it for their own
NARROW: Words = MappingProxyType(
    {
        "revoke-sessions": {
            "regulator": "The sessions of the accounts under suspicion were ended.",
            "people": "Ended the sessions of the accounts that were misused",
        },
        "revoke-tokens": {
            "regulator": "The refresh tokens of the accounts under suspicion were revoked.",
            "people": "Revoked the login tokens of the accounts that were misused",
        },
        "reset-credentials": {
            "regulator": "The passwords of the accounts under suspicion were invalidated and links for new ones sent.",
        },
        "require-2fa": {"regulator": "A second factor was made a requirement for the accounts under suspicion."},
        "revoke-oauth": {"regulator": "The OAuth grants of the accounts under suspicion were revoked."},
    }
)
# people act upon these, so they are told only where the record says that it was done for all who are concerned
_FOR_ALL = frozenset({"reset-credentials", "require-2fa", "revoke-oauth"})
_OF_USERS = frozenset({"reset-credentials", "require-2fa"})  # whose targets count users
# verifications that have another name than their remediation
_CHECKED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sessions_of_suspects": ("revoke-suspect-sessions", "revoke-sessions"),
        "sessions_of_affected": ("revoke-affected-sessions", "revoke-sessions"),
        "sessions_of_all": ("revoke-all-sessions", "revoke-sessions"),
        "quarantine": ("quarantine-pods", "quarantine-pod"),
    }
)


def taken(
    actions: Sequence[Mapping[str, Any]],
    verdicts: Sequence[Mapping[str, Any]] = (),
    wording: Words | None = None,
    people: int | None = None,
) -> tuple[list[Json], list[str]]:
    """Return the measures in force, the first first, and what keeps others from being named.

    What was only planned, was refused, failed, or was given back since is no measure. People are not told of what was
    done in part, was done for others than them, or turned out to be without effect.

    Args:
        actions: those of the incident's document, oldest first. For whom one was done is ``scope`` in ``before`` or in
            a target: ``suspects``, ``known``, ``affected`` or ``all``.
        verdicts: its verifications, oldest first.
        wording: further or other words by remediation, as :data:`WORDING`.
        people: how many people are concerned, where that is known.

    Returns:
        ``id``, ``at``, ``partly``, ``scope``, ``regulator`` and ``people`` (``None`` where people are not told) of
        each, and caveats.
    """
    best, doubts = _in_force(actions)
    failed = _unresolved(verdicts)
    words = {**WORDING, **(wording or {})}
    found = []
    for name, (at, action) in best.items():
        measure, doubt = _measure(name, action, words, people, failed=name in failed)
        found.append({**measure, "at": at})
        if doubt:
            doubts[name] = doubt
    return found, list(doubts.values())


def _in_force(actions: Sequence[Mapping[str, Any]]) -> tuple[dict[str, tuple[Any, Mapping[str, Any]]], dict[str, str]]:
    """When each was done first, and that of its actions which did most."""
    best: dict[str, tuple[Any, Mapping[str, Any]]] = {}
    doubts: dict[str, str] = {}
    for action in actions:
        name = str(action["id"])
        if action.get("check_mode"):
            continue
        if action.get("rolls_back"):
            if action.get("changed") and not is_release(action) and best.pop(name, None):
                doubts[name] = f"{name} was given back since"
        elif action["status"] == "unknown":
            doubts[name] = f"of {name} it is not known whether it was done"
        elif action["status"] in _DONE and action.get("changed"):
            at, before = best.get(name, (action.get("ended_at"), action))
            best[name] = (at, max(before, action, key=_reach))
            doubts.pop(name, None)
    return best, doubts


def _reach(action: Mapping[str, Any]) -> tuple[bool, bool, int]:
    return scope(action) in (AFFECTED, ALL), action["status"] == "done", _count(action)


def others_kept(actions: Sequence[Mapping[str, Any]]) -> dict[str, bool | None]:
    """Return of each remediation whether others had as many sessions afterwards; ``None`` where it did not see.

    Args:
        actions: those of one run. Of several of one remediation, that counts which says no, and then a silent one.
    """
    said: dict[str, list[Any]] = {}
    for action in actions:
        sessions = (action.get("after") or {}).get("sessions") or {}
        said.setdefault(str(action["id"]), []).append(sessions.get("others_within_5_percent"))
    return {name: False if False in kept else True if set(kept) == {True} else None for name, kept in said.items()}


def scope(action: Mapping[str, Any]) -> str | None:
    """Return for whom an action was done, ``None`` where its record does not say.

    Of more than one answer the narrowest counts.
    """
    said = [(action.get("before") or {}).get("scope"), *(each.get("scope") for each in action.get("targets") or [])]
    return next((name for name in (SUSPECTS, KNOWN, AFFECTED, ALL) if name in said), None)


def _count(action: Mapping[str, Any]) -> int:
    counts = [each.get("count") for each in action.get("targets") or []]
    return sum(count for count in counts if isinstance(count, int))


def _unresolved(verdicts: Sequence[Mapping[str, Any]]) -> set[str]:
    """Remediations whose last verification says that they did not help."""
    last = {str(each.get("check")): each.get("status") for each in verdicts}
    bad = [check for check, status in last.items() if status == "unresolved"]
    return {name for check in bad for name in _CHECKED.get(check, (check.replace("_", "-"),))}


def _measure(
    name: str, action: Mapping[str, Any], words: Words, people: int | None, *, failed: bool
) -> tuple[Json, str | None]:
    who, whole = scope(action), action["status"] == "done"
    partly = not whole or who == KNOWN
    said = NARROW[name] if who == SUSPECTS and name in NARROW else words.get(name) or {}
    told, doubt = said.get("people"), None
    if not whole:
        doubt = f"{name} was done in part only, so people are not told of it"
    elif failed:
        doubt = f"the verification of {name} is unresolved, so people are not told of it"
    elif who == KNOWN:
        doubt = f"{name} was done for those alone who are known, which are not all, so people are not told of it"
    elif name in _FOR_ALL:
        doubt = _not_for_all(name, who, _count(action), people)
    text = str(said.get("regulator") or action.get("title") or name)
    if failed:
        text = f"{text} Its verification is unresolved."
    regulator = f"In part: {text}" if partly else text
    return {
        "id": name,
        "partly": partly,
        "scope": who,
        "regulator": regulator,
        "people": None if doubt else told,
    }, doubt


def _not_for_all(name: str, who: str | None, count: int, people: int | None) -> str | None:
    if who is None:
        return f"for whom {name} was done is not recorded, so people are not told of it"
    if who == SUSPECTS:
        return f"{name} was done for the accounts under suspicion alone, so people are not told of it"
    if name in _OF_USERS and people is not None and count < people:
        return f"{name} was done for {count} of {people} people, so people are not told of it"
    return None
