# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold a workload as evidence, so that no runbook restarts, changes or deletes it; or release it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_hold
short_description: Hold a workload as evidence, or release it
version_added: 0.1.0
description:
  - Sets or removes the annotation C(incidents.brandconnect/evidence-hold) of a workload, with who set it and when.
  - While it is there, M(brandconnect.incidents.k8s_rollout), M(brandconnect.incidents.k8s_apply) and
    M(brandconnect.incidents.k8s_restore) refuse what would end its pods or change it, except for the same incident.
  - It stands in the workload itself, not in the pod template, so no pod is replaced by it. It keeps no person with
    C(kubectl) and no other controller from anything.
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
  state:
    description: Whether it is to be held.
    type: str
    choices: [held, released]
    default: held
  incident:
    description: Id of the incident that holds it. Only the same one releases it.
    type: str
    required: true
  held_by:
    description: Who holds or releases it; the operator of the run unless given.
    type: str
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - C(runbook rollback INCIDENT --only preserve-evidence) releases what data-breach holds.
  - It needs C(get) and C(patch) on the workload.
seealso:
  - module: brandconnect.incidents.interlock
  - module: brandconnect.incidents.k8s_snapshot
"""

EXAMPLES = r"""
- name: Keep everybody off the backend
  brandconnect.incidents.k8s_hold:
    namespace: brandconnect
    name: backend
    incident: data-breach-20261123T231455Z-3fa1

- name: Release it when its evidence is preserved
  brandconnect.incidents.k8s_hold:
    namespace: brandconnect
    name: backend
    incident: data-breach-20261123T231455Z-3fa1
    state: released
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do; V(done), V(nothing_to_do) or V(refused).
    - In a failure V(unknown) when no answer to the patch came.
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: hold Deployment backend as evidence of data-breach-20261123T231455Z-3fa1
refusal:
  description:
    - With V(nothing_to_do), V(no_change).
    - With V(refused), V(held_by_other) or V(changed_meanwhile).
    - Null otherwise.
  returned: success
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-23T23:20:12.110000Z"
targets:
  description: The workload, when there is something to do.
  returned: success
  type: list
  elements: dict
  sample:
    - {kind: Deployment, name: backend, namespace: brandconnect, uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d,
       state: held}
before:
  description: The hold before, C(hold) with C(incident), C(by) and C(since); null for none.
  returned: success
  type: dict
  sample: {hold: null}
after:
  description: The hold after.
  returned: success
  type: dict
  sample:
    hold: {incident: data-breach-20261123T231455Z-3fa1, by: alice, since: "2026-11-23T23:20:12.110000Z"}
results:
  description: Empty.
  returned: success
  type: list
  elements: dict
  sample: []
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
  sample: the login lacks patch on deployments.apps in namespace brandconnect; bind a Role that grants it
denied:
  description: The missing permission.
  returned: failure
  type: list
  elements: dict
  sample: []
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
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report, may_have_happened
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import (
    hold_of,
    plan_hold,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import managed_by
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

ATTEMPTS = 3  # to patch exactly what was looked at


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Hold or release the workload; see RETURN.

    Raises:
        KubernetesError: the cluster cannot be asked, or refuses; ``details`` say what had been done.
    """
    report = Report(dt.datetime.now(dt.UTC))
    with Cluster(params) as cluster, recording_progress(report.plain, KubernetesError):
        _act(cluster, params, report, check_mode=check_mode)
    return report.plain()


def _act(cluster: Cluster, params: dict[str, Any], report: Report, *, check_mode: bool) -> None:
    kind, name = params["kind"], params["name"]
    path, label = cluster.workload_path(kind, name), f"{kind} {name}"
    # its status changes whenever a pod does, and evidence is not to be lost for that
    for _ in range(ATTEMPTS):
        workload = cluster.get(path)
        patch = _look(cluster, params, workload, label, report)
        if patch is None:
            return
        if check_mode:
            report.end("planned", report.reason)
            return
        try:
            report.after = {"hold": hold_of(cluster.patch(path, patch, "merge"))}
        except KubernetesError as error:
            report.changed = may_have_happened(error.failure.cause, error.failure.status)
            if error.failure.cause == "conflict":
                continue
            report.end("unknown" if report.changed else "failed", error.message)
            raise
        report.end("done", report.reason)
        return
    text = f"{label} was changed each of {ATTEMPTS} times that it was looked at; run again"
    report.end("refused", text, "changed_meanwhile")


def _look(
    cluster: Cluster, params: dict[str, Any], workload: dict[str, Any], label: str, report: Report
) -> dict[str, Any] | None:
    """Return the patch; ``None`` where there is nothing to do, or nothing may be done."""
    plan = plan_hold(
        workload, label, params["state"], params["incident"], params["held_by"] or "unknown", report.started_at
    )
    report.before = report.after = {"hold": hold_of(workload)}
    report.reason = plan.reason
    if plan.patch is None:
        report.end(plan.status, plan.reason, plan.word)
        return None
    uid = workload["metadata"].get("uid")
    where = {"kind": params["kind"], "name": params["name"], "namespace": cluster.namespace, "uid": uid}
    report.targets = [{**where, "state": params["state"]}]
    if manager := managed_by(workload["metadata"]):
        report.caveats = [f"{manager['tool']} manages {label} ({manager['evidence']}) and may change it all the same"]
    report.changed = True
    return plan.patch


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
        "incident": {"type": "str", "required": True},
        "held_by": {"type": "str"},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
