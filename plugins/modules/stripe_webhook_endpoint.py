# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a disabled webhook endpoint of Stripe get events again."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stripe_webhook_endpoint
short_description: Let a disabled webhook endpoint of Stripe get events again
version_added: 0.1.0
description:
  - Enables a webhook endpoint, only if it is disabled, and reads it again to see that it is enabled.
  - Events that were made while it was disabled are not delivered by that. See
    M(brandconnect.incidents.stripe_events) for which are missing.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  endpoint_id:
    description: Identifier of the endpoint, C(we_...).
    type: str
    required: true
  state:
    description: What it is to be.
    type: str
    choices: [enabled]
    default: enabled
  url:
    description:
      - Where the platform takes webhooks, its own public URL. When the endpoint delivers to another one, it is not the
        platform's, and nothing is changed. It is compared exactly, as Stripe does not follow redirects.
      - Without it the endpoint may be anybody's.
    type: str
  incident:
    description: Identifier of the incident. It is a part of the idempotency key.
    type: str
    required: true
  targets:
    description:
      - The approved plan, RV(targets) of an earlier run in check mode. Nothing is changed when it would be another one
        now.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.stripe
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - The restricted key needs the permission to write webhook endpoints.
seealso:
  - module: brandconnect.incidents.stripe_webhook_endpoints
  - module: brandconnect.incidents.stripe_event_resend
"""

EXAMPLES = r"""
- name: Let Stripe deliver events again
  brandconnect.incidents.stripe_webhook_endpoint:
    stripe_api_key: "{{ lookup('ansible.builtin.env', 'STRIPE_RESTRICTED_KEY') }}"
    endpoint_id: we_1Mr5jULkdIwHu7ix1ibLTM0x
    url: https://api.example.com/api/webhooks/stripe
    incident: webhook-failures-20261124T150000Z-3fa1
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when it is disabled; V(done) when it was enabled and is seen to be.
    - V(nothing_to_do) when it is enabled, V(refused) when it is not what the plan was made for, or not of O(url).
    - In a failure, V(failed), or V(unknown) when nobody said whether it was enabled.
  returned: always, once Stripe was asked
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: always, once Stripe was asked
  type: str
  sample: we_1Mr5jULkdIwHu7ix1ibLTM0x is enabled
refusal:
  description:
    - V(url_differs) or V(plan_changed) for V(refused), V(enabled_already) for V(nothing_to_do); V(null) otherwise.
    - V(url_differs) comes first, of an endpoint that is enabled too.
  returned: always, once Stripe was asked
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: always, once Stripe was asked
  type: str
  sample: "2026-11-24T15:20:12.110000Z"
targets:
  description: The endpoint, when there is something to do.
  returned: always, once Stripe was asked
  type: list
  elements: dict
  sample:
    - {endpoint: we_1Mr5jULkdIwHu7ix1ibLTM0x, url: "https://api.example.com/api/webhooks/stripe", status: disabled}
before:
  description: C(status) and C(url) before.
  returned: always, once Stripe was asked
  type: dict
  sample: {status: disabled, url: "https://api.example.com/api/webhooks/stripe"}
after:
  description: The same after.
  returned: always, once Stripe was asked
  type: dict
  sample: {status: enabled, url: "https://api.example.com/api/webhooks/stripe"}
results:
  description: What became of it, with C(endpoint), C(result) and C(reason).
  returned: always, once Stripe was asked
  type: list
  elements: dict
  sample: [{endpoint: we_1Mr5jULkdIwHu7ix1ibLTM0x, result: enabled, reason: null}]
caveats:
  description: What a person should know before approving.
  returned: always, once Stripe was asked
  type: list
  elements: str
  sample: [events that were made while it was disabled are not delivered by enabling it]
calls:
  description: The requests to Stripe, as in RV(brandconnect.incidents.stripe_webhook_endpoints#module:calls).
  returned: always, once Stripe was asked
  type: list
  elements: dict
  sample: []
cause:
  description: Why Stripe could not be asked or refused, one of the causes in the notes.
  returned: failure
  type: str
  sample: forbidden
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: give the restricted key the permission that Stripe names
"""

import datetime as dt
import re
import uuid
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_options import (
    stripe_argument_spec,
    stripe_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import webhook_endpoints
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report, same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_verdicts import url_problem
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Enabling a webhook endpoint"
NOT_DELIVERED = "events that were made while it was disabled are not delivered by enabling it"
_INCIDENT = re.compile(r"[A-Za-z0-9._-]{1,120}")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Enable the endpoint; see RETURN.

    Raises:
        StripeError: Stripe cannot be asked, or refuses; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    if not _INCIDENT.fullmatch(params["incident"]):
        raise IncidentsError(f"{ATTEMPTED}: incident is no identifier of an incident; check incident")
    if params["url"] and (problem := url_problem(params["url"])):
        raise IncidentsError(f"{ATTEMPTED}: url {problem}; check url")
    report = Report(dt.datetime.now(dt.UTC))
    with StripeApi(params, patient=True) as api:
        with recording_progress(lambda: report.plain() | {"calls": api.calls}, StripeError):
            _act(api, params, report, check_mode=check_mode)
        return {**report.plain(), "calls": api.calls}


def _act(api: StripeApi, params: dict[str, Any], report: Report, *, check_mode: bool) -> None:
    id_ = params["endpoint_id"]
    found = webhook_endpoints.facts(api.webhook_endpoint(id_))
    report.before = report.after = _shown(found)
    if objection := webhook_endpoints.url_objection(found, params["url"]):
        report.end("refused", objection, webhook_endpoints.URL_DIFFERS)
        _note(report, id_, "not_attempted", objection)
        return
    if found["status"] == webhook_endpoints.ENABLED:
        report.end("nothing_to_do", f"{id_} is enabled", "enabled_already")
        return
    report.targets = [{"endpoint": id_, "url": found["url"], "status": found["status"]}]
    report.caveats = [NOT_DELIVERED]
    if not same_targets(params["targets"], report.targets):
        report.end("refused", f"{id_} is not what the plan was made for; make a new plan", "plan_changed")
        _note(report, id_, "not_attempted", report.reason)
        return
    report.changed = True
    if check_mode:
        report.end("planned", f"{id_} would be enabled")
        _note(report, id_, "would_enable", None)
        return
    _enable(api, params, report)


def _enable(api: StripeApi, params: dict[str, Any], report: Report) -> None:
    id_ = params["endpoint_id"]
    lost: StripeError | None = None
    try:
        # a key of this run: an older answer must not be replayed when it was disabled again since
        api.enable_webhook_endpoint(id_, f"inc-{params['incident']}:{id_}:{uuid.uuid4().hex}")
    except StripeError as error:
        report.changed = error.failure.may_have_happened
        report.end("unknown" if report.changed else "failed", error.message)
        _note(report, id_, "unknown" if report.changed else "failed", error.failure.text)
        if not report.changed:
            raise
        lost = error
    found = _seen(api, id_, report, lost)
    report.after = _shown(found)
    if found["status"] == webhook_endpoints.ENABLED:
        report.end("done", f"{id_} is enabled")
        _note(report, id_, "enabled", "Stripe did not answer, and it is enabled" if lost else None)
    elif lost:
        raise lost
    else:
        report.end("failed", f"Stripe answered with success, and {id_} is {found['status']}")
        _note(report, id_, "failed", report.reason)


def _seen(api: StripeApi, id_: str, report: Report, lost: StripeError | None) -> dict[str, Any]:
    """Read the endpoint again; when that fails too, it is not known what it is."""
    try:
        return webhook_endpoints.facts(api.webhook_endpoint(id_))
    except StripeError as error:
        report.end("unknown", error.message)
        _note(report, id_, "unknown", error.failure.text)
        raise lost or error from None


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    return {"status": found["status"], "url": found["url"]}


def _note(report: Report, id_: str, result: str, reason: str | None) -> None:
    report.results = [{"endpoint": id_, "result": result, "reason": reason}]


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **stripe_argument_spec(),
        "endpoint_id": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["enabled"], "default": "enabled"},
        "url": {"type": "str"},
        "incident": {"type": "str", "required": True},
        "targets": {"type": "list", "elements": "dict"},
    },
    secrets=stripe_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
