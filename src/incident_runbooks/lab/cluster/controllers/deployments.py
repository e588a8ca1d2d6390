# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments: roll out a template, revision by revision.

Source: pkg/controller/deployment/deployment_controller.go, sync.go, rolling.go, recreate.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from incident_runbooks.lab.cluster.controllers import deployment_status, owners, pods, revisions, rollout
from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.history import DELETED, Change
from incident_runbooks.lab.cluster.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from incident_runbooks.lab.cluster.store import now

Json = dict[str, Any]


class Deployments(Controller):
    """Follows Deployments and their ReplicaSets."""

    component = "deployment-controller"

    def concerns(self, change: Change) -> Iterable[Key]:
        """The Deployment, or the one that a ReplicaSet or an ended pod belongs to."""
        metadata = change.object["metadata"]
        if change.resource is DEPLOYMENTS and change.type != DELETED:
            yield metadata["namespace"], metadata["name"]
        elif change.resource is REPLICA_SETS:
            owner = owners.controller_of(change.object)
            if owner is not None and owner["kind"] == DEPLOYMENTS.kind:
                yield metadata["namespace"], owner["name"]
        elif change.resource is PODS and change.type == DELETED:  # Recreate waits for the last one
            owner = owners.controller_of(change.object)
            replica_set = owner and self.store.find(REPLICA_SETS, metadata["namespace"], owner["name"])
            deployment = owners.controller_of(replica_set) if replica_set else None
            if deployment is not None:
                yield metadata["namespace"], deployment["name"]

    def reconcile(self, key: Key) -> float | None:
        """Take the next step of the rollout, and write the status."""
        found = self.store.find(DEPLOYMENTS, *key)
        if found is None:
            return None
        deployment = self._note_pause(found)
        sets = revisions.owned(self.store, deployment)
        new = revisions.current(deployment, sets)
        if not deployment["metadata"].get("deletionTimestamp"):
            if deployment["spec"].get("paused") or _is_scaled(deployment, sets):
                self._scale(deployment, new, sets)
            elif rollout.is_rolling(deployment):
                deployment, new = self._roll(deployment, sets)
            else:
                deployment, new = self._recreate(deployment, sets)
        self._write_status(deployment)
        return deployment_status.deadline_in_s(self.store.get(DEPLOYMENTS, *key))

    # One step

    def _roll(self, deployment: Json, sets: list[Json]) -> tuple[Json, Json]:
        deployment, new = self._current(deployment, sets)
        old = [each for each in sets if each["metadata"]["uid"] != new["metadata"]["uid"]]
        limit = rollout.bounds(deployment)
        wanted = rollout.new_size(limit, revisions.size(new), revisions.total([*old, new]))
        if wanted != revisions.size(new):
            return deployment, self._resize(deployment, new, wanted)
        smaller = rollout.old_sizes(limit, _size(new), [_size(each) for each in old])
        for each in old:
            if each["metadata"]["name"] in smaller:
                self._resize(deployment, each, smaller[each["metadata"]["name"]])
        if not smaller:
            self._clean_up(deployment, old)
        return deployment, new

    def _recreate(self, deployment: Json, sets: list[Json]) -> tuple[Json, Json | None]:
        new = revisions.current(deployment, sets)
        old = [each for each in sets if each is not new]
        for each in old:
            if revisions.size(each):
                self._resize(deployment, each, 0)
        if any(self._runs(each) for each in old):
            return deployment, new
        deployment, new = self._current(deployment, sets)
        new = self._resize(deployment, new, int(deployment["spec"].get("replicas", 1)))
        self._clean_up(deployment, old)
        return deployment, new

    def _scale(self, deployment: Json, new: Json | None, sets: list[Json]) -> None:
        """Change the number of replicas without going on with a rollout."""
        limit = rollout.bounds(deployment)
        active = [each for each in sets if revisions.size(each)]
        latest = active[0] if len(active) == 1 else None if active else new or (sets[-1] if sets else None)
        if latest is not None:
            self._resize(deployment, latest, limit.replicas)
        elif new is not None and _is_saturated(new, limit):
            for each in active:
                if each is not new:
                    self._resize(deployment, each, 0)
        elif rollout.is_rolling(deployment):
            sizes = rollout.proportional_sizes(limit, active[::-1])
            for each in active:
                name = each["metadata"]["name"]
                self._resize(deployment, each, sizes.get(name, revisions.size(each)))

    def _runs(self, replica_set: Json) -> bool:
        found = self.store.owned_by(PODS, replica_set)
        return any(pods.phase(pod) not in ("Succeeded", "Failed") for pod in found)

    # ReplicaSets

    def _current(self, deployment: Json, sets: list[Json]) -> tuple[Json, Json]:
        """Return the Deployment and the ReplicaSet of its template, which may be new; both with the right revision."""
        new = revisions.current(deployment, sets)
        old = [each for each in sets if each is not new]
        number = max((revisions.revision(each) for each in old), default=0) + 1
        if new is None:
            deployment, new = self._create(deployment, old, number)
        else:
            number = max(number, revisions.revision(new))
            annotations = revisions.noted(deployment, new["metadata"].get("annotations") or {}, number)
            new = self.store.update(REPLICA_SETS, _annotated(new, annotations))
            if pods.condition(deployment, deployment_status.PROGRESSING) is None:
                name = new["metadata"]["name"]
                deployment = self._say(deployment, "True", "FoundNewReplicaSet", f'Found new replica set "{name}"')
        if revisions.revision(deployment) != number:
            annotations = {**(deployment["metadata"].get("annotations") or {}), revisions.REVISION: str(number)}
            deployment = self.store.update(DEPLOYMENTS, _annotated(deployment, annotations))
        return deployment, new

    def _create(self, deployment: Json, old: list[Json], number: int) -> tuple[Json, Json]:
        limit = rollout.bounds(deployment)
        replicas = limit.replicas
        if rollout.is_rolling(deployment):
            replicas = rollout.new_size(limit, 0, revisions.total(old))
        collisions = int((deployment.get("status") or {}).get("collisionCount") or 0)
        wanted = revisions.new_set(deployment, number, replicas, collisions)
        name = wanted["metadata"]["name"]
        try:
            new = self.store.create(REPLICA_SETS, wanted)
        except ApiError as error:
            if error.reason == "AlreadyExists":  # of another template, or of somebody else: the next name is another
                status = {**(deployment.get("status") or {}), "collisionCount": collisions + 1}
                self.store.update(DEPLOYMENTS, {**deployment, "status": status}, status=True)
            else:
                said = f'Failed to create new replica set "{name}": {error.message}'
                self.recorder.warning(deployment, "ReplicaSetCreateError", said)
                self._say(deployment, "False", "ReplicaSetCreateError", said)
            raise
        if replicas:
            self.recorder.normal(deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {replicas}")
        return self._say(deployment, "True", "NewReplicaSetCreated", f'Created new replica set "{name}"'), new

    def _resize(self, deployment: Json, replica_set: Json, wanted: int) -> Json:
        """Set how many replicas a set shall have, and note of how many its Deployment is."""
        limit = rollout.bounds(deployment)
        had = revisions.size(replica_set)
        noted = {rollout.DESIRED: str(limit.replicas), rollout.MAXIMUM: str(limit.most)}
        annotations = {**(replica_set["metadata"].get("annotations") or {}), **noted}
        changed = _annotated(replica_set, annotations)
        new = self.store.update(REPLICA_SETS, {**changed, "spec": {**changed["spec"], "replicas": wanted}})
        if had != wanted:
            way = "up" if wanted > had else "down"
            name = replica_set["metadata"]["name"]
            said = f"Scaled {way} replica set {name} from {had} to {wanted}"
            self.recorder.normal(deployment, "ScalingReplicaSet", said)
        return new

    def _clean_up(self, deployment: Json, old: list[Json]) -> None:
        """Delete the oldest revisions beyond the history limit, once a rollout is complete."""
        if not deployment_status.is_complete(deployment, deployment.get("status") or {}):
            return
        kept = int(deployment["spec"].get("revisionHistoryLimit", 10))
        unused = [each for each in sorted(old, key=revisions.revision) if not revisions.size(each)]
        for each in unused[: max(0, len(old) - kept)]:
            if not revisions.count([each], "replicas") and not each["metadata"].get("deletionTimestamp"):
                self.store.delete(REPLICA_SETS, each["metadata"]["namespace"], each["metadata"]["name"])

    # Status

    def _write_status(self, deployment: Json) -> None:
        current = self.store.get(DEPLOYMENTS, deployment["metadata"]["namespace"], deployment["metadata"]["name"])
        sets = revisions.owned(self.store, current)
        new = revisions.current(current, sets)
        status = deployment_status.build(current, new, sets, at=now())
        if status != current.get("status"):
            self.store.update(DEPLOYMENTS, {**current, "status": status}, status=True)

    def _note_pause(self, deployment: Json) -> Json:
        found = pods.condition(deployment, deployment_status.PROGRESSING)
        if deployment_status.deadline_s(deployment) is None or (
            found and found["reason"] == deployment_status.TIMED_OUT
        ):
            return deployment
        noted = found is not None and found["reason"] == deployment_status.PAUSED
        if deployment["spec"].get("paused") and not noted:
            return self._say(deployment, "Unknown", deployment_status.PAUSED, "Deployment is paused")
        if not deployment["spec"].get("paused") and noted:
            return self._say(deployment, "Unknown", deployment_status.RESUMED, "Deployment is resumed")
        return deployment

    def _say(self, deployment: Json, status: str, reason: str, message: str) -> Json:
        condition = deployment_status.progressing(status, reason, message)
        return self.store.update(
            DEPLOYMENTS, deployment_status.with_condition(deployment, condition, now()), status=True
        )


def _annotated(each: Json, annotations: Json) -> Json:
    return {**each, "metadata": {**each["metadata"], "annotations": annotations}}


def _size(each: Json) -> rollout.Size:
    return rollout.Size(each["metadata"]["name"], revisions.size(each), revisions.count([each], "availableReplicas"))


def _is_saturated(new: Json, limit: rollout.Bounds) -> bool:
    noted = (new["metadata"].get("annotations") or {}).get(rollout.DESIRED)
    return revisions.size(new) == limit.replicas == revisions.count([new], "availableReplicas") and noted == str(
        limit.replicas
    )


def _is_scaled(deployment: Json, sets: list[Json]) -> bool:
    """Whether the number of replicas has changed since the sets were last looked at."""
    wanted = str(int(deployment["spec"].get("replicas", 1)))
    noted = ((each["metadata"].get("annotations") or {}).get(rollout.DESIRED) for each in sets if revisions.size(each))
    return any(each is not None and each != wanted for each in noted)
