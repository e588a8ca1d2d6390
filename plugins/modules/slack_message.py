# SPDX-License-Identifier: GPL-3.0-or-later
"""Post a message on Slack, or change one."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: slack_message
short_description: Post a message on Slack, or change one
version_added: 0.1.0
description:
  - Posts a message with a bot token or by an incoming webhook, or changes a message that the same app has posted.
  - It is not idempotent. Keep RV(ts) to answer in the thread or to change the message, and post once.
  - Mentions of a channel, of everybody and of user groups are disarmed. Other markup of Slack in O(text) counts, so
    escape what comes from elsewhere.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  channel:
    description:
      - Channel, V(#name) or ID. Required with O(token).
      - With O(ts) Slack takes an ID only, such as RV(channel) of the message's posting.
      - A webhook has its own channel; this is then not looked at.
    type: str
  text:
    description:
      - The message, in Slack's mrkdwn. What is longer than 4000 characters is cut.
      - With O(blocks) it is what notifications show.
    type: str
    required: true
  blocks:
    description: Blocks of Slack's Block Kit, at most 50.
    type: list
    elements: dict
  thread_ts:
    description: RV(ts) of the message to answer in its thread.
    type: str
  ts:
    description: RV(ts) of the message to change, instead of posting a new one. Needs O(token).
    type: str
  incident:
    description: Identifier of the incident, put into the metadata of the message. A webhook has none.
    type: str
extends_documentation_fragment:
  - brandconnect.incidents.slack
  - brandconnect.incidents.communications
  - brandconnect.incidents.attributes
seealso:
  - name: Method chat.postMessage
    description: Errors and limits.
    link: https://docs.slack.dev/reference/methods/chat.postMessage
"""

EXAMPLES = r"""
- name: Tell the team
  brandconnect.incidents.slack_message:
    token: "{{ lookup('ansible.builtin.env', 'SLACK_TOKEN') }}"
    channel: "#incidents"
    text: The connection pool is exhausted. Diagnosing.
    incident: pool-exhaustion-20261124T150000Z
  register: opened

- name: Answer in the thread
  brandconnect.incidents.slack_message:
    token: "{{ lookup('ansible.builtin.env', 'SLACK_TOKEN') }}"
    channel: "{{ opened.channel }}"
    thread_ts: "{{ opened.ts }}"
    text: Idle sessions were ended, the pool has room again.
"""

RETURN = r"""
status:
  description: V(sent), or V(planned) in check mode.
  returned: success
  type: str
  sample: sent
channel:
  description: ID of the channel. In check mode, and from a webhook, what O(channel) says.
  returned: success
  type: str
  sample: C0123456789
ts:
  description: Identifies the message in its channel; V(null) from a webhook and in check mode.
  returned: success
  type: str
  sample: "1795467478.868600"
message_url:
  description: Always V(null). Slack does not answer with the address of a message, and to ask is one more request.
  returned: success
  type: str
  sample: null
payload:
  description: What was or would be sent, without token.
  returned: success
  type: dict
  sample: {channel: "#incidents", text: The connection pool is exhausted. Diagnosing., unfurl_links: false,
           unfurl_media: false}
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import timeout_argument_spec
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.slack import (
    check_options,
    deliver,
    slack_argument_spec,
    slack_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages_payloads import slack_message
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Send the message; see RETURN."""
    check_options(params)
    payload = slack_message(params, webhook=bool(params.get("webhook_url")))
    result = {
        "changed": True,
        "status": "planned",
        "channel": params.get("channel") or None,
        "ts": None,
        "message_url": None,
        "payload": payload,
    }
    if check_mode:
        return result
    receipt = deliver(params, payload)
    return result | {
        "status": "sent",
        "channel": receipt["channel"] or result["channel"],
        "ts": receipt["ts"],
    }


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **slack_argument_spec(),
        **timeout_argument_spec(),
        "channel": {"type": "str"},
        "text": {"type": "str", "required": True},
        "blocks": {"type": "list", "elements": "dict"},
        "thread_ts": {"type": "str"},
        "ts": {"type": "str"},
        "incident": {"type": "str"},
    },
    secrets=slack_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
