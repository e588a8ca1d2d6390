# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's requests to Stripe's API. It does not repeat one: a payment that fails is a job's to try again."""

from __future__ import annotations

import time
from collections.abc import Mapping

import aiohttp

from incident_runbooks.lab.workloads import stripe_answers
from incident_runbooks.lab.workloads.backend.rate_limit import RateLimit
from incident_runbooks.lab.workloads.backend.settings import Settings
from incident_runbooks.lab.workloads.backend.stripe_metrics import CONFIRM, CREATE, RETRIEVE, StripeMetrics
from incident_runbooks.lab.workloads.faults import Faults
from incident_runbooks.lab.workloads.stripe_answers import Json

EGRESS = "stripe-egress"
_PATHS = {
    CREATE: "/v1/payment_intents",
    CONFIRM: "/v1/payment_intents/{id}/confirm",
    RETRIEVE: "/v1/payment_intents/{id}",
}


class StripeClient:
    """Makes, confirms and looks up PaymentIntents.

    Args:
        settings: where Stripe's API is, with which key, how often it may be asked and how long to wait for it.
        faults: while Stripe is to be out of reach nothing is sent.
        metrics: count every request.
    """

    def __init__(self, settings: Settings, faults: Faults, metrics: StripeMetrics) -> None:
        self._base = settings.stripe_api_url.rstrip("/")
        self._timeout_s = settings.stripe_timeout_s
        self._limit = RateLimit(settings.stripe_rate_limit)
        self._faults, self._metrics = faults, metrics
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {settings.stripe_secret_key}"},
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
        )

    async def turn(self) -> None:
        """Wait until the rate limit allows another request; call it before each one."""
        await self._limit.turn()

    async def create(self, parameters: Mapping[str, str], idempotency_key: str) -> Json:
        """Make a PaymentIntent, and return it.

        Raises:
            StripeError: Stripe refused, failed, or was not reached.
        """
        return await self._send(CREATE, _PATHS[CREATE], parameters, idempotency_key)

    async def confirm(self, intent: str, parameters: Mapping[str, str], idempotency_key: str) -> Json:
        """Confirm a PaymentIntent, and return it.

        Raises:
            StripeError: Stripe declined, refused, failed, or was not reached.
        """
        return await self._send(CONFIRM, _PATHS[CONFIRM].format(id=intent), parameters, idempotency_key)

    async def retrieve(self, intent: str) -> Json:
        """Return a PaymentIntent as it is.

        Raises:
            StripeError: Stripe refused, failed, or was not reached.
        """
        return await self._send(RETRIEVE, _PATHS[RETRIEVE].format(id=intent))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _send(
        self,
        endpoint: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Json:
        """Send a request, a POST where there are parameters, and return what Stripe made of it."""
        began, status = time.monotonic(), "error"
        try:
            if (egress := self._faults.get(EGRESS)) is not None:
                raise stripe_answers.unreachable(str(egress["code"]), self._timeout_s)
            method, headers = ("GET", {}) if idempotency_key is None else ("POST", {"Idempotency-Key": idempotency_key})
            data = None if parameters is None else dict(parameters)
            async with self._session.request(method, self._base + path, data=data, headers=headers) as response:
                body = await response.read()
            status = str(response.status)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a time-out is an OSError
            raise stripe_answers.unreachable(stripe_answers.code_of(error), self._timeout_s) from error
        finally:
            self._metrics.request(endpoint, status, time.monotonic() - began)
        return stripe_answers.content(response.status, response.headers.get("Request-Id"), body)
