# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: recommend
short_description: Say which remediations the findings of this run recommend
version_added: 0.1.0
description:
  - Reads the findings of all hosts in this run and compares them with the remediations of the runbook header.
  - A destructive or irreversible remediation is not recommended while a required check is V(unknown).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  remediations:
    description: The remediations of the runbook header, each with C(id), C(title) and C(risk).
    type: list
    elements: dict
    required: true
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Choose what the findings recommend
  brandconnect.incidents.recommend:
    remediations: "{{ header.remediations }}"
  register: choice
"""

RETURN = r"""
recommended:
  description: Ids of the recommended remediations.
  returned: success
  type: list
  elements: str
  sample: [kill-idle-connections]
"""
