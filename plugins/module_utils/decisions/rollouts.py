# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether the rollout of a workload is done, as ``kubectl rollout status`` decides it. Pure, no I/O.

Source of the conditions: ``rollout_status.go`` of kubectl 1.32. Where kubectl gives up with an error because the
update strategy is OnDelete, the rollout counts as done if every pod happens to be of the newest revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ON_DELETE = "OnDelete"
DEADLINE = "ProgressDeadlineExceeded"


def rollout_state(kind: str, workload: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``{done, failed, reason, message}`` of a Deployment, StatefulSet or DaemonSet as the API serves it.

    ``failed`` means that waiting is of no use. ``reason`` is one of ``Complete``, ``NotObserved``, ``Paused``,
    ``Updating``, ``OldPodsTerminating``, ``NotAvailable``, ``ProgressDeadlineExceeded`` and ``OnDelete``.
    """
    judge = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}[kind]
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    if _generation(workload) > (status.get("observedGeneration") or 0):
        return _waiting("NotObserved", "the controller has not seen the newest specification yet")
    return judge(spec, status)


def _deployment(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    wanted, updated = spec.get("replicas"), status.get("updatedReplicas") or 0
    total, available = status.get("replicas") or 0, status.get("availableReplicas") or 0
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    why = _why(conditions.get("ReplicaFailure"))
    if (conditions.get("Progressing") or {}).get("reason") == DEADLINE:
        text = f"no progress within the deadline, {available} of {updated} updated replicas are available{why}"
        return {"done": False, "failed": True, "reason": DEADLINE, "message": text}
    if wanted is not None and updated < wanted:
        text = f"{updated} of {wanted} new replicas have been updated{why}"
        return (
            _waiting("Paused", f"{text}; the rollout is paused") if spec.get("paused") else _waiting("Updating", text)
        )
    if total > updated:
        return _waiting("OldPodsTerminating", f"{total - updated} old replicas are pending termination")
    if available < updated:
        return _waiting("NotAvailable", f"{available} of {updated} updated replicas are available{why}")
    return _complete(f"{updated} replicas are updated and available")


def _stateful_set(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    wanted, ready = spec.get("replicas"), status.get("readyReplicas") or 0
    updated = status.get("updatedReplicas") or 0
    strategy = spec.get("updateStrategy") or {}
    same = status.get("updateRevision") == status.get("currentRevision")
    if strategy.get("type") == ON_DELETE:
        return _on_delete(done=same and ready >= (wanted or 0))
    if wanted is not None and ready < wanted:
        return _waiting("NotAvailable", f"{wanted - ready} of {wanted} pods are not ready")
    rolling = strategy.get("rollingUpdate")
    if rolling is None:
        text = f"{updated} pods are at revision {status.get('updateRevision')}"
        return _complete(text) if same else _waiting("Updating", text)
    partition = rolling.get("partition") or 0
    if wanted is not None and updated < wanted - partition:
        return _waiting("Updating", f"{updated} of {wanted - partition} new pods have been updated")
    kept = f", those below ordinal {partition} keep the old revision by the partition" if partition else ""
    return _complete(f"{updated} pods are updated and ready{kept}")


def _daemon_set(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    wanted, updated = status.get("desiredNumberScheduled") or 0, status.get("updatedNumberScheduled") or 0
    available = status.get("numberAvailable") or 0
    if (spec.get("updateStrategy") or {}).get("type") == ON_DELETE:
        return _on_delete(done=updated >= wanted and available >= wanted)
    if updated < wanted:
        return _waiting("Updating", f"{updated} of {wanted} new pods have been updated")
    if available < wanted:
        return _waiting("NotAvailable", f"{available} of {wanted} updated pods are available")
    return _complete(f"{updated} pods are updated and available")


def _generation(workload: Mapping[str, Any]) -> int:
    return int((workload.get("metadata") or {}).get("generation") or 0)


def _on_delete(*, done: bool) -> dict[str, Any]:
    if done:
        return _complete("all pods are of the newest revision")
    text = "the update strategy is OnDelete: pods are only replaced when someone deletes them, or are not ready"
    return {"done": False, "failed": True, "reason": ON_DELETE, "message": text}


def _complete(message: str) -> dict[str, Any]:
    return {"done": True, "failed": False, "reason": "Complete", "message": message}


def _waiting(reason: str, message: str) -> dict[str, Any]:
    return {"done": False, "failed": False, "reason": reason, "message": message}


def _why(condition: Mapping[str, Any] | None) -> str:
    """The text of a true ReplicaFailure, such as an exhausted quota."""
    if not condition or condition.get("status") != "True":
        return ""
    return f"; {str(condition.get('message') or condition.get('reason') or '')[:200]}"
