# SPDX-License-Identifier: GPL-3.0-or-later
"""Trigger, acknowledge or resolve an alert by PagerDuty's Events API v2."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pagerduty_event
short_description: Trigger, acknowledge or resolve an alert by PagerDuty's Events API v2
version_added: 0.1.0
description:
  - Sends one event. Events with the same O(dedup_key) belong to one alert, so that sending one again does not page
    twice while the alert is open.
  - RV(status=sent) says that PagerDuty took the event. It does not say that somebody was paged. PagerDuty drops an
    event that acknowledges or resolves an alert that is not open, and says so to nobody.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  event:
    description: What the event does.
    type: str
    choices: [trigger, acknowledge, resolve]
    default: trigger
  dedup_key:
    description: Identifies the alert, such as the identifier of the incident; at most 255 characters.
    type: str
    required: true
  summary:
    description: What is wrong, in one line. Required to trigger; what is longer than 1024 characters is cut.
    type: str
  source:
    description: What has the problem, such as a host or a service. Required to trigger.
    type: str
  severity:
    description: How bad it is.
    type: str
    choices: [critical, error, warning, info]
    default: critical
  component:
    description: Part of the source that has the problem.
    type: str
  group:
    description: What the source belongs to.
    type: str
  class:
    description: Kind of the problem.
    type: str
  custom_details:
    description: Further facts. Left out, and replaced by a remark, if larger than PagerDuty takes.
    type: dict
  links:
    description: Addresses shown with the alert.
    type: list
    elements: dict
    suboptions:
      href:
        description: The address.
        type: str
        required: true
      text:
        description: What is shown of it; the address unless given.
        type: str
extends_documentation_fragment:
  - brandconnect.incidents.pagerduty.events
  - brandconnect.incidents.communications
  - brandconnect.incidents.attributes
seealso:
  - module: brandconnect.incidents.pagerduty_incident
  - name: Events API v2
    description: Fields, limits and answers.
    link: https://developer.pagerduty.com/docs/events-api-v2/overview
"""

EXAMPLES = r"""
- name: Page the on-call engineer
  brandconnect.incidents.pagerduty_event:
    routing_key: "{{ lookup('ansible.builtin.env', 'PAGERDUTY_ROUTING_KEY') }}"
    dedup_key: pool-exhaustion-20261124T150000Z
    summary: Connection pool of brandconnect is exhausted
    source: postgres.brandconnect
    severity: critical

- name: End it
  brandconnect.incidents.pagerduty_event:
    routing_key: "{{ lookup('ansible.builtin.env', 'PAGERDUTY_ROUTING_KEY') }}"
    event: resolve
    dedup_key: pool-exhaustion-20261124T150000Z
"""

RETURN = r"""
status:
  description: V(sent), or V(planned) in check mode.
  returned: success
  type: str
  sample: sent
dedup_key:
  description: Identifies the alert.
  returned: success
  type: str
  sample: pool-exhaustion-20261124T150000Z
message:
  description: What PagerDuty said to it; V(null) in check mode.
  returned: success
  type: str
  sample: Event processed
payload:
  description: What was or would be sent, without the routing key.
  returned: success
  type: dict
  sample: {event_action: resolve, dedup_key: pool-exhaustion-20261124T150000Z}
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import timeout_argument_spec
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.pagerduty import (
    check_event,
    enqueue,
    events_argument_spec,
    pagerduty_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages_payloads import pagerduty_event
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

DOING = {"trigger": "Triggering", "acknowledge": "Acknowledging", "resolve": "Resolving"}


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Send the event; see RETURN."""
    attempted = f"{DOING[params['event']]} alert {plain_line(str(params['dedup_key']), 80)} on PagerDuty"
    check_event(attempted, params)
    payload = pagerduty_event(params)
    result = {"changed": True, "dedup_key": params["dedup_key"], "payload": payload}
    if check_mode:
        return result | {"status": "planned", "message": None}
    receipt = enqueue(attempted, params, payload)
    return result | {
        "status": "sent",
        "message": plain_line(str(receipt.get("message") or ""), 200),
    }


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **events_argument_spec(),
        **timeout_argument_spec(),
        "event": {"type": "str", "choices": ["trigger", "acknowledge", "resolve"], "default": "trigger"},
        "dedup_key": {"type": "str", "required": True, "no_log": False},
        "summary": {"type": "str"},
        "source": {"type": "str"},
        "severity": {"type": "str", "choices": ["critical", "error", "warning", "info"], "default": "critical"},
        "component": {"type": "str"},
        "group": {"type": "str"},
        "class": {"type": "str"},
        "custom_details": {"type": "dict"},
        "links": {
            "type": "list",
            "elements": "dict",
            "options": {"href": {"type": "str", "required": True}, "text": {"type": "str"}},
        },
    },
    secrets=pagerduty_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
