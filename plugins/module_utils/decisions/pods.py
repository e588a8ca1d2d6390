# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Pods as plain facts, and which of them belong to a workload. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """Return a label selector object as the text that the API takes.

    Raises:
        ValueError: it is empty, which would select every pod, or uses an unknown operator.
    """
    parts = [f"{key}={value}" for key, value in ((selector or {}).get("matchLabels") or {}).items()]
    for expression in (selector or {}).get("matchExpressions") or []:
        key, values = expression["key"], ",".join(expression.get("values") or [])
        forms = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": str(key),
            "DoesNotExist": f"!{key}",
        }
        if expression.get("operator") not in forms:
            raise ValueError(f"unknown operator {expression.get('operator')}")
        parts.append(forms[expression["operator"]])
    if not parts:
        raise ValueError("the selector is empty")
    return ",".join(parts)


def owned(
    pods: Iterable[Mapping[str, Any]],
    workload: Mapping[str, Any],
    replica_sets: Sequence[Mapping[str, Any]] | None,
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Split pods with the workload's labels into its own and strays.

    A pod belongs to what its controller reference names: the workload, or one of its ReplicaSets.

    Args:
        replica_sets: those of the namespace with the labels; ``None`` where they could not be read. The name of
            a pod's ReplicaSet then decides: a Deployment's are called after it, with a hash.
    """
    uid, name = _metadata(workload).get("uid"), str(_metadata(workload).get("name"))
    owners = {uid}
    if replica_sets is not None:
        owners |= {_metadata(item).get("uid") for item in replica_sets if controller(item).get("uid") == uid}
    mine: list[Mapping[str, Any]] = []
    strays: list[Mapping[str, Any]] = []
    for pod in pods:
        reference = controller(pod)
        by_name = reference.get("kind") == "ReplicaSet" and str(reference.get("name")).rpartition("-")[0] == name
        belongs = reference.get("uid") in owners if reference else False
        (mine if belongs or (replica_sets is None and by_name) else strays).append(pod)
    return mine, strays


def controller(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the owner reference that controls an object; empty for none."""
    references = _metadata(item).get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), {})


def owner_text(item: Mapping[str, Any]) -> str | None:
    """Return ``kind/name`` of the controller; ``None`` for none."""
    reference = controller(item)
    return f"{reference.get('kind')}/{reference.get('name')}" if reference else None


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether the pod serves: its Ready condition is true and it is not being deleted."""
    conditions = _status(pod).get("conditions") or []
    ready = any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)
    return ready and not _metadata(pod).get("deletionTimestamp")


def pod_facts(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an incident needs to know of a pod."""
    containers = [*_init_containers(pod), *_containers(pod)]
    status = _status(pod)
    return {
        "name": _metadata(pod).get("name"),
        "uid": _metadata(pod).get("uid"),
        "phase": status.get("phase"),
        "ready": is_ready(pod),
        "deleting": bool(_metadata(pod).get("deletionTimestamp")),
        "node": (pod.get("spec") or {}).get("nodeName"),
        "started_at": status.get("startTime"),
        "restarts": sum(container["restarts"] for container in containers),
        "reason": status.get("reason") or _reason(pod, containers),
        "owner": owner_text(pod),
        "containers": containers,
    }


def stray_facts(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells a pod that only wears the workload's labels."""
    return {
        "name": _metadata(pod).get("name"),
        "phase": _status(pod).get("phase"),
        "ready": is_ready(pod),
        "owner": owner_text(pod),
    }


def container_names(pod: Mapping[str, Any]) -> list[str]:
    """Return the names of all containers that may have a log, init containers first."""
    spec = pod.get("spec") or {}
    return [str(item["name"]) for kind in ("initContainers", "containers") for item in spec.get(kind) or []]


def restarted_containers(pod: Mapping[str, Any]) -> set[str]:
    """Return the names of the containers that have a previous log."""
    return {
        str(item.get("name"))
        for kind in ("initContainerStatuses", "containerStatuses")
        for item in _status(pod).get(kind) or []
        if item.get("restartCount")
    }


def _containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    statuses = {item.get("name"): item for item in _status(pod).get("containerStatuses") or []}
    specified = (pod.get("spec") or {}).get("containers") or []
    return [_container(item, statuses.get(item.get("name")) or {}, init=False) for item in specified]


def _init_containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sidecars, and whatever keeps the pod from starting; what is over and done is left out."""
    statuses = {item.get("name"): item for item in _status(pod).get("initContainerStatuses") or []}
    found = []
    for item in (pod.get("spec") or {}).get("initContainers") or []:
        status = statuses.get(item.get("name")) or {}
        over = ((status.get("state") or {}).get("terminated") or {}).get("exitCode") == 0
        if item.get("restartPolicy") == "Always" or not over:
            found.append(_container(item, status, init=True))
    return found


def _container(spec: Mapping[str, Any], status: Mapping[str, Any], *, init: bool) -> dict[str, Any]:
    state, details = _state(status.get("state"))
    last = (status.get("lastState") or {}).get("terminated")
    if state == "terminated" and not last:
        last = details
    return {
        "name": spec.get("name"),
        "init": init,
        "image": spec.get("image"),
        "image_id": status.get("imageID") or None,
        "ready": bool(status.get("ready")),
        "restarts": int(status.get("restartCount") or 0),
        "state": state,
        "reason": details.get("reason"),
        "last_termination": _termination(last) if last else None,
    }


def _state(state: Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any]]:
    for name in ("running", "waiting", "terminated"):
        if (state or {}).get(name) is not None:
            return name, (state or {})[name] or {}
    return "unknown", {}


def _termination(details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "reason": details.get("reason"),
        "exit_code": details.get("exitCode"),
        "signal": details.get("signal") or None,
        "finished_at": details.get("finishedAt"),
    }


def _reason(pod: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> str | None:
    """Why it is not ready, as kubectl shows it: a container's reason, else the scheduler's."""
    if is_ready(pod):
        return None
    for container in containers:
        if container["state"] != "running" and container["reason"]:
            return str(container["reason"])
    for condition in _status(pod).get("conditions") or []:
        if condition.get("status") == "False" and condition.get("reason"):
            return str(condition["reason"])
    return None


def _metadata(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return item.get("metadata") or {}


def _status(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return item.get("status") or {}
