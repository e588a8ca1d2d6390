# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of pods and nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incident_runbooks.lab.cluster.http.columns.column import AGE, NAME, NONE, Column, since, status, wide
from incident_runbooks.lab.cluster.resources import NODE_METRICS, NODES, POD_METRICS, PODS, Resource

Json = dict[str, Any]

_ROLE_LABEL = "node-role.kubernetes.io/"


def _containers(pod: Json) -> list[Json]:
    return status(pod).get("containerStatuses") or []


def _ready(pod: Json) -> str:
    ready = sum(1 for each in _containers(pod) if each.get("ready") and "running" in (each.get("state") or {}))
    return f"{ready}/{len(pod['spec']['containers'])}"


def pod_state(pod: Json) -> str:
    """Return the one word that says how a pod is."""
    reason = status(pod).get("reason") or status(pod).get("phase") or "Pending"
    conditions = status(pod).get("conditions") or ()
    if any(each["type"] == "PodScheduled" and each.get("reason") == "SchedulingGated" for each in conditions):
        reason = "SchedulingGated"
    reason = _init_state(pod) or _container_state(pod, reason, conditions)
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if status(pod).get("reason") == "NodeLost" else "Terminating"
    return reason


def _init_state(pod: Json) -> str:
    """Return how far the init containers are; empty when they are done."""
    total = len(pod["spec"].get("initContainers") or ())
    for index, each in enumerate(status(pod).get("initContainerStatuses") or ()):
        state = each.get("state") or {}
        ended = state.get("terminated")
        if ended and ended.get("exitCode") == 0:
            continue
        if ended:
            return f"Init:{_ended(ended)}"
        waits = (state.get("waiting") or {}).get("reason")
        return f"Init:{waits}" if waits and waits != "PodInitializing" else f"Init:{index}/{total}"
    return ""


def _ended(terminated: Json) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    signal = terminated.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{terminated.get('exitCode', 0)}"


def _container_state(pod: Json, reason: str, conditions: Any) -> str:
    runs = False
    for each in reversed(_containers(pod)):
        state = each.get("state") or {}
        if (state.get("waiting") or {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif state.get("terminated"):
            reason = _ended(state["terminated"])
        elif each.get("ready") and state.get("running"):
            runs = True
    if reason == "Completed" and runs:
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        return "Running" if ready else "NotReady"
    return reason


def _restarts(pod: Json) -> str:
    count = sum(each.get("restartCount", 0) for each in _containers(pod))
    ends = [
        ended["finishedAt"]
        for each in _containers(pod)
        if (ended := (each.get("lastState") or {}).get("terminated")) and ended.get("finishedAt")
    ]
    return f"{count} ({since(max(ends))} ago)" if count and ends else str(count)


def _node_state(node: Json) -> str:
    ready = next((each for each in status(node).get("conditions") or () if each["type"] == "Ready"), None)
    said = "Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"
    return f"{said},SchedulingDisabled" if (node.get("spec") or {}).get("unschedulable") else said


def _roles(node: Json) -> str:
    labels = node["metadata"].get("labels") or {}
    return ",".join(sorted(key.removeprefix(_ROLE_LABEL) for key in labels if key.startswith(_ROLE_LABEL))) or NONE


def _address(kind: str) -> Any:
    def cell(node: Json) -> str:
        found = [each["address"] for each in status(node).get("addresses") or () if each["type"] == kind]
        return found[0] if found else NONE

    return cell


def _info(name: str) -> Any:
    return lambda node: (status(node).get("nodeInfo") or {}).get(name) or "<unknown>"


def _used(name: str) -> Any:
    """Return the cell of a resource's usage: of a node, or of a pod's first container as metrics-server does it."""

    def cell(obj: Json) -> str:
        usage = obj.get("usage")
        if usage is None:
            usage = (obj.get("containers") or [{}])[0].get("usage") or {}
        return str(usage.get(name, "0"))

    return cell


_USAGE = (
    NAME,
    Column("cpu", _used("cpu")),
    Column("memory", _used("memory")),
    Column("Window", lambda obj: obj.get("window")),
)

COLUMNS: Mapping[Resource, tuple[Column, ...]] = {
    PODS: (
        NAME,
        Column("Ready", _ready),
        Column("Status", pod_state),
        Column("Restarts", _restarts),
        AGE,
        wide("IP", lambda pod: status(pod).get("podIP") or NONE),
        wide("Node", lambda pod: pod["spec"].get("nodeName") or NONE),
        wide("Nominated Node", lambda pod: status(pod).get("nominatedNodeName") or NONE),
        wide("Readiness Gates", lambda _: NONE),
    ),
    NODES: (
        NAME,
        Column("Status", _node_state),
        Column("Roles", _roles),
        AGE,
        Column("Version", _info("kubeletVersion")),
        wide("Internal-IP", _address("InternalIP")),
        wide("External-IP", _address("ExternalIP")),
        wide("OS-Image", _info("osImage")),
        wide("Kernel-Version", _info("kernelVersion")),
        wide("Container-Runtime", _info("containerRuntimeVersion")),
    ),
    POD_METRICS: _USAGE,
    NODE_METRICS: _USAGE,
}
