# SPDX-License-Identifier: GPL-3.0-or-later
"""GET /api/payments/{id}: what the database has of a payment, and what Stripe says of it at this moment."""

from __future__ import annotations

from aiohttp import web

from incident_runbooks.lab.workloads.backend.app import BACKEND, problem
from incident_runbooks.lab.workloads.backend.campaigns import ask, is_id
from incident_runbooks.lab.workloads.backend.stripe_client import StripeClient
from incident_runbooks.lab.workloads.stripe_answers import StripeError

_PAYMENT = "SELECT id, status, amount_cents, stripe_payment_intent_id FROM payments WHERE id = %s"
_STRIPE = web.AppKey("stripe", StripeClient)


def add_routes(app: web.Application, stripe: StripeClient) -> None:
    """Add the route.

    Args:
        app: of the backend.
        stripe: is asked, without a connection of the pool being held meanwhile.
    """
    app[_STRIPE] = stripe
    app.router.add_get("/api/payments/{id}", _payment)


async def _payment(request: web.Request) -> web.Response:
    backend, wanted = request.app[BACKEND], request.match_info["id"]
    if not is_id(wanted):
        return problem(400, "id must be an id")
    async with backend.pool.connection() as connection:
        rows = await ask(backend, connection, _PAYMENT, [wanted])
    if not rows:
        return problem(404, "Payment not found")
    id_, status, amount, intent = rows[0]
    found = {"id": id_, "status": status, "amount_cents": amount, "stripe_status": None}
    if intent is None:
        return web.json_response(found)
    try:
        said = await request.app[_STRIPE].retrieve(intent)
    except StripeError as error:
        backend.journal.error("PaymentsService", f"{error.kind}: {error.message}", err=error.err(), payment=id_)
        return problem(502, "Bad Gateway")
    return web.json_response(found | {"stripe_status": said.get("status")})
