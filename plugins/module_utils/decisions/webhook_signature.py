# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Sign a webhook as Stripe does, and make the event that a probe sends. Pure, no I/O.

https://docs.stripe.com/webhooks/signature
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

HEADER = "Stripe-Signature"
PREFIX = "whsec_"
PROBE_TYPE = "brandconnect.runbook.probe"
TOLERANCE_S = 300  # of Stripe's libraries
STALE_S = 2 * TOLERANCE_S


def signature(secret: str, body: bytes, timestamp: int) -> str:
    """Return the header ``Stripe-Signature``.

    Args:
        secret: the endpoint's, as a whole: ``whsec_`` belongs to the key.
        body: what is sent, byte for byte.
        timestamp: Unix time in seconds; what is older than :data:`TOLERANCE_S` is to be refused.
    """
    signed = f"{timestamp}.".encode() + body
    return f"t={timestamp},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def encoded(event: Mapping[str, Any]) -> bytes:
    """Return an event as the body of a delivery: indented, as Stripe sends it."""
    return json.dumps(event, indent=2, ensure_ascii=False).encode()


def probe_event(identifier: str, created: int) -> dict[str, Any]:
    """Return an event of a type that no handler knows, so that nothing comes of it.

    Args:
        identifier: what makes it the only one.
        created: Unix time in seconds.
    """
    return {
        "id": f"evt_runbook_{identifier}",
        "object": "event",
        "api_version": None,
        "created": created,
        "data": {"object": {"id": f"runbook_probe_{identifier}", "object": "runbook_probe"}},
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": PROBE_TYPE,
    }


def secret_problems(value: str) -> list[str]:
    """Return what is wrong with a signing secret by its looks: ``empty``, ``whitespace``, ``no_whsec_prefix``."""
    if not value.strip():
        return ["empty"]
    problems = ["whitespace"] if value != value.strip() else []
    return problems if value.strip().startswith(PREFIX) else [*problems, "no_whsec_prefix"]
