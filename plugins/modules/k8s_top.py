# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what the pods of a workload use."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_top
short_description: Measure CPU and memory of the pods of a workload
version_added: 0.1.0
description:
  - Returns what each container uses, what it asked for and what it may have, as numbers; if wanted, how nodes are.
  - A cluster without the metrics API is a result, RV(available), and so is an API server that is down or refuses.
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
  nodes:
    description:
      - Look at the nodes of the cluster as well, at the same time. See RV(nodes).
      - They belong to no namespace, so that a ClusterRole has to grant C(list) on them and on their metrics. Without it
        they are a part of RV(unknown), and everything else is as without this option.
    type: bool
    default: false
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.k8s_workload
"""

EXAMPLES = r"""
- name: See whether the backend is near its limits
  brandconnect.incidents.k8s_top:
    namespace: brandconnect
    name: backend
    nodes: true
  register: usage
"""

RETURN = r"""
reachable:
  description: As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: bool
  sample: true
cause:
  description: Why nothing could be measured; V(null) when it was. As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: str
  sample: forbidden
message:
  description: What the API server or the network said to that, in one line.
  returned: success
  type: str
  sample: HTTP 403, pods is forbidden
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: the login lacks list on pods in namespace brandconnect; bind a Role that grants it
denied:
  description: Permissions that the login lacks.
  returned: success
  type: list
  elements: dict
  sample: []
unknown:
  description: Other parts that could not be read.
  returned: success
  type: list
  elements: dict
  sample: []
available:
  description: Whether the metrics API gave measurements; V(null) when it could not be asked.
  returned: success
  type: bool
  sample: true
pods_total:
  description: Pods of the workload; V(null) when they could not be listed.
  returned: success
  type: int
  sample: 2
pods:
  description:
    - Each pod with C(name), C(ready), C(measured_at), C(window), C(cpu_cores), C(memory_bytes) and C(containers).
    - A container has C(name), C(cpu_cores), C(memory_bytes), and of its request and its limit C(cpu_limit_cores),
      C(memory_limit_bytes), C(cpu_limit_ratio) and C(memory_limit_ratio) (used divided by given), the same for
      C(request). V(null) stands for not given or not measured.
  returned: success
  type: list
  elements: dict
  sample:
    - name: backend-6f9c-x2x4l
      ready: true
      measured_at: "2026-11-24T15:00:00Z"
      window: 15s
      cpu_cores: 0.12
      memory_bytes: 180355072
      containers:
        - name: backend
          cpu_cores: 0.12
          memory_bytes: 180355072
          cpu_request_cores: 0.25
          memory_request_bytes: 268435456
          cpu_request_ratio: 0.48
          memory_request_ratio: 0.6719
          cpu_limit_cores: null
          memory_limit_bytes: 536870912
          cpu_limit_ratio: null
          memory_limit_ratio: 0.3359
totals:
  description:
    - C(pods_measured), the sums C(cpu_cores) and C(memory_bytes) over them, and the highest shares of a limit,
      C(cpu_limit_ratio_max) and C(memory_limit_ratio_max). V(null) when nothing was measured.
  returned: success
  type: dict
  sample: {pods_measured: 2, cpu_cores: 0.24, memory_bytes: 360710144, cpu_limit_ratio_max: null,
           memory_limit_ratio_max: 0.3359}
nodes:
  description:
    - With O(nodes), the nodes of the cluster, at most 50; those that carry pods of the namespace come first, and of
      them those that are not well. V(null) when they could not be listed.
    - C(ready), V(null) where the node has not been heard of; C(pressure), which of the conditions V(MemoryPressure),
      V(DiskPressure), V(PIDPressure) and V(NetworkUnavailable) hold; C(schedulable), V(false) when it is cordoned.
    - C(pods), how many pods of the namespace it carries that have not ended, V(null) where these could not be listed.
    - C(cpu_ratio) and C(memory_ratio) are what is used, by all that runs there, of what pods may have. V(null) stands
      for not measured.
  returned: success
  type: list
  elements: dict
  sample:
    - name: node-1
      ready: true
      pressure: [MemoryPressure]
      schedulable: true
      pods: 4
      measured_at: "2026-11-24T15:00:00Z"
      cpu_cores: 1.4
      memory_bytes: 15461882265
      cpu_allocatable_cores: 3.92
      memory_allocatable_bytes: 16106127360
      cpu_ratio: 0.3571
      memory_ratio: 0.96
nodes_total:
  description: How many nodes the cluster has; V(null) when they could not be listed.
  returned: success
  type: int
  sample: 12
requests:
  description: Requests that were sent.
  returned: success
  type: int
  sample: 4
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
    resource_path,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import (
    add_unknown,
    nothing_read,
    read_pods,
    unreadable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import nodes, usage
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

ABSENT = (404, 503)  # the API is not there, or its service does not answer
METRICS = "metrics.k8s.io/v1beta1"


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Measure. A sick cluster is a result; see RETURN."""
    result: dict[str, Any] = {
        **nothing_read(),
        **dict.fromkeys(("available", "pods_total", "totals", "nodes", "nodes_total")),
        "pods": [],
        "requests": 0,
    }
    try:
        with Cluster(params) as cluster:
            try:
                _measure(cluster, params, result)
            finally:
                result["requests"] = cluster.requests
    except KubernetesError as error:
        result |= unreadable(error.failure)
    return result


def _measure(cluster: Cluster, params: Mapping[str, Any], result: dict[str, Any]) -> None:
    kind = params["kind"]
    workload = cluster.get(cluster.workload_path(kind, params["name"]))
    result["reachable"] = True
    metrics = cluster.path(METRICS, "pods")
    reads = {"metrics": lambda: cluster.list(metrics), **(_of_nodes(cluster) if params["nodes"] else {})}
    pods = read_pods(cluster, kind, workload, reads)
    failures: dict[str, Failure] = pods.failures | pods.answers.failures
    for part in ("metrics", "node_metrics"):
        if part in failures and failures[part].status in ABSENT:
            result["available"] = False
            failures.pop(part)
    add_unknown(result, failures)
    read = pods.answers.values
    if "nodes" in read:
        states = nodes.node_states(read["nodes"], read.get("node_metrics"), read.get("placement"))
        result |= {"nodes": states[: nodes.MOST], "nodes_total": len(states)}
    if "pods" in failures:
        return
    result["pods_total"] = len(pods.mine)
    if "metrics" in read:
        result["available"] = True
        result["pods"] = usage.pod_usage(pods.mine, read["metrics"])
        result["totals"] = usage.totals(result["pods"])


def _of_nodes(cluster: Cluster) -> dict[str, Callable[[], Any]]:
    """The reads of nodes: what they are, what they use, and which pods of the namespace are where."""
    paths = {
        "nodes": resource_path("v1", "nodes", None),
        "node_metrics": resource_path(METRICS, "nodes", None),
        "placement": cluster.path("v1", "pods"),
    }
    return {part: partial(cluster.list, path) for part, path in paths.items()}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
        "nodes": {"type": "bool", "default": False},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
