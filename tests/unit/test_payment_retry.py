# SPDX-License-Identifier: GPL-3.0-or-later
"""Which failed payments may be tried again, what an approved plan allows, what became of them, and when to stop."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_retry import (
    Candidate,
    Policy,
    judge,
    read_row,
    totals,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_retry_outcome import (
    Breaker,
    Job,
    Outcome,
    batches,
    conclude,
    outcome,
    read_job,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_retry_plan import (
    before_asking,
    collect,
    read_targets,
    settle,
)

NOW = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)
POLICY = Policy(since_s=3600, max_payments=200, max_total_amount={"gbp": 100_000, "eur": 100_000}, livemode=False)
API_ERROR = {"type": "api_error", "code": None}
DECLINE = {"type": "card_error", "code": "card_declined", "decline_code": "lost_card"}
KNOWN = Job(known=True, text="the job ended with exit code 0")
LOST = Job(known=False, text="the connection broke")


def row(number: int = 1, **given: Any) -> dict[str, Any]:
    known = {"payment_intent": f"pi_{number}", "amount": 1000, "currency": "gbp", "status": "failed"}
    return {"id": number, "created_at": f"2026-11-24T14:{number % 60:02}:30Z", **known, **given}


def intent(number: int = 1, status: str = "requires_confirmation", **given: Any) -> dict[str, Any]:
    known = {"id": f"pi_{number}", "amount": 1000, "currency": "gbp", "livemode": False}
    return {**known, "status": status, "metadata": {"payment_id": str(number)}, "last_payment_error": None, **given}


def failed(**error: Any) -> dict[str, Any]:
    return intent(status="requires_payment_method", last_payment_error=error)


def target(number: int = 1, **given: Any) -> dict[str, Any]:
    known = {"payment_id": str(number), "payment_intent": f"pi_{number}", "amount": 1000, "currency": "gbp"}
    return {**known, **given}


def decide(
    rows: list[dict[str, Any]],
    intents: list[dict[str, Any]],
    targets: list[dict[str, Any]] | None = None,
    policy: Policy = POLICY,
) -> tuple[dict[str, str], str | None]:
    """Return the reason of each payment, and what speaks against the plan."""
    approved = read_targets(targets)
    candidates = collect(rows, approved)
    by_id = {each["id"]: each for each in intents}
    for candidate in before_asking(candidates, approved, policy, NOW):
        judge(candidate, by_id[str(candidate.row.payment_intent)], policy)
    objection = settle(candidates, approved, policy)
    return {candidate.row.payment_id: candidate.reason for candidate in candidates}, objection


@pytest.mark.parametrize(
    ("stripe_has", "reason"),
    [
        pytest.param(intent(), "retryable", id="never confirmed"),
        pytest.param(failed(type="api_error"), "retryable", id="Stripe failed"),
        pytest.param(failed(type="api_connection_error"), "retryable", id="no connection"),
        pytest.param(failed(type="rate_limit_error"), "retryable", id="throttled"),
        pytest.param(failed(type="invalid_request_error", code="rate_limit"), "retryable", id="throttled by code"),
        pytest.param(failed(type="invalid_request_error", code="lock_timeout"), "retryable", id="locked"),
        pytest.param(
            failed(type="api_error", code="card_declined", decline_code="stolen_card"), "declined", id="says both"
        ),
        pytest.param(failed(type="api_error", decline_code="lost_card"), "declined", id="declined by its other code"),
        pytest.param(intent(last_payment_error="card_error"), "not_retryable", id="an error that is a word"),
        pytest.param(
            intent(last_payment_error=[{"type": "card_error"}]), "not_retryable", id="an error that is a list"
        ),
        pytest.param(intent(metadata="x"), "retryable", id="metadata that is none"),
        pytest.param(intent(last_payment_error=API_ERROR), "retryable", id="failed, and to be confirmed"),
        pytest.param(failed(**DECLINE), "declined", id="lost card"),
        pytest.param(failed(type="card_error", code="expired_card"), "declined", id="expired card"),
        pytest.param(failed(type="card_error", decline_code="insufficient_funds"), "declined", id="no money"),
        pytest.param(failed(type="card_error", code="lock_timeout"), "declined", id="a decline whatever its code"),
        pytest.param(intent(last_payment_error=DECLINE), "declined", id="declined, and to be confirmed"),
        pytest.param(failed(type="invalid_request_error", code="amount_too_small"), "not_retryable", id="our fault"),
        pytest.param(failed(type="idempotency_error"), "not_retryable", id="another key"),
        pytest.param(failed(), "not_retryable", id="an error without words"),
        pytest.param(intent(status="requires_payment_method"), "no_payment_method", id="nothing chosen"),
        pytest.param(intent(status="requires_payment_method", payment_method="pm_1"), "retryable", id="chosen"),
        pytest.param(intent(status="requires_action"), "needs_customer", id="3-D Secure"),
        pytest.param(intent(status="succeeded"), "already_succeeded", id="succeeded"),
        pytest.param(intent(status="processing"), "processing", id="under way"),
        pytest.param(intent(status="canceled"), "canceled", id="cancelled"),
        pytest.param(intent(status="requires_capture"), "requires_capture", id="authorised"),
        pytest.param(intent(status="teapot"), "unknown_status", id="a status of the future"),
        pytest.param(intent(amount=1001), "amount_differs", id="another amount"),
        pytest.param(intent(currency="eur"), "amount_differs", id="another currency"),
        pytest.param(intent(livemode=True), "other_mode", id="live"),
        pytest.param(intent(livemode=None), "other_mode", id="of no mode"),
        pytest.param(intent(metadata={"payment_id": "2"}), "other_payment", id="of another payment"),
        pytest.param(intent(metadata={}), "retryable", id="of no payment"),
    ],
)
def test_stripe_decides_who_may_be_tried_again(stripe_has: dict[str, Any], reason: str) -> None:
    assert decide([row()], [stripe_has]) == ({"1": reason}, None)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"status": "succeeded"}, "not_failed"),
        ({"status": "pending"}, "not_failed"),
        ({"status": None}, "not_failed"),
        ({"payment_intent": None}, "no_intent"),
        ({"payment_intent": ""}, "no_intent"),
        ({"paid_anew": True}, "paid_anew"),
        ({"paid_anew": "false"}, "invalid_row"),
        ({"payment_intent": "pi_1/../x"}, "invalid_row"),
        ({"payment_intent": "unknown"}, "invalid_row"),
        ({"amount": 0}, "invalid_row"),
        ({"amount": -5}, "invalid_row"),
        ({"amount": 10.5}, "invalid_row"),
        ({"amount": True}, "invalid_row"),
        ({"amount": "ten"}, "invalid_row"),
        ({"currency": "pounds"}, "invalid_row"),
        ({"currency": None}, "invalid_row"),
        ({"created_at": "2026-11-24T13:59:59Z"}, "too_old"),
        ({"created_at": "2026-11-24 13:00:00+00"}, "too_old"),
        ({"created_at": None}, "too_old"),
    ],
)
def test_the_platform_decides_first_and_stripe_is_not_asked(given: dict[str, Any], reason: str) -> None:
    assert decide([row(**given)], []) == ({"1": reason}, None)


@pytest.mark.parametrize("number", ["1,2", "1 --force", "", "../x", "ü", "x" * 65, None, True, 1.5, []])
def test_what_is_no_number_never_reaches_the_job(number: Any) -> None:
    found = read_row(row(id=number))
    assert (found.payment_id, found.wrong) == ("", "its id is no number or word")


def test_texts_of_a_template_are_read_too() -> None:
    found = read_row(row(id="118", amount="4200", currency=" GBP "))
    assert (found.payment_id, found.amount, found.currency, found.wrong) == ("118", 4200, "gbp", None)


def test_two_payments_of_one_intent_are_tried_once() -> None:
    rows = [row(1), row(2, payment_intent="pi_1")]
    assert decide(rows, [intent(metadata={})])[0] == {"1": "retryable", "2": "duplicate"}
    again = [row(1), row(1, payment_intent="pi_2")]
    assert [each.reason for each in before_stripe(again)] == ["", "duplicate"]


def before_stripe(rows: list[dict[str, Any]]) -> list[Candidate]:
    candidates = collect(rows, None)
    before_asking(candidates, None, POLICY, NOW)
    return candidates


def test_the_limits_leave_room_for_the_oldest() -> None:
    rows = [row(number) for number in (3, 1, 2)]
    intents = [intent(number) for number in (1, 2, 3)]
    few = Policy(3600, 2, {"gbp": 100_000}, livemode=False)
    assert decide(rows, intents, policy=few)[0] == {"1": "retryable", "2": "retryable", "3": "over_max_payments"}
    little = Policy(3600, 200, {"gbp": 2500}, livemode=False)
    assert decide(rows, intents, policy=little)[0] == {"1": "retryable", "2": "retryable", "3": "over_max_total_amount"}
    other = Policy(3600, 200, {"eur": 2500}, livemode=False)
    assert set(decide(rows, intents, policy=other)[0].values()) == {"currency_not_allowed"}


def test_totals_are_by_currency() -> None:
    rows = [read_row(row(1)), read_row(row(2)), read_row(row(3, currency="eur", amount=5))]
    assert totals(rows) == {"gbp": 2000, "eur": 5}


def test_an_approved_plan_allows_what_it_names() -> None:
    rows, intents = [row(1), row(2)], [intent(1), intent(2)]
    assert decide(rows, intents, [target(1)]) == ({"1": "retryable", "2": "not_in_plan"}, None)
    assert decide(rows, intents, []) == ({"1": "not_in_plan", "2": "not_in_plan"}, None)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (intent(status="succeeded"), "already_succeeded"),
        (intent(status="processing"), "processing"),
        (intent(status="requires_action"), "needs_customer"),
        (intent(status="canceled"), "canceled"),
        (failed(**DECLINE), "declined"),
    ],
)
@pytest.mark.parametrize("rows", [[row()], [row(status="succeeded")], [], [row(created_at="2026-11-24T02:00:00Z")]])
def test_an_approved_payment_that_has_moved_on_is_left_out(
    now: dict[str, Any], reason: str, rows: list[dict[str, Any]]
) -> None:
    assert decide(rows, [now], [target()]) == ({"1": reason}, None)


@pytest.mark.parametrize("rows", [[], [row(status="pending")]], ids=["not listed any more", "pending"])
def test_an_approved_payment_that_the_platform_works_on_is_left_out(rows: list[dict[str, Any]]) -> None:
    assert decide(rows, [intent()], [target()]) == ({"1": "not_failed"}, None)


@pytest.mark.parametrize(
    ("rows", "now", "approved"),
    [
        pytest.param([row(amount=2000)], intent(amount=2000), target(), id="another amount"),
        pytest.param([row(currency="eur")], intent(currency="eur"), target(), id="another currency"),
        pytest.param([row(payment_intent="pi_9")], intent(id="pi_9"), target(), id="another PaymentIntent"),
        pytest.param([row()], intent(amount=2000), target(), id="another amount at Stripe"),
        pytest.param([row()], intent(metadata={"payment_id": "9"}), target(), id="of another payment now"),
        pytest.param([row()], failed(type="idempotency_error"), target(), id="another error"),
        pytest.param([row(payment_intent=None)], intent(), target(), id="without a PaymentIntent"),
    ],
)
def test_a_plan_that_is_not_that_of_now_is_refused_as_a_whole(
    rows: list[dict[str, Any]], now: dict[str, Any], approved: dict[str, Any]
) -> None:
    _, objection = decide([*rows, row(2)], [now, intent(2)], [approved, target(2)])
    assert objection is not None
    assert "payment 1" in objection


def test_a_plan_beyond_the_limits_is_refused() -> None:
    few = Policy(3600, 1, {"gbp": 100_000}, livemode=False)
    _, objection = decide([row(1), row(2)], [intent(1), intent(2)], [target(1), target(2)], few)
    assert objection == "payment 2 may not be tried any more: max_payments allows 1 in one run"


@pytest.mark.parametrize(
    "targets", [[{}], [target(payment_id="a b")], [target(payment_intent=None)], [target(), target()]], ids=str
)
def test_what_is_no_plan_is_refused(targets: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match=r"an element is no target|is there twice"):
        read_targets(targets)


def tried(before: Mapping[str, Any] | None = None) -> Candidate:
    return Candidate(read_row(row()), before or intent(), "retryable")


def said(error: Any = None, status: str = "failed") -> Job:
    document = {"payments": [{"id": 1, "payment_intent": "pi_1", "status": status, "error": error}]}
    return read_job(document, known=True, text=KNOWN.text)


INFRASTRUCTURE = {"type": "StripeAPIError", "code": None}
CARD = {"type": "StripeCardError", "code": "card_declined"}


@pytest.mark.parametrize(
    ("after", "job", "expected"),
    [
        pytest.param(intent(status="succeeded"), said(), ("succeeded", False), id="succeeded"),
        pytest.param(intent(status="succeeded"), said(INFRASTRUCTURE), ("succeeded", False), id="job says otherwise"),
        pytest.param(intent(status="succeeded"), LOST, ("succeeded", False), id="succeeded, job lost"),
        pytest.param(intent(status="processing"), said(), ("processing", False), id="under way"),
        pytest.param(intent(status="requires_capture"), said(), ("processing", False), id="authorised"),
        pytest.param(intent(status="requires_action"), said(), ("needs_customer", False), id="3-D Secure"),
        pytest.param(intent(status="canceled"), said(), ("failed", False), id="cancelled"),
        pytest.param(failed(**DECLINE), said(CARD), ("failed", False), id="declined"),
        pytest.param(failed(**DECLINE), LOST, ("failed", False), id="declined, job lost"),
        pytest.param(failed(**API_ERROR), said(INFRASTRUCTURE), ("failed", True), id="Stripe failed"),
        pytest.param(intent(), said(INFRASTRUCTURE), ("failed", True), id="as before, Stripe failed"),
        pytest.param(intent(), said(), ("failed", True), id="as before, job says nothing"),
        pytest.param(intent(), KNOWN, ("failed", True), id="as before, not in the job's list"),
        pytest.param(intent(), LOST, ("unknown", True), id="as before, job lost"),
        pytest.param(None, said(), ("unknown", True), id="cannot be read"),
        pytest.param(intent(status="teapot"), said(), ("failed", True), id="a status of the future"),
    ],
)
def test_what_stripe_says_afterwards_counts(after: Any, job: Job, expected: tuple[str, bool]) -> None:
    found = outcome(tried(), after, job)
    assert (found.result, found.infrastructure) == expected


@pytest.mark.parametrize("document", [None, [], "x", {"payments": 1}, {"payments": [1, None, {"id": []}]}], ids=str)
def test_a_job_may_print_anything(document: Any) -> None:
    job = read_job(document, known=True, text="the job ended with exit code 1")
    assert outcome(tried(), intent(), job).result == "failed"
    assert outcome(tried(), intent(status="succeeded"), job).result == "succeeded"


def test_the_reason_names_the_error() -> None:
    assert outcome(tried(), failed(**DECLINE), said(CARD)).reason == "card_error/card_declined/lost_card"
    assert outcome(tried(), intent(), said(INFRASTRUCTURE)).reason == "StripeAPIError"
    assert outcome(tried(), intent(), LOST).reason == "the connection broke"


GOOD, BAD, BROKEN = Outcome("succeeded"), Outcome("failed"), Outcome("failed", infrastructure=True)


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ([BROKEN, BROKEN], None),
        ([BROKEN, BROKEN, BROKEN], "3 in a row failed on the way"),
        ([BROKEN, BROKEN, GOOD, BROKEN], "3 of 4 failed"),
        ([BAD, BAD, BAD], None),
        ([BAD, BAD, GOOD, GOOD], None),
        ([BAD, BAD, BAD, GOOD], "3 of 4 failed"),
        ([Outcome("unknown", infrastructure=True)] * 3, "3 in a row failed on the way"),
        ([Outcome("needs_customer")] * 9, None),
    ],
)
def test_the_circuit_breaker(outcomes: list[Outcome], reason: str | None) -> None:
    breaker = Breaker()
    for each in outcomes:
        breaker.note(each)
    assert breaker.reason == reason
    assert breaker.plain()["tripped"] is (reason is not None)


def test_the_first_batch_is_small_and_every_payment_is_in_one() -> None:
    chosen = [Candidate(read_row(row(number))) for number in range(1, 26)]
    assert [len(batch) for batch in batches(chosen, 10)] == [3, 10, 10, 2]
    assert [len(batch) for batch in batches(chosen[:2], 10)] == [2]
    assert [len(batch) for batch in batches(chosen[:4], 1)] == [1, 1, 1, 1]
    assert list(batches([], 10)) == []
    assert list(itertools.chain(*batches(chosen, 7))) == chosen


@pytest.mark.parametrize(
    ("results", "stopped", "status"),
    [
        (["succeeded", "processing"], None, "done"),
        (["succeeded", "skipped"], None, "done"),
        (["succeeded", "failed"], None, "partial"),
        (["succeeded", "needs_customer"], None, "partial"),
        (["failed", "failed", "not_attempted"], "why", "failed"),
        (["succeeded", "unknown"], "why", "unknown"),
        (["skipped"], None, "done"),
    ],
)
def test_how_it_ended(results: list[str], stopped: str | None, status: str) -> None:
    found, text = conclude([{"result": each} for each in results], stopped)
    assert found == status
    assert text.endswith("; stopped: why") is (stopped is not None)


@pytest.mark.parametrize("given", [{"amount": "9" * 5000}, {"amount": 10**5000}, {"id": 10**5000}, {"id": "7" * 5000}])
def test_a_row_with_a_monstrous_number_is_wrong_and_spoils_no_other(given: dict[str, Any]) -> None:
    assert read_row(row(**given)).wrong is not None
