# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""A Deployment, StatefulSet or DaemonSet as plain facts, with its autoscaler and how many pods it may have at once.

Pure, no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import controller
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollouts import rollout_state

LAST_ACTION = "incidents.brandconnect/last-action"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"  # the numbers that a ReplicaSet had before
_TEMPLATE_HASH = "pod-template-hash"  # the controller's own label
CONDITION_LENGTH = 200

# label or annotation -> who writes it; what deploys from Git comes before what it uses
_MARKS = (
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
    ("meta.helm.sh/release-name", "Helm"),
)
_MANAGERS = (
    ("argocd-controller", "Argo CD"),
    ("kustomize-controller", "Flux"),
    ("helm-controller", "Flux"),
    ("helm", "Helm"),
)
_MANAGED_BY = "app.kubernetes.io/managed-by"


def workload_facts(kind: str, workload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an incident needs to know of a workload."""
    metadata, spec = workload.get("metadata") or {}, workload.get("spec") or {}
    status, template = workload.get("status") or {}, spec.get("template") or {}
    counts = _counts(kind, spec, status)
    strategy = _strategy(kind, spec)
    template_annotations = (template.get("metadata") or {}).get("annotations") or {}
    annotations = metadata.get("annotations") or {}
    return {
        "kind": kind,
        "name": metadata.get("name"),
        "namespace": metadata.get("namespace"),
        "uid": metadata.get("uid"),
        "resource_version": metadata.get("resourceVersion"),
        "generation": metadata.get("generation"),
        "observed_generation": status.get("observedGeneration"),
        **counts,
        "strategy": strategy,
        "surge_pods": surge(strategy, counts["replicas"]),
        "paused": bool(spec.get("paused")),
        "managed_by": managed_by(metadata),
        "images": [
            {"container": item.get("name"), "image": item.get("image")}
            for item in (template.get("spec") or {}).get("containers") or []
        ],
        "conditions": conditions(status),
        "revision": annotations.get(REVISION) or status.get("updateRevision"),
        "restarted_at": template_annotations.get(RESTARTED_AT),
        "last_action": annotations.get(LAST_ACTION) or template_annotations.get(LAST_ACTION),
        "rollout": rollout_state(kind, workload),
    }


def revision_created_at(workload: Mapping[str, Any], replica_sets: Iterable[Mapping[str, Any]] | None) -> str | None:
    """Return when the present revision of a Deployment was first rolled out: its ReplicaSet is as old.

    After going back to an earlier revision that is long ago, since its ReplicaSet is used again.

    Args:
        replica_sets: those with its labels; ``None`` where they could not be read.
    """
    current = _revisions(workload, replica_sets)[0]
    return (current.get("metadata") or {}).get("creationTimestamp") if current else None


def revision_change(workload: Mapping[str, Any], replica_sets: Iterable[Mapping[str, Any]] | None) -> str | None:
    """Return what made the present revision of a Deployment, compared with the one before.

    A new version is told from what brings none: going back to the one before would not take a version away.

    Args:
        replica_sets: those with its labels; ``None`` where they could not be read.

    Returns:
        ``rollout`` for another pod template, ``restart`` where only the time of one differs, ``remediation`` for a
        change of this collection, ``undo`` for an earlier revision that is used again; ``None`` where that is not
        known, or there is none before.
    """
    current, before = _revisions(workload, replica_sets)
    if current is None:
        return None
    if _annotations(current).get(REVISION_HISTORY):
        return "undo"
    if before is None:
        return None
    now, then = _template(current), _template(before)
    if _essence(now) == _essence(then):
        return "restart"
    mark = _annotations(now).get(LAST_ACTION)  # later revisions inherit it
    return "remediation" if mark and mark != _annotations(then).get(LAST_ACTION) else "rollout"


def surge(strategy: Mapping[str, Any], replicas: int) -> int:
    """Return how many pods more than *replicas* a rollout may start, percentages rounded up as Kubernetes does."""
    return _share(strategy["max_surge"], replicas)


def budget(kind: str, workload: Mapping[str, Any], autoscaler: Mapping[str, Any] | None) -> dict[str, int]:
    """Return how many pods there may be at once: the autoscaler's maximum, and the surge of a rollout at it.

    Pods that are still terminating come on top for as long as their grace period lasts.
    """
    replicas = _counts(kind, workload.get("spec") or {}, workload.get("status") or {})["replicas"]
    most = max(replicas, int(autoscaler["max"])) if autoscaler else replicas
    extra = surge(_strategy(kind, workload.get("spec") or {}), most)
    return {"replicas": replicas, "surge": extra, "max_replicas": most, "pods_at_most": most + extra}


def autoscaler_of(kind: str, name: str, autoscalers: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the facts of the HorizontalPodAutoscaler that scales the workload; ``None`` for none."""
    for item in autoscalers:
        spec, status = item.get("spec") or {}, item.get("status") or {}
        target = spec.get("scaleTargetRef") or {}
        if (target.get("kind"), target.get("name")) == (kind, name):
            return {
                "name": (item.get("metadata") or {}).get("name"),
                "min": 1 if spec.get("minReplicas") is None else spec["minReplicas"],
                "max": spec.get("maxReplicas") or 0,
                "current": status.get("currentReplicas"),
                "desired": status.get("desiredReplicas"),
                "conditions": conditions(status),
            }
    return None


def conditions(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the conditions of a status, messages bounded."""
    return [
        {
            "type": item.get("type"),
            "status": item.get("status"),
            "reason": item.get("reason"),
            "message": str(item.get("message") or "")[:CONDITION_LENGTH] or None,
            "changed_at": item.get("lastTransitionTime"),
        }
        for item in status.get("conditions") or []
    ]


def managed_by(metadata: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the tool that deploys the object and would undo a change by hand, with the evidence; or ``None``."""
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for mark, tool in _MARKS:
        for kind, values in (("label", labels), ("annotation", annotations)):
            if values.get(mark):
                return {"tool": tool, "evidence": f"{kind} {mark}={str(values[mark])[:100]}"}
    if labels.get(_MANAGED_BY):
        value = str(labels[_MANAGED_BY])[:100]
        return {"tool": value, "evidence": f"label {_MANAGED_BY}={value}"}
    writers = {str(field.get("manager")) for field in metadata.get("managedFields") or []}
    return next(
        ({"tool": tool, "evidence": f"field manager {name}"} for name, tool in _MANAGERS if name in writers), None
    )


def _revisions(
    workload: Mapping[str, Any], replica_sets: Iterable[Mapping[str, Any]] | None
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The ReplicaSets of the present revision and of the one before, where there are such."""
    number = _number(workload)
    if number is None:
        return None, None
    uid = (workload.get("metadata") or {}).get("uid")
    own = {_number(item) or 0: item for item in replica_sets or () if _is_owned(item, uid)}
    earlier = [each for each in own if 0 < each < number]
    return own.get(number), own[max(earlier)] if earlier else None


def _number(item: Mapping[str, Any]) -> int | None:
    text = str(_annotations(item).get(REVISION, ""))
    return int(text) if text.isdecimal() else None


def _annotations(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return (item.get("metadata") or {}).get("annotations") or {}


def _template(replica_set: Mapping[str, Any]) -> Mapping[str, Any]:
    return (replica_set.get("spec") or {}).get("template") or {}


def _essence(template: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a pod template a restart leaves as it is."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    kept = {name: value for name, value in _annotations(template).items() if name not in (RESTARTED_AT, LAST_ACTION)}
    return {name: value for name, value in labels.items() if name != _TEMPLATE_HASH}, kept, template.get("spec")


def _is_owned(item: Mapping[str, Any], uid: Any) -> bool:
    return uid is not None and controller(item).get("uid") == uid


def _counts(kind: str, spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, int]:
    if kind == "DaemonSet":
        names = ("desiredNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable")
        values = [int(status.get(name) or 0) for name in names]
    else:
        wanted = 1 if spec.get("replicas") is None else int(spec["replicas"])
        values = [wanted, *(int(status.get(f"{name}Replicas") or 0) for name in ("updated", "ready", "available"))]
    return dict(zip(("replicas", "updated", "ready", "available"), values, strict=True))


def _strategy(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    given = spec.get("strategy" if kind == "Deployment" else "updateStrategy") or {}
    name = given.get("type") or "RollingUpdate"
    rolling = given.get("rollingUpdate") or {}
    # a StatefulSet replaces each pod in its place; the others' defaults are the API's
    default_surge, default_unavailable = {"Deployment": ("25%", "25%"), "DaemonSet": (0, 1)}.get(kind, (0, 1))
    if name != "RollingUpdate":
        return {"type": name, "max_surge": 0, "max_unavailable": None}
    return {
        "type": name,
        "max_surge": rolling.get("maxSurge", default_surge),
        "max_unavailable": rolling.get("maxUnavailable", default_unavailable),
    }


def _share(value: Any, of: int) -> int:
    text = str(value)
    if text.endswith("%"):
        return math.ceil(int(text[:-1]) * of / 100)
    return int(value)
