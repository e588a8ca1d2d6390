# SPDX-License-Identifier: GPL-3.0-or-later
"""Payments fail: Stripe does, or what is between it and the platform, or the platform's key, or the cards."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from incident_runbooks.lab import rolled
from incident_runbooks.lab.faults.in_flow import Do, Shows, seen_in_flow, step
from incident_runbooks.lab.stripe import control
from incident_runbooks.lab.stripe.world import REQUESTS_PER_SECOND
from incident_runbooks.lab.workloads.manifests import NAMESPACE
from incident_runbooks.lab.workloads.scenarios import FaultFile

if TYPE_CHECKING:
    from incident_runbooks.lab.flow import Flow
    from incident_runbooks.lab.lab import Lab

_RUNBOOK = "payment-failure"
_BACKEND = "backend"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/stripe-keys"
_API_KEY = "STRIPE_SECRET_KEY"
_LEFT = 4


def fails(reason: str, said: str) -> Shows:
    """Return the condition that every pod fails to take payments: it says so, and Prometheus counts it."""

    def holds(flow: Flow) -> bool:
        counted = flow.counted(f'stripe_payment_failed_total{{reason="{reason}"}}')
        return counted and flow.every_pod_says(said)

    return holds


def _sends_too_much(flow: Flow) -> bool:
    """Return whether the backend has sent more than Stripe takes, for long enough that a rate over a window says so."""
    from incident_runbooks.lab.flow import WINDOW_S  # noqa: PLC0415 - as below

    calls = flow.counted("stripe_api_requests_total", 1.5 * REQUESTS_PER_SECOND * WINDOW_S)
    return calls and fails("rate_limit", "StripeRateLimitError")(flow)


def _at_stripe(kind: str) -> Do:
    return lambda lab, _: lab.tell_stripe(kind)


def _expire(lab: Lab, _: Flow) -> None:
    lab.stripe.tell("/lab/keys", expire=["secret_key"])


def _replace_one_pod(lab: Lab, flow: Flow) -> None:
    """Roll the key as one should, but for one pod that keeps the old one, which then expires."""
    api = flow.platform.api
    api.patch(_SECRET, {"stringData": {_API_KEY: lab.stripe.keys.next_secret_key}})
    time.sleep(1.1)  # times in the cluster are whole seconds; the new pod must be seen to be younger
    api.delete(f"{_PODS}/{flow.pods()[0]}", gracePeriodSeconds=1)
    lab.wait_until(flow.is_settled, "one pod of the backend is replaced")
    flow.since = flow.now()
    _expire(lab, flow)


def _one_pod_fails(flow: Flow) -> bool:
    failing = [flow.says(pod, "StripeAuthenticationError") for pod in flow.pods()]
    return (
        sorted(failing) == [False, True]
        and flow.counted('stripe_payment_failed_total{reason="authentication"}')
        and flow.counted("stripe_payment_success_total")
        and flow.is_scraped()
    )


def _leave_failed(lab: Lab, _: Flow) -> None:
    """Let there be payments that failed in an outage, and whose intents can be confirmed."""
    from incident_runbooks.lab import left_over  # noqa: PLC0415 - see inject()

    left_over.failed_payments(lab, _LEFT)


def _are_left(flow: Flow) -> bool:
    confirmable = [each for each in flow.stripe.state()["payment_intents"] if each["status"] == "requires_confirmation"]
    return len(confirmable) >= _LEFT


_fault = partial(seen_in_flow, _RUNBOOK)

FAULTS = (
    _fault(
        "stripe-outage",
        "Stripe's API answers 500, and its status page says so",
        "stripe_outage",
        _at_stripe(control.OUTAGE),
        fails("api_error", "StripeAPIError"),
    ),
    _fault(
        "stripe-rate-limited",
        "the backend sends more requests than Stripe takes: most are refused with 429",
        "rate_limited",
        # customers come whatever pods there are; two requests each
        step(FaultFile(_BACKEND, "payment-burst", {"per_second": 8.0}, survives_restart=True)),
        _sends_too_much,
        ("lower-rate-limit",),
    ),
    _fault(
        "stripe-lock-timeout",
        "Stripe refuses with 429 lock_timeout: something else holds the same objects",
        "lock_timeout",
        _at_stripe(control.LOCK_TIMEOUT),
        fails("lock_timeout", "lock_timeout"),
    ),
    _fault(
        rolled.KEY_EXPIRED,
        "the key that the backend has expired; the vault has the next one already",
        "key_rejected",
        _expire,
        fails("authentication", "StripeAuthenticationError"),
        ("restore-stripe-key",),
    ),
    _fault(
        rolled.KEY_STALE,
        "the Secret has the new key, and one of the pods still has the one that expired",
        "key_stale",
        _replace_one_pod,
        _one_pod_fails,
        ("restart-backend",),
    ),
    _fault(
        "card-declines",
        "most customers' cards are declined; nothing is wrong with Stripe or the platform",
        "declines",
        step(FaultFile(_BACKEND, "payment-declines", {"share": 0.6}, survives_restart=True)),
        fails("card_declined", "StripeCardError"),
    ),
    _fault(
        "stripe-egress-broken",
        "the pods do not reach Stripe: its name is not found",
        "egress_broken",
        step(FaultFile(_BACKEND, "stripe-egress", survives_restart=True)),
        fails("connection", "ENOTFOUND"),
    ),
    _fault(
        "payments-left-failed",
        f"an outage of Stripe that is over has left {_LEFT} failed payments which can be confirmed again",
        "payments_left_failed",
        _leave_failed,
        _are_left,
        ("retry-failed-payments",),
    ),
    _fault(
        "stripe-hang",
        "Stripe's API takes requests and never answers",
        "stripe_outage",
        _at_stripe(control.HANG),
        fails("connection", "ETIMEDOUT"),
    ),
)
