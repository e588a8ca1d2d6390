# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: examine
short_description: Read all that is to be known of a component, in one task
version_added: 0.1.0
description:
  - Runs several modules of this collection that only look, one after the other, and returns what each of them said.
  - A task costs some hundredths of a second, and each would load the libraries that it needs anew; a component that is
    read by one task is examined sooner.
  - A module that fails makes the task fail, as it would alone. A system that is down is a result.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  reads:
    description:
      - What is read. Each entry has C(as), the name of its result; C(module), a module of this collection that only
        looks, or M(brandconnect.incidents.webhook_probe); and optionally C(args), its options.
      - C(when) is an expression or a list of which all must hold, without which the entry is left out and its result is
        empty. C(args), C(when) and C(vars), variables of the entry alone, are templated when it is its turn; C(found)
        is what was read so far, by C(as).
      - C(beside), V(true) or V(false), lets an entry be read while the next ones are, so that a system that does not
        answer is not waited for before another; the next ones do not know what it said. It has no effect in a task with
        C(environment).
    type: list
    elements: dict
    required: true
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Read pods and logs
  brandconnect.incidents.examine:
    reads:
      - as: workload
        module: k8s_workload
        args:
          name: backend
      - as: logs
        module: k8s_logs
        args:
          name: backend
        when: found.workload.reachable # a cluster that does not answer is not waited for twice
  register: backend
"""

RETURN = r"""
found:
  description: What each module returned, by C(as); empty for what was left out.
  returned: success
  type: dict
  sample:
    workload:
      reachable: true
      pods_ready: 2
    logs: {}
"""
