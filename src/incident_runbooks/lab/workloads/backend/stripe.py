# SPDX-License-Identifier: GPL-3.0-or-later
"""Stripe's signature of a webhook event: ``t=<unix time>,v1=<HMAC-SHA256 of "t.body">``, newest scheme only."""

from __future__ import annotations

import hashlib
import hmac
import time

SCHEME = "v1"
TOLERANCE_S = 300


class SignatureError(Exception):
    """The event is not Stripe's, or too old."""


def sign(body: bytes, secret: str, *, timestamp: int | None = None) -> str:
    """Return the header ``Stripe-Signature`` for a body."""
    signed_at = int(time.time()) if timestamp is None else timestamp
    return f"t={signed_at},{SCHEME}={_signature(body, secret, str(signed_at))}"


def verify(body: bytes, header: str | None, secret: str, *, now: float | None = None) -> None:
    """Check an event's signature, as Stripe's libraries do; the texts are theirs.

    Raises:
        SignatureError: it does not hold.
    """
    if not secret:
        raise SignatureError("No webhook secret was provided.")
    if not header:
        raise SignatureError("No stripe-signature header value was provided.")
    items = [item.partition("=") for item in header.split(",")]
    timestamps = [value for key, _, value in items if key.strip() == "t" and value.isdecimal()]
    signatures = [value for key, _, value in items if key.strip() == SCHEME]
    if not timestamps:
        raise SignatureError("Unable to extract timestamp and signatures from header")
    if not signatures:
        raise SignatureError("No signatures found with expected scheme")
    expected = _signature(body, secret, timestamps[0])
    if not any(hmac.compare_digest(expected.encode(), each.encode()) for each in signatures):
        raise SignatureError("No signatures found matching the expected signature for payload.")
    if (time.time() if now is None else now) - int(timestamps[0]) > TOLERANCE_S:
        raise SignatureError("Timestamp outside the tolerance zone")


def _signature(body: bytes, secret: str, timestamp: str) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
