# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Decide what becomes of a message: what a crash left, what is due, when it is tried again. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import parse_instant
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox import NEVER_SENT

Json = dict[str, Any]

_FIRST_PAUSE_S = 30.0
_LONGEST_PAUSE_S = 900.0
_UNKNOWN = (
    "it is not known whether it arrived, and Slack cannot be asked without the right to read the channel; "
    "look there, and send it again with --force if it is missing"
)
_AGAIN = "it was cut off while it was sent; it is sent again under the same key, which the channel knows"


@dataclass(frozen=True)
class Zeal:
    """How hard to try.

    Attributes:
        now: what failed is tried again although it is not due, or can only succeed if something was put right.
        force: what may have been delivered is sent again.
    """

    now: bool = False
    force: bool = False


def is_idempotent(message: Mapping[str, Any]) -> bool:
    """Whether sending a message twice leaves one: all but a new post on Slack."""
    return bool(message["channel"] != "slack" or message["stage"] == "closed")


def recovered(message: Mapping[str, Any]) -> Json:
    """Return what a message that a crash left in ``sending`` becomes."""
    if is_idempotent(message):
        return {"state": "pending", "cause": "interrupted", "message": _AGAIN, "may_have_happened": True}
    return {"state": "unknown", "cause": "interrupted", "message": _UNKNOWN, "may_have_happened": True}


def after_success(message: Mapping[str, Any], said: Mapping[str, Any], now: str) -> Json:
    """Return what a delivered message becomes.

    Args:
        said: ``target``, ``ids`` and an optional ``message`` of the sender; ``pointless`` where there was nothing to
            send it to.
    """
    if said.get("pointless"):
        return {"state": "superseded", "cause": "no_first_post", "message": said["message"], "next_attempt_at": None}
    return {
        "state": "sent",
        "attempts": message["attempts"] + 1,
        "next_attempt_at": None,
        "cause": None,
        "message": said.get("message"),
        "target": said.get("target"),
        "ids": dict(said.get("ids") or {}),
        "sent_at": now,
    }


def after_failure(message: Mapping[str, Any], failure: Mapping[str, Any], now: dt.datetime) -> Json:
    """Return what a message becomes that could not be delivered.

    Args:
        failure: ``message``, ``cause``, ``retryable``, ``retry_after_s``, ``may_have_happened``.
    """
    attempts = message["attempts"] + 1
    perhaps = bool(failure.get("may_have_happened"))
    said = {"attempts": attempts, "cause": failure.get("cause") or "unknown", "message": failure["message"]}
    if failure.get("cause") == "not_configured":
        return {**said, "state": "not_configured", "attempts": message["attempts"], "next_attempt_at": None}
    said["may_have_happened"] = perhaps or message["may_have_happened"]
    if perhaps and not is_idempotent(message):
        return {**said, "state": "unknown", "message": f"{failure['message']}; {_UNKNOWN}", "next_attempt_at": None}
    retryable = bool(failure.get("retryable"))
    due = rfc3339(now + dt.timedelta(seconds=pause_s(attempts, failure.get("retry_after_s")))) if retryable else None
    return {**said, "state": "failed", "retryable": retryable, "next_attempt_at": due}


def pause_s(attempts: int, retry_after_s: float | None) -> float:
    """Return how long to wait: doubled with each attempt from 30 s to 15 min, and no shorter than the server wants."""
    pause: float = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(attempts - 1, 10))
    return max(pause, float(retry_after_s or 0.0))


def is_due(message: Mapping[str, Any], zeal: Zeal, now: dt.datetime) -> bool:
    """Whether a message is to be sent now."""
    state = message["state"]
    if state in ("pending", "not_configured"):
        return True
    if state == "unknown":
        return zeal.force
    if state != "failed":
        return False
    if zeal.now or zeal.force:
        return True
    due = parse_instant(message["next_attempt_at"])
    return due is not None and due <= now


def is_waiting(message: Mapping[str, Any]) -> bool:
    """Whether a message will be tried again by itself; what follows it at the same place waits for it."""
    return message["state"] in ("pending", "sending") or (message["state"] == "failed" and message["retryable"])


def superseded(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the ids of the messages that a later one has made pointless.

    What was over before anybody could be paged, or before the status page knew of it, is not announced there
    afterwards. What may have arrived is ended all the same. Slack keeps the whole story, late or not.
    """
    ends = {_thread(item) for item in messages if item["stage"] == "resolved" and item["channel"] != "slack"}
    pointless: list[str] = []
    for thread in ends:
        mine = [item for item in messages if _thread(item) == thread]
        reached = [
            item for item in mine if item["state"] not in NEVER_SENT | {"superseded"} or item["may_have_happened"]
        ]
        late = [item for item in mine if item["state"] in NEVER_SENT and not item["stage"].startswith("update:")]
        pointless += [item["id"] for item in late if not reached or item["stage"] != "resolved"]
    return pointless


def _thread(message: Mapping[str, Any]) -> tuple[Any, ...]:
    return (message["channel"], message["to"], message["purpose"], message["round"])
