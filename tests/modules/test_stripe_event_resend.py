# SPDX-License-Identifier: GPL-3.0-or-later
"""stripe_event_resend: missed events get through, once, and nothing else is touched."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
from modules.k8s_support import CORE, api, refusal
from modules.webhook_support import INCIDENT, Platform, platform

from ansible_collections.brandconnect.incidents.plugins.modules.stripe_event_resend import SPEC

__all__ = ["api", "platform"]
Json = dict[str, Any]
FAILED = "payment_intent.payment_failed"


def resend(platform: Platform, method: str = "stripe_retry", *, check_mode: bool = False, **given: Any) -> Json:
    options = {
        "endpoint_id": platform.endpoint_id,
        "method": method,
        "handler_idempotent": True,
        "incident": INCIDENT,
        "rps": 10,
        "verify_timeout_s": 5,
        **given,
    }
    return platform.run(SPEC, check_mode=check_mode, **options)


def results(result: Json) -> list[tuple[str, str]]:
    return [(each["event"], each["result"]) for each in result["results"]]


def reasons(result: Json) -> dict[str, str]:
    return {each["event"]: each["reason"] for each in result["excluded"]}


@pytest.mark.parametrize("method", ["stripe_retry", "local_replay"])
def test_missed_events_are_planned_sent_and_seen_in_the_database(platform: Platform, method: str) -> None:
    events = [platform.missed(number) for number in (1, 2, 3)]
    plan = resend(platform, method, check_mode=True)
    assert (plan["status"], plan["changed"]) == ("planned", True)
    assert [target["event"] for target in plan["targets"]] == events
    assert results(plan) == [(event, "would_resend") for event in events]
    assert (platform.processed(), platform.endpoint.seen, platform.stripe.changes()) == ([], [], [])

    done = resend(platform, method, targets=plan["targets"])
    assert (done["status"], done["changed"], done["method_used"]) == ("done", True, method)
    assert results(done) == [(event, "delivered") for event in events]
    assert (done["before"]["missing"], done["after"]["missing"]) == (3, 0)
    assert [(line["event"], line["row_status"], line["agrees"]) for line in done["payments"]] == [
        (event, "succeeded", True) for event in events
    ]
    assert plan["payments"] == []
    assert [each["replayed"] for each in done["results"]] == [method == "local_replay"] * 3
    # second channels: the database, the endpoint, Stripe's log of requests
    assert platform.processed() == events, "the oldest first"
    assert [platform.payment(number) for number in (1, 2, 3)] == ["succeeded"] * 3
    assert [event["id"] for event in platform.endpoint.genuine()] == events
    assert len(platform.stripe.changes()) == (3 if method == "stripe_retry" else 0)

    again = resend(platform, method, targets=plan["targets"])
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "already_processed", False)
    assert results(again) == [(event, "already_processed") for event in events]
    without_plan = resend(platform, method)
    assert (without_plan["status"], without_plan["refusal"]) == ("nothing_to_do", "none_missing")
    assert len(platform.endpoint.seen) == 3, "nothing is sent twice"


def test_a_local_replay_is_the_event_as_stripe_has_it(platform: Platform) -> None:
    event = platform.missed(1)
    resend(platform, "local_replay")
    (delivered,) = platform.endpoint.genuine()
    assert delivered["id"] == event
    assert delivered["data"]["object"]["id"] == "pi_test_0001"
    assert delivered["type"] == "payment_intent.succeeded"


def test_what_is_processed_meanwhile_is_not_sent(platform: Platform) -> None:
    first, second, third = (platform.missed(number) for number in (1, 2, 3))
    plan = resend(platform, check_mode=True)
    platform.database.execute("INSERT INTO processed_events (id, type) VALUES (%s, 'x')", (second,))

    def take_the_next_too(event: Json) -> None:
        """While the first is sent, Stripe itself gets the third through."""
        if event["id"] == first:
            platform.database.execute("INSERT INTO processed_events (id, type) VALUES (%s, 'x')", (third,))
        platform.take(event)

    platform.endpoint.handle = take_the_next_too
    done = resend(platform, targets=plan["targets"])
    assert results(done) == [(second, "already_processed"), (first, "delivered"), (third, "already_processed")]
    assert done["status"] == "done"
    assert [event["id"] for event in platform.endpoint.genuine()] == [first]


def test_what_a_handler_notes_and_does_not_do_is_seen_in_the_payments(platform: Platform) -> None:
    lost, _ = platform.missed(1), platform.missed(2)
    insert = "INSERT INTO processed_events (id, type) VALUES (%s, 'x')"
    platform.endpoint.handle = lambda event: platform.database.execute(insert, (event["id"],))
    query = (
        "SELECT id, stripe_payment_intent_id AS payment_intent, amount_cents AS amount, currency,"
        " CASE stripe_payment_intent_id WHEN 'pi_test_0002' THEN 'refunded' ELSE status END AS status"
        " FROM public.payments WHERE stripe_payment_intent_id = ANY(%(payment_intents)s)"
    )
    done = resend(platform, verify_timeout_s=1, payments_query=query)
    assert done["status"] == "done", done["reason"]
    (line,) = done["payments"]  # of the other one the row says more than Stripe's status does
    assert (line["event"], line["agrees"]) == (lost, False)
    assert (line["stripe_status"], line["row_status"]) == ("succeeded", "pending")


def test_events_that_are_not_in_the_plan_stay(platform: Platform) -> None:
    platform.missed(1)
    plan = resend(platform, check_mode=True)
    later = platform.missed(2)
    done = resend(platform, targets=plan["targets"])
    assert done["status"] == "done"
    assert reasons(done) == {later: "not_in_plan"}
    assert platform.payment(2) == "pending"
    assert resend(platform, targets=[])["status"] == "nothing_to_do"
    assert platform.payment(2) == "pending"


@pytest.mark.parametrize(
    "change",
    [{"event": "evt_nobody"}, {"type": "charge.refunded"}, {"url": "https://evil.example.com"}, {"method": "x"}],
    ids=["event", "type", "url", "method"],
)
def test_a_plan_that_is_not_what_would_be_done_is_refused(platform: Platform, change: Json) -> None:
    platform.missed(1)
    plan = resend(platform, check_mode=True)
    result = resend(platform, targets=[{**plan["targets"][0], **change}])
    assert (result["status"], result["refusal"], result["changed"]) == ("refused", "plan_changed", False)
    assert platform.endpoint.seen == []


@pytest.mark.parametrize("method", ["stripe_retry", "local_replay"])
def test_who_is_throttled_waits_and_goes_on(platform: Platform, method: str) -> None:
    event = platform.missed(1)
    platform.stripe.part.tell("/lab/limits", requests_per_second=1)
    done = resend(platform, method)
    assert (done["status"], results(done)) == ("done", [(event, "delivered")]), done["reason"]
    assert 429 in [call["status"] for call in done["calls"]]
    assert [each["id"] for each in platform.endpoint.genuine()] == [event]


@pytest.mark.parametrize("check_mode", [True, False])
def test_guards(platform: Platform, check_mode: bool) -> None:
    platform.missed(1)
    refused = resend(platform, handler_idempotent=False, check_mode=check_mode)
    assert (refused["status"], refused["refusal"]) == ("refused", "not_idempotent")
    platform.stripe.set_endpoint(disabled=True)
    refused = resend(platform, check_mode=check_mode)
    assert (refused["status"], refused["refusal"]) == ("refused", "endpoint_disabled")
    platform.stripe.set_endpoint(disabled=False)
    platform.api.answers[f"{CORE}/secrets/stripe-keys"] = refusal(403, "Forbidden")
    refused = resend(platform, "local_replay", check_mode=check_mode)
    assert (refused["status"], refused["refusal"]) == ("refused", "no_secret")
    assert (platform.endpoint.seen, platform.stripe.changes()) == ([], [])


def test_what_something_later_made_untrue_is_not_sent(platform: Platform) -> None:
    untrue = platform.missed(1, FAILED, status="succeeded")
    true = platform.missed(2, FAILED, status="requires_payment_method")
    done = resend(platform)
    assert results(done) == [(true, "delivered")]
    assert reasons(done) == {untrue: "superseded"}
    assert (platform.payment(1), platform.payment(2)) == ("pending", "failed")
    (line,) = done["reconciliation"]
    assert (line["event"], line["stripe_status"], line["row_status"]) == (untrue, "succeeded", "pending")
    assert line["agrees"] is False


def test_an_event_whose_payment_cannot_be_asked_for_is_not_sent(platform: Platform) -> None:
    platform.missed(1, FAILED, status="requires_payment_method")
    gone = platform.stripe.seed(
        events=[
            {
                "type": FAILED,
                "object": {"object": "payment_intent", "id": "pi_nobody"},
                "created": int(time.time()) - 3000,
            }
        ]
    )["events"][0]
    assert reasons(resend(platform)) == {gone: "payment_unknown"}


def test_an_event_whose_type_does_not_stay_true_is_not_sent(platform: Platform) -> None:
    platform.subscribe("*")
    final = platform.missed(1)
    made = int(time.time()) - 3000
    about = {"object": "subscription", "id": "sub_1", "status": "past_due"}
    charge = {"object": "charge", "id": "ch_1", "payment_intent": "pi_test_0001", "amount": 2501, "currency": "gbp"}
    untrue, foreign = platform.stripe.seed(
        events=[
            {"type": "charge.failed", "object": charge, "created": made, "delivery": "failed"},
            {"type": "customer.subscription.updated", "object": about, "created": made + 1, "delivery": "failed"},
        ]
    )["events"]
    done = resend(platform)
    assert results(done) == [(final, "delivered")]
    assert reasons(done) == {untrue: "superseded", foreign: "not_final"}
    assert platform.payment(1) == "succeeded"
    assert foreign in {line["event"] for line in done["reconciliation"]}
    assert [event["id"] for event in platform.endpoint.genuine()] == [final]


def test_other_reasons_to_leave_an_event(platform: Platform) -> None:
    platform.stripe.set_endpoint(created=int(time.time()) - 3599)
    old = platform.missed(0, created=int(time.time()) - 3700)
    first, second = platform.missed(2), platform.missed(3)
    young = platform.missed(4, created=int(time.time()) - 5)
    done = resend(platform, max_events=1)
    assert results(done) == [(first, "delivered")]
    assert reasons(done) == {old: "too_old", young: "young", second: "over_max_events"}
    assert {line["event"] for line in done["reconciliation"]} == {old, second}
    foreign = platform.missed(5, "charge.refunded", delivery="none")
    assert reasons(resend(platform, scope="all", check_mode=True))[foreign] == "not_subscribed"


def test_events_made_while_the_endpoint_was_disabled(platform: Platform) -> None:
    event = platform.missed(1, delivery="none")
    assert resend(platform)["status"] == "nothing_to_do"
    assert results(resend(platform, scope="all")) == [(event, "delivered")]


@pytest.mark.parametrize("method", ["stripe_retry", "local_replay"])
def test_it_stops_when_nothing_gets_through(platform: Platform, method: str) -> None:
    events = [platform.missed(number) for number in range(1, 6)]

    def fail(_event: Json) -> None:
        raise RuntimeError("the database is read-only")

    platform.endpoint.handle = fail
    result = resend(platform, method, verify_timeout_s=1)
    # Stripe does not say here how the handler answered, and the handler itself does
    became = "unknown" if method == "stripe_retry" else "failed"
    assert results(result) == [
        *((event, became) for event in events[:3]),
        *((event, "not_attempted") for event in events[3:]),
    ]
    assert (result["status"], result["changed"]) == (became, True)
    assert "3 events in a row" in result["breaker"]
    assert len(platform.endpoint.seen) == 3
    assert {line["event"] for line in result["reconciliation"]} == set(events)
    if method == "local_replay":
        assert "HTTP 500" in result["results"][0]["reason"]


@pytest.mark.parametrize("method", ["stripe_retry", "local_replay"])
def test_what_was_taken_and_is_not_processed_yet_is_unknown(platform: Platform, method: str) -> None:
    event = platform.missed(1)
    platform.endpoint.handle = lambda _event: None  # it answers at once, and works off a queue later
    result = resend(platform, method, verify_timeout_s=1)
    assert results(result) == [(event, "unknown")]
    assert (result["status"], result["changed"], result["after"]["missing"]) == ("unknown", True, 1)
    assert result["results"][0]["reason"].startswith("sent, not yet processed: ")
    assert [line["event"] for line in result["reconciliation"]] == [event]
    assert ([each["id"] for each in platform.endpoint.genuine()], platform.processed()) == ([event], [])


@pytest.mark.parametrize("refuses", [False, True], ids=["it takes it", "it refuses"])
def test_a_second_run_of_the_same_incident_sends_nothing_twice(platform: Platform, refuses: bool) -> None:
    event = platform.missed(1)

    def lose(_event: Json) -> None:
        if refuses:
            raise RuntimeError("the queue is full")

    platform.endpoint.handle = lose
    plan = resend(platform, scope="all", check_mode=True)
    first = resend(platform, scope="all", verify_timeout_s=1, targets=plan["targets"])
    again = resend(platform, scope="all", verify_timeout_s=1, targets=plan["targets"])
    assert (results(first), results(again)) == ([(event, "unknown")], [(event, "unknown")])
    # second channels: the endpoint, and the keys in Stripe's log of requests
    assert [each.event["id"] for each in platform.endpoint.seen] == [event]
    keys = [each["headers"]["Idempotency-Key"] for each in platform.stripe.changes()]
    assert keys == [f"inc-{INCIDENT}:{event}"] * 2

    platform.endpoint.handle = platform.take
    sneaked = resend(platform, scope="all", attempt=2, targets=plan["targets"])
    assert sneaked["refusal"] == "plan_changed", "to send once more is another plan"
    anew = resend(platform, scope="all", attempt=2, check_mode=True)
    assert anew["targets"] == [{**plan["targets"][0], "attempt": 2}]
    assert len(platform.endpoint.seen) == 1
    assert results(resend(platform, scope="all", attempt=2, targets=anew["targets"])) == [(event, "delivered")]
    assert platform.processed() == [event]
    assert len(platform.endpoint.seen) == 2
    assert resend(platform, scope="all", attempt=3)["status"] == "nothing_to_do"


@pytest.mark.parametrize(("status", "became"), [(502, "unknown"), (504, "unknown"), (503, "failed"), (400, "failed")])
def test_a_proxy_that_gave_up_waiting_does_not_know_what_the_handler_did(
    platform: Platform, status: int, became: str
) -> None:
    event = platform.missed(1)
    platform.endpoint.answer = (status, {}, b"gateway")
    result = resend(platform, "local_replay", verify_timeout_s=1)
    assert (results(result), result["status"]) == ([(event, became)], became)
    assert f"HTTP {status}" in result["results"][0]["reason"]


def test_it_stops_when_more_than_half_do_not_get_through(platform: Platform) -> None:
    events = [platform.missed(number) for number in range(1, 9)]

    def mostly_fail(event: Json) -> None:
        if events.index(event["id"]) not in (0, 3):
            raise RuntimeError("no")
        platform.take(event)

    platform.endpoint.handle = mostly_fail
    result = resend(platform, "local_replay")
    assert [became for _, became in results(result)][:5] == ["delivered", "failed", "failed", "delivered", "failed"]
    assert "3 of 5" in result["breaker"]
    assert result["status"] == "partial"
    assert len(platform.endpoint.seen) == 5


def test_it_is_slow_on_purpose(platform: Platform) -> None:
    for number in (1, 2, 3):
        platform.missed(number)
    at = [each["at"] for each in resend(platform, rps=2.5)["results"]]
    moments = [time.mktime(time.strptime(each[:19], "%Y-%m-%dT%H:%M:%S")) + float(each[19:-1]) for each in at]
    assert all(later - earlier > 0.39 for earlier, later in itertools.pairwise(moments))


def test_an_answer_of_the_handler_that_got_lost(platform: Platform) -> None:
    first, second = platform.missed(1), platform.missed(2)

    def late(event: Json) -> None:
        if event["id"] == first:
            platform.take(event)  # it works, and nobody hears of it
        time.sleep(3)

    platform.endpoint.handle = late
    result = resend(platform, "local_replay", timeout=1, verify_timeout_s=1)
    assert results(result) == [(first, "delivered"), (second, "unknown")]
    assert (result["status"], result["changed"]) == ("unknown", True)


@pytest.mark.parametrize("fallback", ["reconcile_only", "local_replay"])
def test_a_stripe_that_does_not_know_how_to_send_again(platform: Platform, fallback: str) -> None:
    events = [platform.missed(number) for number in (1, 2)]
    plan = resend(platform, fallback=fallback, check_mode=True)
    with platform.stripe.broken("retry-unsupported"):
        result = resend(platform, fallback=fallback, targets=plan["targets"])
    assert result["method_used"] == fallback
    if fallback == "local_replay":
        assert result["status"] == "done"
        assert results(result) == [(event, "delivered") for event in events]
        assert all(each["replayed"] for each in result["results"])
        assert "does not know the call" in result["caveats"][0]
    else:
        assert (result["status"], result["refusal"]) == ("refused", "retry_unsupported")
        assert (result["changed"], platform.processed()) == (False, [])
        assert results(result) == [(event, "not_attempted") for event in events]
        assert {line["event"] for line in result["reconciliation"]} == set(events)


@pytest.mark.parametrize("check_mode", [True, False])
def test_comparing_only(platform: Platform, check_mode: bool) -> None:
    differs, failed = platform.missed(1), platform.missed(2, FAILED, status="requires_payment_method")
    agrees = platform.missed(3)
    platform.database.execute(
        "UPDATE payments SET status = 'succeeded' WHERE stripe_payment_intent_id = 'pi_test_0003'"
    )
    platform.stripe.set_endpoint(disabled=True)
    result = resend(platform, "reconcile_only", handler_idempotent=False, check_mode=check_mode)
    assert (result["status"], result["changed"], result["targets"]) == ("done", False, [])
    lines = {line["event"]: line for line in result["reconciliation"]}
    assert {event: line["agrees"] for event, line in lines.items()} == {differs: False, failed: False, agrees: True}
    assert lines[differs]["advice"] == "it is succeeded at Stripe and pending at the platform; correct it with finance"
    assert lines[failed]["row_status"] == "pending"
    assert lines[differs]["row_id"] is not None
    assert "3 payments compared: 1 agree, 2 differ" in result["reason"]
    assert (platform.payment(1), platform.processed(), platform.stripe.changes()) == ("pending", [], [])
    assert platform.endpoint.seen == []


def test_nothing_to_compare(platform: Platform) -> None:
    result = resend(platform, "reconcile_only")
    assert (result["status"], result["refusal"], result["reconciliation"]) == ("nothing_to_do", "none_missing", [])


def test_payments_that_cannot_be_read_are_unknown_and_not_absent(platform: Platform) -> None:
    platform.missed(1)
    query = "SELECT 1 FROM public.nowhere WHERE 'x' = ANY(%(payment_intents)s)"
    (line,) = resend(platform, "reconcile_only", payments_query=query)["reconciliation"]
    assert line["agrees"] is None
    assert line["advice"] == "the platform's payments could not be read"


def test_failures_say_what_had_been_done(platform: Platform) -> None:
    first = platform.missed(1)
    second = platform.missed(2)
    wrong = resend(platform, endpoint_id="we_nobody")
    assert (wrong["failed"], wrong["cause"], wrong["changed"]) == (True, "not_found", False)
    down = resend(platform, login_port=1)
    assert (down["failed"], down["cause"]) == (True, "refused")

    def pull_the_plug(event: Json) -> None:
        platform.take(event)
        platform.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (platform.pg.ops_user,)
        )

    platform.endpoint.handle = pull_the_plug
    result = resend(platform, "local_replay")
    assert result["failed"] is True
    assert (result["status"], result["changed"]) == ("unknown", True)
    assert results(result) == [(first, "unknown"), (second, "not_attempted")]
    assert platform.processed() == [first]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"max_events": 501}, "max_events must be from 1 to 500"),
        ({"rps": 0}, "rps must be from 0.1 to 10, not 0"),
        ({"rps": 11}, "rps must be from 0.1 to 10, not 11"),
        ({"since_s": 31 * 86400}, "since_s must be from 1 to 2592000"),
        ({"incident": "a b"}, "incident is no identifier"),
        ({"webhook_url": "file:///etc/passwd"}, "webhook_url must be an address"),
        ({"method": "local_replay", "secret_name": None}, "a local replay needs secret_name too"),
        ({"payments_query": "SELECT 1"}, "payments_query must ask for"),
        ({"verify_timeout_s": 0}, "verify_timeout_s must be 1 second"),
        ({"attempt": 0}, "attempt must be from 1 to 99, not 0"),
        ({"attempt": 100}, "attempt must be from 1 to 99, not 100"),
    ],
)
def test_options_that_make_no_sense(platform: Platform, given: Json, text: str) -> None:
    result = resend(platform, **given)
    assert result["failed"] is True
    assert result["msg"].startswith("Resending events: ")
    assert text in result["msg"]


def test_nothing_of_stripes_is_trusted_in_texts(platform: Platform) -> None:
    created = int(time.time()) - 3000
    hostile = {"object": "payment_intent", "id": "{{ lookup('pipe', 'id') }}", "currency": "<b>", "amount": "1"}
    platform.stripe.seed(events=[{"type": "payment_intent.succeeded", "object": hostile, "created": created}])
    result = resend(platform, check_mode=True)
    assert "lookup" not in json.dumps(result)
    assert result["candidates"][0]["payment_intent"] is None
