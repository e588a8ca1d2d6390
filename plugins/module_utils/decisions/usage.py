# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""CPU and memory that pods use, and how that compares with what they asked for and may have. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import is_ready
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quantities import quantity_or_none


def pod_usage(pods: Iterable[Mapping[str, Any]], metrics: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the usage of each pod, cores and bytes; ``None`` where the metrics API has no measurement of it yet.

    Args:
        pods: as the API serves them.
        metrics: PodMetrics of the namespace.
    """
    measured = {(item.get("metadata") or {}).get("name"): item for item in metrics}
    return [_pod(pod, measured.get(pod["metadata"]["name"])) for pod in pods]


def totals(usage: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums over all pods that were measured, and the highest shares of a limit."""
    containers = [container for pod in usage for container in pod["containers"]]

    def most(name: str) -> float | None:
        return max((item[name] for item in containers if item[name] is not None), default=None)

    return {
        "pods_measured": sum(pod["measured_at"] is not None for pod in usage),
        "cpu_cores": _float(_sum(pod["cpu_cores"] for pod in usage)),
        "memory_bytes": _sum(pod["memory_bytes"] for pod in usage),
        "cpu_limit_ratio_max": most("cpu_limit_ratio"),
        "memory_limit_ratio_max": most("memory_limit_ratio"),
    }


def _pod(pod: Mapping[str, Any], metrics: Mapping[str, Any] | None) -> dict[str, Any]:
    used = {item.get("name"): item.get("usage") or {} for item in (metrics or {}).get("containers") or []}
    spec = pod.get("spec") or {}
    sidecars = [item for item in spec.get("initContainers") or [] if item.get("restartPolicy") == "Always"]
    containers = [
        _container(item, used.get(item.get("name")) or {}) for item in [*spec.get("containers", []), *sidecars]
    ]
    return {
        "name": pod["metadata"]["name"],
        "ready": is_ready(pod),
        "measured_at": (metrics or {}).get("timestamp"),
        "window": (metrics or {}).get("window"),
        "cpu_cores": _float(_sum(item["cpu_cores"] for item in containers)),
        "memory_bytes": _sum(item["memory_bytes"] for item in containers),
        "containers": containers,
    }


def _container(spec: Mapping[str, Any], used: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": spec.get("name")}
    resources = spec.get("resources") or {}
    cpu, memory = quantity_or_none(used.get("cpu")), quantity_or_none(used.get("memory"))
    facts["cpu_cores"] = _float(cpu)
    facts["memory_bytes"] = None if memory is None else int(memory)
    for kind in ("request", "limit"):
        given = resources.get(f"{kind}s") or {}
        cpu_given, memory_given = quantity_or_none(given.get("cpu")), quantity_or_none(given.get("memory"))
        facts[f"cpu_{kind}_cores"] = _float(cpu_given)
        facts[f"memory_{kind}_bytes"] = None if memory_given is None else int(memory_given)
        facts[f"cpu_{kind}_ratio"] = _ratio(cpu, cpu_given)
        facts[f"memory_{kind}_ratio"] = _ratio(memory, memory_given)
    return facts


def _ratio(used: Decimal | None, given: Decimal | None) -> float | None:
    return round(float(used / given), 4) if used is not None and given else None


def _float(number: Decimal | float | None) -> float | None:
    return None if number is None else round(float(number), 6)


def _sum(numbers: Iterable[Any]) -> Any:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
