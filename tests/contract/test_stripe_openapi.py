# SPDX-License-Identifier: GPL-3.0-or-later
"""Stripe's published OpenAPI description: our modules' requests keep to it, and so do the lab's answers and refusals.

What is sent is read from the lab's log of requests. The excerpt is older than the version of the API that the lab
speaks; what Stripe added since is named here, and the official package, which is of that version, has to know it.
"""

from __future__ import annotations

import importlib.util
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe
from lab.test_stripe_contract import OPTIONS, TYPED
from modules.k8s_support import api, cluster, lab_cluster, run_module
from modules.test_stripe_payment_retry import Shop, shop
from modules.webhook_support import INCIDENT, Platform, platform

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec
from ansible_collections.brandconnect.incidents.plugins.modules import (
    stripe_event_resend,
    stripe_events,
    stripe_payment_intents,
    stripe_webhook_endpoint,
    stripe_webhook_endpoints,
)
from incident_runbooks.lab.stripe.api import _ROUTES
from incident_runbooks.lab.stripe.params import ACCEPTED, BOUNDS, NOT_DONE
from support.stripe import Stripe
from support.stripe_openapi import EXCERPT, StripeDescription

__all__ = ["api", "cluster", "lab_cluster", "platform", "shop"]

ROOT = Path(__file__).parents[2]
INTENTS, EVENTS, ENDPOINTS = "/v1/payment_intents", "/v1/events", "/v1/webhook_endpoints"
# What Stripe's own command-line tool asks for; see docs/adr/0012
RESENDING = ("POST", "/v1/events/{id}/retry")
INTENT, EVENT, ENDPOINT = "pi_3Described", "evt_3Described", "we_1Described"
OPERATIONS = {
    "payment_intents.create": ("POST", INTENTS),
    "payment_intents.list": ("GET", INTENTS),
    "payment_intents.retrieve": ("GET", f"{INTENTS}/{INTENT}"),
    "payment_intents.update": ("POST", f"{INTENTS}/{INTENT}"),
    "payment_intents.confirm": ("POST", f"{INTENTS}/{INTENT}/confirm"),
    "events.list": ("GET", EVENTS),
    "events.retrieve": ("GET", f"{EVENTS}/{EVENT}"),
    "webhook_endpoints.list": ("GET", ENDPOINTS),
    "webhook_endpoints.retrieve": ("GET", f"{ENDPOINTS}/{ENDPOINT}"),
    "webhook_endpoints.update": ("POST", f"{ENDPOINTS}/{ENDPOINT}"),
}
# Fields that the lab answers with and this older description lacks: the package's class of that name has them
NEWER_FIELDS: dict[str, tuple[Any, set[str]]] = {
    "api_errors": (stripe.ErrorObject, {"advice_code"}),
    "billing_details": (stripe.Charge.BillingDetails, {"tax_id"}),
    "charge": (stripe.Charge, {"source"}),
    "charge_outcome": (stripe.Charge.Outcome, {"advice_code", "network_advice_code", "network_decline_code"}),
    "payment_flows_automatic_payment_methods_payment_intent": (
        stripe.PaymentIntent.AutomaticPaymentMethods,
        {"allow_redirects"},
    ),
    "payment_intent": (
        stripe.PaymentIntent,
        {"customer_account", "excluded_payment_method_types", "payment_method_configuration_details", "source"},
    ),
    "payment_method": (stripe.PaymentMethod, {"allow_redisplay", "customer_account"}),
    "payment_method_card": (stripe.PaymentMethod.Card, {"display_brand", "regulated_status"}),
}
# Parameters that the package's version of the API has, and this older description lacks
_SINCE = {
    *("allowed_payment_method_types", "amount_details", "excluded_payment_method_types", "hooks", "payment_details"),
}
NEWER_PARAMETERS: dict[str, set[str]] = {
    "payment_intents.create": {
        *_SINCE,
        *("confirmation_token", "customer_account", "payment_method_configuration"),
    },
    "payment_intents.list": {"customer_account"},
    "payment_intents.update": {*_SINCE, "customer_account", "payment_method_configuration"},
    "payment_intents.confirm": {*_SINCE, "amount_to_confirm", "confirmation_token"},
}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def described() -> StripeDescription:
    return StripeDescription()


def options(lab_stripe: Stripe, **given: Any) -> Json:
    key = {"stripe_api_key": lab_stripe.keys.restricted_key, "stripe_livemode": False}
    return {"stripe_url": lab_stripe.url, **key, **given}


def ran(spec: ModuleSpec, lab_stripe: Stripe, **given: Any) -> None:
    """Run a module that has to work."""
    result = run_module(spec, options(lab_stripe, **given))
    assert result.get("failed") is not True
    assert result.get("cause") is None


def sent(described: StripeDescription, lab_stripe: Stripe) -> set[tuple[str, str]]:
    """Check every request that the lab's Stripe has got, and return which operations were asked for."""
    seen = set()
    for each in lab_stripe.requests(path="/v1/"):
        method, path = each["method"], each["path"]
        query = [(name, value) for name, values in each["query"].items() for value in values]
        form = list((each["body"] or {}).items())
        operation = (method, re.sub(r"/(?:pi|evt|we)_\w+", "/{id}", path))
        if operation == RESENDING:
            assert not described.describes(method, path)
            assert ([*query], [name for name, _ in form]) == ([], ["webhook_endpoint"])
        else:
            assert described.sent_problems(method, path, query, form) == [], (method, path, query, form)
        seen.add(operation)
    return seen


def ask(lab_stripe: Stripe, method: str, path: str, given: Any = None, **headers: str) -> requests.Response:
    """Ask without a client in between; what is given goes where the method has it."""
    login = {"Authorization": f"Bearer {lab_stripe.keys.secret_key}"}
    said = {**login, **{name.replace("_", "-"): value for name, value in headers.items()}}
    where = {"params" if method == "GET" else "data": given}
    return requests.request(method, lab_stripe.url + path, headers=said, timeout=10, **where)


def seed(lab_stripe: Stripe) -> None:
    """Let there be one of everything, with the ids in :data:`OPERATIONS`."""
    lab_stripe.set_endpoint(id=ENDPOINT, url="http://127.0.0.1:9/x", enabled_events=["charge.refunded"])
    made = {"id": INTENT, "amount": 1999, "currency": "eur", "status": "requires_payment_method"}
    event = {"id": EVENT, "type": "payment_intent.created", "payment_intent": INTENT, "delivery": "none"}
    lab_stripe.seed(payment_intents=[made], events=[event])


# The description itself


def test_the_check_finds_what_is_wrong(described: StripeDescription) -> None:
    good = [("amount", "1999"), ("currency", "eur"), ("metadata[payment_id]", "7"), ("expand[]", "latest_charge")]
    assert described.sent_problems("POST", INTENTS, [], good) == []
    for wrong in (("amout", "1"), ("amount", "19.99"), ("confirm", "yes"), ("automatic_payment_methods[x]", "true")):
        assert described.sent_problems("POST", INTENTS, [], [*good, wrong]), wrong
    assert described.sent_problems("POST", INTENTS, [], good[1:]) == ["form: 'amount' is a required property"]
    assert described.sent_problems("POST", INTENTS, [("limit", "1")], good)
    assert described.sent_problems("POST", f"{EVENTS}/{EVENT}/retry", [], []) != []
    times = [("created[gte]", "1"), ("types[]", "a"), ("types[]", "b"), ("delivery_success", "false")]
    assert described.sent_problems("GET", EVENTS, times, []) == []
    for wrong in (("created[since]", "1"), ("created[gt]", "now"), ("types", "a"), ("delivery_success", "0")):
        assert described.sent_problems("GET", EVENTS, [*times[3:], wrong, wrong], []), wrong
    found = {"object": "list", "data": [], "has_more": False, "url": EVENTS}
    assert described.answer_problems("GET", EVENTS, 200, found) == []
    assert described.answer_problems("GET", EVENTS, 200, {**found, "url": INTENTS})
    assert described.answer_problems("GET", EVENTS, 200, {**found, "data": ["evt_1"]})
    assert described.answer_problems("GET", EVENTS, 404, {"error": {"message": "No."}})
    assert described.unknown_fields("GET", EVENTS, 200, {**found, "more": 1}) == {"answer.more"}


def test_the_excerpt_is_what_the_tool_makes() -> None:
    """It is its own excerpt; from the whole description the tool makes the same, see the README beside it."""
    spec = importlib.util.spec_from_file_location("stripe_excerpt", ROOT / "tools" / "stripe_excerpt.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    kept = EXCERPT.read_text(encoding="utf-8")
    assert tool.EXCERPT == EXCERPT
    assert tool.text(tool.excerpt(json.loads(kept))) + "\n" == kept


def test_sending_an_event_again_is_all_that_is_not_described(described: StripeDescription) -> None:
    routes = {(method, re.sub(r"\(.*?\)", "{id}", pattern.pattern)) for method, pattern, _ in _ROUTES}
    known = {(method, re.sub(r"\{\w+\}", "{id}", path)) for method, path in described.operations()}
    assert routes - known == {RESENDING}
    assert known - routes == set()
    assert set(ACCEPTED) - set(OPERATIONS) == {"events.retry"}


# What the modules send


def test_requests_of_payment_intents(described: StripeDescription, lab_stripe: Stripe) -> None:
    seed(lab_stripe)
    ran(stripe_payment_intents.SPEC, lab_stripe)
    ran(stripe_payment_intents.SPEC, lab_stripe, payment_intent=INTENT)
    assert sent(described, lab_stripe) == {("GET", INTENTS), ("GET", f"{INTENTS}/{{id}}")}


def test_the_pages_of_a_list(described: StripeDescription, lab_stripe: Stripe) -> None:
    made = {"amount": 1999, "currency": "eur", "status": "succeeded"}
    lab_stripe.seed(payment_intents=[{**made, "id": f"pi_{number}"} for number in range(101)])
    ran(stripe_payment_intents.SPEC, lab_stripe, max_items=101)
    assert sent(described, lab_stripe) == {("GET", INTENTS)}
    assert [each for each in lab_stripe.requests() if "starting_after" in each["query"]]


def test_requests_of_webhook_endpoints(described: StripeDescription, lab_stripe: Stripe) -> None:
    seed(lab_stripe)
    ran(stripe_webhook_endpoints.SPEC, lab_stripe, url="http://127.0.0.1:9/x")
    assert sent(described, lab_stripe) == {("GET", ENDPOINTS)}


def test_requests_of_enabling_a_webhook_endpoint(described: StripeDescription, lab_stripe: Stripe) -> None:
    seed(lab_stripe)
    lab_stripe.set_endpoint(disabled=True)
    ran(stripe_webhook_endpoint.SPEC, lab_stripe, endpoint_id=ENDPOINT, incident=INCIDENT)
    assert lab_stripe.endpoint()["status"] == "enabled"
    assert sent(described, lab_stripe) == {("GET", f"{ENDPOINTS}/{{id}}"), ("POST", f"{ENDPOINTS}/{{id}}")}


@pytest.mark.parametrize("scope", ["undelivered", "all"])
def test_requests_of_events(described: StripeDescription, platform: Platform, scope: str) -> None:
    platform.missed(1)
    assert len(platform.run(stripe_events.SPEC, scope=scope)["missing"]) == 1
    assert ("GET", EVENTS) in sent(described, platform.stripe)


@pytest.mark.parametrize("method", ["stripe_retry", "local_replay", "reconcile_only"])
def test_requests_of_sending_events_again(described: StripeDescription, platform: Platform, method: str) -> None:
    platform.missed(1)
    given: Json = {"endpoint_id": platform.endpoint_id, "method": method, "incident": INCIDENT}
    done = platform.run(stripe_event_resend.SPEC, **given, handler_idempotent=True, rps=10, verify_timeout_s=5)
    assert done["status"] == "done"
    seen = sent(described, platform.stripe)
    assert {("GET", EVENTS), ("GET", f"{ENDPOINTS}/{{id}}")} <= seen
    assert (RESENDING in seen) == (method == "stripe_retry")
    delivered = platform.endpoint.genuine()
    assert len(delivered) == (method != "reconcile_only")
    for event in delivered:
        assert described.answer_problems("GET", f"{EVENTS}/{event['id']}", 200, event) == []


def test_requests_of_retrying_payments(described: StripeDescription, shop: Shop) -> None:
    rows = shop.left_failed(1, 2)
    assert shop.retry(rows)["status"] == "done"
    assert ("POST", f"{INTENTS}/{{id}}/confirm") in sent(described, shop.stripe), "the job's"


# What the lab's Stripe answers


def answers(lab_stripe: Stripe) -> list[tuple[str, str, requests.Response]]:
    """Return what every route answers, and every kind of error."""
    pay = {"amount": "1999", "currency": "eur", "payment_method": "pm_card_visa", "metadata[payment_id]": "7"}
    declined = {**pay, "payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}
    asks = {**pay, "payment_method": "pm_card_authenticationRequired", "confirm": "true"}
    whole = {"expand[]": ["latest_charge", "payment_method"]}
    bad: Json = {"Authorization": "Bearer sk_test_nobody"}
    wanted: list[tuple[str, str, Any, Json]] = [
        *((*OPERATIONS[name], None, {}) for name in OPERATIONS if not name.endswith((".create", ".confirm"))),
        ("POST", INTENTS, {**pay, "confirm": "true", **whole}, {}),
        ("POST", INTENTS, {**pay, "capture_method": "manual", "confirm": "true"}, {}),
        ("POST", INTENTS, asks, {}),
        ("POST", INTENTS, {**asks, "return_url": "https://example.com/back"}, {}),
        ("POST", INTENTS, declined, {"Idempotency_Key": "k1"}),
        ("POST", INTENTS, {**declined, "confirm": "true"}, {}),
        ("POST", INTENTS, {**asks, "off_session": "one_off"}, {}),
        ("POST", f"{INTENTS}/{INTENT}", {"payment_method": "pm_card_visa", "description": "x"}, {}),
        ("POST", f"{INTENTS}/{INTENT}/confirm", whole, {}),
        ("POST", f"{INTENTS}/{INTENT}/confirm", None, {}),
        ("GET", f"{INTENTS}/{INTENT}", whole, {}),
        ("GET", INTENTS, {"expand[]": ["data.latest_charge", "data.payment_method"]}, {}),
        ("GET", EVENTS, {"limit": "100"}, {}),
        ("POST", f"{ENDPOINTS}/{ENDPOINT}", {"disabled": "true", "description": "x", "metadata[a]": "b"}, {}),
        ("POST", INTENTS, {**pay, "colour": "red"}, {}),
        ("POST", INTENTS, {**pay, "customer": "cus_1"}, {}),
        ("POST", INTENTS, {**pay, "amount": "1"}, {}),
        ("POST", INTENTS, {"amount": "1999"}, {}),
        ("POST", INTENTS, pay, {"Idempotency_Key": "k1"}),
        ("GET", f"{INTENTS}/pi_nobody", None, {}),
        ("GET", f"{EVENTS}/evt_nobody", None, {}),
        ("GET", f"{ENDPOINTS}/we_nobody", None, {}),
        *((*OPERATIONS[name], None, bad) for name in OPERATIONS),
    ]
    return [(method, path, ask(lab_stripe, method, path, given, **head)) for method, path, given, head in wanted]


def hindered(lab_stripe: Stripe) -> list[tuple[str, str, requests.Response]]:
    """Return what is answered by a Stripe that is broken, has something locked, or gets too much."""
    confirm = ("POST", f"{INTENTS}/{INTENT}/confirm")
    with lab_stripe.expired("secret_key"):
        found = [("GET", INTENTS, ask(lab_stripe, "GET", INTENTS))]
    login = {"Authorization": f"Bearer {lab_stripe.keys.restricted_key}"}
    found.append((*confirm, ask(lab_stripe, *confirm, **login)))
    for fault in ("outage", "lock-timeout"):
        with lab_stripe.broken(fault):
            found.append((*confirm, ask(lab_stripe, *confirm)))
    lab_stripe.part.tell("/lab/limits", requests_per_second=1)
    found += [("GET", EVENTS, ask(lab_stripe, "GET", EVENTS)) for _ in range(5)]
    return found


def at_once(lab_stripe: Stripe) -> list[tuple[str, str, requests.Response]]:
    """Return the answers to one idempotency key that two requests use at the same time."""
    pay = {"amount": "1999", "currency": "eur"}
    with lab_stripe.broken("slow"), ThreadPoolExecutor(2) as pool:
        both = [pool.submit(ask, lab_stripe, "POST", INTENTS, pay, Idempotency_Key="k9") for _ in range(2)]
        return [("POST", INTENTS, each.result()) for each in both]


def test_every_answer_is_as_described(described: StripeDescription, lab_stripe: Stripe) -> None:
    seed(lab_stripe)
    found = [*answers(lab_stripe), *at_once(lab_stripe), *hindered(lab_stripe)]
    assert {each.status_code for _, _, each in found} == {200, 400, 401, 402, 403, 404, 409, 429, 500}
    unknown = set()
    for method, path, answer in found:
        body = answer.json()
        assert described.answer_problems(method, path, answer.status_code, body) == [], (method, path, body)
        unknown |= described.unknown_fields(method, path, answer.status_code, body)
    assert unknown == {f"{name}.{field}" for name, (_, fields) in NEWER_FIELDS.items() for field in fields}


@pytest.mark.parametrize("name", NEWER_FIELDS)
def test_a_field_that_is_not_described_is_the_packages(name: str) -> None:
    kind, fields = NEWER_FIELDS[name]
    assert fields - set(kind.__annotations__) == set()


def test_sending_an_event_again_answers_with_the_event(described: StripeDescription, lab_stripe: Stripe) -> None:
    """It is not described; the official command-line tool reads an event from it, and an error as everywhere."""
    seed(lab_stripe)
    path = f"{EVENTS}/{EVENT}"
    done = ask(lab_stripe, "POST", f"{path}/retry", {"webhook_endpoint": ENDPOINT})
    refused = ask(lab_stripe, "POST", f"{path}/retry", {"webhook_endpoint": "we_nobody"})
    assert (done.status_code, refused.status_code) == (200, 400)
    for answer in (done, refused):
        assert described.answer_problems("GET", path, answer.status_code, answer.json()) == []


# Which parameters the lab's Stripe knows


def names(described: StripeDescription, operation: str) -> set[str]:
    """Return the parameters that Stripe knows, as described or since."""
    return set(described.parameters(*OPERATIONS[operation])) | NEWER_PARAMETERS.get(operation, set())


def unknown(answer: requests.Response) -> str | None:
    """Return the parameter that is refused as unknown."""
    said = answer.json().get("error", {})
    if said.get("code") != "parameter_unknown":
        assert "unknown parameter" not in said.get("message", "")
        return None
    assert answer.status_code == 400
    return str(said["param"])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_lab_knows_what_stripe_knows(described: StripeDescription, operation: str) -> None:
    typed = set(TYPED[operation].__annotations__) - OPTIONS
    assert typed - set(described.parameters(*OPERATIONS[operation])) == NEWER_PARAMETERS.get(operation, set())
    not_done = set(NOT_DONE.get(operation, ()))
    assert set(ACCEPTED[operation]) | not_done == names(described, operation)
    assert set(ACCEPTED[operation]) & not_done == set()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_known_parameter_is_refused_as_unknown(
    described: StripeDescription, lab_stripe: Stripe, operation: str
) -> None:
    seed(lab_stripe)
    required = {"amount": "1999", "currency": "eur"} if operation == "payment_intents.create" else {}
    for name in names(described, operation):
        answer = ask(lab_stripe, *OPERATIONS[operation], {**required, name: "1"})
        assert unknown(answer) is None, name
        not_done = name in NOT_DONE.get(operation, ())
        said = answer.json().get("error", {})
        assert ("this lab does not do" in said.get("message", "")) == not_done, name
        assert not not_done or (answer.status_code, said["param"]) == (400, name)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_other_parameter_is_refused_as_unknown(
    described: StripeDescription, lab_stripe: Stripe, operation: str
) -> None:
    seed(lab_stripe)
    before = lab_stripe.state()
    everywhere = {name for each in OPERATIONS for name in names(described, each)}
    for name in {*everywhere, "no_such_parameter"} - names(described, operation):
        assert unknown(ask(lab_stripe, *OPERATIONS[operation], {name: "1"})) == name
    assert lab_stripe.state() == before


def test_parts_of_parameters(described: StripeDescription, lab_stripe: Stripe) -> None:
    """Where the lab takes a hash, it takes the names in it that are described, and no others."""
    seed(lab_stripe)
    checked = set()
    for operation, (method, path) in OPERATIONS.items():
        for name, schema in described.parameters(method, path).items():
            parts = {part for each in (schema, *schema.get("anyOf", ())) for part in each.get("properties", {})}
            if name not in ACCEPTED[operation] or not parts:
                continue
            required = {"amount": "1999", "currency": "eur"} if method == "POST" else {}
            for part in parts:
                assert unknown(ask(lab_stripe, method, path, {**required, f"{name}[{part}]": "1"})) is None
            other = f"{name}[no_such_part]"
            assert unknown(ask(lab_stripe, method, path, {**required, other: "1"})) == other
            checked |= {(operation, name, *sorted(parts))}
    assert checked == {
        ("events.list", "created", *sorted(BOUNDS)),
        ("payment_intents.list", "created", *sorted(BOUNDS)),
        ("payment_intents.create", "automatic_payment_methods", "enabled"),
    }
