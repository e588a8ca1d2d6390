# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Apply the objects of a manifest: look, decide, apply, wait for rollouts."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_apply import (
    Applier,
    field_conflicts,
    parse_manifest,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    WORKLOAD_KINDS,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_rollout import wait_for_rollout
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import applying
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import (
    Report,
    may_have_happened,
    same_targets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.applying import Part
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import hold_objection
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.restoring import object_facts


class Applying:
    """One manifest: what is to be done with each object, and what became of it, in ``report``."""

    def __init__(self, cluster: Cluster, params: dict[str, Any]) -> None:
        self.cluster = cluster
        self.params = params
        self.applier = Applier(cluster, force=params["force"], incident=params["incident"])
        self.report = Report(dt.datetime.now(dt.UTC))
        self.parts: list[Part] = []

    def do(self, *, check_mode: bool) -> None:
        """Look, decide, and apply unless in check mode."""
        items = parse_manifest(self.params["manifest"])
        namespace = self.cluster.namespace
        objection = applying.objection(items, namespace) or self.applier.discover(items)
        objection = objection or self._look([applying.in_namespace(item, namespace) for item in items])
        objection = objection or self._held()
        if objection:
            self.report.end("refused", objection[1], objection[0])
            return
        changing = [part for part in self.parts if part.operation != "none"]
        self.report.targets = [part.target() for part in changing]
        self._describe()
        if not changing:
            self.report.end("nothing_to_do", "everything is already as in the manifest", "no_change")
        elif not same_targets(self.params["targets"], self.report.targets):
            text = (
                "the manifest or the cluster is not any more what the plan was made for; look again and make a new plan"
            )
            self.report.end("refused", text, "plan_changed")
            self.report.results = [_result(part, "not_attempted") for part in self.parts]
        elif check_mode:
            self.report.changed = True
            self.report.end("planned", _summary(changing))
        else:
            self._apply()
            self._wait(_summary(changing))

    def _look(self, items: list[dict[str, Any]]) -> applying.Objection | None:
        """Have the server try every object; what it does not accept."""
        refused: dict[str, str] = {}
        for item in items:
            try:
                self.parts.append(self.applier.look(item))
            except KubernetesError as error:
                failure = error.failure
                if failure.cause not in {"invalid", "conflict"}:
                    raise
                found = field_conflicts(failure)
                refused[applying.label(item)] = _conflict_text(found) if found else failure.text
                part = Part(item)
                entry = _result(part, "conflict" if found else "rejected", failure.text) | {"operation": None}
                self.report.results.append(entry | {"conflicts": found})
            else:
                self.report.results.append(_result(self.parts[-1], "not_attempted"))
        if not refused:
            return None
        word = "field_conflict" if any(entry["conflicts"] for entry in self.report.results) else "rejected"
        return word, "; ".join(f"{label}: {why}" for label, why in refused.items())

    def _held(self) -> applying.Objection | None:
        """Whose evidence an object is that would be changed."""
        changing = (part for part in self.parts if part.operation != "none")
        held = (hold_objection(part.current, part.label, self.params["incident"]) for part in changing)
        return next(filter(None, held), None)

    def _describe(self) -> None:
        self.report.before = {part.label: applying.shown(part.current) for part in self.parts}
        self.report.after = {part.label: applying.shown(part.after) for part in self.parts}
        self.report.results = [
            _result(part, "unchanged" if part.operation == "none" else "would_apply") for part in self.parts
        ]
        if self.params["force"]:
            self.report.caveats.append("fields of other managers are taken by force; they may take them back")

    def _apply(self) -> None:
        """Apply in the order of the manifest; what was already the same is left alone."""
        self.report.after = dict(self.report.before)
        results = [_result(part, "unchanged" if part.operation == "none" else "not_attempted") for part in self.parts]
        self.report.results = results
        for index, part in enumerate(self.parts):
            if part.operation == "none":
                continue
            try:
                applied = self.applier.apply(part)
            except KubernetesError as error:
                unknown = may_have_happened(error.failure.cause, error.failure.status)
                word = "unknown" if unknown else "rejected"
                results[index] = _result(part, word, error.failure.text) | {"conflicts": field_conflicts(error.failure)}
                self.report.changed = self.report.changed or unknown
                self.report.status = "partial" if self.report.changed else "failed"
                raise
            self.report.changed = True
            self.report.after[part.label] = applying.shown(applied.after)
            facts = object_facts(applied.after)
            results[index] = _result(part, "applied") | {key: facts[key] for key in ("uid", "fingerprint")}

    def _wait(self, summary: str) -> None:
        """Wait for the rollout of every workload of the manifest."""
        deadline = time.monotonic() + self.params["wait_s"]
        status, said = "done", []
        for entry in self.report.results:
            if entry["kind"] not in WORKLOAD_KINDS or not self.params["wait_s"]:
                continue
            waited = wait_for_rollout(self.cluster, entry["kind"], entry["name"], max(deadline - time.monotonic(), 0))
            message = waited.failure.text if waited.failure else str(waited.state.get("message"))
            if waited.state["done"] and not waited.failure:
                said.append(f"{entry['kind']}/{entry['name']}: {message}")
                continue
            failed = bool(waited.state["failed"])
            entry |= {"result": "rollout_failed" if failed else "not_finished", "reason": message}
            said.append(f"{entry['kind']}/{entry['name']} is not rolled out: {message}")
            status = "failed" if failed or status == "failed" else "partial"
        self.report.end(status, "; ".join([summary, *said]))


def _result(part: Part, result: str, reason: str | None = None) -> dict[str, Any]:
    return {
        "kind": part.manifest["kind"],
        "name": part.manifest["metadata"]["name"],
        "operation": part.operation,
        "result": result,
        "reason": reason,
        "changes": part.changes(),
        "conflicts": [],
        "uid": None,
        "fingerprint": None,
    }


def _summary(parts: list[Part]) -> str:
    return "; ".join(f"{part.label}: {part.operation}" for part in parts)


def _conflict_text(found: list[dict[str, Any]]) -> str:
    texts = [_fields_text(entry) for entry in found]
    return f"{'; '.join(texts)}; agree with the other manager, or give force to take the fields"


def _fields_text(entry: Mapping[str, Any]) -> str:
    return f"{entry['manager']} manages {', '.join(entry['fields']) or 'fields of it'}"
