# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as the API shows them, with every field that the API of this version has in them."""

from __future__ import annotations

import json
from typing import Any

from incident_runbooks.lab.stripe.cards import DECLINED, Card, card
from incident_runbooks.lab.stripe.world import Endpoint, Event, Intent

Json = dict[str, Any]

_BILLING = {
    "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
    "email": None,
    "name": None,
    "phone": None,
    "tax_id": None,
}
_NULL_IN_INTENT = (
    *("application", "application_fee_amount", "customer", "customer_account", "excluded_payment_method_types"),
    *("on_behalf_of", "payment_method_configuration_details", "processing", "review", "setup_future_usage", "shipping"),
    *("source", "statement_descriptor", "transfer_data", "transfer_group", "canceled_at", "cancellation_reason"),
)
_NULL_IN_CHARGE = (
    *("application", "application_fee", "application_fee_amount", "balance_transaction", "customer", "description"),
    *("failure_balance_transaction", "on_behalf_of", "receipt_number", "review", "shipping", "source"),
    *("source_transfer", "statement_descriptor", "transfer_data", "transfer_group"),
)


def intent_view(intent: Intent, expand: set[str] | None = None) -> Json:
    """Return a PaymentIntent.

    Args:
        intent: as it is kept.
        expand: fields that are objects instead of ids: ``latest_charge``, ``payment_method``.
    """
    wanted = expand or set()
    charge: Any = intent.charge["id"] if intent.charge else None
    method: Any = intent.payment_method
    if "latest_charge" in wanted and intent.charge:
        charge = charge_view(intent)
    if "payment_method" in wanted and intent.payment_method:
        method = method_view(intent.payment_method, intent.card, intent.created, livemode=intent.livemode)
    received = intent.amount if intent.status == "succeeded" else 0
    return {
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.amount if intent.status == "requires_capture" else 0,
        "amount_details": {"tip": {}},
        "amount_received": received,
        **dict.fromkeys(_NULL_IN_INTENT),
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "confirmation_method": intent.confirmation_method,
        "created": intent.created,
        "currency": intent.currency,
        "description": intent.description,
        "last_payment_error": intent.last_payment_error,
        "latest_charge": charge,
        "livemode": intent.livemode,
        "metadata": intent.metadata,
        "next_action": intent.next_action,
        "payment_method": method,
        "payment_method_options": {
            "card": {"installments": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "receipt_email": intent.receipt_email,
        "statement_descriptor_suffix": intent.statement_descriptor_suffix,
        "status": intent.status,
    }


def method_view(id_: str, token: str | None, created: int, *, livemode: bool) -> Json:
    """Return a PaymentMethod.

    Args:
        id_: its id.
        token: the test card behind it.
        created: in Unix seconds.
        livemode: of the intent.
    """
    of = _card(token)
    return {
        "id": id_,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": _BILLING,
        "card": {
            **_card_facts(of),
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "display_brand": of.brand,
            "generated_from": None,
            "networks": {"available": [of.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": created,
        "customer": None,
        "customer_account": None,
        "livemode": livemode,
        "metadata": {},
        "type": "card",
    }


def charge_view(intent: Intent) -> Json:
    """Return the charge of the last attempt to pay a PaymentIntent."""
    kept = intent.charge or {}
    of = _card(kept["card"])
    failed = of.outcome == DECLINED
    captured = bool(kept["captured"])
    return {
        "id": kept["id"],
        "object": "charge",
        "amount": intent.amount,
        "amount_captured": intent.amount if captured else 0,
        "amount_refunded": 0,
        **dict.fromkeys(_NULL_IN_CHARGE),
        "billing_details": _BILLING,
        "calculated_statement_descriptor": "BRANDCONNECT",
        "captured": captured,
        "created": kept["created"],
        "currency": intent.currency,
        "disputed": False,
        "failure_code": of.code if failed else None,
        "failure_message": of.message if failed else None,
        "fraud_details": {},
        "livemode": intent.livemode,
        "metadata": intent.metadata,
        "outcome": _outcome(of),
        "paid": not failed,
        "payment_intent": intent.id,
        "payment_method": kept["payment_method"],
        "payment_method_details": {"card": {**_card_facts(of), "network": of.brand, "wallet": None}, "type": "card"},
        "radar_options": {},
        "receipt_email": intent.receipt_email,
        "receipt_url": None,
        "refunded": False,
        "statement_descriptor_suffix": intent.statement_descriptor_suffix,
        "status": "failed" if failed else "succeeded",
    }


def event_view(event: Event, api_version: str | None) -> Json:
    """Return an event.

    Args:
        event: as it is kept.
        api_version: what its object is written in.
    """
    data: Json = {"object": json.loads(event.snapshot)}
    if event.previous is not None:
        data["previous_attributes"] = event.previous
    return {
        "id": event.id,
        "object": "event",
        "api_version": api_version,
        "created": event.created,
        "data": data,
        "livemode": event.livemode,
        "pending_webhooks": event.pending_webhooks,
        "request": {"id": event.request_id, "idempotency_key": event.idempotency_key},
        "type": event.type,
    }


def endpoint_view(endpoint: Endpoint) -> Json:
    """Return a webhook endpoint; its secret is shown only by whatever creates it, which the lab's API does not."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "api_version": endpoint.api_version,
        "application": None,
        "created": endpoint.created,
        "description": endpoint.description,
        "enabled_events": endpoint.enabled_events,
        "livemode": False,
        "metadata": endpoint.metadata,
        "status": endpoint.status,
        "url": endpoint.url,
    }


def _outcome(of: Card) -> Json:
    declined = of.outcome == DECLINED
    return {
        "advice_code": of.advice,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if declined else "approved_by_network",
        "reason": of.decline_code,
        "risk_level": "normal",
        "risk_score": 23,
        "seller_message": "The bank did not return any further details with this decline."
        if declined
        else "Payment complete.",
        "type": "issuer_declined" if declined else "authorized",
    }


def _card(token: str | None) -> Card:
    found = card(token or "pm_card_visa")
    return found or Card("succeeds")


def _card_facts(of: Card) -> Json:
    return {
        "brand": of.brand,
        "country": "US",
        "exp_month": 8,
        "exp_year": 2030,
        "fingerprint": f"lab{of.last4}fingerprint",
        "funding": "credit",
        "last4": of.last4,
    }
