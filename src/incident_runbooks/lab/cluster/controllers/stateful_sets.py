# SPDX-License-Identifier: GPL-3.0-or-later
"""StatefulSets: pods with names and claims of their own, one after the other.

Source: pkg/controller/statefulset/stateful_set_control.go.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from incident_runbooks.lab.cluster.controllers import controller_revisions, owners, pods
from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.history import DELETED, Change
from incident_runbooks.lab.cluster.resources import PODS, STATEFUL_SETS, VOLUME_CLAIMS
from incident_runbooks.lab.cluster.writes import defaults

Json = dict[str, Any]

_RETRY_S = 1.0


@dataclass(frozen=True)
class _Plan:
    """A StatefulSet with what a look needs of it."""

    spec: Json
    current: str
    update: str
    first: int
    replicas: int
    partition: int
    min_ready_s: int
    parallel: bool

    @property
    def ordinals(self) -> range:
        return range(self.first, self.first + self.replicas)


class StatefulSets(Controller):
    """Follows StatefulSets and their pods."""

    component = "statefulset-controller"

    def concerns(self, change: Change) -> Iterable[Key]:
        """The set, or the one that a pod belongs to."""
        metadata = change.object["metadata"]
        if change.resource is STATEFUL_SETS and change.type != DELETED:
            yield metadata["namespace"], metadata["name"]
        elif change.resource is PODS:
            owner = owners.controller_of(change.object)
            if owner is not None and owner["kind"] == STATEFUL_SETS.kind:
                yield metadata["namespace"], owner["name"]

    def reconcile(self, key: Key) -> float | None:
        """Take the next step, and write the status."""
        found = self.store.find(STATEFUL_SETS, *key)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return None
        owners.claim_pods(self.store, STATEFUL_SETS, found)
        update = controller_revisions.update_revision(self.store, found)["metadata"]["name"]
        plan = _plan(found, update)
        failed = False
        try:
            self._step(found, plan)
        except ApiError as error:
            self.recorder.warning(found, "FailedCreate", f"create Pod failed error: {error.message}")
            failed = True
        status = self._write_status(found, plan)
        controller_revisions.clean_up(self.store, found, {status["currentRevision"], status["updateRevision"]})
        waits = [
            wait for pod in self._by_ordinal(found).values() if (wait := pods.available_in_s(pod, plan.min_ready_s))
        ]
        return _RETRY_S if failed else min(waits) + 0.05 if waits else None

    # One step

    def _step(self, stateful_set: Json, plan: _Plan) -> None:
        there = self._by_ordinal(stateful_set)
        for ordinal in plan.ordinals:
            if self._fill(stateful_set, plan, ordinal, there.get(ordinal)) and not plan.parallel:
                return
        condemned = sorted((ordinal for ordinal in there if ordinal not in plan.ordinals), reverse=True)
        for ordinal in condemned:
            if not pods.is_terminating(there[ordinal]):
                self._delete(stateful_set, there[ordinal])
            if not plan.parallel:
                return
        if (plan.spec.get("updateStrategy") or {}).get("type") != "OnDelete":
            self._roll(stateful_set, plan, self._by_ordinal(stateful_set))

    def _fill(self, stateful_set: Json, plan: _Plan, ordinal: int, pod: Json | None) -> bool:
        """See to one ordinal, and return whether those after it have to wait."""
        if pod is None:
            self._create(stateful_set, plan, ordinal)
            return True
        if pods.is_terminating(pod):
            return True
        if pods.phase(pod) in ("Failed", "Succeeded"):
            self._delete(stateful_set, pod, grace_s=0)
            return True
        return not _is_available(pod, plan)

    def _roll(self, stateful_set: Json, plan: _Plan, there: dict[int, Json]) -> None:
        """Replace the next pod of another revision, from the last to the partition."""
        for ordinal in reversed(plan.ordinals):
            pod = there.get(ordinal)
            if ordinal < plan.first + plan.partition or pod is None:
                return
            if _revision(pod) != plan.update and not pods.is_terminating(pod):
                self._delete(stateful_set, pod)
                return
            if pods.is_terminating(pod) or not _is_available(pod, plan):
                return

    # Pods

    def _by_ordinal(self, stateful_set: Json) -> dict[int, Json]:
        prefix = f"{stateful_set['metadata']['name']}-"
        found = {}
        for pod in self.store.owned_by(PODS, stateful_set):
            ordinal = pod["metadata"]["name"].removeprefix(prefix)
            if ordinal.isdigit():
                found[int(ordinal)] = pod
        return found

    def _create(self, stateful_set: Json, plan: _Plan, ordinal: int) -> None:
        kept_back = ordinal < plan.first + plan.partition
        wanted = plan.current if kept_back else plan.update
        known = {each["metadata"]["name"]: each for each in controller_revisions.owned(self.store, stateful_set)}
        revision = known.get(wanted) or known[plan.update]
        pod = pods.from_template(STATEFUL_SETS, stateful_set, controller_revisions.template(revision))
        name = f"{stateful_set['metadata']['name']}-{ordinal}"
        pod["metadata"]["name"] = name
        pod["metadata"]["labels"] |= {
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(ordinal),
            controller_revisions.LABEL: revision["metadata"]["name"],
        }
        pod["spec"] |= {"hostname": name, "subdomain": plan.spec.get("serviceName", "")}
        self._claims(stateful_set, pod, ordinal)
        pods.create(self.store, pod)
        self._note(stateful_set, "SuccessfulCreate", f"create Pod {name} in StatefulSet", "successful")

    def _claims(self, stateful_set: Json, pod: Json, ordinal: int) -> None:
        """Create the claims that are not there, and have the pod use them."""
        volumes = {each["name"]: each for each in pod["spec"].get("volumes") or ()}
        for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
            kind = template["metadata"]["name"]
            claim = f"{kind}-{stateful_set['metadata']['name']}-{ordinal}"
            namespace = stateful_set["metadata"]["namespace"]
            volumes[kind] = {"name": kind, "persistentVolumeClaim": {"claimName": claim}}
            if self.store.find(VOLUME_CLAIMS, namespace, claim) is None:
                labels = stateful_set["spec"]["selector"].get("matchLabels") or {}
                metadata = {"name": claim, "namespace": namespace, "labels": labels}
                if annotations := template["metadata"].get("annotations"):
                    metadata["annotations"] = dict(annotations)
                new = {"metadata": metadata, "spec": copy.deepcopy(template["spec"])}
                self.store.create(VOLUME_CLAIMS, defaults.apply(VOLUME_CLAIMS, new))
                what = f"create Claim {claim} Pod {pod['metadata']['name']} in StatefulSet"
                self._note(stateful_set, "SuccessfulCreate", what, "success")
        if volumes:
            pod["spec"]["volumes"] = list(volumes.values())

    def _delete(self, stateful_set: Json, pod: Json, *, grace_s: int | None = None) -> None:
        name = pod["metadata"]["name"]
        self.store.delete(PODS, pod["metadata"]["namespace"], name, grace_s=grace_s)
        self._note(stateful_set, "SuccessfulDelete", f"delete Pod {name} in StatefulSet", "successful")

    def _note(self, stateful_set: Json, reason: str, what: str, outcome: str) -> None:
        self.recorder.normal(stateful_set, reason, f"{what} {stateful_set['metadata']['name']} {outcome}")

    # Status

    def _write_status(self, stateful_set: Json, plan: _Plan) -> Json:
        mine = [pod for pod in self._by_ordinal(stateful_set).values() if not pods.is_terminating(pod)]
        counts = {
            "replicas": len(self._by_ordinal(stateful_set)),
            "readyReplicas": sum(pods.is_ready(pod) for pod in mine),
            "availableReplicas": sum(pods.is_available(pod, plan.min_ready_s) for pod in mine),
            "currentReplicas": sum(_revision(pod) == plan.current for pod in mine),
            "updatedReplicas": sum(_revision(pod) == plan.update for pod in mine),
        }
        current = plan.current
        rolling = (plan.spec.get("updateStrategy") or {}).get("type") != "OnDelete"
        complete = counts["updatedReplicas"] == counts["replicas"] == counts["readyReplicas"] == plan.replicas
        if rolling and complete and current != plan.update:
            current = plan.update
            counts["currentReplicas"] = counts["updatedReplicas"]
        status: Json = {
            name: count for name, count in counts.items() if count or name in ("replicas", "availableReplicas")
        }
        status |= {
            "observedGeneration": stateful_set["metadata"]["generation"],
            "currentRevision": current,
            "updateRevision": plan.update,
            "collisionCount": 0,
        }
        there = self.store.get(STATEFUL_SETS, stateful_set["metadata"]["namespace"], stateful_set["metadata"]["name"])
        if there.get("status") != status:
            self.store.update(STATEFUL_SETS, {**there, "status": status}, status=True)
        return status


def _plan(stateful_set: Json, update: str) -> _Plan:
    spec = stateful_set["spec"]
    strategy = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    return _Plan(
        spec=spec,
        current=(stateful_set.get("status") or {}).get("currentRevision") or update,
        update=update,
        first=int((spec.get("ordinals") or {}).get("start") or 0),
        replicas=int(spec.get("replicas", 1)),
        partition=int(strategy.get("partition") or 0),
        min_ready_s=int(spec.get("minReadySeconds") or 0),
        parallel=spec.get("podManagementPolicy") == "Parallel",
    )


def _revision(pod: Json) -> str:
    return str((pod["metadata"].get("labels") or {}).get(controller_revisions.LABEL, ""))


def _is_available(pod: Json, plan: _Plan) -> bool:
    return pods.phase(pod) == "Running" and pods.is_available(pod, plan.min_ready_s)
