# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell why payments fail."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: payment_cause
short_description: Tell why payments fail, from what Stripe, the pods and the metrics say
version_added: 0.1.0
description:
  - Reads what other modules found out about Stripe and the platform, and names one cause.
  - Stripe's status page lags behind and an own request takes another way than the pods do, so neither is believed
    alone. An error that only some of the pods have is another cause than one that all of them have.
  - Errors count only if a pod that stays has logged one within O(recent_s). Where every log was read, what is in none
    of them is over, whatever a counter of the last minutes says.
  - Declined cards are no failure of a system unless they are most of a high share of failures.
  - It only computes. It opens no connection.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  status:
    description: The result of M(brandconnect.incidents.stripe_status).
    type: dict
    default: {}
  api:
    description: The result of M(brandconnect.incidents.stripe_payment_intents), as the own request to Stripe.
    type: dict
    default: {}
  webhooks:
    description:
      - The result of M(brandconnect.incidents.stripe_webhook_endpoints), for RV(in_the_way) alone. An endpoint that is
        disabled, or not the platform's, leaves the platform without word of what becomes of a payment.
    type: dict
    default: {}
  workload:
    description: The result of M(brandconnect.incidents.k8s_workload) for the workload that calls Stripe.
    type: dict
    default: {}
  logs:
    description:
      - The result of M(brandconnect.incidents.k8s_logs) for it, classified into V(stripe_side), V(auth), V(permission),
        V(mode_mismatch), V(rate_limit), V(lock), V(network), V(idempotency) and V(declines). Other classes are ignored.
    type: dict
    default: {}
  stored_key:
    description:
      - The result of M(brandconnect.incidents.k8s_secret) for the Secret that holds the key, with C(workload_name) of
        the same workload.
    type: dict
    default: {}
  stored_key_name:
    description: Key of the Secret under which the key for Stripe is.
    type: str
    default: STRIPE_SECRET_KEY
  expected_fingerprint:
    description: First 12 digits of the SHA-256 of the key that is to be used, where that is known.
    type: str
  metrics:
    description:
      - The result of M(brandconnect.incidents.prometheus_query) with the queries C(failure_ratio), C(events) (payments
        in the window), C(events_before) (in as long a window before), C(failed_by_reason) (a vector with the label
        C(reason)), C(calls_per_s), C(throttled_ratio) (share of calls answered 429), C(calls_by_status) (a vector with
        the label C(status)) and C(trouble_ratio) (share of payments that failed of late other than for the card).
      - Lines of a log are believed where C(failed_by_reason) or C(calls_by_status) count what fits them. Where neither
        is known, the lines stand alone, and RV(reason) says so.
      - Without it, RV(brandconnect.incidents.stripe_payment_intents#module:recent) of O(api) stands for the shares.
    type: dict
    default: {}
  failure_ratio:
    description: Share of failed payments from which it is an incident.
    type: float
    default: 0.05
  min_events:
    description: Payments below which a share says nothing.
    type: int
    default: 20
  min_lines:
    description: Log lines of a class that count where no share is known.
    type: int
    default: 3
  throttled_ratio:
    description: Share of calls answered 429 from which it is an incident.
    type: float
    default: 0.01
  account_rps:
    description: Requests a second that Stripe takes from the account.
    type: float
    default: 25
  slow_s:
    description: Seconds from which an answer of Stripe is slow.
    type: float
    default: 2
  recent_s:
    description: Seconds within which an error must have been logged to say anything of now.
    type: float
    default: 300
  burst_s:
    description:
      - Seconds of which C(calls_per_s) of O(metrics) is the mean. Stripe limits each second, so a mean below
        O(account_rps) does not clear us.
    type: float
    default: 30
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.stripe_status
  - module: brandconnect.incidents.stripe_payment_intents
  - module: brandconnect.incidents.prometheus_query
  - module: brandconnect.incidents.k8s_logs
  - module: brandconnect.incidents.k8s_secret
"""

EXAMPLES = r"""
- name: Tell why payments fail
  brandconnect.incidents.payment_cause:
    status: "{{ stripe_page }}"
    api: "{{ stripe_intents }}"
    workload: "{{ backend }}"
    logs: "{{ backend_logs }}"
    stored_key: "{{ stripe_keys }}"
    metrics: "{{ payment_metrics }}"
  register: why
"""

RETURN = r"""
cause:
  description:
    - V(stripe_outage) when Stripe itself fails or does not answer.
    - V(rate_limited) when Stripe turns requests away as too many.
    - V(lock_timeout) when requests wait in vain for the same object, which fewer requests do not help against.
    - V(key_rejected) when Stripe refuses the key of the Secret.
    - V(key_stale) when it refuses the key of pods that are older than the Secret.
    - V(permission_denied) when the key may not do what is asked.
    - V(mode_mismatch) when a test key meets live objects, or the other way round.
    - V(egress_broken) when the pods do not reach Stripe although it is up.
    - V(bad_pod) when only some pods get server errors.
    - V(idempotency_conflict) when idempotency keys are used again with other parameters.
    - V(declines) when payments fail because cards are declined.
    - V(no_traffic) when no payment is made any more.
    - V(none) when nothing is wrong now, and all that could tell was asked.
    - V(unknown) otherwise, see RV(gaps).
  returned: success
  type: str
  sample: key_stale
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: Stripe refuses the key, 14 lines of 1 of 2 pods, which started before the Secret was changed
pods:
  description: Names of the pods that it shows on.
  returned: success
  type: list
  elements: str
  sample: [backend-6f9c-x2x4l]
key:
  description:
    - V(as_expected) or V(differs), by O(expected_fingerprint), or V(missing) from the Secret; null when not known.
  returned: success
  type: str
  sample: as_expected
in_the_way:
  description:
    - What speaks against trying failed payments again now, in words. What is not known speaks against it.
    - Empty only if the status page knows of no incident, Stripe answers fast, hardly any call is turned away,
      O(min_events) payments are made and hardly fail, and the webhook endpoint is well.
  returned: success
  type: list
  elements: str
  sample: [Stripe answers slowly]
evidence:
  description: What was read, each with C(source).
  returned: success
  type: list
  elements: dict
  sample:
    - {source: stripe_api, probe: ok}
    - {source: logs, class: auth, lines: 14, pods: [backend-6f9c-x2x4l]}
gaps:
  description: What is not known.
  returned: success
  type: list
  elements: str
  sample: ["Stripe's status page: not asked"]
"""

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_cause import payment_cause
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_cause_facts import Limits
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

_SHARES = ("failure_ratio", "throttled_ratio")
_AT_LEAST_NOUGHT = ("min_events", "min_lines", "account_rps", "slow_s", "recent_s", "burst_s")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Tell the cause; see RETURN.

    Raises:
        IncidentsError: a threshold makes no sense.
    """
    for name in _SHARES:
        if not 0 < params[name] <= 1:  # also true of NaN
            raise IncidentsError(f"Telling why payments fail: {name} is a share above 0 up to 1, not {params[name]:g}")
    for name in _AT_LEAST_NOUGHT:
        if not params[name] >= 0:
            raise IncidentsError(f"Telling why payments fail: {name} must not be negative, and is {params[name]:g}")
    limits = Limits(**{name: params[name] for name in (*_SHARES, *_AT_LEAST_NOUGHT)})
    return payment_cause(params, limits, dt.datetime.now(dt.UTC))


def _found(name: str) -> dict[str, Any]:
    return {name: {"type": "dict", "default": {}}}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **_found("status"),
        **_found("api"),
        **_found("webhooks"),
        **_found("workload"),
        **_found("logs"),
        **_found("stored_key"),
        "stored_key_name": {"type": "str", "default": "STRIPE_SECRET_KEY"},
        "expected_fingerprint": {"type": "str"},
        **_found("metrics"),
        "failure_ratio": {"type": "float", "default": 0.05},
        "min_events": {"type": "int", "default": 20},
        "min_lines": {"type": "int", "default": 3},
        "throttled_ratio": {"type": "float", "default": 0.01},
        "account_rps": {"type": "float", "default": 25},
        "slow_s": {"type": "float", "default": 2},
        "recent_s": {"type": "float", "default": 300},
        "burst_s": {"type": "float", "default": 30},
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
