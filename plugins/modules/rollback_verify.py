# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rollback_verify
short_description: Judge whether what was given back is there
version_added: 0.1.0
description:
  - Judges every step that was taken by another look, which M(brandconnect.incidents.rollback_step) has published.
author:
  - incident-runbooks contributors (@brandconnect)
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Verify the rollback
  brandconnect.incidents.rollback_verify:
"""

RETURN = r"""
verification:
  description: The verdicts.
  returned: success
  type: list
  elements: dict
  sample:
    - {check: rollback_resize-pool, status: resolved, cause: null,
       summary: "TYPEORM_POOL_MAX of Deployment backend is 8, as before"}
"""
