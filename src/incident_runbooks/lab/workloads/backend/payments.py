# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's payments, and the traffic that makes them: a row, a PaymentIntent, its confirmation.

What becomes of a payment is in Stripe's webhook events; the answer decides only when Stripe did not take it.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg

from incident_runbooks.lab.workloads import database
from incident_runbooks.lab.workloads.backend.app import Backend
from incident_runbooks.lab.workloads.backend.pool import PoolUnavailableError
from incident_runbooks.lab.workloads.backend.stripe_client import StripeClient
from incident_runbooks.lab.workloads.stripe_answers import StripeError

CONTEXT = "PaymentsService"
BURST, DECLINES = "payment-burst", "payment-declines"

_GOOD_CARD, _BAD_CARD = "pm_card_visa", "pm_card_chargeDeclined"
_AT_ONCE = 4  # a customer beyond them waits
_POLL_S = 0.25
_DRAIN_S = 4.0  # of the pod's 10 s

_BEGIN = (
    "WITH payment AS (INSERT INTO payments (campaign_id, amount_cents, status, stripe_payment_method_id)"
    " SELECT id, 2500 * (1 + floor(random() * 20)), 'pending', %s FROM campaigns ORDER BY random() LIMIT 1"
    " RETURNING id, amount_cents, currency), audit AS (INSERT INTO audit_logs (action, resource_type, resource_id)"
    " SELECT 'payment.created', 'payment', id::text FROM payment)"
    " SELECT id, amount_cents, lower(currency) FROM payment"
)
_KNOWN = "UPDATE payments SET stripe_payment_intent_id = %s WHERE id = %s"
_FAILED = "UPDATE payments SET status = 'failed' WHERE id = %s AND status = 'pending'"  # an event may have been faster


@dataclass
class Payment:
    """A payment under way: a row, and its PaymentIntent once Stripe has made one."""

    id: int
    amount: int
    currency: str
    card: str
    intent: str | None = None


class Payments:
    """Makes ``PAYMENTS_PER_SECOND`` payments until cancelled, or as many as the fault ``payment-burst`` says.

    Args:
        backend: its pool is asked for a moment at a time, never while Stripe is waited for.
        stripe: takes the payments.
    """

    def __init__(self, backend: Backend, stripe: StripeClient) -> None:
        self._pool, self._journal, self._faults = backend.pool, backend.journal, backend.faults
        self._metrics = backend.metrics.stripe
        self._per_second = backend.settings.payments_per_second
        self._stripe = stripe
        self._under_way: set[asyncio.Task[None]] = set()
        self._bad_cards = 0.0
        self._closing = False

    async def run(self) -> None:
        """Start payments at their rate; when cancelled let those under way end, and fail what does not in time."""
        due = time.monotonic()
        try:
            while True:
                rate, now = self._rate(), time.monotonic()
                due = min(due, now + 1 / rate) if rate else now + _POLL_S
                if rate and due <= now and len(self._under_way) < _AT_ONCE:
                    self._start()
                    due = max(due + 1 / rate, now)
                await asyncio.sleep(min(max(due - now, 0.001), _POLL_S))
        finally:
            await self._drain()

    def _rate(self) -> float:
        burst = self._faults.get(BURST)
        return float(burst["per_second"]) if burst is not None else self._per_second

    def _start(self) -> None:
        task = asyncio.ensure_future(self._pay())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _drain(self) -> None:
        self._closing = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_DRAIN_S)
        late = list(self._under_way)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _pay(self) -> None:
        try:
            await self._stripe.turn()  # who waits for a turn is no payment yet
            if self._closing:
                return
            payment = await self._begin()
            try:
                await self._take(payment)
            except StripeError as error:
                await self._fail(payment, error)
            except asyncio.CancelledError:
                await self._execute(_FAILED, payment.id)
                raise
        except PoolUnavailableError as error:
            self._lost(error.err)
        except psycopg.Error as error:
            self._lost(database.err(error))

    async def _take(self, payment: Payment) -> None:
        """Have Stripe take the money."""
        attempt = f"payment-{payment.id}-{uuid.uuid4()}"
        wanted = {
            "amount": str(payment.amount),
            "currency": payment.currency,
            "payment_method": payment.card,
            "metadata[payment_id]": str(payment.id),
        }
        made = await self._stripe.create(wanted, f"{attempt}:create")
        payment.intent = str(made["id"])
        await self._execute(_KNOWN, payment.intent, payment.id)
        await self._stripe.turn()
        taken = await self._stripe.confirm(payment.intent, {"payment_method": payment.card}, f"{attempt}:confirm")
        status = str(taken.get("status"))
        if status == "succeeded":
            self._metrics.succeeded()
        self._journal.info(CONTEXT, f"payment {payment.id}: {status}", payment=payment.id, intent=payment.intent)

    async def _begin(self) -> Payment:
        card = self._card()
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_BEGIN, [card])).fetchone()
        if row is None:
            raise PoolUnavailableError({"type": "Error", "message": "no campaign to pay for"})
        return Payment(int(row[0]), int(row[1]), str(row[2]), card)

    async def _fail(self, payment: Payment, error: StripeError) -> None:
        self._metrics.failed(error.reason)
        fields = {"payment": payment.id, "intent": payment.intent}
        self._journal.error(CONTEXT, f"{error.kind}: {error.message}", err=error.err(), **fields)
        await self._execute(_FAILED, payment.id)

    async def _execute(self, statement: str, *parameters: Any) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(statement.encode(), parameters)

    def _card(self) -> str:
        """Return the next customer's card: of the declined ones as many as the fault ``payment-declines`` says."""
        declines = self._faults.get(DECLINES)
        self._bad_cards += float(declines["share"]) if declines is not None else 0.0
        if self._bad_cards < 1:
            return _GOOD_CARD
        self._bad_cards -= 1
        return _BAD_CARD

    def _lost(self, err: dict[str, str]) -> None:
        self._journal.error(CONTEXT, f"payment not recorded: {err['message']}", err=err)
