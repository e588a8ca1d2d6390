# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliveries of events to webhook endpoints: at once, and again after 1, 2, 4 ... seconds until one succeeds.

Stripe tries for up to three days in live mode, and three times within hours in a sandbox; the lab for an hour. Only
2xx is a success: redirects are not followed. Deliveries wait in the event loop and never keep the API from answering.
See docs.stripe.com/webhooks#retries.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from incident_runbooks.lab.stripe.signatures import signature
from incident_runbooks.lab.stripe.views import event_view
from incident_runbooks.lab.stripe.world import Delivery, Endpoint, Event, World

GIVE_UP_S = 3600.0  # after the first attempt

_SOON_S = 0.02  # that what caused the event is answered first, as it usually is
_LONGEST_WAIT_S = 128.0
_TIMEOUT_S = 10.0
_AT_ONCE = 32
_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    "Accept": "*/*; q=0.5, application/xml",
    "Cache-Control": "no-cache",
}

Json = dict[str, Any]


def wait_s(tries: int) -> float:
    """Return how long Stripe waits after so many failed attempts, in seconds."""
    return float(min(_LONGEST_WAIT_S, 2 ** min(tries - 1, 30)))


class Deliveries:
    """What is under way.

    Args:
        world: events and endpoints.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._contexts: dict[str, tuple[float, ssl.SSLContext]] = {}
        self._session: aiohttp.ClientSession | None = None

    def resume(self, events: Iterable[Event]) -> None:
        """Go on with what is pending of *events*."""
        for event in events:
            for to, delivery in event.deliveries.items():
                if delivery.state == "pending":
                    self._plan(event, to, max(_SOON_S, (delivery.next_at or 0) - time.time()))

    def send(self, event: Event) -> None:
        """Deliver a new event to every endpoint that wants it."""
        for endpoint in self._world.endpoints.values():
            if endpoint.wants(event.type):
                event.deliveries[endpoint.id] = Delivery("pending", time.time())
                self._plan(event, endpoint.id, _SOON_S)

    def send_again(self, event: Event, to: str) -> None:
        """Make one more attempt, whatever became of those before."""
        event.deliveries.setdefault(to, Delivery("failed", time.time()))
        self._begin(event, to, manual=True)

    def give_up(self) -> int:
        """End every delivery that is pending, as three days would; returns how many."""
        pending = [
            each
            for event in self._world.events.values()
            for each in event.deliveries.values()
            if each.state == "pending"
        ]
        for each in pending:
            each.state, each.next_at = "failed", None
        self._cancel_timers()
        return len(pending)

    def forget(self) -> None:
        """Stop whatever is under way."""
        self._cancel_timers()
        for task in self._tasks:
            task.cancel()

    async def stop(self) -> None:
        """Stop, and close every connection."""
        self.forget()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _cancel_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _plan(self, event: Event, to: str, delay: float) -> None:
        event.deliveries[to].next_at = time.time() + delay
        loop = asyncio.get_running_loop()
        self._timers[event.id, to] = loop.call_later(delay, self._due, event, to)

    def _due(self, event: Event, to: str) -> None:
        self._timers.pop((event.id, to), None)
        if event.deliveries[to].state == "pending" and event.id in self._world.events:
            self._begin(event, to, manual=False)

    def _begin(self, event: Event, to: str, *, manual: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(event, to, manual=manual))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: Event, to: str, *, manual: bool) -> None:
        endpoint = self._world.endpoints.get(to)
        delivery = event.deliveries[to]
        if endpoint is None or endpoint.status != "enabled":
            # an endpoint that is disabled when a retry is due ends the retries of that event
            delivery.state, delivery.next_at = ("failed" if delivery.state == "pending" else delivery.state), None
            return
        async with self._at_once:
            attempt = {"at": int(time.time()), **await self._attempt(event, endpoint), "manual": manual}
        delivery.add(attempt)
        if attempt["status"] is not None and 200 <= attempt["status"] < 300:  # noqa: PLR2004 - a class of HTTP
            delivery.state, delivery.next_at = "succeeded", None
            if timer := self._timers.pop((event.id, to), None):
                timer.cancel()
        elif not manual and delivery.state == "pending":
            self._retry(event, to, delivery)

    def _retry(self, event: Event, to: str, delivery: Delivery) -> None:
        delivery.tries += 1
        delay = wait_s(delivery.tries)
        if time.time() + delay > delivery.first_at + GIVE_UP_S:
            delivery.state, delivery.next_at = "failed", None
        else:
            self._plan(event, to, delay)

    async def _attempt(self, event: Event, endpoint: Endpoint) -> Json:
        body = json.dumps(event_view(event, endpoint.api_version), indent=2).encode()
        headers = {**_HEADERS, "Stripe-Signature": signature(self._world.webhook_secret, body, int(time.time()))}
        try:
            context = self._context(endpoint)
            async with self._open().post(
                endpoint.url, data=body, headers=headers, ssl=context, allow_redirects=False
            ) as answer:
                with suppress(aiohttp.ClientError, TimeoutError):
                    await answer.content.read(4096)
                return {"status": answer.status, "error": None}
        except TimeoutError:
            return {"status": None, "error": "timed_out"}
        except (ssl.SSLError, aiohttp.ClientSSLError):
            return {"status": None, "error": "tls_error"}
        except aiohttp.InvalidURL:
            return {"status": None, "error": "invalid_url"}
        except (aiohttp.ClientError, OSError) as exc:
            return {"status": None, "error": f"unable_to_connect: {type(exc).__name__}"}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # each attempt has its own connection: one that the receiver has closed meanwhile would count as a failure
            connector = aiohttp.TCPConnector(force_close=True, limit=_AT_ONCE)
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)
        return self._session

    def _context(self, endpoint: Endpoint) -> ssl.SSLContext | bool:
        if endpoint.ca_cert is None:
            return True
        changed = Path(endpoint.ca_cert).stat().st_mtime
        kept = self._contexts.get(endpoint.ca_cert)
        if kept is None or kept[0] != changed:
            kept = (changed, ssl.create_default_context(cafile=endpoint.ca_cert))
            self._contexts[endpoint.ca_cert] = kept
        return kept[1]
