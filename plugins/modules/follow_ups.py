# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: follow_ups
short_description: Record what is to be done after the incident
version_added: 0.1.0
description:
  - Records follow-up items, each with an owner and a due time where they are known.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  items:
    description: The items.
    type: list
    elements: dict
    required: true
    suboptions:
      title:
        description: What is to be done.
        type: str
        required: true
      owner:
        description: Who does it.
        type: str
      due:
        description: By when, RFC 3339.
        type: str
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Record what is left to do
  brandconnect.incidents.follow_ups:
    items:
      - title: Alert on connection usage above 80 %
"""

RETURN = r"""
records:
  description: What goes into the journal.
  returned: success
  type: list
  elements: dict
  sample:
    - type: follow_up
      data:
        title: Alert on connection usage above 80 %
"""
