# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell where a Service of Kubernetes leads."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_service
short_description: Tell where a Service leads, by its selector, its ports and the addresses behind it
version_added: 0.1.0
description:
  - Reads a Service, its EndpointSlices, and the pods that its selector matches, and says whether requests to it get to
    a pod that is ready. It sends none of its own.
  - An API server that is down, slow or refuses is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  name:
    description: Name of the Service.
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
- name: See whether the Service of the API leads to its pods
  brandconnect.incidents.k8s_service:
    namespace: brandconnect
    name: backend
    rbac_role: webhook-failures-diagnose
  register: service
"""

RETURN = r"""
reachable:
  description: Whether the API server answered the login.
  returned: success
  type: bool
  sample: true
cause:
  description: Why the Service could not be read; V(null) when it was. As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: str
  sample: not_found
message:
  description: What the API server or the network said to that, in one line.
  returned: success
  type: str
  sample: HTTP 404, services "backend" not found
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: the login lacks get on services in namespace brandconnect; bind a Role that grants it
denied:
  description: Permissions that the login lacks.
  returned: success
  type: list
  elements: dict
  sample: []
unknown:
  description: Other parts that could not be read, C(endpointslices) or C(pods).
  returned: success
  type: list
  elements: dict
  sample: []
verdict:
  description:
    - V(ok) when there is an address behind it that is ready.
    - V(no_service) when there is no such Service.
    - V(selector_matches_nothing) when no pod has the labels that it looks for.
    - V(wrong_target_port) when it leads to a port that the pods behind it do not have, see RV(certain).
    - V(no_endpoints) when there is no address behind it, and V(not_ready) when none of them is ready.
    - V(unknown) when that could not be read, or it leads out of the cluster (V(ExternalName)).
  returned: success
  type: str
  sample: selector_matches_nothing
certain:
  description:
    - Whether RV(verdict) is proven. A port with a number that no container declares may be right all the same, since a
      container may listen on what it does not declare.
  returned: success
  type: bool
  sample: true
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: no pod has its labels (app=backend-v2)
service:
  description:
    - The Service with C(name), C(namespace), C(uid), C(created_at), C(type), C(cluster_ip), C(selector) and
      C(publishes_not_ready); V(null) when it was not read.
  returned: success
  type: dict
  sample: {name: backend, namespace: brandconnect, uid: 1f0e, created_at: "2026-11-01T09:00:00Z", type: ClusterIP,
           cluster_ip: 10.3.0.12, selector: {app: backend-v2}, publishes_not_ready: false}
ports:
  description:
    - Its ports, each with C(name), C(port), C(protocol), C(target_port) as it is given, and C(leads_to), the numbers
      that this is in the pods.
    - C(resolved) says of a port that is given by its name whether a pod behind the Service has it, C(declared) whether
      any container declares it. V(null) where that is not known.
  returned: success
  type: list
  elements: dict
  sample: [{name: http, port: 80, protocol: TCP, target_port: http, leads_to: [3000], resolved: true, declared: true}]
endpoints:
  description:
    - How many addresses behind it are C(ready) and C(not_ready), and at most 20 names of their pods, C(names_ready) and
      C(names_not_ready); V(null) when they could not be read.
  returned: success
  type: dict
  sample: {ready: 2, not_ready: 0, names_ready: [backend-6f9c-x2x4l, backend-6f9c-zk8vq], names_not_ready: []}
pods_matching:
  description: Pods that its selector matches; V(null) when it has none, or they could not be listed.
  returned: success
  type: int
  sample: 2
pods:
  description: At most 20 of them, each with C(name), C(ready) and C(ports) that its containers declare.
  returned: success
  type: list
  elements: dict
  sample: [{name: backend-6f9c-x2x4l, ready: true, ports: [{name: http, port: 3000}]}]
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
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_service import read_service
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import service_endpoints
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Look at the Service. A sick cluster is a result; see RETURN."""
    result = {**nothing_read(), **service_endpoints.facts(service_endpoints.Seen()), "requests": 0}
    try:
        cluster = Cluster(params)
    except KubernetesError as error:
        return result | unreadable(error.failure)
    with cluster:
        seen, failures = read_service(cluster, params["name"])
        if "service" in failures:
            result |= unreadable(failures["service"])
        else:
            result["reachable"] = True
            add_unknown(result, failures)
        result |= service_endpoints.facts(seen)
        result["requests"] = cluster.requests
    return result


SPEC = ModuleSpec(
    run=run,
    argument_spec={**kubernetes_argument_spec(), "name": {"type": "str", "required": True}},
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
