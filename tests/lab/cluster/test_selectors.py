# SPDX-License-Identifier: GPL-3.0-or-later
"""Label and field selectors."""

from __future__ import annotations

from typing import Any

import pytest

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import CONFIG_MAPS, EVENTS, NODES, PODS
from incident_runbooks.lab.cluster.writes import selectors

LABELS = {"app": "web", "tier": "front", "size": "5", "example.com/team": "a"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=front", True),
        ("app=api", False),
        ("app!=api", True),
        ("missing!=x", True),
        ("app!=web", False),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("app in (web,api)", True),
        ("app in (api, web),tier notin (back)", True),
        ("app notin (web)", False),
        ("missing notin (web)", True),
        ("missing in (web)", False),
        ("size>4,size<6", True),
        ("size>5", False),
        ("app>1", False),
        ("example.com/team=a", True),
        ("app=", False),
    ],
)
def test_label_selectors(text: str, expected: bool) -> None:
    assert selectors.labels_match(selectors.parse_labels(text), LABELS) is expected


@pytest.mark.parametrize("text", ["app in web", "app in (web", "=web", "app=we b", "app=web,,tier", "a(b)", "-a=b"])
def test_a_label_selector_that_makes_no_sense_is_a_bad_request(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        selectors.parse_labels(text)
    assert caught.value.code == 400


def test_an_object_without_labels_matches_only_what_excludes() -> None:
    assert selectors.labels_match(selectors.parse_labels("app!=a"), None)
    assert not selectors.labels_match(selectors.parse_labels("app=a"), None)


@pytest.mark.parametrize(
    ("resource", "text", "expected"),
    [
        (PODS, "metadata.name=web", True),
        (PODS, "metadata.name==web,metadata.namespace=shop", True),
        (PODS, "metadata.name!=web", False),
        (PODS, "spec.nodeName=n1,status.phase!=Failed", True),
        (PODS, "status.podIP=", True),
        (PODS, "spec.hostNetwork=false", True),
        (NODES, "spec.unschedulable=false", True),
        (EVENTS, "source=kubelet", False),
    ],
)
def test_field_selectors(resource: Any, text: str, expected: bool) -> None:
    obj = {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Running"},
        "source": {"component": "scheduler"},
    }
    assert selectors.fields_match(selectors.parse_fields(resource, text), obj) is expected


def test_fields_that_cannot_be_selected_are_refused_in_the_type_s_own_words() -> None:
    with pytest.raises(ApiError) as caught:
        selectors.parse_fields(PODS, "spec.foo=1")
    assert (caught.value.code, caught.value.message) == (400, "field label not supported: spec.foo")
    with pytest.raises(ApiError) as caught:
        selectors.parse_fields(CONFIG_MAPS, "data.a=1")
    said = '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assert (caught.value.code, caught.value.message) == (400, said)
    with pytest.raises(ApiError):
        selectors.parse_fields(PODS, "metadata.name")


def test_selectors_of_objects() -> None:
    selector = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["front", "back"]},
            {"key": "size", "operator": "Exists"},
            {"key": "gone", "operator": "DoesNotExist"},
        ],
    }
    assert selectors.selects(selector, LABELS)
    assert not selectors.selects(selector, LABELS | {"gone": "x"})
    assert not selectors.selects(None, LABELS), "no selector selects nothing"
    assert selectors.selects({}, LABELS), "an empty selector selects everything"
    assert selectors.to_text(selector) == "app=web,tier in (back,front),size,!gone"
