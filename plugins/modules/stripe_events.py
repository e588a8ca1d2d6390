# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out which of Stripe's events the platform has missed."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stripe_events
short_description: Find out which of Stripe's events the platform has missed
version_added: 0.1.0
description:
  - Lists events that Stripe has not delivered, and asks the platform's database which of them it has processed all the
    same. What remains is missing.
  - Stripe counts an event as not delivered while it is pending, and when it failed at all attempts at any endpoint.
    Neither alone means that the platform missed it.
  - A Stripe or a database that is down, slow or refuses is a result with a C(cause), not a failure. What is missing is
    unknown then, never nothing.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  since_s:
    description: Seconds to look back, at most 2592000, as Stripe keeps events for 30 days.
    type: int
    default: 86400
  min_age_s:
    description: Seconds that an event is given to arrive before it counts as missing.
    type: int
    default: 60
  types:
    description: Only events of these types, at most 20. Without them all.
    type: list
    elements: str
    default: []
  max_items:
    description: Look at this many of the newest events, at most 1000.
    type: int
    default: 500
  scope:
    description:
      - V(undelivered) asks for what Stripe has not delivered.
      - V(all) asks for every event. Only so those are seen that were made while the endpoint was disabled, which Stripe
        never tried to deliver. Give O(types) or O(enabled_events) with it.
    type: str
    choices: [undelivered, all]
    default: undelivered
  endpoint_created:
    description: When the endpoint was made, RFC 3339. Older events were never meant for it.
    type: str
  enabled_events:
    description: Types of events that the endpoint gets. Others are not missing. Without them, or with V(*), all are.
    type: list
    elements: str
    default: []
  processed_query:
    description:
      - Query for those of the events C(%(ids\)s) that the platform has processed. The first column is the identifier.
      - Tables need their schema.
    type: str
    default: SELECT id FROM public.processed_events WHERE id = ANY(%(ids)s)
extends_documentation_fragment:
  - brandconnect.incidents.stripe
  - brandconnect.incidents.postgres
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.stripe_event_resend
  - name: Events in Stripe's API
    description: How long events are kept, and what counts as delivered.
    link: https://docs.stripe.com/api/events/list
"""

EXAMPLES = r"""
- name: See which events the platform has missed in the last hour
  brandconnect.incidents.stripe_events:
    stripe_api_key: "{{ lookup('ansible.builtin.env', 'STRIPE_RESTRICTED_KEY') }}"
    login_host: db.example.com
    login_user: brandconnect_ops
    login_password: "{{ lookup('ansible.builtin.env', 'OPS_PASSWORD') }}"
    login_db: brandconnect
    since_s: 3600
    types: [payment_intent.succeeded, payment_intent.payment_failed]
  register: events
"""

RETURN = r"""
reachable:
  description: Whether both Stripe and the database have answered.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why one of them has not, Stripe's before the database's; V(null) when both have. A cause of the database is as in
      RV(brandconnect.incidents.pg_activity#module:cause).
  returned: success
  type: str
  sample: null
message:
  description: What was said to that, in one line.
  returned: success
  type: str
  sample: null
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: null
stripe:
  description: Whether Stripe has answered, C(reachable), and why not, C(cause), C(message) and C(hint).
  returned: success
  type: dict
  sample: {reachable: true, cause: null, message: null, hint: null}
database:
  description: The same of the database.
  returned: success
  type: dict
  sample: {reachable: true, cause: null, message: null, hint: null}
undelivered:
  description:
    - What Stripe has not delivered, oldest first, or with O(scope=all) every event that was looked at.
    - V(null) when Stripe has not answered.
  returned: success
  type: list
  elements: dict
  sample: &events
    - {id: evt_1NG8Du2eZvKYlo2CUI79vXWy, type: payment_intent.succeeded, created: "2026-11-24T14:20:12.000000Z",
       age_s: 2412.5, object: pi_3MtwBwLkdIwHu7ix28a3tqPa, payment_intent: pi_3MtwBwLkdIwHu7ix28a3tqPa, amount: 2500,
       currency: gbp, pending_webhooks: 1}
missing:
  description:
    - Those that the platform has not processed either, oldest first.
    - V(null) when that is not known, as one of the two has not answered.
  returned: success
  type: list
  elements: dict
  sample: *events
young:
  description: The same, but younger than O(min_age_s), so that they may still be on their way.
  returned: success
  type: list
  elements: dict
  sample: []
superseded:
  description:
    - The same, but something later has made them untrue. The payment of a failed attempt has succeeded since, for
      example. They are not to be sent again.
  returned: success
  type: list
  elements: dict
  sample: []
processed_but_undelivered:
  description: Those that the platform has processed, although Stripe has got no good answer.
  returned: success
  type: list
  elements: dict
  sample: []
too_old:
  description: The same, but older than O(endpoint_created).
  returned: success
  type: list
  elements: dict
  sample: []
missing_by_type:
  description: How many are missing, by type; V(null) when that is not known.
  returned: success
  type: dict
  sample: {payment_intent.succeeded: 12}
truncated:
  description: Whether there are more events than were looked at; those are older.
  returned: success
  type: bool
  sample: false
oldest_at:
  description: When the oldest of the events was made that were looked at; V(null) for none.
  returned: success
  type: str
  sample: "2026-11-24T14:20:12.000000Z"
calls:
  description: The requests to Stripe, as in RV(brandconnect.incidents.stripe_webhook_endpoints#module:calls).
  returned: success
  type: list
  elements: dict
  sample: []
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import PostgresError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
    postgres_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_event_reads import (
    MOST_ITEMS,
    check_events_options,
    events_argument_spec,
    list_events,
    payment_states,
    processed_ids,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_options import (
    stripe_argument_spec,
    stripe_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import event_payments, events
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import in_utc

ATTEMPTED = "Looking for missed events"
_LISTS = ("young", "superseded", "processed_but_undelivered", "too_old")
_FINE = {"reachable": True, "cause": None, "message": None, "hint": None}


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask Stripe and the database, at the same time as far as that goes. A sick one is a result; see RETURN.

    Raises:
        IncidentsError: the options make no sense, or a package is missing.
    """
    check_events_options(ATTEMPTED, params, "max_items", MOST_ITEMS)
    look = _Look(params)
    with ThreadPoolExecutor(2, thread_name_prefix="events") as pool:
        asked, logged_in = pool.submit(look.ask_stripe), pool.submit(look.log_in)
        asked.result()
        logged_in.result()
    with look:
        look.ask_database()
        look.ask_for_payments()
    return look.plain()


class _Look:
    """One look at both."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.now = dt.datetime.now(dt.UTC)
        self.since = _endpoint_created(params["endpoint_created"])
        self.api: StripeApi | None = None
        self.session: Any = None
        self.stripe: dict[str, Any] = dict(_FINE)
        self.database: dict[str, Any] = dict(_FINE)
        self.found: list[events.Event] | None = None
        self.truncated = False
        self.processed: set[str] | None = None
        self.states: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> None:
        if self.api:
            self.api.__exit__(None, None, None)
        if self.session:
            self.session.close()

    def ask_stripe(self) -> None:
        """List the events."""
        try:
            self.api = StripeApi(self.params)
            self.found, self.truncated = list_events(self.api, self.params, self.params["max_items"])
        except StripeError as error:
            self.stripe = _problem(error)

    def log_in(self) -> None:
        """Log in to the database."""
        try:
            # loads psycopg, in a worker beside what other components wait for
            from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import (  # noqa: PLC0415
                log_in,
            )

            self.session = log_in(self.params, self.params["statement_timeout"])
        except PostgresError as error:
            self.database = _problem(error)

    def ask_database(self) -> None:
        """Ask which of the events are processed; without events that answers itself."""
        if self.found is None or not self.session:
            return
        try:
            ids = [event.id for event in self.found]
            self.processed = processed_ids(self.session, self.params["processed_query"], ids)
        except PostgresError as error:
            self.database = _problem(error)

    def ask_for_payments(self) -> None:
        """Ask how those payments stand whose events may have been superseded."""
        missing = self.sorted().missing if self.processed is not None else []
        doubtful = [event for event in missing if event_payments.may_be_superseded(event)]
        if self.api and doubtful:
            self.states = payment_states(self.api, doubtful)

    def sorted(self) -> events.Sorted:
        """Say of each event what became of it."""
        options = (self.params["min_age_s"], self.since, self.params["enabled_events"])
        return events.sort_out(self.found or (), self.processed or (), self.now, *options)

    def plain(self) -> dict[str, Any]:
        """The result."""
        failed = next((side for side in (self.stripe, self.database) if not side["reachable"]), _FINE)
        found = self.sorted()
        superseded = [event for event in found.missing if event_payments.superseded(event, self.states)]
        missing = [event for event in found.missing if event not in superseded]
        lists = (found.young, superseded, found.processed, found.too_old)
        known = self.processed is not None
        relevant = [event for event in self.found or () if event not in found.not_subscribed]
        return {
            "changed": False,
            **failed,
            "stripe": self.stripe,
            "database": self.database,
            "undelivered": None if self.found is None else self._shown(relevant),
            "missing": self._shown(missing) if known else None,
            **{name: self._shown(each) if known else [] for name, each in zip(_LISTS, lists, strict=True)},
            "missing_by_type": events.by_type(missing) if known else None,
            "truncated": self.truncated,
            "oldest_at": min((event.created for event in self.found or ()), default=None),
            "calls": self.api.calls if self.api else [],
        }

    def _shown(self, listed: Iterable[events.Event]) -> list[dict[str, Any]]:
        return [event.plain(self.now) for event in listed]


def _endpoint_created(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise IncidentsError(f"{ATTEMPTED}: endpoint_created is no instant such as 2026-03-01T10:00:00Z") from None
    return in_utc(moment)


def _problem(error: StripeError | PostgresError) -> dict[str, Any]:
    failure = error.failure
    return {"reachable": False, "cause": failure.cause, "message": failure.text, "hint": failure.next_step}


def _secrets(params: Mapping[str, Any]) -> Iterable[str]:
    """Yield the secrets of both systems."""
    yield from stripe_secrets(params)
    yield from postgres_secrets(params)


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **stripe_argument_spec(),
        **postgres_argument_spec(),
        **events_argument_spec("max_items", 500),
        "endpoint_created": {"type": "str"},
        "enabled_events": {"type": "list", "elements": "str", "default": []},
    },
    secrets=_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
