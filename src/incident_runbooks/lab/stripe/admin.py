# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the lab can do at Stripe: see everything, and make what the API cannot. On loopback, without a key.

``GET /lab/state?only=NAME``
    All of it unless ``only`` is given, once or several times:
    ``payment_intents`` (as the API shows them, without client secrets), ``events`` (``id``, ``type``, ``created``,
    ``object``, its id, ``pending_webhooks``, ``deliveries`` by endpoint: ``state``, ``attempts`` with ``at``,
    ``status``, ``error``, ``manual``), ``endpoints``, ``keys`` (``state``, ``fingerprint``).
``POST /lab/seed {"payment_intents": [...], "events": [...]}``
    A PaymentIntent has ``id``, ``amount``, ``currency``, ``status`` and, where wanted, ``created``, ``metadata``,
    ``last_payment_error``, ``payment_method`` (a test card; ``pm_card_visa`` for requires_confirmation), ``livemode``.
    An event has ``type``, and ``payment_intent``, an id, or ``object``; where wanted ``id``, ``created``, ``livemode``,
    and ``delivery``: failed (given up on, unless said otherwise), pending, succeeded, or none.
``POST /lab/endpoint {"url", "enabled_events", "ca_cert"}``
    Makes the webhook endpoint, or changes it; also ``disabled``, ``created``, ``description``, ``api_version``, and
    ``id`` of one of several.
``POST /lab/keys {"expire": [...], "restore": [...]}``
    Names of keys.
``POST /lab/webhook-secret {"secret"}``
    What deliveries are signed with from now on.
``POST /lab/limits {"requests_per_second"}``
    Of the account.
``POST /lab/give-up``
    What is still to be delivered never will be, as after Stripe's three days; says how many.
``POST /lab/forget {"endpoints": false}``
    Nothing ever happened; keys and limits are as at first. Endpoints stay unless said otherwise.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from typing import Any

from incident_runbooks.lab.services.secret_files import fingerprint
from incident_runbooks.lab.stripe.cards import card
from incident_runbooks.lab.stripe.deliveries import Deliveries
from incident_runbooks.lab.stripe.keys import Keys, random_id
from incident_runbooks.lab.stripe.views import endpoint_view, intent_view
from incident_runbooks.lab.stripe.world import REQUESTS_PER_SECOND, Delivery, Endpoint, Event, Intent, World, now

_STATES = ("failed", "pending", "succeeded", "none")
_INTENT = (
    *("amount", "currency", "status", "metadata", "description", "last_payment_error", "livemode"),
    "capture_method",
)
_SEEDED = ("id", "created", "payment_method", *_INTENT)
_EVENT = ("id", "type", "created", "payment_intent", "object", "livemode", "delivery")
_ENDPOINT = ("url", "enabled_events", "ca_cert", "created", "description", "api_version")

Json = dict[str, Any]


class Admin:
    """The lab's own way in.

    Args:
        world: what there is.
        keys: the account's.
        deliveries: what is under way.
        forget_requests: lets no request have been counted and no idempotency key have been used.
    """

    def __init__(self, world: World, keys: Keys, deliveries: Deliveries, forget_requests: Callable[[], None]) -> None:
        self._world = world
        self._keys = keys
        self._deliveries = deliveries
        self._forget_requests = forget_requests
        self._handlers: dict[str, Callable[[Json], Json]] = {
            "/lab/seed": self._seed,
            "/lab/endpoint": self._endpoint,
            "/lab/keys": self._key_states,
            "/lab/webhook-secret": self._webhook_secret,
            "/lab/limits": self._limits,
            "/lab/give-up": self._give_up,
            "/lab/forget": self._forget,
        }

    def handles(self, method: str, path: str) -> bool:
        """Return whether there is such an address."""
        return (method, path) == ("GET", "/lab/state") or (method == "POST" and path in self._handlers)

    def handle(self, method: str, path: str, body: bytes, only: Collection[str] = ()) -> Json:
        """Do it; returns what the answer is.

        Args:
            method: of HTTP.
            path: see :meth:`handles`.
            body: JSON.
            only: of the state; all of it unless some is named.

        Raises:
            ValueError: the request is wrong.
            KeyError: it lacks something.
            TypeError: something in it is of the wrong kind.
        """
        if method == "GET":
            return self.state(only)
        said = json.loads(body or b"{}")
        if not isinstance(said, dict):
            raise TypeError("a JSON object is wanted")
        return self._handlers[path](said)

    def state(self, only: Collection[str] = ()) -> Json:
        """Return everything or some of it, without a secret."""
        world = self._world
        parts: dict[str, Callable[[], Any]] = {
            "payment_intents": lambda: [_intent_state(each) for each in world.intents.values()],
            "events": lambda: [_event_state(each) for each in world.events.values()],
            "endpoints": lambda: [
                {**endpoint_view(each), "ca_cert": each.ca_cert} for each in world.endpoints.values()
            ],
            "keys": self._keys_state,
            "requests_per_second": lambda: world.requests_per_second,
        }
        return {name: make() for name, make in parts.items() if not only or name in only}

    def _keys_state(self) -> Json:
        names = [name for name in self._keys.to_plain() if name.endswith("_key")]
        found = {
            name: {
                "state": "expired" if name in self._world.expired else "active",
                "fingerprint": fingerprint(self._keys.to_plain()[name]),
            }
            for name in names
        }
        found["webhook_secret"] = {"state": "active", "fingerprint": fingerprint(self._world.webhook_secret)}
        return found

    def _seed(self, said: Json) -> Json:
        intents = [_intent(each) for each in said.get("payment_intents") or ()]
        for intent in intents:
            self._world.add_intent(intent)
        events = [self._seeded_event(each) for each in said.get("events") or ()]
        for event in events:
            self._world.add_event(event)
        self._deliveries.resume(events)
        return {"payment_intents": [each.id for each in intents], "events": [each.id for each in events]}

    def _seeded_event(self, said: Json) -> Event:
        _check(said, _EVENT, "event")
        object_ = said.get("object") or intent_view(self._world.intents[said["payment_intent"]])
        state = said.get("delivery", "failed")
        if state not in _STATES:
            raise ValueError(f"delivery: one of {', '.join(_STATES)}")
        created = int(said.get("created") or now())
        event = Event(
            id=said.get("id") or random_id("evt_3"),
            type=str(said["type"]),
            created=created,
            snapshot=json.dumps(object_, separators=(",", ":")),
            object_id=str(object_["id"]),
            livemode=bool(said.get("livemode")),
        )
        wanting = [
            each.id
            for each in self._world.endpoints.values()
            if "*" in each.enabled_events or event.type in each.enabled_events
        ]
        attempt = {"at": created, "status": 200 if state == "succeeded" else 500, "error": None, "manual": False}
        for to in wanting if state != "none" else ():
            first = time.time() if state == "pending" else created
            event.deliveries[to] = Delivery(
                state, first, [] if state == "pending" else [attempt], tries=int(state != "pending")
            )
        return event

    def _endpoint(self, said: Json) -> Json:
        _check(said, (*_ENDPOINT, "id", "disabled"), "endpoint")
        id_ = said.get("id") or next(iter(self._world.endpoints), random_id("we_1"))
        found = self._world.endpoints.get(id_)
        if found is None:
            found = Endpoint(id_, str(said["url"]), ["*"], now())
            self._world.endpoints[id_] = found
        for name in _ENDPOINT:
            if name in said:
                setattr(found, name, said[name])
        if "disabled" in said:
            found.status = "disabled" if said["disabled"] else "enabled"
        return endpoint_view(found)

    def _key_states(self, said: Json) -> Json:
        expire, restore = set(said.get("expire") or ()), set(said.get("restore") or ())
        known = {name for name in self._keys.to_plain() if name.endswith("_key")}
        if unknown := (expire | restore) - known:
            raise ValueError(f"no such keys: {', '.join(sorted(unknown))}")
        self._world.expired = sorted((set(self._world.expired) | expire) - restore)
        return {"expired": self._world.expired}

    def _webhook_secret(self, said: Json) -> Json:
        secret = str(said["secret"])
        self._world.rolled_secret = None if secret == self._world.first_secret else secret
        return {"fingerprint": fingerprint(self._world.webhook_secret)}

    def _limits(self, said: Json) -> Json:
        self._world.requests_per_second = max(1, int(said["requests_per_second"]))
        self._forget_requests()
        return {"requests_per_second": self._world.requests_per_second}

    def _give_up(self, _: Json) -> Json:
        return {"given_up": self._deliveries.give_up()}

    def _forget(self, said: Json) -> Json:
        self._deliveries.forget()
        self._world.intents.clear()
        self._world.events.clear()
        if said.get("endpoints"):
            self._world.endpoints.clear()
        self._world.expired = []
        self._world.rolled_secret = None
        self._world.requests_per_second = REQUESTS_PER_SECOND
        self._forget_requests()
        return {}


def _check(said: Json, known: tuple[str, ...], kind: str) -> None:
    if unknown := sorted(set(said) - set(known)):
        raise ValueError(f"{kind}: unknown: {', '.join(unknown)}")


def _intent(said: Json) -> Intent:
    _check(said, _SEEDED, "payment_intent")
    id_, status = str(said.get("id") or random_id("pi_3")), str(said["status"])
    token = said.get("payment_method") or ("pm_card_visa" if status != "requires_payment_method" else None)
    if token and card(token) is None:
        raise ValueError(f"no test card: {token}")
    made = Intent(
        **{name: said[name] for name in _INTENT if name in said},
        id=id_,
        created=int(said.get("created") or now()),
        client_secret=random_id(f"{id_}_secret_", 25),
    )
    if token:
        made.card, made.payment_method = token, random_id("pm_1")
    if status in ("succeeded", "requires_capture") or (made.last_payment_error or {}).get("type") == "card_error":
        charged = token or "pm_card_visa_chargeDeclined"
        made.charge = {
            "id": random_id("ch_3"),
            "created": made.created,
            "card": charged,
            "payment_method": made.payment_method,
            "captured": status == "succeeded",
        }
    return made


def _intent_state(intent: Intent) -> Json:
    return {name: value for name, value in intent_view(intent).items() if name != "client_secret"}


def _event_state(event: Event) -> Json:
    deliveries = {
        to: {"state": each.state, "attempts": each.attempts, "next_at": each.next_at}
        for to, each in event.deliveries.items()
    }
    return {
        "id": event.id,
        "type": event.type,
        "created": event.created,
        "livemode": event.livemode,
        "object": event.object_id,
        "pending_webhooks": event.pending_webhooks,
        "deliveries": deliveries,
    }
