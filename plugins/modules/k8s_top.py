# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what the pods of a workload use."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_top
short_description: Measure CPU and memory of the pods of a workload
version_added: 0.1.0
description:
  - Returns what each container uses, what it asked for and what it may have, as numbers.
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
requests:
  description: Requests that were sent.
  returned: success
  type: int
  sample: 4
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import (
    add_unknown,
    nothing_read,
    read_pods,
    unreadable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import usage
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

ABSENT = (404, 503)  # the API is not there, or its service does not answer


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Measure. A sick cluster is a result; see RETURN."""
    result: dict[str, Any] = {
        **nothing_read(),
        **dict.fromkeys(("available", "pods_total", "totals")),
        "pods": [],
        "requests": 0,
    }
    try:
        with Cluster(params) as cluster:
            try:
                _measure(cluster, params["kind"], params["name"], result)
            finally:
                result["requests"] = cluster.requests
    except KubernetesError as error:
        result |= unreadable(error.failure)
    return result


def _measure(cluster: Cluster, kind: str, name: str, result: dict[str, Any]) -> None:
    workload = cluster.get(cluster.workload_path(kind, name))
    result["reachable"] = True
    metrics = cluster.path("metrics.k8s.io/v1beta1", "pods")
    pods = read_pods(cluster, kind, workload, {"metrics": lambda: cluster.list(metrics)})
    failures: dict[str, Failure] = pods.failures | pods.answers.failures
    if "metrics" in failures and failures["metrics"].status in ABSENT:
        result["available"] = False
        failures.pop("metrics")
    add_unknown(result, failures)
    if "pods" in failures:
        return
    result["pods_total"] = len(pods.mine)
    if "metrics" in pods.answers.values:
        result["available"] = True
        result["pods"] = usage.pod_usage(pods.mine, pods.answers.values["metrics"])
        result["totals"] = usage.totals(result["pods"])


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
