# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Stripe: PaymentIntents, lists, errors, keys, idempotency, limits, as its official client meets them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import stripe

from incident_runbooks.lab.services.secret_files import fingerprint
from support.stripe import Stripe

Json = dict[str, Any]


def client(of: Stripe, key: str = "secret_key", **options: Any) -> stripe.StripeClient:
    """Return the official client with one of the account's keys."""
    options.setdefault("max_network_retries", 0)
    return stripe.StripeClient(getattr(of.keys, key), base_addresses={"api": of.url}, **options)


def ask(of: Stripe, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
    """Ask without a client in between, with the platform's key."""
    said = {"Authorization": f"Bearer {of.keys.secret_key}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return requests.request(method, of.url + path, data=body, headers=said, timeout=10)


def error(of: Stripe, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Json]:
    """Return the status and the error of a request that is refused."""
    answer = ask(of, method, path, body, **headers)
    found: Json = answer.json()["error"]
    return answer.status_code, found


def _code(caught: stripe.StripeError) -> str | None:
    """Return the code of an error; the client has it as an attribute of some kinds of errors only."""
    return caught.error.code if caught.error else None


PAY: Json = {"amount": 1999, "currency": "eur", "payment_method": "pm_card_visa"}
INTENTS = "/v1/payment_intents"


def test_a_payment_from_beginning_to_end(lab_stripe: Stripe) -> None:
    intents = client(lab_stripe).v1.payment_intents
    made = intents.create({"amount": 1999, "currency": "EUR", "metadata": {"payment_id": "7", "7": "x"}})
    assert (made.status, made.currency, made.payment_method) == ("requires_payment_method", "eur", None)
    made = intents.update(made.id, {"payment_method": "pm_card_visa", "metadata": {"7": "", "a": "b"}})
    assert made.status == "requires_confirmation"
    paid = intents.confirm(made.id, {"expand": ["latest_charge"]})
    assert (paid.status, paid.amount_received) == ("succeeded", 1999)
    assert isinstance(paid.latest_charge, stripe.Charge)
    assert paid.latest_charge.outcome is not None
    assert (paid.latest_charge.paid, paid.latest_charge.outcome.type) == (True, "authorized")
    assert intents.retrieve(made.id).latest_charge == paid.latest_charge.id
    kept = lab_stripe.intent(made.id)
    assert (kept["status"], kept["metadata"]) == ("succeeded", {"payment_id": "7", "a": "b"})
    assert [each["type"] for each in lab_stripe.events()] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedFraudulentDecline", "card_declined", "fraudulent"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
def test_a_decline(lab_stripe: Stripe, card: str, code: str, decline_code: str) -> None:
    intents = client(lab_stripe).v1.payment_intents
    made = intents.create({"amount": 1999, "currency": "eur", "payment_method": card})
    with pytest.raises(stripe.CardError) as caught:
        intents.confirm(made.id)
    said = caught.value.error
    assert said is not None
    assert said.payment_intent is not None
    assert (caught.value.http_status, caught.value.code, said.decline_code) == (402, code, decline_code)
    assert said.payment_intent.id == made.id
    kept = intents.retrieve(made.id, {"expand": ["latest_charge"]})
    assert kept.last_payment_error is not None
    assert (kept.status, kept.payment_method) == ("requires_payment_method", None)
    assert (kept.last_payment_error.type, kept.last_payment_error.decline_code) == ("card_error", decline_code)
    assert isinstance(kept.latest_charge, stripe.Charge)
    assert (kept.latest_charge.status, kept.latest_charge.failure_code) == ("failed", code)
    assert [each["type"] for each in lab_stripe.events()][1:] == ["charge.failed", "payment_intent.payment_failed"]
    assert intents.confirm(made.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    assert lab_stripe.intent(made.id)["last_payment_error"] is None


def test_a_customer_who_must_act(lab_stripe: Stripe) -> None:
    intents = client(lab_stripe).v1.payment_intents
    card = "pm_card_authenticationRequired"
    made = intents.create({"amount": 1999, "currency": "eur", "payment_method": card, "confirm": True})
    assert made.next_action is not None
    assert (made.status, made.next_action.type) == ("requires_action", "use_stripe_sdk")
    with pytest.raises(stripe.CardError) as caught:
        intents.confirm(made.id, {"error_on_requires_action": True})
    assert caught.value.code == "authentication_required"
    assert lab_stripe.intent(made.id)["status"] == "requires_payment_method"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("succeeded", "because it has already succeeded after being previously confirmed."),
        ("canceled", "because it has a status of canceled."),
        ("processing", "because it has a status of processing."),
        ("requires_payment_method", "because it's missing a payment method."),
    ],
)
def test_what_cannot_be_confirmed(lab_stripe: Stripe, status: str, text: str) -> None:
    seeded = {"id": "pi_3Seeded", "amount": 1000, "currency": "eur", "status": status}
    lab_stripe.seed(payment_intents=[seeded])
    found, said = error(lab_stripe, "POST", f"{INTENTS}/pi_3Seeded/confirm")
    assert (found, said["type"]) == (400, "invalid_request_error")
    assert said["code"] == "payment_intent_unexpected_state"
    assert text in said["message"]
    assert said["payment_intent"]["status"] == lab_stripe.intent("pi_3Seeded")["status"] == status
    assert lab_stripe.events() == []


def test_pages(lab_stripe: Stripe) -> None:
    seeded = [
        {"id": f"pi_3Seeded{n}", "amount": 1000, "currency": "eur", "status": "succeeded", "created": 1000 + n // 2}
        for n in range(7)
    ]
    lab_stripe.seed(payment_intents=seeded)
    intents = client(lab_stripe).v1.payment_intents
    newest = [f"pi_3Seeded{n}" for n in reversed(range(7))]
    assert [each.id for each in intents.list({"limit": 2}).auto_paging_iter()] == newest
    first = intents.list({"limit": 3})
    assert ([each.id for each in first.data], first.has_more, first.url) == (newest[:3], True, INTENTS)
    after = intents.list({"limit": 2, "starting_after": newest[2]})
    assert ([each.id for each in after.data], after.has_more) == (newest[3:5], True)
    last = intents.list({"limit": 2, "starting_after": newest[4]})
    assert ([each.id for each in last.data], last.has_more) == (newest[5:], False)
    before = intents.list({"limit": 2, "ending_before": newest[4]})
    assert ([each.id for each in before.data], before.has_more) == (newest[2:4], True)
    assert [each.id for each in intents.list({"created": {"gte": 1002}}).data] == newest[:3]
    assert [each.id for each in intents.list({"created": {"gt": 1001, "lt": 1003}}).data] == newest[1:3]
    assert [each.id for each in intents.list({"created": 1000}).data] == newest[5:]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "param"),
    [
        ("GET", f"{INTENTS}?limit=0", None, 400, "parameter_invalid_integer", "limit"),
        ("GET", f"{INTENTS}?limit=101", None, 400, "parameter_invalid_integer", "limit"),
        ("GET", f"{INTENTS}?limit=ten", None, 400, "parameter_invalid_integer", "limit"),
        ("GET", f"{INTENTS}?status=succeeded", None, 400, "parameter_unknown", "status"),
        ("GET", f"{INTENTS}?created[since]=1", None, 400, "parameter_unknown", "created[since]"),
        ("GET", f"{INTENTS}?starting_after=pi_none", None, 400, "resource_missing", "starting_after"),
        ("GET", f"{INTENTS}?starting_after=a&ending_before=b", None, 400, None, "ending_before"),
        ("GET", f"{INTENTS}?expand[]=data.invoice", None, 400, None, "expand"),
        ("GET", f"{INTENTS}/pi_none", None, 404, "resource_missing", "intent"),
        ("GET", "/v1/events/evt_none", None, 404, "resource_missing", "id"),
        ("GET", "/v1/webhook_endpoints/we_none", None, 404, "resource_missing", "webhook_endpoint"),
        ("GET", "/v1/events?delivery_success=maybe", None, 400, None, "delivery_success"),
        ("GET", "/v1/events?type=a&types[]=b", None, 400, None, "types"),
        ("GET", "/v1/balloons", None, 404, None, None),
        ("POST", INTENTS, {"currency": "eur"}, 400, "parameter_missing", "amount"),
        ("POST", INTENTS, {"amount": ""}, 400, "parameter_invalid_empty", "amount"),
        ("POST", INTENTS, {"amount": "1", "currency": "eur"}, 400, "amount_too_small", "amount"),
        ("POST", INTENTS, {"amount": "1.5", "currency": "eur"}, 400, "parameter_invalid_integer", "amount"),
        ("POST", INTENTS, {**PAY, "payment_method": "pm_none"}, 400, "resource_missing", "payment_method"),
        ("POST", INTENTS, {**PAY, "colour": "red"}, 400, "parameter_unknown", "colour"),
        ("POST", INTENTS, {**PAY, "capture_method": "never"}, 400, None, "capture_method"),
    ],
)
def test_what_is_refused(
    lab_stripe: Stripe, method: str, path: str, body: Any, status: int, code: str | None, param: str | None
) -> None:
    found, said = error(lab_stripe, method, path, body)
    assert (found, said["type"]) == (status, "invalid_request_error")
    assert (said.get("code"), said.get("param")) == (code, param)
    assert said["message"]
    assert lab_stripe.intents() == []


def test_more_than_20_types(lab_stripe: Stripe) -> None:
    types = "&".join(f"types[]=t.{n}" for n in range(21))
    assert error(lab_stripe, "GET", f"/v1/events?{types}")[1]["param"] == "types"


def test_json_is_no_body(lab_stripe: Stripe) -> None:
    status, said = error(lab_stripe, "POST", INTENTS, "{}", Content_Type="application/json")
    assert (status, "application/x-www-form-urlencoded" in said["message"]) == (400, True)


def test_every_answer_can_be_found_again(lab_stripe: Stripe) -> None:
    answer = ask(lab_stripe, "GET", f"{INTENTS}/pi_none", Stripe_Version="2026-10-28.endive")
    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.headers["Stripe-Version"] == "2026-10-28.endive"
    assert answer.headers["Request-Id"] in answer.json()["error"]["request_log_url"]
    assert error(lab_stripe, "GET", INTENTS, Stripe_Version="newest")[0] == 400


def test_keys(lab_stripe: Stripe) -> None:
    missing = requests.get(f"{lab_stripe.url}{INTENTS}", timeout=5)
    assert (missing.status_code, "WWW-Authenticate" in missing.headers) == (401, True)
    wrong = "sk_test_51" + "x" * 20 + "abcd"
    status, said = error(lab_stripe, "GET", INTENTS, Authorization=f"Bearer {wrong}")
    assert (status, said["message"]) == (401, f"Invalid API Key provided: sk_test_{'*' * 22}abcd")
    assert "code" not in said
    assert client(lab_stripe, "next_secret_key").v1.payment_intents.list().data == []
    with lab_stripe.expired("secret_key"):
        with pytest.raises(stripe.AuthenticationError) as caught:
            client(lab_stripe).v1.payment_intents.list()
        assert (caught.value.http_status, _code(caught.value)) == (401, "api_key_expired")
        assert client(lab_stripe, "next_secret_key").v1.payment_intents.list().data == []
        assert lab_stripe.state()["keys"]["secret_key"]["state"] == "expired"
    assert client(lab_stripe).v1.payment_intents.list().data == []


def test_basic_authentication_is_a_key_too(lab_stripe: Stripe) -> None:
    answer = requests.get(f"{lab_stripe.url}{INTENTS}", auth=(lab_stripe.keys.secret_key, ""), timeout=5)
    assert answer.status_code == 200


def test_the_restricted_key(lab_stripe: Stripe) -> None:
    lab_stripe.set_endpoint(url="http://127.0.0.1:9/x", enabled_events=["payment_intent.succeeded"], disabled=True)
    made = client(lab_stripe).v1.payment_intents.create({"amount": 1999, "currency": "eur"})
    limited = client(lab_stripe, "restricted_key")
    assert limited.v1.payment_intents.retrieve(made.id).id == made.id
    assert [each.type for each in limited.v1.events.list().data] == ["payment_intent.created"]
    endpoint = limited.v1.webhook_endpoints.list().data[0]
    assert limited.v1.webhook_endpoints.update(endpoint.id, {"disabled": False}).status == "enabled"
    assert lab_stripe.endpoint()["status"] == "enabled"
    for refused, permission in (
        (lambda: limited.v1.payment_intents.confirm(made.id), "rak_payment_intent_write"),
        (lambda: limited.v1.payment_intents.create({"amount": 1999, "currency": "eur"}), "rak_payment_intent_write"),
        (limited.v1.balance.retrieve, "rak_balance_read"),
        (limited.v1.customers.list, "rak_customer_read"),
    ):
        with pytest.raises(stripe.PermissionError, match=permission) as caught:
            refused()
        assert caught.value.http_status == 403
    assert len(lab_stripe.intents()) == 1


def test_an_object_of_live_mode(lab_stripe: Stripe) -> None:
    seeded = {"id": "pi_3Live", "amount": 1000, "currency": "eur", "status": "succeeded", "livemode": True}
    lab_stripe.seed(payment_intents=[seeded])
    status, said = error(lab_stripe, "GET", f"{INTENTS}/pi_3Live")
    assert (status, said["code"]) == (404, "resource_missing")
    text = "a similar object exists in live mode, but a test mode key was used to make this request."
    assert said["message"] == f"No such payment_intent: 'pi_3Live'; {text}"
    assert client(lab_stripe).v1.payment_intents.list().data == []


def test_an_idempotency_key_does_a_thing_once(lab_stripe: Stripe) -> None:
    first = ask(lab_stripe, "POST", INTENTS, PAY, Idempotency_Key="k1")
    again = ask(lab_stripe, "POST", INTENTS, PAY, Idempotency_Key="k1")
    assert again.json() == first.json()
    assert len(lab_stripe.intents()) == 1
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert ask(lab_stripe, "POST", INTENTS, PAY, Idempotency_Key="k2").json()["id"] != first.json()["id"]


def test_an_idempotency_key_is_for_one_request(lab_stripe: Stripe) -> None:
    made = ask(lab_stripe, "POST", INTENTS, PAY, Idempotency_Key="k1").json()
    status, said = error(lab_stripe, "POST", INTENTS, {**PAY, "amount": 5}, Idempotency_Key="k1")
    assert (status, said["type"]) == (400, "idempotency_error")
    assert "can only be used with the same parameters they were first used with" in said["message"]
    status, said = error(lab_stripe, "POST", f"{INTENTS}/{made['id']}/confirm", Idempotency_Key="k1")
    assert (status, said["type"]) == (400, "idempotency_error")
    assert f"('{INTENTS}' instead of '{INTENTS}/{made['id']}/confirm')" in said["message"]
    assert error(lab_stripe, "POST", INTENTS, PAY, Idempotency_Key="k" * 256)[0] == 400
    assert len(lab_stripe.intents()) == 1


def test_a_kept_answer_can_be_a_decline_or_500(lab_stripe: Stripe) -> None:
    card = {**PAY, "payment_method": "pm_card_chargeDeclined", "confirm": "true"}
    assert error(lab_stripe, "POST", INTENTS, card, Idempotency_Key="k1") == error(
        lab_stripe, "POST", INTENTS, card, Idempotency_Key="k1"
    )
    with lab_stripe.broken("outage"):
        status, said = error(lab_stripe, "POST", INTENTS, PAY, Idempotency_Key="k2")
    assert (status, said["type"]) == (500, "api_error")
    healed = ask(lab_stripe, "POST", INTENTS, PAY, Idempotency_Key="k2")
    assert (healed.status_code, healed.headers["Idempotent-Replayed"]) == (500, "true")
    assert ask(lab_stripe, "POST", INTENTS, PAY, Idempotency_Key="k3").status_code == 200
    assert len(lab_stripe.intents()) == 2


def test_what_came_to_nothing_is_not_kept(lab_stripe: Stripe) -> None:
    made = ask(lab_stripe, "POST", INTENTS, PAY).json()
    confirm = f"{INTENTS}/{made['id']}/confirm"
    assert error(lab_stripe, "POST", confirm, {"x": "y"}, Idempotency_Key="k1")[0] == 400
    with lab_stripe.broken("lock-timeout"):
        assert error(lab_stripe, "POST", confirm, Idempotency_Key="k1")[1]["code"] == "lock_timeout"
    assert ask(lab_stripe, "POST", confirm, Idempotency_Key="k1").json()["status"] == "succeeded"


def test_a_request_that_is_still_under_way(lab_stripe: Stripe) -> None:
    with lab_stripe.broken("slow"), ThreadPoolExecutor(2) as pool:
        both = [pool.submit(ask, lab_stripe, "POST", INTENTS, PAY, Idempotency_Key="k1") for _ in range(2)]
        answers = {each.result().status_code: each.result() for each in both}
    assert set(answers) == {200, 409}
    said = answers[409].json()["error"]
    assert (said["type"], said["code"]) == ("idempotency_error", "idempotency_key_in_use")
    assert answers[409].headers["Stripe-Should-Retry"] == "true"
    assert len(lab_stripe.intents()) == 1


def test_who_does_not_wait_has_paid_all_the_same(lab_stripe: Stripe) -> None:
    with lab_stripe.broken("slow"), pytest.raises(requests.Timeout):
        requests.post(
            f"{lab_stripe.url}{INTENTS}",
            data={**PAY, "confirm": "true"},
            headers={"Authorization": f"Bearer {lab_stripe.keys.secret_key}", "Idempotency-Key": "k1"},
            timeout=0.2,
        )
    deadline = time.monotonic() + 20
    while not lab_stripe.intents() and time.monotonic() < deadline:
        time.sleep(0.05)
    answer = ask(lab_stripe, "POST", INTENTS, {**PAY, "confirm": "true"}, Idempotency_Key="k1")
    assert (answer.json()["status"], answer.headers["Idempotent-Replayed"]) == ("succeeded", "true")
    assert len(lab_stripe.intents()) == 1


def test_one_request_too_many(lab_stripe: Stripe) -> None:
    lab_stripe.part.tell("/lab/limits", requests_per_second=2)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(lab_stripe, "GET", INTENTS), range(16)))
    refused = [each for each in answers if each.status_code == 429]
    assert 2 <= len(answers) - len(refused) < len(answers)
    said = refused[0].json()["error"]
    assert (said["type"], said["code"]) == ("invalid_request_error", "rate_limit")
    assert refused[0].headers["Stripe-Should-Retry"] == "false"
    assert refused[0].headers["Stripe-Rate-Limited-Reason"] == "global-rate"
    with pytest.raises(stripe.RateLimitError):
        _until_refused(client(lab_stripe, max_network_retries=2))
    seen = [each["status"] for each in lab_stripe.requests("GET", INTENTS)]
    assert seen.count(429) == len(refused) + 1, "the client does not repeat it"


def _until_refused(asking: stripe.StripeClient) -> None:
    for _ in range(100):
        asking.v1.payment_intents.list()


def test_a_lock_is_tried_again_by_the_client(lab_stripe: Stripe) -> None:
    asking = client(lab_stripe, max_network_retries=1)
    made = asking.v1.payment_intents.create({"amount": 1999, "currency": "eur", "payment_method": "pm_card_visa"})
    with lab_stripe.broken("lock-timeout"):
        assert asking.v1.payment_intents.retrieve(made.id).status == "requires_confirmation"
        with pytest.raises(stripe.RateLimitError) as caught:
            asking.v1.payment_intents.confirm(made.id)
        assert (caught.value.http_status, _code(caught.value)) == (429, "lock_timeout")
        assert error(lab_stripe, "POST", INTENTS, {**PAY, "confirm": "true"})[1]["code"] == "lock_timeout"
    assert len(lab_stripe.requests("POST", f"{INTENTS}/{made.id}/confirm")) == 2
    assert asking.v1.payment_intents.confirm(made.id).status == "succeeded"


def test_no_key_is_in_the_log(lab_stripe: Stripe) -> None:
    made = client(lab_stripe).v1.payment_intents.create({"amount": 1999, "currency": "eur"})
    client(lab_stripe).v1.payment_intents.retrieve(made.id, {"client_secret": str(made.client_secret)})
    error(lab_stripe, "GET", INTENTS, Authorization="Bearer sk_test_someone_elses_key")
    written = lab_stripe.part.requests.read_text(encoding="utf-8")
    assert f"Bearer sha256:{fingerprint(lab_stripe.keys.secret_key)}" in written
    for secret in (*lab_stripe.keys.secrets(), "sk_test_someone_elses_key", str(made.client_secret)):
        assert secret not in written
    assert [(each["status"], each["answer"].get("object")) for each in lab_stripe.requests()] == [
        (200, "payment_intent"),
        (200, "payment_intent"),
        (401, None),
    ]
