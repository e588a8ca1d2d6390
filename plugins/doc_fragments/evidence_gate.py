# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the modules that contain a breach; keep module_utils/clients/evidence_precondition.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.evidence_gate``."""

    DOCUMENTATION = r"""
options:
  evidence_anchor:
    description:
      - The finished bundle of evidence of this incident, as the journal has it. Needed to act, unless
        O(evidence_override). Its seal is read, not each of its files.
    type: dict
    suboptions:
      path:
        description: Absolute path of its C(tagmanifest-sha256.txt).
        type: path
        required: true
      sha256:
        description: SHA-256 of that file.
        type: str
        required: true
      name:
        description: Not used, so that the anchor can be given as the bundle has it.
        type: str
      source:
        description: Not used, as O(evidence_anchor.name).
        type: str
      bytes:
        description: Not used, as O(evidence_anchor.name).
        type: int
      truncated:
        description: Not used, as O(evidence_anchor.name).
        type: bool
  evidence_override:
    description: Why it is done although nothing was preserved, in 10 characters or more. It stands in the result.
    type: str
"""
