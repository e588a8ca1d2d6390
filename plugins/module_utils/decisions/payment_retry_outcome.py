# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What became of payments that were tried again, and when to stop trying. Pure, no I/O.

What counts is what Stripe says of the PaymentIntent afterwards; the job's own words only tell why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import dry_run
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_intents import (
    error_facts,
    error_name,
    said,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_retry import Candidate

SUCCEEDED, PROCESSING, FAILED, NEEDS_CUSTOMER = "succeeded", "processing", "failed", "needs_customer"
UNKNOWN, SKIPPED, NOT_ATTEMPTED = "unknown", "skipped", "not_attempted"
FIRST_BATCH = 3  # as many as the circuit breaker needs to see that the way is broken
MOST_IN_A_ROW = 3
LEAST_FOR_A_SHARE = 4
_BY_STATUS = {
    "succeeded": SUCCEEDED,
    "processing": PROCESSING,
    "requires_capture": PROCESSING,
    "requires_action": NEEDS_CUSTOMER,
    "canceled": FAILED,
    "requires_payment_method": FAILED,
}
_DECLINES = frozenset({"card_error", "StripeCardError"})  # Stripe's word, and that of its client for Node

Json = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of one payment.

    Attributes:
        result: one of the words above.
        reason: why, in words; ``None`` where there is nothing to say.
        infrastructure: whether it failed on the way, not by an answer of the bank.
    """

    result: str
    reason: str | None = None
    infrastructure: bool = False


@dataclass
class Breaker:
    """The circuit breaker: stops when the way is broken, or when most fail.

    Attributes:
        in_a_row: failures on the way, one after the other.
        attempted: payments tried so far.
        failed: those of them that failed or of which nobody knows.
        reason: why it has tripped; ``None`` while it has not.
    """

    in_a_row: int = 0
    attempted: int = 0
    failed: int = 0
    reason: str | None = None

    def note(self, outcome: Outcome) -> None:
        """Count a payment, in the order in which they were tried."""
        self.attempted += 1
        self.failed += outcome.result in {FAILED, UNKNOWN}
        self.in_a_row = self.in_a_row + 1 if outcome.infrastructure else 0
        if self.in_a_row >= MOST_IN_A_ROW:
            self.reason = self.reason or f"{self.in_a_row} in a row failed on the way"
        elif self.attempted >= LEAST_FOR_A_SHARE and 2 * self.failed > self.attempted:
            self.reason = self.reason or f"{self.failed} of {self.attempted} failed"

    def plain(self) -> Json:
        """For the result."""
        return {
            "tripped": self.reason is not None,
            "reason": self.reason,
            "attempted": self.attempted,
            "failed": self.failed,
            "in_a_row": self.in_a_row,
        }


@dataclass(frozen=True)
class Job:
    """What the platform's job said of a batch.

    Attributes:
        known: whether it is known how it ended.
        text: how it ended, in words.
        payments: what it said of each, by the platform's number.
    """

    known: bool
    text: str
    payments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def batches(chosen: Sequence[Candidate], size: int) -> Iterator[list[Candidate]]:
    """Yield the payments batch by batch; the first one is small."""
    first = min(size, FIRST_BATCH)
    if chosen:
        yield list(chosen[:first])
    for start in range(first, len(chosen), size):
        yield list(chosen[start : start + size])


def read_job(document: Any, *, known: bool, text: str) -> Job:
    """Read the JSON that the job printed; what it says of nothing is no error here."""
    listed = document.get("payments") if isinstance(document, Mapping) else None
    entries = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    return Job(known, text, {str(each.get("id")): each for each in entries})


def read_trial(ended: dry_run.Ended, ids: Sequence[str]) -> dry_run.Trial:
    """Judge the dry run of the job: it has to say that it is narrowed to the payments that it was given."""

    def wrong(said: Mapping[str, Any]) -> str | None:
        scope, wanted = said.get("scope"), set(ids)
        named = scope.get("ids") if isinstance(scope, Mapping) else None
        if said.get("everything") is not False:
            return "it does not say that it was narrowed at all"
        if not isinstance(named, list) or {str(each) for each in named} != wanted:
            return "its answer names other ids than it was given"
        foreign = read_job(said, known=True, text="").payments.keys() - wanted
        return f"it would try {len(foreign)} payments that it was not given" if foreign else None

    return dry_run.judge(ended, wrong)


def outcome(candidate: Candidate, intent: Mapping[str, Any] | None, job: Job) -> Outcome:
    """Return what became of a payment.

    Args:
        intent: as Stripe has it after the batch; ``None`` when it could not be read.
        job: what the job said.
    """
    if intent is None:
        return Outcome(UNKNOWN, "what became of it could not be read at Stripe", infrastructure=True)
    entry = job.payments.get(candidate.row.payment_id)
    status, error = str(intent.get("status")), _error_of(entry)
    if _unchanged(candidate, intent):
        if not job.known:
            return Outcome(UNKNOWN, job.text, infrastructure=True)
        said_of_it = error_name(error) if error else f"it is as it was before; {job.text}"
        return Outcome(FAILED, said_of_it, infrastructure=not _declined(intent, error))
    result = _BY_STATUS.get(status)
    if result is None:
        return Outcome(FAILED, error_name(error) if error else f"its status is {said(status)}", infrastructure=True)
    if result != FAILED:
        return Outcome(result, "the customer must act" if result == NEEDS_CUSTOMER else None)
    if status == "canceled":
        return Outcome(FAILED, "it was cancelled")
    last = error_facts(intent.get("last_payment_error"))
    return Outcome(FAILED, error_name(last or error), infrastructure=not _declined(intent, error))


def conclude(results: Sequence[Mapping[str, Any]], stopped: str | None) -> tuple[str, str]:
    """Return how it ended, as the status of a report, and in words."""
    counts = Counter(str(each["result"]) for each in results)
    words = ", ".join(f"{count} {name}" for name, count in counts.items())
    text = words + (f"; stopped: {stopped}" if stopped else "")
    if counts[UNKNOWN]:
        return "unknown", text
    if counts[SUCCEEDED] + counts[PROCESSING] == 0 and counts[FAILED]:
        return "failed", text
    if counts[FAILED] or counts[NEEDS_CUSTOMER] or counts[NOT_ATTEMPTED]:
        return "partial", text
    return "done", text


def _error_of(entry: Mapping[str, Any] | None) -> Json | None:
    error = (entry or {}).get("error")
    return {name: said(error.get(name)) for name in ("type", "code")} if isinstance(error, Mapping) else None


def _unchanged(candidate: Candidate, intent: Mapping[str, Any]) -> bool:
    before = candidate.intent or {}
    return all(before.get(name) == intent.get(name) for name in ("status", "last_payment_error"))


def _declined(intent: Mapping[str, Any], error: Json | None) -> bool:
    """Whether the bank or Radar said no: by what the job was answered, or else by what Stripe notes."""
    if error is not None:
        return error["type"] in _DECLINES
    last = error_facts(intent.get("last_payment_error"))
    return last is not None and last["type"] == "card_error"
