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
  - What is V(safe) or V(disruptive) is approved by its id. What is V(destructive) needs the digest of the plan as well,
    what is V(irreversible) also a second approver, who is not the operator, and a reason.
  - A digest that is given has to be that of the plan that is made now, whatever the risk; otherwise nothing runs, and
    the error V(plan_changed) says what differs from the plan that an earlier run of the incident recorded.
  - In check mode nothing runs; it is said what would be refused.
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
  plan_digest:
    description: Digest of the plan that was approved, or at least its first 12 digits.
    type: str
  second_approver:
    description: Who approved as well; somebody else than the operator.
    type: str
  reason:
    description: Why it was approved.
    type: str
  source:
    description: Whether the approval was given by options, or at a prompt that showed the plan.
    type: str
    choices: [options, prompt]
    default: options
  approval:
    description:
      - An approval file that somebody else than the operator made with C(runbook approve). It counts as approval by id,
        as digest and as second approver with a reason, for the remediations that it names.
      - With O(approved) only those of its remediations run. It excludes O(plan_digest), O(second_approver), O(reason).
      - It is refused when it is expired, for another plan, incident or environment, made by the operator, or writable
        by others. It is not signed.
    type: path
  environment:
    description: What the inventory calls its environment, such as V(production); an approval file may be for one only.
    type: str
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

- name: Fix the plan, and run what somebody else approved
  brandconnect.incidents.plan:
    mode: remediate
    approval: /tmp/approval.json
    environment: production
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
