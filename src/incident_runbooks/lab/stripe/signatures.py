# SPDX-License-Identifier: GPL-3.0-or-later
"""How Stripe signs what it delivers. See docs.stripe.com/webhooks#verify-manually."""

from __future__ import annotations

import hashlib
import hmac


def signature(secret: str, body: bytes, at: int) -> str:
    """Return the value of the header ``Stripe-Signature``.

    Args:
        secret: of the endpoint, with its prefix ``whsec_``.
        body: as it is sent.
        at: the time of this attempt in Unix seconds; receivers refuse what is older than 300 s.
    """
    signed = f"{at}.".encode() + body
    return f"t={at},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
