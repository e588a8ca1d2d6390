# SPDX-License-Identifier: GPL-3.0-or-later
"""StatefulSets: one pod after the other, with revisions and claims."""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab.cluster.history import ADDED, DELETED, Change
from incident_runbooks.lab.cluster.resources import (
    CONTROLLER_REVISIONS,
    PODS,
    STATEFUL_SETS,
    VOLUME_CLAIMS,
)
from support.node import NAMESPACE, Running, container, in_cluster, shell

CHANGED = [{"name": "COLOUR", "value": "green"}]
SLOW = shell("sleep 0.2; touch up; exec sleep 1d", readinessProbe={
    "exec": {"command": ["test", "-e", "up"]}, "periodSeconds": 1, "initialDelaySeconds": 0,
})  # fmt: skip


def is_complete(cluster: Running, replicas: int) -> bool:
    """What kubectl rollout status waits for."""
    each = cluster.get(STATEFUL_SETS, "db")
    status = each.get("status") or {}
    return (
        status.get("observedGeneration", 0) >= each["metadata"]["generation"]
        and status.get("readyReplicas", 0) == replicas == status["replicas"]
        and status["currentRevision"] == status["updateRevision"]
    )


def note_pods(cluster: Running) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []

    def note(change: Change) -> None:
        if change.resource is PODS and change.type in (ADDED, DELETED):
            seen.append((change.type, change.object["metadata"]["name"]))

    cluster.store.on_change(note)
    return seen


def colours(cluster: Running) -> dict[str, bool]:
    return {pod["metadata"]["name"]: bool(pod["spec"]["containers"][0].get("env")) for pod in cluster.pods()}


@in_cluster
async def test_pods_come_and_go_in_order(cluster: Running) -> None:
    seen = note_pods(cluster)
    cluster.stateful_set("db", SLOW, replicas=2)
    await cluster.until(lambda: cluster.find(PODS, "db-0"))
    assert cluster.find(PODS, "db-1") is None
    await cluster.until(lambda: cluster.find(PODS, "db-1"))
    assert cluster.state("db-0")["ready"], "the second waits for the first"
    await cluster.until(lambda: is_complete(cluster, 2))
    labels = cluster.get(PODS, "db-1")["metadata"]["labels"]
    assert labels["statefulset.kubernetes.io/pod-name"] == "db-1"
    assert labels["apps.kubernetes.io/pod-index"] == "1"
    assert labels["controller-revision-hash"] == cluster.get(STATEFUL_SETS, "db")["status"]["currentRevision"]
    cluster.change(STATEFUL_SETS, "db", lambda each: each["spec"].update(replicas=0))
    await cluster.until(lambda: not cluster.pods())
    await cluster.until(lambda: not cluster.store.all(PODS))
    assert seen == [(ADDED, "db-0"), (ADDED, "db-1"), (DELETED, "db-1"), (DELETED, "db-0")]


@in_cluster
async def test_a_restart_goes_from_the_last_to_the_first(cluster: Running) -> None:
    cluster.stateful_set("db", container(), replicas=3)
    await cluster.until(lambda: is_complete(cluster, 3))
    seen = note_pods(cluster)
    first = cluster.get(STATEFUL_SETS, "db")["status"]["updateRevision"]
    cluster.template(STATEFUL_SETS, "db", env=CHANGED)
    await cluster.until(lambda: all(colours(cluster).values()) and is_complete(cluster, 3))
    assert [name for kind, name in seen if kind == ADDED] == ["db-2", "db-1", "db-0"]
    status = cluster.get(STATEFUL_SETS, "db")["status"]
    assert status["updateRevision"] != first
    assert status["updatedReplicas"] == status["currentReplicas"] == 3
    revisions = cluster.store.all(CONTROLLER_REVISIONS, NAMESPACE)
    assert sorted(each["revision"] for each in revisions) == [1, 2]
    newest = max(revisions, key=lambda each: int(each["revision"]))
    assert newest["data"]["spec"]["template"]["$patch"] == "replace"


@in_cluster
async def test_the_old_template_again_is_the_old_revision_again(cluster: Running) -> None:
    created: Any = cluster.stateful_set("db", container())
    await cluster.until(lambda: is_complete(cluster, 1))
    first = cluster.get(STATEFUL_SETS, "db")["status"]["updateRevision"]
    cluster.template(STATEFUL_SETS, "db", env=CHANGED)
    await cluster.until(lambda: all(colours(cluster).values()) and is_complete(cluster, 1))
    cluster.change(STATEFUL_SETS, "db", lambda each: each["spec"].update(template=created["spec"]["template"]))
    await cluster.until(lambda: colours(cluster) == {"db-0": False} and is_complete(cluster, 1))
    assert cluster.get(STATEFUL_SETS, "db")["status"]["currentRevision"] == first
    assert sorted(each["revision"] for each in cluster.store.all(CONTROLLER_REVISIONS, NAMESPACE)) == [2, 3]


@in_cluster
async def test_a_partition_keeps_the_first_ones_back(cluster: Running) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    cluster.stateful_set("db", container(), replicas=3, updateStrategy=strategy)
    await cluster.until(lambda: is_complete(cluster, 3))
    cluster.template(STATEFUL_SETS, "db", env=CHANGED)
    await cluster.until(lambda: colours(cluster) == {"db-0": False, "db-1": False, "db-2": True})
    await cluster.until(lambda: cluster.get(STATEFUL_SETS, "db")["status"].get("readyReplicas") == 3)
    status = cluster.get(STATEFUL_SETS, "db")["status"]
    assert (status["updatedReplicas"], status["currentReplicas"]) == (1, 2)
    assert status["currentRevision"] != status["updateRevision"]
    cluster.store.delete(PODS, NAMESPACE, "db-0", grace_s=0)
    await cluster.until(lambda: len(cluster.pods()) == 3)
    assert not colours(cluster)["db-0"], "below the partition it comes back as it was"


@in_cluster
async def test_on_delete_waits_for_somebody_to_delete(cluster: Running) -> None:
    cluster.stateful_set("db", container(), replicas=2, updateStrategy={"type": "OnDelete"})
    await cluster.until(lambda: cluster.get(STATEFUL_SETS, "db").get("status", {}).get("readyReplicas") == 2)
    cluster.template(STATEFUL_SETS, "db", env=CHANGED)
    await cluster.until(lambda: cluster.get(STATEFUL_SETS, "db")["status"]["observedGeneration"] == 2)
    assert not any(colours(cluster).values())
    cluster.store.delete(PODS, NAMESPACE, "db-1")
    await cluster.until(lambda: colours(cluster) == {"db-0": False, "db-1": True})


@in_cluster
async def test_parallel_does_not_wait(cluster: Running) -> None:
    never = container(readinessProbe={"exec": {"command": ["false"]}})
    cluster.stateful_set("db", never, replicas=3, podManagementPolicy="Parallel")
    await cluster.until(lambda: len(cluster.processes()) == 3)


@in_cluster
async def test_data_of_a_claim_survives_the_pod(cluster: Running) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    writes = shell("echo x >> data/lines; echo wrote; exec sleep 1d",
                   volumeMounts=[{"name": "data", "mountPath": "/data"}])  # fmt: skip
    cluster.stateful_set("db", writes, volumeClaimTemplates=[claim])
    await cluster.ready("db-0")
    await cluster.said("db-0", "wrote")  # ready is only started, without a probe
    bound = cluster.get(VOLUME_CLAIMS, "data-db-0")
    assert bound["status"]["phase"] == "Bound"
    assert bound["status"]["capacity"] == {"storage": "1Gi"}
    before = cluster.get(PODS, "db-0")["metadata"]["uid"]
    cluster.store.delete(PODS, NAMESPACE, "db-0")
    await cluster.until(lambda: cluster.find(PODS, "db-0") and cluster.get(PODS, "db-0")["metadata"]["uid"] != before)
    await cluster.ready("db-0")
    folder = cluster.cluster.directory / "claims" / NAMESPACE / "data-db-0"
    await cluster.until(lambda: (folder / "lines").read_text().count("x") == 2)


@in_cluster
async def test_a_pod_that_failed_is_replaced(cluster: Running) -> None:
    cluster.stateful_set("db", container())
    pod = await cluster.ready("db-0")
    cluster.store.delete(PODS, NAMESPACE, "db-0", grace_s=0)
    await cluster.until(lambda: cluster.find(PODS, "db-0"))
    assert (await cluster.ready("db-0"))["metadata"]["uid"] != pod["metadata"]["uid"]
    assert cluster.events("SuccessfulCreate", "db")[0]["message"] == "create Pod db-0 in StatefulSet db successful"
