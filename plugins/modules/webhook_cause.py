# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell why webhooks of Stripe fail."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: webhook_cause
short_description: Tell why webhooks of Stripe fail, from the endpoint, the events, the handler and its secret
version_added: 0.1.0
description:
  - Reads what other modules found out about Stripe's endpoint, undelivered events and the platform's handler, and names
    one cause. The first one that is proven counts.
  - What the handler answers to requests of our own now outranks what was logged. Log lines count only while events fail
    as well, because they may be old and because anybody can send forged requests.
  - A disabled endpoint and missing events are named only when nothing is wrong with the way to the handler, because
    what is enabled or sent again before would only fail again.
  - It only computes. It opens no connection.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  probe:
    description: The result of M(brandconnect.incidents.webhook_probe), its URLs named V(public) and V(service).
    type: dict
    default: {}
  endpoints:
    description: The result of M(brandconnect.incidents.stripe_webhook_endpoints) for one endpoint.
    type: dict
    default: {}
  events:
    description: The result of M(brandconnect.incidents.stripe_events).
    type: dict
    default: {}
  processed:
    description:
      - The result of M(brandconnect.incidents.sql_query) with the columns C(type) and C(newest_at), when an event of a
        type was processed last. An event is over when a later one of its type was processed.
    type: dict
    default: {}
  workload:
    description: The result of M(brandconnect.incidents.k8s_workload) for the workload that handles webhooks.
    type: dict
    default: {}
  logs:
    description:
      - The result of M(brandconnect.incidents.k8s_logs) for it, classified into V(signature), V(timestamp), V(header)
        and V(handler). Other classes are ignored.
    type: dict
    default: {}
  stored_secret:
    description:
      - The result of M(brandconnect.incidents.k8s_secret) for the Secret that holds the signing secret, with
        C(workload_name) of the same workload.
    type: dict
    default: {}
  stored_secret_key:
    description: Key of the Secret under which the signing secret is.
    type: str
    default: STRIPE_WEBHOOK_SECRET
  expected_fingerprint:
    description: First 12 digits of the SHA-256 of the signing secret that is to be used, where that is known.
    type: str
  recent_s:
    description: Seconds within which an event must have failed, so that events count as failing now.
    type: float
    default: 300
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.webhook_probe
  - module: brandconnect.incidents.stripe_webhook_endpoints
  - module: brandconnect.incidents.stripe_events
  - module: brandconnect.incidents.sql_query
  - module: brandconnect.incidents.k8s_workload
  - module: brandconnect.incidents.k8s_logs
  - module: brandconnect.incidents.k8s_secret
"""

EXAMPLES = r"""
- name: Tell why webhooks fail
  brandconnect.incidents.webhook_cause:
    probe: "{{ delivery }}"
    endpoints: "{{ endpoint }}"
    events: "{{ undelivered }}"
    workload: "{{ backend }}"
    logs: "{{ backend_logs }}"
    stored_secret: "{{ stripe_keys }}"
  register: why
"""

RETURN = r"""
cause:
  description:
    - V(signature_not_checked) when an event without a signature is taken.
    - V(backend_down) when no pod is ready.
    - V(path_changed) when the URL is not the handler's, redirects, or is not the one that Stripe delivers to.
    - V(edge) when name, certificate, firewall, proxy or ingress stop what the handler would take.
    - V(clock_skew) when fresh signatures count as too old.
    - V(webhook_secret_wrong) when the deployed secret is not the one that Stripe signs with.
    - V(webhook_secret_stale) when it is, and pods use an older one.
    - V(body_altered) when pods reject what is signed with their own secret.
    - V(handler_error) when the handler fails or is too slow.
    - V(mode_mismatch), V(endpoint_missing), V(endpoint_disabled) and V(event_types_missing) for the endpoint at Stripe.
    - V(events_missing) when nothing is wrong now, and events of the past were not processed.
    - V(replay_accepted) when a signature of long ago is taken.
    - V(none) when nothing is wrong, and all that could tell was asked.
    - V(unknown) otherwise, see RV(gaps).
  returned: success
  type: str
  sample: webhook_secret_stale
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: 2 pods started before the Secret was changed and use an older value; signed request bad signature (HTTP 400)
probes:
  description:
    - V(ok) when every URL that was asked answers as it should, V(failing) when one does not, V(unknown) when the public
      one was not asked.
  returned: success
  type: str
  sample: failing
signed:
  description: Whether every URL that was asked took a signed event; V(null) when none was sent.
  returned: success
  type: bool
  sample: false
taken:
  description:
    - Whether something shows that the handler takes what Stripe signs. A signed request was accepted, or the deployed
      secret is the one that it should be.
  returned: success
  type: bool
  sample: true
failing:
  description: Whether events of Stripe fail now; V(null) when that is not known.
  returned: success
  type: bool
  sample: true
missing:
  description: Events that were neither delivered nor processed, oldest first; V(null) when not known.
  returned: success
  type: list
  elements: dict
  sample: [{id: evt_1Pabc, type: payment_intent.succeeded, created: "2026-11-24T15:12:40Z"}]
stored:
  description:
    - How the stored secret compares.
    - V(as_expected) or V(differs), by O(expected_fingerprint), or V(unusable); V(null) when not known.
  returned: success
  type: str
  sample: as_expected
evidence:
  description: What was read, each with C(source).
  returned: success
  type: list
  elements: dict
  sample:
    - {source: probe public, unsigned: verified, signed: bad_signature, stale: null}
    - {source: logs, class: signature, lines: 41}
gaps:
  description: What is needed and not known.
  returned: success
  type: list
  elements: str
  sample: ["undelivered events could not be examined: not asked"]
notes:
  description: What else is not known, without which the cause was decided.
  returned: success
  type: list
  elements: str
  sample: ["no signed request was made, it needs signed_probe"]
"""

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_cause import webhook_cause
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_cause_read import read_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

_RESULTS = ("probe", "endpoints", "events", "processed", "workload", "logs", "stored_secret")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Tell the cause; see RETURN.

    Raises:
        IncidentsError: ``recent_s`` makes no sense.
    """
    recent_s = params["recent_s"]
    if not recent_s >= 0:  # also true of NaN
        raise IncidentsError(f"Telling why webhooks fail: recent_s must not be negative, and is {recent_s:g}")
    facts = read_facts(
        {name: params[name] for name in _RESULTS},
        secret_key=params["stored_secret_key"],
        wanted=params["expected_fingerprint"],
    )
    return webhook_cause(facts, dt.datetime.now(dt.UTC), recent_s)


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        # of the Secret, names and fingerprints only
        **{name: {"type": "dict", "default": {}, "no_log": False} for name in _RESULTS},
        # a name and a fingerprint, no secrets themselves
        "stored_secret_key": {"type": "str", "default": "STRIPE_WEBHOOK_SECRET", "no_log": False},
        "expected_fingerprint": {"type": "str"},
        "recent_s": {"type": "float", "default": 300},
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
