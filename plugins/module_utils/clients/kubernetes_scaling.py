# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Change how many pods a workload has: look, decide, scale, wait."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_patching import (
    may_act,
    send_patch,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_rollout import unready_pods
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_scale import (
    AUTOSCALERS,
    AUTOSCALING,
    QUOTAS,
    Grown,
    read_capacity,
    wait_for_pods,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.scale_plan import make_plan
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.scale_world import (
    Plan,
    Wish,
    World,
    describe,
)


class Scaling:
    """One change of a workload's size; what became of it is noted in the report."""

    def __init__(self, cluster: Cluster, params: dict[str, Any], report: Report) -> None:
        self.cluster = cluster
        self.kind, self.name, self.wait_s = params["kind"], params["name"], params["wait_s"]
        names = ("action", "incident", "step", "max_replicas", "connection_budget", "targets")
        self.wish = Wish(**{name: params[name] for name in names})
        self.report = report

    def do(self, *, check_mode: bool) -> None:
        """Look, decide, and act unless in check mode."""
        world = self._look()
        plan = make_plan(world, self.wish)
        self.report.before = self.report.after = describe(world)
        if may_act(self.report, plan, self._note, check_mode=check_mode) and self._patch(world, plan):
            self._conclude(plan, wait_for_pods(self.cluster, self.kind, self.name, plan.replicas, self.wait_s))

    def _look(self) -> World:
        capacity = read_capacity(self.cluster, self.kind, self.name)
        failures = {part: failure.text for part, failure in capacity.failures.items()}
        return World(
            capacity.workload, capacity.autoscaler, capacity.quotas, failures.get(AUTOSCALERS), failures.get(QUOTAS)
        )

    def _patch(self, world: World, plan: Plan) -> bool:
        path = self.cluster.workload_path(self.kind, self.name)
        if world.autoscaler is not None:
            name = str(world.autoscaler["metadata"]["name"])
            path = self.cluster.path(AUTOSCALING, "horizontalpodautoscalers", name)
        label = f"{self.kind} {self.name}"
        return send_patch(self.cluster, path, plan.patch, "merge", label, self.report, self._note)

    def _conclude(self, plan: Plan, grown: Grown) -> None:
        try:
            self.report.after = describe(self._look())
        except KubernetesError as error:
            self.report.caveats.append(f"what it is now could not be read: {error.failure.text}")
        if grown.done:
            self.report.end("done", f"{plan.reason}; {grown.message}")
            self._note("scaled" if self.wish.action == "scale" else "reverted", grown.message, grown)
            return
        self.report.end("partial", f"{plan.reason}; not finished after {grown.waited_s:g} s: {grown.message}")
        self._note("not_finished", grown.message, grown)

    def _note(self, result: str, reason: str, grown: Grown | None = None) -> None:
        entry = {"kind": self.kind, "name": self.name, "result": result, "reason": reason}
        waited = {"waited_s": grown.waited_s if grown else 0.0, "not_ready": []}
        if grown and grown.workload and not grown.done:
            waited["not_ready"] = unready_pods(self.cluster, self.kind, grown.workload)
        self.report.results = [{**entry, **waited}]
