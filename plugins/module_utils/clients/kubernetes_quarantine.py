# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read what a quarantine is decided on, make the policy, change the labels, and wait for the clean pods."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import evidence_precondition
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import read_parts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import quarantine
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report, may_have_happened
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import controller
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine import Plan
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine_facts import (
    World,
    clean_pods,
    describe,
    replacing,
    wanted_pods,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine_wish import (
    QUARANTINED,
    RELEASED,
    Wish,
)

POLL_S = 0.3
NETWORKING = "networking.k8s.io/v1"
_RESOURCES = {"ReplicaSet": "replicasets", "DaemonSet": "daemonsets", "Deployment": "deployments"}
# API groups that network plugins bring which can enforce NetworkPolicies
_ENFORCING = {
    "crd.projectcalico.org": "Calico",
    "projectcalico.org": "Calico",
    "cilium.io": "Cilium",
    "crd.antrea.io": "Antrea",
    "kubeovn.io": "Kube-OVN",
    "k8s.ovn.org": "OVN-Kubernetes",
    "networking.k8s.aws": "Amazon VPC CNI",
}

Json = dict[str, Any]


class Work:
    """One run of the module: what was seen, planned and done so far.

    Args:
        cluster: connected.
        wish: what is wanted.
        params: the module's options: of the evidence, and ``wait_s``.
    """

    def __init__(self, cluster: Cluster, wish: Wish, params: Mapping[str, Any]) -> None:
        self.report = Report(dt.datetime.now(dt.UTC))
        self._cluster = cluster
        self._wish = wish
        self._params = params
        self._wait_s = float(params["wait_s"])
        self._enforced: str | None = None

    def do(self, *, check_mode: bool) -> None:
        """Do it, or in check mode only plan it.

        Raises:
            KubernetesError: the cluster cannot be asked, or refuses; the report says what had been done.
        """
        world = self._read()
        plan = quarantine.make_plan(world, self._wish, self.report.started_at)
        self.report.before = self.report.after = self._state(world)
        self.report.targets, self.report.caveats = list(plan.targets), [*plan.caveats, *self._told(plan)]
        if plan.status != "planned":
            self.report.end(plan.status, plan.reason, plan.word)
            self._note_all(plan, "not_attempted", plan.reason)
        elif (objection := self._evidence(check_mode=check_mode)) and not check_mode:
            self.report.end("refused", objection[1], objection[0])
            self._note_all(plan, "not_attempted", objection[1])
        elif check_mode:  # evidence is collected between plan and action, so a plan may be made before there is any
            self.report.changed = True
            self.report.end("planned", plan.reason)
            self._note_all(plan, f"would_be_{self._wish.state}", None)
        else:
            self._act(plan, world)

    def _evidence(self, *, check_mode: bool) -> quarantine.Objection | None:
        """Look whether evidence was preserved, and note what is to be said of it. To give back, none is needed."""
        if self._wish.state == RELEASED:
            return None
        preserved = evidence_precondition.look(self._params)
        self.report.caveats += [preserved.caveat] if preserved.caveat else []
        needed = evidence_precondition.look({**self._params, "evidence_override": None}).objection
        if needed and not preserved.objection and not check_mode:
            self._note("Evidence", self._wish.incident, "overridden", preserved.plain["override"])
        return preserved.objection

    def _read(self) -> World:
        cluster = self._cluster
        answers = read_parts(
            {
                "pods": lambda: cluster.list(cluster.path("v1", "pods")),
                "services": lambda: cluster.list(cluster.path("v1", "services")),
                "networkpolicies": lambda: cluster.list(cluster.path(NETWORKING, "networkpolicies")),
                "groups": lambda: cluster.get("/apis").get("groups") or [],
            }
        )
        groups = {str(each.get("name")) for each in answers.values.pop("groups", [])}
        answers.failures.pop("groups", None)  # then nobody knows what is installed
        self._enforced = next((name for group, name in _ENFORCING.items() if group in groups), None)
        for part, failure in answers.failures.items():
            raise KubernetesError(f"Listing the {part} of namespace {cluster.namespace} on {cluster.server}", failure)
        seen = World(answers.values["pods"], answers.values["services"], answers.values["networkpolicies"])
        named = [pod for pod in map(seen.pod, self._wish.pods) if pod is not None]
        owners = self._owners(named)
        owners |= self._owners(list(owners.values()))
        return World(seen.pods, seen.services, seen.policies, owners)

    def _owners(self, items: list[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """The controllers of objects by uid; without one that is gone, or is another by now."""
        references = {str(each["uid"]): each for each in map(controller, items) if each.get("kind") in _RESOURCES}
        cluster = self._cluster
        answers = read_parts(
            {
                uid: partial(cluster.get, cluster.path("apps/v1", _RESOURCES[each["kind"]], str(each["name"])))
                for uid, each in references.items()
            }
        )
        for uid, failure in answers.failures.items():
            if failure.cause != "not_found":
                about = references[uid]
                raise KubernetesError(f"Reading {about['kind']} {about['name']} on {cluster.server}", failure)
        return {uid: item for uid, item in answers.values.items() if item["metadata"].get("uid") == uid}

    def _act(self, plan: Plan, world: World) -> None:
        failed = None
        try:
            failed = self._make_policy(plan)
            for name, patch in plan.patches.items():
                failed = failed or self._patch_pod(name, patch)
        finally:
            self._note_rest(plan, failed or "it stopped before")
        done = [entry for entry in self.report.results if entry["result"] == self._wish.state]
        if failed:
            status = "partial" if self.report.changed else "refused"
            self.report.end(status, failed, None if self.report.changed else "plan_changed")
        else:
            self.report.end("done", plan.reason)
        if done and not failed and self._wish.state == QUARANTINED:
            self._wait(world, [entry["name"] for entry in done])
        self._look_again()

    def _make_policy(self, plan: Plan) -> str | None:
        """Create the policy where it is missing, before any pod is chosen by it; why it could not be."""
        if self._wish.state == RELEASED:
            return None
        if plan.manifest is None:
            self._note("NetworkPolicy", self._wish.policy, "exists", None)
            return None
        path = self._cluster.path(NETWORKING, "networkpolicies")
        return self._send(
            "NetworkPolicy", self._wish.policy, "created", partial(self._cluster.create, path, plan.manifest)
        )

    def _patch_pod(self, name: str, patch: Json) -> str | None:
        path = self._cluster.path("v1", "pods", name)
        return self._send("Pod", name, self._wish.state, partial(self._cluster.patch, path, patch, "merge"))

    def _send(self, kind: str, name: str, result: str, send: Any) -> str | None:
        """Send one change and note what became of it; return why it did not happen, where a new look can help."""
        try:
            send()
        except KubernetesError as error:
            if error.failure.cause == "conflict":
                reason = f"{kind} {name} was changed while it was looked at; look again and make a new plan"
                self._note(kind, name, "not_attempted", reason)
                return reason
            maybe = may_have_happened(error.failure.cause, error.failure.status)
            self.report.changed = self.report.changed or maybe
            self._note(kind, name, "unknown" if maybe else "not_attempted", error.failure.text)
            status = "unknown" if maybe else "partial" if self.report.changed else "failed"
            self.report.end(status, error.message)
            raise
        self.report.changed = True
        self._note(kind, name, result, None)
        return None

    def _wait(self, world: World, names: list[str]) -> None:
        """Wait until every owner has as many ready pods as it wants, without those in quarantine."""
        owners = [world.owners[uid] for uid in replacing(world, names)]
        deadline = time.monotonic() + self._wait_s
        while owners and self._wait_s:
            try:
                pods = self._cluster.list(self._cluster.path("v1", "pods"))
            except KubernetesError:  # a look that fails is no answer
                pods = []
            left = [each for each in owners if clean_pods(each, pods, names) < wanted_pods(each)]
            if not left:
                return
            if time.monotonic() + POLL_S > deadline:
                named = ", ".join(str(each["metadata"]["name"]) for each in left)
                reason = f"{self.report.reason}; the clean pods of {named} were not ready after {self._wait_s:g} s"
                self.report.end("partial", reason)
                return
            time.sleep(POLL_S)

    def _look_again(self) -> None:
        try:
            self.report.after = self._state(self._read())
        except KubernetesError as error:
            self.report.after = {}
            self.report.caveats.append(f"nobody could look at it afterwards: {error.failure.text}")

    def _state(self, world: World) -> Json:
        pods = [pod for pod in map(world.pod, self._wish.pods) if pod is not None]
        return {
            "pods": [describe(pod, world.services) for pod in pods],
            "policy": {"name": self._wish.policy, "exists": world.policy(self._wish.policy) is not None},
            "policies_enforced_by": self._enforced,
        }

    def _told(self, plan: Plan) -> list[str]:
        """What is to be said of the network."""
        if plan.status != "planned" or self._wish.state == RELEASED:
            return []
        open_ones = "connections that are open may go on until they end"
        if self._enforced:
            return [f"{self._enforced} is installed, which can enforce NetworkPolicies; {open_ones}"]
        text = "nothing says that the network plugin of this cluster enforces NetworkPolicies: the cluster takes them"
        return [f"{text} all the same, so watch the pod's connections; {open_ones}"]

    def _note_all(self, plan: Plan, result: str, reason: str | None) -> None:
        if plan.manifest is not None and result != "not_attempted":
            self._note("NetworkPolicy", self._wish.policy, "would_be_created", reason)
        for name in plan.patches if result != "not_attempted" else self._wish.pods:
            self._note("Pod", name, result, reason)

    def _note_rest(self, plan: Plan, reason: str) -> None:
        noted = {entry["name"] for entry in self.report.results if entry["kind"] == "Pod"}
        for name in plan.patches:
            if name not in noted:
                self._note("Pod", name, "not_attempted", reason)

    def _note(self, kind: str, name: str, result: str, reason: str | None) -> None:
        self.report.results.append({"kind": kind, "name": name, "result": result, "reason": reason})
