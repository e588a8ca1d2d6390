# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: plan
short_description: Fix the plan with real targets and decide what may run
version_added: 0.1.0
description:
  - Puts together what is recommended and what each remediation said in check mode, and computes the digest.
  - In the mode V(remediate), decides which approved remediations run; every refusal is recorded with its reason.
  - In check mode nothing runs.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  mode:
    description: Whether approved remediations may run.
    type: str
    required: true
    choices: [diagnose, remediate]
  approved:
    description: Ids of the remediations that a person approved.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Fix the plan
  brandconnect.incidents.plan:
    mode: remediate
    approved: [kill-idle-connections]
  register: plan
"""

RETURN = r"""
digest:
  description: SHA-256 over the canonical JSON of what the recommended remediations would touch.
  returned: success
  type: str
  sample: 4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945
to_run:
  description: Ids of the remediations to run now.
  returned: success
  type: list
  elements: str
  sample: [kill-idle-connections]
"""
