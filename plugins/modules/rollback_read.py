# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rollback_read
short_description: Read from the journal what the runs of an incident changed
version_added: 0.1.0
description:
  - Reads the journal of the incident to which the run belongs, and works out a step back for every action of its
    earlier runs, newest first. Of a run that was cut off, also for what it may have begun.
  - Nothing is judged here; a journal that was tampered with is not believed.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  remediations:
    description: The remediations of the runbook header.
    type: list
    elements: dict
    required: true
  only:
    description: Ids of the remediations that are to be rolled back; all unless given.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Read what the runs of the incident changed
  brandconnect.incidents.rollback_read:
    remediations: "{{ header.remediations }}"
  register: rollback
"""

RETURN = r"""
incident:
  description: Id of the incident.
  returned: success
  type: str
  sample: pool-exhaustion-20261123T214012Z-3f9a
steps:
  description:
    - The steps that may have something to give back. C(rollout) are options of
      M(brandconnect.incidents.k8s_rollout), null where there is nothing for it; C(objects) is the option of
      M(brandconnect.incidents.k8s_restore). C(scale) and C(index) are options of
      M(brandconnect.incidents.k8s_scale) and M(brandconnect.incidents.pg_index), null likewise. C(hold) and
      C(quarantine) are options of M(brandconnect.incidents.k8s_hold) and M(brandconnect.incidents.quarantine_pod), null
      likewise; they are there only where O(only) names their remediation.
  returned: success
  type: list
  elements: dict
  sample:
    - key: run-20261123T214012Z-3f9a/resize-pool
      id: resize-pool
      run_id: run-20261123T214012Z-3f9a
      incident: pool-exhaustion-20261123T214012Z-3f9a
      rollout: {kind: Deployment, name: backend, action: set_env, container: backend, env: {TYPEORM_POOL_MAX: "8"},
        env_from: {}, expected: {uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d,
        env_fingerprints: {TYPEORM_POOL_MAX: 4b227777d4dd}}}
      objects: []
      scale: null
      index: null
      hold: null
      quarantine: null
"""
