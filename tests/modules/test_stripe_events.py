# SPDX-License-Identifier: GPL-3.0-or-later
"""stripe_events: what Stripe has not delivered, and what of that the platform has missed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from modules.k8s_support import api
from modules.webhook_support import Platform, platform

from ansible_collections.brandconnect.incidents.plugins.modules.stripe_events import SPEC

__all__ = ["api", "platform"]
Json = dict[str, Any]


def ids(listed: list[Json]) -> list[str]:
    return [each["id"] for each in listed]


def test_nothing_is_missing(platform: Platform) -> None:
    result = platform.run(SPEC)
    assert (result["reachable"], result["missing"], result["undelivered"]) == (True, [], [])
    assert (result["oldest_at"], result["truncated"], result["missing_by_type"]) == (None, False, {})


def test_undelivered_and_not_processed_is_missing_the_oldest_first(platform: Platform) -> None:
    first, second, third = (platform.missed(number) for number in range(1, 4))
    platform.database.execute("INSERT INTO processed_events (id, type) VALUES (%s, 'x')", (second,))
    result = platform.run(SPEC)
    assert ids(result["undelivered"]) == [first, second, third]
    assert ids(result["missing"]) == [first, third]
    assert ids(result["processed_but_undelivered"]) == [second]
    assert result["missing_by_type"] == {"payment_intent.succeeded": 2}
    assert result["oldest_at"] == result["missing"][0]["created"]
    shown = result["missing"][0]
    assert (shown["amount"], shown["currency"], shown["payment_intent"]) == (2501, "gbp", "pi_test_0001")
    assert 3500 < shown["age_s"] < 3700
    assert platform.run(SPEC, check_mode=True)["missing"] is not None
    assert platform.stripe.changes() == []


def test_what_was_delivered_is_not_missing_in_either_scope(platform: Platform) -> None:
    delivered = platform.missed(1, delivery="succeeded")
    never_tried = platform.missed(2, delivery="none")
    assert platform.run(SPEC)["missing"] == [], "Stripe never tried to deliver what was made while disabled"
    platform.database.execute("INSERT INTO processed_events (id, type) VALUES (%s, 'x')", (delivered,))
    assert ids(platform.run(SPEC, scope="all")["missing"]) == [never_tried]


def test_young_and_old_and_foreign_events(platform: Platform) -> None:
    platform.subscribe("payment_intent.succeeded", "charge.refunded")
    kept = platform.missed(1)
    foreign = platform.missed(2, "charge.refunded")
    created = next(each["created"] for each in platform.stripe.events() if each["id"] == kept)
    enabled = ["payment_intent.succeeded"]
    assert ids(platform.run(SPEC, enabled_events=enabled)["missing"]) == [kept]
    assert foreign in ids(platform.run(SPEC, enabled_events=["*"])["missing"])
    young = platform.run(SPEC, min_age_s=7200)
    assert (young["missing"], len(young["young"])) == ([], 2)
    later = platform.run(SPEC, enabled_events=enabled, endpoint_created=f"{_rfc3339(created + 60)}")
    assert (later["missing"], ids(later["too_old"])) == ([], [kept])
    assert ids(platform.run(SPEC, types=["charge.refunded"])["missing"]) == [foreign]
    assert platform.run(SPEC, since_s=60)["undelivered"] == []


def test_more_events_than_are_looked_at(platform: Platform) -> None:
    events = [platform.missed(number) for number in range(1, 4)]
    result = platform.run(SPEC, max_items=2)
    assert result["truncated"] is True
    assert ids(result["missing"]) == events[1:], "the newest"


def test_what_something_later_made_untrue_is_not_missing(platform: Platform) -> None:
    failed_then_succeeded = platform.missed(1, "payment_intent.payment_failed", status="succeeded")
    still_failed = platform.missed(2, "payment_intent.payment_failed", status="requires_payment_method")
    succeeded = platform.missed(3)
    result = platform.run(SPEC)
    assert ids(result["superseded"]) == [failed_then_succeeded]
    assert ids(result["missing"]) == [still_failed, succeeded]
    asked = [each["path"] for each in platform.stripe.requests("GET", "/v1/payment_intents")]
    assert asked == ["/v1/payment_intents/pi_test_0001", "/v1/payment_intents/pi_test_0002"]


def test_many_payments_are_listed_and_not_asked_for_one_by_one(platform: Platform) -> None:
    for number in range(1, 31):
        platform.missed(number, "payment_intent.payment_failed", status="succeeded")
    result = platform.run(SPEC)
    assert (len(result["superseded"]), result["missing"]) == (30, [])
    assert len(platform.stripe.requests("GET", "/v1/payment_intents")) == 1


def test_a_database_that_is_down_leaves_it_unknown_what_is_missing(platform: Platform) -> None:
    event = platform.missed(1)
    result = platform.run(SPEC, login_port=1)
    assert (result["reachable"], result["cause"], result["missing"]) == (False, "refused", None)
    assert result["stripe"]["reachable"] is True
    assert ids(result["undelivered"]) == [event]
    assert result["missing_by_type"] is None
    broken = platform.run(SPEC, processed_query="SELECT id FROM nowhere WHERE id = ANY(%(ids)s)")
    assert (broken["database"]["reachable"], broken["missing"]) == (False, None)
    assert 'relation "nowhere" does not exist' in broken["message"]


@pytest.mark.parametrize(("fault", "cause"), [("outage", "server_error"), ("hang", "timeout")])
def test_a_stripe_that_is_down_leaves_it_unknown_too(platform: Platform, fault: str, cause: str) -> None:
    platform.missed(1)
    with platform.stripe.broken(fault):
        result = platform.run(SPEC, stripe_timeout=1)
    assert (result["reachable"], result["cause"]) == (False, cause)
    assert (result["undelivered"], result["missing"]) == (None, None)
    assert result["database"]["reachable"] is True
    assert "failed" not in result


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"since_s": 0}, "since_s must be from 1 to 2592000, not 0"),
        ({"max_items": 5000}, "max_items must be from 1 to 1000"),
        ({"types": ["a.b"] * 21}, "types may be at most 20"),
        ({"types": ["A b"]}, "types must be such as"),
        ({"endpoint_created": "yesterday"}, "endpoint_created is no instant"),
        ({"processed_query": "SELECT 1"}, "processed_query must ask for"),
    ],
)
def test_options_that_make_no_sense(platform: Platform, given: Json, text: str) -> None:
    result = platform.run(SPEC, **given)
    assert result["failed"] is True
    assert result["msg"].startswith("Looking for missed events: ")
    assert text in result["msg"]


def _rfc3339(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()
