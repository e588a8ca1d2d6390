# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Stripe says of PaymentIntents, as facts that may be shown: never the client secret, never a card. Pure, no I/O.

Statuses and errors: https://docs.stripe.com/payments/paymentintents/lifecycle and
https://docs.stripe.com/api/payment_intents/object
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

MOST_SHOWN = 20
MOST_ERRORS = 30
MESSAGE_LENGTH = 200
WORD_LENGTH = 64

Json = dict[str, Any]


def intent_facts(intent: Mapping[str, Any]) -> Json:
    """Return what matters of a PaymentIntent; ``amount`` is in the smallest unit of the currency."""
    metadata = _mapping(intent.get("metadata"))
    charge = intent.get("latest_charge")
    return {
        "id": said(intent.get("id")),
        "amount": intent.get("amount") if isinstance(intent.get("amount"), int) else None,
        "currency": said(intent.get("currency")),
        "status": said(intent.get("status")),
        "created_at": instant(intent.get("created")),
        "livemode": intent.get("livemode") if isinstance(intent.get("livemode"), bool) else None,
        "payment_id": said(metadata.get("payment_id")),
        "last_payment_error": error_facts(intent.get("last_payment_error")),
        "next_action": said(_mapping(intent.get("next_action")).get("type")),
        "cancellation_reason": said(intent.get("cancellation_reason")),
        "latest_charge": _charge_facts(charge) if isinstance(charge, Mapping) else said(charge),
    }


def error_facts(error: Any) -> Json | None:
    """Return what matters of a ``last_payment_error``; ``None`` for none."""
    if not isinstance(error, Mapping):
        return None
    words = {name: said(error.get(name)) for name in ("type", "code", "decline_code")}
    return {**words, "message": _text(error.get("message"))}


def error_name(error: Mapping[str, Any] | None) -> str:
    """Return an error as ``type/code/decline_code``, as far as there are such."""
    parts = [str((error or {}).get(name) or "") for name in ("type", "code", "decline_code")]
    return "/".join(part for part in parts if part) or "unknown"


def has_failed(facts: Mapping[str, Any]) -> bool:
    """Whether the last try to pay failed, and nothing has been tried since."""
    return facts["status"] == "requires_payment_method" and facts["last_payment_error"] is not None


def summary(found: Sequence[Mapping[str, Any]], window_s: int, *, truncated: bool) -> Json:
    """Return how payments went.

    Args:
        found: facts of the PaymentIntents of the window.
        truncated: whether there are more, which are older.
    """
    failed = [facts for facts in found if has_failed(facts)]
    return {
        "total": len(found),
        "succeeded": sum(facts["status"] == "succeeded" for facts in found),
        "failed": len(failed),
        "by_status": _counted(str(facts["status"]) for facts in found),
        "by_error": _counted(error_name(facts["last_payment_error"]) for facts in failed),
        "window_s": window_s,
        "truncated": truncated,
    }


def said(value: Any) -> str | None:
    """Return a short word of Stripe's; ``None`` for anything that is no text."""
    return (plain_line(value, WORD_LENGTH) or None) if isinstance(value, str) else None


def instant(value: Any) -> dt.datetime | None:
    """Return the instant of a Unix time."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return dt.datetime.fromtimestamp(value, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _charge_facts(charge: Mapping[str, Any]) -> Json:
    outcome = _mapping(charge.get("outcome"))
    words = {name: said(outcome.get(name)) for name in ("type", "network_status", "reason", "risk_level")}
    return {
        "id": said(charge.get("id")),
        "status": said(charge.get("status")),
        "failure_code": said(charge.get("failure_code")),
        "outcome": {name: said(outcome.get(name)) for name in words}
        | {"message": _text(outcome.get("seller_message"))},
    }


def _counted(names: Iterable[str]) -> dict[str, int]:
    """The most frequent first; the rest, which only hostile data has, is one number."""
    ranked = Counter(names).most_common()
    counts = dict(ranked[:MOST_ERRORS])
    rest = sum(count for _, count in ranked[MOST_ERRORS:])
    return {**counts, "other": counts.get("other", 0) + rest} if rest else counts


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return mask(plain_line(value, MESSAGE_LENGTH)) if isinstance(value, str) else None
