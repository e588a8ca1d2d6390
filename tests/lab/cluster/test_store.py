# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: versions, conflicts, deletion, and who is told."""

from __future__ import annotations

import asyncio
import copy
from contextlib import aclosing
from typing import Any

import pytest

from incident_runbooks.lab.cluster import history
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.history import ADDED, DELETED, MODIFIED, Change
from incident_runbooks.lab.cluster.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS
from incident_runbooks.lab.cluster.store import Store


@pytest.fixture
def store() -> Store:
    made = Store()
    for name in ("default", "shop"):
        made.create(NAMESPACES, {"metadata": {"name": name}})
    return made


def config(name: str = "a", namespace: str = "shop", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


def changed(obj: dict[str, Any], **data: str) -> dict[str, Any]:
    return copy.deepcopy(obj) | {"data": data}


def test_create_gives_identity_and_a_version(store: Store) -> None:
    created = store.create(CONFIG_MAPS, config(x="1"))
    metadata = created["metadata"]
    assert (created["apiVersion"], created["kind"]) == ("v1", "ConfigMap")
    assert metadata["uid"]
    assert metadata["resourceVersion"] == store.version
    assert store.get(CONFIG_MAPS, "shop", "a") is created


def test_a_name_is_generated_where_only_its_beginning_is_given(store: Store) -> None:
    made = [store.create(CONFIG_MAPS, {"metadata": {"generateName": "run-", "namespace": "shop"}}) for _ in range(2)]
    names = [each["metadata"]["name"] for each in made]
    assert all(name.startswith("run-") and len(name) == 9 for name in names)
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("obj", "code", "reason"),
    [
        (config(), 409, "AlreadyExists"),
        (config("b", "nowhere"), 404, "NotFound"),
        ({"metadata": {"namespace": "shop"}}, 422, "Invalid"),
    ],
)
def test_create_refuses(store: Store, obj: dict[str, Any], code: int, reason: str) -> None:
    store.create(CONFIG_MAPS, config())
    with pytest.raises(ApiError) as caught:
        store.create(CONFIG_MAPS, obj)
    assert (caught.value.code, caught.value.reason) == (code, reason)


def test_a_writer_who_has_read_an_older_version_is_refused(store: Store) -> None:
    first = store.create(CONFIG_MAPS, config(x="1"))
    store.update(CONFIG_MAPS, changed(first, x="2"))
    with pytest.raises(ApiError) as caught:
        store.update(CONFIG_MAPS, changed(first, x="3"))
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    assert caught.value.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to'
        " the latest version and try again"
    )
    assert store.get(CONFIG_MAPS, "shop", "a")["data"] == {"x": "2"}


def test_what_is_read_is_never_altered_by_a_later_write(store: Store) -> None:
    first = store.create(CONFIG_MAPS, config(x="1"))
    kept = copy.deepcopy(first)
    store.update(CONFIG_MAPS, changed(first, x="2"))
    assert first == kept


def test_the_same_object_again_is_no_change(store: Store) -> None:
    first = store.create(CONFIG_MAPS, config(x="1"))
    version = store.version
    assert store.update(CONFIG_MAPS, copy.deepcopy(first)) is first
    assert store.version == version


def test_status_and_spec_are_written_apart_and_only_the_spec_counts(store: Store) -> None:
    created = store.create(DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "shop"}, "spec": {"replicas": 1}})
    assert created["metadata"]["generation"] == 1
    both = copy.deepcopy(created) | {"spec": {"replicas": 2}, "status": {"replicas": 5}}
    spec_only = store.update(DEPLOYMENTS, both)
    assert (spec_only["spec"], "status" in spec_only, spec_only["metadata"]["generation"]) == (
        {"replicas": 2},
        False,
        2,
    )
    both = copy.deepcopy(spec_only) | {"spec": {"replicas": 3}, "status": {"replicas": 5}}
    status_only = store.update(DEPLOYMENTS, both, status=True)
    assert (status_only["spec"], status_only["status"]) == ({"replicas": 2}, {"replicas": 5})
    assert status_only["metadata"]["generation"] == 2


def test_dry_runs_store_nothing(store: Store) -> None:
    created = store.create(CONFIG_MAPS, config(x="1"))
    version = store.version
    assert store.create(CONFIG_MAPS, config("b"), dry_run=True)["metadata"]["name"] == "b"
    assert store.update(CONFIG_MAPS, changed(created, x="2"), dry_run=True)["data"] == {"x": "2"}
    store.delete(CONFIG_MAPS, "shop", "a", dry_run=True)
    assert store.version == version
    assert store.all(CONFIG_MAPS) == [created]


def test_a_deletion_may_insist_on_an_object(store: Store) -> None:
    created = store.create(CONFIG_MAPS, config())
    with pytest.raises(ApiError) as caught:
        store.delete(CONFIG_MAPS, "shop", "a", uid="other")
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    store.delete(CONFIG_MAPS, "shop", "a", uid=created["metadata"]["uid"])
    assert store.find(CONFIG_MAPS, "shop", "a") is None


def test_an_object_with_a_finalizer_waits_for_it(store: Store) -> None:
    made = config()
    made["metadata"]["finalizers"] = ["keep"]
    store.create(CONFIG_MAPS, made)
    marked = store.delete(CONFIG_MAPS, "shop", "a")
    assert marked["metadata"]["deletionTimestamp"]
    released = copy.deepcopy(marked)
    released["metadata"]["finalizers"] = []
    store.update(CONFIG_MAPS, released)
    assert store.find(CONFIG_MAPS, "shop", "a") is None


def test_a_pod_on_a_node_gets_its_grace_and_a_shorter_one_wins(store: Store) -> None:
    spec = {"nodeName": "n", "terminationGracePeriodSeconds": 20}
    store.create(PODS, {"metadata": {"name": "p", "namespace": "shop"}, "spec": spec})
    assert store.delete(PODS, "shop", "p")["metadata"]["deletionGracePeriodSeconds"] == 20
    assert store.delete(PODS, "shop", "p", grace_s=25)["metadata"]["deletionGracePeriodSeconds"] == 20
    assert store.delete(PODS, "shop", "p", grace_s=5)["metadata"]["deletionGracePeriodSeconds"] == 5
    store.delete(PODS, "shop", "p", grace_s=0)
    assert store.find(PODS, "shop", "p") is None


def test_objects_come_by_namespace_and_name(store: Store) -> None:
    for name, namespace in (("b", "shop"), ("a", "shop"), ("c", "default")):
        store.create(CONFIG_MAPS, config(name, namespace))
    assert [each["metadata"]["name"] for each in store.all(CONFIG_MAPS)] == ["c", "a", "b"]
    assert [each["metadata"]["name"] for each in store.all(CONFIG_MAPS, "shop")] == ["a", "b"]


def test_an_owner_finds_what_it_controls(store: Store) -> None:
    owner = store.create(DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "shop"}})
    for name, controller in (("mine", True), ("loose", False)):
        made = config(name)
        made["metadata"]["ownerReferences"] = [{"uid": owner["metadata"]["uid"], "controller": controller}]
        store.create(CONFIG_MAPS, made)
    assert [each["metadata"]["name"] for each in store.owned_by(CONFIG_MAPS, owner)] == ["mine"]


def test_listeners_hear_every_change_in_order(store: Store) -> None:
    heard: list[Change] = []
    store.on_change(heard.append)
    created = store.create(CONFIG_MAPS, config(x="1"))
    store.update(CONFIG_MAPS, changed(created, x="2"))
    store.delete(CONFIG_MAPS, "shop", "a")
    assert [each.type for each in heard] == [ADDED, MODIFIED, DELETED]
    assert [each.version for each in heard] == [heard[0].version + step for step in range(3)]
    assert heard[1].before == created
    assert heard[2].object["metadata"]["resourceVersion"] == store.version


async def _collect(store: Store, since: str | None, count: int) -> list[Change]:
    found: list[Change] = []
    async with aclosing(store.watch(CONFIG_MAPS, since)) as changes:
        async for change in changes:
            found.append(change)
            if len(found) == count:
                return found
    return found


def test_a_watch_goes_on_from_a_version_and_sees_what_comes(store: Store) -> None:
    async def scenario() -> list[Change]:
        first = store.create(CONFIG_MAPS, config("a"))
        store.create(CONFIG_MAPS, config("b"))
        task = asyncio.create_task(_collect(store, first["metadata"]["resourceVersion"], 2))
        await asyncio.sleep(0)
        store.create(DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "shop"}})
        store.create(CONFIG_MAPS, config("c"))
        return await asyncio.wait_for(task, 5)

    assert [each.object["metadata"]["name"] for each in asyncio.run(scenario())] == ["b", "c"]


def test_a_version_that_is_too_old_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "CAPACITY", 5)
    store = Store()
    store.create(NAMESPACES, {"metadata": {"name": "shop"}})
    for number in range(10):
        store.create(CONFIG_MAPS, config(f"c{number}"))
    assert not store.keeps("2")
    assert store.keeps(store.version)
    with pytest.raises(ApiError) as caught:
        asyncio.run(_collect(store, "2", 1))
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
