# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a workload more pods, within the connections of the database, and take them back."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_scale
short_description: Give a workload more pods, within the connections of the database, and take them back
version_added: 0.1.0
description:
  - Raises the pods of one Deployment or StatefulSet by O(step), with one patch, and waits until they are available.
  - Where a HorizontalPodAutoscaler scales it, C(minReplicas) of that is raised, and C(maxReplicas) where needed. It
    would undo a change of the workload itself within seconds.
  - Never lowers the pods, but with O(action=revert) to what they were before the same incident.
  - The connection pools of all pods must fit into PostgreSQL's connections with the new number, too. If they do not,
    or it is not known, fewer pods are started, or none.
  - The patch carries the C(resourceVersion) of the object that was looked at, and writes what was before into its
    annotation C(incidents.brandconnect/scale-before).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  kind:
    description: Kind of the workload.
    type: str
    choices: [Deployment, StatefulSet]
    default: Deployment
  name:
    description: Name of the workload.
    type: str
    required: true
  action:
    description: V(scale) raises the pods, V(revert) puts back what the incident changed unless it was changed since.
    type: str
    choices: [scale, revert]
    default: scale
  incident:
    description:
      - Id of the incident. The pods are raised by O(step) from what they were before it, however often this runs.
    type: str
    required: true
  step:
    description: How many pods to add, 1 to 10.
    type: int
    default: 2
  max_replicas:
    description: Never more pods than this, at most 50.
    type: int
    default: 10
  connection_budget:
    description:
      - The result of M(brandconnect.incidents.connection_budget), in whose workloads O(name) is. Needed for
        O(action=scale).
    type: dict
    default: {}
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
  wait_s:
    description: Seconds to wait until the pods are available, at least 1.
    type: int
    default: 300
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode everything is read and decided, and no patch is sent.
  - It needs C(get) and C(patch) on the workload, C(list) and C(patch) on C(horizontalpodautoscalers), and C(list) on
    C(resourcequotas).
seealso:
  - module: brandconnect.incidents.k8s_hpa
  - module: brandconnect.incidents.connection_budget
  - module: brandconnect.incidents.k8s_rollout
"""

EXAMPLES = r"""
- name: Plan two more pods
  brandconnect.incidents.k8s_scale:
    namespace: brandconnect
    name: backend
    incident: 20261128T101500Z-api-latency-3f9a
    connection_budget: "{{ budget }}"
  check_mode: true
  register: plan

- name: Start them, and nothing else
  brandconnect.incidents.k8s_scale:
    namespace: brandconnect
    name: backend
    incident: 20261128T101500Z-api-latency-3f9a
    connection_budget: "{{ budget }}"
    targets: "{{ plan.targets }}"

- name: Go back to what was before
  brandconnect.incidents.k8s_scale:
    namespace: brandconnect
    name: backend
    action: revert
    incident: 20261128T101500Z-api-latency-3f9a
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do.
    - V(done) when the pods are there and available.
    - V(partial) when the patch was taken, and they are not after O(wait_s).
    - V(nothing_to_do) or V(refused), with the word in RV(refusal).
    - In a failure V(failed), or V(unknown) when no answer to the patch came.
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: "Deployment backend: replicas 6 -> 8, 2 pods more; 8 replicas are updated and available"
refusal:
  description:
    - With V(nothing_to_do), V(same_incident), V(no_change), V(at_max_replicas) or V(not_scaled).
    - With V(refused), V(plan_changed), V(being_deleted), V(autoscaler_unknown), V(no_pods), V(quota),
      V(budget_unknown), V(over_budget), V(changed_since), V(record_unreadable) or V(evidence_hold).
    - Null otherwise.
  returned: success
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-28T10:15:00.110000Z"
targets:
  description: What is touched, from what to what.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: HorizontalPodAutoscaler
      name: backend
      namespace: brandconnect
      uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d
      workload: Deployment/backend
      action: scale
      changes:
        - {what: maxReplicas, old: 6, new: 8}
        - {what: minReplicas, old: 2, new: 8}
before:
  description:
    - The workload before, with its autoscaler as of M(brandconnect.incidents.k8s_hpa).
    - C(scaled_by) are the incidents that changed it and have not put it back, with what was before each; null when the
      annotation cannot be read.
  returned: success
  type: dict
  sample: &state
    kind: Deployment
    name: backend
    namespace: brandconnect
    uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3e
    replicas: 6
    ready: 6
    available: 6
    autoscaler: null
    scaled_by: []
after:
  description: The workload after; the same as before when nothing was done.
  returned: success
  type: dict
  sample: *state
results:
  description:
    - What became of it. C(result) is V(scaled), V(reverted), V(would_change), V(not_finished) or V(not_attempted); in a
      failure V(unknown) when no answer to the patch came.
    - C(not_ready) are the pods that were not ready at the end, with the reason.
  returned: success
  type: list
  elements: dict
  sample:
    - {kind: Deployment, name: backend, result: scaled, reason: 8 replicas are updated and available, waited_s: 6.1,
       not_ready: []}
caveats:
  description: What a person should know before approving, and what stays to be done.
  returned: success
  type: list
  elements: str
  sample: [Argo CD manages it and may undo the change; commit it there]
cause:
  description: Why the cluster could not be asked, as in RV(brandconnect.incidents.k8s_workload#module:cause).
  returned: failure
  type: str
  sample: forbidden
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: the login lacks patch on horizontalpodautoscalers.autoscaling in namespace brandconnect
denied:
  description: The missing permission.
  returned: failure
  type: list
  elements: dict
  sample: []
"""

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_scaling import Scaling
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.scale_world import (
    is_incident,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

LIMITS = {"step": (1, 10), "max_replicas": (1, 50), "wait_s": (1, 3600)}


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Scale and wait; see RETURN.

    Raises:
        KubernetesError: the cluster cannot be asked, or refuses; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    for option, (least, most) in LIMITS.items():
        if not least <= params[option] <= most:
            msg = f"Reading the options of the scaling: {option} must be {least} to {most}, not {params[option]}"
            raise IncidentsError(msg)
    incident = params["incident"]
    if not is_incident(incident):
        raise IncidentsError("Reading the options of the scaling: incident must be 1 to 200 printable characters")
    report = Report(dt.datetime.now(dt.UTC))
    with Cluster(params) as cluster, recording_progress(report.plain, KubernetesError):
        Scaling(cluster, params, report).do(check_mode=check_mode)
    return report.plain()


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
        "action": {"type": "str", "choices": ["scale", "revert"], "default": "scale"},
        "incident": {"type": "str", "required": True},
        "step": {"type": "int", "default": 2},
        "max_replicas": {"type": "int", "default": 10},
        "connection_budget": {"type": "dict", "default": {}},
        "targets": {"type": "list", "elements": "dict"},
        "wait_s": {"type": "int", "default": 300},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
