# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Stripe about payments: one, or how the recent ones went."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stripe_payment_intents
short_description: Ask Stripe about one payment, or how the recent ones went
version_added: 0.1.0
description:
  - Reads one PaymentIntent, or lists those of the last O(since_s) seconds and counts how they ended.
  - It is at the same time a probe of Stripe's API. RV(latency_s) and RV(cause) say how it answers right now, which its
    status page says only later.
  - An API that is down, slow or refuses is a result, not a failure of the task.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  payment_intent:
    description: Identifier of the one PaymentIntent to read, such as V(pi_3MtwBwLkdIwHu7ix28a3tqPa).
    type: str
  since_s:
    description: Seconds to look back, at most 30 days. Stripe's clock and time of creation count.
    type: int
    default: 900
  max_items:
    description: List at most this many, the newest. More than 1000 are refused.
    type: int
    default: 200
extends_documentation_fragment:
  - brandconnect.incidents.stripe
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
notes:
  - The client secret of a PaymentIntent and what is known of a card are never returned.
seealso:
  - module: brandconnect.incidents.stripe_status
  - module: brandconnect.incidents.stripe_payment_retry
"""

EXAMPLES = r"""
- name: How did the payments of the last quarter of an hour go?
  brandconnect.incidents.stripe_payment_intents:
    stripe_api_key: "{{ lookup('ansible.builtin.env', 'STRIPE_RESTRICTED_KEY') }}"
  register: api

- name: What happened to this one?
  brandconnect.incidents.stripe_payment_intents:
    stripe_api_key: "{{ lookup('ansible.builtin.env', 'STRIPE_RESTRICTED_KEY') }}"
    payment_intent: pi_3MtwBwLkdIwHu7ix28a3tqPa
"""

RETURN = r"""
reachable:
  description: Whether Stripe did what it was asked.
  returned: success
  type: bool
  sample: true
cause:
  description: Why not, see the notes; null otherwise.
  returned: success
  type: str
  sample: null
message:
  description: What Stripe or the network said to that, in one line.
  returned: success
  type: str
  sample: null
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: null
server_side:
  description:
    - Whether the trouble is on Stripe's side. V(true) for a 5xx, and for no answer within O(stripe_timeout), V(false)
      for any other answer.
    - Null when Stripe was not reached at all.
  returned: success
  type: bool
  sample: false
latency_s:
  description: Seconds that the first answer took; null without one.
  returned: success
  type: float
  sample: 0.182
payment_intents:
  description:
    - The one of O(payment_intent). Otherwise those of the window whose last try to pay failed, newest first, at most
      20.
    - RV(payment_intents[].amount) is in the smallest unit of the currency. RV(payment_intents[].payment_id) is what the
      platform noted in the metadata.
  returned: success
  type: list
  elements: dict
  contains:
    amount:
      description: Amount in the smallest unit of the currency.
      type: int
    payment_id:
      description: The platform's own number of the payment, from the metadata.
      type: str
  sample:
    - id: pi_3MtwBwLkdIwHu7ix28a3tqPa
      amount: 4200
      currency: gbp
      status: requires_payment_method
      created_at: "2026-11-24T14:55:00.000000Z"
      livemode: true
      payment_id: "118"
      last_payment_error:
        type: card_error
        code: card_declined
        decline_code: insufficient_funds
        message: Your card has insufficient funds.
      next_action: null
      cancellation_reason: null
      latest_charge:
        id: ch_3MtwBwLkdIwHu7ix0snN0B15
        status: failed
        failure_code: card_declined
        outcome: {type: issuer_declined, network_status: declined_by_network, reason: insufficient_funds,
                  risk_level: normal, message: The bank did not return any further details with this decline.}
recent:
  description:
    - How the payments of the window went; null with O(payment_intent), and when they could not be listed.
    - RV(recent.failed) are those whose last try failed, by RV(recent.by_error) as type, code and decline code.
  returned: success
  type: dict
  contains:
    total:
      description: Number of PaymentIntents.
      type: int
    succeeded:
      description: Those that succeeded.
      type: int
    failed:
      description: Those whose last try failed.
      type: int
    by_status:
      description: Number by status.
      type: dict
    by_error:
      description: Number of the failed ones by error.
      type: dict
    window_s:
      description: Seconds looked back.
      type: int
    truncated:
      description: Whether there are more, which are older.
      type: bool
  sample:
    total: 40
    succeeded: 35
    failed: 4
    by_status: {succeeded: 35, requires_payment_method: 4, requires_confirmation: 1}
    by_error: {card_error/card_declined/insufficient_funds: 3, card_error/expired_card: 1}
    window_s: 900
    truncated: false
calls:
  description: Every request, with Stripe's identifier of it. A repetition is a request of its own.
  returned: success
  type: list
  elements: dict
  sample:
    - {method: GET, path: /v1/payment_intents, status: 200, request_id: req_3nPmHdZHdEPc2s, duration_s: 0.1822}
"""

import re
import time
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError, problem
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_options import (
    stripe_argument_spec,
    stripe_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import payment_intents as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Asking Stripe about payments"
LONGEST_S = 30 * 86400
MOST_ITEMS = 1000
_ID = re.compile(r"pi_[A-Za-z0-9_]{1,250}")
_SERVER_SIDE = {"server_error": True, "timeout": True, "unreachable": None, "not_configured": None, "unexpected": None}


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask Stripe. A sick API is a result; see RETURN.

    Raises:
        IncidentsError: the options make no sense, or the package is missing.
    """
    _check(params)
    result: dict[str, Any] = {
        "reachable": False,
        **dict.fromkeys(("cause", "message", "hint", "server_side", "latency_s", "recent")),
        "payment_intents": [],
        "calls": [],
    }
    try:
        with StripeApi(params) as api:
            try:
                result |= _look(api, params)
            finally:
                result |= {"calls": api.calls, "latency_s": _latency_s(api)}
    except StripeError as error:
        return result | problem(error.failure) | {"server_side": _server_side(error, sent=bool(result["calls"]))}
    return result | {"reachable": True, "server_side": False}


def _check(params: dict[str, Any]) -> None:
    one = params["payment_intent"]
    if one and not _ID.fullmatch(one):
        raise IncidentsError(f"{ATTEMPTED}: payment_intent is no identifier such as pi_3MtwBwLkdIwHu7ix28a3tqPa")
    for option, most in (("since_s", LONGEST_S), ("max_items", MOST_ITEMS)):
        if not 1 <= params[option] <= most:
            raise IncidentsError(f"{ATTEMPTED}: {option} must be from 1 to {most}, not {params[option]}")


def _look(api: StripeApi, params: dict[str, Any]) -> dict[str, Any]:
    if params["payment_intent"]:
        intent = api.payment_intent(params["payment_intent"], expand=("latest_charge",))
        return {"payment_intents": [decisions.intent_facts(intent)]}
    since = int(time.time()) - params["since_s"]
    intents, more = api.payment_intents(created_gte=since, max_items=params["max_items"])
    facts = [decisions.intent_facts(intent) for intent in intents]
    failed = [each for each in facts if decisions.has_failed(each)]
    return {
        "payment_intents": failed[: decisions.MOST_SHOWN],
        "recent": decisions.summary(facts, params["since_s"], truncated=more),
    }


def _latency_s(api: StripeApi) -> float | None:
    answered = (call["duration_s"] for call in api.calls if call["status"] is not None)
    return next(answered, None)


def _server_side(error: StripeError, *, sent: bool) -> bool | None:
    return _SERVER_SIDE.get(error.cause, False) if sent else None


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **stripe_argument_spec(),
        "payment_intent": {"type": "str"},
        "since_s": {"type": "int", "default": 900},
        "max_items": {"type": "int", "default": 200},
    },
    secrets=stripe_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
