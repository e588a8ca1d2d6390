# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rollback_plan
short_description: Compare what was left with what is there now, and decide what is given back
version_added: 0.1.0
description:
  - Judges every step by what M(brandconnect.incidents.rollback_step) has seen, and records a finding for each, and
    the plan.
  - When anything was changed meanwhile by somebody else, or cannot be read, nothing at all is given back.
  - Where the journal is damaged, it is refused in check mode as well.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  digest:
    description:
      - Digest of the plan that was looked at, or at least its first 12 digits. Another plan is refused.
      - Without it nothing is given back whose risk is destructive, as that of an evidence hold and of a quarantine is.
    type: str
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Fix the plan of the rollback
  brandconnect.incidents.rollback_plan:
  register: plan
"""

RETURN = r"""
digest:
  description: The plan's digest.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
to_run:
  description: Keys of the steps to take now, in their order.
  returned: success
  type: list
  elements: str
  sample: [run-20261123T214012Z-3f9a/resize-pool]
workloads:
  description: The workloads that they touch.
  returned: success
  type: list
  elements: dict
  sample: [{kind: Deployment, name: backend}]
"""
