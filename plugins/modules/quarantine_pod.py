# SPDX-License-Identifier: GPL-3.0-or-later
"""Take pods out of their Service and off the network without ending them, or give them back."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: quarantine_pod
short_description: Take pods out of their Service and off the network without ending them, or give them back
version_added: 0.1.0
description:
  - Renames the label by which the Service and the owner choose a pod, so that the Service sends it nothing more and the
    ReplicaSet or DaemonSet makes a clean pod in its place. The pod goes on, with its memory and its files.
  - A NetworkPolicy that lets nothing in or out of pods with O(quarantine_label) is made first, where it is missing.
  - What was taken off stands in the annotation C(incidents.brandconnect/quarantine) of the pod, with the incident, the
    person, the time, the reason, the label and the policy. With O(state=released) it is given back, by the same
    incident only.
  - A pod counts as quarantined only where its labels say so too. Otherwise it is quarantined again, also where the
    annotation cannot be read.
  - Either all pods are changed or, when something speaks against one of them, none.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  pods:
    description: Names of the pods.
    type: list
    elements: str
    required: true
  state:
    description: Whether they are to be in quarantine.
    type: str
    choices: [quarantined, released]
    default: quarantined
  incident:
    description: Id of the incident.
    type: str
    required: true
  label:
    description: Label that is renamed. The selector of the owner has to have it.
    type: str
    default: app
  quarantine_label:
    description: What it is renamed to; the value stays.
    type: str
    default: app-quarantine
  more_labels:
    description: Further labels that are taken off, by which Services choose the pods.
    type: list
    elements: str
    default: []
  policy:
    description: Name of the NetworkPolicy. One of that name that is there and does something else is refused.
    type: str
    default: incident-quarantine
  reason:
    description: Why, for the annotation. At most 300 characters.
    type: str
  held_by:
    description: Who does it; the operator of the run unless given.
    type: str
  max_pods:
    description: Refuse more pods than these, 1 to 10.
    type: int
    default: 3
  wait_s:
    description: Seconds to wait until the clean pods are ready, 0 to 600.
    type: int
    default: 30
  evidence_override:
    description:
      - Why pods are quarantined although nothing was preserved, in 10 characters or more. It stands in RV(caveats) and
        RV(results).
    type: str
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.evidence_gate
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - Releasing a pod needs no evidence.
  - It needs C(list) and C(patch) on pods, C(list) on services, C(list) and C(create) on networkpolicies, and C(get) on
    replicasets, daemonsets and deployments.
  - No pod and no policy is ever deleted.
  - Whether a NetworkPolicy is enforced is a matter of the network plugin, and the cluster takes it either way. Where
    the API shows a plugin that can, RV(before) names it.
  - C(runbook rollback INCIDENT --only quarantine-pods) gives the pods back. Without their name it does not.
  - A pod that is to be given back and is not there any more is no failure; RV(caveats) names it.
  - The pods of a StatefulSet and of a Job are refused, because no clean pod is made while they are there.
seealso:
  - module: brandconnect.incidents.k8s_hold
  - module: brandconnect.incidents.k8s_snapshot
  - module: brandconnect.incidents.revoke_sessions
  - name: Isolating pods from a ReplicaSet
    description: What happens to a pod whose labels change.
    link: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#isolating-pods-from-a-replicaset
"""

EXAMPLES = r"""
- name: Plan to isolate the pod with the stolen credential
  brandconnect.incidents.quarantine_pod:
    namespace: brandconnect
    pods: [backend-7d4b9c-x2x7k]
    incident: data-breach-20261123T231455Z-3fa1
  check_mode: true
  register: plan

- name: Isolate it, and no other
  brandconnect.incidents.quarantine_pod:
    namespace: brandconnect
    pods: [backend-7d4b9c-x2x7k]
    incident: data-breach-20261123T231455Z-3fa1
    reason: it called an address that nobody knows
    evidence_anchor: "{{ snapshot.anchor }}"
    targets: "{{ plan.targets }}"

- name: Give it back after a false alarm
  brandconnect.incidents.quarantine_pod:
    namespace: brandconnect
    pods: [backend-7d4b9c-x2x7k]
    incident: data-breach-20261123T231455Z-3fa1
    state: released
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do; V(done), V(nothing_to_do) or V(refused).
    - V(partial) when the clean pods were not ready in time, or not all pods were changed.
    - In a failure V(unknown) when no answer to a change came.
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: take pod backend-7d4b9c-x2x7k out of its Service and off the network, without ending it
refusal:
  description:
    - With V(nothing_to_do), V(no_change).
    - With V(refused), V(plan_changed), V(not_found), V(being_deleted), V(held_by_other), V(evidence_hold),
      V(unsupported), V(label_missing), V(label_not_selected), V(still_served), V(policy_differs) or V(no_evidence).
    - Null otherwise.
  returned: success
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-23T23:40:12.110000Z"
targets:
  description: The policy and the pods with the labels that are taken off, those that are done already among them.
  returned: success
  type: list
  elements: dict
  sample:
    - {action: isolate, kind: NetworkPolicy, name: incident-quarantine}
    - {action: quarantine, kind: Pod, namespace: brandconnect, name: backend-7d4b9c-x2x7k,
       uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d, labels: {app: backend}}
before:
  description:
    - The pods before, with C(quarantined), by annotation and labels, the C(incident), C(by), C(since) and C(reason) of
      the annotation, C(labels), the names of the C(services) that choose each, its C(owner) and C(ready).
    - C(policy) with C(name) and C(exists), and C(policies_enforced_by), the network plugin that can enforce policies;
      null when none is known.
  returned: success
  type: dict
  sample: &state
    pods:
      - {name: backend-7d4b9c-x2x7k, uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d, quarantined: false, incident: null,
         by: null, since: null, reason: null, labels: {app: backend, pod-template-hash: 7d4b9c}, services: [backend],
         owner: ReplicaSet/backend-7d4b9c, ready: true}
    policy: {name: incident-quarantine, exists: false}
    policies_enforced_by: Calico
after:
  description: The same after; empty when nobody could look.
  returned: success
  type: dict
  sample: *state
results:
  description:
    - What became of the policy and of each pod, with C(result) and C(reason). V(created), V(exists), V(quarantined),
      V(released), V(would_be_created), V(would_be_quarantined), V(would_be_released) or V(not_attempted); in a failure
      V(unknown) when no answer came.
    - Where O(evidence_override) was needed, an entry of the kind C(Evidence) with the incident as its name, the result
      V(overridden) and the reason.
  returned: success
  type: list
  elements: dict
  sample:
    - {kind: NetworkPolicy, name: incident-quarantine, result: created, reason: null}
    - {kind: Pod, name: backend-7d4b9c-x2x7k, result: quarantined, reason: null}
caveats:
  description: What a person should know before approving, and what stays to be done.
  returned: success
  type: list
  elements: str
  sample:
    - nothing says that the network plugin of this cluster enforces NetworkPolicies
cause:
  description: Why the cluster could not be asked, as in RV(brandconnect.incidents.k8s_workload#module:cause).
  returned: failure
  type: str
  sample: forbidden
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: the login lacks patch on pods in namespace brandconnect; bind a Role that grants it
denied:
  description: The missing permission.
  returned: failure
  type: list
  elements: dict
  sample:
    - {verb: patch, resource: pods, subresource: "", api_group: "", namespace: brandconnect, name: backend-7d4b9c-x2x7k}
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_precondition import (
    evidence_options,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_quarantine import Work
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine_wish import read_wish
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

LONGEST_WAIT_S = 600


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Quarantine the pods or give them back; see RETURN.

    Raises:
        KubernetesError: the cluster cannot be asked, or refuses; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    wish = read_wish(params)
    if not 0 <= params["wait_s"] <= LONGEST_WAIT_S:
        raise IncidentsError(f"Choosing the pods: wait_s must be 0 to {LONGEST_WAIT_S}, not {params['wait_s']}")
    with Cluster(params) as cluster:
        work = Work(cluster, wish, params)
        with recording_progress(work.report.plain, KubernetesError):
            work.do(check_mode=check_mode)
    return work.report.plain()


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "pods": {"type": "list", "elements": "str", "required": True},
        "state": {"type": "str", "choices": ["quarantined", "released"], "default": "quarantined"},
        "incident": {"type": "str", "required": True},
        "label": {"type": "str", "default": "app"},
        "quarantine_label": {"type": "str", "default": "app-quarantine"},
        "more_labels": {"type": "list", "elements": "str", "default": []},
        "policy": {"type": "str", "default": "incident-quarantine"},
        "reason": {"type": "str"},
        "held_by": {"type": "str"},
        "max_pods": {"type": "int", "default": 3},
        "wait_s": {"type": "int", "default": 30},
        **evidence_options(),
        "targets": {"type": "list", "elements": "dict"},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
