# SPDX-License-Identifier: GPL-3.0-or-later
"""Publish an incident on the status page, update it or resolve it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: statuspage_incident
short_description: Publish an incident on the status page, update it or resolve it
version_added: 0.1.0
description:
  - Opens an incident on an Atlassian Statuspage, or adds an update to the one that was opened for the same
    O(incident). It is found by its metadata among those that are not resolved.
  - When the newest update says the same already, nothing is sent.
  - Sets the status of those components only that are given. Resolving an incident does not make a component
    operational by itself.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  incident:
    description: Our identifier of the incident, kept in the metadata of the one on the page.
    type: str
    required: true
  name:
    description: Title for the public, at most 255 characters. It stays as it was when an incident is updated.
    type: str
    required: true
  state:
    description:
      - What the update says.
      - With V(resolved), an incident that is on the page and resolved is fine, and one that is not there is an error.
    type: str
    choices: [investigating, identified, monitoring, resolved]
    required: true
  body:
    description: Text of the update, for the public; at most 25000 characters.
    type: str
    required: true
  impact:
    description: Impact to show instead of the one that follows from the components.
    type: str
    choices: [none, minor, major, critical]
  components:
    description:
      - Identifiers of components, each with its status. One of V(operational), V(under_maintenance),
        V(degraded_performance), V(partial_outage), V(major_outage).
    type: dict
  deliver_notifications:
    description: Whether the subscribers get a message. This cannot be taken back, so it must be given.
    type: bool
    required: true
extends_documentation_fragment:
  - brandconnect.incidents.statuspage
  - brandconnect.incidents.communications
  - brandconnect.incidents.attributes
seealso:
  - module: brandconnect.incidents.statuspage_component
  - name: Statuspage API
    description: Fields, limits and errors.
    link: https://developer.statuspage.io/
"""

EXAMPLES = r"""
- name: Tell the users
  brandconnect.incidents.statuspage_incident:
    api_key: "{{ lookup('ansible.builtin.env', 'STATUSPAGE_API_KEY') }}"
    page_id: abcdefghijkl
    incident: pool-exhaustion-20261124T150000Z
    name: Slow responses
    state: investigating
    body: Some requests take longer than usual. We are looking into it.
    components:
      mnopqrstuvwx: degraded_performance
    deliver_notifications: true
"""

RETURN = r"""
status:
  description: V(sent), V(unchanged) when the page says it already, or V(planned) in check mode.
  returned: success
  type: str
  sample: sent
created:
  description: Whether a new incident was opened.
  returned: success
  type: bool
  sample: true
incident:
  description: The incident on the page; V(null) in check mode.
  returned: success
  type: dict
  contains:
    id:
      description: Statuspage's identifier.
      type: str
    url:
      description: Where people see it.
      type: str
    status:
      description: V(investigating), V(identified), V(monitoring), V(resolved) or V(postmortem).
      type: str
  sample: {id: abcdefghijkl, url: "https://stspg.io/abcdefghijkl", status: investigating}
payload:
  description: What was or would be sent. In check mode it is what opens a new incident.
  returned: success
  type: dict
  sample: {incident: {name: Slow responses, status: investigating, body: We are looking into it.,
           deliver_notifications: true, metadata: {brandconnect: {incident_id: pool-exhaustion-20261124T150000Z}}}}
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    timeout_argument_spec,
    wanted,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.statuspage import (
    Statuspage,
    check_components,
    statuspage_argument_spec,
    statuspage_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import messages_lookup
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages_payloads import (
    statuspage_incident,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

ENDED = ("resolved", "postmortem")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Publish the update; see RETURN."""
    attempted = f"Publishing incident {plain_line(str(params['incident']), 80)} on Statuspage"
    wanted(attempted, params, "incident", "name", "body")
    check_components(attempted, params.get("components") or {})
    payload = statuspage_incident(params)
    with Statuspage(attempted, params) as page:
        if check_mode:
            return _result("planned", None, payload)
        there = messages_lookup.statuspage_incident(page.unresolved(), params["incident"])
        if there:
            return _update(page, there, payload)
        if params["state"] == "resolved":
            return _result("unchanged", _ended(page, params["incident"]), payload)
        return _result("sent", page.create(payload), payload, created=True)


def _update(page: Statuspage, there: Mapping[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    update = messages_lookup.statuspage_update(there, payload)
    if messages_lookup.statuspage_says_so(there, payload):
        return _result("unchanged", there, update)
    return _result("sent", page.update(there["id"], update), update)


def _ended(page: Statuspage, ours: str) -> Mapping[str, Any]:
    """Return the incident that has been resolved already.

    Raises:
        SendError: there is none; a new incident that is resolved at once would only alarm people.
    """
    there = messages_lookup.statuspage_incident(page.recent(), ours)
    if there is None or there.get("status") not in ENDED:
        raise page.not_found("no incident with this id is on the page, so there is nothing to resolve")
    return there


def _result(
    status: str, incident: Mapping[str, Any] | None, payload: dict[str, Any], *, created: bool = False
) -> dict[str, Any]:
    return {
        "changed": status != "unchanged",
        "status": status,
        "created": created,
        "incident": messages_lookup.statuspage_facts(incident) if incident else None,
        "payload": payload,
    }


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **statuspage_argument_spec(),
        **timeout_argument_spec(),
        "incident": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "state": {
            "type": "str",
            "choices": ["investigating", "identified", "monitoring", "resolved"],
            "required": True,
        },
        "body": {"type": "str", "required": True},
        "impact": {"type": "str", "choices": ["none", "minor", "major", "critical"]},
        "components": {"type": "dict"},
        "deliver_notifications": {"type": "bool", "required": True},
    },
    secrets=statuspage_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
