# SPDX-License-Identifier: GPL-3.0-or-later
"""PaymentIntents: create, retrieve, list, update, confirm. See docs.stripe.com/payments/paymentintents/lifecycle."""

from __future__ import annotations

import re
from typing import Any

from incident_runbooks.lab.services.call import Answer
from incident_runbooks.lab.stripe.cards import ASKS_CUSTOMER, DECLINED, Card, card
from incident_runbooks.lab.stripe.context import Asked
from incident_runbooks.lab.stripe.errors import error, missing
from incident_runbooks.lab.stripe.events import Events
from incident_runbooks.lab.stripe.keys import random_id
from incident_runbooks.lab.stripe.lists import page, within
from incident_runbooks.lab.stripe.params import Params
from incident_runbooks.lab.stripe.views import charge_view, intent_view, method_view
from incident_runbooks.lab.stripe.world import Intent, World, newest_first, now

URL = "/v1/payment_intents"

_KIND = "payment_intent"
_EXPANDABLE = ("latest_charge", "payment_method", "customer", "application", "on_behalf_of", "review")
_CURRENCY = re.compile(r"[a-z]{3}")
_LEAST = 50  # minor units: Stripe's minimum for usd and eur
_CAPTURE = ("automatic", "automatic_async", "manual")
_UNEXPECTED = "payment_intent_unexpected_state"

Json = dict[str, Any]


class PaymentIntents:
    """The operations.

    Args:
        world: where they are kept.
        events: what is told of them.
    """

    def __init__(self, world: World, events: Events) -> None:
        self._world = world
        self._events = events

    def create(self, asked: Asked) -> Answer:
        """``POST /v1/payment_intents``, with ``confirm=true`` confirmed at once."""
        params = asked.params()
        params.require("amount", "currency")
        params.check_hash("automatic_payment_methods", ("allow_redirects", "enabled"))
        expand = params.expand(_EXPANDABLE)
        confirm = params.flag("confirm")
        if not confirm and "error_on_requires_action" in params:
            raise error(400, "You cannot set `error_on_requires_action` unless `confirm` is true.", param="confirm")
        id_ = random_id("pi_3")
        intent = Intent(id_, 0, "", "requires_payment_method", now(), random_id(f"{id_}_secret_", 25))
        intent.confirmation_method = params.choice("confirmation_method", ("automatic", "manual")) or "automatic"
        _set(intent, params)
        self._world.add_intent(intent)
        self._events.emit("payment_intent.created", intent_view(intent), asked)
        if confirm:
            self._confirm(intent, params, asked)
        return Answer(200, intent_view(intent, expand))

    def retrieve(self, asked: Asked) -> Answer:
        """``GET /v1/payment_intents/{id}``."""
        params = asked.params()
        return Answer(200, intent_view(self._find(asked.id), params.expand(_EXPANDABLE)))

    def list(self, asked: Asked) -> Answer:
        """``GET /v1/payment_intents``."""
        params = asked.params()
        expand = {each.removeprefix("data.") for each in params.expand(f"data.{each}" for each in _EXPANDABLE)}
        bounds, customer = params.created(), params.text("customer") or params.text("customer_account")
        ordered = newest_first(self._world.intents.values(), lambda each: not each.livemode)
        shown, envelope = page(
            ordered, params, kind=_KIND, url=URL, matches=lambda each: not customer and within(each.created, bounds)
        )
        return Answer(200, {**envelope, "data": [intent_view(each, expand) for each in shown]})

    def update(self, asked: Asked) -> Answer:
        """``POST /v1/payment_intents/{id}``."""
        params = asked.params()
        intent = self._find(asked.id)
        expand = params.expand(_EXPANDABLE)
        if intent.status in ("succeeded", "canceled", "processing") and {"amount", "currency"} & set(params.values):
            text = (
                f"This PaymentIntent's amount could not be updated because it has a status of {intent.status}. You may"
                " only update the amount of a PaymentIntent with one of the following statuses:"
                " requires_payment_method, requires_confirmation, requires_action, requires_capture."
            )
            raise self._unexpected(intent, text)
        _set(intent, params)
        return Answer(200, intent_view(intent, expand))

    def confirm(self, asked: Asked) -> Answer:
        """``POST /v1/payment_intents/{id}/confirm``."""
        params = asked.params()
        intent = self._find(asked.id)
        expand = params.expand(_EXPANDABLE)
        if intent.status in ("succeeded", "requires_capture"):
            text = "it has already succeeded after being previously confirmed."
            raise self._unexpected(intent, f"You cannot confirm this PaymentIntent because {text}")
        if intent.status not in ("requires_payment_method", "requires_confirmation", "requires_action"):
            text = (
                f"it has a status of {intent.status}. Only a PaymentIntent with one of the following statuses may be"
                " confirmed: requires_confirmation, requires_action."
            )
            raise self._unexpected(intent, f"You cannot confirm this PaymentIntent because {text}")
        _set(intent, params)
        self._confirm(intent, params, asked)
        return Answer(200, intent_view(intent, expand))

    def _confirm(self, intent: Intent, params: Params, asked: Asked) -> None:
        of = card(intent.card) if intent.card else None
        if of is None:
            text = (
                "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the"
                " PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a"
                " payment method or ConfirmationToken."
            )
            raise self._unexpected(intent, text)
        if of.outcome == ASKS_CUSTOMER:
            self._ask_customer(intent, params, asked)
            return
        intent.next_action = None
        intent.charge = {
            "id": random_id("ch_3"),
            "created": now(),
            "card": intent.card,
            "payment_method": intent.payment_method,
            "captured": of.outcome != DECLINED and intent.capture_method != "manual",
        }
        if of.outcome == DECLINED:
            self._decline(intent, of, asked)
        intent.last_payment_error = None
        intent.status = "requires_capture" if intent.capture_method == "manual" else "succeeded"
        self._events.emit("charge.succeeded", charge_view(intent), asked)
        told = (
            "payment_intent.amount_capturable_updated"
            if intent.status == "requires_capture"
            else "payment_intent.succeeded"
        )
        self._events.emit(told, intent_view(intent), asked)

    def _ask_customer(self, intent: Intent, params: Params, asked: Asked) -> None:
        absent = params.flag("off_session", or_one_of=("one_off", "recurring"))
        if params.flag("error_on_requires_action") or absent:
            of = Card(DECLINED, "visa", "3184", "authentication_required", "authentication_required")
            intent.charge = None
            self._decline(intent, of, asked)
        intent.status = "requires_action"
        to = params.text("return_url")
        sent = {
            "redirect_to_url": {"return_url": to, "url": f"https://hooks.stripe.com/3d_secure_2/hosted?id={intent.id}"}
        }
        intent.next_action = (
            {"type": "redirect_to_url", **sent}
            if to
            else {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        )
        self._events.emit("payment_intent.requires_action", intent_view(intent), asked)

    def _decline(self, intent: Intent, of: Card, asked: Asked) -> None:
        """Let a payment fail: the intent wants another PaymentMethod, and the answer is 402.

        Raises:
            RefusedError: always.
        """
        message = of.message or "Your card was declined. This transaction requires authentication."
        method = method_view(str(intent.payment_method), intent.card, intent.created, livemode=intent.livemode)
        charge = {"charge": intent.charge["id"]} if intent.charge else {}
        said = {**charge, "code": of.code, "decline_code": of.decline_code}
        if of.advice:
            said["advice_code"] = of.advice
        doc_url = f"https://stripe.com/docs/error-codes/{str(of.code).replace('_', '-')}"
        intent.last_payment_error = {
            **said,
            "doc_url": doc_url,
            "message": message,
            "payment_method": method,
            "type": "card_error",
        }
        intent.status = "requires_payment_method"
        intent.payment_method = intent.card = intent.next_action = None
        if intent.charge:
            self._events.emit("charge.failed", charge_view(intent), asked)
        self._events.emit("payment_intent.payment_failed", intent_view(intent), asked)
        said.pop("code")
        more = {**said, "payment_intent": intent_view(intent), "payment_method": method}
        raise error(402, message, kind="card_error", code=of.code, retry=False, **more)

    def _find(self, id_: str) -> Intent:
        found = self._world.intents.get(id_)
        if found is None or found.livemode:
            raise missing(_KIND, id_, "intent", live=found is not None)
        return found

    @staticmethod
    def _unexpected(intent: Intent, text: str) -> Exception:
        return error(400, text, code=_UNEXPECTED, retry=False, payment_intent=intent_view(intent))


def _set(intent: Intent, params: Params) -> None:
    """Take over what a request says of an intent.

    Raises:
        RefusedError: something is wrong; then nothing was taken over.
    """
    amount = params.integer("amount", least=1)
    currency = params.text("currency")
    if currency is not None and not _CURRENCY.fullmatch(currency.lower()):
        raise error(400, f"Invalid currency: {currency[:20]}.", param="currency")
    if amount is not None and amount < _LEAST:
        text = f"Amount must convert to at least {_LEAST} cents."
        raise error(400, text, code="amount_too_small", param="amount")
    capture = params.choice("capture_method", _CAPTURE)
    method = params.text("payment_method")
    if method and method != intent.payment_method and card(method) is None:
        raise missing("PaymentMethod", method, "payment_method", status=400)
    metadata = params.metadata(intent.metadata)
    texts = {
        name: params.text(name)
        for name in ("description", "receipt_email", "statement_descriptor_suffix")
        if name in params
    }

    intent.amount = amount or intent.amount
    intent.currency = (currency or intent.currency).lower()
    intent.capture_method = capture or intent.capture_method
    intent.metadata = metadata
    for name, value in texts.items():
        setattr(intent, name, value)
    if method and method != intent.payment_method:
        intent.payment_method, intent.card = random_id("pm_1"), method
        if intent.status == "requires_payment_method":
            intent.status = "requires_confirmation"
