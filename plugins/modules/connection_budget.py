# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute whether the connection pools of all pods fit into PostgreSQL's slots."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: connection_budget
short_description: Compute whether the connection pools of all pods fit into PostgreSQL's slots
version_added: 0.1.0
description:
  - Adds up what the pools of all workloads can take at most and compares it with a share of the usable slots.
  - The need is the sum of C(pool_max) x pods at most x processes per pod, plus O(others). Allowed is C(floor) of
    (C(max_connections) - C(superuser_reserved) - C(reserved)) x O(share).
  - The most pods at a time count, with the autoscaler's maximum and the surge of a rollout, not those that run now.
  - A number that is not known makes RV(fits) null, with the reason. It is never guessed.
  - It only computes. It opens no connection.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  slots:
    description:
      - The slots, RV(brandconnect.incidents.pg_activity#module:slots). Without them nothing can be said.
    type: dict
  workloads:
    description: The workloads that have connection pools.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the workload.
        type: str
        required: true
      pool_max:
        description:
          - Connections that one process may open. Text with a whole number is one, as in an environment variable.
          - Anything else, or nothing, is not known.
        type: raw
      pods_at_most:
        description:
          - The most pods at a time. Without it the larger of O(workloads[].replicas) and O(workloads[].max_replicas),
            plus O(workloads[].surge).
        type: int
      replicas:
        description: Pods that are wanted now.
        type: int
      max_replicas:
        description: Maximum of the autoscaler.
        type: int
      surge:
        description:
          - Pods that a rollout may add, or a percentage, which is rounded up. Without it, and without
            O(workloads[].pods_at_most), the pods are not known.
        type: str
      processes_per_pod:
        description: Processes in each pod that have a pool of their own.
        type: int
        default: 1
  others:
    description: Connections of everything else, such as workers, scheduled jobs and migrations.
    type: int
  share:
    description: Share of the usable slots that all of them together may take.
    type: float
    default: 0.8
  proposed:
    description: A change to judge, the result is in RV(proposed).
    type: dict
    suboptions:
      name:
        description: Name of a workload in O(workloads).
        type: str
        required: true
      pool_max:
        description: The pool size that it would get.
        type: int
        required: true
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.pg_activity
  - module: brandconnect.incidents.k8s_workload
"""

EXAMPLES = r"""
- name: Judge a larger pool before it is set
  brandconnect.incidents.connection_budget:
    slots: "{{ activity.slots }}"
    workloads:
      - name: backend
        pool_max: "{{ pool_max }}"
        replicas: "{{ backend.budget.replicas }}"
        max_replicas: "{{ backend.budget.max_replicas }}"
        surge: "{{ backend.budget.surge }}"
    others: 5
    proposed:
      name: backend
      pool_max: 100
  register: budget

- name: Stop when it does not fit
  ansible.builtin.assert:
    that: budget.proposed.fits
    fail_msg: "{{ budget.proposed.reason }}"
"""

RETURN = r"""
need:
  description: Connections that all pools and the others can take at most; null when a number is not known.
  returned: success
  type: int
  sample: 105
allowed:
  description: Connections that they may take; null when the slots are not known.
  returned: success
  type: int
  sample: 77
fits:
  description: Whether the need is no more than allowed; null when it cannot be said.
  returned: success
  type: bool
  sample: false
over_by:
  description: How far the need is above what is allowed, 0 when it fits; null when it cannot be said.
  returned: success
  type: int
  sample: 28
terms:
  description: What each workload adds, and the others.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: backend, pool_max: 20, pods_at_most: 5, processes_per_pod: 1, need: 100, arithmetic: 20 x (4 + 1)}
    - {name: others, need: 5, arithmetic: "5"}
arithmetic:
  description: The comparison with its numbers; null when it cannot be said.
  returned: success
  type: str
  sample: "20 x (4 + 1) + 5 = 105 > 77 = floor(97 x 0.8)"
largest_fitting:
  description:
    - For each workload the largest pool size that fits while the others stay as they are, 0 when none does.
    - Null when it cannot be said, or when the workload can have no pods, so that any size fits.
  returned: success
  type: dict
  sample: {backend: 14}
reason:
  description: The result in words.
  returned: success
  type: str
  sample: "20 x (4 + 1) + 5 = 105 > 77 = floor(97 x 0.8); the largest pool size that fits backend is 14"
proposed:
  description: The same for O(proposed), with its C(name) and C(pool_max); null without it.
  returned: success
  type: dict
  sample:
    name: backend
    pool_max: 100
    need: 505
    allowed: 77
    fits: false
    over_by: 428
    terms:
      - {name: backend, pool_max: 100, pods_at_most: 5, processes_per_pod: 1, need: 500, arithmetic: 100 x (4 + 1)}
      - {name: others, need: 5, arithmetic: "5"}
    arithmetic: "100 x (4 + 1) + 5 = 505 > 77 = floor(97 x 0.8)"
    largest_fitting: {backend: 14}
    reason: "100 x (4 + 1) + 5 = 505 > 77 = floor(97 x 0.8); the largest pool size that fits backend is 14"
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.connection_budget import budget
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Compute the budget; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    return budget(params["slots"], params["workloads"], params["others"], params["share"], params["proposed"])


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        "slots": {"type": "dict"},
        "workloads": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "name": {"type": "str", "required": True},
                "pool_max": {"type": "raw"},
                "pods_at_most": {"type": "int"},
                "replicas": {"type": "int"},
                "max_replicas": {"type": "int"},
                "surge": {"type": "str"},
                "processes_per_pod": {"type": "int", "default": 1},
            },
        },
        "others": {"type": "int"},
        "share": {"type": "float", "default": 0.8},
        "proposed": {
            "type": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                "pool_max": {"type": "int", "required": True},
            },
        },
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
