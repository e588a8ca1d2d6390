# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON merge patch and JSON patch."""

from __future__ import annotations

from typing import Any

import pytest

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.writes import json_patch, merge


@pytest.mark.parametrize(
    ("original", "change", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c", "d": "e"}}, {"a": {"b": "f", "d": None}}, {"a": {"b": "f"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ([1], {"a": "c"}, {"a": "c"}),
    ],
)
def test_merge_patch_does_what_rfc_7386_lists(original: Any, change: Any, expected: Any) -> None:
    assert merge.patch(original, change) == expected


def test_merge_patch_leaves_the_original_alone() -> None:
    original = {"a": {"b": 1}}
    merge.patch(original, {"a": {"b": 2}})
    assert original == {"a": {"b": 1}}


def test_json_patch_does_its_operations_in_order() -> None:
    original = {"spec": {"replicas": 1, "list": ["a"]}}
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 2},
        {"op": "add", "path": "/spec/list/-", "value": "b"},
        {"op": "add", "path": "/metadata", "value": {"a~1/b": "c"}},
        {"op": "remove", "path": "/metadata/a~01~1b"},
    ]
    assert json_patch.patch(original, operations) == {"spec": {"replicas": 2, "list": ["a", "b"]}, "metadata": {}}
    assert original == {"spec": {"replicas": 1, "list": ["a"]}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/nope"},
        {"op": "replace", "path": "/nope/deeper", "value": 1},
        {"op": "remove", "path": "/list/7"},
    ],
)
def test_an_operation_that_cannot_be_done_is_refused_as_the_real_server_does(operation: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        json_patch.patch({"a": 1, "list": []}, [operation])
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize("operations", [{"op": "add"}, [{"op": "jump", "path": "/a"}], [{"path": "/a"}], [1]])
def test_what_is_no_patch_is_a_bad_request(operations: Any) -> None:
    with pytest.raises(ApiError) as caught:
        json_patch.patch({"a": 1}, operations)
    assert caught.value.code == 400
