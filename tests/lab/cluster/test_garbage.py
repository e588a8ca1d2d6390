# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with what: owners, finalizers, namespaces."""

from __future__ import annotations

import copy

import pytest

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SECRETS,
)
from incident_runbooks.lab.cluster.runtime.events import Recorder
from support.node import NAMESPACE, Running, container, in_cluster, is_rolled_out, shell


async def rolled_out(cluster: Running) -> None:
    cluster.deployment("web", container(), replicas=2)
    await cluster.until(lambda: is_rolled_out(cluster, "web"))


def delete(cluster: Running, finalizer: str) -> None:
    """Delete the Deployment as the API does with a propagation policy."""
    cluster.change(DEPLOYMENTS, "web", lambda each: each["metadata"].update(finalizers=[finalizer]))
    cluster.store.delete(DEPLOYMENTS, NAMESPACE, "web")


@in_cluster
async def test_what_belongs_to_an_object_goes_after_it(cluster: Running) -> None:
    await rolled_out(cluster)
    cluster.store.delete(DEPLOYMENTS, NAMESPACE, "web")
    await cluster.until(lambda: not cluster.store.all(REPLICA_SETS) and not cluster.store.all(PODS))
    assert cluster.processes() == []


@in_cluster
async def test_foreground_goes_last(cluster: Running) -> None:
    await rolled_out(cluster)
    delete(cluster, "foregroundDeletion")
    assert cluster.get(DEPLOYMENTS, "web")["metadata"]["deletionTimestamp"]
    left: list[int] = []

    def note(change: object) -> None:
        if cluster.find(DEPLOYMENTS, "web") is None:
            left.append(len(cluster.store.all(REPLICA_SETS)) + len(cluster.store.all(PODS)))

    cluster.store.on_change(note)
    await cluster.until(lambda: cluster.find(DEPLOYMENTS, "web") is None)
    assert left[0] == 0


@in_cluster
async def test_orphans_stay_and_run(cluster: Running) -> None:
    await rolled_out(cluster)
    delete(cluster, "orphan")
    await cluster.until(lambda: cluster.find(DEPLOYMENTS, "web") is None)
    (replica_set,) = cluster.store.all(REPLICA_SETS)
    assert "ownerReferences" not in replica_set["metadata"]
    assert len(cluster.processes()) == 2


@in_cluster
async def test_what_refers_to_nobody_goes(cluster: Running) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "no-such-uid"}
    cluster.create(CONFIG_MAPS, "left", metadata={"ownerReferences": [owner]})
    await cluster.until(lambda: cluster.find(CONFIG_MAPS, "left") is None)


@in_cluster
async def test_a_namespace_goes_when_all_in_it_has_gone(cluster: Running) -> None:
    cluster.deployment("web", shell("trap 'sleep 0.3; exit' TERM; while :; do sleep 0.05; done"))
    cluster.create(SECRETS, "db", data={})
    await cluster.until(lambda: is_rolled_out(cluster, "web"))
    cluster.store.delete(NAMESPACES, None, NAMESPACE)
    await cluster.until(
        lambda: (cluster.store.find(NAMESPACES, None, NAMESPACE) or {})["status"]["phase"] == "Terminating"
    )
    await cluster.until(lambda: cluster.store.find(NAMESPACES, None, NAMESPACE) is None)
    assert not cluster.store.all(PODS)
    assert not cluster.store.all(SECRETS)
    assert cluster.processes() == []
    with pytest.raises(ApiError, match='namespaces "shop" not found'):
        cluster.create(SECRETS, "db", data={})


@in_cluster
async def test_an_event_that_repeats_is_counted(cluster: Running) -> None:
    cluster.pod("web-1", container())
    pod = await cluster.ready("web-1")
    recorder = Recorder(cluster.store, "tester")
    for _ in range(3):
        recorder.warning(pod, "Odd", "how odd")
    recorder.warning(pod, "Odd", "another")
    counts = {event["message"]: event["count"] for event in cluster.events("Odd", "web-1")}
    assert counts == {"how odd": 3, "another": 1}
    event = copy.deepcopy(cluster.events("Odd", "web-1")[0])
    assert event["involvedObject"]["kind"] == "Pod"
    assert event["source"] == {"component": "tester"}


@in_cluster
async def test_an_event_is_forgotten_after_its_time(cluster: Running) -> None:
    cluster.pod("web-1", container())
    pod = await cluster.ready("web-1")
    recorder = Recorder(cluster.store, "tester", kept_s=0.2)
    recorder.normal(pod, "Brief", "soon gone")
    assert cluster.events("Brief")
    await cluster.until(lambda: not cluster.events("Brief"))
    assert cluster.store.all(EVENTS), "others stay"
