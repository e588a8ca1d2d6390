# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The payments to try again: those of now, or those of an approved plan held against what is so now. Pure, no I/O.

Of an approved plan, what has moved on is left out, what is new stays, and anything else that differs refuses the whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_retry import (
    FAILED,
    NOT_FAILED,
    PAID_ANEW,
    Candidate,
    Policy,
    Row,
    by_age,
    limit,
    read_row,
    refused_by_row,
)

Json = dict[str, Any]
Approved = Mapping[str, Json]

# Reasons for which an approved payment is left out, as it has moved on; all others mean that the plan has changed
_MOVED_ON = frozenset(
    {
        *("already_succeeded", "processing", "needs_customer", "requires_capture", "canceled", "declined"),
        *(NOT_FAILED[0], PAID_ANEW[0]),
    }
)


def read_targets(targets: Sequence[Mapping[str, Any]] | None) -> dict[str, Json] | None:
    """Return the approved payments by the platform's number; ``None`` when there is no plan.

    Raises:
        ValueError: an element is no target, or two are of one payment.
    """
    if targets is None:
        return None
    approved: dict[str, Json] = {}
    for given in targets:
        row = read_row(given)
        if row.wrong or row.payment_intent is None:
            raise ValueError(f"an element is no target: {row.wrong or 'it has no payment_intent'}")
        if row.payment_id in approved:
            raise ValueError(f"payment {row.payment_id} is there twice")
        approved[row.payment_id] = row.target
    return approved


def collect(payments: Sequence[Mapping[str, Any]], approved: Approved | None) -> list[Candidate]:
    """Return the payments to decide on, oldest first.

    An approved one that the platform does not list as failed any more is among them: Stripe says what became of it.
    """
    rows = [read_row(payment) for payment in payments]
    listed = {row.payment_id for row in rows}
    gone = [target for payment_id, target in (approved or {}).items() if payment_id not in listed]
    rows += [Row(**target, status="", created_at=None) for target in gone]
    return by_age(Candidate(row) for row in rows)


def before_asking(
    candidates: Iterable[Candidate], approved: Approved | None, policy: Policy, now: dt.datetime
) -> list[Candidate]:
    """Decide on those that need no look at Stripe, and return the others."""
    seen: set[str] = set()
    rest = []
    for candidate in candidates:
        row = candidate.row
        planned = approved is not None and row.payment_id in approved
        refused = None if planned and row.payment_intent else refused_by_row(row, policy, now)
        if refused:
            candidate.decide(*refused)
        elif row.paid_anew:
            candidate.decide(*PAID_ANEW)
        elif approved is not None and not planned:
            candidate.decide("not_in_plan", "the approved plan does not name it")
        elif seen & {row.payment_id, row.payment_intent}:
            candidate.decide("duplicate", "another row has the same number or the same PaymentIntent")
        else:
            seen |= {row.payment_id, str(row.payment_intent)}
            rest.append(candidate)
    return rest


def settle(candidates: Sequence[Candidate], approved: Approved | None, policy: Policy) -> str | None:
    """Apply the limits, and return why the approved plan is not that of now; ``None`` for nothing."""
    for candidate in candidates:
        if candidate.eligible and candidate.row.status != FAILED:
            candidate.decide(*NOT_FAILED)
    limit(candidates, policy)
    by_id = {candidate.row.payment_id: candidate for candidate in candidates}
    for payment_id, target in (approved or {}).items():
        candidate = by_id[payment_id]
        if candidate.row.target != target:
            return f"payment {payment_id} is not what the plan was made for"
        if not candidate.eligible and candidate.reason not in _MOVED_ON:
            return f"payment {payment_id} may not be tried any more: {candidate.text}"
    return None
