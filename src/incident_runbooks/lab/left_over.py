# SPDX-License-Identifier: GPL-3.0-or-later
"""What trouble at Stripe leaves when it is over: payments that failed for nothing, events that never arrived."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from incident_runbooks.lab.stripe.keys import random_id

if TYPE_CHECKING:
    from incident_runbooks.lab.payments import Payments

FAILED_AGE_S = 300
MISSED_AGE_S = 1200  # longer than a payment usually waits for its event
_AMOUNT = 12_510  # no customer of the lab pays as much, so that none has paid it anew
_ROW = """
    WITH payment AS (
        INSERT INTO payments (campaign_id, amount_cents, status, stripe_payment_intent_id, created_at)
        VALUES (%s, %s, %s, %s, to_timestamp(%s)) RETURNING id, created_at)
    INSERT INTO audit_logs (action, resource_type, resource_id, created_at)
    SELECT 'payment.created', 'payment', id::text, created_at FROM payment
    RETURNING resource_id
"""

Json = dict[str, Any]


def failed_payments(lab: Payments, count: int, *, age_s: int = FAILED_AGE_S) -> list[str]:
    """Let there be failed payments whose PaymentIntents wait to be confirmed; returns the intents' ids.

    Args:
        lab: where.
        count: how many.
        age_s: how old they are, in seconds.
    """
    made = [_payment(lab, number, "failed", age_s) for number in range(count)]
    lab.stripe.tell("/lab/seed", payment_intents=[{**each, "status": "requires_confirmation"} for each in made])
    return [each["id"] for each in made]


def missed_events(lab: Payments, count: int, *, age_s: int = MISSED_AGE_S) -> list[str]:
    """Let there be payments that succeeded, and whose events Stripe has given up on; returns the events' ids.

    Args:
        lab: where.
        count: how many.
        age_s: how old they are, in seconds.
    """
    made = [_payment(lab, number, "pending", age_s) for number in range(count)]
    events = [
        {
            "type": "payment_intent.succeeded",
            "payment_intent": each["id"],
            "created": each["created"],
            "delivery": "failed",
        }
        for each in made
    ]
    intents = [{**each, "status": "succeeded"} for each in made]
    seeded: list[str] = lab.stripe.tell("/lab/seed", payment_intents=intents, events=events)["events"]
    return seeded


def _payment(lab: Payments, number: int, status: str, age_s: int) -> Json:
    """Make a payment's row; returns its PaymentIntent as Stripe is told, but for the status."""
    id_, created, amount = random_id("pi_3"), int(time.time()) - age_s + number, _AMOUNT + 100 * number
    with lab.server.connect(lab.server.superuser) as connection:
        row = connection.execute(_ROW.encode(), [1 + number, amount, status, id_, created]).fetchone()
    payment = row[0] if row else ""
    facts: Json = {"id": id_, "amount": amount, "currency": "gbp", "created": created}
    return facts | {"payment_method": "pm_card_visa", "metadata": {"payment_id": payment}}
