# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is in the account: PaymentIntents, events with their deliveries, webhook endpoints, the states of keys.

How much there can be is bounded: of what is oldest, what succeeded is forgotten first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

ACCOUNT = "acct_1BrandConnectLab0"
API_VERSION = "2026-10-28.endive"
RETENTION_S = 30 * 86_400  # of events; older ones cannot be read or sent again
REQUESTS_PER_SECOND = 12  # of the account: Stripe's sandbox has 25, live mode 100

_MOST_INTENTS = 3000
_MOST_EVENTS = 6000
_MOST_ATTEMPTS = 25  # kept of a delivery
_SETTINGS = ("rolled_secret", "expired", "requests_per_second")

Json = dict[str, Any]
Kept = TypeVar("Kept", "Intent", "Event", "Endpoint")


def now() -> int:
    """Return the time in Unix seconds."""
    return int(time.time())


@dataclass(slots=True)
class Intent:
    """A PaymentIntent; what is not here is the same for all of them, see :mod:`views`.

    Attributes:
        card: the test card behind ``payment_method``, a key of :data:`cards.CARDS`.
        charge: of the last attempt: ``id``, ``created``, ``card``, ``payment_method``, ``captured``.
    """

    id: str
    amount: int
    currency: str
    status: str
    created: int
    client_secret: str
    livemode: bool = False
    metadata: Json = field(default_factory=dict)
    description: str | None = None
    receipt_email: str | None = None
    statement_descriptor_suffix: str | None = None
    capture_method: str = "automatic_async"
    confirmation_method: str = "automatic"
    payment_method: str | None = None
    card: str | None = None
    last_payment_error: Json | None = None
    next_action: Json | None = None
    charge: Json | None = None

    @property
    def expendable(self) -> bool:
        """Whether it may be forgotten first."""
        return self.status == "succeeded"


@dataclass(slots=True)
class Delivery:
    """How an event fares at an endpoint.

    Attributes:
        state: pending; succeeded; failed, that is given up on.
        attempts: the last ones, each with ``at`` (Unix seconds), ``status`` (of HTTP, or ``None``), ``error``, and
            ``manual``, whether somebody asked for it.
        tries: how many attempts Stripe made of itself.
        first_at: when the first one was due, in Unix seconds.
        next_at: when the next one is, if there will be one.
    """

    state: str
    first_at: float
    attempts: list[Json] = field(default_factory=list)
    tries: int = 0
    next_at: float | None = None

    def add(self, attempt: Json) -> None:
        """Keep an attempt."""
        self.attempts = [*self.attempts[1 - _MOST_ATTEMPTS :], attempt]


@dataclass(slots=True)
class Event:
    """Something that happened.

    Attributes:
        snapshot: the object as it was then, as JSON.
        object_id: of that object.
        previous: which attributes had which values before; only of updates.
        deliveries: by the ids of endpoints; an endpoint that was disabled then has none.
    """

    id: str
    type: str
    created: int
    snapshot: str
    object_id: str
    livemode: bool = False
    request_id: str | None = None
    idempotency_key: str | None = None
    previous: Json | None = None
    deliveries: dict[str, Delivery] = field(default_factory=dict)

    @property
    def pending_webhooks(self) -> int:
        """At how many endpoints it has not arrived."""
        return sum(each.state != "succeeded" for each in self.deliveries.values())

    @property
    def expendable(self) -> bool:
        """Whether it may be forgotten first."""
        return not self.pending_webhooks


@dataclass(slots=True)
class Endpoint:
    """A webhook endpoint.

    Attributes:
        ca_cert: a PEM file with the authorities that vouch for it; the system's unless given. The lab's only.
    """

    id: str
    url: str
    enabled_events: list[str]
    created: int
    status: str = "enabled"
    description: str | None = None
    metadata: Json = field(default_factory=dict)
    api_version: str | None = API_VERSION
    ca_cert: str | None = None

    def wants(self, type_: str) -> bool:
        """Return whether events of a type are sent to it."""
        return self.status == "enabled" and ("*" in self.enabled_events or type_ in self.enabled_events)


@dataclass
class World:
    """All of it.

    Attributes:
        first_secret: what deliveries are signed with at first.
        rolled_secret: what they are signed with since it was rolled.
        expired: names of keys that are no longer good.
        requests_per_second: the account's limit.
    """

    first_secret: str = field(repr=False)
    rolled_secret: str | None = field(default=None, repr=False)
    intents: dict[str, Intent] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    expired: list[str] = field(default_factory=list)
    requests_per_second: int = REQUESTS_PER_SECOND

    @property
    def webhook_secret(self) -> str:
        """What deliveries are signed with now."""
        return self.rolled_secret or self.first_secret

    def add_intent(self, intent: Intent) -> None:
        """Keep a PaymentIntent."""
        _add(self.intents, intent, _MOST_INTENTS)

    def add_event(self, event: Event) -> None:
        """Keep an event."""
        _add(self.events, event, _MOST_EVENTS)

    def settings(self) -> Json:
        """Return what the account is set to: what a lab cannot do without."""
        endpoints = {id_: _plain(each) for id_, each in self.endpoints.items()}
        return {"endpoints": endpoints, **{name: getattr(self, name) for name in _SETTINGS}}

    def objects(self) -> Json:
        """Return what has happened in it."""
        events = {}
        for id_, event in self.events.items():
            deliveries = {to: _plain(each) for to, each in event.deliveries.items()}
            events[id_] = {**_plain(event), "deliveries": deliveries}
        return {"intents": {id_: _plain(each) for id_, each in self.intents.items()}, "events": events}

    @classmethod
    def from_plain(cls, first_secret: str, settings: Json, objects: Json) -> World:
        """Return what :meth:`settings` and :meth:`objects` wrote.

        Args:
            first_secret: see the class.
            settings: empty: there is none yet.
            objects: the same.

        Raises:
            TypeError: it is something else.
        """
        world = cls(first_secret, **{name: settings[name] for name in _SETTINGS if name in settings})
        world.endpoints = {id_: Endpoint(**each) for id_, each in settings.get("endpoints", {}).items()}
        world.intents = {id_: Intent(**each) for id_, each in objects.get("intents", {}).items()}
        for id_, each in objects.get("events", {}).items():
            deliveries = {to: Delivery(**delivery) for to, delivery in each["deliveries"].items()}
            world.events[id_] = Event(**{**each, "deliveries": deliveries})
        return world


def newest_first(kept: Iterable[Kept], shown: Callable[[Kept], bool]) -> list[Kept]:
    """Return what is shown in the order of lists: by its time, and what came later first."""
    found = [each for each in kept if shown(each)]
    found.reverse()
    found.sort(key=lambda each: -each.created)
    return found


def _plain(kept: Intent | Event | Endpoint | Delivery) -> Json:
    """Return the fields, as they are: dataclasses.asdict() would copy megabytes."""
    return {name: getattr(kept, name) for name in kept.__slots__}


def _add(kept: dict[str, Any], new: Intent | Event, most: int) -> None:
    kept[new.id] = new
    if len(kept) > most:
        first = next((id_ for id_, each in kept.items() if each.expendable), next(iter(kept)))
        del kept[first]
