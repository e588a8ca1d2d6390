# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend makes of Stripe's answers, what Stripe is seeded with, and how the manifests know of it."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from incident_runbooks.lab.processes import RunAs
from incident_runbooks.lab.server import Login, Server
from incident_runbooks.lab.workloads import stripe_answers
from incident_runbooks.lab.workloads.backend.rate_limit import RateLimit
from incident_runbooks.lab.workloads.manifests import manifests
from incident_runbooks.lab.workloads.site import Credentials, Site
from incident_runbooks.lab.workloads.stripe_answers import StripeError
from incident_runbooks.lab.workloads.stripe_seed import PAYMENTS_QUERY, stripe_seed
from support.servers import installations

any_server = pytest.mark.parametrize("pg", installations()[:1], indirect=True)

OTHER_MODE = (
    "No such payment_intent: 'pi_1'; a similar object exists in live mode, but a test mode key was used to make this"
    " request."
)


def refused(status: int, **error: Any) -> StripeError:
    with pytest.raises(StripeError) as caught:
        stripe_answers.content(status, "req_1", json.dumps({"error": error}).encode())
    return caught.value


@pytest.mark.parametrize(
    ("status", "error", "kind", "reason"),
    [
        (402, {"type": "card_error", "code": "card_declined"}, "StripeCardError", "card_declined"),
        (429, {"type": "invalid_request_error", "code": "rate_limit"}, "StripeRateLimitError", "rate_limit"),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}, "StripeRateLimitError", "lock_timeout"),
        (401, {"type": "x", "code": "api_key_expired"}, "StripeAuthenticationError", "authentication"),
        (403, {"type": "invalid_request_error"}, "StripePermissionError", "authentication"),
        (404, {"type": "invalid_request_error", "message": OTHER_MODE}, "StripeInvalidRequestError", "mode"),
        (404, {"type": "invalid_request_error", "message": "No such thing"}, "StripeInvalidRequestError", "api_error"),
        (400, {"type": "idempotency_error"}, "StripeIdempotencyError", "api_error"),
        (500, {"type": "api_error"}, "StripeAPIError", "api_error"),
        (500, {"type": "something_new"}, "StripeUnknownError", "api_error"),
    ],
)  # fmt: skip
def test_errors_have_the_names_of_stripes_library(status: int, error: dict[str, str], kind: str, reason: str) -> None:
    found = refused(status, **{"message": "No.", **error})
    assert (found.kind, found.reason) == (kind, reason)
    assert found.reason in stripe_answers.REASONS
    code = {"code": error["code"]} if "code" in error else {}
    message = error.get("message", "No.")
    assert found.err() == {"type": kind, "message": message, **code, "statusCode": status, "requestId": "req_1"}


def test_an_answer_that_is_no_json_object_is_an_error_of_stripe() -> None:
    assert stripe_answers.content(200, None, b'{"id": "pi_1"}') == {"id": "pi_1"}
    for body in (b"<html>", b"[]", b"\xff"):
        with pytest.raises(StripeError, match="Invalid JSON received from the Stripe API") as caught:
            stripe_answers.content(502, None, body)
        assert (caught.value.kind, caught.value.reason) == ("StripeAPIError", "api_error")


def test_an_error_shows_no_key_and_one_bounded_line() -> None:
    key = "sk_test_51" + "a" * 90
    message = refused(401, type="x", message=f"Invalid API Key provided:\n{key} " + "y" * 999).message
    assert message.startswith("Invalid API Key provided: sk_test_*** y")
    assert (len(message), key in message) == (300, False)
    masked = "Invalid API Key provided: sk_test_****0000"
    assert refused(401, message=masked).message == masked, "what Stripe has masked stays as it is"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), "ETIMEDOUT"),
        (socket.gaierror(-2, "Name or service not known"), "ENOTFOUND"),
        (ConnectionRefusedError(111, "refused"), "ECONNREFUSED"),
        (ValueError("a line break"), "ERR_INVALID_CHAR"),
        (RuntimeError("?"), "ECONNRESET"),
    ],
)
def test_what_the_network_did_has_nodes_code(error: Exception, code: str) -> None:
    outer = RuntimeError("of some library")
    outer.__cause__ = error
    assert stripe_answers.code_of(outer) == code
    found = stripe_answers.unreachable(code, 5)
    assert (found.kind, found.reason, found.err()["code"]) == ("StripeConnectionError", "connection", code)
    assert ("5000ms" in found.message) == (code == "ETIMEDOUT")


def test_the_rate_limit_spreads_requests_evenly() -> None:
    limit = RateLimit(4)
    assert [limit.reserve(100.0) for _ in range(5)] == [0, 0.25, 0.5, 0.75, 1.0]
    assert limit.reserve(101.2) == pytest.approx(0.05)
    assert limit.reserve(200.0) == 0, "what was not used is not saved up"
    assert limit.reserve(200.0) == 0.25


@any_server
def test_stripe_is_seeded_with_what_the_database_has(pg: Any) -> None:
    app = pg.connect(pg.app_user)
    with app.transaction(force_rollback=True):
        app.execute("INSERT INTO payments (campaign_id, amount_cents, status) VALUES (1, 100, 'failed')")
        rows = app.execute(PAYMENTS_QUERY).fetchall()
        document = stripe_seed(rows)
    intents = {each["id"]: each for each in document["payment_intents"]}
    assert document["events"] == []
    assert len(intents) == len(rows) >= 200, "a payment without a PaymentIntent has none at Stripe"
    assert all(re.fullmatch(r"pi_[A-Za-z0-9_]+", each) for each in intents)
    assert {(row[4], intents[row[1]]["status"]) for row in rows} == {
        ("succeeded", "succeeded"),
        ("pending", "requires_action"),
        ("failed", "requires_payment_method"),
    }
    for number, intent, amount, currency, status, created_at, _ in rows:
        found = intents[intent]
        assert (found["amount"], found["currency"], currency) == (amount, "gbp", "GBP")
        assert abs(found["created"] - created_at.timestamp()) <= 1
        assert found["metadata"] == {"payment_id": str(number)}
        declined = found.get("last_payment_error", {})
        assert declined.get("decline_code") == ("fraudulent" if status == "failed" else None)
    json.dumps(document)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A lab that nobody starts."""
    logins = {name: Login.generate(name) for name in ("superuser", "ops", "app", "dba")}
    paths = {"folder": tmp_path / "pg/bin", "data": tmp_path / "data", "log": tmp_path / "log"}
    server = Server(major=15, version="15.18", source="debian", run_as=RunAs.SELF, port=15432, **paths, **logins)
    return Site(server, Credentials.generate(), tmp_path)


def test_only_the_backend_of_a_lab_with_stripe_takes_payments(site: Site) -> None:
    paying = replace(site, stripe_api_url="http://127.0.0.1:12111", payments_per_second=1)
    without, found = manifests(site), manifests(paying)
    added = [
        {"name": "STRIPE_API_URL", "value": "http://127.0.0.1:12111"},
        {"name": "PAYMENTS_PER_SECOND", "value": "1"},
    ]
    for each, before in zip(found, without, strict=True):
        if (each["kind"], each["metadata"]["name"]) == ("Deployment", "backend"):
            (container,) = each["spec"]["template"]["spec"]["containers"]
            assert [variable for variable in container["env"] if variable in added] == added
            container["env"] = [variable for variable in container["env"] if variable not in added]
            kubernetes_validate.validate(each, "1.32", strict=True)
        assert each == before
