# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What the journal says of messages: one ``notification`` a message, and a loud notice where nobody was paged. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

Json = dict[str, Any]

_STATUS = {"superseded": "suppressed"}
_PHONE_LENGTH = 200
UNDELIVERED = frozenset({"failed", "unknown", "pending", "sending"})


def notification(message: Mapping[str, Any], now: str, status: str | None = None) -> Json:
    """Return the record of a message of the outbox.

    Args:
        status: another one than its state says, such as ``already_sent``.
    """
    keys = ("id", "channel", "purpose", "stage", "cause", "message", "fingerprint", "payload")
    more = ("ids", "attempts", "next_attempt_at", "sent_at")
    return {
        **{name: message[name] for name in keys},
        "target": message["target"] or message["to"] or message["channel"],
        "status": status or _STATUS.get(message["state"], message["state"]),
        **{name: message[name] for name in more},
        "at": now,
    }


def draft(content: Mapping[str, Any], now: str, cause: str) -> Json:
    """Return the record of a message that is shown and not sent.

    Args:
        cause: why: ``diagnose``, ``check_mode``, ``notify_off``, ``manual`` or ``not_released``.
    """
    return {
        "id": None,
        **{name: content[name] for name in ("channel", "purpose", "stage", "fingerprint", "payload")},
        "target": content["to"] or content["channel"],
        "status": "suppressed" if cause == "not_released" else "draft",
        "cause": cause,
        "message": None,
        "ids": {},
        "attempts": 0,
        "next_attempt_at": None,
        "sent_at": None,
        "at": now,
    }


def records(
    composed: Sequence[Mapping[str, Any]],
    touched: Sequence[Json],
    known: Mapping[str, Json],
    now: str,
    *,
    asked: bool = False,
) -> list[Json]:
    """Return the records of a sending: what was tried, and what is as it was.

    Args:
        composed: the messages of the outbox that were composed now.
        touched: those whose state changed.
        known: by id, the state of every message before.
        asked: a person asked for what was composed, and is told each time that its channel is not set up.
    """
    wanted = {message["id"] for message in composed} if asked else set()
    changed = {message["id"] for message in touched}
    unset = {_place(message) for message in known.values() if message["state"] == "not_configured"}
    said = []
    for message in touched:
        # that a channel is not set up is said once, and then not that it need not be any more
        known_so = message["state"] in ("not_configured", "superseded") and _place(message) in unset
        if known_so and message["id"] not in wanted:
            continue
        if message["state"] == "not_configured":
            unset.add(_place(message))
        said.append(notification(message, now))
    for item in composed:
        if item["id"] in changed:
            continue
        if item["state"] == "sent":
            said.append(notification(item, now, "already_sent"))
        elif item["state"] in UNDELIVERED:
            said.append(notification(item, now))
    return [{"type": "notification", "data": item} for item in said]


def loud(
    messages: Sequence[Mapping[str, Any]], incident_id: str, phones: Mapping[str | None, str] | None = None
) -> list[Json]:
    """Return a notice for each page that nobody got; it changes no outcome, and nobody may overlook it.

    That pages are not set up at all is loud only for a private incident, of which nobody hears otherwise.

    Args:
        phones: whom to call instead, by whom the page was for; ``None`` is the on-call engineer.
    """
    missed = [item for item in messages if item["channel"] == "pagerduty" and item["stage"] == "opened"]
    known = phones or {}
    calls = {item["to"]: _call(known.get(item["to"]) or known.get(None)) for item in missed}
    then = f"then: runbook notify {incident_id} --now"
    notices = [
        {
            "code": "not_paged",
            "message": f"NOT PAGED ({item['to'] or 'on-call'}): {item['message'] or 'it waits behind another'}; "
            f"{calls[item['to']]}, {then}",
            "call": calls[item["to"]],
            "page": item["id"],
            "component": "communications",
        }
        for item in missed
        if item["state"] in ("failed", "pending", "sending")
        or (item["state"] == "not_configured" and item.get("private"))
    ]
    return [{"type": "notice", "data": data} for data in notices]


def _call(phone: str | None) -> str:
    """Return what to do where nobody was paged."""
    return f"call the on-call engineer{f' ({plain_line(phone, _PHONE_LENGTH)})' if phone else ''}"


def follow_up(messages: Sequence[Mapping[str, Any]], incident_id: str) -> list[Json]:
    """Return one follow-up where something is still to be delivered."""
    left = [message["id"] for message in messages if message["state"] in UNDELIVERED]
    if not left:
        return []
    title = f"Send what could not be delivered ({', '.join(left)}): runbook notify {incident_id} --now"
    return [{"type": "follow_up", "data": {"title": title, "owner": None, "due": None, "source": "notification"}}]


def _place(message: Mapping[str, Any]) -> tuple[Any, Any]:
    return message["channel"], message["to"]
