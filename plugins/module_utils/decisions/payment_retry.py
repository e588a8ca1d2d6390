# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which failed payments may be tried again, and why the others may not. Pure, no I/O.

Only what failed on the way is tried again: a decline is the bank's answer, a customer who must act is asked by the
platform, and what has succeeded must never be confirmed twice. Statuses:
https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_intents import (
    error_facts,
    error_name,
    said,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import in_utc, parse_instant

Json = dict[str, Any]

FAILED = "failed"  # what the platform's row says of a payment that may be tried again
# Errors of the way to the bank, by type or, where the type says little, by code: https://docs.stripe.com/error-codes
_ON_THE_WAY = frozenset({"api_connection_error", "api_error", "rate_limit_error", "rate_limit", "lock_timeout"})
_CONFIRMABLE = frozenset({"requires_confirmation", "requires_payment_method"})
_OTHER_STATUSES = {
    "succeeded": ("already_succeeded", "it has succeeded"),
    "processing": ("processing", "it is under way"),
    "requires_action": ("needs_customer", "the customer must act"),
    "requires_capture": ("requires_capture", "it is authorised and waits to be captured"),
    "canceled": ("canceled", "it was cancelled"),
}
NOT_FAILED = ("not_failed", f"the platform does not say {FAILED} of it any more")
PAID_ANEW = ("paid_anew", "there is a later payment for the same, and the customer might pay twice")
_PAYMENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_INTENT_ID = re.compile(r"pi_[A-Za-z0-9_]{1,150}")
_CURRENCY = re.compile(r"[a-z]{3}")
LARGEST = 2**63  # of PostgreSQL's bigint
LONGEST = 64


@dataclass(frozen=True)
class Row:
    """A payment as the platform's table has it.

    Attributes:
        payment_id: the platform's number of it, as text; it goes to the job.
        payment_intent: Stripe's identifier; ``None`` when the platform knows none.
        amount: in the smallest unit of the currency.
        currency: three letters in lower case.
        status: the platform's word.
        created_at: ``None`` when the row does not say.
        paid_anew: whether the platform has a later payment for the same.
        wrong: what is wrong with the row itself; ``None`` for nothing.
    """

    payment_id: str
    payment_intent: str | None
    amount: int
    currency: str
    status: str
    created_at: dt.datetime | None
    paid_anew: bool = False
    wrong: str | None = None

    @property
    def target(self) -> Json:
        """What an approval names."""
        return {
            "payment_id": self.payment_id,
            "payment_intent": self.payment_intent,
            "amount": self.amount,
            "currency": self.currency,
        }


@dataclass(frozen=True)
class Policy:
    """The limits.

    Attributes:
        since_s: seconds since the payment was made; older ones stay.
        max_payments: how many may be tried at most.
        max_total_amount: what may be moved at most, by currency in its smallest unit; a currency that is not named may
            not be moved at all.
        livemode: the mode that the platform works in.
    """

    since_s: int
    max_payments: int
    max_total_amount: Mapping[str, int]
    livemode: bool


@dataclass
class Candidate:
    """A payment, and whether it may be tried again.

    Attributes:
        row: as the platform has it.
        intent: as Stripe has it; ``None`` when it was not read.
        reason: a stable word, ``retryable`` or why not.
        text: the same in words.
    """

    row: Row
    intent: Mapping[str, Any] | None = None
    reason: str = ""
    text: str = ""

    @property
    def eligible(self) -> bool:
        """Whether it may be tried again."""
        return self.reason == "retryable"

    def decide(self, reason: str, text: str) -> None:
        """Note what becomes of it."""
        self.reason, self.text = reason, text

    def plain(self) -> Json:
        """The line of the table that a person reads before approving."""
        intent = self.intent or {}
        return {
            **self.row.target,
            "created_at": self.row.created_at,
            "intent_status": said(intent.get("status")),
            "error": error_facts(intent.get("last_payment_error")),
            "eligible": self.eligible,
            "reason": self.reason,
            "text": self.text,
        }


def read_row(given: Mapping[str, Any]) -> Row:
    """Read a row of the platform's table; one that makes no sense says so in ``wrong``."""
    intent = given.get("payment_intent")
    amount, currency = given.get("amount"), str(given.get("currency") or "").strip().lower()
    number = given.get("id", given.get("payment_id"))
    payment_id = _short(number)
    counted = _short(amount).isascii() and _short(amount).isdigit()
    row = Row(
        payment_id=payment_id if _PAYMENT_ID.fullmatch(payment_id) else "",
        payment_intent=str(intent) if intent and _INTENT_ID.fullmatch(str(intent)) else None,
        amount=int(_short(amount)) if counted else 0,
        currency=currency if _CURRENCY.fullmatch(currency) else "",
        status=str(given.get("status") or "")[:40],
        created_at=_instant(given.get("created_at")),
        paid_anew=given.get("paid_anew") is True,
    )
    return replace(row, wrong=_wrong(row, intent, given.get("paid_anew")))


def _short(value: Any) -> str:
    """Return a number or word as text; nothing for what is neither, or longer than any that there is."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return ""
    if isinstance(value, int):
        return str(value) if abs(value) < LARGEST else ""
    return value if len(value) <= LONGEST else ""


def _wrong(row: Row, intent: Any, paid_anew: Any) -> str | None:
    if not row.payment_id:
        return "its id is no number or word"
    if row.amount <= 0 or not row.currency:
        return "its amount or currency makes no sense"
    if paid_anew is not None and not isinstance(paid_anew, bool):
        return "whether it was paid anew is neither true nor false"
    return "its payment_intent is no identifier such as pi_3Mtw" if intent and not row.payment_intent else None


def _instant(value: Any) -> dt.datetime | None:
    if isinstance(value, dt.datetime):
        return in_utc(value)
    return parse_instant(value)


def refused_by_row(row: Row, policy: Policy, now: dt.datetime) -> tuple[str, str] | None:
    """Return why the platform's own row rules a payment out, as a word and in words; ``None`` when it does not."""
    if row.wrong:
        return "invalid_row", row.wrong
    if row.status != FAILED:
        return NOT_FAILED
    if row.payment_intent is None:
        return "no_intent", "the platform knows no PaymentIntent of it; it would be a new payment"
    if row.created_at is None or (now - row.created_at).total_seconds() > policy.since_s:
        return "too_old", f"it was not made within the last {policy.since_s} s"
    return None


def judge(candidate: Candidate, intent: Mapping[str, Any], policy: Policy) -> None:
    """Decide on a payment by its PaymentIntent as Stripe has it now."""
    candidate.intent = intent
    row = candidate.row
    status = str(intent.get("status"))
    metadata = intent.get("metadata")
    belongs_to = metadata.get("payment_id") if isinstance(metadata, Mapping) else None
    if intent.get("id") != row.payment_intent or intent.get("livemode") is not policy.livemode:
        candidate.decide("other_mode", "the PaymentIntent is not of the mode that the platform works in")
    elif belongs_to is not None and str(belongs_to) != row.payment_id:
        candidate.decide("other_payment", "the PaymentIntent says that it belongs to another payment")
    elif (intent.get("amount"), intent.get("currency")) != (row.amount, row.currency):
        candidate.decide("amount_differs", "Stripe has another amount or currency than the platform")
    elif status in _OTHER_STATUSES:
        candidate.decide(*_OTHER_STATUSES[status])
    elif status not in _CONFIRMABLE:
        candidate.decide("unknown_status", "its status is not known")
    else:
        candidate.decide(*_by_error(intent, status))


def _by_error(intent: Mapping[str, Any], status: str) -> tuple[str, str]:
    given = intent.get("last_payment_error")
    if given is not None and not isinstance(given, Mapping):
        return "not_retryable", "what it failed for cannot be read"
    error = error_facts(given)
    if error is None:
        if status == "requires_payment_method" and not intent.get("payment_method"):
            return "no_payment_method", "the customer has chosen no way to pay yet"
        return "retryable", "it was not confirmed, and nobody declined it"
    if error["type"] == "card_error" or error["code"] == "card_declined" or (given or {}).get("decline_code"):
        return "declined", f"it was declined: {error_name(error)}"
    if {error["type"], error["code"]} & _ON_THE_WAY:
        return "retryable", f"it failed on the way: {error_name(error)}"
    return "not_retryable", f"it failed for another reason: {error_name(error)}"


def limit(candidates: Sequence[Candidate], policy: Policy) -> None:
    """Let those stay that the limits do not leave room for; the oldest go first."""
    left = dict(policy.max_total_amount)
    count = 0
    for candidate in candidates:
        if not candidate.eligible:
            continue
        row = candidate.row
        if count >= policy.max_payments:
            candidate.decide("over_max_payments", f"max_payments allows {policy.max_payments} in one run")
        elif row.currency not in left:
            candidate.decide("currency_not_allowed", f"max_total_amount names no amount in {row.currency}")
        elif row.amount > left[row.currency]:
            allowed = policy.max_total_amount[row.currency]
            candidate.decide("over_max_total_amount", f"max_total_amount allows {allowed} in {row.currency} in one run")
        else:
            left[row.currency] -= row.amount
            count += 1


def by_age(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return them oldest first."""
    last = dt.datetime.max.replace(tzinfo=dt.UTC)
    return sorted(candidates, key=lambda each: (each.row.created_at or last, each.row.payment_id))


def totals(rows: Iterable[Row]) -> dict[str, int]:
    """Return what they amount to, by currency in its smallest unit."""
    amounts: dict[str, int] = {}
    for row in rows:
        amounts[row.currency] = amounts.get(row.currency, 0) + row.amount
    return amounts
