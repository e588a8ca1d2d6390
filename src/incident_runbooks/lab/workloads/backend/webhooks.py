# SPDX-License-Identifier: GPL-3.0-or-later
"""The route to which Stripe delivers its events."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from aiohttp import web

from incident_runbooks.lab.workloads.backend import stripe
from incident_runbooks.lab.workloads.backend.app import BACKEND, Backend, problem
from incident_runbooks.lab.workloads.error_classes import ERROR_CLASSES

HANG, BROKEN, SKEW, UNCHECKED = "webhook-hang", "webhook-error", "clock-skew", "webhook-unchecked"

_HANG_POLL_S = 0.5
_HANDLED = ("payment_intent.", "charge.")  # other events are acknowledged, and nothing is done about them
_OUTCOMES = {"payment_intent.succeeded": "succeeded", "payment_intent.payment_failed": "failed"}
_RECEIVED = "INSERT INTO processed_events (id, type) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING id"
# Events come in any order, and nothing comes after a success
_PAYMENT = "UPDATE payments SET status = %s WHERE stripe_payment_intent_id = %s AND status <> 'succeeded' RETURNING id"
_AUDIT = "INSERT INTO audit_logs (action, resource_type, resource_id) VALUES (%s, 'payment', %s)"


def add_routes(app: web.Application) -> None:
    """Add POST /api/webhooks/stripe, or the path that ``WEBHOOK_PATH`` names."""
    app.router.add_post(app[BACKEND].settings.webhook_path, _stripe)


async def _stripe(request: web.Request) -> web.Response:
    backend, body = request.app[BACKEND], await request.read()
    metrics = backend.metrics.stripe
    while backend.faults.get(HANG) is not None:
        await asyncio.sleep(_HANG_POLL_S)
    try:
        _verify(backend, body, request.headers.get("Stripe-Signature"))
        event = json.loads(body)
        kind, identity = str(event["type"]), str(event.get("id", ""))
    except stripe.SignatureError as error:
        metrics.event("bad_signature")
        err = {"type": "StripeSignatureVerificationError", "message": str(error)}
        backend.journal.error("WebhooksController", "Failed to verify webhook signature", err=err)
        return problem(400, f"Webhook signature verification failed: {error}")
    except (ValueError, KeyError, TypeError, AttributeError):
        metrics.event("error")
        return problem(400, "Webhook body is no Stripe event")
    if backend.faults.get(BROKEN) is not None:
        metrics.event("error")
        backend.journal.failure(ERROR_CLASSES["webhook_handler"])
        return problem(500, "Internal server error")
    if identity and kind.startswith(_HANDLED):
        try:
            metrics.event("processed" if await _process(backend, identity, kind, event) else "duplicate")
        except Exception:
            metrics.event("error")
            raise
    return web.json_response({"received": True})


def _verify(backend: Backend, body: bytes, header: str | None) -> None:
    """Check the signature, with the clock and the care that the faults leave.

    Raises:
        SignatureError: it does not hold.
    """
    if backend.faults.get(UNCHECKED) is None:
        skew = backend.faults.get(SKEW)
        now = time.time() + (float(skew["seconds"]) if skew is not None else 0.0)
        stripe.verify(body, header, backend.settings.stripe_webhook_secret, now=now)


async def _process(backend: Backend, identity: str, kind: str, event: dict[str, Any]) -> bool:
    """Record the event once, however often it is delivered; returns whether it was the first time."""
    async with backend.pool.connection() as connection, connection.transaction():
        first = await (await connection.execute(_RECEIVED, [identity, kind])).fetchone()
        outcome = _OUTCOMES.get(kind)
        if first is None or outcome is None:
            return first is not None
        intent = event.get("data", {}).get("object", {}).get("id")
        for payment in await (await connection.execute(_PAYMENT, [outcome, intent])).fetchall():
            await connection.execute(_AUDIT, [f"payment.{outcome}", str(payment[0])])
    return True
