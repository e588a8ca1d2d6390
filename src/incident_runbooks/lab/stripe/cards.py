# SPDX-License-Identifier: GPL-3.0-or-later
"""Test cards: what happens to a payment with each. See docs.stripe.com/testing, and /declines/codes for the codes."""

from __future__ import annotations

import re
from dataclasses import dataclass

SUCCEEDS = "succeeds"
DECLINED = "declined"
ASKS_CUSTOMER = "asks-customer"

_DECLINE = re.compile(r"^pm_card_(?:visa_|mastercard_)?chargeDeclined(?P<why>\w*)$")
_ACTION = re.compile(r"^pm_card_(?:authenticationRequired\w*|threeDSecure\w*Required)$")
_GOOD = re.compile(r"^pm_card_(?P<brand>visa|mastercard|amex|discover|jcb|diners|unionpay)(?:_debit)?$")
_LAST4 = {
    "visa": "4242",
    "mastercard": "4444",
    "amex": "8431",
    "discover": "1117",
    "jcb": "0505",
    "diners": "0004",
    "unionpay": "0005",
}


@dataclass(frozen=True)
class Card:
    """A test card.

    Attributes:
        outcome: :data:`SUCCEEDS`, :data:`DECLINED` or :data:`ASKS_CUSTOMER`.
        brand: of the card.
        last4: of its number.
        code: of the error.
        decline_code: the bank's reason.
        message: for the customer.
        advice: what Stripe advises: try_again_later, do_not_try_again, confirm_card_data.
    """

    outcome: str
    brand: str = "visa"
    last4: str = "4242"
    code: str | None = None
    decline_code: str | None = None
    message: str = ""
    advice: str | None = None


def _declined(last4: str, decline_code: str, message: str, advice: str, code: str = "card_declined") -> Card:
    return Card(DECLINED, "visa", last4, code, decline_code, message, advice)


_DECLINED = "Your card was declined."
_LATER, _NEVER, _CHECK = "try_again_later", "do_not_try_again", "confirm_card_data"
_DECLINES = {
    "": _declined("0002", "generic_decline", _DECLINED, _LATER),
    "InsufficientFunds": _declined("9995", "insufficient_funds", "Your card has insufficient funds.", _LATER),
    "LostCard": _declined("9987", "lost_card", _DECLINED, _NEVER),
    "StolenCard": _declined("9979", "stolen_card", _DECLINED, _NEVER),
    "Fraudulent": _declined("0019", "fraudulent", _DECLINED, _NEVER),
    "DoNotHonor": _declined("0028", "do_not_honor", _DECLINED, _LATER),
    "ExpiredCard": _declined("0069", "expired_card", "Your card has expired.", _NEVER, "expired_card"),
    "IncorrectCvc": _declined(
        "0127", "incorrect_cvc", "Your card's security code is incorrect.", _CHECK, "incorrect_cvc"
    ),
    "ProcessingError": _declined(
        *("0119", "processing_error", "An error occurred while processing your card. Try again in a little bit."),
        *(_LATER, "processing_error"),
    ),
    "VelocityLimitExceeded": _declined(
        *("6975", "card_velocity_exceeded"),
        "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
        _LATER,
    ),
}


def card(payment_method: str) -> Card | None:
    """Return the card behind a test PaymentMethod such as ``pm_card_visa``; ``None``: there is none."""
    if good := _GOOD.match(payment_method):
        brand = good.group("brand")
        return Card(SUCCEEDS, brand, _LAST4[brand])
    if _ACTION.match(payment_method):
        return Card(ASKS_CUSTOMER, last4="3184")
    if found := _DECLINE.match(payment_method):
        why = found.group("why").removeprefix("_")
        return _DECLINES.get("Fraudulent" if why == "FraudulentDecline" else why)
    return None
