# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategic merge patch: lists by their merge key, directives, order."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.writes import schemas, strategic

DEPLOYMENT = schemas.of_kind("apps/v1", "Deployment")


def workload(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers), **spec}}}}


def patched(original: dict[str, Any], change: dict[str, Any]) -> Any:
    before = copy.deepcopy(original)
    found = strategic.patch(original, change, DEPLOYMENT)
    assert original == before, "the original was altered"
    return found["spec"]["template"]["spec"]


def test_a_container_is_known_by_its_name_and_so_is_a_variable() -> None:
    web = {"name": "web", "image": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    side = {"name": "side", "image": "s"}
    found = patched(workload(web, side), workload({"name": "web", "env": [{"name": "B", "value": "3"}]}))
    assert found["containers"] == [
        {"name": "web", "image": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]},
        side,
    ]


def test_a_new_item_stands_before_those_that_only_the_server_has() -> None:
    found = patched(workload({"name": "a"}, {"name": "b"}), workload({"name": "c"}))
    assert [each["name"] for each in found["containers"]] == ["c", "a", "b"]


def test_set_element_order_decides_where_items_stand() -> None:
    change = workload({"name": "c"}, **{"$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}]})
    found = patched(workload({"name": "a"}, {"name": "b"}), change)
    assert [each["name"] for each in found["containers"]] == ["b", "c", "a"]
    assert "$setElementOrder/containers" not in found


def test_an_item_is_deleted_by_directive_and_a_list_replaced() -> None:
    original = workload({"name": "a"}, {"name": "b"})
    assert patched(original, workload({"name": "a", "$patch": "delete"}))["containers"] == [{"name": "b"}]
    assert patched(original, workload({"$patch": "replace"}, {"name": "z"}))["containers"] == [{"name": "z"}]


def test_null_removes_a_field() -> None:
    found = patched(workload({"name": "a", "image": "i", "tty": True}), workload({"name": "a", "tty": None}))
    assert found["containers"] == [{"name": "a", "image": "i"}]


def test_an_atomic_list_is_replaced() -> None:
    found = patched(workload({"name": "a", "args": ["1", "2"]}), workload({"name": "a", "args": ["3"]}))
    assert found["containers"][0]["args"] == ["3"]


def test_retain_keys_drops_what_excludes_the_new_value() -> None:
    original = workload({"name": "a"}, volumes=[{"name": "v", "emptyDir": {}}])
    change = workload(volumes=[{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}])
    del change["spec"]["template"]["spec"]["containers"]
    assert patched(original, change)["volumes"] == [{"name": "v", "secret": {"secretName": "s"}}]


def test_a_map_is_replaced_or_deleted_by_directive() -> None:
    original = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    replaced = strategic.patch(original, {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}, DEPLOYMENT)
    assert replaced == {"metadata": {"labels": {"c": "3"}}}
    assert strategic.patch(original, {"metadata": {"labels": {"$patch": "delete"}}}, DEPLOYMENT) == {"metadata": {}}


def test_a_list_of_values_is_a_set() -> None:
    original = {"metadata": {"finalizers": ["a", "b"]}}
    added = strategic.patch(original, {"metadata": {"finalizers": ["b", "c"]}}, DEPLOYMENT)
    assert sorted(added["metadata"]["finalizers"]) == ["a", "b", "c"]
    removed = strategic.patch(original, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, DEPLOYMENT)
    assert removed["metadata"]["finalizers"] == ["b"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"$patch": "sideways"}, id="unknown directive"),
        pytest.param({"spec": {"template": {"spec": {"containers": ["a"]}}}}, id="no object in a list of objects"),
        pytest.param({"spec": {"template": {"spec": {"containers": [{"image": "i"}]}}}}, id="no merge key"),
    ],
)
def test_what_cannot_be_understood_is_a_bad_request(change: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        strategic.patch(workload({"name": "a"}), change, DEPLOYMENT)
    assert caught.value.code == 400
