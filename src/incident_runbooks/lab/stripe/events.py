# SPDX-License-Identifier: GPL-3.0-or-later
"""Events: list, retrieve, send again. They can be read for 30 days. See docs.stripe.com/api/events."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from incident_runbooks.lab.services.call import Answer
from incident_runbooks.lab.stripe.context import Asked
from incident_runbooks.lab.stripe.errors import error, missing
from incident_runbooks.lab.stripe.keys import random_id
from incident_runbooks.lab.stripe.lists import page, within
from incident_runbooks.lab.stripe.views import event_view
from incident_runbooks.lab.stripe.world import ACCOUNT, API_VERSION, RETENTION_S, Event, World, newest_first, now

URL = "/v1/events"

_KIND = "event"
_MOST_TYPES = 20

Json = dict[str, Any]
Send = Callable[[Event], None]
SendAgain = Callable[[Event, str], None]


class Events:
    """The operations.

    Args:
        world: where they are kept.
        send: has a new event delivered.
        send_again: has one delivered once more, to the endpoint with that id.
    """

    def __init__(self, world: World, send: Send, send_again: SendAgain) -> None:
        self._world = world
        self._send = send
        self._send_again = send_again

    def emit(self, type_: str, object_: Json, asked: Asked) -> None:
        """Let something have happened.

        Args:
            type_: such as ``payment_intent.succeeded``.
            object_: as it is now.
            asked: the request that did it.
        """
        snapshot = json.dumps(object_, separators=(",", ":"))
        id_ = random_id("evt_3" if type_.startswith(("payment_intent.", "charge.")) else "evt_1")
        event = Event(
            id_,
            type_,
            now(),
            snapshot,
            object_["id"],
            request_id=asked.request_id,
            idempotency_key=asked.idempotency_key,
        )
        self._world.add_event(event)
        self._send(event)

    def list(self, asked: Asked) -> Answer:
        """``GET /v1/events``."""
        params = asked.params()
        params.expand(())
        bounds, type_, types = params.created(), params.text("type"), params.texts("types")
        delivered = params.flag("delivery_success")
        if type_ and types is not None:
            raise error(400, "You may only specify one of these parameters: type, types.", param="types")
        if types is not None and len(types) > _MOST_TYPES:
            text = f"You can only specify up to {_MOST_TYPES} event types (you specified {len(types)})."
            raise error(400, text, param="types")

        def matches(event: Event) -> bool:
            return (
                within(event.created, bounds)
                and (not type_ or _is(event.type, type_))
                and (types is None or event.type in types)
                and (delivered is None or delivered == (event.pending_webhooks == 0))
            )

        ordered = newest_first(self._world.events.values(), _readable)
        shown, envelope = page(ordered, params, kind=_KIND, url=URL, matches=matches)
        return Answer(200, {**envelope, "data": [event_view(each, API_VERSION) for each in shown]})

    def retrieve(self, asked: Asked) -> Answer:
        """``GET /v1/events/{id}``."""
        asked.params().expand(())
        return Answer(200, event_view(self._find(asked.id), API_VERSION))

    def retry(self, asked: Asked) -> Answer:
        """``POST /v1/events/{id}/retry``: undocumented; it is what ``stripe events resend`` asks for.

        It makes one more attempt, and leaves those that Stripe makes of itself as they are.
        """
        params = asked.params()
        event = self._find(asked.id)
        account = params.text("account")
        if account and account != ACCOUNT:
            raise missing("account", account, "account", status=400)
        to = params.text("webhook_endpoint")
        if not to:
            text = "No CLI endpoints found to retry delivery. Run `stripe listen` to create one."
            raise error(400, text, param="for_stripecli")
        endpoint = self._world.endpoints.get(to)
        if endpoint is None:
            raise missing("webhook endpoint", to, "webhook_endpoint", status=400)
        if endpoint.status != "enabled":
            text = f"The webhook endpoint {to} is disabled. Enable it before you send events to it."
            raise error(400, text, param="webhook_endpoint")
        self._send_again(event, to)
        return Answer(200, event_view(event, API_VERSION))

    def _find(self, id_: str) -> Event:
        found = self._world.events.get(id_)
        if found is None or not _readable(found):
            raise missing(_KIND, id_, "id", live=found is not None and found.livemode)
        return found


def _readable(event: Event) -> bool:
    return not event.livemode and event.created > now() - RETENTION_S


def _is(type_: str, wanted: str) -> bool:
    return type_.startswith(wanted[:-1]) if wanted.endswith("*") else type_ == wanted
