# SPDX-License-Identifier: GPL-3.0-or-later
"""What Stripe knows of the payments that the platform's database begins with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

# The rows of :func:`stripe_seed`
PAYMENTS_QUERY = (
    "SELECT id, stripe_payment_intent_id, amount_cents, currency, status, created_at, stripe_payment_method_id"
    " FROM payments"
    " WHERE stripe_payment_intent_id IS NOT NULL ORDER BY id"
)

# A pending payment waits for its customer, a failed one has a card that no attempt will help
_STATUSES = {"succeeded": "succeeded", "pending": "requires_action", "failed": "requires_payment_method"}
_DECLINED = {
    "type": "card_error",
    "code": "card_declined",
    "decline_code": "fraudulent",
    "message": "Your card was declined.",
}


def stripe_seed(rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Return what Stripe has to be seeded with, so that it and the database agree: there is nothing to retry.

    Args:
        rows: of :data:`PAYMENTS_QUERY`.

    Returns:
        The document of the lab's Stripe's ``POST /lab/seed``: ``payment_intents``, and no ``events``, since each was
        delivered long ago.
    """
    return {"payment_intents": [_intent(*row) for row in rows], "events": []}


def _intent(
    number: int, intent: str, amount: int, currency: str, status: str, created_at: datetime, card: str
) -> dict[str, Any]:
    found = {
        "id": intent,
        "amount": amount,
        "currency": currency.strip().lower(),
        "status": _STATUSES[status],
        "created": int(created_at.timestamp()),
        "metadata": {"payment_id": str(number)},
    }
    return found | ({"last_payment_error": _DECLINED} if status == "failed" else {"payment_method": card})
