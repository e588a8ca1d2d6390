# SPDX-License-Identifier: GPL-3.0-or-later
"""Send events again that the platform has missed."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stripe_event_resend
short_description: Send events again that the platform has missed
version_added: 0.1.0
description:
  - Sends events to the platform's webhook endpoint again that Stripe has not delivered and that the platform has not
    processed, oldest first, one after the other, and sees in the platform's database that each was processed.
  - Right before an event is sent, it is checked once more that it has not been processed meanwhile.
  - Only events are sent that tell something final, such as C(payment_intent.succeeded), and those whose PaymentIntent
    was read and still stands as they say. Events that something later has made untrue, such as a failed attempt of a
    payment that has succeeded since, or may have, such as C(customer.subscription.updated), are not sent.
  - It stops after three events in a row that were not seen to get through, and when more than half of at least four
    were not.
  - What cannot be sent again is compared instead, payment by payment, between Stripe and the platform. Nothing is ever
    written to the platform's database.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  endpoint_id:
    description: Identifier of the platform's endpoint, C(we_...). It must be enabled.
    type: str
    required: true
  method:
    description:
      - V(stripe_retry) asks Stripe to send an event again, by the call that C(stripe events resend) uses. Stripe's
        reference does not name it, so that it may cease to work.
      - V(local_replay) reads the event at Stripe, signs it with the deployed secret, and sends it to the endpoint's
        URL. The event is as it was when Stripe made it.
      - V(reconcile_only) sends nothing and only compares.
    type: str
    choices: [stripe_retry, local_replay, reconcile_only]
    default: reconcile_only
  fallback:
    description: What to do where Stripe does not know the call of O(method=stripe_retry).
    type: str
    choices: [local_replay, reconcile_only]
    default: reconcile_only
  handler_idempotent:
    description:
      - Confirms that the handler processes an event only once, however often it comes, such as by a unique index on
        its identifier. Nothing is sent without.
    type: bool
    default: false
  since_s:
    description: Seconds to look back, at most 2592000, as Stripe keeps events for 30 days.
    type: int
    default: 86400
  min_age_s:
    description: Seconds that an event is given to arrive before it counts as missing.
    type: int
    default: 60
  types:
    description: Only events of these types, at most 20. Without them all.
    type: list
    elements: str
    default: []
  scope:
    description: As O(brandconnect.incidents.stripe_events#module:scope).
    type: str
    choices: [undelivered, all]
    default: undelivered
  max_events:
    description: Send at most this many events in one run. More than 500 are refused.
    type: int
    default: 200
  rps:
    description: Events to send in a second at most, from 0.1 to 10.
    type: float
    default: 2.0
  verify_timeout_s:
    description: Seconds for an event that was sent to be noted as processed.
    type: int
    default: 15
  webhook_url:
    description: Where a local replay sends events to; the endpoint's own URL unless given.
    type: str
  timeout:
    description: Seconds for one delivery of a local replay.
    type: int
    default: 10
  ca_cert:
    description: File with the certificates of the authorities that a local replay trusts, as in
      O(brandconnect.incidents.webhook_probe#module:ca_cert).
    type: path
  secret_name:
    description: Secret that holds what a local replay is signed with. It is read inside the module and never returned.
    type: str
  secret_key:
    description: Key of O(secret_name).
    type: str
  namespace:
    description: Namespace of O(secret_name).
    type: str
    required: false
  kubernetes_ca_cert:
    description: File with the certificates of the authorities that may have signed the API server's certificate.
    type: path
  postgres_ca_cert:
    description: File with the certificates of the authorities that may have signed the database server's certificate.
    type: path
  processed_query:
    description: As O(brandconnect.incidents.stripe_events#module:processed_query).
    type: str
    default: SELECT id FROM public.processed_events WHERE id = ANY(%(ids)s)
  payments_query:
    description:
      - Query for the platform's payments of the PaymentIntents C(%(payment_intents\)s), with the columns C(id),
        C(payment_intent), C(status), C(amount) (in the smallest unit) and C(currency).
      - Tables need their schema.
    type: str
    default: >-
      SELECT id, stripe_payment_intent_id AS payment_intent, status, amount_cents AS amount, currency
      FROM public.payments WHERE stripe_payment_intent_id = ANY(%(payment_intents)s)
  incident:
    description:
      - Identifier of the incident. The idempotency keys consist of it, of the event and of O(attempt), so that a second
        run for the same incident has Stripe send nothing twice within 24 hours.
      - A local replay does not ask Stripe to send. It sends again what was sent before and is not processed yet.
    type: str
    required: true
  attempt:
    description:
      - A number above the last one, up to 99, has Stripe send once more what it took for O(incident) within the last 24
        hours and what is not processed. Give it when that can no longer arrive, as after a repair of the handler.
      - Above 1 it is a part of RV(targets).
    type: int
    default: 1
  targets:
    description:
      - The approved plan, RV(targets) of an earlier run in check mode. Only these are sent. When one of them may not be
        sent any more, nothing is.
      - Those that have been processed meanwhile are skipped. An empty list allows nothing.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.postgres
  - brandconnect.incidents.stripe
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - The restricted key needs to read events, PaymentIntents and webhook endpoints, and with O(method=stripe_retry) to
    write events.
  - The cluster is asked for a local replay only.
  - Probe the endpoint first. Where it refuses what Stripe signs, events fail once more.
seealso:
  - module: brandconnect.incidents.stripe_events
  - module: brandconnect.incidents.webhook_probe
"""

EXAMPLES = r"""
- name: Plan which events to send again
  brandconnect.incidents.stripe_event_resend:
    endpoint_id: we_1Mr5jULkdIwHu7ix1ibLTM0x
    method: stripe_retry
    handler_idempotent: true
    since_s: 7200
    types: [payment_intent.succeeded, payment_intent.payment_failed]
    incident: webhook-failures-20261124T150000Z-3fa1
  check_mode: true
  register: plan

- name: Send them, and no others
  brandconnect.incidents.stripe_event_resend:
    endpoint_id: we_1Mr5jULkdIwHu7ix1ibLTM0x
    method: stripe_retry
    handler_idempotent: true
    since_s: 7200
    types: [payment_intent.succeeded, payment_intent.payment_failed]
    incident: webhook-failures-20261124T150000Z-3fa1
    targets: "{{ plan.targets }}"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to send.
    - V(done) when all of the plan was processed, or with O(method=reconcile_only) when it was compared. V(partial) when
      some was, V(failed) when nothing was, V(unknown) when of one event nobody knows whether it was or will be.
    - V(nothing_to_do) when nothing is missing, V(refused) when a guard stood in the way.
  returned: always, once Stripe was asked
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: always, once Stripe was asked
  type: str
  sample: 12 delivered
refusal:
  description:
    - For V(refused), one of V(endpoint_disabled), V(not_idempotent), V(plan_changed), V(no_secret) and
      V(retry_unsupported). For V(nothing_to_do), V(none_missing) or V(already_processed).
  returned: always, once Stripe was asked
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: always, once Stripe was asked
  type: str
  sample: "2026-11-24T15:20:12.110000Z"
targets:
  description:
    - The events to send, oldest first. With O(targets) those of them that may be sent.
    - C(fallback) is what happens where Stripe does not know the call.
  returned: always, once Stripe was asked
  type: list
  elements: dict
  sample:
    - {event: evt_1NG8Du2eZvKYlo2CUI79vXWy, type: payment_intent.succeeded, created: "2026-11-24T14:20:12.000000Z",
       endpoint: we_1Mr5jULkdIwHu7ix1ibLTM0x, url: "https://api.example.com/api/webhooks/stripe",
       method: stripe_retry, fallback: reconcile_only}
candidates:
  description: The same events, as in RV(brandconnect.incidents.stripe_events#module:missing).
  returned: always, once Stripe was asked
  type: list
  elements: dict
  sample: []
excluded:
  description:
    - Every other event that the platform has not processed, with C(reason) and its C(text).
    - C(reason) is one of V(superseded), V(payment_unknown) (it depends on a PaymentIntent that could not be read),
      V(not_final) (nothing here can tell whether an event of its type is still true), V(too_old), V(young),
      V(not_subscribed), V(not_in_plan) and V(over_max_events).
  returned: always, once Stripe was asked
  type: list
  elements: dict
  sample:
    - {event: evt_1NG8Du2eZvKYlo2CUI79vXWz, type: payment_intent.payment_failed,
       created: "2026-11-24T14:20:10.000000Z", reason: superseded, text: something later has made it untrue}
results:
  description:
    - What became of each event of the plan, with C(result), C(reason), and when it was sent or Stripe was asked to,
      C(at).
    - C(result) is V(delivered) (seen in the database), V(already_processed), V(failed) (Stripe or the handler refused
      it), V(unknown), V(not_attempted) or V(would_resend).
    - V(unknown) is what Stripe or the handler took and what was not processed within O(verify_timeout_s), and what may
      have been taken, as no answer came. A second run sees whether it was processed since.
    - C(replayed) says that the module sent it, not Stripe.
  returned: always, once Stripe was asked
  type: list
  elements: dict
  sample:
    - {event: evt_1NG8Du2eZvKYlo2CUI79vXWy, type: payment_intent.succeeded, result: delivered, reason: null,
       at: "2026-11-24T15:20:13.110000Z", replayed: false}
method_used:
  description: The method in the end, which is the fallback where Stripe does not know the call.
  returned: always, once Stripe was asked
  type: str
  sample: stripe_retry
breaker:
  description: Why it was stopped before all were sent; V(null) when it was not.
  returned: always, once Stripe was asked
  type: str
  sample: null
reconciliation:
  description:
    - How the payments of what is not sent again, or was not seen to get through, stand at Stripe and at the platform.
    - C(agrees) is V(null) where that is not known. C(advice) says what to do, which nothing here does by itself.
  returned: always, once Stripe was asked
  type: list
  elements: dict
  sample:
    - {event: evt_1NG8Du2eZvKYlo2CUI79vXWz, type: payment_intent.payment_failed,
       payment_intent: pi_3MtwBwLkdIwHu7ix28a3tqPa, stripe_status: succeeded, row_id: 4711, row_status: pending,
       amount: 2500, currency: gbp, agrees: false,
       advice: it is succeeded at Stripe and pending at the platform; correct it with finance}
payments:
  description:
    - How the payments of delivered events of the types C(payment_intent.*) stand at Stripe and at the platform, each as
      in RV(reconciliation). They are waited for, for O(verify_timeout_s).
    - A row that says more than the status of a PaymentIntent can, such as that it was refunded, is left out.
  returned: always, once Stripe was asked
  type: list
  elements: dict
  sample:
    - {event: evt_1NG8Du2eZvKYlo2CUI79vXWy, type: payment_intent.succeeded, payment_intent: pi_3MtwBwLkdIwHu7ix28a3tqPb,
       stripe_status: succeeded, row_id: 4712, row_status: succeeded, amount: 2500, currency: gbp, agrees: true,
       advice: null}
truncated:
  description: Whether there are more events than were looked at; those are older.
  returned: always, once Stripe was asked
  type: bool
  sample: false
before:
  description: C(missing) events, and C(status) and C(url) of the endpoint.
  returned: always, once Stripe was asked
  type: dict
  sample: {missing: 12, status: enabled, url: "https://api.example.com/api/webhooks/stripe"}
after:
  description: C(missing) events after.
  returned: always, once Stripe was asked
  type: dict
  sample: {missing: 0, status: enabled, url: "https://api.example.com/api/webhooks/stripe"}
caveats:
  description: What a person should know before approving.
  returned: always, once Stripe was asked
  type: list
  elements: str
  sample: []
calls:
  description: The requests to Stripe, as in RV(brandconnect.incidents.stripe_webhook_endpoints#module:calls).
  returned: always, once Stripe was asked
  type: list
  elements: dict
  sample: []
cause:
  description:
    - Why Stripe, one of the causes in the notes, or the database, as in
      RV(brandconnect.incidents.pg_activity#module:cause), could not be asked.
  returned: failure
  type: str
  sample: forbidden
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: give the restricted key the permission that Stripe names
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import log_in
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import PostgresError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
    postgres_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_event_reads import (
    PAYMENTS_QUERY,
    check_events_options,
    events_argument_spec,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_event_resend import Work
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_options import (
    stripe_argument_spec,
    stripe_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.webhook import checked_ca_cert
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.webhook_secret import signing_argument_spec
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.event_resend import (
    LOCAL_REPLAY,
    METHODS,
    MOST_ATTEMPTS,
    RECONCILE_ONLY,
    needs_secret,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_verdicts import url_problem
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Resending events"
MOST_IN_ONE_RUN = 500  # the blast radius, whatever the options say
RPS = (0.1, 10.0)
_INCIDENT = re.compile(r"[A-Za-z0-9._-]{1,120}")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Choose the events and send them; see RETURN.

    Raises:
        StripeError: Stripe cannot be asked, or does not let this key in; ``details`` say what had been done.
        PostgresError: the database cannot be asked, or not any more; the same.
        IncidentsError: the options make no sense.
    """
    check_options(params)
    database = {**params, "ca_cert": params["postgres_ca_cert"]}
    with StripeApi(params, patient=True) as api, log_in(database, params["statement_timeout"]) as session:
        work = Work(api, session, params)
        try:
            work.do(check_mode=check_mode)
        except (StripeError, PostgresError) as error:
            work.fail(error.message)
            error.details.update(work.plain())
            raise
        return work.plain()


def check_options(params: Mapping[str, Any]) -> None:
    """Refuse options that make no sense.

    Raises:
        IncidentsError: naming the option.
    """
    check_events_options(ATTEMPTED, params, "max_events", MOST_IN_ONE_RUN)
    if not RPS[0] <= params["rps"] <= RPS[1]:  # also true of NaN
        raise IncidentsError(f"{ATTEMPTED}: rps must be from {RPS[0]:g} to {RPS[1]:g}, not {params['rps']:g}")
    for option in ("verify_timeout_s", "timeout"):
        if params[option] < 1:
            raise IncidentsError(f"{ATTEMPTED}: {option} must be 1 second or more, not {params[option]}")
    if not 1 <= params["attempt"] <= MOST_ATTEMPTS:
        raise IncidentsError(f"{ATTEMPTED}: attempt must be from 1 to {MOST_ATTEMPTS}, not {params['attempt']}")
    if not _INCIDENT.fullmatch(params["incident"]):
        raise IncidentsError(f"{ATTEMPTED}: incident is no identifier of an incident; check incident")
    if "%(payment_intents)s" not in params["payments_query"]:
        raise IncidentsError(f"{ATTEMPTED}: payments_query must ask for the identifiers %(payment_intents)s")
    if params["webhook_url"] and (problem := url_problem(params["webhook_url"])):
        raise IncidentsError(f"{ATTEMPTED}: webhook_url {problem}; check webhook_url")
    if needs_secret(params["method"], params["fallback"]):
        missing = [name for name in ("namespace", "secret_name", "secret_key") if not params[name]]
        if missing:
            raise IncidentsError(f"{ATTEMPTED}: a local replay needs {' and '.join(missing)} too")
    checked_ca_cert(ATTEMPTED, params["ca_cert"])


def _secrets(params: Mapping[str, Any]) -> Iterator[str]:
    yield from stripe_secrets(params)
    yield from postgres_secrets(params)
    yield from kubernetes_secrets(params)


_DATABASE = postgres_argument_spec()
SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **signing_argument_spec(),
        **_DATABASE,
        **stripe_argument_spec(),
        **events_argument_spec("max_events", 200),
        "ca_cert": {"type": "path"},
        "postgres_ca_cert": _DATABASE["ca_cert"],
        "endpoint_id": {"type": "str", "required": True},
        "method": {"type": "str", "choices": list(METHODS), "default": RECONCILE_ONLY},
        "fallback": {"type": "str", "choices": [LOCAL_REPLAY, RECONCILE_ONLY], "default": RECONCILE_ONLY},
        "handler_idempotent": {"type": "bool", "default": False},
        "rps": {"type": "float", "default": 2.0},
        "verify_timeout_s": {"type": "int", "default": 15},
        "webhook_url": {"type": "str"},
        "timeout": {"type": "int", "default": 10},
        "payments_query": {"type": "str", "default": PAYMENTS_QUERY},
        "incident": {"type": "str", "required": True},
        "attempt": {"type": "int", "default": 1},
        "targets": {"type": "list", "elements": "dict"},
    },
    secrets=_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
