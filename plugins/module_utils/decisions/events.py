# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which of Stripe's events the platform has missed. Pure, no I/O.

https://docs.stripe.com/api/events: Stripe lists as not delivered what is still pending, or failed at all attempts, at
*some* endpoint. So only what the platform has not noted as processed either is missing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

RETENTION_S = 30 * 86400  # how long Stripe keeps events
MOST_TYPES = 20  # that Stripe takes in one question
_EVENT = re.compile(r"evt_[A-Za-z0-9_]{1,250}")
_TYPE = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*")
_OBJECT = re.compile(r"[A-Za-z0-9_]{1,255}")
_PAYMENT_INTENT = re.compile(r"pi_[A-Za-z0-9_]{1,250}")
_CURRENCY = re.compile(r"[a-z]{3}")
_ACCOUNT = re.compile(r"acct_[A-Za-z0-9_]{1,250}")
_LONGEST_TYPE = 100


@dataclass(frozen=True)
class Event:
    """An event, as far as it matters here.

    Attributes:
        id: identifier, ``evt_...``.
        type: such as ``payment_intent.succeeded``.
        created: when Stripe made it.
        object: identifier of what it is about.
        payment_intent: the PaymentIntent that it is about or belongs to; ``None`` for none.
        amount: in the currency's smallest unit.
        currency: three letters in lower case.
        pending: endpoints that it has not been delivered to yet.
        account: the connected account that it is of.
    """

    id: str
    type: str
    created: dt.datetime
    object: str | None = None
    payment_intent: str | None = None
    amount: int | None = None
    currency: str | None = None
    pending: int | None = None
    account: str | None = None

    def plain(self, now: dt.datetime) -> Json:
        """The event as JSON data, with its age in seconds."""
        return {
            "id": self.id,
            "type": self.type,
            "created": self.created,
            "age_s": round(max((now - self.created).total_seconds(), 0), 1),
            "object": self.object,
            "payment_intent": self.payment_intent,
            "amount": self.amount,
            "currency": self.currency,
            "pending_webhooks": self.pending,
        }


@dataclass
class Sorted:
    """Events by what became of them, each list oldest first.

    Attributes:
        missing: not delivered, not processed, and old enough for that.
        young: the same, but they may still be on their way.
        processed: processed by the platform all the same.
        too_old: from before the endpoint was made, or older than Stripe keeps events.
        not_subscribed: of a type that the endpoint does not get.
    """

    missing: list[Event] = field(default_factory=list)
    young: list[Event] = field(default_factory=list)
    processed: list[Event] = field(default_factory=list)
    too_old: list[Event] = field(default_factory=list)
    not_subscribed: list[Event] = field(default_factory=list)


def read_events(raw: Iterable[Mapping[str, Any]]) -> tuple[list[Event], int]:
    """Return the events, oldest first, and how many are no events: what a service says may be anything."""
    listed = list(raw)
    found = [event for event in map(read_event, listed) if event]
    return sorted(found, key=lambda event: (event.created, event.id)), len(listed) - len(found)


def read_event(raw: Mapping[str, Any]) -> Event | None:
    """Return what matters of an event; ``None`` when it is none."""
    id_, kind, created = _word(_EVENT, raw.get("id")), _word(_TYPE, raw.get("type")), moment(raw.get("created"))
    if id_ is None or kind is None or created is None or len(kind) > _LONGEST_TYPE:
        return None
    data = raw.get("data")
    about = data.get("object") if isinstance(data, Mapping) else None
    about = about if isinstance(about, Mapping) else {}
    payment = about.get("id") if about.get("object") == "payment_intent" else about.get("payment_intent")
    return Event(
        id=id_,
        type=kind,
        created=created,
        object=_word(_OBJECT, about.get("id")),
        payment_intent=_word(_PAYMENT_INTENT, payment),
        amount=_count(about.get("amount")),
        currency=_word(_CURRENCY, about.get("currency")),
        pending=_count(raw.get("pending_webhooks")),
        account=_word(_ACCOUNT, raw.get("account")),
    )


def sort_out(
    events: Iterable[Event],
    processed: Iterable[str],
    now: dt.datetime,
    min_age_s: float,
    endpoint_created: dt.datetime | None = None,
    enabled_events: Sequence[str] = (),
) -> Sorted:
    """Say of each event what became of it.

    Args:
        processed: identifiers of the events that the platform has processed.
        min_age_s: seconds after which an event that is still under way counts as missing.
        endpoint_created: what is older was never meant for the endpoint.
        enabled_events: types that the endpoint gets; without them, or with ``*``, all.
    """
    known = set(processed)
    kept_since = now - dt.timedelta(seconds=RETENTION_S)
    since = max(endpoint_created, kept_since) if endpoint_created else kept_since
    found = Sorted()
    for event in sorted(events, key=lambda event: (event.created, event.id)):
        if not subscribed(event.type, enabled_events):
            found.not_subscribed.append(event)
        elif event.id in known:
            found.processed.append(event)
        elif event.created < since:
            found.too_old.append(event)
        elif (now - event.created).total_seconds() < min_age_s:
            found.young.append(event)
        else:
            found.missing.append(event)
    return found


def subscribed(kind: str, enabled_events: Sequence[str]) -> bool:
    """Whether an endpoint with these types gets events of a type."""
    return not enabled_events or "*" in enabled_events or kind in enabled_events


def by_type(events: Iterable[Event]) -> dict[str, int]:
    """Return how many there are of each type, the most frequent first."""
    return dict(Counter(event.type for event in events).most_common())


def types_problem(types: Sequence[str]) -> str | None:
    """Return why Stripe cannot be asked for these types; ``None`` when it can."""
    if len(types) > MOST_TYPES:
        return f"types may be at most {MOST_TYPES}, not {len(types)}"
    wrong = [kind for kind in types if not _TYPE.fullmatch(kind) or len(kind) > _LONGEST_TYPE]
    return "types must be such as payment_intent.succeeded" if wrong else None


def _word(pattern: re.Pattern[str], value: Any) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment(value: Any) -> dt.datetime | None:
    """Return the time that a Unix timestamp in seconds stands for; ``None`` for anything else."""
    seconds = _count(value)
    try:
        return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None
