# SPDX-License-Identifier: GPL-3.0-or-later
"""Conformance: watches tell what changes, from a version on, to whom it matters.

Sources: [concepts] kubernetes.io/docs/reference/using-api/api-concepts (Efficient detection of changes, Watch
bookmarks, Streaming lists, 410 Gone responses); [python] kubernetes.watch of the official client.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from support.conformance import MERGE, Server, config_map, pod

Json = dict[str, Any]


def _events(space: Any, plural: str = "configmaps", **query: Any) -> list[Json]:
    """Return the events of a watch that lasts a second."""
    answer = space.api("GET", space.path(plural), watch="true", timeoutSeconds=1, **query)
    assert answer.status == 200, answer.data
    return [json.loads(line) for line in answer.data.splitlines()]


def _seen(events: list[Json]) -> list[tuple[str, str]]:
    return [(each["type"], each["object"]["metadata"]["name"]) for each in events]


def _version(space: Any, plural: str = "configmaps") -> str:
    return str(space.api("GET", space.path(plural)).ok()["metadata"]["resourceVersion"])


def _set(space: Any, name: str, change: Json) -> None:
    space.api("PATCH", space.path("configmaps", name), change, sent=MERGE).ok()


def test_watch_from_a_version_tells_what_happened_since_in_order(space: Any) -> None:
    space.create("configmaps", config_map("before"))
    since = _version(space)
    space.create("configmaps", config_map("one"))
    _set(space, "one", {"data": {"colour": "red"}})
    space.api("DELETE", space.path("configmaps", "one")).ok()
    events = _events(space, resourceVersion=since)
    assert _seen(events) == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]
    assert events[0]["object"]["kind"] == "ConfigMap", "unlike an item of a list"
    versions = [int(each["object"]["metadata"]["resourceVersion"]) for each in events]
    assert versions == sorted(set(versions)), "also a deletion has a version of its own"


def test_watch_without_a_version_begins_with_what_is_there(space: Any) -> None:
    space.create("configmaps", config_map("one"))
    assert ("ADDED", "one") in _seen(_events(space))


def test_watch_with_a_selector_sees_objects_come_and_go(space: Any) -> None:
    space.create("configmaps", config_map("one"))
    since = _version(space)
    _set(space, "one", {"metadata": {"labels": {"colour": "red"}}})
    _set(space, "one", {"data": {"a": "b"}})
    _set(space, "one", {"metadata": {"labels": {"colour": "blue"}}})
    _set(space, "one", {"data": {"a": "c"}})
    events = _events(space, resourceVersion=since, labelSelector="colour=red")
    assert _seen(events) == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]


def test_watch_of_one_object_by_field(space: Any) -> None:
    since = _version(space)
    for name in ("one", "two"):
        space.create("configmaps", config_map(name))
    assert _seen(_events(space, resourceVersion=since, fieldSelector="metadata.name=two")) == [("ADDED", "two")]


def test_watch_can_stream_the_list_and_mark_its_end(space: Any) -> None:
    space.create("configmaps", config_map("one"))
    events = _events(space, sendInitialEvents="true", allowWatchBookmarks="true", resourceVersionMatch="NotOlderThan")
    kinds = [each["type"] for each in events]
    mark = events[kinds.index("BOOKMARK")]["object"]
    assert (mark["kind"], mark["metadata"]["annotations"]) == ("ConfigMap", {"k8s.io/initial-events-end": "true"})
    assert mark["metadata"]["resourceVersion"].isdigit()
    assert ("ADDED", "one") in _seen(events[: kinds.index("BOOKMARK")])


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Server]:
    """A cluster that remembers only the last ten changes: nobody waits for twenty thousand."""
    script = (
        "import sys; from incident_runbooks.lab.cluster import history; history.CAPACITY = 10; "
        "from incident_runbooks.lab.cluster.__main__ import main; sys.exit(main())"
    )
    running = Server(tmp_path / "cluster", ("-c", script))
    yield running
    assert running.stop() == 0


def test_watch_from_a_version_that_is_forgotten_has_expired(forgetful: Server) -> None:
    api = forgetful.api()
    path = "/api/v1/namespaces/default/configmaps"
    first = api("GET", path).ok()["metadata"]["resourceVersion"]
    page = api("GET", "/api/v1/namespaces", limit=1).ok()["metadata"]["continue"]
    for number in range(12):
        api("POST", path, config_map(f"c-{number}")).created()
    answer = api("GET", path, watch="true", resourceVersion=first, timeoutSeconds=1)
    (event,) = [json.loads(line) for line in answer.data.splitlines()]
    status = event["object"]
    assert (answer.status, event["type"], status["kind"]) == (200, "ERROR", "Status")
    assert (status["code"], status["reason"], status["status"]) == (410, "Expired", "Failure")
    assert status["message"].startswith(f"too old resource version: {first} (")
    listed = api("GET", "/api/v1/namespaces", limit=1, **{"continue": page})
    listed.refused(410, "Expired")
    assert listed.json["message"].startswith("The provided continue parameter is too old")
    watching = kubernetes.watch.Watch()
    with kubernetes.config.new_client_from_config(str(forgetful.kubeconfig)) as client:
        core = kubernetes.client.CoreV1Api(client)
        stream = watching.stream(core.list_namespaced_config_map, "default", resource_version=first, timeout_seconds=1)
        with pytest.raises(kubernetes.client.ApiException) as refused:
            next(stream)
    assert refused.value.status == 410


def test_watch_at_a_version_that_is_none_is_refused(space: Any) -> None:
    answer = space.api("GET", space.path("configmaps"), watch="true", resourceVersion="abc")
    said = 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'
    answer.refused(422, "Invalid", said)


def test_python_client_watches_typed_objects(space: Any, core: Any, namespace: str) -> None:
    since = _version(space, "pods")
    watch = kubernetes.watch.Watch()
    threading.Timer(0.2, space.create, ("pods", pod("one"))).start()
    phases = []
    for event in watch.stream(core.list_namespaced_pod, namespace, resource_version=since, timeout_seconds=20):
        phases.append((event["type"], event["object"].status.phase))
        statuses = event["object"].status.container_statuses or []
        if any(each.ready for each in statuses):
            watch.stop()
    assert phases[0] == ("ADDED", "Pending")
    assert phases[-1] == ("MODIFIED", "Running")
    assert int(watch.resource_version) > int(since)


def test_kubectl_get_watches_until_it_is_stopped(space: Any, kubectl: Any, namespace: str) -> None:
    space.create("configmaps", config_map("one"))
    # as a list: of a single object kubectl leaves out the first event of the watch, whatever it is
    command = [str(kubectl.program.path), "--kubeconfig", str(kubectl.kubeconfig), "-n", namespace]
    watching = subprocess.Popen(
        [
            *command,
            "get",
            "configmap",
            "--field-selector=metadata.name=one",
            "--watch",
            "--output-watch-events",
            "--no-headers",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    bound = threading.Timer(30, watching.kill)  # then nothing more can be read, and the test fails
    bound.start()
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline().split()[:2] == ["ADDED", "one"]
        _set(space, "one", {"data": {"a": "b"}})
        assert watching.stdout.readline().split()[:2] == ["MODIFIED", "one"]
        space.api("DELETE", space.path("configmaps", "one")).ok()
        assert watching.stdout.readline().split()[:2] == ["DELETED", "one"]
    finally:
        bound.cancel()
        watching.terminate()
        watching.communicate()
