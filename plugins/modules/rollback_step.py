# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rollback_step
short_description: Record that a step was given back, or what is there now
version_added: 0.1.0
description:
  - Ends every task file of a rollback. In check mode it hands what was seen to the plan or to the verification,
    otherwise what was done to the journal.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  step:
    description: The step's C(key), RV(brandconnect.incidents.rollback_read#module:steps).
    type: str
    required: true
  results:
    description: Results of the modules that give it back, failed ones too. None means that it was not attempted.
    type: list
    elements: dict
    default: []
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Record what was put back, or is there now
  brandconnect.incidents.rollback_step:
    step: "{{ common_step.key }}"
    results: ["{{ put_back }}"]
"""

RETURN = r"""
action_status:
  description: The status that was recorded.
  returned: success, outside of check mode
  type: str
  sample: done
"""
