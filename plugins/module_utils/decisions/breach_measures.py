# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which measures were taken, as a notification may say: only what the incident's record shows as done. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

Json = dict[str, Any]

_DONE = frozenset({"done", "partial"})
# remediation: what the regulator reads, and what people read
WORDING: Mapping[str, Mapping[str, str]] = MappingProxyType(
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


def taken(
    actions: Sequence[Mapping[str, Any]], wording: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[list[Json], list[str]]:
    """Return the measures in force, the first first, and what keeps others from being named.

    What was only planned, was refused, failed, or was given back since is no measure. Of what was done in part, people
    are not told as if it were done.

    Args:
        actions: those of the incident's document, oldest first.
        wording: further or other words by remediation, as :data:`WORDING`.

    Returns:
        ``id``, ``at``, ``partly``, ``regulator`` and ``people`` (``None`` where people are not told) of each, and
        caveats.
    """
    words = {**WORDING, **(wording or {})}
    found: dict[str, Json] = {}
    doubts: dict[str, str] = {}
    for action in actions:
        name = str(action["id"])
        if action.get("check_mode"):
            continue
        if action.get("rolls_back"):
            if action.get("changed") and found.pop(name, None):
                doubts[name] = f"{name} was given back since"
        elif action["status"] == "unknown":
            doubts[name] = f"of {name} it is not known whether it was done"
        elif action["status"] in _DONE and action.get("changed"):
            partly = action["status"] != "done" and (name not in found or found[name]["partly"])
            first = found.get(name, action)
            at = first.get("at") or action.get("ended_at")
            found[name] = {"id": name, "at": at, "partly": partly, **_said(name, action, words, partly=partly)}
            doubts.pop(name, None)
            if partly:
                doubts[name] = f"{name} was done in part only, so people are not told of it"
    return list(found.values()), list(doubts.values())


def _said(name: str, action: Mapping[str, Any], words: Mapping[str, Mapping[str, str]], *, partly: bool) -> Json:
    said = words.get(name) or {}
    text = str(said.get("regulator") or action.get("title") or name)
    people = said.get("people")
    return {"regulator": f"In part: {text}" if partly else text, "people": None if partly else people}
