# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What lets a workload grow and what does not: its autoscaler and the quotas of its namespace. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quantities import parse_quantity
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import (
    autoscaler_of,
    conditions,
    managed_by,
)

MOST_QUOTAS, MOST_METRICS, NAME_LENGTH = 20, 20, 253
NO_AUTOSCALER, OK, AT_MAX, INACTIVE, UNABLE, UNKNOWN = "no_autoscaler", "ok", "at_max", "inactive", "unable", "unknown"
Json = dict[str, Any]


def find_autoscaler(kind: str, name: str, autoscalers: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the HorizontalPodAutoscaler of a workload as it was read; ``None`` for none."""
    return next((item for item in autoscalers if autoscaler_of(kind, name, [item])), None)


def autoscaler_facts(kind: str, name: str, autoscaler: Mapping[str, Any] | None) -> Json | None:
    """Return what an autoscaler is set to and what it does; ``None`` for none."""
    known = autoscaler_of(kind, name, [autoscaler] if autoscaler else [])
    if autoscaler is None or known is None:
        return None
    spec, status = autoscaler.get("spec") or {}, autoscaler.get("status") or {}
    by_type = {item["type"]: item for item in conditions(status)}
    limited = by_type.get("ScalingLimited", {})
    return {
        **known,
        "at_max": known["desired"] is not None and known["desired"] >= known["max"],
        "wants_more": limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas",
        "able": _truth(by_type.get("AbleToScale")),
        "active": _truth(by_type.get("ScalingActive")),
        "why_not": next(
            (
                f"{item['reason']}: {item['message']}"
                for kind in ("AbleToScale", "ScalingActive")
                if (item := by_type.get(kind)) and item["status"] == "False"
            ),
            None,
        ),
        "metrics": _metrics(spec, status),
        "managed_by": managed_by(autoscaler.get("metadata") or {}),
    }


def verdict(facts: Mapping[str, Any] | None, *, known: bool) -> tuple[str, str]:
    """Say in a word and a sentence what the autoscaler does.

    Args:
        facts: as :func:`autoscaler_facts` gives them; ``None`` for none.
        known: whether autoscalers could be read.
    """
    if not known:
        return UNKNOWN, "autoscalers could not be read"
    if facts is None:
        return NO_AUTOSCALER, "no autoscaler scales the workload"
    label = f"the autoscaler {facts['name']}"
    if facts["able"] is False:
        return UNABLE, f"{label} cannot scale: {facts['why_not']}"
    if facts["active"] is False:
        return INACTIVE, f"{label} does not work: {facts['why_not']}"
    if facts["desired"] is None or facts["active"] is None:
        return UNKNOWN, f"{label} has not decided yet"
    if facts["at_max"]:
        more = ", and wants more" if facts["wants_more"] else ""
        return AT_MAX, f"{label} is at its maximum of {facts['max']} pods{more}"
    return OK, f"{label} wants {facts['desired']} of {facts['min']} to {facts['max']} pods"


def quota_facts(quotas: Iterable[Mapping[str, Any]], template: Mapping[str, Any]) -> list[Json]:
    """Return the ResourceQuotas, and how many more pods of a template each lets in.

    Args:
        quotas: as read.
        template: the pod template of the workload.

    Returns:
        ``pods_left`` is ``None`` where the quota says nothing about pods, or is for certain pods only (``scoped``).
    """
    needs = pod_needs(template)
    return [_quota(item, needs) for item in list(quotas)[:MOST_QUOTAS]]


def pods_left(quotas: Iterable[Mapping[str, Any]]) -> tuple[int | None, str | None]:
    """Return how many more pods all quotas let in, and the name of the tightest; ``None`` for no limit."""
    known = [(quota["pods_left"], quota["name"]) for quota in quotas if quota["pods_left"] is not None]
    return min(known) if known else (None, None)


def pod_needs(template: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return what one pod takes of each resource that a quota can count; what is not given is left out."""
    spec = template.get("spec") or {}
    needs = {"pods": Decimal(1)}
    for kind in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            values = [_given(container, kind, resource) for container in spec.get("containers") or []]
            first = [_given(container, kind, resource) or Decimal(0) for container in spec.get("initContainers") or []]
            if values and None not in values:
                # containers run together, init containers before them and one after the other
                needs[f"{kind}.{resource}"] = max(sum(filter(None, values), Decimal(0)), *first, Decimal(0))
    return needs


def _given(container: Mapping[str, Any], kind: str, resource: str) -> Decimal | None:
    resources = container.get("resources") or {}
    value = (resources.get(kind) or {}).get(resource)
    if value is None and kind == "requests":
        value = (resources.get("limits") or {}).get(resource)  # the API server's default
    return _number(value)


def _quota(item: Mapping[str, Any], needs: Mapping[str, Decimal]) -> Json:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    hard, used = status.get("hard") or spec.get("hard") or {}, status.get("used") or {}
    scoped = bool(spec.get("scopes") or spec.get("scopeSelector"))
    rows, fits = [], []
    for resource, limit in sorted(hard.items()):
        most, taken = _number(limit), _number(used.get(resource))
        if most is None or taken is None:
            continue
        rows.append(
            {
                "resource": plain_line(str(resource), NAME_LENGTH),
                "hard": float(most),
                "used": float(taken),
                "ratio": round(float(taken / most), 4) if most else None,
            }
        )
        need = needs.get(_counted(str(resource)))
        if need:
            fits.append(max(int((most - taken) // need), 0))
    return {
        "name": plain_line(str((item.get("metadata") or {}).get("name")), NAME_LENGTH),
        "scoped": scoped,
        "resources": rows,
        "pods_left": min(fits) if fits and not scoped else None,
    }


def _counted(resource: str) -> str:
    return {"count/pods": "pods", "cpu": "requests.cpu", "memory": "requests.memory"}.get(resource, resource)


def _metrics(spec: Mapping[str, Any], status: Mapping[str, Any]) -> list[Json]:
    """Of the resource metrics the wanted and the present average use in percent of the request."""
    current = {
        (entry.get("resource") or {}).get("name"): (entry["resource"].get("current") or {}).get("averageUtilization")
        for entry in status.get("currentMetrics") or []
        if entry.get("type") == "Resource" and entry.get("resource")
    }
    found = []
    for entry in (spec.get("metrics") or [])[:MOST_METRICS]:
        resource = entry.get("resource") or {}
        name = resource.get("name")
        wanted = (resource.get("target") or {}).get("averageUtilization")
        found.append({"type": entry.get("type"), "name": name, "target": wanted, "current": current.get(name)})
    return found


def _truth(condition: Mapping[str, Any] | None) -> bool | None:
    return {"True": True, "False": False}.get(str(condition["status"])) if condition else None


def _number(value: Any) -> Decimal | None:
    try:
        return None if value is None else parse_quantity(value)
    except ValueError:
        return None
