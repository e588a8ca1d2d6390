# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Stripe: events, their deliveries, their retries, and sending them again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from incident_runbooks.lab.stripe.deliveries import wait_s
from support.stripe import Stripe
from support.webhooks import Endpoint, authority

Json = dict[str, Any]

TYPES = ["payment_intent.succeeded", "payment_intent.payment_failed"]
_WAIT_S = 20.0


@pytest.fixture
def receiver(lab_stripe: Stripe, tmp_path: Path) -> Iterator[Endpoint]:
    """The platform's side, by HTTPS with an authority of its own, and known to Stripe."""
    ca, path = authority(tmp_path)
    made = Endpoint(ca.issue_cert("localhost", "127.0.0.1"))
    made.secret = lab_stripe.keys.webhook_secret
    lab_stripe.set_endpoint(url=made.url, enabled_events=TYPES, ca_cert=path)
    try:
        yield made
    finally:
        lab_stripe.forget()
        made.stop()


@pytest.fixture
def client(lab_stripe: Stripe) -> stripe.StripeClient:
    """The official client with the runbooks' key where that suffices."""
    return stripe.StripeClient(lab_stripe.keys.restricted_key, base_addresses={"api": lab_stripe.url})


def pay(of: Stripe, method: str = "pm_card_visa") -> str:
    """Pay; returns the id of the PaymentIntent's last event that endpoints want."""
    payer = stripe.StripeClient(of.keys.secret_key, base_addresses={"api": of.url})
    wanted: Any = {"amount": 1999, "currency": "eur", "payment_method": method, "confirm": True}
    with contextlib.suppress(stripe.CardError):
        payer.v1.payment_intents.create(wanted, {"idempotency_key": f"pay-{time.monotonic_ns()}"})
    return str(next(each["id"] for each in reversed(of.events()) if each["type"] in TYPES))


def until(check: Callable[[], Any]) -> Any:
    """Return what *check* finds as soon as it is something."""
    deadline = time.monotonic() + _WAIT_S
    while not (found := check()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)
    return found


def settled(of: Stripe, event: str, state: str) -> Json:
    """Wait until a delivery has a state and return it."""
    found: Json = until(lambda: each if (each := of.deliveries(event)).get("state") == state else None)
    return found


def test_an_event_is_delivered_signed(lab_stripe: Stripe, receiver: Endpoint, client: stripe.StripeClient) -> None:
    event = pay(lab_stripe)
    found = settled(lab_stripe, event, "succeeded")
    assert [(each["status"], each["manual"]) for each in found["attempts"]] == [(200, False)]
    (delivered,) = receiver.seen
    assert delivered.event["id"] == event
    assert delivered.event["data"]["object"]["status"] == "succeeded"
    assert delivered.event["pending_webhooks"] == 1
    assert delivered.event["request"]["id"].startswith("req_")
    assert delivered.event["request"]["idempotency_key"].startswith("pay-")
    built = client.construct_event(delivered.body, str(delivered.signature), lab_stripe.keys.webhook_secret)
    assert (built.id, built.type) == (event, "payment_intent.succeeded")
    assert client.v1.events.retrieve(event).pending_webhooks == 0


def test_only_what_it_wants_is_delivered(lab_stripe: Stripe, receiver: Endpoint) -> None:
    event = pay(lab_stripe, "pm_card_chargeDeclined")
    settled(lab_stripe, event, "succeeded")
    assert [each.event["type"] for each in receiver.seen] == ["payment_intent.payment_failed"]
    assert receiver.seen[0].event["data"]["object"]["last_payment_error"]["code"] == "card_declined"
    assert {each["type"]: each["pending_webhooks"] for each in lab_stripe.events()} == {
        "payment_intent.created": 0,
        "charge.failed": 0,
        "payment_intent.payment_failed": 0,
    }


def test_it_is_tried_again_until_it_succeeds(
    lab_stripe: Stripe, receiver: Endpoint, client: stripe.StripeClient
) -> None:
    receiver.answer = (500, {}, b"no")
    event = pay(lab_stripe)
    until(lambda: len(lab_stripe.deliveries(event)["attempts"]) == 2)
    assert client.v1.events.retrieve(event).pending_webhooks == 1
    assert [each.id for each in client.v1.events.list({"delivery_success": False}).data] == [event]
    assert event not in [each.id for each in client.v1.events.list({"delivery_success": True}).data]
    receiver.answer = None
    attempts = settled(lab_stripe, event, "succeeded")["attempts"]
    assert [each["status"] for each in attempts] == [500, 500, 200]
    stamps = [str(each.signature).partition(",")[0] for each in receiver.seen]
    assert len(set(stamps)) == 3, "each attempt is signed anew"
    assert client.v1.events.list({"delivery_success": False}).data == []


def test_the_waits_double() -> None:
    assert [wait_s(tries) for tries in range(1, 11)] == [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((301, {"Location": "/api/webhooks/stripe"}, b""), 301),
        ((400, {}, b"No signatures found"), 400),
        ((404, {}, b""), 404),
    ],
)
def test_only_2xx_is_a_success(lab_stripe: Stripe, receiver: Endpoint, answer: Any, status: int) -> None:
    receiver.answer = answer
    event = pay(lab_stripe)
    (attempt,) = until(lambda: lab_stripe.deliveries(event)["attempts"])
    assert (attempt["status"], lab_stripe.deliveries(event)["state"]) == (status, "pending")


def test_a_secret_that_was_rolled(lab_stripe: Stripe, receiver: Endpoint) -> None:
    lab_stripe.part.tell("/lab/webhook-secret", secret="whsec_another")
    event = pay(lab_stripe)
    (attempt,) = until(lambda: lab_stripe.deliveries(event)["attempts"])
    assert attempt["status"] == 400
    receiver.secret = "whsec_another"
    settled(lab_stripe, event, "succeeded")
    lab_stripe.part.tell("/lab/webhook-secret", secret=lab_stripe.keys.webhook_secret)
    receiver.secret = lab_stripe.keys.webhook_secret
    settled(lab_stripe, pay(lab_stripe), "succeeded")


def test_an_endpoint_that_is_not_there(lab_stripe: Stripe, receiver: Endpoint) -> None:
    receiver.stop()
    event = pay(lab_stripe)
    (attempt,) = until(lambda: lab_stripe.deliveries(event)["attempts"])
    assert (attempt["status"], attempt["error"].partition(":")[0]) == (None, "unable_to_connect")


def test_an_authority_that_it_does_not_know(lab_stripe: Stripe, receiver: Endpoint) -> None:
    lab_stripe.set_endpoint(ca_cert=None)
    event = pay(lab_stripe)
    (attempt,) = until(lambda: lab_stripe.deliveries(event)["attempts"])
    assert (attempt["status"], attempt["error"]) == (None, "tls_error")
    assert receiver.seen == []


def test_an_authority_that_cannot_be_read(lab_stripe: Stripe, receiver: Endpoint, tmp_path: Path) -> None:
    lab_stripe.set_endpoint(ca_cert=str(tmp_path / "none.pem"))
    event = pay(lab_stripe)
    (attempt,) = until(lambda: lab_stripe.deliveries(event)["attempts"])
    assert attempt["status"] is None
    assert receiver.seen == []


def test_a_receiver_that_hangs_keeps_nobody_from_paying(lab_stripe: Stripe, receiver: Endpoint) -> None:
    receiver.delay_s = 60
    events = [pay(lab_stripe) for _ in range(4)]
    until(lambda: len(receiver.seen) == 4)
    assert {lab_stripe.deliveries(event)["state"] for event in events} == {"pending"}
    assert len([each for each in lab_stripe.intents() if each["status"] == "succeeded"]) == 4


def test_a_disabled_endpoint_gets_nothing(lab_stripe: Stripe, receiver: Endpoint, client: stripe.StripeClient) -> None:
    receiver.answer = (500, {}, b"no")
    before = pay(lab_stripe)
    until(lambda: lab_stripe.deliveries(before)["attempts"])
    endpoint = lab_stripe.endpoint()["id"]
    assert client.v1.webhook_endpoints.update(endpoint, {"disabled": True}).status == "disabled"
    receiver.answer = None
    during = pay(lab_stripe)
    settled(lab_stripe, before, "failed")
    assert lab_stripe.deliveries(during) == {}
    assert client.v1.events.retrieve(during).pending_webhooks == 0, "Stripe never meant to deliver it"
    assert [each.id for each in client.v1.events.list({"delivery_success": False}).data] == [before]

    again = resend(lab_stripe, before, webhook_endpoint=endpoint)
    assert (again.status_code, again.json()["error"]["param"]) == (400, "webhook_endpoint")
    client.v1.webhook_endpoints.update(endpoint, {"disabled": False})
    after = pay(lab_stripe)
    settled(lab_stripe, after, "succeeded")
    assert {each.event["id"] for each in receiver.seen if each.status == 200} == {after}, "neither is tried again"
    for event in (before, during):
        assert resend(lab_stripe, event, webhook_endpoint=endpoint).status_code == 200
        assert settled(lab_stripe, event, "succeeded")["attempts"][-1]["manual"] is True


def test_an_event_is_sent_again(lab_stripe: Stripe, receiver: Endpoint, client: stripe.StripeClient) -> None:
    receiver.answer = (500, {}, b"no")
    event = pay(lab_stripe)
    until(lambda: lab_stripe.deliveries(event)["attempts"])
    assert lab_stripe.part.tell("/lab/give-up") == {"given_up": 1}
    receiver.answer = None
    assert settled(lab_stripe, event, "failed")["next_at"] is None
    assert [each.id for each in client.v1.events.list({"delivery_success": False}).data] == [event]
    answer = resend(lab_stripe, event, webhook_endpoint=lab_stripe.endpoint()["id"])
    assert (answer.json()["object"], answer.json()["id"]) == ("event", event)
    settled(lab_stripe, event, "succeeded")
    assert receiver.genuine()[-1]["id"] == event
    resend(lab_stripe, event, webhook_endpoint=lab_stripe.endpoint()["id"])
    until(lambda: len(receiver.genuine()) == 2)


def test_what_cannot_be_sent_again(lab_stripe: Stripe, receiver: Endpoint) -> None:
    event = pay(lab_stripe)
    settled(lab_stripe, event, "succeeded")
    endpoint = lab_stripe.endpoint()["id"]
    for id_, said, status, param in (
        (event, {}, 400, "for_stripecli"),
        (event, {"webhook_endpoint": "we_none"}, 400, "webhook_endpoint"),
        (event, {"webhook_endpoint": endpoint, "account": "acct_none"}, 400, "account"),
        (event, {"webhook_endpoint": endpoint, "force": "true"}, 400, "force"),
        ("evt_none", {"webhook_endpoint": endpoint}, 404, "id"),
    ):
        answer = resend(lab_stripe, id_, **said)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    with lab_stripe.broken("retry-unsupported"):
        answer = resend(lab_stripe, event, webhook_endpoint=endpoint)
    assert (answer.status_code, "Unrecognized request URL" in answer.json()["error"]["message"]) == (404, True)
    assert len(receiver.seen) == 1


def test_events_are_kept_for_30_days(lab_stripe: Stripe, receiver: Endpoint, client: stripe.StripeClient) -> None:
    day, at = 86_400, int(time.time())
    lab_stripe.seed(
        payment_intents=[{"id": "pi_3Old", "amount": 1000, "currency": "eur", "status": "succeeded"}],
        events=[
            {"id": f"evt_3Old{days}", "type": TYPES[0], "payment_intent": "pi_3Old", "created": at - days * day}
            for days in (31, 29, 2)
        ],
    )
    assert [each.id for each in client.v1.events.list().data] == ["evt_3Old2", "evt_3Old29"]
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        client.v1.events.retrieve("evt_3Old31")
    assert resend(lab_stripe, "evt_3Old31", webhook_endpoint=lab_stripe.endpoint()["id"]).status_code == 404
    assert receiver.seen == []


def test_which_events_are_listed(lab_stripe: Stripe, receiver: Endpoint, client: stripe.StripeClient) -> None:
    lab_stripe.seed(
        payment_intents=[{"id": "pi_3a", "amount": 1000, "currency": "eur", "status": "succeeded"}],
        events=[
            {"id": f"evt_3{n}", "type": type_, "payment_intent": "pi_3a", "delivery": delivery}
            for n, (type_, delivery) in enumerate(
                [(TYPES[0], "failed"), (TYPES[0], "succeeded"), (TYPES[1], "failed"), ("charge.failed", "failed")]
            )
        ],
    )

    def ids(**said: Any) -> list[str]:
        return [each.id for each in client.v1.events.list(said).data]  # type: ignore[arg-type]

    assert ids() == ["evt_33", "evt_32", "evt_31", "evt_30"]
    assert ids(type=TYPES[0]) == ["evt_31", "evt_30"]
    assert ids(type="payment_intent.*") == ["evt_32", "evt_31", "evt_30"]
    assert ids(types=[TYPES[1], "charge.failed"]) == ["evt_33", "evt_32"]
    assert ids(delivery_success=False) == ["evt_32", "evt_30"]
    assert ids(delivery_success=False, types=[TYPES[0]]) == ["evt_30"]
    assert ids(delivery_success=False, ending_before="evt_31") == ["evt_32"], "a cursor need not match"
    assert receiver.seen == []


def test_what_is_seeded_as_pending_is_delivered(lab_stripe: Stripe, receiver: Endpoint) -> None:
    lab_stripe.seed(
        payment_intents=[{"id": "pi_3a", "amount": 1000, "currency": "eur", "status": "succeeded"}],
        events=[{"id": "evt_3a", "type": TYPES[0], "payment_intent": "pi_3a", "delivery": "pending"}],
    )
    settled(lab_stripe, "evt_3a", "succeeded")
    assert [each["id"] for each in receiver.genuine()] == ["evt_3a"]


def test_endpoints_can_be_changed(lab_stripe: Stripe, receiver: Endpoint) -> None:
    changer = stripe.StripeClient(lab_stripe.keys.secret_key, base_addresses={"api": lab_stripe.url})
    endpoint = changer.v1.webhook_endpoints.list().data[0]
    assert (endpoint.url, endpoint.enabled_events, endpoint.status) == (receiver.url, TYPES, "enabled")
    assert endpoint.to_dict().get("secret") is None, "only whatever makes one is told"
    changer.v1.webhook_endpoints.update(endpoint.id, {"metadata": {"a": "b"}, "description": "ours"})
    changer.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["*"]})
    kept = lab_stripe.endpoint()
    assert (kept["enabled_events"], kept["description"], kept["metadata"]) == (["*"], "ours", {"a": "b"})
    pay(lab_stripe)
    until(lambda: len(receiver.seen) == 3)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        changer.v1.webhook_endpoints.update(endpoint.id, {"url": "localhost/x"})
    assert caught.value.code == "url_invalid"
    lab_stripe.set_endpoint(id="we_1another", url=receiver.url, enabled_events=TYPES)
    assert len(changer.v1.webhook_endpoints.list().data) == 2


def resend(of: Stripe, event: str, **said: str) -> requests.Response:
    """Ask for an event to be sent again, as stripe-cli does, with the runbooks' key."""
    headers = {"Authorization": f"Bearer {of.keys.restricted_key}"}
    return requests.post(f"{of.url}/v1/events/{event}/retry", data=said, headers=headers, timeout=10)
