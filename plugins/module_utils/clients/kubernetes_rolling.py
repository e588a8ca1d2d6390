# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Replace the pods of a workload, or give it another template: look, decide, act, wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_patching import (
    may_act,
    send_patch,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_rollout import (
    Waited,
    put_back,
    read_world,
    unready_pods,
    wait_for_rollout,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    Wish,
    World,
    describe,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_plan import (
    Plan,
    make_plan,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import strategy_text


class Rollout:
    """One rollout; what became of it is noted in the report."""

    def __init__(self, cluster: Cluster, params: dict[str, Any], report: Report) -> None:
        self.cluster = cluster
        self.kind, self.name, self.wait_s = params["kind"], params["name"], params["wait_s"]
        self.wish = _read_wish(params)
        self.report = report

    def do(self, *, check_mode: bool) -> None:
        """Look, decide, and act unless in check mode."""
        scaling = self.wish.action == "scale"
        world = read_world(self.cluster, self.kind, self.name, autoscalers=scaling)
        plan = make_plan(world, self.wish, self.report.started_at)
        self.report.before = self.report.after = describe(world, self.wish)
        if may_act(self.report, plan, self._note, check_mode=check_mode) and self._patch(plan, world):
            waited = wait_for_rollout(self.cluster, self.kind, self.name, self.wait_s)
            self._conclude(plan, world, waited)

    def _patch(self, plan: Plan, world: World) -> bool:
        path = self.cluster.workload_path(self.kind, self.name)
        return send_patch(self.cluster, path, plan.patch, plan.patch_kind, world.text, self.report, self._note)

    def _conclude(self, plan: Plan, world: World, waited: Waited) -> None:
        state = waited.state
        if waited.workload:
            self.report.after = describe(replace(world, workload={"kind": self.kind, **waited.workload}), self.wish)
        if state["done"] and not waited.failure:
            self.report.end("done", f"{plan.reason}; {state['message']}")
            self._note("rolled_out", state["message"], waited)
            self._put_back(plan, world)
            return
        left = f"; {self._left(plan, world)}" if plan.put_back else ""
        said = f"the cluster could not be asked: {waited.failure.text}" if waited.failure else str(state.get("message"))
        if state["failed"]:
            self.report.end("failed", f"{plan.reason}; the rollout failed: {said}{left}")
            self._note("rollout_failed", said, waited)
            return
        self.report.end("partial", f"{plan.reason}; not finished after {waited.waited_s:g} s: {said}{left}")
        self._note("not_finished", said, waited)

    def _put_back(self, plan: Plan, world: World) -> None:
        """Undo what was set for this rollout only."""
        if plan.put_back is None:
            return
        try:
            workload = put_back(self.cluster, self.kind, self.name, plan.put_back)
        except KubernetesError as error:
            self.report.end("done", f"{self.report.reason}; {self._left(plan, world)}: {error.failure.text}")
            return
        self.report.after = describe(replace(world, workload={"kind": self.kind, **workload}), self.wish)

    @staticmethod
    def _left(plan: Plan, world: World) -> str:
        before = strategy_text(plan.put_back or {})
        return f"{world.text} keeps maxSurge 0 until its next rollout by a runbook or a rollback puts back {before}"

    def _note(self, result: str, reason: str, waited: Waited | None = None) -> None:
        entry: dict[str, Any] = {"kind": self.kind, "name": self.name, "result": result, "reason": reason}
        if waited:
            pods = unready_pods(self.cluster, self.kind, waited.workload) if waited.workload else []
            entry |= {"waited_s": waited.waited_s, "not_ready": pods}
        self.report.results = [entry]


def _read_wish(params: dict[str, Any]) -> Wish:
    expected = {key: value for key, value in (params["expected"] or {}).items() if value is not None}
    return Wish(
        action=params["action"],
        env={str(name): None if value is None else str(value) for name, value in (params["env"] or {}).items()},
        env_from={str(name): dict(source) for name, source in (params["env_from"] or {}).items()},
        container=params["container"] or None,
        replicas=params["replicas"],
        lower=params["lower"],
        to_revision=params["to_revision"],
        surge=params["surge"],
        expected=expected,
        targets=params["targets"],
        incident=params["incident"] or None,
        repeat=params["repeat"],
        max_replicas=params["max_replicas"],
        restart_limit=params["restart_limit"],
        restart_window_s=params["restart_window_s"],
    )
