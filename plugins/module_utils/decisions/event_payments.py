# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How an event's payment stands at Stripe and at the platform. Pure, no I/O.

What the statuses mean: https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.events import Event
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

Json = dict[str, Any]

WORD_LENGTH = 60
_NOT_PAID = frozenset({"requires_payment_method", "requires_confirmation"})
# What these types tell stays true, whatever follows: https://docs.stripe.com/api/events/types. A dispute is open only
# until it is closed, and a session is completed before its payment succeeds or fails, so those are not here.
_FINAL = frozenset(
    {
        "payment_intent.succeeded",
        "payment_intent.canceled",
        "charge.succeeded",
        "charge.captured",
        "charge.refunded",
        "charge.dispute.closed",
        "checkout.session.async_payment_succeeded",
    }
)
# While the PaymentIntent has such a status, an event of the type still tells how it stands.
_CURRENT = {
    "payment_intent.created": _NOT_PAID,
    "payment_intent.requires_action": {"requires_action"},
    "payment_intent.processing": {"processing"},
    "payment_intent.payment_failed": _NOT_PAID,
    "payment_intent.amount_capturable_updated": {"requires_capture"},
    "charge.failed": _NOT_PAID,
    "invoice.payment_failed": _NOT_PAID,
    "checkout.session.async_payment_failed": _NOT_PAID,
}
_BEFORE_ANY_ATTEMPT = "payment_intent.created"
# What the platform's row may say then
_ROW = {
    "succeeded": {"succeeded"},
    "canceled": {"failed", "canceled"},
    "processing": {"pending"},
    "requires_action": {"pending"},
    "requires_capture": {"pending"},
    "requires_confirmation": {"pending", "failed"},
    "requires_payment_method": {"pending", "failed"},
}


def state(intent: Mapping[str, Any]) -> Json:
    """Return what matters of a PaymentIntent."""
    error = intent.get("last_payment_error")
    amount = intent.get("amount")
    return {
        "status": plain_line(str(intent.get("status")), WORD_LENGTH),
        "amount": amount if isinstance(amount, int) else None,
        "currency": plain_line(str(intent.get("currency") or ""), 3).lower() or None,
        "failed": isinstance(error, Mapping),
    }


def may_be_superseded(event: Event) -> bool:
    """Whether it depends on how the payment stands now whether an event still tells the truth."""
    return depends_on_payment(event) and event.payment_intent is not None


def depends_on_payment(event: Event) -> bool:
    """Whether the status of the event's payment tells if an event of its type is still true."""
    return event.type in _CURRENT


def superseded(event: Event, states: Mapping[str, Json]) -> bool | None:
    """Whether something later has made an event untrue; ``None`` when that is not known.

    To process it now would set the platform's payment back, as from succeeded to failed. So only what is known to stay
    true, or is seen to agree with its payment, is ``False``; a type that is not known here never is.

    Args:
        states: by PaymentIntent, as :func:`state` returns them; of those only that could be read.
    """
    if event.type in _FINAL:
        return False
    known = states.get(event.payment_intent) if event.payment_intent else None
    if known is None or not depends_on_payment(event):
        return None
    if event.type == _BEFORE_ANY_ATTEMPT and known["failed"]:
        return True
    return known["status"] not in _CURRENT[event.type]


def compare(events: Iterable[Event], states: Mapping[str, Json], rows: Mapping[str, Json] | None) -> list[Json]:
    """Return, for each payment of the events once, how it stands at Stripe and at the platform. Nothing is written.

    Args:
        states: by PaymentIntent, as :func:`state` returns them.
        rows: the platform's payments by PaymentIntent, with ``id``, ``status``, ``amount`` and ``currency``; ``None``
            when the database could not be asked.
    """
    listed: dict[str, Json] = {}
    for event in events:
        if event.payment_intent is None:
            listed[event.id] = _line(event, None, None, "it is about no payment; look at it by hand")
        elif event.payment_intent not in listed:
            listed[event.payment_intent] = _compared(event, states.get(event.payment_intent), rows)
    return list(listed.values())


def settled(events: Iterable[Event], states: Mapping[str, Json], rows: Mapping[str, Json] | None) -> list[Json]:
    """Return, as :func:`compare`, the payments whose status events have told that the platform has processed.

    A row that says more than the status of a PaymentIntent can, such as that it was refunded, is left out.
    """
    words = frozenset().union(*_ROW.values())
    told = (event for event in events if event.payment_intent and event.type.startswith("payment_intent."))
    return [line for line in compare(told, states, rows) if line["row_status"] in {None, *words}]


def _compared(event: Event, at_stripe: Json | None, rows: Mapping[str, Json] | None) -> Json:
    if rows is None:
        return _line(event, at_stripe, None, "the platform's payments could not be read")
    row = rows.get(str(event.payment_intent))
    if at_stripe is None:
        return _line(event, None, row, "Stripe could not be asked for it; look at it by hand")
    if row is None:
        return _line(event, at_stripe, None, "the platform has no payment of this PaymentIntent", agrees=False)
    wanted = {"failed"} if _has_failed(at_stripe) else _ROW.get(at_stripe["status"])
    if wanted is None:
        return _line(event, at_stripe, row, "the status at Stripe is not known here; look at it by hand")
    if at_stripe["amount"] is not None and row.get("amount") not in (None, at_stripe["amount"]):
        return _line(event, at_stripe, row, "the amounts differ; ask finance", agrees=False)
    if row.get("status") in wanted:
        return _line(event, at_stripe, row, None, agrees=True)
    text = f"it is {at_stripe['status']} at Stripe and {row.get('status')} at the platform; correct it with finance"
    return _line(event, at_stripe, row, text, agrees=False)


def _has_failed(at_stripe: Json) -> bool:
    return bool(at_stripe["failed"]) and at_stripe["status"] == "requires_payment_method"


def _line(
    event: Event, at_stripe: Json | None, row: Json | None, advice: str | None, *, agrees: bool | None = None
) -> Json:
    amounts = at_stripe or row or {}
    return {
        "event": event.id,
        "type": event.type,
        "payment_intent": event.payment_intent,
        "stripe_status": (at_stripe or {}).get("status"),
        "row_id": (row or {}).get("id"),
        "row_status": _bounded((row or {}).get("status")),
        "amount": amounts.get("amount", event.amount),
        "currency": amounts.get("currency") or event.currency,
        "agrees": agrees,
        "advice": advice,
    }


def _bounded(value: Any) -> str | None:
    return None if value is None else plain_line(str(value), WORD_LENGTH)
