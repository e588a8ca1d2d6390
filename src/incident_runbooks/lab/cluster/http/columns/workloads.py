# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of workloads and of what scales and protects them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incident_runbooks.lab.cluster.http.columns.column import (
    AGE,
    NAME,
    NONE,
    Column,
    containers,
    names,
    selector_text,
    status,
    wide,
)
from incident_runbooks.lab.cluster.resources import (
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Resource,
)

Json = dict[str, Any]


def _count(name: str) -> Any:
    return lambda obj: status(obj).get(name, 0)


def _ready(obj: Json) -> str:
    return f"{status(obj).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 1)}"


def _controller(revision: Json) -> str:
    owner = next((each for each in revision["metadata"].get("ownerReferences") or () if each.get("controller")), None)
    if owner is None:
        return NONE
    group = owner["apiVersion"].rpartition("/")[0]
    kind = f"{owner['kind'].lower()}.{group}" if group else owner["kind"].lower()
    return f"{kind}/{owner['name']}"


def _reference(autoscaler: Json) -> str:
    target = autoscaler["spec"]["scaleTargetRef"]
    return f"{target['kind']}/{target['name']}"


def _targets(autoscaler: Json) -> str:
    """Return measured and wanted value of each metric."""
    measured = status(autoscaler).get("currentMetrics") or []
    shown = []
    for index, metric in enumerate(autoscaler["spec"].get("metrics") or ()):
        current = measured[index] if index < len(measured) else {}
        shown.append(_target(metric, current))
    return ", ".join(shown) or NONE


def _target(metric: Json, current: Json) -> str:
    field = metric["type"][:1].lower() + metric["type"][1:]
    about, now = metric.get(field) or {}, (current.get(field) or {}).get("current") or {}
    target = about.get("target") or {}
    name = f"{about['name']}: " if "name" in about else ""
    if target.get("averageUtilization") is not None:
        there = now.get("averageUtilization")
        return f"{name}{'<unknown>' if there is None else f'{there}%'}/{target['averageUtilization']}%"
    if target.get("averageValue") is not None:
        return f"{name}{now.get('averageValue', '<unknown>')}/{target['averageValue']}"
    return f"{name}{now.get('value', '<unknown>')}/{target.get('value')}"


def _spec(name: str, otherwise: str) -> Any:
    return lambda obj: str((obj.get("spec") or {}).get(name, otherwise))


_CONTAINERS = wide("Containers", lambda obj: names(containers(obj)))
_IMAGES = wide("Images", lambda obj: names(containers(obj), "image"))
_SELECTOR = wide("Selector", lambda obj: selector_text(obj["spec"].get("selector")))

COLUMNS: Mapping[Resource, tuple[Column, ...]] = {
    DEPLOYMENTS: (
        NAME,
        Column("Ready", _ready),
        Column("Up-to-date", _count("updatedReplicas"), "integer"),
        Column("Available", _count("availableReplicas"), "integer"),
        AGE,
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    REPLICA_SETS: (
        NAME,
        Column("Desired", lambda obj: obj["spec"].get("replicas", 1), "integer"),
        Column("Current", _count("replicas"), "integer"),
        Column("Ready", _count("readyReplicas"), "integer"),
        AGE,
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    STATEFUL_SETS: (NAME, Column("Ready", _ready), AGE, _CONTAINERS, _IMAGES),
    CONTROLLER_REVISIONS: (
        NAME,
        Column("Controller", _controller),
        Column("Revision", lambda obj: obj.get("revision", 0), "integer"),
        AGE,
    ),
    AUTOSCALERS: (
        NAME,
        Column("Reference", _reference),
        Column("Targets", _targets),
        Column("MinPods", _spec("minReplicas", "<unset>")),
        Column("MaxPods", lambda obj: obj["spec"].get("maxReplicas", 0), "integer"),
        Column("Replicas", _count("currentReplicas"), "integer"),
        AGE,
    ),
    DISRUPTION_BUDGETS: (
        NAME,
        Column("Min Available", _spec("minAvailable", "N/A")),
        Column("Max Unavailable", _spec("maxUnavailable", "N/A")),
        Column("Allowed Disruptions", _count("disruptionsAllowed"), "integer"),
        AGE,
    ),
}
