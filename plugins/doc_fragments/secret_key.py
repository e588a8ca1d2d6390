# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the modules that set a Secret's key; keep module_utils/clients/secret_key.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.secret_key``."""

    DOCUMENTATION = r"""
options:
  name:
    description: Name of the Secret, which must exist.
    type: str
    required: true
  key:
    description: The key of the Secret.
    type: str
    required: true
  expected_fingerprint:
    description: Fingerprint that the value must have, so that a wrong one is not written.
    type: str
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
  incident:
    description:
      - Id of the incident. It is written into the annotation C(incidents.brandconnect/last-action).
      - While the Secret is held as evidence of another incident, nothing is changed.
    type: str
notes:
  - In check mode everything is read and decided, and no patch is sent.
  - The patch carries the C(resourceVersion) of the Secret that was looked at, so it works on that or not at all.
  - It needs C(get) and C(patch) on C(secrets), best with the name of the one Secret.
  - Pods do not notice. Restart what reads the Secret at its start, M(brandconnect.incidents.k8s_rollout).
"""
