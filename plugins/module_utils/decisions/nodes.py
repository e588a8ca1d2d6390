# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How the nodes of a cluster are, what they use of what pods may have, and whose pods they carry. Pure, no I/O.

The conditions: https://kubernetes.io/docs/reference/node/node-status/#condition
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quantities import quantity_or_none

# what a kubelet says of too little; beside them there is Ready, which says the opposite
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
MOST = 50  # nodes that are returned; a cluster may have thousands
_ENDED = frozenset({"Succeeded", "Failed"})  # such a pod names its node still, and uses nothing of it

Json = dict[str, Any]


def node_states(
    nodes: Iterable[Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]] | None,
    pods: Sequence[Mapping[str, Any]] | None,
) -> list[Json]:
    """Return each node as the module k8s_top does: those that carry the pods first, and of them those in need.

    Args:
        nodes: as the API serves them.
        metrics: NodeMetrics of the cluster; ``None`` where they could not be read.
        pods: that are looked for on the nodes; ``None`` where they could not be listed.
    """
    used = {(item.get("metadata") or {}).get("name"): item for item in metrics or ()}
    carried = None if pods is None else Counter(_places(pods))
    found = [_state(node, used.get(node["metadata"]["name"]), carried) for node in nodes]
    return sorted(found, key=_order)


def _places(pods: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for pod in pods:
        place = (pod.get("spec") or {}).get("nodeName")
        if place and (pod.get("status") or {}).get("phase") not in _ENDED:
            yield place


def _state(node: Mapping[str, Any], metrics: Mapping[str, Any] | None, carried: Mapping[str, int] | None) -> Json:
    name, status = node["metadata"]["name"], node.get("status") or {}
    conditions = {item.get("type"): item.get("status") for item in status.get("conditions") or []}
    usage, may = (metrics or {}).get("usage") or {}, status.get("allocatable") or {}
    cpu, memory = quantity_or_none(usage.get("cpu")), quantity_or_none(usage.get("memory"))
    cpu_all, memory_all = quantity_or_none(may.get("cpu")), quantity_or_none(may.get("memory"))
    return {
        "name": name,
        "ready": {"True": True, "False": False}.get(str(conditions.get("Ready"))),
        "pressure": [kind for kind in PRESSURES if conditions.get(kind) == "True"],
        "schedulable": not (node.get("spec") or {}).get("unschedulable"),
        "pods": None if carried is None else carried.get(name, 0),
        "measured_at": (metrics or {}).get("timestamp"),
        "cpu_cores": None if cpu is None else round(float(cpu), 6),
        "memory_bytes": None if memory is None else int(memory),
        "cpu_allocatable_cores": None if cpu_all is None else round(float(cpu_all), 6),
        "memory_allocatable_bytes": None if memory_all is None else int(memory_all),
        "cpu_ratio": _ratio(cpu, cpu_all),
        "memory_ratio": _ratio(memory, memory_all),
    }


def _ratio(used: Decimal | None, given: Decimal | None) -> float | None:
    return round(float(used / given), 4) if used is not None and given else None


def _order(state: Mapping[str, Any]) -> tuple[bool, bool, float, str]:
    well = state["ready"] is True and not state["pressure"]
    most = max(state["cpu_ratio"] or 0.0, state["memory_ratio"] or 0.0)
    return state["pods"] == 0, well, -most, state["name"]
