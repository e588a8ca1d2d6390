# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the Slack module; keep module_utils/clients/slack.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.slack``."""

    DOCUMENTATION = r"""
options:
  token:
    description:
      - Bot token of a Slack app with the scope C(chat:write), V(xoxb-...). The app has to be in the channel.
      - Give this or O(webhook_url), not both.
    type: str
  webhook_url:
    description:
      - Address of an incoming webhook. The address is the secret.
      - Its channel is fixed, and messages cannot be changed afterwards.
    type: str
  api_url:
    description: Base address of the Web API.
    type: str
    default: https://slack.com/api/
requirements:
  - slack_sdk >= 3.35 (Slack's own client) on the host that runs the module
"""
