# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Reads about events that several modules share: which the platform has processed, and how their payments stand."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import PostgresError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import event_payments, events
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session

Json = dict[str, Any]

# The schema is named: sessions look in pg_catalog only, lest an owner put own functions before the server's.
PROCESSED_QUERY = "SELECT id FROM public.processed_events WHERE id = ANY(%(ids)s)"
PAYMENTS_QUERY = (
    "SELECT id, stripe_payment_intent_id AS payment_intent, status, amount_cents AS amount, currency"
    " FROM public.payments WHERE stripe_payment_intent_id = ANY(%(payment_intents)s)"
)
MOST_ITEMS = 1000
READ_ONE_BY_ONE = 20  # PaymentIntents; more are listed first
LISTED_AT_MOST = 300
EARLIER_S = 3600  # a PaymentIntent is older than its events
_STOPPING = frozenset({"invalid_auth", "key_expired", "forbidden", "rate_limited", "server_error", "timeout"})


def events_argument_spec(max_option: str, default: int) -> dict[str, dict[str, Any]]:
    """The options that say which events are in question; *max_option* is how the option for their number is called."""
    return {
        "since_s": {"type": "int", "default": 86400},
        "min_age_s": {"type": "int", "default": 60},
        "types": {"type": "list", "elements": "str", "default": []},
        max_option: {"type": "int", "default": default},
        "scope": {"type": "str", "choices": ["undelivered", "all"], "default": "undelivered"},
        "processed_query": {"type": "str", "default": PROCESSED_QUERY},
    }


def check_events_options(attempted: str, params: Mapping[str, Any], max_option: str, most: int) -> None:
    """Refuse options of :func:`events_argument_spec` that make no sense.

    Raises:
        IncidentsError: naming the option.
    """
    for option, least, limit in (
        ("since_s", 1, events.RETENTION_S),
        ("min_age_s", 0, events.RETENTION_S),
        (max_option, 1, most),
    ):
        if not least <= params[option] <= limit:
            raise IncidentsError(f"{attempted}: {option} must be from {least} to {limit}, not {params[option]}")
    problem = events.types_problem(params["types"])
    if problem:
        raise IncidentsError(f"{attempted}: {problem}; check types")
    if "%(ids)s" not in params["processed_query"]:
        raise IncidentsError(f"{attempted}: processed_query must ask for the identifiers %(ids)s")


def list_events(api: StripeApi, params: Mapping[str, Any], max_items: int) -> tuple[list[events.Event], bool]:
    """Return the events in question, oldest first, and whether there are more or some could not be read.

    Raises:
        StripeError: Stripe cannot be asked.
    """
    listed, more = api.events(
        delivery_success=False if params["scope"] == "undelivered" else None,
        types=params["types"],
        created_gte=int(time.time()) - params["since_s"],
        max_items=max_items,
    )
    found, unreadable = events.read_events(listed)
    return found, more or bool(unreadable)


def processed_ids(session: Session, query: str, ids: Iterable[str]) -> set[str]:
    """Return the identifiers of those events that the platform has processed.

    Raises:
        PostgresError: the database cannot be asked.
    """
    asked = list(ids)
    if not asked:
        return set()
    return {str(next(iter(row.values()))) for row in session.ask(query, {"ids": asked}) if row}


def payment_rows(session: Session, query: str, found: Iterable[events.Event]) -> dict[str, Json] | None:
    """Return the platform's payments of events, by PaymentIntent; ``None`` when the database cannot be asked."""
    wanted = sorted({event.payment_intent for event in found if event.payment_intent})
    if not wanted:
        return {}
    try:
        rows = session.ask(query, {"payment_intents": wanted})
    except PostgresError:
        return None
    return {str(row.get("payment_intent")): row for row in rows}


def payment_states(api: StripeApi, found: Sequence[events.Event], pause_s: float = 0.0) -> dict[str, Json]:
    """Return how the payments of events stand at Stripe, by PaymentIntent; what could not be read is left out.

    Args:
        pause_s: seconds between two requests.
    """
    wanted = {event.payment_intent: event for event in found if event.payment_intent}
    states: dict[str, Json] = {}
    try:
        if len(wanted) > READ_ONE_BY_ONE:
            states = _listed(api, min(event.created for event in wanted.values()), set(map(str, wanted)))
        for id_ in [str(each) for each in wanted if each not in states][: 5 * READ_ONE_BY_ONE]:
            state = _state(api, id_)
            if state:
                states[id_] = state
            time.sleep(pause_s)
    except StripeError:
        return states
    return states


def _listed(api: StripeApi, oldest: dt.datetime, wanted: set[str]) -> dict[str, Json]:
    since = int(oldest.timestamp()) - EARLIER_S
    intents, _ = api.payment_intents(created_gte=since, max_items=LISTED_AT_MOST)
    return {intent["id"]: event_payments.state(intent) for intent in intents if intent.get("id") in wanted}


def _state(api: StripeApi, id_: str) -> Json | None:
    try:
        return event_payments.state(api.payment_intent(id_))
    except StripeError as error:
        if error.cause in _STOPPING:
            raise  # the next one would be answered in the same way
        return None
