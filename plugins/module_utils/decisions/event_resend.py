# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which missed events may be sent again, when to stop, and how it went. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.event_payments import (
    depends_on_payment,
    superseded,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.events import Event, Sorted
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

Json = dict[str, Any]
Objection = tuple[str, str]  # a stable word and a sentence

METHODS = ("stripe_retry", "local_replay", "reconcile_only")
STRIPE_RETRY, LOCAL_REPLAY, RECONCILE_ONLY = METHODS
DELIVERED, PROCESSED, FAILED, UNKNOWN = "delivered", "already_processed", "failed", "unknown"
NOT_ATTEMPTED = "not_attempted"
LEFT_OPEN = frozenset({FAILED, UNKNOWN, NOT_ATTEMPTED})
TO_COMPARE = frozenset({"superseded", "payment_unknown", "not_final", "too_old", "over_max_events"})
MOST_ATTEMPTS = 99
IN_A_ROW = 3  # failures after which the rest would fail too
LEAST_FOR_A_SHARE = 4
LONGEST_ID = 255
_TEXTS = {
    "superseded": "something later has made it untrue",
    "payment_unknown": "Stripe could not say how its payment stands, so that it may be untrue",
    "not_final": "something later may have made an event of its type untrue, which cannot be seen here",
    "too_old": "it is older than the endpoint, or than Stripe keeps events",
    "young": "it may still be on its way",
    "not_subscribed": "the endpoint does not get events of its type",
    "over_max_events": "more than max_events are missing; the oldest go first",
    "not_in_plan": "it is not in the plan",
}


@dataclass
class Plan:
    """What may be sent again.

    Attributes:
        candidates: oldest first.
        excluded: every other event that the platform has not processed, with the reason as a word.
        processed: targets of the plan that the platform has processed meanwhile.
        objection: why nothing may be sent at all.
    """

    candidates: list[Event] = field(default_factory=list)
    excluded: list[tuple[Event, str]] = field(default_factory=list)
    processed: list[Json] = field(default_factory=list)
    objection: Objection | None = None

    def plain_excluded(self) -> list[Json]:
        """The excluded events as JSON data."""
        return [
            {"event": event.id, "type": event.type, "created": event.created, "reason": word, "text": _TEXTS[word]}
            for event, word in self.excluded
        ]


@dataclass(frozen=True)
class Approved:
    """A plan that a person has seen.

    Attributes:
        targets: by the identifier of the event.
        processed: those of them that the platform has processed meanwhile.
    """

    targets: dict[str, Json]
    processed: frozenset[str]


def approved_targets(given: Iterable[Mapping[str, Any]] | None) -> dict[str, Json] | None:
    """Return the targets of a plan by the identifier of the event; ``None`` for no plan."""
    return None if given is None else {str(each.get("event"))[:LONGEST_ID]: dict(each) for each in given}


def needs_secret(method: str, fallback: str) -> bool:
    """Whether an event may have to be signed here."""
    return method == LOCAL_REPLAY or (method == STRIPE_RETRY and fallback == LOCAL_REPLAY)


def guard(endpoint: Mapping[str, Any], *, idempotent: bool) -> Objection | None:
    """Return why nothing may be sent to an endpoint; ``None`` when it may.

    Args:
        endpoint: facts of Stripe's endpoint.
        idempotent: whether a person confirmed that the handler processes an event once, however often it comes.
    """
    if endpoint["status"] != "enabled":
        return "endpoint_disabled", f"{endpoint['id']} is {endpoint['status']}; enable it first"
    if not idempotent:
        text = "it is not confirmed that the handler processes an event only once; set handler_idempotent when it does"
        return "not_idempotent", text
    return None


def choose(
    found: Sorted, states: Mapping[str, Json], max_events: int, approved: Approved | None, frame: Mapping[str, Any]
) -> Plan:
    """Return what may be sent again.

    Args:
        found: the events by what became of them.
        states: of the payments, by PaymentIntent.
        max_events: how many may be sent.
        approved: what a person has seen, or ``None`` for no plan.
        frame: what every target has in common, such as the endpoint.
    """
    plan = Plan()
    for event in found.missing:
        word = _untrue(event, states)
        if word:
            plan.excluded.append((event, word))
        else:
            plan.candidates.append(event)
    for word, events in (
        ("too_old", found.too_old),
        ("young", found.young),
        ("not_subscribed", found.not_subscribed),
    ):
        plan.excluded += [(event, word) for event in events]
    if approved is not None:
        _hold_to(approved, plan, frame)
    plan.excluded += [(event, "over_max_events") for event in plan.candidates[max_events:]]
    del plan.candidates[max_events:]
    plan.excluded.sort(key=lambda pair: (pair[0].created, pair[0].id))
    return plan


def idempotency_key(incident: str, event: str, attempt: int) -> str:
    """Return the key of a request to send an event again.

    Nothing of it is of the run: within 24 hours Stripe answers a second request with the first one's answer, and sends
    nothing (https://docs.stripe.com/api/idempotent_requests).

    Args:
        attempt: from 1; a higher one is another request, which sends it once more.
    """
    return f"inc-{incident}:{event}" + (f":{attempt}" if attempt > 1 else "")


def target(event: Event, frame: Mapping[str, Any]) -> Json:
    """Return what identifies an event in a plan; nothing in it changes while the event is missing."""
    return {"event": event.id, "type": event.type, "created": rfc3339(event.created), **frame}


def _untrue(event: Event, states: Mapping[str, Json]) -> str | None:
    """Return as a word why an event is untrue, or may be; ``None`` when it is true."""
    untrue = superseded(event, states)
    if untrue is None:
        return "payment_unknown" if depends_on_payment(event) else "not_final"
    return "superseded" if untrue else None


def _hold_to(approved: Approved, plan: Plan, frame: Mapping[str, Any]) -> None:
    """Leave out what is not in the plan; object when the plan has what may not be sent now."""
    now = {event.id: target(event, frame) for event in plan.candidates}
    plan.processed = [each for id_, each in approved.targets.items() if id_ in approved.processed]
    strange = [id_ for id_, each in approved.targets.items() if id_ not in approved.processed and now.get(id_) != each]
    if strange:
        text = f"{len(strange)} of {len(approved.targets)} events may not be sent as planned, {strange[0]} among them"
        plan.objection = "plan_changed", f"{text}; make a new plan"
    plan.excluded += [(event, "not_in_plan") for event in plan.candidates if event.id not in approved.targets]
    plan.candidates = [event for event in plan.candidates if event.id in approved.targets]


def result(
    event: str,
    kind: str,
    became: str,
    reason: str | None = None,
    at: dt.datetime | None = None,
    *,
    replayed: bool = False,
) -> Json:
    """Return what became of an event, as JSON data.

    Args:
        became: one of the words for it, such as ``delivered``.
        at: when it was sent; ``None`` when it was not.
        replayed: whether it came from here and not from Stripe.
    """
    if became == PROCESSED:
        reason = "it was processed meanwhile"
    return {"event": event, "type": kind, "result": became, "reason": reason, "at": at, "replayed": replayed}


def breaker(results: Iterable[Mapping[str, Any]]) -> str | None:
    """Return why to stop; ``None`` to go on. Only what was sent counts."""
    sent = [each["result"] for each in results if each["result"] in (DELIVERED, FAILED, UNKNOWN)]
    last = sent[-IN_A_ROW:]
    if len(last) == IN_A_ROW and DELIVERED not in last:
        return f"{IN_A_ROW} events in a row were not seen to get through"
    bad = len(sent) - sent.count(DELIVERED)
    if len(sent) >= LEAST_FOR_A_SHARE and bad > len(sent) / 2:
        return f"{bad} of {len(sent)} events were not seen to get through"
    return None


def nothing_to_do(plan: Plan) -> Objection:
    """The word and the reason when no event is to be sent."""
    if plan.processed:
        return "already_processed", f"all {len(plan.processed)} events of the plan have been processed meanwhile"
    reasons = Counter(word for _, word in plan.excluded)
    said = ", ".join(f"{count} {word}" for word, count in reasons.most_common())
    return "none_missing", f"no event is to be sent again: {said}" if said else "no event is missing"


def verdict(results: Sequence[Mapping[str, Any]], stopped: str | None) -> tuple[str, str]:
    """Return status and reason of what was done.

    ``unknown``: of one event at least nobody knows whether it was delivered, or whether it will be processed.
    """
    counted = Counter(each["result"] for each in results)
    text = ", ".join(f"{count} {name}" for name, count in counted.most_common())
    if stopped:
        text += f"; stopped, {stopped}"
    if counted[UNKNOWN]:
        return "unknown", text
    if not counted[FAILED] and not counted[NOT_ATTEMPTED]:
        return ("done" if counted[DELIVERED] else "nothing_to_do"), text
    return ("partial" if counted[DELIVERED] else "failed"), text


def compared(reconciliation: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """Return status, reason and, where nothing is missing, the word for it, of a run that only compared."""
    if not reconciliation:
        return "nothing_to_do", "no event is missing", "none_missing"
    counted = Counter(line["agrees"] for line in reconciliation)
    said = f"{len(reconciliation)} payments compared: {counted[True]} agree, {counted[False]} differ"
    return "done", said + (f", of {counted[None]} it is not known" if counted[None] else "")
