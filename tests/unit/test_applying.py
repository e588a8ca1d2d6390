# SPDX-License-Identifier: GPL-3.0-or-later
"""What a manifest would change, and what of it is not applied."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import (
    may_have_happened,
    same_targets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.applying import (
    Part,
    conflicts,
    objection,
    objects,
    shown,
)


def item(kind: str = "ConfigMap", name: str = "settings", **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


def pods(*env: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "app", "env": list(env)}]}}}}


def test_lists_and_empty_documents() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [item(name="a"), item(name="b")]}
    assert [each["metadata"]["name"] for each in objects([None, listed, item(name="c")])] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "document", ["text", 5, [item()], {"kind": "ConfigMap"}, {"apiVersion": "v1", "kind": "X", "metadata": {}}]
)
def test_what_is_no_object(document: Any) -> None:
    with pytest.raises(ValueError, match=r"no apiVersion, kind or metadata\.name"):
        objects([document])


@pytest.mark.parametrize(
    ("items", "word"),
    [
        ([], "empty_manifest"),
        ([item("Secret")], "secret_in_manifest"),
        ([{**item(), "metadata": {"name": "x", "namespace": "kube-system"}}], "other_namespace"),
        ([item(), item()], "duplicate_object"),
        ([item("Deployment", **pods({"name": "DB_PASSWORD", "value": "x"}))], "secret_like_name"),
        ([item("Pod", spec={"containers": [{"env": [{"name": "TOKEN", "value": "x"}]}]})], "secret_like_name"),
        ([item("Deployment", **pods({"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {}}}))], None),
        ([{**item(), "metadata": {"name": "x", "namespace": "shop"}}], None),
        ([item("Service", "a"), item("ConfigMap", "a")], None),
    ],
)
def test_what_is_not_applied_at_all(items: list[dict[str, Any]], word: str | None) -> None:
    found = objection(items, "shop")
    assert (found[0] if found else None) == word


def seen(data: Any, version: str = "1") -> dict[str, Any]:
    own = {"resourceVersion": version, "uid": "u", "managedFields": [{"manager": version}], "generation": 1}
    return {**item(data=data), "metadata": {"name": "settings", **own}, "status": {"at": version}}


def test_what_only_the_server_writes_is_no_change() -> None:
    part = Part(item(data={"a": "1"}), seen({"a": "1"}, "1"), seen({"a": "1"}, "2"))
    assert (part.operation, part.changes()) == ("none", [])


def test_changes_name_path_old_and_new() -> None:
    old, new = seen({"a": "1", "b": ["x", "y"]}), seen({"a": "2", "b": ["x", "z"], "c": "3"})
    part = Part(item(data={"a": "2"}), old, new)
    assert part.operation == "update"
    assert part.changes() == [
        {"path": ".data.a", "old": "1", "new": "2"},
        {"path": ".data.b[1]", "old": "y", "new": "z"},
        {"path": ".data.c", "old": None, "new": "3"},
    ]


def test_a_target_stays_while_object_and_manifest_do() -> None:
    manifest = item(data={"a": "2"})
    first = Part(manifest, seen({"a": "1"}, "1"), seen({"a": "2"}, "2")).target()
    again = Part(manifest, seen({"a": "1"}, "8"), seen({"a": "2"}, "9")).target()
    assert same_targets([first], [again])
    assert not same_targets([first], [Part(manifest, seen({"a": "0"}), seen({"a": "2"})).target()])
    other = item(data={"a": "3"})
    assert not same_targets([first], [Part(other, seen({"a": "1"}), seen({"a": "3"})).target()])
    assert not same_targets([], [first])
    assert same_targets(None, [first])


def test_a_new_object_has_the_same_target_each_time() -> None:
    manifest = item(data={"a": "1"})
    first = Part(manifest, None, {**seen({"a": "1"}), "metadata": {"name": "settings", "uid": "u1"}})
    again = Part(manifest, None, {**seen({"a": "1"}), "metadata": {"name": "settings", "uid": "u2"}})
    assert first.operation == "create"
    assert same_targets([first.target()], [again.target()])


def test_nothing_secret_is_shown() -> None:
    deployment = item("Deployment", **pods({"name": "DB_PASSWORD", "value": "hunter2"}))
    deployment["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    assert "hunter2" not in str(shown(deployment))
    assert shown(None) is None


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (
            'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas',
            [{"manager": "kubectl", "fields": [".spec.replicas"]}],
        ),
        (
            (
                'conflicts with "kube-controller-manager" with subresource "scale" using apps/v1: - .spec.replicas '
                '- .spec.paused conflicts with "helm": - .spec.template.spec.containers[name="app"].image'
            ),
            [
                {"manager": "kube-controller-manager", "fields": [".spec.replicas", ".spec.paused"]},
                {"manager": "helm", "fields": ['.spec.template.spec.containers[name="app"].image']},
            ],
        ),
        ("the object has been modified; please apply your changes to the latest version", []),
    ],
)
def test_conflicts_name_manager_and_fields(message: str, found: list[dict[str, Any]]) -> None:
    assert conflicts(message) == found


@pytest.mark.parametrize(
    ("cause", "status", "happened"),
    [
        ("timeout", None, True),
        ("connection_lost", None, True),
        ("unavailable", 504, True),
        ("unavailable", 503, False),
        ("refused", None, False),
        ("forbidden", 403, False),
    ],
)
def test_without_an_answer_it_may_have_happened(cause: str, status: int | None, happened: bool) -> None:
    assert may_have_happened(cause, status) is happened
