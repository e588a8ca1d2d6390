# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply a manifest to one namespace, after the server itself has checked all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_apply
short_description: Apply a manifest to one namespace, after the server itself has checked all of it
version_added: 0.1.0
description:
  - Has the server try every object first (server-side dry run), and applies them only when it accepts all.
  - Applies with the field manager C(incident-runbooks). Fields that others manage are not taken unless O(force) is
    given; the conflict names the other manager and the fields.
  - Applies nothing to other namespaces, nothing that is not in a namespace, and no Secrets.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  manifest:
    description: YAML text with one or more documents, one object, or a list of objects.
    type: raw
    required: true
  force:
    description: Take fields that other managers own. They may take them back at any time.
    type: bool
    default: false
  incident:
    description:
      - Id of the incident. Objects that are created carry it in the annotation C(incidents.brandconnect/created-for),
        by which M(brandconnect.incidents.k8s_restore) knows that it may delete them again.
    type: str
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
  wait_s:
    description:
      - Seconds to wait for the rollout of all Deployments, StatefulSets and DaemonSets in the manifest together; V(0)
        not to wait.
    type: int
    default: 120
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode the server tries every object, and nothing is applied.
  - It needs C(get) and C(patch) on every object, also for the dry run, and C(create) where one does not exist yet.
seealso:
  - module: brandconnect.incidents.k8s_restore
  - name: Server-side apply
    description: What field managers and conflicts are.
    link: https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

EXAMPLES = r"""
- name: Plan a PgBouncer
  brandconnect.incidents.k8s_apply:
    namespace: brandconnect
    manifest: "{{ lookup('ansible.builtin.template', 'pgbouncer.yml.j2') }}"
  check_mode: true
  register: plan

- name: Apply it, and nothing else
  brandconnect.incidents.k8s_apply:
    namespace: brandconnect
    manifest: "{{ lookup('ansible.builtin.template', 'pgbouncer.yml.j2') }}"
    targets: "{{ plan.targets }}"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do.
    - V(done) when all is applied and rolled out.
    - V(partial) when some of it is, or a rollout had not ended after O(wait_s).
    - V(failed) when a rollout failed.
    - V(nothing_to_do) or V(refused), with the word in RV(refusal).
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: "Deployment/pgbouncer: create; rolled out"
refusal:
  description:
    - With V(nothing_to_do), V(no_change).
    - With V(refused), V(empty_manifest), V(secret_in_manifest), V(secret_like_name), V(other_namespace),
      V(duplicate_object), V(unknown_kind), V(cluster_scoped), V(rejected), V(field_conflict), V(evidence_hold)
      or V(plan_changed).
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
    - Every object that changes. C(manifest) is a fingerprint of what is applied, C(current) of what is there.
  returned: success
  type: list
  elements: dict
  sample:
    - {api_version: apps/v1, kind: Deployment, namespace: brandconnect, name: pgbouncer, uid: null, operation: create,
       manifest: 9f86d081884c, current: null}
before:
  description:
    - Every object of the manifest before, by C(Kind/name); null for one that did not exist. Without status, field
      managers and what looks like a secret.
  returned: success
  type: dict
  sample: {Service/pgbouncer: null}
after:
  description: The same after, in check mode as the server says that it would be.
  returned: success
  type: dict
  sample:
    Service/pgbouncer:
      apiVersion: v1
      kind: Service
      metadata: {name: pgbouncer, namespace: brandconnect}
      spec: {ports: [{name: postgres, port: 5432, targetPort: postgres}]}
results:
  description:
    - What became of each object. C(operation) is V(create), V(update), V(none) or null when it is not known.
    - C(result) is V(applied), V(would_apply), V(unchanged), V(rejected), V(conflict), V(not_finished),
      V(rollout_failed) or V(not_attempted); in a failure V(unknown) when no answer came.
    - C(changes) are the fields that differ, C(conflicts) the fields of other managers, C(reason) what the server said.
    - C(uid) and C(fingerprint) are those of an object that was applied, by which it is recognised later.
  returned: success
  type: list
  elements: dict
  sample:
    - {kind: ConfigMap, name: pgbouncer, operation: update, result: applied, reason: null, conflicts: [],
       changes: [{path: .data.size, old: "10", new: "14"}], uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d,
       fingerprint: 9f86d081884c}
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
  sample: the login lacks patch on services in namespace brandconnect; bind a Role that grants it
denied:
  description: The missing permission.
  returned: failure
  type: list
  elements: dict
  sample:
    - {verb: patch, resource: services, subresource: "", api_group: "", namespace: brandconnect, name: pgbouncer}
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_applying import Applying
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Apply the manifest; see RETURN.

    Raises:
        KubernetesError: the cluster cannot be asked, or refuses; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    if params["wait_s"] < 0:
        raise IncidentsError(f"Applying a manifest: wait_s must be 0 or more, not {params['wait_s']}")
    with Cluster(params) as cluster:
        work = Applying(cluster, params)
        with recording_progress(work.report.plain, KubernetesError):
            work.do(check_mode=check_mode)
        return work.report.plain()


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "manifest": {"type": "raw", "required": True},
        "force": {"type": "bool", "default": False},
        "incident": {"type": "str"},
        "targets": {"type": "list", "elements": "dict"},
        "wait_s": {"type": "int", "default": 120},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
