# SPDX-License-Identifier: GPL-3.0-or-later
"""The API: a request's way from its key to its operation, and what every answer has."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Collection
from typing import Any

from incident_runbooks.lab.services.call import Answer, Call, RefusedError
from incident_runbooks.lab.services.process import print_failure
from incident_runbooks.lab.services.rates import Bucket
from incident_runbooks.lab.stripe import access, control
from incident_runbooks.lab.stripe.context import Asked
from incident_runbooks.lab.stripe.deliveries import Deliveries
from incident_runbooks.lab.stripe.endpoints import WebhookEndpoints
from incident_runbooks.lab.stripe.errors import error, failing, locked, too_many, unrecognized
from incident_runbooks.lab.stripe.events import Events
from incident_runbooks.lab.stripe.idempotency import LONGEST, IdempotencyKeys
from incident_runbooks.lab.stripe.intents import PaymentIntents
from incident_runbooks.lab.stripe.keys import Keys, random_id
from incident_runbooks.lab.stripe.world import API_VERSION, World

SLOW_S = 3.0

_UNAUTHORIZED = 401
_BEFORE_IT_BEGAN = (400, 404, 429)

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.\w+)?(;.*)?")
_LOCKING = ("payment_intents.update", "payment_intents.confirm")
_ROUTES = (
    ("POST", re.compile(r"/v1/payment_intents"), "payment_intents.create"),
    ("GET", re.compile(r"/v1/payment_intents"), "payment_intents.list"),
    ("GET", re.compile(r"/v1/payment_intents/([^/]+)"), "payment_intents.retrieve"),
    ("POST", re.compile(r"/v1/payment_intents/([^/]+)"), "payment_intents.update"),
    ("POST", re.compile(r"/v1/payment_intents/([^/]+)/confirm"), "payment_intents.confirm"),
    ("GET", re.compile(r"/v1/events"), "events.list"),
    ("GET", re.compile(r"/v1/events/([^/]+)"), "events.retrieve"),
    ("POST", re.compile(r"/v1/events/([^/]+)/retry"), "events.retry"),
    ("GET", re.compile(r"/v1/webhook_endpoints"), "webhook_endpoints.list"),
    ("GET", re.compile(r"/v1/webhook_endpoints/([^/]+)"), "webhook_endpoints.retrieve"),
    ("POST", re.compile(r"/v1/webhook_endpoints/([^/]+)"), "webhook_endpoints.update"),
)

Json = dict[str, Any]
Operation = Callable[[Asked], Answer]


class Api:
    """The API of the one account.

    Args:
        world: what there is in it.
        keys: what it accepts.
        deliveries: what takes its events to their endpoints.
    """

    def __init__(self, world: World, keys: Keys, deliveries: Deliveries) -> None:
        self._world = world
        self._keys = keys
        self._idempotency = IdempotencyKeys()
        self._bucket = self._new_bucket()
        self._running: set[asyncio.Task[Answer]] = set()
        events = Events(world, deliveries.send, deliveries.send_again)
        intents = PaymentIntents(world, events)
        endpoints = WebhookEndpoints(world)
        services: Json = {"payment_intents": intents, "events": events, "webhook_endpoints": endpoints}
        self._operations: dict[str, Operation] = {
            name: getattr(services[name.partition(".")[0]], name.partition(".")[2]) for _, _, name in _ROUTES
        }

    def forget(self) -> None:
        """Let no key have been used, and no request have been counted."""
        self._idempotency.clear()
        self._bucket = self._new_bucket()

    async def handle(self, call: Call, faults: Collection[str]) -> Answer:
        """Return the answer; its body is what is sent, as bytes.

        Args:
            call: the request; its path begins with ``/v1``.
            faults: what is broken, see :mod:`control`.
        """
        request_id = random_id("req_", 14)
        version = call.headers.get("Stripe-Version") or API_VERSION
        headers = {"Content-Type": "application/json", "Request-Id": request_id, "Stripe-Version": version[:50]}
        key = call.headers.get("Idempotency-Key") if call.method == "POST" else None
        if key:
            headers |= {"Idempotency-Key": key[:LONGEST], "Original-Request": request_id}
        try:
            operation, id_ = self._admit(call)
            answer = self._idempotency.begin(key, call) if key else None
            if answer is None:
                answer = await self._complete(Asked(call, operation, id_, request_id, key), faults, headers)
        except RefusedError as refused:
            answer = _encoded(refused.answer, headers)
        return answer

    async def _complete(self, asked: Asked, faults: Collection[str], headers: Json) -> Answer:
        """Do what is asked for, even if the client does not wait for the answer."""

        async def complete() -> Answer:
            answer = await self._do(asked, faults)
            encoded = _encoded(answer, headers)
            if asked.idempotency_key:
                self._remember(asked.idempotency_key, answer, encoded)
            return encoded

        task = asyncio.get_running_loop().create_task(complete())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    def _admit(self, call: Call) -> tuple[str, str]:
        """Return the operation and the id that a request is for.

        Raises:
            RefusedError: it is not let in.
        """
        name = access.authenticate(call, self._keys, self._world)
        version = call.headers.get("Stripe-Version")
        if version and not _VERSION.fullmatch(version):
            raise error(400, f"Invalid Stripe API version: {version[:50]}")
        if self._bucket.take():
            raise too_many()
        operation, id_ = _route(call)
        access.permit(name, operation, call, self._keys)
        if operation is None:
            raise unrecognized(call.method, call.path)
        return operation, id_

    async def _do(self, asked: Asked, faults: Collection[str]) -> Answer:
        if control.SLOW in faults:
            await asyncio.sleep(SLOW_S)
        if control.OUTAGE in faults:
            return failing().answer
        try:
            _meet(faults, asked)
            return self._operations[asked.operation](asked)
        except RefusedError as refused:
            return refused.answer
        except Exception as error:  # noqa: BLE001 - the edge of a request: whatever it is, the next one is served
            print_failure(error)
            return failing().answer

    def _remember(self, key: str, answer: Answer, encoded: Answer) -> None:
        """Keep the answer of an operation that began; wrong parameters and locks come before that."""
        if answer.status in _BEFORE_IT_BEGAN and "payment_intent" not in answer.body["error"]:
            self._idempotency.abandon(key)
        else:
            self._idempotency.end(key, encoded)

    def _new_bucket(self) -> Bucket:
        rate = self._world.requests_per_second
        return Bucket(rate, per_second=rate, clock=time.monotonic)


def _route(call: Call) -> tuple[str | None, str]:
    for method, pattern, operation in _ROUTES:
        if method == call.method and (matched := pattern.fullmatch(call.path)):
            return operation, next(iter(matched.groups()), "")
    return None, ""


def _meet(faults: Collection[str], asked: Asked) -> None:
    """Refuse what a fault stands in the way of.

    Raises:
        RefusedError: one does.
    """
    if control.LOCK_TIMEOUT in faults and _locks(asked):
        raise locked()
    if control.RETRY_UNSUPPORTED in faults and asked.operation == "events.retry":
        raise unrecognized(asked.call.method, asked.call.path)


def _locks(asked: Asked) -> bool:
    confirms = asked.operation == "payment_intents.create" and asked.params().flag("confirm")
    return asked.operation in _LOCKING or bool(confirms)


def _encoded(answer: Answer, headers: Json) -> Answer:
    """Return an answer as it is sent: JSON for people to read, as Stripe's is."""
    body = answer.body
    if "error" in body and answer.status != _UNAUTHORIZED:  # which is in nobody's log
        log = f"https://dashboard.stripe.com/test/logs/{headers['Request-Id']}?t={int(time.time())}"
        body = {"error": {**body["error"], "request_log_url": log}}
    return Answer(answer.status, json.dumps(body, indent=2).encode(), {**headers, **answer.headers})
