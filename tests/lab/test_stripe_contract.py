# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Stripe against the official package: it takes only typed parameters, and its objects have every field."""

from __future__ import annotations

import builtins
import sys
import typing
from typing import Any

import pytest
import stripe
from stripe import params as typed

from incident_runbooks.lab.stripe.params import ACCEPTED, BOUNDS
from incident_runbooks.lab.stripe.world import API_VERSION
from support.stripe import Stripe

Json = dict[str, Any]

TYPED = {
    "payment_intents.create": typed.PaymentIntentCreateParams,
    "payment_intents.list": typed.PaymentIntentListParams,
    "payment_intents.retrieve": typed.PaymentIntentRetrieveParams,
    "payment_intents.update": typed.PaymentIntentUpdateParams,
    "payment_intents.confirm": typed.PaymentIntentConfirmParams,
    "events.list": typed.EventListParams,
    "events.retrieve": typed.EventRetrieveParams,
    "webhook_endpoints.list": typed.WebhookEndpointListParams,
    "webhook_endpoints.retrieve": typed.WebhookEndpointRetrieveParams,
    "webhook_endpoints.update": typed.WebhookEndpointUpdateParams,
}
# These are the package's own, about how it asks; no request carries them as a parameter.
OPTIONS = set(stripe.RequestOptions.__annotations__)
UNDOCUMENTED = {"events.retry"}


@pytest.fixture
def client(lab_stripe: Stripe) -> stripe.StripeClient:
    """The official client with the platform's key."""
    return stripe.StripeClient(lab_stripe.keys.secret_key, base_addresses={"api": lab_stripe.url})


def test_every_operation_but_one_is_typed() -> None:
    assert set(ACCEPTED) - set(TYPED) == UNDOCUMENTED


@pytest.mark.parametrize("operation", TYPED)
def test_every_parameter_is_typed(operation: str) -> None:
    known = set(TYPED[operation].__annotations__) - OPTIONS
    assert set(ACCEPTED[operation]) - known == set()


def test_the_bounds_of_a_time_are_typed() -> None:
    assert set(BOUNDS) == set(typed.EventListParamsCreated.__annotations__)


def test_the_version_is_the_package_s(client: stripe.StripeClient) -> None:
    assert stripe.api_version == API_VERSION
    answer = client.v1.events.list().last_response
    assert answer is not None
    assert answer.headers["Stripe-Version"] == API_VERSION


def test_objects_have_every_field(lab_stripe: Stripe, client: stripe.StripeClient) -> None:
    lab_stripe.set_endpoint(url="http://127.0.0.1:9/x", enabled_events=["charge.refunded"])
    declined: Json = {"payment_method": "pm_card_visa_chargeDeclined", "confirm": True}
    with pytest.raises(stripe.CardError):
        client.v1.payment_intents.create({"amount": 500, "currency": "eur", **declined})  # type: ignore[typeddict-item]
    for method in ("pm_card_visa", "pm_card_authenticationRequired"):
        client.v1.payment_intents.create({"amount": 500, "currency": "eur", "payment_method": method, "confirm": True})
    expand = ["data.latest_charge", "data.payment_method"]
    asked, paid, failed = client.v1.payment_intents.list({"expand": expand}).data
    assert (asked.status, paid.status, failed.status) == ("requires_action", "succeeded", "requires_payment_method")
    found = [asked, paid, failed, *client.v1.events.list().data, *client.v1.webhook_endpoints.list().data]
    found += [paid.latest_charge, failed.latest_charge, paid.payment_method]
    assert len({type(each) for each in found}) == 5
    for each in found:
        _check(each.to_dict(), type(each), type(each).__name__)


def test_an_error_has_only_typed_fields(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_intents.create(
            {"amount": 500, "currency": "eur", "payment_method": "pm_card_visa_chargeDeclined", "confirm": True}
        )
    assert caught.value.json_body is not None
    said = caught.value.json_body["error"]
    assert set(said) - set(stripe.ErrorObject.__annotations__) == set()
    assert {"type", "code", "decline_code", "message", "doc_url", "payment_intent", "charge"} <= set(said)


def _check(found: Json, kind: Any, where: str) -> None:
    """Compare an object with its class: fields that cannot be null are there, and no field is unknown."""
    hints = _hints(kind)
    assert set(found) - set(hints) == set(), where
    for name, hint in hints.items():
        value = found.get(name)
        choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Union else (hint,)
        assert type(None) in choices or value is not None, f"{where}.{name}"
        kinds = [each for each in choices if isinstance(each, type) and each is not type(None)]
        for each in kinds:
            if issubclass(each, stripe.StripeObject) and isinstance(value, dict) and _hints(each):
                _check(value, each, f"{where}.{name}")
        if len(choices) == 1 and kinds and kinds[0] in (str, int, bool):
            assert isinstance(value, kinds[0]), f"{where}.{name}"


class _Names(dict[str, Any]):
    """The names in the package's annotations: its classes, which it loads when they are asked for."""

    def __missing__(self, name: str) -> Any:
        return getattr(stripe, name, stripe.StripeObject)  # some only type checkers see


def _hints(kind: Any) -> Json:
    """Return the fields of a class and their types; none for one whose keys are the user's."""
    module = vars(sys.modules[kind.__module__])
    if kind.__name__.startswith("Untyped") or kind in (dict, stripe.StripeObject):
        return {}
    own = {name for name in kind.__annotations__ if not name.startswith("_") and name != "OBJECT_NAME"}
    hints = typing.get_type_hints(kind, localns=_Names({**vars(builtins), **module, **vars(kind)}))
    return {name: hint for name, hint in hints.items() if name in own}
