# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: note
short_description: Record what persons state about an incident
version_added: 0.1.0
description:
  - Records each statement with who makes it. A report tells it apart from what was observed, and it goes before that.
  - What is left out, or empty, states nothing. A later statement of the same goes before an earlier one.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  root_cause:
    description: What actually went wrong.
    type: str
  impact_users:
    description: How many users were affected; V(unknown) takes an earlier statement back.
    type: str
  impact_data:
    description: Which data was at risk; V(unknown) takes an earlier statement back.
    type: str
  impact_revenue:
    description: What it cost; V(unknown) takes an earlier statement back.
    type: str
  started_at:
    description: When the trouble began, RFC 3339 with a time zone.
    type: str
  detected_at:
    description: When the alert was triggered, RFC 3339 with a time zone.
    type: str
  acknowledged_at:
    description: When somebody took it on, RFC 3339 with a time zone.
    type: str
  mitigated_at:
    description: When what helped had been done, RFC 3339 with a time zone.
    type: str
  resolved_at:
    description: When the service was restored, RFC 3339 with a time zone.
    type: str
  lessons:
    description: What was learned.
    type: list
    elements: str
    default: []
  owners:
    description: The owner of each follow-up, by its title.
    type: dict
    default: {}
  due:
    description: By when each follow-up is to be done, by its title; RFC 3339 or a date.
    type: dict
    default: {}
  done:
    description: The titles of the follow-ups that are done.
    type: list
    elements: str
    default: []
  by:
    description: Who states it; default is the operator of the run.
    type: str
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Record what is known after the incident
  brandconnect.incidents.note:
    root_cause: A release removed the limit of the pool
    impact_users: "1200"
    owners:
      Alert on connection usage above 80 %: bob
"""

RETURN = r"""
notes:
  description: The statements.
  returned: success
  type: list
  elements: dict
  sample:
    - key: root_cause
      value: A release removed the limit of the pool
      by: alice
      at: 2026-11-24T09:12:00.000000Z
records:
  description: What goes into the journal.
  returned: success
  type: list
  elements: dict
  sample:
    - type: note
      data:
        key: root_cause
        value: A release removed the limit of the pool
        by: alice
        at: 2026-11-24T09:12:00.000000Z
"""
