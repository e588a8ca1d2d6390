# SPDX-License-Identifier: GPL-3.0-or-later
"""Which events are missing, which may be sent again, when to stop, and what differs."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    event_payments,
    event_resend,
    events,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.events import Event

NOW = dt.datetime(2026, 11, 24, 15, tzinfo=dt.UTC)
FRAME = {"endpoint": "we_1", "url": "https://api.example.com/hook", "method": "stripe_retry", "fallback": None}
Json = dict[str, Any]


def event(id_: str, age_s: float = 3600, kind: str = "payment_intent.succeeded", pi: str | None = "pi_1") -> Event:
    return Event(
        id_, kind, NOW - dt.timedelta(seconds=age_s), object=pi, payment_intent=pi, amount=2500, currency="gbp"
    )


def ids(listed: list[Event]) -> list[str]:
    return [each.id for each in listed]


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"id": "evt_1", "type": "a.b"},
        {"id": "evt_1; DROP", "type": "a.b", "created": 1},
        {"id": "evt_1", "type": "{{ a }}", "created": 1},
        {"id": "evt_1", "type": "a" * 200, "created": 1},
        {"id": "evt_1", "type": "a.b", "created": True},
        {"id": "evt_1", "type": "a.b", "created": 10**20},
        {"id": "evt_1", "type": "a.b", "created": math.nan},
    ],
)
def test_what_is_no_event_is_counted_and_left(raw: Json) -> None:
    assert events.read_events([raw]) == ([], 1)


def test_what_matters_of_an_event() -> None:
    charge = {"object": "charge", "id": "ch_1", "payment_intent": "pi_9", "amount": 100, "currency": "eur"}
    raw = {"id": "evt_1", "type": "charge.refunded", "created": 1_700_000_000, "pending_webhooks": 2}
    found = events.read_event({**raw, "data": {"object": charge}, "account": "acct_1"})
    assert found == Event(
        "evt_1",
        "charge.refunded",
        dt.datetime.fromtimestamp(1_700_000_000, dt.UTC),
        "ch_1",
        "pi_9",
        100,
        "eur",
        2,
        "acct_1",
    )
    bare = events.read_event({**raw, "data": None})
    assert bare is not None
    assert (bare.object, bare.payment_intent, bare.amount) == (None, None, None)


def test_what_became_of_each() -> None:
    listed = [
        event("evt_missing", 100),
        event("evt_oldest", 200),
        event("evt_young", 10),
        event("evt_done", 300),
        event("evt_foreign", 100, "charge.refunded"),
        event("evt_before", 9000),
        event("evt_old_and_done", 9000),
    ]
    created = NOW - dt.timedelta(seconds=5000)
    types = ["payment_intent.succeeded"]
    found = events.sort_out(listed, ["evt_done", "evt_old_and_done"], NOW, 60, created, types)
    assert ids(found.missing) == ["evt_oldest", "evt_missing"]
    assert ids(found.young) == ["evt_young"]
    assert ids(found.processed) == ["evt_old_and_done", "evt_done"]
    assert ids(found.not_subscribed) == ["evt_foreign"]
    assert ids(found.too_old) == ["evt_before"]
    assert ids(events.sort_out([event("evt_1", 31 * 86400)], [], NOW, 60).too_old) == ["evt_1"]


@pytest.mark.parametrize(
    ("kind", "status", "untrue"),
    [
        ("payment_intent.succeeded", "succeeded", False),
        ("payment_intent.succeeded", None, False),
        ("payment_intent.canceled", "canceled", False),
        ("payment_intent.canceled", None, False),
        ("charge.succeeded", None, False),
        ("charge.captured", None, False),
        ("charge.refunded", None, False),
        ("charge.dispute.closed", None, False),
        ("charge.dispute.created", None, None),
        ("charge.dispute.created", "succeeded", None),
        ("checkout.session.async_payment_succeeded", None, False),
        ("charge.failed", None, None),
        ("charge.failed", "requires_payment_method", False),
        ("charge.failed", "succeeded", True),
        ("invoice.payment_failed", None, None),
        ("invoice.payment_failed", "requires_payment_method", False),
        ("invoice.payment_failed", "succeeded", True),
        ("checkout.session.async_payment_failed", None, None),
        ("checkout.session.async_payment_failed", "succeeded", True),
        ("checkout.session.completed", "succeeded", None),
        ("customer.subscription.updated", None, None),
        ("customer.subscription.updated", "succeeded", None),
        ("brand.new", "succeeded", None),
        ("payment_intent.payment_failed", "requires_payment_method", False),
        ("payment_intent.payment_failed", "succeeded", True),
        ("payment_intent.payment_failed", "processing", True),
        ("payment_intent.payment_failed", None, None),
        ("payment_intent.created", "requires_confirmation", False),
        ("payment_intent.created", "succeeded", True),
        ("payment_intent.processing", "processing", False),
        ("payment_intent.processing", "succeeded", True),
        ("payment_intent.requires_action", "requires_action", False),
        ("payment_intent.requires_action", "canceled", True),
        ("payment_intent.amount_capturable_updated", "succeeded", True),
    ],
)
def test_what_something_later_makes_untrue(kind: str, status: str | None, untrue: bool | None) -> None:
    states = {"pi_1": event_payments.state({"status": status})} if status else {}
    assert event_payments.superseded(event("evt_1", kind=kind), states) is untrue


@pytest.mark.parametrize("kind", ["payment_intent.payment_failed", "charge.failed", "payment_intent.processing"])
def test_an_event_without_a_payment_that_can_be_read_may_be_untrue(kind: str) -> None:
    states = {"None": event_payments.state({"status": "requires_payment_method"})}
    assert event_payments.superseded(event("evt_1", kind=kind, pi=None), states) is None


def test_a_payment_that_has_failed_is_not_made_pending_by_its_beginning() -> None:
    failed = {"status": "requires_payment_method", "last_payment_error": {"type": "card_error"}}
    states = {"pi_1": event_payments.state(failed)}
    assert event_payments.superseded(event("evt_1", kind="payment_intent.created"), states) is True
    assert event_payments.superseded(event("evt_1", kind="payment_intent.payment_failed"), states) is False


def test_what_may_be_untrue_is_settled_by_hand_and_says_why() -> None:
    listed = [
        event("evt_final", 400),
        event("evt_declined", 300, "charge.failed"),
        event("evt_no_payment", 200, "payment_intent.payment_failed", pi=None),
        event("evt_foreign", 100, "customer.subscription.updated", pi=None),
    ]
    plan = chosen(listed)
    assert ids(plan.candidates) == ["evt_final"]
    words = {each.id: word for each, word in plan.excluded}
    assert words == {"evt_declined": "payment_unknown", "evt_no_payment": "payment_unknown", "evt_foreign": "not_final"}
    assert set(words.values()) <= event_resend.TO_COMPARE
    assert all(line["text"] for line in plan.plain_excluded())


def test_an_idempotency_key_is_of_the_incident_and_the_event_alone() -> None:
    key = event_resend.idempotency_key("webhook-failures-1", "evt_1", 1)
    assert key == event_resend.idempotency_key("webhook-failures-1", "evt_1", 1) == "inc-webhook-failures-1:evt_1"
    others = [
        ("webhook-failures-2", "evt_1", 1),
        ("webhook-failures-1", "evt_2", 1),
        ("webhook-failures-1", "evt_1", 2),
    ]
    assert len({key, *(event_resend.idempotency_key(*each) for each in others)}) == 4


def chosen(missing: list[Event], given: list[Json] | None = None, processed: tuple[str, ...] = ()) -> event_resend.Plan:
    targets = event_resend.approved_targets(given)
    approved = None if targets is None else event_resend.Approved(targets, frozenset(processed))
    return event_resend.choose(events.Sorted(missing=missing), {}, 2, approved, FRAME)


def test_the_oldest_go_first_and_no_more_than_allowed() -> None:
    plan = chosen([event("evt_1", 300), event("evt_2", 200), event("evt_3", 100)])
    assert ids(plan.candidates) == ["evt_1", "evt_2"]
    assert [(each.id, word) for each, word in plan.excluded] == [("evt_3", "over_max_events")]
    assert all(line["text"] for line in plan.plain_excluded())


def test_a_plan_is_held_to() -> None:
    first, second = event("evt_1", 300), event("evt_2", 200)
    given = [event_resend.target(each, FRAME) for each in (first, second)]
    assert chosen([first, second], given).objection is None
    assert ids(chosen([first, second], given[:1]).candidates) == ["evt_1"]
    processed = chosen([second], given, ("evt_1",))
    assert (ids(processed.candidates), processed.objection) == (["evt_2"], None)
    assert [each["event"] for each in processed.processed] == ["evt_1"]
    gone = chosen([second], given)
    assert gone.objection is not None
    assert gone.objection[0] == "plan_changed"
    assert "evt_1" in gone.objection[1]
    other_frame = [{**given[0], "url": "https://evil.example.com"}]
    changed = chosen([first], other_frame)
    assert changed.objection is not None
    assert chosen([first], []).candidates == []


@pytest.mark.parametrize(
    ("became", "stops"),
    [
        ("", False),
        ("ff", False),
        ("fff", True),
        ("ffu", True),
        ("dfff", True),
        ("dffdf", True),
        ("dfdf", False),
        ("dffd", False),
        ("ffpppf", True),
        ("ffdd", False),
        ("fdfdfdd", False),
        ("ppp", False),
    ],
)
def test_when_to_stop(became: str, stops: bool) -> None:
    words = {"f": "failed", "u": "unknown", "d": "delivered", "p": "already_processed"}
    assert bool(event_resend.breaker([{"result": words[letter]} for letter in became])) is stops


@pytest.mark.parametrize(
    ("became", "status"),
    [
        (["delivered"], "done"),
        (["delivered", "already_processed"], "done"),
        (["already_processed"], "nothing_to_do"),
        (["delivered", "failed"], "partial"),
        (["delivered", "not_attempted"], "partial"),
        (["failed", "not_attempted"], "failed"),
        (["delivered", "failed", "unknown"], "unknown"),
    ],
)
def test_how_it_went(became: list[str], status: str) -> None:
    assert event_resend.verdict([{"result": word} for word in became], None)[0] == status


@pytest.mark.parametrize(
    ("at_stripe", "row", "agrees", "advice"),
    [
        ({"status": "succeeded"}, "succeeded", True, None),
        ({"status": "succeeded"}, "pending", False, "it is succeeded at Stripe and pending at the platform"),
        ({"status": "succeeded"}, "failed", False, "correct it with finance"),
        ({"status": "requires_payment_method"}, "pending", True, None),
        ({"status": "requires_payment_method", "last_payment_error": {}}, "pending", False, "correct it"),
        ({"status": "requires_payment_method", "last_payment_error": {}}, "failed", True, None),
        ({"status": "canceled"}, "succeeded", False, "correct it"),
        ({"status": "brand_new"}, "pending", None, "not known here"),
        ({"status": "succeeded", "amount": 9}, "succeeded", False, "the amounts differ"),
        ({"status": "succeeded"}, None, False, "no payment of this PaymentIntent"),
        (None, "pending", None, "Stripe could not be asked"),
    ],
)
def test_how_a_payment_stands(at_stripe: Json | None, row: str | None, agrees: bool | None, advice: str | None) -> None:
    states = {"pi_1": event_payments.state(at_stripe)} if at_stripe else {}
    rows = {"pi_1": {"id": 7, "status": row, "amount": 2500, "currency": "GBP"}} if row else {}
    (line,) = event_payments.compare([event("evt_1"), event("evt_2")], states, rows)
    assert line["agrees"] is agrees
    assert (advice or "") in (line["advice"] or "")
    assert (line["row_status"], line["row_id"]) == (row, 7 if row else None)


def test_what_cannot_be_compared_is_unknown() -> None:
    states = {"pi_1": event_payments.state({"status": "succeeded"})}
    (line,) = event_payments.compare([event("evt_1")], states, None)
    assert line["agrees"] is None
    (line,) = event_payments.compare([event("evt_1", pi=None)], {}, {})
    assert (line["payment_intent"], line["agrees"]) == (None, None)
    assert event_resend.compared([{"agrees": True}, {"agrees": None}])[1].endswith("0 differ, of 1 it is not known")
