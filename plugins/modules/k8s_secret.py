# SPDX-License-Identifier: GPL-3.0-or-later
"""Examine a Secret without showing what is in it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_secret
short_description: Examine a Secret without showing what is in it
version_added: 0.1.0
description:
  - Says whether a Secret and its keys exist, how long the values are, whether they are empty or end in white space,
    and their fingerprints, by which values can be compared without being shown.
  - Says when the data was last changed, and which pods of a workload started before that and so may still use the old
    values.
  - Values are decoded in memory and never returned, neither plain nor encoded.
  - An API server that is down, slow or refuses is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  name:
    description: Name of the Secret.
    type: str
    required: true
  keys:
    description: Keys to examine; all of them unless given.
    type: list
    elements: str
    default: []
  workload_kind:
    description: Kind of O(workload_name).
    type: str
    choices: [Deployment, StatefulSet, DaemonSet]
    default: Deployment
  workload_name:
    description: Workload whose pods are compared with the last change of the Secret.
    type: str
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.k8s_workload
"""

EXAMPLES = r"""
- name: See whether the login of the backend is in place
  brandconnect.incidents.k8s_secret:
    namespace: brandconnect
    name: backend-database
    keys: [password]
    workload_name: backend
  register: login
"""

RETURN = r"""
reachable:
  description: As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why the Secret could not be read, V(not_found) too; V(null) when it was.
    - As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: str
  sample: not_found
message:
  description: What the API server or the network said to that, in one line.
  returned: success
  type: str
  sample: HTTP 404, secrets "backend-database" not found
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: check name and namespace
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
exists:
  description: Whether the Secret exists; V(null) when that is not known.
  returned: success
  type: bool
  sample: true
type:
  description: Its type.
  returned: success
  type: str
  sample: Opaque
immutable:
  description: Whether its data can never be changed.
  returned: success
  type: bool
  sample: false
managed_by:
  description: The tool that would undo a change by hand, with the evidence; V(null) for none.
  returned: success
  type: dict
  sample: null
resource_version:
  description: Version of the object, for the guard of an action.
  returned: success
  type: str
  sample: "81234"
keys:
  description:
    - Each key with C(exists), C(length) in bytes, C(empty) (nothing but white space), C(trailing_whitespace) and
      C(fingerprint), the first 12 digits of the SHA-256 of the value.
  returned: success
  type: dict
  sample: {password: {exists: true, length: 24, empty: false, trailing_whitespace: false, fingerprint: 9f86d081884c}}
changed_at:
  description: When the data was last written.
  returned: success
  type: str
  sample: "2026-11-24T15:00:00Z"
pods_older:
  description: Pods of O(workload_name) that started before that, with C(name) and C(started_at).
  returned: success
  type: list
  elements: dict
  sample: []
requests:
  description: Requests that were sent.
  returned: success
  type: int
  sample: 4
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
    read_parts,
    read_pods,
    unreadable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import secret_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import managed_by
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Examine the Secret. A sick cluster is a result; see RETURN."""
    result: dict[str, Any] = {
        **nothing_read(),
        **dict.fromkeys(("exists", "type", "immutable", "managed_by", "resource_version", "changed_at")),
        "keys": {},
        "pods_older": [],
        "requests": 0,
    }
    try:
        cluster = Cluster(params)
    except KubernetesError as error:
        return result | unreadable(error.failure)
    with cluster:
        _examine(cluster, params, result)
        result["requests"] = cluster.requests
    return result


def _examine(cluster: Cluster, params: dict[str, Any], result: dict[str, Any]) -> None:
    kind, workload_name = params["workload_kind"], params["workload_name"]
    parts = {"secret": lambda: cluster.get(cluster.path("v1", "secrets", params["name"]))}
    if workload_name:
        parts["workload"] = lambda: cluster.get(cluster.workload_path(kind, workload_name))
    answers = read_parts(parts)
    failure = answers.failures.pop("secret", None)
    if failure:
        result |= unreadable(failure)
        if failure.cause == "not_found":
            result |= {"exists": False, "keys": secret_facts.key_facts(None, params["keys"])}
        return
    secret = answers.values["secret"]
    result |= {
        "reachable": True,
        "exists": True,
        "type": secret.get("type"),
        "immutable": bool(secret.get("immutable")),
        "managed_by": managed_by(secret["metadata"]),
        "resource_version": secret["metadata"].get("resourceVersion"),
        "keys": secret_facts.key_facts(secret.get("data"), params["keys"]),
        "changed_at": secret_facts.changed_at(secret),
    }
    add_unknown(result, answers.failures)
    if "workload" in answers.values:
        pods = read_pods(cluster, kind, answers.values["workload"])
        add_unknown(result, pods.failures)
        result["pods_older"] = secret_facts.older_pods(pods.mine, result["changed_at"])


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "name": {"type": "str", "required": True},
        "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "workload_kind": {
            "type": "str",
            "choices": ["Deployment", "StatefulSet", "DaemonSet"],
            "default": "Deployment",
        },
        "workload_name": {"type": "str"},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
