# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: interlock
short_description: Refuse to act on what no plan allows, and on evidence
version_added: 0.1.0
description:
  - Fails where this run is about to do something else than its plan allows, whatever variables say.
  - Fails while a run of an incident of the type C(data-breach) is under way on this machine and this run, of another
    type, would act on workloads. Restarting or deleting them would destroy evidence.
  - What holds across machines and beyond a run is the evidence hold, M(brandconnect.incidents.k8s_hold).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  to_run:
    description: What this run is about to do, as its plan calls it.
    type: list
    elements: str
    required: true
  workloads:
    description: What this run is about to act on, each with C(kind) and C(name). An empty list is always allowed.
    type: list
    elements: dict
    required: true
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
notes:
  - In check mode it does not fail, it says that it would.
seealso:
  - module: brandconnect.incidents.k8s_hold
  - module: brandconnect.incidents.acting_lease
"""

EXAMPLES = r"""
- name: Keep off what may be evidence
  brandconnect.incidents.interlock:
    to_run: [restart-backend]
    workloads:
      - kind: Deployment
        name: backend
"""

RETURN = r"""
reason:
  description: Why not, in one sentence; null where nothing speaks against it.
  returned: success
  type: str
  sample: null
"""
