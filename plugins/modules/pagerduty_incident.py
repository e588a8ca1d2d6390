# SPDX-License-Identifier: GPL-3.0-or-later
"""Open, acknowledge or resolve an incident by PagerDuty's REST API."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pagerduty_incident
short_description: Open, acknowledge or resolve an incident by PagerDuty's REST API
version_added: 0.1.0
description:
  - Opens an incident, or finds the one that is open with the same O(incident_key) and leaves it as it is.
  - Acknowledges or resolves the incident with O(incident_key).
  - Adds a note, unless the incident has the same one.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  service_id:
    description:
      - Identifier of the service, V(PXXXXXX). Required for O(state=triggered).
      - For the other states it limits the search to this service.
    type: str
  title:
    description: What is wrong, in one line. Required for O(state=triggered).
    type: str
  urgency:
    description: How the on-call engineer is notified.
    type: str
    choices: [high, low]
    default: high
  incident_key:
    description: Identifies the incident; PagerDuty keeps one open incident for it on a service.
    type: str
    required: true
  details:
    description: Text of a new incident.
    type: str
  state:
    description: What the incident is to be. V(as_it_is) changes nothing, as for a O(note) at one whatever its state.
    type: str
    choices: [triggered, acknowledged, resolved, as_it_is]
    default: triggered
  note:
    description: Text to add to the incident.
    type: str
extends_documentation_fragment:
  - brandconnect.incidents.pagerduty
  - brandconnect.incidents.communications
  - brandconnect.incidents.attributes
seealso:
  - module: brandconnect.incidents.pagerduty_event
  - name: REST API
    description: Fields, limits and errors.
    link: https://developer.pagerduty.com/api-reference/
"""

EXAMPLES = r"""
- name: Open an incident
  brandconnect.incidents.pagerduty_incident:
    api_key: "{{ lookup('ansible.builtin.env', 'PAGERDUTY_API_KEY') }}"
    from_email: oncall@example.com
    service_id: PABC123
    incident_key: pool-exhaustion-20261124T150000Z
    title: Connection pool of brandconnect is exhausted

- name: Resolve it
  brandconnect.incidents.pagerduty_incident:
    api_key: "{{ lookup('ansible.builtin.env', 'PAGERDUTY_API_KEY') }}"
    from_email: oncall@example.com
    incident_key: pool-exhaustion-20261124T150000Z
    state: resolved
    note: Idle sessions were ended, the pool has room again.
"""

RETURN = r"""
status:
  description:
    - V(sent) when an incident was opened or its state was changed.
    - V(already_open) when O(state=triggered) and one with this key was open.
    - V(unchanged) when it was acknowledged or resolved already, or with O(state=as_it_is).
    - V(planned) in check mode.
  returned: success
  type: str
  sample: sent
incident:
  description: The incident; V(null) in check mode.
  returned: success
  type: dict
  contains:
    id:
      description: PagerDuty's identifier.
      type: str
    number:
      description: The number that people see.
      type: int
    url:
      description: Where people see it.
      type: str
    status:
      description: V(triggered), V(acknowledged) or V(resolved).
      type: str
  sample: {id: Q0123456789ABC, number: 42, url: "https://example.pagerduty.com/incidents/Q0123456789ABC",
           status: triggered}
note_added:
  description: Whether O(note) was added; V(false) too when the incident had it.
  returned: success
  type: bool
  sample: false
payload:
  description: What was or would be sent, C(incident) and with O(note) also C(note).
  returned: success
  type: dict
  sample: {incident: {type: incident_reference, status: resolved}}
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    timeout_argument_spec,
    wanted,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.pagerduty import (
    PagerDuty,
    pagerduty_argument_spec,
    pagerduty_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import messages_lookup
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages_payloads import (
    pagerduty_incident,
    pagerduty_note,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

DOING = {"triggered": "Opening", "acknowledged": "Acknowledging", "resolved": "Resolving", "as_it_is": "Finding"}

STATES = list(DOING)


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the incident into its state; see RETURN."""
    key = plain_line(str(params["incident_key"]), 80)
    attempted = f"{DOING[params['state']]} incident {key} on PagerDuty"
    wanted(attempted, params, "incident_key", *(("service_id", "title") if params["state"] == "triggered" else ()))
    payload = pagerduty_incident(params)
    note = pagerduty_note(params)
    result = {"changed": True, "note_added": False, "payload": payload | (note or {})}
    with PagerDuty(attempted, params) as service:
        if check_mode:
            return result | {"status": "planned", "incident": None}
        incident, status = _reach(service, params, payload)
        facts = messages_lookup.pagerduty_facts(incident)
        added = _note(service, facts, note)
    return result | {"changed": status == "sent" or added, "status": status, "incident": facts, "note_added": added}


def _reach(service: PagerDuty, params: dict[str, Any], payload: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the incident in its state, and the module's status."""
    if params["state"] == "triggered":
        opened = service.open(params["incident_key"], payload)
        if opened:
            return opened, "sent"
    there = service.find(params["incident_key"], params.get("service_id"))
    if params["state"] == "triggered":
        return service.must_be_open(there), "already_open"
    if params["state"] == "as_it_is":
        return service.must_exist(there), "unchanged"
    if there and there.get("status") == params["state"]:
        return there, "unchanged"
    if params["state"] == "acknowledged":
        there = service.must_be_open(there)
    return service.change(service.must_exist(there)["id"], payload), "sent"


def _note(service: PagerDuty, facts: dict[str, Any], note: dict[str, Any] | None) -> bool:
    """Add the note unless it is there; a failure tells the incident that has been reached."""
    if not note:
        return False
    try:
        if service.has_note(facts["id"], note["note"]["content"]):
            return False
        service.add_note(facts["id"], note)
    except SendError as error:
        error.details["incident"] = facts
        raise
    return True


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **pagerduty_argument_spec(),
        **timeout_argument_spec(),
        "service_id": {"type": "str"},
        "title": {"type": "str"},
        "urgency": {"type": "str", "choices": ["high", "low"], "default": "high"},
        "incident_key": {"type": "str", "required": True, "no_log": False},
        "details": {"type": "str"},
        "state": {"type": "str", "choices": STATES, "default": "triggered"},
        "note": {"type": "str"},
    },
    secrets=pagerduty_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
