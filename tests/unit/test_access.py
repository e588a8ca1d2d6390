# SPDX-License-Identifier: GPL-3.0-or-later
"""What Roles grant, as single permissions, and what of them is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.access import (
    Permission,
    grants,
    permissions,
    review,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

RBAC = Path(__file__).parents[2] / "deploy/rbac"


def role(name: str, *rules: Any) -> dict[str, Any]:
    return {"kind": "Role", "metadata": {"name": name}, "rules": list(rules)}


def rule(group: str, resources: list[str], verbs: list[str], *names: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs, **({"resourceNames": names} if names else {})}


def test_each_verb_of_each_resource_and_name_is_a_permission_of_its_own() -> None:
    patch = rule("apps", ["deployments", "statefulsets"], ["patch"], "backend", "worker")
    found = permissions([role("one", patch, rule("", ["pods/log"], ["get"])), {"kind": "ServiceAccount"}], {})
    assert [each.text for each in found["one"]] == [
        "patch deployments.apps backend",
        "patch deployments.apps worker",
        "patch statefulsets.apps backend",
        "patch statefulsets.apps worker",
        "get pods/log",
    ]


def test_objects_of_the_platform_may_have_other_names() -> None:
    found = permissions([role("one", rule("apps", ["deployments"], ["patch"], "backend", "other"))], {"backend": "api"})
    assert [each.name for each in found["one"]] == ["api", "other"]


def test_the_question_names_what_is_not_empty() -> None:
    assert review(Permission("get", "pods", subresource="log"), "shop")["spec"] == {
        "resourceAttributes": {"namespace": "shop", "verb": "get", "resource": "pods", "subresource": "log"}
    }


def test_what_could_not_be_asked_is_not_there() -> None:
    get, patch = Permission("get", "pods"), Permission("patch", "pods")
    wanted = {"one": [get], "two": [get, patch], "three": [patch, Permission("list", "pods")]}
    said = {each["role"]: each for each in grants(wanted, {get: True, patch: None, Permission("list", "pods"): False})}
    assert [said[name]["granted"] for name in wanted] == [True, None, False]
    assert said["two"]["unknown"] == ["patch pods"]
    assert said["three"]["missing"] == ["list pods"]
    assert grants({"one": [get]}, {})[0]["granted"] is None


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        (["Role"], "no object"),
        ([{"kind": "Secret"}], "no Role"),
        ([{"kind": "Role"}], "no name"),
        ([role("one", {"apiGroups": [""], "resources": ["pods"]})], "Role one needs"),
        ([role("one", rule("", ["pods"], []))], "Role one needs"),
        ([role("one", rule("", [f"kind{number}" for number in range(501)], ["get"]))], "more than 500"),
    ],
)
def test_what_cannot_be_read_is_refused(roles: list[Any], why: str) -> None:
    with pytest.raises(IncidentsError, match=why):
        permissions(roles, {})


@pytest.mark.parametrize("path", sorted(RBAC.glob("*.yml")), ids=lambda path: path.stem)
def test_every_file_of_deploy_is_read_and_holds_one_role_of_its_name(path: Path) -> None:
    found = permissions(yaml.safe_load_all(path.read_text(encoding="utf-8")), {})
    assert list(found) == [path.stem]
