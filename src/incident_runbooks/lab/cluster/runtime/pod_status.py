# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod's status says, from what its containers do. Pure: no process, no store.

Sources: pkg/kubelet/kubelet_pods.go (getPhase), pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from incident_runbooks.lab.cluster.runtime import images

Json = dict[str, Any]

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
OURS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


@dataclass(frozen=True)
class View:
    """A container, as the status shows it.

    Attributes:
        name: its name.
        image: as its spec has it.
        state: ``waiting``, ``running`` or ``terminated``.
        last_state: the end of the instance before, or empty.
        restarts: how often it was started again.
        started: whether its startup probe has succeeded, or it has none and runs.
        ready: whether it runs and its readiness probe succeeds.
        container_id: of the instance; empty while there is none.
    """

    name: str
    image: str
    state: Json
    last_state: Json = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False
    container_id: str = ""

    @property
    def ended(self) -> Json | None:
        """How it ended, also while it waits to be started again; ``None`` when it runs or never did."""
        if "running" in self.state:
            return None
        found: Json | None = self.state.get("terminated") or self.last_state.get("terminated")
        return found

    def to_status(self) -> Json:
        """Return the ContainerStatus."""
        shown: Json = {
            "name": self.name,
            "image": images.reference(self.image) if self.container_id else self.image,
            "imageID": images.image_id(self.image) if self.container_id else "",
            "state": self.state,
            "lastState": self.last_state,
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": self.started,
        }
        return shown | ({"containerID": self.container_id} if self.container_id else {})


def build(pod: Json, inits: Sequence[View], mains: Sequence[View], *, ip: str, host_ip: str, at: str) -> Json:
    """Return the whole status of a pod.

    Args:
        pod: as it is in the store; conditions that are not the kubelet's stay.
        inits: its init containers.
        mains: its containers.
        ip: its address, or empty while it has none.
        host_ip: the node's.
        at: the present instant, as the API writes it.
    """
    old = pod.get("status") or {}
    status: Json = {**old, "phase": phase(pod["spec"].get("restartPolicy", "Always"), inits, mains)}
    if status["phase"] == RUNNING and old.get("phase") in (SUCCEEDED, FAILED):
        status["phase"] = old["phase"]  # an end is for ever
    status.setdefault("startTime", at)
    status |= {"hostIP": host_ip, "hostIPs": [{"ip": host_ip}]}
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    status["conditions"] = _conditions(pod, status["phase"], inits, mains, has_ip=bool(ip), at=at)
    status["containerStatuses"] = [view.to_status() for view in sorted(mains, key=lambda view: view.name)]
    if inits:
        status["initContainerStatuses"] = [view.to_status() for view in inits]
    status.setdefault("qosClass", qos_class(pod["spec"]))
    return status


def phase(restart_policy: str, inits: Sequence[View], mains: Sequence[View]) -> str:
    """Return the phase."""
    for view in inits:
        if not _succeeded(view):
            gave_up = restart_policy == "Never" and "terminated" in view.state
            return FAILED if gave_up else PENDING
    if any("waiting" in view.state and not view.ended for view in mains):
        return PENDING
    if any("running" in view.state for view in mains):
        return RUNNING
    if restart_policy == "Always":
        return RUNNING
    if all(_succeeded(view) for view in mains):
        return SUCCEEDED
    return FAILED if restart_policy == "Never" else RUNNING


def qos_class(spec: Json) -> str:
    """Return ``Guaranteed``, ``Burstable`` or ``BestEffort``."""
    resources = [container.get("resources") or {} for container in spec["containers"]]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    for each in resources:
        limits = each.get("limits") or {}
        if set(limits) < {"cpu", "memory"} or {**limits, **(each.get("requests") or {})} != limits:
            return "Burstable"
    return "Guaranteed"


def _succeeded(view: View) -> bool:
    ended = view.state.get("terminated")
    return ended is not None and bool(ended["exitCode"] == 0)


def _conditions(
    pod: Json, in_phase: str, inits: Sequence[View], mains: Sequence[View], *, has_ip: bool, at: str
) -> list[Json]:
    incomplete = [] if in_phase == SUCCEEDED else [view.name for view in inits if not _succeeded(view)]
    unready = [view.name for view in mains if not view.ready]
    ready = _containers_ready(in_phase, unready)
    facts: dict[str, Json] = {
        "PodReadyToStartContainers": {"status": str(has_ip and in_phase not in (SUCCEEDED, FAILED))},
        "Initialized": _initialized(in_phase, incomplete),
        "Ready": _with_gates(pod, ready),
        "ContainersReady": ready,
    }
    return merged((pod.get("status") or {}).get("conditions") or (), facts, at)


def merged(old: Iterable[Json], facts: dict[str, Json], at: str) -> list[Json]:
    """Return conditions with some of them replaced; the time of a transition stays unless the status changes."""
    there = {condition["type"]: condition for condition in old}
    new = []
    for kind, fact in facts.items():
        before = there.get(kind) or {}
        since = before.get("lastTransitionTime") if before.get("status") == fact["status"] else None
        new.append({"type": kind, "lastProbeTime": None, "lastTransitionTime": since or at, **fact})
    return new + [condition for kind, condition in there.items() if kind not in facts]


def _initialized(in_phase: str, incomplete: list[str]) -> Json:
    if in_phase == SUCCEEDED:
        return {"status": "True", "reason": "PodCompleted"}
    if incomplete:
        said = f"containers with incomplete status: [{' '.join(incomplete)}]"
        return {"status": "False", "reason": "ContainersNotInitialized", "message": said}
    return {"status": "True"}


def _containers_ready(in_phase: str, unready: list[str]) -> Json:
    if in_phase == SUCCEEDED:
        return {"status": "False", "reason": "PodCompleted"}
    if in_phase == FAILED:
        return {"status": "False", "reason": "PodFailed"}
    if unready:
        said = f"containers with unready status: [{' '.join(unready)}]"
        return {"status": "False", "reason": "ContainersNotReady", "message": said}
    return {"status": "True"}


def _with_gates(pod: Json, containers_ready: Json) -> Json:
    """Return the condition Ready: also what the pod's readiness gates demand holds."""
    if containers_ready["status"] != "True":
        return containers_ready
    conditions = {each["type"]: each["status"] for each in (pod.get("status") or {}).get("conditions") or ()}
    said = []
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        if kind not in conditions:
            said.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif conditions[kind] != "True":
            said.append(f'the status of pod readiness gate "{kind}" is not "True", but {conditions[kind]}')
    if said:
        return {"status": "False", "reason": "ReadinessGatesNotReady", "message": ", ".join(said)}
    return {"status": "True"}
