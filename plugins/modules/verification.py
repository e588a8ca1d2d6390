# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verification
short_description: Judge whether an incident is over, and record the verdict
version_added: 0.1.0
description:
  - Judges measurements that were taken after a remediation by first-match rules.
  - V(unverified) is the verdict when the world could not be measured; it never counts as resolved.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  check:
    description: Name of what is verified.
    type: str
    required: true
  rules:
    description:
      - The rules, read from the first to the last; the first whose C(when) holds is the judgement.
      - Each has C(when) (an expression, or a list of which all must hold), C(status), C(summary) and optionally
        C(cause) and C(next_step).
      - Only the texts of the rule that matches are templated. A rule that cannot be evaluated gives the status
        V(unverified), with the cause V(rule_error).
    type: list
    elements: dict
    required: true
  otherwise:
    description: The summary when no rule matches; the status is then V(resolved).
    type: str
    required: true
  baseline:
    description: The same measurement before anything was done.
    type: dict
    default: {}
  target:
    description: What the measurement must reach.
    type: dict
    default: {}
  samples:
    description: The measurements, oldest first.
    type: list
    elements: dict
    default: []
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Judge whether the incident is over
  brandconnect.incidents.verification:
    check: connections
    rules:
      - when: after.slots.used_ratio >= 0.7
        status: unresolved
        cause: still_exhausted
        summary: "{{ after.slots.used }} slots still in use"
    otherwise: "{{ after.slots.used }} slots in use"
"""

RETURN = r"""
verification:
  description: The verdict.
  returned: success
  type: dict
  sample:
    check: connections
    status: resolved
    summary: 4 slots in use
"""
