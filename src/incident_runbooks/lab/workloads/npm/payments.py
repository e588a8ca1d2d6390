# SPDX-License-Identifier: GPL-3.0-or-later
"""``jobs:retry-failed-payments`` at Stripe: it confirms the PaymentIntents of failed payments again, and makes none."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import psycopg

from incident_runbooks.lab.workloads import stripe_answers
from incident_runbooks.lab.workloads.faults import BACKEND, Faults
from incident_runbooks.lab.workloads.stripe_answers import Json, StripeError

# What the job's options leave of the failed payments
FAILED = (
    "FROM payments WHERE status = 'failed'"
    " AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)"
    " AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s)) ORDER BY id LIMIT %(max)s"
)
_CANDIDATES = f"SELECT id, stripe_payment_intent_id, stripe_payment_method_id {FAILED}"
_OUTCOME = "UPDATE payments SET status = %s WHERE id = %s AND status = 'failed'"  # a webhook may have been faster
# What a PaymentIntent's status makes of the payment; every other one leaves it failed
_ROWS = {
    "succeeded": "succeeded",
    "processing": "pending",
    "requires_action": "pending",
    "requires_capture": "pending",
}
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,160}")
_RPS = 2.0


def read_prefix(text: str) -> str:
    """Return what idempotency keys begin with.

    Raises:
        ValueError: it does not fit into one.
    """
    if not _PREFIX.fullmatch(text):
        raise ValueError(f"{text!r} is no prefix of an idempotency key")
    return text


def read_attempt(text: str) -> int:
    """Return which attempt it is, from 1.

    Raises:
        ValueError: it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is no number of an attempt")
    return int(text)


def read_rate(text: str) -> float:
    """Return how many requests a second Stripe may get.

    Raises:
        ValueError: it is no number more than 0.
    """
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text) or float(text) <= 0:
        raise ValueError(f"{text!r} is no rate")
    return float(text)


def retry(connection: psycopg.Connection[Any], options: Mapping[str, Any], environ: Mapping[str, str]) -> list[Json]:
    """Confirm the PaymentIntent of every failed payment that the options leave; nothing is asked in a dry run.

    Args:
        connection: to the platform's database, in autocommit mode.
        options: of the job. The idempotency key is ``<prefix>:<PaymentIntent>:<attempt>``; without a prefix each call
            of the job is an attempt of its own.
        environ: of the backend.

    Returns:
        For each payment its ``id``, ``payment_intent``, ``status`` (of the row afterwards) and ``error``, which is
        ``None`` or has Stripe's ``type`` and ``code``.

    Raises:
        psycopg.Error: the database refused it.
    """
    rows = connection.execute(_CANDIDATES.encode(), options).fetchall()
    if options["dry-run"]:
        return [_result(row[0], row[1], "failed") for row in rows]
    prefix, attempt = options["idempotency-prefix"] or f"job-{uuid.uuid4()}", options["attempt"] or 1
    stripe, interval_s = _Stripe(environ), 1 / (options["rps"] or _RPS)
    found, due = [], time.monotonic()
    for number, intent, card in rows:
        time.sleep(max(due - time.monotonic(), 0))
        due = max(due, time.monotonic()) + interval_s
        found.append(_try(connection, stripe, (number, intent, card), f"{prefix}:{intent}:{attempt}"))
    return found


def _try(
    connection: psycopg.Connection[Any], stripe: _Stripe, row: tuple[int, str | None, str], idempotency_key: str
) -> Json:
    number, intent, card = row
    if intent is None:
        text = "Stripe made no PaymentIntent for it"
        return _result(number, None, "failed", StripeError("StripeInvalidRequestError", "no_payment_intent", text))
    try:
        status = _ROWS.get(stripe.confirm(intent, card, idempotency_key), "failed")
    except StripeError as error:
        return _result(number, intent, "failed", error)
    connection.execute(_OUTCOME, [status, number])
    return _result(number, intent, status)


def _result(number: int, intent: str | None, status: str, error: StripeError | None = None) -> Json:
    why = None if error is None else {"type": error.type, "code": error.code}
    return {"id": number, "payment_intent": intent, "status": status, "error": why}


class _Stripe:
    """Stripe's API, as the environment names it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        import requests  # noqa: PLC0415 - the other jobs start without it

        self._base = environ["STRIPE_API_URL"].rstrip("/")
        self._timeout_s = int(environ.get("STRIPE_TIMEOUT_MS", "5000")) / 1000
        self._faults = Faults(BACKEND, environ)
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc of whoever started the lab
        self._session.headers["Authorization"] = f"Bearer {environ.get('STRIPE_SECRET_KEY', '')}"

    def confirm(self, intent: str, card: str, idempotency_key: str) -> str:
        """Confirm a PaymentIntent, and return its status.

        Raises:
            StripeError: Stripe declined, refused, failed, or was not reached.
        """
        if (egress := self._faults.get("stripe-egress")) is not None:
            raise stripe_answers.unreachable(str(egress["code"]), self._timeout_s)
        try:
            answer = self._session.post(
                f"{self._base}/v1/payment_intents/{intent}/confirm",
                data={"payment_method": card},
                headers={"Idempotency-Key": idempotency_key},
                timeout=self._timeout_s,
            )
        except (OSError, ValueError) as error:  # what requests raises is an OSError
            raise stripe_answers.unreachable(stripe_answers.code_of(error), self._timeout_s) from error
        found = stripe_answers.content(answer.status_code, answer.headers.get("Request-Id"), answer.content)
        return str(found.get("status"))
