# SPDX-License-Identifier: GPL-3.0-or-later
"""Binds pods to the one node, if they fit on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from incident_runbooks.lab.cluster.controllers import pods
from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.history import DELETED, Change
from incident_runbooks.lab.cluster.resources import NODES, PODS
from incident_runbooks.lab.cluster.runtime import node, pod_status, quantities
from incident_runbooks.lab.cluster.store import now

Json = dict[str, Any]

_RESOURCES = ("cpu", "memory")


class Scheduler(Controller):
    """Follows pods that have no node."""

    component = "default-scheduler"

    def concerns(self, change: Change) -> Iterable[Key]:
        """A pod without a node; all of those when something has become free."""
        if change.resource is PODS and change.type != DELETED and not change.object["spec"].get("nodeName"):
            yield _key(change.object)
        elif change.resource is NODES or (change.resource is PODS and _frees(change)):
            yield from (_key(pod) for pod in self.store.all(PODS) if not pod["spec"].get("nodeName"))

    def reconcile(self, key: Key) -> float | None:
        """Bind a pod, or say why not."""
        pod = self.store.find(PODS, *key)
        if pod is None or pod["spec"].get("nodeName") or pods.is_terminating(pod):
            return None
        there = self.store.find(NODES, None, node.NAME)
        if there is None:
            self._refuse(pod, "no nodes available to schedule pods")
        elif obstacle := self._obstacle(pod, there):
            self._refuse(pod, f"0/1 nodes are available: {obstacle}")
        else:
            self._bind(pod, key)
        return None

    def _bind(self, pod: Json, key: Key) -> None:
        self.recorder.normal(pod, "Scheduled", f"Successfully assigned {'/'.join(key)} to {node.NAME}")
        conditions = pod_status.merged(
            (pod.get("status") or {}).get("conditions") or (), {"PodScheduled": {"status": "True"}}, now()
        )
        status = {**(pod.get("status") or {}), "phase": "Pending", "conditions": conditions}
        self.store.update(PODS, {**pod, "status": status}, status=True)
        current = self.store.get(PODS, *key)
        self.store.update(PODS, {**current, "spec": {**current["spec"], "nodeName": node.NAME}})

    def _refuse(self, pod: Json, message: str) -> None:
        fact = {"status": "False", "reason": "Unschedulable", "message": message}
        conditions = pod_status.merged((pod.get("status") or {}).get("conditions") or (), {"PodScheduled": fact}, now())
        status = {**(pod.get("status") or {}), "phase": "Pending", "conditions": conditions}
        if status != pod.get("status"):
            self.recorder.warning(pod, "FailedScheduling", message)
            self.store.update(PODS, {**pod, "status": status}, status=True)

    def _obstacle(self, pod: Json, there: Json) -> str | None:
        labels = there["metadata"].get("labels") or {}
        if not (pod["spec"].get("nodeSelector") or {}).items() <= labels.items():
            return (
                "1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: "
                "1 Preemption is not helpful for scheduling."
            )
        if there["spec"].get("unschedulable"):
            return (
                "1 node(s) were unschedulable. preemption: 0/1 nodes are available: "
                "1 Preemption is not helpful for scheduling."
            )
        bound = [each for each in self.store.all(PODS) if each["spec"].get("nodeName") and not _ended(each)]
        allocatable = there["status"]["allocatable"]
        lacking = ["Too many pods"] if len(bound) >= int(allocatable["pods"]) else []
        for name in _RESOURCES:
            used = sum(_request(each, name) for each in bound)
            if (wanted := _request(pod, name)) and used + wanted > quantities.parse(allocatable[name]):
                lacking.append(f"Insufficient {name}")
        if not lacking:
            return None
        said = ", ".join(f"1 {each}" for each in lacking)
        return f"{said}. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."


def _request(pod: Json, name: str) -> float:
    """Return what a pod asks for: the sum of its containers, or the largest of its init containers."""

    def of(container: Json) -> float:
        return quantities.parse(((container.get("resources") or {}).get("requests") or {}).get(name, 0))

    mains = sum(of(container) for container in pod["spec"]["containers"])
    return max([mains, *(of(container) for container in pod["spec"].get("initContainers") or ())])


def _ended(pod: Json) -> bool:
    return pods.phase(pod) in ("Succeeded", "Failed")


def _frees(change: Change) -> bool:
    return change.type == DELETED or (_ended(change.object) and change.before is not None and not _ended(change.before))


def _key(pod: Json) -> Key:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]
