# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Send missed events again, slowly and one after the other, and see in the database what became of each."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_event_reads import processed_ids
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.webhook import post
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import event_resend, webhook_signature
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import may_have_happened
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.events import Event

Json = dict[str, Any]

LOOK_AGAIN_S = 0.1
_HOPELESS = frozenset({"invalid_auth", "key_expired", "forbidden", "wrong_mode", "not_configured"})


@dataclass(frozen=True)
class Way:
    """How events are sent again.

    Attributes:
        method: ``stripe_retry`` or ``local_replay``.
        endpoint_id: Stripe's endpoint.
        url: where it delivers to.
        rps: events a second, at most.
        verify_timeout_s: seconds for an event to be noted as processed.
        processed_query: asks for that.
        incident: identifier of the incident, for the idempotency keys.
        attempt: which one of the incident, from 1; the same one asks Stripe with the same keys.
        secret: what a local replay is signed with.
        ca_cert: authorities that a local replay trusts.
        timeout_s: seconds for one delivery of a local replay.
    """

    method: str
    endpoint_id: str
    url: str
    rps: float
    verify_timeout_s: float
    processed_query: str
    incident: str
    attempt: int = 1
    secret: str | None = field(default=None, repr=False)
    ca_cert: str | None = None
    timeout_s: float = 10.0


@dataclass(frozen=True)
class Sent:
    """What was said to an event that was sent.

    Attributes:
        result: what it is if the database does not say that it was processed: ``failed`` or ``unknown``.
        reason: why then.
        wait: whether it may still be processed, as nobody has refused it.
    """

    result: str
    reason: str
    wait: bool = False


class UnsupportedError(Exception):
    """Stripe does not know how to send an event again."""


class Sending:
    """One run of sending events again.

    Attributes:
        results: of each event so far.
        stopped: why it was given up; ``None`` for not.
        way: how events are sent now.
    """

    def __init__(self, api: StripeApi, session: Session, way: Way) -> None:
        self._api = api
        self._session = session
        self.way = way
        self._next_at = 0.0
        self.results: list[Json] = []
        self.stopped: str | None = None

    def send(self, events: Sequence[Event], *, replay: bool) -> bool:
        """Send events, the oldest first, until all are sent or it is no use to go on.

        Args:
            replay: replay them from here where Stripe does not know how to; that needs the secret.

        Returns:
            Whether Stripe knows how to. What was not attempted is in ``results`` too.

        Raises:
            StripeError: Stripe does not let this key in; ``results`` say what had been done.
            PostgresError: the database cannot be asked any more; the same.
        """
        left = list(events)
        supported = True
        try:
            while left and not self.stopped:
                try:
                    self._send(left[0])
                except UnsupportedError:
                    if not replay:
                        supported = False
                        break
                    self.way = replace(self.way, method=event_resend.LOCAL_REPLAY)
                    continue
                left.pop(0)
                self.stopped = event_resend.breaker(self.results)
        finally:
            noted = {result["event"] for result in self.results}
            self.results += [
                self._result(event, event_resend.NOT_ATTEMPTED, None) for event in left if event.id not in noted
            ]
        return supported

    def _send(self, event: Event) -> None:
        """Send one event, unless it is processed by now, and note what became of it."""
        time.sleep(max(self._next_at - time.monotonic(), 0))
        if self._processed(event):
            self.results.append(self._result(event, event_resend.PROCESSED, None))
            return
        self._next_at = time.monotonic() + 1 / self.way.rps
        at = dt.datetime.now(dt.UTC)
        try:
            sent = self._retry(event) if self.way.method == event_resend.STRIPE_RETRY else self._replay(event)
        except StripeError as error:
            became = event_resend.UNKNOWN if error.failure.may_have_happened else event_resend.FAILED
            self.results.append(self._result(event, became, error.failure.text, at))
            raise
        # what is not known yet is unknown, should the database not answer any more
        self.results.append(self._result(event, event_resend.UNKNOWN, sent.reason, at))
        seen = self._wait_for(event, self.way.verify_timeout_s if sent.wait else 0)
        result, reason = (event_resend.DELIVERED, None) if seen else (sent.result, sent.reason)
        self.results[-1] = self._result(event, result, reason, at)

    def _retry(self, event: Event) -> Sent:
        try:
            key = event_resend.idempotency_key(self.way.incident, event.id, self.way.attempt)
            self._api.retry_event(event.id, self.way.endpoint_id, event.account, key)
        except StripeError as error:
            if error.cause == "not_found" and error.failure.error_code != "resource_missing":
                raise UnsupportedError from None  # the path is not known, the event is
            return self._refused(error)
        return self._taken("Stripe took it")

    def _replay(self, event: Event) -> Sent:
        try:
            raw = self._api.event(event.id)
        except StripeError as error:
            return self._refused(error)
        body, secret = webhook_signature.encoded(raw), str(self.way.secret)
        header = webhook_signature.signature(secret, body, int(time.time()))
        probe = post("replay", self.way.url, body, header, self.way.timeout_s, self.way.ca_cert, (secret,))
        if probe.status is None:
            unknown = probe.cause in {"timeout", "no_answer"}
            return Sent(event_resend.UNKNOWN if unknown else event_resend.FAILED, probe.text, wait=unknown)
        if probe.status // 100 == 2:  # noqa: PLR2004 - the class of all successes
            return self._taken("the handler took it")
        unknown = may_have_happened("", probe.status)
        text = f"the endpoint answered with HTTP {probe.status}, {probe.text}"
        return Sent(event_resend.UNKNOWN if unknown else event_resend.FAILED, text, wait=unknown)

    def _taken(self, said: str) -> Sent:
        """An event that nobody has refused: it may be processed any moment, or on its next delivery."""
        text = f"sent, not yet processed: {said}, and the platform did not note it in {self.way.verify_timeout_s:g} s"
        return Sent(event_resend.UNKNOWN, text, wait=True)

    def _refused(self, error: StripeError) -> Sent:
        if error.cause in _HOPELESS:
            raise error
        unknown = error.failure.may_have_happened
        return Sent(event_resend.UNKNOWN if unknown else event_resend.FAILED, error.failure.text, wait=unknown)

    def _processed(self, event: Event) -> bool:
        return bool(processed_ids(self._session, self.way.processed_query, [event.id]))

    def _wait_for(self, event: Event, limit_s: float) -> bool:
        """Whether the platform has noted an event as processed, in time."""
        deadline = time.monotonic() + limit_s
        while not self._processed(event):
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_AGAIN_S)
        return True

    def _result(self, event: Event, result: str, reason: str | None, at: dt.datetime | None = None) -> Json:
        replayed = at is not None and self.way.method == event_resend.LOCAL_REPLAY
        return event_resend.result(event.id, event.type, result, reason, at, replayed=replayed)
