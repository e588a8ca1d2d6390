# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: remediation
short_description: Record what a remediation did, or would do
version_added: 0.1.0
description:
  - Ends every remediation's task file. In check mode it hands the real targets to the plan, otherwise what was done
    to the journal.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  id:
    description: Id of the remediation.
    type: str
    required: true
  status:
    description:
      - How it ended; V(planned) in check mode, when there is something to do.
      - V(unknown) when it was cut off and cannot say what it had done.
    type: str
    required: true
    choices: [planned, done, partial, nothing_to_do, skipped, refused, failed, unknown]
  changed:
    description: Whether anything was changed.
    type: bool
    default: false
  reason:
    description: Why it did nothing, or failed.
    type: str
  targets:
    description: What it touches, by identity; only these may be touched after the approval.
    type: list
    elements: dict
    default: []
  excluded:
    description: What it leaves alone, each with the reason.
    type: list
    elements: dict
    default: []
  before:
    description: The state before.
    type: dict
    default: {}
  after:
    description: The state after.
    type: dict
    default: {}
  results:
    description: What became of each target.
    type: list
    elements: dict
    default: []
  preview:
    description: What a person should see before approving.
    type: dict
    default: {}
  started_at:
    description: When it began, RFC 3339.
    type: str
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Record which sessions were terminated, or would be
  brandconnect.incidents.remediation:
    id: kill-idle-connections
    status: "{{ terminated.status }}"
    changed: "{{ terminated.changed }}"
    targets: "{{ terminated.targets }}"
    results: "{{ terminated.results }}"
"""

RETURN = r"""
record:
  description: What goes into the journal; not in check mode.
  returned: success
  type: dict
  sample:
    type: action
    data:
      id: kill-idle-connections
      status: done
      changed: true
"""
