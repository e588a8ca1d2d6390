# SPDX-License-Identifier: GPL-3.0-or-later
"""What controllers know of pods: whether one is active, ready and available, and which to delete first."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

from incident_runbooks.lab.cluster.controllers import owners
from incident_runbooks.lab.cluster.resources import PODS, Resource
from incident_runbooks.lab.cluster.store import Store
from incident_runbooks.lab.cluster.writes import admission, defaults

Json = dict[str, Any]

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def age_s(stamp: str | None) -> float:
    """Return how many seconds an instant of the API is ago."""
    if not stamp:
        return 0.0
    return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(stamp)).total_seconds()


def phase(pod: Json) -> str:
    """Return the phase."""
    return str((pod.get("status") or {}).get("phase", "Pending"))


def condition(each: Json, kind: str) -> Json | None:
    """Return a condition of an object."""
    conditions: list[Json] = (each.get("status") or {}).get("conditions") or []
    return next((found for found in conditions if found["type"] == kind), None)


def is_active(pod: Json) -> bool:
    """Whether it runs or will: it has not ended and is not being deleted."""
    return phase(pod) not in ("Succeeded", "Failed") and not is_terminating(pod)


def is_terminating(pod: Json) -> bool:
    """Whether it is being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_ready(pod: Json) -> bool:
    """Whether its condition Ready holds."""
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def available_in_s(pod: Json, min_ready_s: int) -> float | None:
    """Return in how many seconds a pod has been ready long enough: 0 when it is, ``None`` when it is not ready."""
    found = condition(pod, "Ready")
    if found is None or found["status"] != "True":
        return None
    return max(0.0, min_ready_s - age_s(found["lastTransitionTime"])) if min_ready_s else 0.0


def is_available(pod: Json, min_ready_s: int) -> bool:
    """Whether it has been ready long enough."""
    return available_in_s(pod, min_ready_s) == 0.0


def deletion_rank(pod: Json) -> tuple[Any, ...]:
    """Sort key: what is worth least comes first.

    Source: pkg/controller/controller_utils.go, ActivePodsWithRanks: not assigned, not running, not ready, cheap to
    delete, ready for a shorter time, restarted more often, newer.
    """
    ready = condition(pod, "Ready")
    since = ready["lastTransitionTime"] if ready is not None and ready["status"] == "True" else ""
    cost = int((pod["metadata"].get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", 0))
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return (
        bool(pod["spec"].get("nodeName")),
        _PHASES.get(phase(pod), 1),
        is_ready(pod),
        cost,
        age_s(since),
        -max((each["restartCount"] for each in statuses), default=0),
        age_s(pod["metadata"]["creationTimestamp"]),
    )


def from_template(resource: Resource, owner: Json, template: Json) -> Json:
    """Return a pod as a template describes it, without a name."""
    given = template.get("metadata") or {}
    metadata = {
        "namespace": owner["metadata"]["namespace"],
        "labels": dict(given.get("labels") or {}),
        "ownerReferences": [owners.reference(resource, owner)],
    }
    if given.get("annotations"):
        metadata["annotations"] = dict(given["annotations"])
    if given.get("finalizers"):
        metadata["finalizers"] = list(given["finalizers"])
    return {"metadata": metadata, "spec": copy.deepcopy(template["spec"])}


def create(store: Store, pod: Json) -> Json:
    """Create a pod, as the API server admits it.

    Raises:
        ApiError: it cannot be; 403, its service account does not exist.
    """
    complete = defaults.apply(PODS, pod)
    admission.admit(store, PODS, complete)
    return store.create(PODS, complete)
