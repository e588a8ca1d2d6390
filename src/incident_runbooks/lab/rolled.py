# SPDX-License-Identifier: GPL-3.0-or-later
"""Stripe's key and webhook secret that the platform should use: what a vault would hold, before and after a roll."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from incident_runbooks.lab.stripe.part import StripePart

KEY_EXPIRED = "stripe-key-expired"
KEY_STALE = "stripe-key-stale"
SECRET_WRONG = "webhook-secret-wrong"  # noqa: S105 - a fault's name
SECRET_STALE = "webhook-secret-stale"  # noqa: S105 - a fault's name


def stripe_key(part: StripePart, faults: Collection[str]) -> str:
    """Return the API key that is good while *faults* are in effect."""
    rolled = not {KEY_EXPIRED, KEY_STALE}.isdisjoint(faults)
    return part.keys.next_secret_key if rolled else part.keys.secret_key


def webhook_secret(part: StripePart, faults: Collection[str]) -> str:
    """Return what deliveries are signed with while *faults* are in effect."""
    rolled = not {SECRET_WRONG, SECRET_STALE}.isdisjoint(faults)
    return next_webhook_secret(part) if rolled else part.keys.webhook_secret


def next_webhook_secret(part: StripePart) -> str:
    """Return the secret that a roll of the endpoint's secret leads to."""
    return "whsec_" + hashlib.sha256(f"next {part.keys.webhook_secret}".encode()).hexdigest()[:32]
