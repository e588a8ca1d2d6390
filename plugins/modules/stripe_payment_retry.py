# SPDX-License-Identifier: GPL-3.0-or-later
"""Try failed payments again, those only that failed on the way to the bank."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stripe_payment_retry
short_description: Try failed payments again that failed on the way to the bank
version_added: 0.1.0
description:
  - B(This module moves money.) It decides for each failed payment of the platform whether it may be tried again, and
    has the platform's own job confirm those that may, in a Ready pod of its workload, batch by batch.
  - A payment may be tried again when its PaymentIntent waits for confirmation or for a payment method, and nobody
    declined it. Its last error must be V(api_connection_error), V(api_error), V(rate_limit_error) or V(lock_timeout),
    or there is none, because nobody knows how it ended. What a bank or Radar declined, what the customer must act upon,
    and what has succeeded, is under way, authorised or cancelled stays as it is.
  - The platform's row and Stripe must agree on amount, currency and mode.
  - Each try has the idempotency key C(inc-INCIDENT:PAYMENT_INTENT:ATTEMPT), so that the same try never counts twice.
  - After each batch every PaymentIntent of it is read again, and what Stripe says counts, not what the job says. A
    circuit breaker ends the run after 3 failures on the way in a row, or when more than half of at least 4 failed. The
    first batch is of 3 payments at most.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  payments:
    description:
      - The failed payments, rows of the platform's own table, each with C(id), C(payment_intent), C(amount) in the
        smallest unit of the currency, C(currency), C(status) and C(created_at).
      - Only rows whose C(status) is V(failed) may be tried again.
      - A row whose C(paid_anew) is true stays. The platform has a later payment for the same, and the customer might
        pay twice. Leave C(paid_anew) out where the platform cannot tell.
    type: list
    elements: dict
    required: true
  since_s:
    description: Seconds since the payment was made; older ones stay. More than a day is refused.
    type: int
    default: 3600
  max_payments:
    description: Try at most this many in one run. More than 500 are refused.
    type: int
    default: 200
  max_total_amount:
    description:
      - What may be moved in one run, by currency, in its smallest unit.
      - Payments in a currency that is not named here stay.
    type: dict
    required: true
  rps:
    description: Requests a second that the job may send to Stripe, at most 20.
    type: float
    default: 2.0
  batch_size:
    description: Payments to try before they are looked at again, at most 10.
    type: int
    default: 10
  incident:
    description: Our identifier of the incident, a part of the idempotency keys.
    type: str
    required: true
  attempt:
    description:
      - Number of this try.
      - Repeating a try with the same number never charges again, and only replays Stripe's first answer, even if that
        was an error of Stripe's. For a new try of what failed give the next number.
    type: int
    default: 1
  kind:
    description: Kind of the workload whose pods have the job.
    type: str
    choices: [Deployment, StatefulSet, DaemonSet]
    default: Deployment
  name:
    description: Name of the workload.
    type: str
    required: true
  container:
    description: The container. It may be left out when the pods have only one.
    type: str
  npm_script:
    description:
      - Script of the application's C(package.json). It takes C(--ids), C(--idempotency-prefix), C(--attempt),
        C(--rps), C(--dry-run) and C(--json), and prints C(payments), a list with C(id) and C(error).
      - With C(--dry-run) it tries none, and prints C(dry_run), V(true); C(everything), V(false) where it was narrowed;
        and C(scope) with the C(ids) that it was narrowed to.
    type: str
    default: jobs:retry-failed-payments
  job_timeout_s:
    description:
      - Seconds to wait for the end of a batch, beyond those that its payments take by O(rps). Then the connection is
        cut, and what became of the payments is read at Stripe.
    type: int
    default: 60
  targets:
    description:
      - The approved plan, RV(targets) of an earlier run in check mode. Only these are tried. One that has succeeded
        meanwhile, or has moved on in another way, is left out; a new one stays.
      - When anything else differs, all is refused with V(plan_changed). An empty list allows nothing.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.stripe
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode Stripe is asked about every payment, the pod is chosen, and nothing runs in it.
  - Before it acts, a dry run of the first batch has to say that the script is narrowed to these payments. Where it
    does not, as of a script that does not know C(--ids), nothing is tried. One that ignores C(--dry-run) as well acts
    all the same, and RV(status) is V(unknown). Try it out by hand, away from production, before it is needed.
  - Payments that were confirmed cannot be taken back by this; a refund is another matter.
  - It needs a key that may read PaymentIntents. It confirms nothing itself; the job does, with the platform's key.
  - It needs C(get) on the workload, C(list) on C(pods) and C(replicasets), and C(create) and C(get) on C(pods/exec).
  - PaymentIntents are read one by one at 5 a second, more than 5 of a run first by a list.
seealso:
  - module: brandconnect.incidents.stripe_payment_intents
  - module: brandconnect.incidents.k8s_exec_job
  - name: Idempotent requests
    description: What an idempotency key does at Stripe.
    link: https://docs.stripe.com/api/idempotent_requests
"""

EXAMPLES = r"""
- name: Which failed payments may be tried again?
  brandconnect.incidents.stripe_payment_retry:
    stripe_api_key: "{{ lookup('ansible.builtin.env', 'STRIPE_RESTRICTED_KEY') }}"
    namespace: brandconnect
    name: backend
    payments: "{{ failed.rows }}"
    max_total_amount: {gbp: 500000, eur: 500000}
    incident: payment-failure-20261124T150000Z
  check_mode: true
  register: plan

- name: Try those again, and no others
  brandconnect.incidents.stripe_payment_retry:
    stripe_api_key: "{{ lookup('ansible.builtin.env', 'STRIPE_RESTRICTED_KEY') }}"
    namespace: brandconnect
    name: backend
    payments: "{{ failed.rows }}"
    max_total_amount: {gbp: 500000, eur: 500000}
    incident: payment-failure-20261124T150000Z
    targets: "{{ plan.targets }}"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do.
    - V(done) when all succeeded or are under way, V(partial) when some did, V(failed) when none did.
    - V(unknown) when it is not known of at least one how it ended.
    - V(nothing_to_do), or V(refused) with the word in RV(refusal).
  returned: success
  type: str
  sample: partial
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: 2 succeeded, 1 failed
refusal:
  description:
    - With V(refused), V(plan_changed), V(no_ready_pod), V(ambiguous_container), V(unknown_container),
      V(invalid_script), V(no_dry_run), V(dry_run_failed) or V(scope_not_kept). With V(nothing_to_do),
      V(none_eligible).
    - Null otherwise.
  returned: success
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-24T15:00:00.110000Z"
candidates:
  description:
    - The table to read before approving. Every payment, oldest first, with C(intent_status) and C(error) as Stripe has
      them, C(eligible), and C(reason) with its C(text).
    - C(reason) is V(retryable), or one of V(invalid_row), V(not_failed), V(no_intent), V(too_old), V(not_in_plan),
      V(duplicate), V(not_found), V(mode_mismatch), V(other_mode), V(other_payment), V(amount_differs),
      V(already_succeeded), V(processing), V(needs_customer), V(requires_capture), V(canceled), V(unknown_status),
      V(declined), V(no_payment_method), V(not_retryable), V(over_max_payments), V(currency_not_allowed) and
      V(over_max_total_amount).
  returned: success
  type: list
  elements: dict
  sample:
    - {payment_id: "118", payment_intent: pi_3MtwBwLkdIwHu7ix28a3tqPa, amount: 4200, currency: gbp,
       created_at: "2026-11-24T14:40:00.000000Z", intent_status: requires_confirmation, error: null, eligible: true,
       reason: retryable, text: "it was not confirmed, and nobody declined it"}
targets:
  description: The payments to try, or with O(targets) those that were given.
  returned: success
  type: list
  elements: dict
  sample:
    - {payment_id: "118", payment_intent: pi_3MtwBwLkdIwHu7ix28a3tqPa, amount: 4200, currency: gbp}
totals:
  description: What they amount to, by currency in its smallest unit.
  returned: success
  type: dict
  sample: {gbp: 4200}
before:
  description: The status of each PaymentIntent before.
  returned: success
  type: dict
  sample: {intents: {pi_3MtwBwLkdIwHu7ix28a3tqPa: requires_confirmation}}
after:
  description: The status of each that was tried, as read again; null where it could not be read. Empty in check mode.
  returned: success
  type: dict
  sample: {intents: {pi_3MtwBwLkdIwHu7ix28a3tqPa: succeeded}}
results:
  description:
    - What became of each, with C(result), C(reason), C(intent_status) and the C(idempotency_key) of the try.
    - C(result) is V(succeeded), V(processing), V(failed), V(needs_customer), V(unknown), V(skipped) for one of the plan
      that has moved on, V(not_attempted) after the circuit breaker, or V(would_retry).
  returned: success
  type: list
  elements: dict
  sample:
    - {payment_id: "118", payment_intent: pi_3MtwBwLkdIwHu7ix28a3tqPa, amount: 4200, currency: gbp, result: succeeded,
       reason: null, intent_status: succeeded,
       idempotency_key: "inc-payment-failure-20261124T150000Z:pi_3MtwBwLkdIwHu7ix28a3tqPa:1"}
breaker:
  description: The circuit breaker, with C(tripped), C(reason), and what it has counted.
  returned: success
  type: dict
  sample: {tripped: false, reason: null, attempted: 1, failed: 0, in_a_row: 0}
caveats:
  description: What to know before approving.
  returned: success
  type: list
  elements: str
  sample: []
pod:
  description: The pod that the job ran in, or would; null when there was none.
  returned: success
  type: str
  sample: backend-7d4b9c-x2x7k
batches:
  description: Batches that were run.
  returned: success
  type: int
  sample: 1
requests:
  description: Requests that were sent to Stripe to look.
  returned: success
  type: int
  sample: 2
cause:
  description: Why Stripe or the cluster could not be asked.
  returned: failure
  type: str
  sample: key_expired
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: the key was rolled or has expired; take the new one from the vault
"""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    check_options,
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.payment_job import PaymentJob
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.payment_retrying import PaymentRetry
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_options import (
    stripe_argument_spec,
    stripe_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    payment_retry_plan,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_retry import Policy
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster

ATTEMPTED = "Choosing payments to try again"
# the blast radius, whatever the options say: option, least, most
LIMITS: tuple[tuple[str, float, float], ...] = (
    ("since_s", 1, 86400),
    ("max_payments", 1, 500),
    ("rps", 0.1, 20),
    ("batch_size", 1, 10),  # the breaker is read after each
    ("attempt", 1, 99),
    ("job_timeout_s", 1, 600),
)
MOST_ROWS = 2000
_INCIDENT = re.compile(r"[A-Za-z0-9._-]{1,80}")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Choose the payments and try them again; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
        StripeError, KubernetesError: Stripe or the cluster cannot be asked; ``details`` say what had been done.
    """
    policy = read_policy(params)
    approved = read_approved(params)
    check_options(params)
    with StripeApi(params, patient=True) as api, ExitStack() as stack:
        # most failed payments are the customer's to try again: then the cluster is not asked at all
        job = PaymentJob(lambda: stack.enter_context(_cluster(params)), params)
        work = PaymentRetry(params, policy, approved, api, job)
        try:
            work.do(check_mode=check_mode)
        except (StripeError, KubernetesError) as error:
            error.details.update(work.plain() | {"reason": work.report.reason or error.message})
            raise
        return work.plain()


def _cluster(params: Mapping[str, Any]) -> Cluster:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import (  # noqa: PLC0415 - see the job
        Cluster,
    )

    return Cluster(params)


def read_policy(params: Mapping[str, Any]) -> Policy:
    """Turn the options into limits.

    Raises:
        IncidentsError: an option makes no sense.
    """
    for option, least, most in LIMITS:
        if not least <= params[option] <= most:  # also true of NaN
            raise IncidentsError(f"{ATTEMPTED}: {option} must be from {least:g} to {most:g}, not {params[option]:g}")
    if not _INCIDENT.fullmatch(params["incident"]):
        raise IncidentsError(f"{ATTEMPTED}: incident must be 1 to 80 letters, digits, dots, dashes and underscores")
    if len(params["payments"]) > MOST_ROWS:
        rows = len(params["payments"])
        raise IncidentsError(f"{ATTEMPTED}: {rows} payments are more than {MOST_ROWS}; shorten the window")
    amounts = {str(name).strip().lower(): _amount(name, value) for name, value in params["max_total_amount"].items()}
    return Policy(params["since_s"], params["max_payments"], amounts, params["stripe_livemode"])


def _amount(currency: Any, value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        msg = f"{ATTEMPTED}: max_total_amount of {str(currency)[:10]} must be a whole number in the smallest unit"
        raise IncidentsError(msg)
    return int(text)


def read_approved(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the approved plan by the platform's numbers.

    Raises:
        IncidentsError: it is none.
    """
    try:
        return payment_retry_plan.read_targets(params["targets"])
    except ValueError as error:
        raise IncidentsError(f"{ATTEMPTED}: targets make no sense: {error}") from error


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **stripe_argument_spec(),
        **kubernetes_argument_spec(),
        "payments": {"type": "list", "elements": "dict", "required": True},
        "since_s": {"type": "int", "default": 3600},
        "max_payments": {"type": "int", "default": 200},
        "max_total_amount": {"type": "dict", "required": True},
        "rps": {"type": "float", "default": 2.0},
        "batch_size": {"type": "int", "default": 10},
        "incident": {"type": "str", "required": True},
        "attempt": {"type": "int", "default": 1},
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
        "container": {"type": "str"},
        "npm_script": {"type": "str", "default": "jobs:retry-failed-payments"},
        "job_timeout_s": {"type": "int", "default": 60},
        "targets": {"type": "list", "elements": "dict"},
    },
    secrets=lambda params: [*stripe_secrets(params), *kubernetes_secrets(params)],
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
