# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart, resize or undo a workload with one patch, and wait until it is rolled out."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_rollout
short_description: Restart, resize or undo a workload with one patch, and wait until it is rolled out
version_added: 0.1.0
description:
  - Changes one Deployment, StatefulSet or DaemonSet with one patch and waits until every pod is replaced and available.
  - The patch carries the C(resourceVersion) of the object that was looked at, so it works on that or not at all.
  - Refuses what would do harm or nothing, each with a stable word in RV(refusal).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  kind:
    description: Kind of the workload.
    type: str
    choices: [Deployment, StatefulSet, DaemonSet]
    default: Deployment
  name:
    description: Name of the workload.
    type: str
    required: true
  action:
    description:
      - V(restart) replaces every pod, as C(kubectl rollout restart) does.
      - V(set_env) sets environment variables of one container, which replaces every pod as well. No restart is needed.
      - V(scale) raises the number of pods. It lowers it only with O(lower).
      - V(undo) goes back to an earlier revision of a Deployment, as C(kubectl rollout undo) does.
      - V(put_back) only puts back the strategy that a rollout with O(surge=none) had to put back and did not, because
        it was cut off. Every other action does so as well.
    type: str
    choices: [restart, set_env, scale, undo, put_back]
    required: true
  env:
    description:
      - For O(action=set_env), the values by name; null removes the variable.
      - Names that look like a secret are refused, and so are variables that come from a ConfigMap or Secret unless
        O(expected.env_fingerprints) names them.
    type: dict
  env_from:
    description:
      - For O(action=set_env), where variables take their values from, by name, each as C(valueFrom) has it.
      - This is for going back to what RV(before) says.
    type: dict
  container:
    description: For O(action=set_env), the container. It may be left out when the pods have only one.
    type: str
  replicas:
    description: For O(action=scale), the number of pods.
    type: int
  lower:
    description: For O(action=scale), whether the number may be lowered, for going back to what was before.
    type: bool
    default: false
  max_replicas:
    description: Scaling to more pods than this is refused.
    type: int
    default: 20
  to_revision:
    description: For O(action=undo), the revision; the one before the current one unless given.
    type: int
  surge:
    description:
      - V(none) replaces pods without starting extra ones first, by setting C(maxSurge) to 0 and C(maxUnavailable) to 1
        in the same patch. When the rollout has ended, the strategy before is put back, which makes no new rollout.
      - If it cannot be put back, RV(reason) says so, with the old values. Until then they stand in the annotation
        C(incidents.brandconnect/previous-strategy), so that the next rollout puts them back, whatever became of this.
      - With every connection slot taken, an extra pod would never become ready.
    type: str
    choices: [keep, none]
    default: keep
  expected:
    description: What the workload must be for anything to be done.
    type: dict
    suboptions:
      uid:
        description: Its uid, so that an object of the same name that was made since is not taken for it.
        type: str
      resource_version:
        description: Its C(resourceVersion).
        type: str
      generation:
        description: Its generation.
        type: int
      replicas:
        description: Its wanted pods.
        type: int
      env:
        description: Values of environment variables by name, null for one that must not be set.
        type: dict
      env_fingerprints:
        description: Fingerprints of variables by name, as RV(before) has them; null for one that must not be set.
        type: dict
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
  incident:
    description:
      - Id of the incident. It is written into the annotation C(incidents.brandconnect/last-action).
      - A restart or an undo that the same incident has done already is not done again, except with O(repeat).
      - While the workload is held as evidence of another incident, M(brandconnect.incidents.k8s_hold), nothing that
        replaces or ends its pods is done.
      - While another incident's rollout of a Deployment is under way, V(restart) and V(set_env) are refused. One that
        has passed its progress deadline keeps nobody off, and neither does one that others than this collection began.
    type: str
  repeat:
    description:
      - Whether a restart or an undo that O(incident) has done already is done again, because what the pods read when
        they start, such as a Secret, has changed since. O(restart_limit) holds all the same.
    type: bool
    default: false
  restart_limit:
    description:
      - Refuse a restart after so many within O(restart_window_s); V(0) for no limit.
      - Every action of this collection that replaces the pods counts, and what C(kubectl rollout restart) did. When the
        revisions that show it cannot be read, a restart is refused as well.
    type: int
    default: 2
  restart_window_s:
    description: Seconds that O(restart_limit) looks back, as far as the kept revisions show.
    type: int
    default: 1800
  wait_s:
    description: Seconds to wait for the end of the rollout, at least 1.
    type: int
    default: 300
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode everything is read and decided, and no patch is sent.
  - It needs C(get) and C(patch) on the workload, and C(list) on C(replicasets) or C(controllerrevisions). For
    O(action=scale) also C(list) on C(horizontalpodautoscalers).
seealso:
  - module: brandconnect.incidents.k8s_workload
  - module: brandconnect.incidents.k8s_snapshot
  - module: brandconnect.incidents.connection_budget
"""

EXAMPLES = r"""
- name: Plan a restart without extra pods
  brandconnect.incidents.k8s_rollout:
    namespace: brandconnect
    name: backend
    action: restart
    surge: none
    incident: 20261123T214012Z-pool-exhaustion-3f9a
  check_mode: true
  register: plan

- name: Restart, and nothing else
  brandconnect.incidents.k8s_rollout:
    namespace: brandconnect
    name: backend
    action: restart
    surge: none
    incident: 20261123T214012Z-pool-exhaustion-3f9a
    targets: "{{ plan.targets }}"

- name: Lower the size of the pool
  brandconnect.incidents.k8s_rollout:
    namespace: brandconnect
    name: backend
    action: set_env
    env:
      TYPEORM_POOL_MAX: "14"
    expected:
      env:
        TYPEORM_POOL_MAX: "100"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do.
    - V(done) when every pod is replaced and available.
    - V(partial) when the patch was taken, but the rollout had not ended after O(wait_s).
    - V(failed) when the patch was taken and the rollout failed, by its progress deadline.
    - V(nothing_to_do) or V(refused), with the word in RV(refusal).
    - In a failure V(unknown) when no answer to the patch came.
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: "Deployment backend: replace its pods one after the other; 4 replicas are updated and available"
refusal:
  description:
    - With V(nothing_to_do), V(no_change) or V(same_incident).
    - With V(refused), V(plan_changed), V(expected_differs), V(being_deleted), V(evidence_hold), V(paused),
      V(on_delete), V(no_pods), V(restarted_too_often), V(restarts_unknown), V(rollout_under_way),
      V(ambiguous_container), V(unknown_container), V(invalid_name), V(secret_like_name), V(value_from), V(scale_down),
      V(above_max_replicas), V(hpa_managed), V(autoscaler_unknown), V(unsupported), V(no_previous_revision) or
      V(unknown_revision).
    - Null otherwise.
  returned: success
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-23T21:40:12.110000Z"
targets:
  description:
    - What is touched, from what to what. It stays the same while the pod template and the wanted values do.
    - C(template) is a fingerprint of the pod template.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Deployment
      name: backend
      namespace: brandconnect
      uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d
      action: set_env
      template: 9f86d081884c
      changes:
        - {what: env, container: backend, name: TYPEORM_POOL_MAX, old: "100", new: "14",
           old_fingerprint: d77ccb69e3f9, new_fingerprint: 789d9e7dc67f}
before:
  description:
    - The workload before. C(strategy) and C(variables) are what to go back to.
    - C(previous_strategy) is the annotation of a rollout that has not put the strategy back yet.
    - Of C(variables), C(set) tells one that is empty from one that is not there, C(value_from) is the reference of one
      that comes from elsewhere, and C(fingerprint) is of the true value also where C(value) is masked.
  returned: success
  type: dict
  sample: &state
    kind: Deployment
    name: backend
    namespace: brandconnect
    uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d
    resource_version: "48151"
    generation: 7
    revision: 7
    replicas: 4
    updated: 4
    ready: 4
    available: 4
    strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}
    previous_strategy: null
    images: {backend: registry.example.com/backend:1.4.2}
    restarted_at: null
    env: {TYPEORM_POOL_MAX: "100"}
    variables:
      - {container: backend, name: TYPEORM_POOL_MAX, set: true, value: "100", value_from: null,
         fingerprint: d77ccb69e3f9}
after:
  description: The workload after; the same as before when nothing was done.
  returned: success
  type: dict
  sample: *state
results:
  description:
    - What became of the workload. C(result) is V(rolled_out), V(would_change), V(not_finished), V(rollout_failed) or
      V(not_attempted); in a failure V(unknown) when no answer to the patch came.
    - C(not_ready) are the pods that were not ready at the end, with the reason.
  returned: success
  type: list
  elements: dict
  sample:
    - {kind: Deployment, name: backend, result: rolled_out, reason: 4 replicas are updated and available,
       waited_s: 21.3, not_ready: []}
caveats:
  description: What a person should know before approving, and what stays to be done.
  returned: success
  type: list
  elements: str
  sample: [there is only one pod, so requests fail until the new one is ready]
cause:
  description: Why the cluster could not be asked, as in RV(brandconnect.incidents.k8s_workload#module:cause).
  returned: failure
  type: str
  sample: forbidden
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: the login lacks patch on deployments.apps in namespace brandconnect; bind a Role that grants it
denied:
  description: The missing permission.
  returned: failure
  type: list
  elements: dict
  sample:
    - {verb: patch, resource: deployments, subresource: "", api_group: apps, namespace: brandconnect, name: backend}
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
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_rolling import Rollout
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

LEAST = {"wait_s": 1, "max_replicas": 1, "restart_limit": 0, "restart_window_s": 1}


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Change the workload and wait; see RETURN.

    Raises:
        KubernetesError: the cluster cannot be asked, or refuses; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    for option, least in LEAST.items():
        if params[option] < least:
            msg = f"Reading the options of the rollout: {option} must be {least} or more, not {params[option]}"
            raise IncidentsError(msg)
    report = Report(dt.datetime.now(dt.UTC))
    with Cluster(params) as cluster, recording_progress(report.plain, KubernetesError):
        Rollout(cluster, params, report).do(check_mode=check_mode)
    return report.plain()


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
        "action": {"type": "str", "choices": ["restart", "set_env", "scale", "undo", "put_back"], "required": True},
        "env": {"type": "dict"},
        "env_from": {"type": "dict"},
        "container": {"type": "str"},
        "replicas": {"type": "int"},
        "lower": {"type": "bool", "default": False},
        "max_replicas": {"type": "int", "default": 20},
        "to_revision": {"type": "int"},
        "surge": {"type": "str", "choices": ["keep", "none"], "default": "keep"},
        "expected": {
            "type": "dict",
            "options": {
                "uid": {"type": "str"},
                "resource_version": {"type": "str"},
                "generation": {"type": "int"},
                "replicas": {"type": "int"},
                "env": {"type": "dict"},
                "env_fingerprints": {"type": "dict"},
            },
        },
        "targets": {"type": "list", "elements": "dict"},
        "incident": {"type": "str"},
        "repeat": {"type": "bool", "default": False},
        "restart_limit": {"type": "int", "default": 2},
        "restart_window_s": {"type": "int", "default": 1800},
        "wait_s": {"type": "int", "default": 300},
    },
    constraints={"required_if": [("action", "set_env", ["env", "env_from"], True), ("action", "scale", ["replicas"])]},
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
