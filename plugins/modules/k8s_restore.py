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

import datetime as dt
import time
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_apply import Applier
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    WORKLOAD_KINDS,
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_restore import (
    Restored,
    identity,
    look,
    restore,
    wait_until_gone,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_rollout import wait_for_rollout
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import applying
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report, may_have_happened
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import hold_objection
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.restoring import MOVED_ON, object_facts
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
        work = _Work(cluster, params)
        with recording_progress(work.report.plain, KubernetesError):
            work.do(check_mode=check_mode)
        return work.report.plain()


class _Work:
    """One run of the module."""

    def __init__(self, cluster: Cluster, params: dict[str, Any]) -> None:
        self.cluster = cluster
        self.params = params
        self.applier = Applier(cluster)
        self.report = Report(dt.datetime.now(dt.UTC))
        self.objects: list[Restored] = []

    def do(self, *, check_mode: bool) -> None:
        """Look, decide, and restore unless in check mode."""
        given = self.params["objects"]
        objection = self.applier.discover([identity(each) for each in given]) if given else None
        if objection:
            self.report.end("refused", objection[1], objection[0])
            return
        self.objects = [look(self.applier, each, self.params["incident"]) for each in given]
        self._describe()
        moved = [each.verdict[1] for each in self.objects if each.verdict[0] == MOVED_ON]
        changing = [each for each in self.objects if each.operation != "none"]
        summary = "; ".join(f"{each.wanted['label']}: {each.operation}" for each in changing)
        held = [hold_objection(each.current, each.wanted["label"], self.params["incident"]) for each in changing]
        kept = next(filter(None, held), None)
        if moved:
            self.report.end("refused", "; ".join(moved), MOVED_ON)
        elif kept:
            self.report.end("refused", kept[1], kept[0])
        elif not changing:
            self.report.end("nothing_to_do", "everything is as it was before", "no_change")
        elif check_mode:
            self.report.changed = True
            self.report.end("planned", summary)
        elif self._restore():
            self._wait(summary)

    def _describe(self) -> None:
        self.report.before = {each.wanted["label"]: applying.shown(each.current) for each in self.objects}
        self.report.after = dict(self.report.before)
        words = {MOVED_ON: "moved_on", "restore": "would_change"}
        for each, given in zip(self.objects, self.params["objects"], strict=True):
            verdict, reason = each.verdict
            self.report.results.append(
                {
                    "kind": each.item["kind"],
                    "name": each.item["metadata"]["name"],
                    "operation": each.operation,
                    "result": words.get(verdict, "unchanged"),
                    "reason": reason,
                    "present": object_facts(each.current),
                    "differences": applying.differences(given["left"], each.current),
                }
            )
        self.report.targets = [
            {
                "kind": each.item["kind"],
                "namespace": self.cluster.namespace,
                "name": each.item["metadata"]["name"],
                "uid": object_facts(each.current)["uid"],
                "operation": each.operation,
                "current": object_facts(each.current)["fingerprint"],
            }
            for each in self.objects
            if each.operation != "none"
        ]

    def _restore(self) -> bool:
        """Restore in the given order; whether nobody stepped in."""
        for entry in self.report.results:
            entry["result"] = "unchanged" if entry["operation"] == "none" else "not_attempted"
        for each, entry in zip(self.objects, self.report.results, strict=True):
            if each.operation == "none":
                continue
            try:
                self.report.after[each.wanted["label"]] = applying.shown(restore(self.applier, each))
            except KubernetesError as error:
                if self._failed(entry, error):
                    return False
                raise
            self.report.changed = True
            entry |= {"result": "deleted" if each.operation == "delete" else "replaced", "reason": None}
        return True

    def _failed(self, entry: dict[str, Any], error: KubernetesError) -> bool:
        """Note a failure; whether it is only that somebody was faster."""
        unknown = may_have_happened(error.failure.cause, error.failure.status)
        entry |= {"result": "unknown" if unknown else "rejected", "reason": error.failure.text}
        self.report.changed = self.report.changed or unknown
        self.report.status = "partial" if self.report.changed else "failed"
        if error.failure.cause != "conflict":
            return False
        text = f"{entry['kind']}/{entry['name']} was changed while it was looked at; look again"
        self.report.end("partial" if self.report.changed else "refused", text, "changed_meanwhile")
        return True

    def _wait(self, summary: str) -> None:
        """Wait until what was deleted is gone and what was replaced is rolled out."""
        deadline = time.monotonic() + self.params["wait_s"]
        gone = [each.item for each in self.objects if each.operation == "delete"]
        left = wait_until_gone(self.applier, gone, self.params["wait_s"])
        said = [f"{label} is not gone yet" for label in left]
        for entry in self.report.results:
            label = f"{entry['kind']}/{entry['name']}"
            if label in left:
                entry |= {"result": "not_finished", "reason": "it is being deleted"}
            if entry["operation"] != "replace" or entry["kind"] not in WORKLOAD_KINDS:
                continue
            waited = wait_for_rollout(self.cluster, entry["kind"], entry["name"], max(deadline - time.monotonic(), 0))
            if waited.failure or not waited.state["done"]:
                why = waited.failure.text if waited.failure else str(waited.state.get("message"))
                entry |= {"result": "not_finished", "reason": why}
                said.append(f"{label} is not rolled out: {why}")
        self.report.end("partial" if said else "done", "; ".join([summary, *said]))


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
