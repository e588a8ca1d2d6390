# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the status of a component of the status page."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: statuspage_component
short_description: Set the status of a component of the status page
version_added: 0.1.0
description:
  - Reads the status of a component of an Atlassian Statuspage, and changes it where it is another one.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  component_id:
    description: Identifier of the component.
    type: str
  state:
    description: The status that it is to have.
    type: str
    choices: [operational, under_maintenance, degraded_performance, partial_outage, major_outage]
    required: true
extends_documentation_fragment:
  - brandconnect.incidents.statuspage
  - brandconnect.incidents.communications
  - brandconnect.incidents.attributes
seealso:
  - module: brandconnect.incidents.statuspage_incident
"""

EXAMPLES = r"""
- name: Say that the API works again
  brandconnect.incidents.statuspage_component:
    api_key: "{{ lookup('ansible.builtin.env', 'STATUSPAGE_API_KEY') }}"
    page_id: abcdefghijkl
    component_id: mnopqrstuvwx
    state: operational
"""

RETURN = r"""
status:
  description: V(sent), V(unchanged) when the component had this status, or V(planned) in check mode.
  returned: success
  type: str
  sample: sent
before:
  description: C(status) of the component before; V(null) in it in check mode, which does not ask.
  returned: success
  type: dict
  sample: {status: major_outage}
after:
  description: C(status) of the component after, as Statuspage answered.
  returned: success
  type: dict
  sample: {status: operational}
payload:
  description: What was or would be sent.
  returned: success
  type: dict
  sample: {component: {status: operational}}
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    timeout_argument_spec,
    wanted,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.statuspage import (
    STATUSES,
    Statuspage,
    statuspage_argument_spec,
    statuspage_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages_payloads import (
    statuspage_component,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Set the status; see RETURN."""
    name = plain_line(str(params.get("component_id") or "?"), 40)
    attempted = f"Setting component {name} to {params['state']} on Statuspage"
    wanted(attempted, params, "component_id")
    payload = statuspage_component(params)
    with Statuspage(attempted, params) as page:
        if check_mode:
            return _result("planned", None, params["state"], payload)
        before = _status(page.component(params["component_id"]))
        if before == params["state"]:
            return _result("unchanged", before, before, payload)
        after = _status(page.set_component(params["component_id"], payload))
    return _result("sent", before, after, payload)


def _status(component: dict[str, Any]) -> str:
    return plain_line(str(component.get("status") or ""), 40)


def _result(status: str, before: str | None, after: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "changed": status != "unchanged",
        "status": status,
        "before": {"status": before},
        "after": {"status": after},
        "payload": payload,
    }


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **statuspage_argument_spec(),
        **timeout_argument_spec(),
        "component_id": {"type": "str"},
        "state": {"type": "str", "choices": list(STATUSES), "required": True},
    },
    secrets=statuspage_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
