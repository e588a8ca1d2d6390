# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring objects of one namespace back to the state before a runbook changed them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_restore
short_description: Bring objects of one namespace back to the state before a runbook changed them
version_added: 0.1.0
description:
  - Deletes objects that the incident has created, and gives back their earlier substance to those that it has changed.
  - Every object is looked at first. When one of them was changed by somebody else meanwhile, none is touched.
  - Deletes only what shows that this collection created it for O(incident), and only the very object and version that
    was looked at.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  objects:
    description: The objects, in the order in which they are restored.
    type: list
    elements: dict
    required: true
    suboptions:
      api_version:
        description: Its C(apiVersion).
        type: str
        required: true
      kind:
        description: Its kind.
        type: str
        required: true
      name:
        description: Its name.
        type: str
        required: true
      uid:
        description: Its uid, where it is known.
        type: str
      expected:
        description:
          - Fingerprint of what the runbook left, RV(brandconnect.incidents.k8s_apply#module:results).
          - Without it, only what nobody but this collection has written is deleted, and nothing is replaced.
        type: str
      previous:
        description: The object before, of RV(brandconnect.incidents.k8s_apply#module:before); null when there was none.
        type: dict
      left:
        description: The object as the runbook left it, to tell what was changed since.
        type: dict
  incident:
    description: Id of the incident that changed them.
    type: str
    required: true
  wait_s:
    description: Seconds to wait until deleted objects are gone and replaced workloads are rolled out.
    type: int
    default: 120
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode everything is read and decided, and nothing is changed.
  - It needs C(get) on every object, C(delete) on those that it deletes and C(patch) on those that it replaces.
seealso:
  - module: brandconnect.incidents.k8s_apply
"""

EXAMPLES = r"""
- name: Delete a ConfigMap that the incident created
  brandconnect.incidents.k8s_restore:
    namespace: brandconnect
    incident: pool-exhaustion-20261123T214012Z-3f9a
    objects:
      - api_version: v1
        kind: ConfigMap
        name: pgbouncer
        expected: 9f86d081884c
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do.
    - V(done) when all is as before.
    - V(partial) when something is not gone or not rolled out yet after O(wait_s), or not all could be done.
    - V(nothing_to_do) when all is as before already, or V(refused), with the word in RV(refusal).
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: "ConfigMap/pgbouncer: delete"
refusal:
  description:
    - With V(nothing_to_do), V(no_change).
    - With V(refused), V(moved_on), V(changed_meanwhile), V(evidence_hold), V(unknown_kind) or V(cluster_scoped).
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
  description: The objects that are touched, and how.
  returned: success
  type: list
  elements: dict
  sample:
    - {kind: ConfigMap, namespace: brandconnect, name: pgbouncer, uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d,
       operation: delete, current: 9f86d081884c}
before:
  description: Every object before, by C(Kind/name), without what looks like a secret; null for one that is not there.
  returned: success
  type: dict
  sample: {ConfigMap/pgbouncer: {apiVersion: v1, kind: ConfigMap, metadata: {name: pgbouncer}, data: {size: "10"}}}
after:
  description: The same after; the same as before when nothing was done.
  returned: success
  type: dict
  sample: {ConfigMap/pgbouncer: null}
results:
  description:
    - What became of each object. C(operation) is V(delete), V(replace) or V(none).
    - C(result) is V(deleted), V(replaced), V(would_change), V(unchanged), V(moved_on), V(rejected), V(not_finished) or
      V(not_attempted); in a failure V(unknown) when no answer came.
    - C(present) is what the object is recognised by, C(differences) what was changed since the runbook left it.
  returned: success
  type: list
  elements: dict
  sample:
    - {kind: ConfigMap, name: pgbouncer, operation: delete, result: deleted, reason: null, differences: [],
       present: {exists: true, uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d, fingerprint: 9f86d081884c,
       created_for: pool-exhaustion-20261123T214012Z-3f9a, managers: [incident-runbooks]}}
caveats:
  description: What a person should know before approving.
  returned: success
  type: list
  elements: str
  sample: []
cause:
  description: Why the cluster could not be asked, as in RV(brandconnect.incidents.k8s_workload#module:cause).
  returned: failure
  type: str
  sample: forbidden
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: the login lacks delete on services in namespace brandconnect; bind a Role that grants it
denied:
  description: The missing permission.
  returned: failure
  type: list
  elements: dict
  sample:
    - {verb: delete, resource: services, subresource: "", api_group: "", namespace: brandconnect, name: pgbouncer}
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_restoring import Restoring
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Restore the objects; see RETURN.

    Raises:
        KubernetesError: the cluster cannot be asked, or refuses; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    if params["wait_s"] < 0:
        raise IncidentsError(f"Restoring objects: wait_s must be 0 or more, not {params['wait_s']}")
    with Cluster(params) as cluster:
        work = Restoring(cluster, params)
        with recording_progress(work.report.plain, KubernetesError):
            work.do(check_mode=check_mode)
        return work.report.plain()


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "objects": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "api_version": {"type": "str", "required": True},
                "kind": {"type": "str", "required": True},
                "name": {"type": "str", "required": True},
                "uid": {"type": "str"},
                "expected": {"type": "str"},
                "previous": {"type": "dict"},
                "left": {"type": "dict"},
            },
        },
        "incident": {"type": "str", "required": True},
        "wait_s": {"type": "int", "default": 120},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
