# SPDX-License-Identifier: GPL-3.0-or-later
"""What the status of a Deployment says, from its ReplicaSets. Pure.

Source: pkg/controller/deployment/progress.go, sync.go and util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from incident_runbooks.lab.cluster.controllers import pods, revisions, rollout

Json = dict[str, Any]

AVAILABLE, PROGRESSING, REPLICA_FAILURE = "Available", "Progressing", "ReplicaFailure"
NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"
_NO_DEADLINE = 2**31 - 1
_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def build(deployment: Json, new: Json | None, sets: Sequence[Json], *, at: str) -> Json:
    """Return the whole status.

    Args:
        deployment: with its status before.
        new: the ReplicaSet of its present template.
        sets: all its ReplicaSets, *new* among them.
        at: the present instant, as the API writes it.
    """
    old = deployment.get("status") or {}
    available = revisions.count(sets, "availableReplicas")
    counts = {
        "replicas": revisions.count(sets, "replicas"),
        "updatedReplicas": revisions.count([new] if new else [], "replicas"),
        "readyReplicas": revisions.count(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, revisions.total(sets) - available),
    }
    status: Json = {name: counts[name] for name in _COUNTS if counts[name]}
    status["observedGeneration"] = deployment["metadata"]["generation"]
    if old.get("collisionCount"):
        status["collisionCount"] = old["collisionCount"]
    facts = {each["type"]: each for each in old.get("conditions") or ()}
    _set(facts, _available(deployment, available), at)
    _progress(deployment, facts, new, counts, at)
    failed = next((found for each in sets if (found := pods.condition(each, REPLICA_FAILURE))), None)
    if failed is None:
        facts.pop(REPLICA_FAILURE, None)
    else:
        _set(facts, {key: failed[key] for key in ("type", "status", "reason", "message")}, at)
    return status | {"conditions": list(facts.values())}


def is_complete(deployment: Json, status: Json) -> bool:
    """Whether all replicas are of the present template and available, and no other is left."""
    wanted = int(deployment["spec"].get("replicas", 1))
    return all(status.get(name, 0) == wanted for name in ("updatedReplicas", "replicas", "availableReplicas"))


def deadline_s(deployment: Json) -> int | None:
    """Return how long there may be no progress, in seconds; ``None`` without a limit."""
    limit = deployment["spec"].get("progressDeadlineSeconds")
    return None if limit in (None, _NO_DEADLINE) else int(limit)


def deadline_in_s(deployment: Json) -> float | None:
    """Return in how many seconds a rollout without progress has timed out; ``None`` when none is under way."""
    limit, found = deadline_s(deployment), pods.condition(deployment, PROGRESSING)
    if limit is None or found is None or found["reason"] in (NEW_AVAILABLE, TIMED_OUT, PAUSED):
        return None
    return max(0.0, limit - pods.age_s(found["lastUpdateTime"]))


def progressing(status: str, reason: str, message: str) -> Json:
    """Return a condition Progressing, without its times."""
    return {"type": PROGRESSING, "status": status, "reason": reason, "message": message}


def with_condition(deployment: Json, condition: Json, at: str) -> Json:
    """Return a Deployment whose status has this condition too."""
    status = deployment.get("status") or {}
    facts = {each["type"]: each for each in status.get("conditions") or ()}
    _set(facts, condition, at)
    return {**deployment, "status": {**status, "conditions": list(facts.values())}}


def _set(facts: dict[str, Json], fact: Json, at: str) -> None:
    """Replace a condition unless it says the same; the time of the transition stays unless its status changes."""
    before = facts.get(fact["type"])
    if before and (before["status"], before["reason"]) == (fact["status"], fact["reason"]):
        return
    since = before["lastTransitionTime"] if before and before["status"] == fact["status"] else at
    facts.pop(fact["type"], None)
    facts[fact["type"]] = {**fact, "lastUpdateTime": at, "lastTransitionTime": since}


def _available(deployment: Json, available: int) -> Json:
    limit = rollout.bounds(deployment)
    if available >= limit.fewest_available:
        said = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        said = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return {"type": AVAILABLE, "status": said[0], "reason": said[1], "message": said[2]}


def _progress(deployment: Json, facts: dict[str, Json], new: Json | None, counts: Json, at: str) -> None:
    if deadline_s(deployment) is None:
        facts.pop(PROGRESSING, None)
        return
    before = facts.get(PROGRESSING)
    if deployment["spec"].get("paused"):
        return
    if before and before["reason"] == NEW_AVAILABLE and counts["replicas"] == counts["updatedReplicas"]:
        return  # it is complete: what its pods do now is no rollout
    what = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    if is_complete(deployment, counts):
        _set(facts, progressing("True", NEW_AVAILABLE, f"{what} has successfully progressed."), at)
    elif _has_progressed(deployment.get("status") or {}, counts):
        since = before["lastTransitionTime"] if before and before["status"] == "True" else at
        facts.pop(PROGRESSING, None)
        fact = progressing("True", "ReplicaSetUpdated", f"{what} is progressing.")
        facts[PROGRESSING] = {**fact, "lastUpdateTime": at, "lastTransitionTime": since}
    elif _has_timed_out(deployment, before):
        _set(facts, progressing("False", TIMED_OUT, f"{what} has timed out progressing."), at)


def _has_progressed(old: Json, counts: Json) -> bool:
    old_updated = old.get("updatedReplicas", 0)
    return bool(
        counts["updatedReplicas"] > old_updated
        or counts["replicas"] - counts["updatedReplicas"] < old.get("replicas", 0) - old_updated
        or counts["readyReplicas"] > old.get("readyReplicas", 0)
        or counts["availableReplicas"] > old.get("availableReplicas", 0)
    )


def _has_timed_out(deployment: Json, condition: Json | None) -> bool:
    limit = deadline_s(deployment)
    if condition is None or limit is None or condition["reason"] == NEW_AVAILABLE:
        return False
    return condition["reason"] == TIMED_OUT or pods.age_s(condition["lastUpdateTime"]) >= limit
