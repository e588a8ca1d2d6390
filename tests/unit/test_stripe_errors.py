# SPDX-License-Identifier: GPL-3.0-or-later
"""What Stripe says when it does not do something, and which options it is not even asked with."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import (
    NEXT_STEPS,
    Failure,
    StripeError,
    answer_failure,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_options import (
    read_options,
    stripe_argument_spec,
)

KEY = "rk_test_c4n4ryc4n4ry"
MISSING = "No such payment_intent: 'pi_1'; a similar object exists in live mode, but a test mode key was used."


@pytest.mark.parametrize(
    ("status", "error", "cause", "uncertain"),
    [
        (400, {"type": "invalid_request_error", "code": "parameter_unknown"}, "invalid", False),
        (400, {"type": "invalid_request_error", "code": "rate_limit"}, "rate_limited", False),
        (400, {"type": "idempotency_error"}, "idempotency", False),
        (401, {"type": "invalid_request_error"}, "invalid_auth", False),
        (401, {"type": "invalid_request_error", "code": "api_key_expired"}, "key_expired", False),
        (402, {"type": "card_error", "code": "card_declined", "decline_code": "lost_card"}, "card_error", False),
        (403, {"type": "invalid_request_error"}, "forbidden", False),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}, "not_found", False),
        (404, {"code": "resource_missing", "message": MISSING}, "mode_mismatch", False),
        (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}, "idempotency", True),
        (429, {"type": "invalid_request_error", "code": "rate_limit"}, "rate_limited", False),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}, "lock_timeout", False),
        (500, {"type": "api_error"}, "server_error", True),
        (503, {"type": "api_error"}, "server_error", True),
        (418, {"type": "teapot"}, "unexpected", False),
    ],
)
def test_answers_have_causes(status: int, error: dict[str, Any], cause: str, uncertain: bool) -> None:
    content = {"error": {"message": "said Stripe", **error}}
    found = answer_failure(status, {"request-id": "req_1"}, content, changes=True)
    assert (found.cause, found.status, found.request_id, found.may_have_happened) == (cause, status, "req_1", uncertain)
    assert found.error_code == error.get("code")
    assert found.decline_code == error.get("decline_code")
    assert found.next_step == NEXT_STEPS[cause]
    assert not answer_failure(status, {}, content, changes=False).may_have_happened


@pytest.mark.parametrize(
    ("status", "cause"), [(502, "server_error"), (429, "rate_limited"), (302, "unexpected"), (404, "unexpected")]
)
@pytest.mark.parametrize("content", [None, [], "no", {"error": "invalid_grant"}, {"error": ["x"]}])
def test_what_is_not_of_stripe_is_no_answer_of_stripe(status: int, cause: str, content: Any) -> None:
    assert answer_failure(status, {}, content, changes=False).cause == cause


def test_hostile_answers_are_bounded_and_secrets_are_hidden() -> None:
    said = {"type": "x" * 10**5, "code": "a b", "message": f"\x1b[31m\n{KEY} sk_live_4242424242 " + "y" * 10**5}
    failure = answer_failure(401, {"request-id": "req_1\r\nx"}, {"error": said}, changes=False)
    error = StripeError("Reading a PaymentIntent", failure, [KEY])
    assert (failure.error_type, failure.error_code, failure.request_id) == (None, None, None)
    assert len(error.message) < 600
    assert KEY not in error.message
    assert "sk_live" not in error.message
    assert error.message.isprintable()
    assert KEY not in str(error.details)


def options(**given: Any) -> dict[str, Any]:
    defaults = {name: option.get("default") for name, option in stripe_argument_spec().items()}
    return {**defaults, "stripe_api_key": KEY, "stripe_livemode": False, **given}


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"stripe_api_key": None}, "not_configured"),
        ({"stripe_api_key": "  "}, "not_configured"),
        ({"stripe_api_key": "pk_test_c4n4ryc4n4ry"}, "invalid_auth"),
        ({"stripe_api_key": "whsec_c4n4ryc4n4ry"}, "invalid_auth"),
        ({"stripe_api_key": "rk_test_c4n4ry\r\nX: y"}, "invalid_auth"),
        ({"stripe_livemode": True}, "wrong_mode"),
        ({"stripe_api_key": "sk_live_c4n4ryc4n4ry"}, "wrong_mode"),
        ({"stripe_url": "http://api.stripe.com"}, "invalid"),
        ({"stripe_url": "https://rk_test_c4n4ryc4n4ry@api.stripe.com"}, "invalid"),
        ({"stripe_url": "api.stripe.com"}, "invalid"),
        ({"stripe_api_version": "latest"}, "invalid"),
        ({"stripe_timeout": 0}, "invalid"),
    ],
)
def test_wrong_options_are_refused_without_quoting_the_key(given: dict[str, Any], cause: str) -> None:
    with pytest.raises(StripeError) as error:
        read_options(options(**given))
    assert error.value.cause == cause
    assert "c4n4ry" not in error.value.message


def test_empty_options_count_as_not_given() -> None:
    found = read_options(options(stripe_url="", stripe_api_version=""))
    assert (found.url, found.version) == ("https://api.stripe.com", "2026-10-28.endive")
    assert read_options(options(stripe_api_key="sk_live_51abcd", stripe_livemode=True)).key == "sk_live_51abcd"


def test_every_cause_says_what_to_do() -> None:
    for cause, step in NEXT_STEPS.items():
        assert Failure(cause, "m").next_step == step
