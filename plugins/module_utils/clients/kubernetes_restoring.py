# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Give objects back what they were before: look, decide, restore, wait."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_apply import Applier
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    WORKLOAD_KINDS,
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


class Restoring:
    """Some objects: what is to be done with each, and what became of it, in ``report``."""

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
