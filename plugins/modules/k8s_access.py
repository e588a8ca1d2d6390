# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a cluster what the login may do there, without doing it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_access
short_description: Ask a Kubernetes cluster what the login may do there, without doing it
version_added: 0.1.0
description:
  - Takes Roles, such as those of C(deploy/rbac), and asks the API server of each permission in them whether the login
    has it, by a SelfSubjectAccessReview. It does not matter how it got it.
  - The questions are posted and change nothing.
  - A cluster that is down or refuses is a result. A permission that could not be asked about never counts as there.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  roles:
    description:
      - Objects as the files of C(deploy/rbac) hold them. Of Roles and ClusterRoles the rules are asked about, in the
        namespace O(namespace); other objects are left out.
    type: list
    elements: dict
    required: true
  names:
    description: Other names for the C(resourceNames) of the Roles, where the platform calls its objects otherwise.
    type: dict
    default: {}
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
notes:
  - Every login may ask this of itself, unless the binding C(system:basic-user) was removed.
seealso:
  - module: brandconnect.incidents.k8s_workload
"""

EXAMPLES = r"""
- name: Ask whether the login may restart the backend
  brandconnect.incidents.k8s_access:
    namespace: brandconnect
    roles: "{{ lookup('ansible.builtin.file', 'deploy/rbac/pool-exhaustion-remediate.yml') | from_yaml_all }}"
  register: access
"""

RETURN = r"""
reachable:
  description: As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why nothing, or not everything, could be asked; V(null) when it was. As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: str
  sample: auth
message:
  description: What the API server or the network said to that, in one line.
  returned: success
  type: str
  sample: HTTP 401, Unauthorized
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: the login is not valid or has expired; log in again or renew the token
user:
  description: Who the login is; V(null) when the server does not tell, as before Kubernetes 1.28.
  returned: success
  type: str
  sample: system:serviceaccount:brandconnect:pool-exhaustion-diagnose
grants:
  description:
    - Each Role with its name C(role), whether the login has all that it grants, C(granted), and the permissions that
      are C(missing). Those that could not be asked about are C(unknown); then C(granted) is V(null) unless one is
      missing.
  returned: success
  type: list
  elements: dict
  sample:
    - {role: pool-exhaustion-remediate, granted: false, missing: [patch deployments.apps backend], unknown: []}
requests:
  description: Requests that were sent.
  returned: success
  type: int
  sample: 12
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_access import ask_access, who
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    KubernetesError,
    problem,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import unreadable
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.access import grants, permissions
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Ask. A sick cluster is a result; see RETURN."""
    names = {str(name): str(other) for name, other in params["names"].items()}
    wanted = permissions(params["roles"], names)
    result: dict[str, Any] = {
        "changed": False,
        "reachable": False,
        **dict.fromkeys(("cause", "message", "hint", "user")),
        "grants": grants(wanted, {}),
        "requests": 0,
    }
    try:
        with Cluster(params) as cluster:
            try:
                result["user"] = who(cluster)
                result["reachable"] = True
                allowed, failures = ask_access(cluster, (each for granted in wanted.values() for each in granted))
                result["grants"] = grants(wanted, allowed)
                if failures:
                    result |= _shown(problem(failures[0]))
            finally:
                result["requests"] = cluster.requests
    except KubernetesError as error:
        result |= _shown(unreadable(error.failure))
    return result


def _shown(said: dict[str, Any]) -> dict[str, Any]:
    """Without ``denied``: what is denied here is the question, and the message says so."""
    return {name: value for name, value in said.items() if name != "denied"}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "roles": {"type": "list", "elements": "dict", "required": True},
        "names": {"type": "dict", "default": {}},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
