# SPDX-License-Identifier: GPL-3.0-or-later
"""Examine a workload of Kubernetes: its rollout, pods, autoscaler and settings."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_workload
short_description: Examine a Deployment, StatefulSet or DaemonSet, its pods and its settings
version_added: 0.1.0
description:
  - Reads a workload, its pods, its autoscaler, and where the environment variables of its containers come from.
  - A pod belongs to the workload when the selector matches and its controller is the workload or a ReplicaSet of it.
    Other pods with the labels are listed apart.
  - An API server that is down, slow or refuses is a result with a C(cause), not a failure. A part that could not be
    read is in RV(unknown), and the rest is returned. The module fails only when it cannot work at all, as without the
    package C(kubernetes) or with options that make no sense.
  - Secrets are never read.
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
  env_patterns:
    description:
      - Shell patterns of names of environment variables. Only these are returned.
      - Values are shown where they stand in the workload or in a ConfigMap, with obvious secrets masked.
    type: list
    elements: str
    default: ['*POOL*']
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.k8s_logs
  - module: brandconnect.incidents.k8s_top
  - module: brandconnect.incidents.k8s_rollout
"""

EXAMPLES = r"""
- name: Look at the backend
  brandconnect.incidents.k8s_workload:
    namespace: brandconnect
    name: backend
    env_patterns: ['*POOL*', DATABASE_HOST]
    rbac_role: pool-exhaustion-diagnose
  register: backend

- name: Judge it
  brandconnect.incidents.finding:
    check: backend_pods
    rules:
      - when: backend.workload is none
        status: unknown
        cause: "{{ backend.cause }}"
        summary: "{{ backend.message }}"
      - when: backend.pods_ready < backend.workload.replicas
        status: degraded
        cause: pods_unready
        summary: "{{ backend.pods_ready }} of {{ backend.workload.replicas }} pods are ready"
    otherwise: "{{ backend.pods_ready }} pods are ready"
  vars:
    backend: "{{ backend }}"
"""

RETURN = r"""
reachable:
  description:
    - Whether the API server answered the login.
    - It may still have refused or not found the workload; RV(workload) is then V(null) and RV(cause) says why.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why the workload could not be read; V(null) when it was.
    - One of V(refused), V(unreachable), V(dns), V(timeout), V(tls), V(connection_lost), V(proxy), V(redirect),
      V(bad_answer), V(no_credentials), V(auth), V(forbidden), V(not_found), V(conflict), V(expired), V(invalid),
      V(throttled), V(server_error), V(unavailable), V(unknown).
  returned: success
  type: str
  sample: forbidden
message:
  description: What the API server or the network said to that, in one line.
  returned: success
  type: str
  sample: HTTP 403, deployments.apps "backend" is forbidden
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: the login lacks get on deployments.apps in namespace brandconnect; bind a Role that grants it
denied:
  description: Permissions that the login lacks.
  returned: success
  type: list
  elements: dict
  sample: [{verb: get, resource: deployments, subresource: "", api_group: apps, namespace: brandconnect, name: backend}]
unknown:
  description: Parts of the result that could not be read, each with RV(ignore:part), cause, message, hint and denied.
  returned: success
  type: list
  elements: dict
  sample: []
workload:
  description: The workload; V(null) when it could not be read.
  returned: success
  type: dict
  contains:
    kind:
      description: Kind.
      type: str
    name:
      description: Name.
      type: str
    namespace:
      description: Namespace.
      type: str
    uid:
      description: Identity of the object.
      type: str
    resource_version:
      description: Version of the object, for the guard of an action.
      type: str
    generation:
      description: Version of the specification.
      type: int
    observed_generation:
      description: The last one that the controller has seen.
      type: int
    replicas:
      description: Pods wanted.
      type: int
    updated:
      description: Pods of the newest specification.
      type: int
    ready:
      description: Pods that are ready.
      type: int
    available:
      description: Pods that have been ready for long enough.
      type: int
    strategy:
      description: How pods are replaced, C(type), C(max_surge) and C(max_unavailable).
      type: dict
    surge_pods:
      description: Pods that a rollout may start before old ones end, at the present RV(workload.replicas).
      type: int
    paused:
      description: Whether rollouts are paused.
      type: bool
    managed_by:
      description: The tool that would undo a change by hand, with the evidence; V(null) for none.
      type: dict
    images:
      description: Image of each container.
      type: list
      elements: dict
    conditions:
      description: Conditions as the controller reports them.
      type: list
      elements: dict
    revision:
      description: Revision of the rollout.
      type: str
    revision_created_at:
      description:
        - When the ReplicaSet of this revision of a Deployment was made, which is when it was rolled out first; V(null)
          where that is not known. Going back to an earlier revision uses its ReplicaSet again.
      type: str
    revision_change:
      description:
        - What made this revision of a Deployment, compared with the one before. V(rollout) is another pod template,
          V(restart) the time of a restart and nothing else, V(remediation) a change of this collection, and V(undo) an
          earlier revision that is used again.
        - V(null) where that is not known, or there is none before.
      type: str
    restarted_at:
      description: When someone last restarted it with kubectl or this collection.
      type: str
    last_action:
      description: Incident whose remediation changed it last.
      type: str
    rollout:
      description: Whether the rollout is C(done) or has C(failed), with C(reason) and C(message), as kubectl decides.
      type: dict
  sample:
    kind: Deployment
    name: backend
    namespace: brandconnect
    uid: 5c3c1f0e-6a52-4f1e-9f8b-6a0f4d2f7c11
    resource_version: "81234"
    generation: 7
    observed_generation: 7
    replicas: 2
    updated: 2
    ready: 2
    available: 2
    strategy: {type: RollingUpdate, max_surge: 25%, max_unavailable: 25%}
    surge_pods: 1
    paused: false
    managed_by: {tool: Helm, evidence: annotation meta.helm.sh/release-name=backend}
    images: [{container: backend, image: "registry.example.com/backend@sha256:4f2a"}]
    conditions: [{type: Available, status: "True", reason: MinimumReplicasAvailable, message: null, changed_at: null}]
    revision: "7"
    revision_created_at: "2026-11-24T14:59:58Z"
    revision_change: rollout
    restarted_at: null
    last_action: null
    rollout: {done: true, failed: false, reason: Complete, message: 2 replicas are updated and available}
pods:
  description:
    - The workload's own pods, each with C(name), C(uid), C(phase), C(ready), C(deleting), C(node), C(started_at),
      C(restarts), C(reason), C(owner) and C(containers).
    - A container has C(name), C(init), C(image), C(image_id), C(ready), C(restarts), C(state), C(reason) and
      C(last_termination) with C(reason), C(exit_code), C(signal) and C(finished_at). Init containers that have done
      their work are left out.
  returned: success
  type: list
  elements: dict
  sample:
    - name: backend-6f9c-x2x4l
      uid: 0d1c
      phase: Running
      ready: false
      deleting: false
      node: node-1
      started_at: "2026-11-24T15:00:00Z"
      restarts: 4
      reason: CrashLoopBackOff
      owner: ReplicaSet/backend-6f9c
      containers:
        - name: backend
          init: false
          image: backend:1.4.2
          image_id: registry.example.com/backend@sha256:4f2a
          ready: false
          restarts: 4
          state: waiting
          reason: CrashLoopBackOff
          last_termination: {reason: OOMKilled, exit_code: 137, signal: null, finished_at: "2026-11-24T15:20:00Z"}
stray_pods:
  description: Pods that match the selector and are not the workload's; C(owner) is V(null) where nothing owns them.
  returned: success
  type: list
  elements: dict
  sample: [{name: debug, phase: Running, ready: true, owner: null}]
pods_total:
  description: Number of RV(pods); V(null) when they could not be listed.
  returned: success
  type: int
  sample: 2
pods_ready:
  description: How many of them are ready and not about to end; V(null) when they could not be listed.
  returned: success
  type: int
  sample: 1
hpa:
  description: The HorizontalPodAutoscaler of the workload; V(null) for none, or see RV(unknown).
  returned: success
  type: dict
  sample: {name: backend, min: 2, max: 10, current: 2, desired: 2, conditions: []}
env:
  description:
    - Every definition of the matching variables, in the order in which they apply.
    - C(source) has C(kind) (V(value), V(ConfigMap), V(Secret), V(Field) or V(Resource)), C(name), C(key) and
      C(optional). C(shown) says whether C(value) is given.
    - C(effective) is V(false) where a later definition overrides it, and V(null) where a Secret that is not read
      might. C(found) says whether the source has it, V(null) where that is not known.
  returned: success
  type: list
  elements: dict
  sample:
    - container: backend
      name: TYPEORM_POOL_SIZE
      value: "20"
      shown: true
      source: {kind: ConfigMap, name: backend-settings, key: TYPEORM_POOL_SIZE, optional: false}
      effective: true
      found: true
env_from_secrets:
  description: Secrets all of whose keys become variables, with C(container), C(name), C(prefix) and C(optional).
  returned: success
  type: list
  elements: dict
  sample: []
budget:
  description:
    - How many pods there may be at once; V(null) when that is not known.
    - C(max_replicas) is the autoscaler's maximum or C(replicas), C(surge) what a rollout starts on top of it,
      C(pods_at_most) both together. Pods that are still ending come on top.
  returned: success
  type: dict
  sample: {replicas: 2, surge: 3, max_replicas: 10, pods_at_most: 13}
requests:
  description: Requests that were sent.
  returned: success
  type: int
  sample: 5
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import (
    Answers,
    Pods,
    add_unknown,
    nothing_read,
    read_parts,
    read_pods,
    unreadable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import environment, workloads
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import pod_facts, stray_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

CONFIG_MAP = "configmap "


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Examine the workload. A sick cluster is a result; see RETURN."""
    result = _nothing_known()
    try:
        cluster = Cluster(params)
    except KubernetesError as error:
        return result | unreadable(error.failure)
    with cluster:
        _examine(cluster, params, result)
        result["requests"] = cluster.requests
    return result


def _nothing_known() -> dict[str, Any]:
    return {
        **nothing_read(),
        **dict.fromkeys(("workload", "pods_total", "pods_ready", "hpa", "budget")),
        **{name: [] for name in ("pods", "stray_pods", "env", "env_from_secrets")},
        "requests": 0,
    }


def _examine(cluster: Cluster, params: dict[str, Any], result: dict[str, Any]) -> None:
    """Fill *result* as far as the API server answers, in two rounds of parallel requests."""
    kind, name = params["kind"], params["name"]
    first = read_parts(
        {
            "workload": lambda: cluster.get(cluster.workload_path(kind, name)),
            "hpa": lambda: cluster.list(cluster.path("autoscaling/v2", "horizontalpodautoscalers")),
        }
    )
    if "workload" in first.failures:
        result |= unreadable(first.failures["workload"])
        return
    workload = first.values["workload"]
    pod_spec = ((workload.get("spec") or {}).get("template") or {}).get("spec") or {}
    maps = environment.config_maps(pod_spec, params["env_patterns"])
    further = {
        f"{CONFIG_MAP}{item}": lambda item=item: cluster.get(cluster.path("v1", "configmaps", item)) for item in maps
    }
    pods = read_pods(cluster, kind, workload, further)
    created = workloads.revision_created_at(workload, pods.replica_sets)
    change = workloads.revision_change(workload, pods.replica_sets)
    facts = workloads.workload_facts(kind, workload) | {"revision_created_at": created, "revision_change": change}
    result |= {"reachable": True, "workload": facts}
    add_unknown(result, first.failures)
    _add_pods(pods, result)
    _add_environment(pod_spec, maps, pods.answers, params["env_patterns"], result)
    if "hpa" in first.values:
        result["hpa"] = workloads.autoscaler_of(kind, name, first.values["hpa"])
        result["budget"] = workloads.budget(kind, workload, result["hpa"])


def _add_pods(pods: Pods, result: dict[str, Any]) -> None:
    add_unknown(result, pods.failures)
    if "pods" in pods.failures:
        return
    result["pods"] = [pod_facts(pod) for pod in pods.mine]
    result["stray_pods"] = [stray_facts(pod) for pod in pods.strays]
    result["pods_total"] = len(pods.mine)
    result["pods_ready"] = sum(pod["ready"] for pod in result["pods"])


def _add_environment(
    pod_spec: dict[str, Any], maps: list[str], answers: Answers, patterns: list[str], result: dict[str, Any]
) -> None:
    contents: dict[str, dict[str, str] | None] = {}
    unread: list[str] = []
    failures = dict(answers.failures)
    for name in maps:
        failure = failures.get(f"{CONFIG_MAP}{name}")
        if failure is None:
            contents[name] = answers.values[f"{CONFIG_MAP}{name}"].get("data") or {}
        elif failure.cause == "not_found":
            contents[name] = None
            failures.pop(f"{CONFIG_MAP}{name}")
        else:
            unread.append(name)
    result["env"] = environment.effective_environment(pod_spec, contents, unread, patterns)
    result["env_from_secrets"] = environment.secrets_as_environment(pod_spec)
    add_unknown(result, failures)


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
        "env_patterns": {"type": "list", "elements": "str", "default": ["*POOL*"]},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
