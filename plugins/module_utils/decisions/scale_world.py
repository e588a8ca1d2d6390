# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a decision about the pods of a workload is made on, and what it gives. Pure, no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.scale_facts import autoscaler_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import autoscaler_of

BEFORE = "incidents.brandconnect/scale-before"
LAST_ACTION = "incidents.brandconnect/last-action"
LONGEST_INCIDENT = 200  # characters, it goes into an annotation
LEAST = {"replicas": 1, "minReplicas": 0, "maxReplicas": 1}
Json = dict[str, Any]


@dataclass(frozen=True)
class World:
    """What was read.

    Attributes:
        workload: the object, with ``kind``.
        autoscaler: the object that scales it; ``None`` for none.
        autoscalers_unread: why they could not be read; ``None`` when they could.
        quotas: as read.
        quotas_unread: the same of quotas.
    """

    workload: Mapping[str, Any]
    autoscaler: Mapping[str, Any] | None
    quotas: list[Mapping[str, Any]]
    autoscalers_unread: str | None = None
    quotas_unread: str | None = None

    @property
    def kind(self) -> str:
        """Kind of the workload."""
        return str(self.workload["kind"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.workload["metadata"]["name"])

    @property
    def replicas(self) -> int:
        """Pods that are wanted now."""
        given = (self.workload.get("spec") or {}).get("replicas")
        return 1 if given is None else int(given)

    @property
    def patched(self) -> Mapping[str, Any]:
        """The object that decides how many pods there are."""
        return self.autoscaler or self.workload

    @property
    def limits(self) -> Json:
        """What decides it."""
        if self.autoscaler is None:
            return {"replicas": self.replicas}
        known = autoscaler_of(self.kind, self.name, [self.autoscaler]) or {}
        return {"minReplicas": known["min"], "maxReplicas": known["max"]}


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        action: ``scale`` or ``revert``.
        incident: that asks; it is also who may revert.
        step: so many pods more than before the incident.
        max_replicas: never more than this.
        connection_budget: the result of that module.
        targets: the approved plan.
    """

    action: str
    incident: str
    step: int
    max_replicas: int
    connection_budget: Mapping[str, Any]
    targets: list[Json] | None = None


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        status: ``planned``, ``nothing_to_do`` or ``refused``.
        reason: why, in one sentence.
        word: a stable word for the last two.
        replicas: pods that there are to be at least, for the waiting.
        patch: a merge patch of :attr:`World.patched`.
    """

    status: str
    reason: str
    word: str | None = None
    targets: tuple[Json, ...] = ()
    replicas: int = 0
    patch: Json | None = None
    caveats: list[str] = field(default_factory=list)


def describe(world: World) -> Json:
    """Return the state that there is to go back to."""
    status = world.workload.get("status") or {}
    return {
        "kind": world.kind,
        "name": world.name,
        "namespace": world.workload["metadata"].get("namespace"),
        "uid": world.workload["metadata"].get("uid"),
        "replicas": world.replicas,
        "ready": int(status.get("readyReplicas") or 0),
        "available": int(status.get("availableReplicas") or 0),
        "autoscaler": autoscaler_facts(world.kind, world.name, world.autoscaler),
        "scaled_by": records_of(world.patched),
    }


def records_of(item: Mapping[str, Any]) -> list[Json] | None:
    """Return what incidents changed and have not put back, oldest first.

    ``None`` when the annotation cannot be read, so that nobody knows what was before: anybody may have written it.
    """
    text = ((item.get("metadata") or {}).get("annotations") or {}).get(BEFORE)
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return None
    if not isinstance(found, list) or not all(isinstance(entry, dict) and _is_record(entry) for entry in found):
        return None
    return found


def is_incident(value: Any) -> bool:
    """Whether a text can be the id of an incident."""
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= LONGEST_INCIDENT


def _is_record(entry: Mapping[str, Any]) -> bool:
    return (
        entry.keys() == {"incident", "pods", "before", "set"}
        and is_incident(entry["incident"])
        and _is_count(entry["pods"], 1)
        and all(_are_limits(entry[key]) for key in ("before", "set"))
    )


def _are_limits(value: Any) -> bool:
    # an autoscaler may have a minReplicas of 0; a workload with 0 pods is switched off, and is never scaled
    return isinstance(value, dict) and all(
        LEAST.get(key) is not None and _is_count(number, LEAST[key]) for key, number in value.items()
    )


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
