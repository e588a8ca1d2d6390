# SPDX-License-Identifier: GPL-3.0-or-later
"""ReplicaSets: as many pods as wanted.

Source: pkg/controller/replicaset/replica_set.go and replica_set_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from incident_runbooks.lab.cluster.controllers import owners, pods
from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.history import DELETED, Change
from incident_runbooks.lab.cluster.resources import PODS, REPLICA_SETS
from incident_runbooks.lab.cluster.store import now
from incident_runbooks.lab.cluster.writes import selectors

Json = dict[str, Any]

_RETRY_S = 1.0  # what keeps pods from being created may be mended
_NAME_LENGTH = 58  # 63 less the random end


class ReplicaSets(Controller):
    """Follows ReplicaSets and their pods."""

    component = "replicaset-controller"

    def concerns(self, change: Change) -> Iterable[Key]:
        """The set, or the one that a pod belongs to or could."""
        if change.resource is REPLICA_SETS and change.type != DELETED:
            yield change.object["metadata"]["namespace"], change.object["metadata"]["name"]
        elif change.resource is PODS:
            yield from self._sets_of(change)

    def _sets_of(self, change: Change) -> Iterable[Key]:
        namespace = change.object["metadata"]["namespace"]
        for pod in (change.object, change.before):
            owner = owners.controller_of(pod) if pod else None
            if owner is not None and owner["kind"] == REPLICA_SETS.kind:
                yield namespace, owner["name"]
        if owners.controller_of(change.object) is None and change.type != DELETED:
            for each in self.store.all(REPLICA_SETS, namespace):
                if selectors.selects(each["spec"].get("selector"), change.object["metadata"].get("labels")):
                    yield namespace, each["metadata"]["name"]

    def reconcile(self, key: Key) -> float | None:
        """Create or delete pods, and write the status."""
        replica_set = self.store.find(REPLICA_SETS, *key)
        if replica_set is None:
            return None
        mine = owners.claim_pods(self.store, REPLICA_SETS, replica_set)
        active = [pod for pod in mine if pods.is_active(pod)]
        failure: Json | None = None
        if not replica_set["metadata"].get("deletionTimestamp"):
            active, failure = self._scale(replica_set, active)
        self._write_status(replica_set, active, failure)
        if failure is not None:
            return _RETRY_S
        minimum = replica_set["spec"].get("minReadySeconds") or 0
        waits = [wait for pod in active if (wait := pods.available_in_s(pod, minimum))]
        return min(waits) + 0.05 if waits else None

    def _scale(self, replica_set: Json, active: list[Json]) -> tuple[list[Json], Json | None]:
        """Return the active pods after it, and a condition ReplicaFailure if something failed."""
        wanted = int(replica_set["spec"].get("replicas", 1))
        try:
            for _ in range(wanted - len(active)):
                active = [*active, self._create(replica_set)]
        except ApiError as error:
            self.recorder.warning(replica_set, "FailedCreate", f"Error creating: {error.message}")
            return active, {"status": "True", "reason": "FailedCreate", "message": error.message}
        if len(active) > wanted:
            ranked = sorted(active, key=pods.deletion_rank)
            for pod in ranked[: len(active) - wanted]:
                self.store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
                self.recorder.normal(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
            active = ranked[len(active) - wanted :]
        return active, None

    def _create(self, replica_set: Json) -> Json:
        pod = pods.from_template(REPLICA_SETS, replica_set, replica_set["spec"]["template"])
        pod["metadata"]["generateName"] = f"{replica_set['metadata']['name'][: _NAME_LENGTH - 1]}-"
        new = pods.create(self.store, pod)
        self.recorder.normal(replica_set, "SuccessfulCreate", f"Created pod: {new['metadata']['name']}")
        return new

    def _write_status(self, replica_set: Json, active: list[Json], failure: Json | None) -> None:
        labels = replica_set["spec"]["template"]["metadata"].get("labels") or {}
        minimum = replica_set["spec"].get("minReadySeconds") or 0
        counts = {
            "replicas": len(active),
            "fullyLabeledReplicas": sum(
                labels.items() <= (pod["metadata"].get("labels") or {}).items() for pod in active
            ),
            "readyReplicas": sum(pods.is_ready(pod) for pod in active),
            "availableReplicas": sum(pods.is_available(pod, minimum) for pod in active),
        }
        status: Json = {name: count for name, count in counts.items() if count or name == "replicas"}
        status["observedGeneration"] = replica_set["metadata"]["generation"]
        if failure is not None:
            before = pods.condition(replica_set, "ReplicaFailure")
            since = before["lastTransitionTime"] if before else now()
            status["conditions"] = [{"type": "ReplicaFailure", "lastTransitionTime": since, **failure}]
        there = self.store.find(REPLICA_SETS, replica_set["metadata"]["namespace"], replica_set["metadata"]["name"])
        if there is not None and there.get("status") != status:
            self.store.update(REPLICA_SETS, {**there, "status": status}, status=True)
