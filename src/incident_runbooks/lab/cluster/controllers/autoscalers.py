# SPDX-License-Identifier: GPL-3.0-or-later
"""HorizontalPodAutoscalers: their status from what the pods really use, and the number of replicas between the limits.

Of the metrics only ``Resource`` is known. Source: pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.controllers import pods
from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.history import DELETED, Change
from incident_runbooks.lab.cluster.resources import AUTOSCALERS, PODS, Resource, by_kind
from incident_runbooks.lab.cluster.runtime import quantities
from incident_runbooks.lab.cluster.store import now
from incident_runbooks.lab.cluster.writes import selectors

Json = dict[str, Any]
Facts = dict[str, tuple[str, str, str]]  # type of a condition -> status, reason, message

_PERIOD_S = 15.0
_FIRST_LOOK_S = 1.0
_TOLERANCE = 0.1
_STABLE_S = 300.0  # how long a smaller number must have been enough


class _MetricError(Exception):
    """A metric cannot be had; worded as the real controller words it."""


@dataclass(frozen=True)
class _Measured:
    """A metric: its status, and how many replicas it asks for."""

    status: Json
    replicas: int
    name: str


class Autoscalers(Controller):
    """Follows autoscalers; looks at the use of their pods four times a minute."""

    component = "horizontal-pod-autoscaler"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._recommended: dict[Key, list[tuple[float, int]]] = defaultdict(list)
        self._seen: dict[Key, set[str]] = defaultdict(set)

    def concerns(self, change: Change) -> Iterable[Key]:
        """The autoscaler, when its spec changes; the rest is a matter of time."""
        if change.resource is not AUTOSCALERS or change.type == DELETED:
            return
        if change.before is None or change.before["spec"] != change.object["spec"]:
            yield change.object["metadata"]["namespace"], change.object["metadata"]["name"]

    def reconcile(self, key: Key) -> float | None:
        """Measure, scale, and write the status."""
        autoscaler = self.store.find(AUTOSCALERS, *key)
        if autoscaler is None:
            self._recommended.pop(key, None)
            self._seen.pop(key, None)
            return None
        facts: Facts = {}
        before = set(self._seen[key])
        status = self._status(key, autoscaler, facts)
        status["conditions"] = _conditions(autoscaler, facts)
        status["observedGeneration"] = autoscaler["metadata"]["generation"]
        self.store.update(AUTOSCALERS, {**autoscaler, "status": status}, status=True)
        return _PERIOD_S if self._seen[key] <= before else _FIRST_LOOK_S

    def _status(self, key: Key, autoscaler: Json, facts: Facts) -> Json:
        old = autoscaler.get("status") or {}
        reference = autoscaler["spec"]["scaleTargetRef"]
        resource = by_kind(reference.get("apiVersion", ""), reference["kind"])
        target = self.store.find(resource, key[0], reference["name"]) if resource else None
        if resource is None or target is None:
            said = f"the HPA controller was unable to get the target's current scale: {reference['name']} not found"
            facts["AbleToScale"] = ("False", "FailedGetScale", said)
            return {"currentReplicas": 0, "desiredReplicas": old.get("desiredReplicas", 0), "currentMetrics": None}
        facts["AbleToScale"] = ("True", "ReadyForNewScale", "recommended size matches current size")
        present = int(target["spec"].get("replicas", 1))
        status = {"currentReplicas": int((target.get("status") or {}).get("replicas", 0)), "desiredReplicas": present}
        if present == 0:
            said = "scaling is disabled since the replica count of the target is zero"
            facts["ScalingActive"] = ("False", "ScalingDisabled", said)
            return {**old, **status}
        if (outside := _outside(autoscaler, present)) is not None:
            # the limits count whether there are metrics or not, which are looked at next time
            facts.update(_kept(autoscaler))
            return {**status, **self._scaled(autoscaler, resource, target, *outside, facts), "currentMetrics": None}
        try:
            starting = self._starting(key, target)
            measured = [self._measure(target, present, metric) for metric in autoscaler["spec"].get("metrics") or ()]
            if starting:
                measured = [replace(each, replicas=present) for each in measured]
        except _MetricError as error:
            facts["ScalingActive"] = ("False", "FailedGetResourceMetric", str(error))
            self.recorder.warning(autoscaler, "FailedGetResourceMetric", str(error))
            return {"lastScaleTime": old.get("lastScaleTime"), **status, "currentMetrics": None}
        facts["ScalingActive"] = (
            "True", "ValidMetricFound", "the HPA was able to successfully calculate a replica count from a metric",
        )  # fmt: skip
        wanted = self._limited(key, autoscaler, measured, present, facts)
        last = old.get("lastScaleTime")
        done: Json = {"lastScaleTime": last} if last else {}
        if wanted != present:
            above = next((each.name for each in measured if each.replicas > present), "")
            why = f"{above} above target" if above and wanted > present else "All metrics below target"
            done = self._scaled(autoscaler, resource, target, wanted, why, facts)
        return {**status, "desiredReplicas": wanted, **done, "currentMetrics": [each.status for each in measured]}

    def _limited(
        self,
        key: Key,
        autoscaler: Json,
        measured: list[_Measured],
        present: int,
        facts: Facts,
    ) -> int:
        """Return how many replicas there shall be: not fewer than lately asked for, and within the limits."""
        asked = max((each.replicas for each in measured), default=present)
        moment = time.monotonic()
        recent = [(at, number) for at, number in self._recommended[key] if moment - at < _STABLE_S]
        self._recommended[key] = [*recent, (moment, asked)]
        if asked < present:
            asked = min(present, max(number for _, number in self._recommended[key]))
        least, most = int(autoscaler["spec"].get("minReplicas", 1)), int(autoscaler["spec"]["maxReplicas"])
        if asked > most:
            said = "the desired replica count is more than the maximum replica count"
            facts["ScalingLimited"] = ("True", "TooManyReplicas", said)
        elif asked < least:
            said = "the desired replica count is less than the minimum replica count"
            facts["ScalingLimited"] = ("True", "TooFewReplicas", said)
        else:
            said = "the desired count is within the acceptable range"
            facts["ScalingLimited"] = ("False", "DesiredWithinRange", said)
        return max(least, min(most, asked))

    def _scaled(self, autoscaler: Json, resource: Resource, target: Json, wanted: int, why: str, facts: Facts) -> Json:
        """Change the number of replicas; return what of the status says so."""
        self.store.update(resource, {**target, "spec": {**target["spec"], "replicas": wanted}})
        self.recorder.normal(autoscaler, "SuccessfulRescale", f"New size: {wanted}; reason: {why}")
        said = f"the HPA controller was able to update the target scale to {wanted}"
        facts["AbleToScale"] = ("True", "SucceededRescale", said)
        return {"lastScaleTime": now(), "desiredReplicas": wanted}

    def _starting(self, key: Key, target: Json) -> bool:
        """Return whether pods are looked at for the first time: what they use is what it took them to start.

        The real controller leaves out measurements that began before their pod was ready.
        """
        found = {pod["metadata"]["uid"] for pod in self._members(target)}
        new = found - self._seen[key]
        self._seen[key] = found
        return bool(new)

    def _members(self, target: Json) -> list[Json]:
        """Return the ready pods of a target."""
        return [
            pod
            for pod in self.store.all(PODS, target["metadata"]["namespace"])
            if pods.is_active(pod) and pods.is_ready(pod)
            and selectors.selects(target["spec"].get("selector"), pod["metadata"].get("labels"))
        ]  # fmt: skip

    def _measure(self, target: Json, present: int, metric: Json) -> _Measured:
        """Return what the ready pods of a target use.

        Raises:
            _MetricError: there is no such metric, no pod, or a request is missing.
        """
        if metric["type"] != "Resource":
            raise _MetricError(f"the HPA was unable to compute the replica count: no metrics of type {metric['type']}")
        name, wanted = metric["resource"]["name"], metric["resource"]["target"]
        members = self._members(target)
        failed = f"the HPA was unable to compute the replica count: failed to get {name}"
        if not members:
            said = "did not receive metrics for targeted pods (pods might be unready)"
            raise _MetricError(f"{failed} utilization: {said}")
        field = "cpu_cores" if name == "cpu" else "memory_bytes"
        used = sum(each[field] for pod in members for each in self.cluster.kubelet.usage(pod))
        average = used / len(members)
        shown: Json = {"averageValue": f"{math.ceil(average * 1000)}m" if name == "cpu" else str(math.ceil(average))}
        if wanted["type"] == "Utilization":
            requested = sum(_request(pod, name, failed) for pod in members)
            utilization = round(100 * used / requested)
            shown["averageUtilization"] = utilization
            ratio = utilization / float(wanted["averageUtilization"])
            what = f"{name} resource utilization (percentage of request)"
        else:
            ratio = average / quantities.parse(wanted["averageValue"])
            what = f"{name} resource"
        replicas = present if abs(ratio - 1) <= _TOLERANCE else math.ceil(ratio * len(members))
        return _Measured({"type": "Resource", "resource": {"name": name, "current": shown}}, replicas, what)


def _outside(autoscaler: Json, present: int) -> tuple[int, str] | None:
    """Return the limit that the number of replicas breaks, and the words for it; ``None`` within the limits."""
    least, most = int(autoscaler["spec"].get("minReplicas", 1)), int(autoscaler["spec"]["maxReplicas"])
    if present > most:
        return most, "Current number of replicas above Spec.MaxReplicas"
    if present < least:
        return least, "Current number of replicas below Spec.MinReplicas"
    return None


def _kept(autoscaler: Json) -> Facts:
    """Return the conditions about metrics as they were."""
    found = ((kind, pods.condition(autoscaler, kind)) for kind in ("ScalingActive", "ScalingLimited"))
    return {kind: (each["status"], each["reason"], each["message"]) for kind, each in found if each}


def _request(pod: Json, name: str, failed: str) -> float:
    total = 0.0
    for container in pod["spec"]["containers"]:
        request = ((container.get("resources") or {}).get("requests") or {}).get(name)
        if request is None:
            raise _MetricError(
                f"{failed} utilization: missing request for {name} in container {container['name']} "
                f"of Pod {pod['metadata']['name']}"
            )
        total += quantities.parse(request)
    return total


def _conditions(autoscaler: Json, facts: Facts) -> list[Json]:
    conditions = []
    for kind, (status, reason, message) in facts.items():
        before = pods.condition(autoscaler, kind) or {}
        since = before["lastTransitionTime"] if before.get("status") == status else now()
        conditions.append(
            {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
        )
    return conditions
