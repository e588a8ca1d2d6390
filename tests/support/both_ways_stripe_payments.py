# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the modules that look at payments at Stripe, and try them again, for ``tests/contract/test_both_ways.py``.

Nobody listens there: whatever differed between the ways would differ there too.
"""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"
KEY = f"rk_test_{CANARY.replace('/', '').replace(' ', '')}"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each module in good and in bad ways: module, arguments, check mode."""
    nobody = "http://127.0.0.1:1"
    page = {"status_urls": [f"{nobody}/api/v2/summary.json"], "status_hosts": ["127.0.0.1"]}
    stripe = {"stripe_url": nobody, "stripe_api_key": KEY, "stripe_livemode": False}
    cluster = {"host": "https://127.0.0.1:1", "api_key": CANARY, "namespace": "brandconnect", "name": "backend"}
    payment = {"id": 1, "payment_intent": "pi_1", "amount": 100, "currency": "gbp", "status": "failed"}
    retry = {
        **stripe,
        **cluster,
        "payments": [{**payment, "created_at": "2026-11-24T15:00:00Z"}],
        "max_total_amount": {"gbp": 1000},
        "incident": "payment-failure-1",
    }
    target = {"payment_id": "1", "payment_intent": "pi_1", "amount": 100, "currency": "gbp"}
    return {
        "status page without anybody": ("stripe_status", page, False),
        "status page in check mode": ("stripe_status", page, True),
        "status page of another host": ("stripe_status", {"status_urls": ["https://example.com/"]}, False),
        "status page with an unknown option": ("stripe_status", {**page, "colour": "red"}, False),
        "payments without anybody": ("stripe_payment_intents", stripe, False),
        "payments in check mode": ("stripe_payment_intents", stripe, True),
        "payments without a key": ("stripe_payment_intents", {"stripe_url": nobody}, False),
        "payments with a key of the other mode": ("stripe_payment_intents", {**stripe, "stripe_livemode": True}, False),
        "payments with a key that is none": ("stripe_payment_intents", {**stripe, "stripe_api_key": CANARY}, False),
        "payments with its secret in a wrong place": (
            "stripe_payment_intents",
            {**stripe, "payment_intent": KEY},
            False,
        ),
        "payments with a wrong type": ("stripe_payment_intents", {**stripe, "since_s": "many"}, False),
        "payments with an unknown option": ("stripe_payment_intents", {**stripe, "colour": KEY}, False),
        "retry of nothing": ("stripe_payment_retry", {**retry, "payments": []}, False),
        "retry in check mode of nothing": ("stripe_payment_retry", {**retry, "payments": []}, True),
        "retry of what is too old": ("stripe_payment_retry", retry, False),
        "retry of a plan without anybody": ("stripe_payment_retry", {**retry, "targets": [target]}, False),
        "retry of a plan in check mode without anybody": ("stripe_payment_retry", {**retry, "targets": [target]}, True),
        "retry above the cap": ("stripe_payment_retry", {**retry, "max_payments": 1000}, False),
        "retry with a wrong type": ("stripe_payment_retry", {**retry, "attempt": "many"}, False),
        "retry with an unknown option": ("stripe_payment_retry", {**retry, "colour": KEY}, False),
    }
