# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: evidence
short_description: Record what was preserved before an action could destroy it
version_added: 0.1.0
description:
  - Puts each file, with its size and SHA-256, into the journal.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is.
        type: str
        required: true
      name:
        description: What it is called among the files that were preserved together.
        type: str
      source:
        description: Where it came from.
        type: str
      sha256:
        description: Its SHA-256, hexadecimal.
        type: str
        required: true
      bytes:
        description: Its size in bytes.
        type: int
        required: true
      truncated:
        description: Whether something was left out because it was too long.
        type: bool
        default: false
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Record the logs that a restart would destroy
  brandconnect.incidents.evidence:
    files: "{{ snapshot.files }}"
"""

RETURN = r"""
records:
  description: What goes into the journal.
  returned: success
  type: list
  elements: dict
  sample:
    - type: evidence
      data:
        path: evidence/20261123T214012.110000Z-deployment-backend/pods/backend-7d4b9c-x2x7k/app.log
        name: pods/backend-7d4b9c-x2x7k/app.log
        source: GET /api/v1/namespaces/brandconnect/pods/backend-7d4b9c-x2x7k/log
        sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
        bytes: 1048576
        truncated: false
"""
