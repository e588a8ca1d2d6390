# SPDX-License-Identifier: GPL-3.0-or-later
"""stripe_payment_intents and the client below it, against the lab's Stripe, and against servers that are none of it.

The second channel is the request log of the lab's Stripe.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from modules.k8s_support import Api, Reply, api, run_module
from modules.sending_support import assert_no_secret, hang_up

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import stripe
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError
from ansible_collections.brandconnect.incidents.plugins.modules.stripe_payment_intents import SPEC
from support.stripe import Stripe

__all__ = ["api"]

KEY = "rk_test_c4n4ryc4n4ry"
DECLINE = {
    "type": "card_error",
    "code": "card_declined",
    "decline_code": "insufficient_funds",
    "message": "Your card has insufficient funds.",
}


def options(url: str, key: str = KEY, **given: Any) -> dict[str, Any]:
    return {"stripe_url": url, "stripe_api_key": key, "stripe_livemode": False, "stripe_timeout": 2, **given}


def ask(lab_stripe: Stripe, **given: Any) -> dict[str, Any]:
    key = given.pop("key", lab_stripe.keys.restricted_key)
    result = run_module(SPEC, options(lab_stripe.url, key, **given))
    assert_no_secret(result, *lab_stripe.keys.secrets(), *filter(None, [key]))
    assert "_secret_" not in json.dumps(result)  # of a PaymentIntent
    return result


def intent(id_: str, status: str = "succeeded", age_s: int = 60, **given: Any) -> dict[str, Any]:
    created = int(time.time()) - age_s
    return {"id": id_, "amount": 4200, "currency": "gbp", "status": status, "created": created, **given}


def test_how_recent_payments_went(lab_stripe: Stripe) -> None:
    failed = {"status": "requires_payment_method", "last_payment_error": DECLINE, "metadata": {"payment_id": "7"}}
    seeded = [intent("pi_1"), intent("pi_2"), intent("pi_3", **failed), intent("pi_4", "requires_confirmation")]
    lab_stripe.seed(payment_intents=[*seeded, intent("pi_old", age_s=5000, **failed)])
    found = ask(lab_stripe)
    assert (found["reachable"], found["cause"], found["server_side"], found["changed"]) == (True, None, False, False)
    recent = found["recent"]
    assert (recent["total"], recent["succeeded"], recent["failed"], recent["truncated"]) == (4, 2, 1, False)
    assert recent["by_error"] == {"card_error/card_declined/insufficient_funds": 1}
    assert recent["by_status"] == {"succeeded": 2, "requires_payment_method": 1, "requires_confirmation": 1}
    (shown,) = found["payment_intents"]
    assert (shown["id"], shown["payment_id"], shown["amount"]) == ("pi_3", "7", 4200)
    assert shown["last_payment_error"] == DECLINE
    assert 0 < found["latency_s"] < 2
    (call,) = found["calls"]
    assert (call["method"], call["path"], call["status"]) == ("GET", "/v1/payment_intents", 200)
    assert call["request_id"].startswith("req_")


def test_more_than_a_page_is_read_and_the_newest_count(lab_stripe: Stripe) -> None:
    lab_stripe.seed(payment_intents=[intent(f"pi_{n}", age_s=n) for n in range(1, 131)])
    found = ask(lab_stripe)
    assert (found["recent"]["total"], found["recent"]["truncated"], len(found["calls"])) == (130, False, 2)
    cut = ask(lab_stripe, max_items=110)
    assert (cut["recent"]["total"], cut["recent"]["truncated"]) == (110, True)
    with StripeApi(options(lab_stripe.url, lab_stripe.keys.restricted_key)) as client:
        newest, more = client.payment_intents(max_items=3)
    assert ([each["id"] for each in newest], more) == (["pi_1", "pi_2", "pi_3"], True)


def test_what_happened_to_one(lab_stripe: Stripe) -> None:
    failed = {"status": "requires_payment_method", "last_payment_error": DECLINE}
    lab_stripe.seed(payment_intents=[intent("pi_1", **failed)])
    found = ask(lab_stripe, payment_intent="pi_1")
    (one,) = found["payment_intents"]
    assert one["status"] == "requires_payment_method"
    assert one["livemode"] is False
    assert one["latest_charge"]["outcome"]["network_status"] == "declined_by_network"
    assert found["recent"] is None
    (asked,) = lab_stripe.requests()
    assert (asked["method"], asked["path"]) == ("GET", "/v1/payment_intents/pi_1")


def test_the_key_travels_in_a_header_and_nothing_of_the_machine_does(lab_stripe: Stripe) -> None:
    lab_stripe.forget_requests()
    ask(lab_stripe)
    (asked,) = lab_stripe.requests()
    headers = {name.lower(): value for name, value in asked["headers"].items()}
    assert headers["user-agent"] == "incident-runbooks"
    assert headers["stripe-version"] == "2026-10-28.endive"
    assert not [name for name in headers if name.startswith("x-stripe")]
    assert "key" not in json.dumps(asked["query"]).lower()


@pytest.mark.parametrize(
    ("payment_intent", "cause"), [("pi_nowhere", "not_found"), ("pi_live", "mode_mismatch")], ids=str
)
def test_one_that_is_not_there(lab_stripe: Stripe, payment_intent: str, cause: str) -> None:
    lab_stripe.seed(payment_intents=[intent("pi_live", livemode=True)])
    found = ask(lab_stripe, payment_intent=payment_intent)
    assert (found["reachable"], found["cause"], found["server_side"]) == (False, cause, False)
    assert found["message"].startswith("HTTP 404, No such payment_intent")
    assert found["payment_intents"] == []
    assert not found.get("failed")


@pytest.mark.parametrize(
    ("fault", "cause", "server_side"), [("outage", "server_error", True), ("hang", "timeout", True)]
)
def test_a_stripe_that_is_down_is_a_result(lab_stripe: Stripe, fault: str, cause: str, server_side: bool) -> None:
    began = time.monotonic()
    with lab_stripe.broken(fault):
        found = ask(lab_stripe)
    assert time.monotonic() - began < 4  # its limit of 2 s, repetitions and all
    assert (found["reachable"], found["cause"], found["server_side"]) == (False, cause, server_side)
    assert found["recent"] is None
    assert found["hint"]
    assert not found.get("failed")


def test_an_expired_key(lab_stripe: Stripe) -> None:
    with lab_stripe.expired("secret_key"):
        found = ask(lab_stripe, key=lab_stripe.keys.secret_key)
    assert (found["reachable"], found["cause"], found["server_side"]) == (False, "key_expired", False)


def test_an_unknown_key(lab_stripe: Stripe) -> None:
    assert ask(lab_stripe, key=KEY)["cause"] == "invalid_auth"


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"stripe_livemode": True}, "wrong_mode"),
        ({"key": "sk_live_c4n4ryc4n4ry"}, "wrong_mode"),
        ({"key": ""}, "not_configured"),
        ({"key": "pk_test_c4n4ryc4n4ry"}, "invalid_auth"),
    ],
)
def test_with_a_key_of_the_other_mode_nothing_is_sent(lab_stripe: Stripe, given: dict[str, Any], cause: str) -> None:
    lab_stripe.forget_requests()
    found = ask(lab_stripe, **given)
    assert (found["reachable"], found["cause"], found["calls"], found["server_side"]) == (False, cause, [], None)
    assert lab_stripe.requests() == []


def test_a_throttled_account_is_not_asked_again(lab_stripe: Stripe) -> None:
    lab_stripe.part.tell("/lab/limits", requests_per_second=1)
    results = [ask(lab_stripe) for _ in range(4)]
    throttled = [each for each in results if each["cause"] == "rate_limited"]
    assert throttled
    assert all(len(each["calls"]) == 1 for each in throttled)
    assert throttled[0]["server_side"] is False


@pytest.mark.parametrize(
    ("answer", "cause", "calls"),
    [
        pytest.param(Reply(200, b"<html>"), "unexpected", 1, id="a login page"),
        pytest.param(Reply(200, [1]), "unexpected", 1, id="a list"),
        pytest.param(Reply(200, {"data": "x"}), "unexpected", 1, id="no list"),
        pytest.param(Reply(200, b"\xff\xfe"), "unexpected", 1, id="no text"),
        pytest.param(Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), "unexpected", 1, id="a redirect"),
        pytest.param(Reply(401, {"error": "invalid_grant"}), "unexpected", 1, id="another kind of error"),
        pytest.param(Reply(400, {"error": ["x"]}), "unexpected", 1, id="an error of no kind"),
        pytest.param(Reply(502, b"<html>"), "server_error", 2, id="a gateway"),
        pytest.param(Reply(500, {"error": {}}, {"Stripe-Should-Retry": "false"}), "server_error", 1, id="not again"),
        pytest.param(Reply(429, {"error": {}}), "rate_limited", 1, id="throttled"),
        pytest.param(Reply(429, {"error": {}}, {"Stripe-Should-Retry": "true"}), "rate_limited", 2, id="once more"),
        pytest.param(Reply(200, b'{"data": [', length=10**4), "unexpected", 1, id="cut off"),
        pytest.param(hang_up, "unreachable", 2, id="hung up"),
    ],
)
def test_answers_that_are_not_stripes(api: Api, answer: Any, cause: str, calls: int) -> None:
    api.answers["/v1/payment_intents"] = answer
    found = run_module(SPEC, options(api.url))
    assert_no_secret(found, KEY)
    assert (found["reachable"], found["cause"], len(found["calls"])) == (False, cause, calls)
    assert found["message"].isprintable()


def test_an_error_that_takes_long_is_not_waited_for_twice(api: Api) -> None:
    api.answers["/v1/payment_intents"] = Reply(500, {"error": {"type": "api_error"}}, delay_s=1.5)
    found = run_module(SPEC, options(api.url))  # its limit is 2 s, and a pause of 0.5 s comes before the second try
    assert (found["cause"], len(found["calls"])) == ("server_error", 1)


def test_a_list_without_end_ends(api: Api) -> None:
    api.answers["/v1/payment_intents"] = {"data": [{"id": "pi_1"}], "has_more": True}
    found = run_module(SPEC, options(api.url, max_items=300))
    assert found["recent"]["truncated"] is True
    assert len(found["calls"]) <= 4


def test_hostile_fields_are_bounded(api: Api) -> None:
    hostile = {"id": "pi_1" * 10**4, "status": "requires_payment_method", "amount": "NaN", "created": 1e400}
    hostile |= {"last_payment_error": {"type": "x" * 10**5, "message": "sk_live_4242424242 \x1b[31m" + "y" * 10**5}}
    api.answers["/v1/payment_intents"] = {"data": [{**hostile, "metadata": "x"}, 7, None], "has_more": False}
    found = run_module(SPEC, options(api.url))
    assert (found["recent"]["total"], found["recent"]["failed"]) == (1, 1)
    text = json.dumps(found)
    assert len(text) < 3000
    assert "sk_live" not in text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"payment_intent": "pi_1/../../events"}, "payment_intent is no identifier"),
        ({"since_s": 0}, "since_s must be from 1"),
        ({"max_items": 5000}, "max_items must be from 1 to 1000"),
    ],
)
def test_wrong_options_are_one_clear_error(lab_stripe: Stripe, given: dict[str, Any], said: str) -> None:
    lab_stripe.forget_requests()
    found = ask(lab_stripe, **given)
    assert found["failed"] is True
    assert found["msg"].startswith("Asking Stripe about payments: ")
    assert said in found["msg"]
    assert lab_stripe.requests() == []


def test_a_change_that_was_not_answered_may_have_happened(api: Api) -> None:
    path = "/v1/webhook_endpoints/we_1"

    def causes(answer: Any) -> tuple[str, bool]:
        api.answers[path] = answer
        with StripeApi(options(api.url)) as client, pytest.raises(StripeError) as error:
            client.enable_webhook_endpoint("we_1", "inc-1:we_1")
        return error.value.cause, error.value.failure.may_have_happened

    assert causes(Reply(200, {"id": "we_1"}, delay_s=30)) == ("timeout", True)
    assert causes(hang_up) == ("unreachable", True)
    assert causes(Reply(500, {"error": {"type": "api_error"}})) == ("server_error", True)
    assert causes(Reply(200, b"<html>")) == ("unexpected", True)
    assert causes(Reply(400, {"error": {"type": "invalid_request_error"}})) == ("invalid", False)
    assert causes(Reply(429, {"error": {}})) == ("rate_limited", False)
    posted = [asked for asked in api.asked if asked.method == "POST"]
    assert {asked.headers["Idempotency-Key"] for asked in posted} == {"inc-1:we_1"}
    assert {asked.body for asked in posted} == {b"disabled=false"}


def test_who_is_not_looked_at_when_asking_again_does_not_know_what_became_of_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "PAUSES_S", (0.0, 0.0))
    server_error, throttled = Reply(500, {"error": {"type": "api_error"}}), Reply(429, {"error": {}})

    def became(*answers: Any, patient: bool) -> tuple[str, bool]:
        coming = iter(answers)
        api.answers["/v1/webhook_endpoints/we_1"] = lambda _: next(coming)
        with StripeApi(options(api.url), patient=patient) as client, pytest.raises(StripeError) as error:
            client.enable_webhook_endpoint("we_1", "inc-1:we_1")
        return error.value.cause, error.value.failure.may_have_happened

    assert became(server_error, throttled, patient=False) == ("rate_limited", True)
    forbidden = Reply(403, {"error": {"type": "invalid_request_error"}})
    assert became(server_error, throttled, throttled, throttled, patient=True) == ("rate_limited", True)
    assert became(server_error, forbidden, patient=False) == ("forbidden", True)
    assert became(server_error, throttled, forbidden, patient=True) == ("forbidden", True)
    assert became(throttled, throttled, forbidden, patient=True) == ("forbidden", False)
    assert became(throttled, server_error, throttled, throttled, patient=True) == ("rate_limited", True)


def test_the_client_does_the_rest_that_webhooks_need(lab_stripe: Stripe) -> None:
    endpoint = lab_stripe.set_endpoint(url="https://127.0.0.1:1/hook", enabled_events=["*"], disabled=True)
    seeded = [{"type": "payment_intent.succeeded", "payment_intent": "pi_1", "delivery": "failed"} for _ in range(3)]
    lab_stripe.seed(payment_intents=[intent("pi_1")])
    now = int(time.time())
    ids = lab_stripe.seed(events=[{**each, "created": now - 9 + n} for n, each in enumerate(seeded)])["events"]
    with StripeApi(options(lab_stripe.url, lab_stripe.keys.restricted_key)) as client:
        assert [each["id"] for each in client.webhook_endpoints()[0]] == [endpoint["id"]]
        assert client.webhook_endpoint(endpoint["id"])["status"] == "disabled"
        assert client.enable_webhook_endpoint(endpoint["id"], "inc-1:we")["status"] == "enabled"
        found, more = client.events(delivery_success=False, types=["payment_intent.succeeded"], created_gte=now - 60)
        assert ([each["id"] for each in found], more) == (ids, False)
        newest, more = client.events(max_items=1)
        assert ([each["id"] for each in newest], more) == (ids[2:], True)
        assert client.event(ids[0])["type"] == "payment_intent.succeeded"
        assert client.retry_event(ids[0], endpoint["id"], idempotency_key="inc-1:evt")["id"] == ids[0]
        with pytest.raises(StripeError, match="Stripe takes 20"):
            client.events(types=["x"] * 21)
        with pytest.raises(StripeError, match="an identifier that begins with evt_ is needed"):
            client.event("../accounts")
        with pytest.raises(StripeError, match="1 to 255 visible"):
            client.enable_webhook_endpoint(endpoint["id"], "x" * 256)
    assert lab_stripe.endpoint()["status"] == "enabled"
    assert [each["path"] for each in lab_stripe.changes()] == [
        f"/v1/webhook_endpoints/{endpoint['id']}",
        f"/v1/events/{ids[0]}/retry",
    ]
