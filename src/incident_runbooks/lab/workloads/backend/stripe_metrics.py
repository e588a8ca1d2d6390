# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend tells Prometheus of Stripe. Series that are asked for are there from the start, at 0."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from incident_runbooks.lab.workloads.stripe_answers import REASONS

CREATE = "payment_intents.create"
CONFIRM = "payment_intents.confirm"
RETRIEVE = "payment_intents.retrieve"
RESULTS = ("processed", "duplicate", "bad_signature", "error")

_STATUSES = ("200", "400", "401", "402", "404", "429", "500", "error")
_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class StripeMetrics:
    """Payments, requests to the API and webhook events.

    Args:
        registry: what Prometheus gets.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._succeeded = Counter(
            "stripe_payment_success", "Payments that Stripe's API answered as succeeded.", registry=registry
        )
        self._failed = Counter(
            "stripe_payment_failed",
            "Payments that Stripe's API did not take.",
            ("reason",),
            registry=registry,
        )
        self._requests = Counter(
            "stripe_api_requests",
            "Requests to Stripe's API, by HTTP status, or error where there was no answer.",
            ("endpoint", "status"),
            registry=registry,
        )
        self._duration = Histogram(
            "stripe_api_request_duration_seconds",
            "How long Stripe's API takes.",
            ("endpoint",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._events = Counter(
            "stripe_webhook_events", "Webhook events of Stripe, by result.", ("result",), registry=registry
        )
        self._processed_at = Gauge(
            "stripe_webhook_last_processed_timestamp_seconds",
            "When this process last processed a webhook event; 0 if it did not yet.",
            registry=registry,
        )
        self._start()

    def _start(self) -> None:
        for reason in REASONS:
            self._failed.labels(reason)
        for result in RESULTS:
            self._events.labels(result)
        for endpoint in (CREATE, CONFIRM, RETRIEVE):
            self._duration.labels(endpoint)
            for status in _STATUSES:
                self._requests.labels(endpoint, status)

    def succeeded(self) -> None:
        """Count a payment that succeeded."""
        self._succeeded.inc()

    def failed(self, reason: str) -> None:
        """Count a payment that failed; one of ``REASONS``."""
        self._failed.labels(reason).inc()

    def request(self, endpoint: str, status: str, seconds: float) -> None:
        """Count a request to the API."""
        self._requests.labels(endpoint, status).inc()
        self._duration.labels(endpoint).observe(seconds)

    def event(self, result: str) -> None:
        """Count a delivery to the webhook; one of :data:`RESULTS`."""
        self._events.labels(result).inc()
        if result == "processed":
            self._processed_at.set(time.time())
