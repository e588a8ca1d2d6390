# SPDX-License-Identifier: GPL-3.0-or-later
"""Conformance: label and field selectors mean what the documentation says, and the rest is refused.

Sources: [labels] kubernetes.io/docs/concepts/overview/working-with-objects/labels; [fields] .../field-selectors;
[convert] apimachinery/pkg/runtime/converter.go (DefaultMetaV1FieldSelectorConversion), pkg/apis/core/v1/conversion.go.
"""

from __future__ import annotations

from typing import Any

import pytest

from support.conformance import config_map, eventually, pod

Json = dict[str, Any]


@pytest.fixture
def coloured(space: Any) -> Any:
    """Four ConfigMaps with labels."""
    for name, labels in {
        "a": {"colour": "red", "tier": "front"},
        "b": {"colour": "blue", "tier": "front"},
        "c": {"colour": "green"},
        "d": {"tier": "back"},
    }.items():
        space.create("configmaps", config_map(name, labels={**labels, "made": "here"}))
    return space


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("colour=red", "a"),
        ("colour==red", "a"),
        ("colour!=red", "bcd"),
        ("colour in (red,blue)", "ab"),
        ("colour notin (red, blue)", "cd"),
        ("colour", "abc"),
        ("!colour", "d"),
        ("tier=front,colour!=red", "b"),
        ("colour,tier notin (front)", "c"),
        ("colour=violet", ""),
    ],
)
def test_label_selector(coloured: Any, selector: str, names: str) -> None:
    found = coloured.list("configmaps", labelSelector=f"made,{selector}")
    assert "".join(each["metadata"]["name"] for each in found) == names


@pytest.mark.parametrize("selector", ["colour in red", "=red", "colour=(red", "a b"])
def test_label_selector_that_is_none_is_a_bad_request(space: Any, selector: str) -> None:
    answer = space.api("GET", space.path("configmaps"), labelSelector=selector)
    answer.refused(400, "BadRequest")
    assert answer.json["message"].startswith("unable to parse requirement: ") or "found" in answer.json["message"]


def test_field_selector_by_name_and_its_opposite(coloured: Any) -> None:
    assert len(coloured.list("configmaps", fieldSelector="metadata.name=a")) == 1
    others = coloured.list("configmaps", fieldSelector="metadata.name!=a", labelSelector="made")
    assert [each["metadata"]["name"] for each in others] == ["b", "c", "d"]


def test_field_selector_of_pods_by_phase_node_and_restart_policy(space: Any) -> None:
    space.create("pods", pod("one"))
    node = space.ready("one")["spec"]["nodeName"]
    fields = {"status.phase": "Running", "spec.nodeName": node, "spec.restartPolicy": "Always", "metadata.name": "one"}
    for field, value in fields.items():
        assert len(space.list("pods", fieldSelector=f"{field}={value}")) == 1, field
        assert space.list("pods", fieldSelector=f"{field}!={value}") == [], field
    assert len(space.list("pods", fieldSelector=",".join(f"{each}={fields[each]}" for each in fields))) == 1


def test_field_selector_of_secrets_by_type(space: Any) -> None:
    space.create("secrets", {"metadata": {"name": "plain"}})
    space.create("secrets", {"metadata": {"name": "other"}, "type": "example.com/other"})
    found = space.list("secrets", fieldSelector="type=example.com/other")
    assert [each["metadata"]["name"] for each in found] == ["other"]


def test_field_selector_of_events_by_the_object(space: Any) -> None:
    space.create("pods", pod("one"))
    space.create("pods", pod("two"))
    selector = "involvedObject.kind=Pod,involvedObject.name=two,reason=Started"
    (found,) = eventually(lambda: space.list("events", fieldSelector=selector))
    assert found["involvedObject"]["name"] == "two"


def test_field_selector_that_pods_do_not_support_is_a_bad_request(space: Any) -> None:
    answer = space.api("GET", space.path("pods"), fieldSelector="spec.colour=red")
    answer.refused(400, "BadRequest", "field label not supported: spec.colour")


def test_field_selector_that_a_type_does_not_know_is_a_bad_request(space: Any) -> None:
    answer = space.api("GET", space.path("configmaps"), fieldSelector="data.colour=red")
    said = '"data.colour" is not a known field selector: only "metadata.name", "metadata.namespace"'
    answer.refused(400, "BadRequest", said)


def test_kubectl_selects_by_labels_and_fields(coloured: Any, kubectl: Any) -> None:
    by_label = kubectl.out("get", "cm", "-l", "colour in (red,blue)", "-o", "name")
    assert by_label.split() == ["configmap/a", "configmap/b"]
    assert kubectl.out("get", "cm", "--field-selector", "metadata.name=c", "-o", "name") == "configmap/c"
    said = kubectl.refused("get", "pods", "--field-selector", "spec.colour=red")
    assert said == (
        'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "", field'
        ' selector "spec.colour=red": field label not supported: spec.colour'
    )
