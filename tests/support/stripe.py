# SPDX-License-Identifier: GPL-3.0-or-later
"""Stripe of the lab, for tests: what it was asked, what there is, what it delivered, and what is broken.

``lab_stripe`` is a fixture that needs no lab: one process for all tests of a session, which each test finds empty.
``Stripe(lab)`` is the same for that of a lab.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from incident_runbooks.lab import processes
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.stripe import part as parts
from incident_runbooks.lab.stripe.keys import Keys
from incident_runbooks.lab.stripe.part import StripePart

Json = dict[str, Any]


class Stripe:
    """What a test asks of it.

    Args:
        of: a lab that is up with payments, or the part itself.

    Attributes:
        part: keys and addresses.
    """

    def __init__(self, of: Lab | StripePart) -> None:
        self.part = of.stripe if isinstance(of, Lab) else of
        self._from = self._size()

    @property
    def url(self) -> str:
        """The base of the API."""
        return self.part.url

    @property
    def status_url(self) -> str:
        """The base of the status page."""
        return self.part.status_url

    @property
    def keys(self) -> Keys:
        """What it accepts."""
        return self.part.keys

    def forget(self, *, endpoints: bool = True) -> None:
        """Let it be as if nothing had happened, and no fault were in effect.

        Args:
            endpoints: the webhook endpoints go as well; a lab needs its own.
        """
        self.part.control.write([])
        self.part.tell("/lab/forget", endpoints=endpoints)
        self.forget_requests()

    def forget_requests(self) -> None:
        """Let :meth:`requests` begin here."""
        self._from = self._size()

    def requests(self, method: str | None = None, path: str = "") -> list[Json]:
        """Return the requests since :meth:`forget_requests`, oldest first.

        Each has ``method``, ``path``, ``query``, ``headers``, ``body`` (form fields), ``status``, and ``answer``: of
        an object its id and status, of a list the ids, or the error.

        Args:
            method: of HTTP; every one unless said.
            path: what the path begins with.
        """
        if not self.part.requests.exists():
            return []
        with self.part.requests.open("rb") as file:
            file.seek(self._from if self._size() >= self._from else 0)
            found: list[Json] = [json.loads(line) for line in file if line.endswith(b"\n")]
        return [each for each in found if method in (None, each["method"]) and each["path"].startswith(path)]

    def changes(self) -> list[Json]:
        """Return those requests that could have changed something."""
        return [each for each in self.requests() if each["method"] != "GET"]

    def state(self, *only: str) -> Json:
        """Return everything, or some of it: see :mod:`incident_runbooks.lab.stripe.admin`."""
        return self.part.state(*only)

    def intents(self) -> list[Json]:
        """Return the PaymentIntents as the API shows them, in the order in which they were made."""
        found: list[Json] = self.state("payment_intents")["payment_intents"]
        return found

    def intent(self, id_: str) -> Json:
        """Return one PaymentIntent."""
        return next(each for each in self.intents() if each["id"] == id_)

    def events(self, type_: str | None = None) -> list[Json]:
        """Return events, oldest first.

        Each has ``id``, ``type``, ``created``, ``object`` (its id), ``pending_webhooks``, and ``deliveries``.
        """
        found: list[Json] = self.state("events")["events"]
        return [each for each in found if type_ in (None, each["type"])]

    def deliveries(self, event: str) -> Json:
        """Return how an event fares at its one endpoint: ``state``, ``attempts``, ``next_at``; empty: at none."""
        found = next(each for each in self.events() if each["id"] == event)["deliveries"]
        return next(iter(found.values()), {})

    def endpoint(self) -> Json:
        """Return the first webhook endpoint."""
        found: Json = self.state("endpoints")["endpoints"][0]
        return found

    def seed(self, *, payment_intents: list[Json] | None = None, events: list[Json] | None = None) -> Json:
        """Let things have happened; returns their ids as ``payment_intents`` and ``events``."""
        return self.part.tell("/lab/seed", payment_intents=payment_intents or [], events=events or [])

    def set_endpoint(self, **said: Any) -> Json:
        """Make or change the webhook endpoint: ``url``, ``enabled_events``, ``ca_cert``, ``disabled``, ``created``."""
        return self.part.tell("/lab/endpoint", **said)

    @contextlib.contextmanager
    def broken(self, *names: str) -> Iterator[None]:
        """Let faults be in effect, such as ``outage``; see :mod:`incident_runbooks.lab.stripe.control`."""
        before = self.part.control.read()
        self.part.control.write([*before, *names])
        try:
            yield
        finally:
            self.part.control.write(before)

    @contextlib.contextmanager
    def expired(self, *keys: str) -> Iterator[None]:
        """Let keys be expired, such as ``secret_key``."""
        self.part.tell("/lab/keys", expire=list(keys))
        try:
            yield
        finally:
            self.part.tell("/lab/keys", restore=list(keys))

    def _size(self) -> int:
        return self.part.requests.stat().st_size if self.part.requests.exists() else 0


@pytest.fixture(scope="session")
def stripe_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripePart]:
    """The process of a session."""
    part = parts.lay_out(tmp_path_factory.mktemp("stripe"))
    record = parts.start(part, mark={})
    try:
        parts.wait_until_they_answer(part, record)
        yield part
    finally:
        processes.stop([process] if (process := record.find()) else [])


@pytest.fixture
def lab_stripe(stripe_part: StripePart) -> Iterator[Stripe]:
    """Stripe, without anything that happened, without an endpoint, without a fault, and with a generous limit."""
    made = Stripe(stripe_part)
    made.forget()
    stripe_part.tell("/lab/limits", requests_per_second=1000)
    yield made
    made.forget()
