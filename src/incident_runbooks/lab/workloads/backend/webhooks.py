# SPDX-License-Identifier: GPL-3.0-or-later
"""The route to which Stripe delivers its events."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from incident_runbooks.lab.workloads.backend import stripe
from incident_runbooks.lab.workloads.backend.app import BACKEND, Backend, problem

_OUTCOMES = {"payment_intent.succeeded": "succeeded", "payment_intent.payment_failed": "failed"}
_RECEIVED = "INSERT INTO processed_events (id, type) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING id"
_PAYMENT = "UPDATE payments SET status = %s WHERE stripe_payment_intent_id = %s RETURNING id"
_AUDIT = "INSERT INTO audit_logs (action, resource_type, resource_id) VALUES (%s, 'payment', %s)"


def add_routes(app: web.Application) -> None:
    """Add POST /api/webhooks/stripe."""
    app.router.add_post("/api/webhooks/stripe", _stripe)


async def _stripe(request: web.Request) -> web.Response:
    backend, body = request.app[BACKEND], await request.read()
    try:
        stripe.verify(body, request.headers.get("Stripe-Signature"), backend.settings.stripe_webhook_secret)
        event = json.loads(body)
        identity, kind = str(event["id"]), str(event["type"])
    except stripe.SignatureError as error:
        err = {"type": "StripeSignatureVerificationError", "message": str(error)}
        backend.journal.error("WebhooksController", "Failed to verify webhook signature", err=err)
        return problem(400, f"Webhook signature verification failed: {error}")
    except (ValueError, KeyError, TypeError):
        return problem(400, "Webhook body is no Stripe event")
    await _process(backend, identity, kind, event)
    return web.json_response({"received": True})


async def _process(backend: Backend, identity: str, kind: str, event: dict[str, Any]) -> None:
    """Record the event once, however often it is delivered."""
    async with backend.pool.connection() as connection, connection.transaction():
        first = await (await connection.execute(_RECEIVED, [identity, kind])).fetchone()
        outcome = _OUTCOMES.get(kind)
        if first is None or outcome is None:
            return
        intent = event.get("data", {}).get("object", {}).get("id")
        for payment in await (await connection.execute(_PAYMENT, [outcome, intent])).fetchall():
            await connection.execute(_AUDIT, [f"payment.{outcome}", str(payment[0])])
    if outcome == "succeeded":
        backend.metrics.payments_succeeded.inc()
    else:
        backend.metrics.payments_failed.inc()
