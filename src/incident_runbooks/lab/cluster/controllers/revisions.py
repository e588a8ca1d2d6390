# SPDX-License-Identifier: GPL-3.0-or-later
"""The ReplicaSets of a Deployment: one for each revision of its template.

Source: pkg/controller/deployment/sync.go and util/deployment_util.go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from incident_runbooks.lab.cluster.controllers import owners, rollout
from incident_runbooks.lab.cluster.resources import DEPLOYMENTS, REPLICA_SETS
from incident_runbooks.lab.cluster.store import Store

Json = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
HASH_LABEL = "pod-template-hash"
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    rollout.DESIRED,
    rollout.MAXIMUM,
    "deprecated.deployment.rollback.to",
)
_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # k8s.io/apimachinery/pkg/util/rand, SafeEncodeString


def template_hash(template: Json, collisions: int = 0) -> str:
    """Return what distinguishes a template: the same for the same template."""
    text = json.dumps(template, sort_keys=True) + (str(collisions) if collisions else "")
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(number))


def owned(store: Store, deployment: Json) -> list[Json]:
    """Return the ReplicaSets of a Deployment, the oldest first."""
    return sorted(store.owned_by(REPLICA_SETS, deployment), key=by_age)


def by_age(each: Json) -> tuple[str, int, str]:
    """Sort key: the oldest first."""
    metadata = each["metadata"]
    return metadata["creationTimestamp"], revision(each), metadata["name"]


def revision(each: Json) -> int:
    """Return the revision that an object is annotated with, 0 without."""
    return int((each["metadata"].get("annotations") or {}).get(REVISION) or 0)


def current(deployment: Json, sets: Iterable[Json]) -> Json | None:
    """Return the ReplicaSet with the Deployment's present template."""
    wanted = _comparable(deployment["spec"]["template"])
    return next((each for each in sets if _comparable(each["spec"]["template"]) == wanted), None)


def size(each: Json) -> int:
    """Return how many replicas a set shall have."""
    return int(each["spec"].get("replicas", 1))


def total(sets: Sequence[Json]) -> int:
    """Return how many replicas sets shall have."""
    return sum(size(each) for each in sets)


def count(sets: Sequence[Json], field: str) -> int:
    """Return the sum of a number in the status of sets."""
    return sum(int((each.get("status") or {}).get(field, 0)) for each in sets)


def new_set(deployment: Json, number: int, replicas: int, collisions: int) -> Json:
    """Return the ReplicaSet for the Deployment's present template."""
    template = deployment["spec"]["template"]
    mark = template_hash(template, collisions)
    labels = {**(template["metadata"].get("labels") or {}), HASH_LABEL: mark}
    selector = deployment["spec"]["selector"]
    spec: Json = {
        "replicas": replicas,
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: mark}},
        "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
    }
    if deployment["spec"].get("minReadySeconds"):
        spec["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
    return {
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{mark}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": labels,
            "annotations": noted(deployment, {}, number),
            "ownerReferences": [owners.reference(DEPLOYMENTS, deployment)],
        },
        "spec": spec,
    }


def noted(deployment: Json, old: Json, number: int) -> Json:
    """Return the annotations of the current set: the Deployment's, and its revision with those before it."""
    given = deployment["metadata"].get("annotations") or {}
    new = {**old, **{key: value for key, value in given.items() if key not in _NOT_COPIED}}
    before = old.get(REVISION)
    if before and int(before) < number:
        new[HISTORY] = ",".join(filter(None, (old.get(HISTORY), before)))
    limit = rollout.bounds(deployment)
    return new | {REVISION: str(number), rollout.DESIRED: str(limit.replicas), rollout.MAXIMUM: str(limit.most)}


def _comparable(template: Json) -> Json:
    labels = {key: value for key, value in (template["metadata"].get("labels") or {}).items() if key != HASH_LABEL}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}
