# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the PagerDuty modules; keep module_utils/clients/pagerduty.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.pagerduty`` for the REST API, its section ``events`` for the Events API."""

    DOCUMENTATION = r"""
options:
  api_key:
    description: REST API key that may write.
    type: str
  api_url:
    description: Address of the REST API; V(https://api.eu.pagerduty.com) for accounts in Europe.
    type: str
    default: https://api.pagerduty.com
  from_email:
    description: E-mail address of a user of the account, in whose name things are done. PagerDuty requires it.
    type: str
"""

    EVENTS = r"""
options:
  routing_key:
    description: Integration key of an Events API v2 integration, 32 characters. It is a secret.
    type: str
  api_url:
    description: Address of the Events API; V(https://events.eu.pagerduty.com) for accounts in Europe.
    type: str
    default: https://events.pagerduty.com
"""
