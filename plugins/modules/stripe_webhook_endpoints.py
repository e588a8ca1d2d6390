# SPDX-License-Identifier: GPL-3.0-or-later
"""See whether Stripe delivers events to the platform's webhook endpoint."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stripe_webhook_endpoints
short_description: See whether Stripe delivers events to the platform's webhook endpoint
version_added: 0.1.0
description:
  - Lists the webhook endpoints of the account, finds the platform's among them, and says what is wrong with it.
  - Stripe shows a signing secret only when an endpoint is made, so that it cannot be compared here. See
    M(brandconnect.incidents.webhook_probe) for that.
  - An API that is down, slow or refuses is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  endpoint_id:
    description: Identifier of the platform's endpoint, C(we_...). Without it the endpoint is found by O(url).
    type: str
  url:
    description:
      - Where the platform takes webhooks. It is compared exactly, as Stripe does not follow redirects.
      - Where no endpoint has it, the only one of the same host is taken for the platform's, with the problem
        V(url_differs). One of another host never is, not even the only one there is.
      - Without it and without O(endpoint_id) the only one there is is taken for the platform's.
    type: str
  required_events:
    description: Types of events that the platform needs.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - brandconnect.incidents.stripe
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.stripe_webhook_endpoint
  - module: brandconnect.incidents.webhook_probe
  - name: Webhook endpoints in Stripe's API
    description: What Stripe knows of an endpoint.
    link: https://docs.stripe.com/api/webhook_endpoints
"""

EXAMPLES = r"""
- name: See whether events are delivered to the platform
  brandconnect.incidents.stripe_webhook_endpoints:
    stripe_api_key: "{{ lookup('ansible.builtin.env', 'STRIPE_RESTRICTED_KEY') }}"
    url: https://api.example.com/api/webhooks/stripe
    required_events: [payment_intent.succeeded, payment_intent.payment_failed]
  register: endpoints
"""

RETURN = r"""
reachable:
  description: Whether Stripe has answered the question.
  returned: success
  type: bool
  sample: true
cause:
  description: Why it has not, one of the causes in the notes; V(null) when it has.
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
endpoints:
  description: All endpoints of the account, newest first. They are like RV(endpoint).
  returned: success
  type: list
  elements: dict
  sample: []
endpoint:
  description: The platform's; V(null) when there is none.
  returned: success
  type: dict
  sample:
    id: we_1Mr5jULkdIwHu7ix1ibLTM0x
    url: https://api.example.com/api/webhooks/stripe
    status: disabled
    enabled_events: [payment_intent.succeeded]
    api_version: 2026-10-28.endive
    livemode: true
    created: "2026-03-01T10:00:00.000000Z"
    description: null
problems:
  description:
    - What is wrong, each with C(problem) and C(message).
    - C(problem) is V(not_found), V(disabled), V(mode), V(url_differs), V(events_missing) or V(duplicates).
  returned: success
  type: list
  elements: dict
  sample:
    - {problem: disabled, message: "we_1Mr5jULkdIwHu7ix1ibLTM0x is disabled, so no event is delivered to it"}
events_missing:
  description: Those of O(required_events) that the endpoint does not get.
  returned: success
  type: list
  elements: str
  sample: [payment_intent.payment_failed]
calls:
  description: The requests to Stripe, each with C(method), C(path), C(status), C(request_id) and C(duration_s).
  returned: success
  type: list
  elements: dict
  sample: [{method: GET, path: /v1/webhook_endpoints, status: 200, request_id: req_8KGQj7YxkZ3pLw, duration_s: 0.12}]
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError, problem
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_options import (
    stripe_argument_spec,
    stripe_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import webhook_endpoints as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask Stripe. A sick API is a result; see RETURN.

    Raises:
        IncidentsError: the package is missing.
    """
    result: dict[str, Any] = {
        "changed": False,
        "reachable": False,
        **dict.fromkeys(("cause", "message", "hint", "endpoint")),
        **{name: [] for name in ("endpoints", "problems", "events_missing", "calls")},
    }
    try:
        with StripeApi(params) as api:
            try:
                listed, _ = api.webhook_endpoints()
            finally:
                result["calls"] = api.calls
    except StripeError as error:
        return result | problem(error.failure)
    return result | {"reachable": True} | _judged([decisions.facts(each) for each in listed], params)


def _judged(endpoints: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    url, required = params["url"] or None, params["required_events"]
    found = decisions.matching(endpoints, params["endpoint_id"] or None, url)
    return {
        "endpoints": endpoints,
        "endpoint": found,
        "problems": decisions.problems(endpoints, found, url, required, livemode=bool(params["stripe_livemode"])),
        "events_missing": decisions.missing_events(found, required),
    }


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **stripe_argument_spec(),
        "endpoint_id": {"type": "str"},
        "url": {"type": "str"},
        "required_events": {"type": "list", "elements": "str", "default": []},
    },
    secrets=stripe_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
