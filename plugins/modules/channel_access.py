# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Slack, PagerDuty and Statuspage whether they know us, without sending anything."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: channel_access
short_description: Ask Slack, PagerDuty and Statuspage whether they know us, without sending anything to anybody
version_added: 0.1.0
description:
  - Asks Slack whose the token is and which scopes it has, PagerDuty for the user and the services, and Statuspage for
    the components of the page, all at the same time.
  - Nothing is posted, paged or published. What cannot be tried without that, a webhook of Slack or an integration key
    of PagerDuty, is not asked, and says so.
  - A channel that is down, refuses or has no settings is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  slack_token:
    description: Bot token of the Slack app.
    type: str
  slack_webhook_url:
    description: Address of an incoming webhook; it is not asked.
    type: str
  slack_api_url:
    description: Base address of Slack's Web API.
    type: str
    default: https://slack.com/api/
  pagerduty_api_key:
    description: REST API key.
    type: str
  pagerduty_routing_key:
    description: Integration key; it is not asked.
    type: str
  pagerduty_api_url:
    description: Base address of PagerDuty's REST API.
    type: str
    default: https://api.pagerduty.com
  pagerduty_from:
    description: E-mail address of the user in whose name incidents are opened.
    type: str
  pagerduty_services:
    description: Identifiers of the services that are paged.
    type: list
    elements: str
    default: []
  statuspage_api_key:
    description: API key of a user of the page.
    type: str
  statuspage_api_url:
    description: Base address of Statuspage's API.
    type: str
    default: https://api.statuspage.io/v1
  statuspage_page_id:
    description: Identifier of the page.
    type: str
  statuspage_components:
    description: Identifiers of the components that the runbooks set.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds for one request, from resolving the name to the last byte of the answer.
    type: int
    default: 3
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
requirements:
  - requests >= 2.32 and slack_sdk >= 3.35 on the host that runs the module
notes:
  - Options that are empty count as not given.
  - That a key may read does not mean that it may write; neither PagerDuty nor Statuspage says that of a key.
seealso:
  - module: brandconnect.incidents.slack_message
  - module: brandconnect.incidents.pagerduty_incident
  - module: brandconnect.incidents.statuspage_component
"""

EXAMPLES = r"""
- name: Ask whether people could be told
  brandconnect.incidents.channel_access:
    slack_token: "{{ lookup('ansible.builtin.env', 'SLACK_TOKEN') }}"
  register: channels
"""

RETURN = r"""
slack:
  description:
    - Whether it was C(asked), and whether it answered, C(reachable). C(cause), one of V(not_configured),
      V(invalid_auth), V(not_permitted), V(not_found), V(invalid), V(throttled), V(server_error), V(timeout),
      V(refused), V(dns), V(tls) and V(no_answer), V(null) when it knows us. C(message), C(hint), and what is
      C(missing).
    - C(user) and C(team) of the token, and its C(scopes), V(null) where Slack does not say.
  returned: success
  type: dict
  sample: {asked: true, reachable: true, cause: null, message: null, hint: null, missing: [], user: runbooks,
           team: BrandConnect, scopes: ["chat:write"]}
pagerduty:
  description: The same of PagerDuty.
  returned: success
  type: dict
  sample: {asked: true, reachable: true, cause: null, message: null, hint: null, missing: [the service PXXXXXX]}
statuspage:
  description: The same of Statuspage.
  returned: success
  type: dict
  sample: {asked: true, reachable: false, cause: not_configured, message: api_key and page_id not given,
           hint: set it on the inventory host communications, missing: []}
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.channel_access import (
    ask_channels,
    channel_argument_spec,
    channel_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import timeout_argument_spec
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Ask. A channel that does not answer is a result; see RETURN."""
    return {"changed": False, **ask_channels(params)}


SPEC = ModuleSpec(
    run=run,
    argument_spec={**channel_argument_spec(), **timeout_argument_spec()},
    secrets=channel_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
