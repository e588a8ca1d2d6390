# SPDX-License-Identifier: GPL-3.0-or-later
"""See whether a workload can grow."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_hpa
short_description: See whether a workload can grow, by its HorizontalPodAutoscaler and the quotas of the namespace
version_added: 0.1.0
description:
  - Returns what the autoscaler of a workload wants, has and may, its conditions, and how many more pods the
    ResourceQuotas of the namespace let in.
  - A cluster that is down or refuses is a result. What could not be read is in RV(unknown) and never counts as absent.
  - CPU throttling is not known to Kubernetes; M(brandconnect.incidents.api_latency) reads it from Prometheus.
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
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
notes:
  - It needs C(get) on the workload, and C(list) on C(horizontalpodautoscalers) and C(resourcequotas).
seealso:
  - module: brandconnect.incidents.k8s_top
  - module: brandconnect.incidents.k8s_scale
"""

EXAMPLES = r"""
- name: See whether the backend can grow
  brandconnect.incidents.k8s_hpa:
    namespace: brandconnect
    name: backend
  register: growth
"""

RETURN = r"""
reachable:
  description: As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: bool
  sample: true
cause:
  description: Why nothing could be read; V(null) when it was. As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: str
  sample: forbidden
message:
  description: What the API server or the network said to that, in one line.
  returned: success
  type: str
  sample: HTTP 403, deployments.apps is forbidden
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
  sample: []
unknown:
  description: Parts that could not be read, C(autoscalers) or C(quotas).
  returned: success
  type: list
  elements: dict
  sample: []
verdict:
  description:
    - V(ok) when the autoscaler works and is below its maximum.
    - V(at_max) when it wants as many pods as it may.
    - V(inactive) when it does not work, such as without measurements, V(unable) when it cannot change the workload.
    - V(no_autoscaler) when there is none.
    - V(unknown) when it could not be read, or has not decided yet.
  returned: success
  type: str
  sample: at_max
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: the autoscaler backend is at its maximum of 6 pods, and wants more
workload:
  description: The pods of the workload, C(replicas) that are wanted, C(ready) and C(available); V(null) when not known.
  returned: success
  type: dict
  sample: {replicas: 6, ready: 6, available: 6}
autoscaler:
  description:
    - The autoscaler; V(null) when there is none, or it could not be read.
    - C(wants_more) is whether only the maximum keeps it from more pods. C(able) and C(active) are its conditions, and
      C(why_not) what it says when one is V(false).
    - C(metrics) are of its resource metrics the wanted and present average use in percent of what pods request.
  returned: success
  type: dict
  sample:
    name: backend
    min: 2
    max: 6
    current: 6
    desired: 6
    conditions:
      - {type: ScalingLimited, status: "True", reason: TooManyReplicas, message: the desired replica count is more
           than the maximum replica count, changed_at: "2026-11-24T15:00:00Z"}
    at_max: true
    wants_more: true
    able: true
    active: true
    why_not: null
    metrics: [{type: Resource, name: cpu, target: 80, current: 140}]
    managed_by: null
quotas:
  description:
    - The ResourceQuotas, each with C(resources) as C(hard), C(used) and C(ratio).
    - C(pods_left) is how many more pods of this workload it lets in; V(null) when it does not count what they request,
      or is for certain pods only, C(scoped).
  returned: success
  type: list
  elements: dict
  sample:
    - name: compute
      scoped: false
      resources: [{resource: requests.cpu, hard: 8.0, used: 6.5, ratio: 0.8125}]
      pods_left: 6
pods_left:
  description: How many more pods all quotas let in; V(null) when there is no such limit, or quotas could not be read.
  returned: success
  type: int
  sample: 6
requests:
  description: Requests that were sent.
  returned: success
  type: int
  sample: 3
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import (
    add_unknown,
    nothing_read,
    unreadable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_scale import (
    AUTOSCALERS,
    read_capacity,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import scale_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import workload_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Read. A sick cluster is a result; see RETURN."""
    verdict, reason = scale_facts.verdict(None, known=False)
    result: dict[str, Any] = {
        **nothing_read(),
        **dict.fromkeys(("workload", "autoscaler", "pods_left")),
        "verdict": verdict,
        "reason": reason,
        "quotas": [],
        "requests": 0,
    }
    try:
        with Cluster(params) as cluster:
            try:
                _read(cluster, params["kind"], params["name"], result)
            finally:
                result["requests"] = cluster.requests
    except KubernetesError as error:
        result |= unreadable(error.failure)
    return result


def _read(cluster: Cluster, kind: str, name: str, result: dict[str, Any]) -> None:
    capacity = read_capacity(cluster, kind, name)
    result["reachable"] = True
    add_unknown(result, capacity.failures)
    facts = scale_facts.autoscaler_facts(kind, name, capacity.autoscaler)
    result["verdict"], result["reason"] = scale_facts.verdict(facts, known=AUTOSCALERS not in capacity.failures)
    pods = workload_facts(kind, capacity.workload)
    result["workload"] = {key: pods[key] for key in ("replicas", "ready", "available")}
    result["autoscaler"] = facts
    result["quotas"] = scale_facts.quota_facts(capacity.quotas, capacity.workload["spec"].get("template") or {})
    result["pods_left"], _ = scale_facts.pods_left(result["quotas"])


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
