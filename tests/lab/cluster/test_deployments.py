# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments: rollouts within their bounds, revisions, deadlines, and the ReplicaSets that do the work."""

from __future__ import annotations

from typing import Any

import pytest

from incident_runbooks.lab.cluster.controllers import pods, rollout
from incident_runbooks.lab.cluster.controllers.rollout import Bounds, Size
from incident_runbooks.lab.cluster.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from support.node import NAMESPACE, Running, condition, container, in_cluster, is_rolled_out, shell

REVISION = "deployment.kubernetes.io/revision"
CHANGED = [{"name": "COLOUR", "value": "green"}]
NEVER_READY = {"exec": {"command": ["false"]}, "periodSeconds": 1}


async def rolled_out(cluster: Running, name: str = "web") -> dict[str, Any]:
    await cluster.until(lambda: is_rolled_out(cluster, name), f"the rollout of {name}")
    return cluster.get(DEPLOYMENTS, name)


def watch_counts(cluster: Running, wanted: int) -> list[tuple[int, int]]:
    """Note how many pods there are and how many of them are available, whenever that changes."""
    seen = []

    def note(_: object) -> None:
        alive = cluster.pods()
        seen.append((len(alive), sum(pods.is_ready(pod) for pod in alive)))

    cluster.store.on_change(note)
    return seen


@in_cluster
async def test_a_deployment_becomes_available(cluster: Running) -> None:
    cluster.deployment("web", container(), replicas=2)
    deployment = await rolled_out(cluster)
    status = deployment["status"]
    counts = {name: status[name] for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")}
    assert set(counts.values()) == {2}
    assert "unavailableReplicas" not in status
    available, progressing = condition(deployment, "Available"), condition(deployment, "Progressing")
    assert (available["status"], available["reason"]) == ("True", "MinimumReplicasAvailable")
    (replica_set,) = cluster.sets()
    name = replica_set["metadata"]["name"]
    assert (progressing["status"], progressing["reason"]) == ("True", "NewReplicaSetAvailable")
    assert progressing["message"] == f'ReplicaSet "{name}" has successfully progressed.'
    mark = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert name == f"web-{mark}"
    assert all(pod["metadata"]["labels"]["pod-template-hash"] == mark for pod in cluster.pods())
    assert all(pod["metadata"]["name"].startswith(f"{name}-") for pod in cluster.pods())
    assert deployment["metadata"]["annotations"][REVISION] == "1"
    assert cluster.events("ScalingReplicaSet", "web")[0]["message"] == f"Scaled up replica set {name} from 0 to 2"
    assert len(cluster.events("SuccessfulCreate", name)) == 2
    assert len(cluster.processes()) == 2


@in_cluster
async def test_a_rolling_update_stays_within_its_bounds(cluster: Running) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    cluster.deployment("web", container(), replicas=3, strategy=strategy)
    await rolled_out(cluster)
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    seen = watch_counts(cluster, 3)
    cluster.template(DEPLOYMENTS, "web", env=CHANGED)
    deployment = await rolled_out(cluster)
    assert max(there for there, _ in seen) == 4
    assert min(ready for _, ready in seen) == 3
    assert not before & {pod["metadata"]["uid"] for pod in cluster.pods()}
    assert deployment["metadata"]["annotations"][REVISION] == "2"
    old, new = cluster.sets()
    assert (old["spec"]["replicas"], new["spec"]["replicas"]) == (0, 3)
    pod = cluster.pods()[0]["metadata"]["name"]
    assert await cluster.exec(pod, "sh", "-c", "echo $COLOUR") == (0, "green\n", "")


@in_cluster
async def test_without_surge_one_goes_before_one_comes(cluster: Running) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    cluster.deployment("web", container(), replicas=3, strategy=strategy)
    await rolled_out(cluster)
    seen = watch_counts(cluster, 3)
    cluster.template(DEPLOYMENTS, "web", env=CHANGED)
    await rolled_out(cluster)
    assert max(there for there, _ in seen) == 3
    assert min(ready for _, ready in seen) == 2


@in_cluster
async def test_recreate_ends_all_before_it_starts_one(cluster: Running) -> None:
    cluster.deployment("web", shell("trap 'sleep 0.2; exit' TERM; while :; do sleep 0.05; done"), replicas=2,
                       strategy={"type": "Recreate"})  # fmt: skip
    await rolled_out(cluster)
    first = cluster.sets()[0]["metadata"]["labels"]["pod-template-hash"]
    mixed = []

    def note(_: object) -> None:
        marks = {pod["metadata"]["labels"]["pod-template-hash"] for pod in cluster.store.all(PODS, NAMESPACE)}
        mixed.append(len(marks) > 1)

    cluster.store.on_change(note)
    cluster.template(DEPLOYMENTS, "web", env=CHANGED)
    await rolled_out(cluster)
    assert not any(mixed)
    assert cluster.sets()[-1]["metadata"]["labels"]["pod-template-hash"] != first


@in_cluster
async def test_a_restart_is_a_revision_and_undo_brings_the_old_set_back(cluster: Running) -> None:
    cluster.deployment("web", container(env=[{"name": "V", "value": "1"}]))
    await rolled_out(cluster)
    first = cluster.sets()[0]
    stamp = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    cluster.change(DEPLOYMENTS, "web", lambda each: each["spec"]["template"]["metadata"].update(annotations=stamp))
    await rolled_out(cluster)
    assert [each["metadata"]["annotations"][REVISION] for each in cluster.sets()] == ["1", "2"]

    def undo(deployment: dict[str, Any]) -> None:  # what kubectl does
        template = first["spec"]["template"]
        labels = {key: value for key, value in template["metadata"]["labels"].items() if key != "pod-template-hash"}
        deployment["spec"]["template"] = {**template, "metadata": {**template["metadata"], "labels": labels}}

    cluster.change(DEPLOYMENTS, "web", undo)
    deployment = await rolled_out(cluster)
    assert deployment["metadata"]["annotations"][REVISION] == "3"
    again = cluster.get(REPLICA_SETS, first["metadata"]["name"])
    assert again["metadata"]["uid"] == first["metadata"]["uid"], "the same set, not a new one"
    assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert len(cluster.sets()) == 2


@in_cluster
async def test_old_revisions_are_forgotten(cluster: Running) -> None:
    cluster.deployment("web", container(), revisionHistoryLimit=1)
    for number in range(4):
        cluster.template(DEPLOYMENTS, "web", env=[{"name": "V", "value": str(number)}])
        await rolled_out(cluster)
    await cluster.until(lambda: len(cluster.sets()) == 2, "forgetting")
    assert [each["metadata"]["annotations"][REVISION] for each in cluster.sets()][-1] == "4"


@in_cluster
async def test_no_progress_within_the_deadline_is_said(cluster: Running) -> None:
    cluster.deployment("web", container(readinessProbe=NEVER_READY), progressDeadlineSeconds=1)
    await cluster.until(
        lambda: condition(cluster.get(DEPLOYMENTS, "web"), "Progressing").get("reason") == "ProgressDeadlineExceeded"
    )
    deployment = cluster.get(DEPLOYMENTS, "web")
    progressing, available = condition(deployment, "Progressing"), condition(deployment, "Available")
    assert progressing["status"] == "False"
    assert progressing["message"].endswith("has timed out progressing.")
    assert (available["status"], available["reason"]) == ("False", "MinimumReplicasUnavailable")
    assert deployment["status"]["unavailableReplicas"] == 1
    cluster.template(DEPLOYMENTS, "web", readinessProbe=None)
    await rolled_out(cluster)


@in_cluster
async def test_a_broken_revision_leaves_the_old_one_serving(cluster: Running) -> None:
    cluster.deployment("web", container(), replicas=4, progressDeadlineSeconds=1)
    await rolled_out(cluster)
    cluster.template(DEPLOYMENTS, "web", image="shop/web:missing")
    await cluster.until(
        lambda: condition(cluster.get(DEPLOYMENTS, "web"), "Progressing").get("reason") == "ProgressDeadlineExceeded"
    )
    deployment = cluster.get(DEPLOYMENTS, "web")
    assert deployment["status"]["availableReplicas"] == 3, "25 % of 4"
    assert condition(deployment, "Available")["status"] == "True"
    assert deployment["status"]["updatedReplicas"] == 2


@in_cluster
async def test_a_paused_deployment_scales_but_does_not_roll(cluster: Running) -> None:
    cluster.deployment("web", container(), replicas=1)
    await rolled_out(cluster)
    cluster.change(DEPLOYMENTS, "web", lambda each: each["spec"].update(paused=True))
    cluster.template(DEPLOYMENTS, "web", env=CHANGED)
    cluster.change(DEPLOYMENTS, "web", lambda each: each["spec"].update(replicas=2))
    await cluster.until(lambda: len(cluster.pods()) == 2)
    assert len(cluster.sets()) == 1
    paused = condition(cluster.get(DEPLOYMENTS, "web"), "Progressing")
    assert (paused["status"], paused["reason"]) == ("Unknown", "DeploymentPaused")
    cluster.change(DEPLOYMENTS, "web", lambda each: each["spec"].update(paused=False))
    await rolled_out(cluster)
    assert len(cluster.sets()) == 2


@in_cluster
async def test_scaling_adds_and_removes_without_a_new_revision(cluster: Running) -> None:
    cluster.deployment("web", container(), replicas=1)
    await rolled_out(cluster)
    for replicas in (4, 2, 0):
        cluster.change(DEPLOYMENTS, "web", lambda each, to=replicas: each["spec"].update(replicas=to))  # type: ignore[misc]
        await rolled_out(cluster)
        await cluster.until(lambda to=replicas: len(cluster.processes()) == to)  # type: ignore[misc]
    (replica_set,) = cluster.sets()
    said = [event["message"] for event in cluster.events("ScalingReplicaSet", "web")]
    assert f"Scaled down replica set {replica_set['metadata']['name']} from 4 to 2" in said


@in_cluster
async def test_availability_waits_for_min_ready_seconds(cluster: Running) -> None:
    cluster.deployment("web", container(), minReadySeconds=2)
    await cluster.until(lambda: cluster.get(DEPLOYMENTS, "web").get("status", {}).get("readyReplicas") == 1)
    assert "availableReplicas" not in cluster.get(DEPLOYMENTS, "web")["status"]
    await rolled_out(cluster)


@in_cluster
async def test_what_keeps_pods_from_being_created_is_said(cluster: Running) -> None:
    cluster.deployment("web", container(), pod={"serviceAccountName": "nobody"})
    await cluster.until(lambda: condition(cluster.get(DEPLOYMENTS, "web"), "ReplicaFailure"))
    failure = condition(cluster.get(DEPLOYMENTS, "web"), "ReplicaFailure")
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
    assert f"error looking up service account {NAMESPACE}/nobody" in failure["message"]
    assert cluster.events("FailedCreate", cluster.sets()[0]["metadata"]["name"])


@in_cluster
async def test_a_deleted_pod_is_replaced_and_the_rollout_stays_complete(cluster: Running) -> None:
    cluster.deployment("web", container(), replicas=2)
    await rolled_out(cluster)
    gone = cluster.pods()[0]["metadata"]
    cluster.store.delete(PODS, NAMESPACE, gone["name"])
    await cluster.until(lambda: gone["uid"] not in {pod["metadata"]["uid"] for pod in cluster.pods()})
    deployment = await rolled_out(cluster)
    assert condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"


@in_cluster
async def test_a_pod_that_loses_its_labels_is_let_go_and_an_orphan_is_taken(cluster: Running) -> None:
    cluster.deployment("web", container(), replicas=1)
    await rolled_out(cluster)
    (first,) = cluster.pods()
    name = first["metadata"]["name"]
    cluster.change(PODS, name, lambda pod: pod["metadata"]["labels"].update(app="quarantine"))
    await cluster.until(lambda: len(cluster.pods("web")) == 1)
    await cluster.until(lambda: not cluster.get(PODS, name)["metadata"].get("ownerReferences"))
    assert cluster.state(name)["ready"], "it goes on for whoever looks into it"
    cluster.change(PODS, name, lambda pod: pod["metadata"]["labels"].update(app="web"))
    await cluster.until(lambda: len(cluster.pods()) == 1)


def test_what_is_worth_least_is_deleted_first() -> None:
    def pod(name: str, *, ready: bool = True, node: str = "n", created: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
        since = {"type": "Ready", "status": str(ready), "lastTransitionTime": created}
        spec = {"nodeName": node} if node else {}
        return {
            "metadata": {"name": name, "creationTimestamp": created},
            "spec": spec,
            "status": {"phase": "Running" if node else "Pending", "conditions": [since]},
        }

    several = [
        pod("old"),
        pod("new", created="2026-02-01T00:00:00Z"),
        pod("unready", ready=False),
        pod("unbound", node="", ready=False),
    ]
    assert [each["metadata"]["name"] for each in sorted(several, key=pods.deletion_rank)] == [
        "unbound", "unready", "new", "old",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", Bounds(4, 1, 1)),
        (10, "25%", "25%", Bounds(10, 3, 2)),  # surge up, unavailable down
        (1, "25%", "25%", Bounds(1, 1, 0)),
        (3, 0, 0, Bounds(3, 0, 1)),  # both 0 would never go on
        (2, 1, 0, Bounds(2, 1, 0)),
        (2, "100%", "0%", Bounds(2, 2, 0)),
        (2, 0, 5, Bounds(2, 0, 2)),
    ],
)
def test_bounds(replicas: int, surge: int | str, unavailable: int | str, expected: Bounds) -> None:
    limits = {"maxSurge": surge, "maxUnavailable": unavailable}
    strategy = {"type": "RollingUpdate", "rollingUpdate": limits}
    assert rollout.bounds({"spec": {"replicas": replicas, "strategy": strategy}}) == expected


def test_what_is_not_available_anyway_goes_first() -> None:
    limit = Bounds(4, 1, 1)
    old = [Size("sick", 2, 0), Size("well", 2, 2)]
    assert rollout.old_sizes(limit, Size("new", 1, 0), old) == {"sick": 1}
    assert rollout.old_sizes(limit, Size("new", 1, 1), old) == {"sick": 0}
    assert rollout.old_sizes(limit, Size("new", 4, 4), [Size("well", 1, 1)]) == {"well": 0}


def test_scaling_in_the_midst_of_a_rollout_is_shared_out() -> None:
    def replica_set(name: str, replicas: int) -> dict[str, Any]:
        return {"metadata": {"name": name, "annotations": {rollout.MAXIMUM: "13"}}, "spec": {"replicas": replicas}}

    sets = [replica_set("new", 5), replica_set("old", 8)]
    assert rollout.proportional_sizes(Bounds(15, 3, 2), sets) == {"new": 7, "old": 11}
    assert rollout.proportional_sizes(Bounds(0, 0, 0), sets) == {"new": 0, "old": 0}
