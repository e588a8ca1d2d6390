# SPDX-License-Identifier: GPL-3.0-or-later
"""Conformance: the four kinds of patches, kubectl apply, and who owns which field.

Sources: [concepts] kubernetes.io/docs/reference/using-api/api-concepts; [ssa] .../using-api/server-side-apply;
[patch] apiserver/pkg/endpoints/handlers/patch.go; [smp] sig-api-machinery/strategic-merge-patch.md; [errors]
apimachinery/pkg/api/errors/errors.go; [kubectl] kubectl/pkg/cmd/{apply,patch}.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.conformance import APPLY, JSON_PATCH, MERGE, STRATEGIC, config_map, container, deployment

Json = dict[str, Any]

DEPLOYMENTS = "apps/v1/deployments"


@pytest.fixture
def two(space: Any) -> Json:
    """A Deployment without pods, of two containers."""
    created: Json = space.create(DEPLOYMENTS, deployment("web", 0, container(), container(name="side")))
    return created


def _containers(workload: Json) -> list[Json]:
    found: list[Json] = workload["spec"]["template"]["spec"]["containers"]
    return found


def _patch(space: Any, kind: str, change: Any, plural: str = DEPLOYMENTS, name: str = "web", **query: Any) -> Any:
    return space.api("PATCH", space.path(plural, name), change, sent=kind, **query)


# Strategic merge patch


def test_strategic_patch_merges_containers_by_name(space: Any, two: Json) -> None:
    variable = {"name": "POOL", "value": "5"}
    change = {"spec": {"template": {"spec": {"containers": [{"name": "side", "env": [variable]}]}}}}
    changed = _containers(_patch(space, STRATEGIC, change).ok())
    assert {each["name"]: each.get("env") for each in changed} == {"main": None, "side": [variable]}
    assert all(each["command"][0] == "sh" for each in changed)


def test_strategic_patch_merges_variables_by_name(space: Any, two: Json) -> None:
    for name in ("POOL", "LEVEL"):
        change = [{"name": "main", "env": [{"name": name, "value": "1"}]}]
        changed = _patch(space, STRATEGIC, {"spec": {"template": {"spec": {"containers": change}}}}).ok()
    main = next(each for each in _containers(changed) if each["name"] == "main")
    assert {each["name"] for each in main["env"]} == {"POOL", "LEVEL"}


def test_strategic_patch_deletes_an_element_by_directive(space: Any, two: Json) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    assert [each["name"] for each in _containers(_patch(space, STRATEGIC, change).ok())] == ["main"]


def test_strategic_patch_replaces_a_map_by_directive(space: Any, two: Json) -> None:
    change = {"metadata": {"labels": {"$patch": "replace", "only": "this"}}}
    assert _patch(space, STRATEGIC, change).ok()["metadata"]["labels"] == {"only": "this"}


# JSON merge patch


def test_merge_patch_replaces_lists(space: Any, two: Json) -> None:
    change = {"spec": {"template": {"spec": {"containers": [container(name="alone")]}}}}
    assert [each["name"] for each in _containers(_patch(space, MERGE, change).ok())] == ["alone"]


def test_merge_patch_with_null_removes_a_field(space: Any) -> None:
    space.create("configmaps", config_map("one", {"a": "1", "b": "2"}))
    changed = _patch(space, MERGE, {"data": {"a": None}}, "configmaps", "one").ok()
    assert changed["data"] == {"b": "2"}


# JSON patch


def test_json_patch_adds_replaces_and_removes(space: Any) -> None:
    space.create("configmaps", config_map("one", {"a": "1", "b": "2"}))
    change = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "3"},
        {"op": "remove", "path": "/data/b"},
        {"op": "add", "path": "/data/c", "value": "4"},
    ]
    assert _patch(space, JSON_PATCH, change, "configmaps", "one").ok()["data"] == {"a": "3", "c": "4"}


@pytest.mark.parametrize(
    "step",
    [
        {"op": "test", "path": "/data/a", "value": "2"},
        {"op": "remove", "path": "/data/missing"},
    ],
    ids=["test that fails", "path that is missing"],
)
def test_json_patch_that_does_not_apply_is_invalid_and_changes_nothing(space: Any, step: Json) -> None:
    space.create("configmaps", config_map("one", {"a": "1"}))
    change = [{"op": "add", "path": "/data/b", "value": "2"}, step]
    answer = _patch(space, JSON_PATCH, change, "configmaps", "one")
    answer.refused(422, "Invalid", "the server rejected our request due to an error in our request")
    assert space.get("configmaps", "one")["data"] == {"a": "1"}


def test_json_patch_that_is_no_list_is_a_bad_request(space: Any) -> None:
    space.create("configmaps", config_map("one"))
    _patch(space, JSON_PATCH, {"op": "add"}, "configmaps", "one").refused(400, "BadRequest")


# All of them


def test_patch_of_an_unknown_type_is_unsupported(space: Any, two: Json) -> None:
    answer = space.api("PATCH", space.path(DEPLOYMENTS, "web"), {}, sent="application/json")
    answer.refused(415, "UnsupportedMediaType")
    for kind in (JSON_PATCH, MERGE, STRATEGIC, APPLY):
        assert kind in answer.json["message"]


def test_patch_with_a_stale_version_is_a_conflict(space: Any, two: Json) -> None:
    stale = two["metadata"]["resourceVersion"]
    _patch(space, MERGE, {"metadata": {"labels": {"a": "b"}}}).ok()
    answer = _patch(space, MERGE, {"metadata": {"resourceVersion": stale, "labels": {"a": "c"}}})
    answer.refused(409, "Conflict")
    assert answer.json["message"].startswith('Operation cannot be fulfilled on deployments.apps "web": the object has')
    assert space.get(DEPLOYMENTS, "web")["metadata"]["labels"]["a"] == "b"


def test_patch_of_what_is_missing_is_not_found(space: Any) -> None:
    _patch(space, MERGE, {}).refused(404, "NotFound", 'deployments.apps "web" not found')


def test_patch_with_dry_run_stores_nothing(space: Any, two: Json) -> None:
    assert _patch(space, MERGE, {"spec": {"replicas": 7}}, dryRun="All").ok()["spec"]["replicas"] == 7
    assert space.get(DEPLOYMENTS, "web")["spec"]["replicas"] == 0


def test_patch_to_an_invalid_object_is_refused(space: Any, two: Json) -> None:
    answer = _patch(space, MERGE, {"spec": {"replicas": -1}})
    said = "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    answer.refused(422, "Invalid", f'Deployment.apps "web" is invalid: {said}')


def test_patch_of_scale_and_status_subresources(space: Any, two: Json) -> None:
    scale = space.api("PATCH", space.path(DEPLOYMENTS, "web", "scale"), {"spec": {"replicas": 0}}, sent=MERGE).ok()
    assert (scale["kind"], scale["apiVersion"], scale["spec"]["replicas"]) == ("Scale", "autoscaling/v1", 0)
    assert scale["status"]["selector"] == "app=web"
    change = {"status": {"conditions": [{"type": "Checked", "status": "True"}]}, "spec": {"replicas": 9}}
    changed = space.api("PATCH", space.path(DEPLOYMENTS, "web", "status"), change, sent=STRATEGIC).ok()
    assert "Checked" in [each["type"] for each in changed["status"]["conditions"]]
    assert changed["spec"]["replicas"] == 0


def test_kubectl_patch_in_three_types_says_what_it_did(kubectl: Any, two: Json) -> None:
    replaced = json.dumps([{"op": "replace", "path": "/spec/minReadySeconds", "value": 3}])
    for kind, change in (
        ("strategic", '{"spec":{"minReadySeconds":1}}'),
        ("merge", '{"spec":{"minReadySeconds":2}}'),
        ("json", json.dumps([{"op": "add", "path": "/spec/minReadySeconds", "value": 3}])),
    ):
        assert kubectl.out("patch", "deployment", "web", f"--type={kind}", "-p", change) == (
            "deployment.apps/web patched"
        )
    again = kubectl.out("patch", "deployment", "web", "--type=json", "-p", replaced)
    assert again == "deployment.apps/web patched (no change)"
    assert kubectl.get("deployment", "web")["spec"]["minReadySeconds"] == 3


def test_kubectl_labels_and_annotates(kubectl: Any, two: Json) -> None:
    assert kubectl.out("label", "deployment", "web", "tier=front") == "deployment.apps/web labeled"
    assert kubectl.out("annotate", "deployment", "web", "why=tested").startswith("deployment.apps/web annotate")
    metadata = kubectl.get("deployment", "web")["metadata"]
    assert (metadata["labels"]["tier"], metadata["annotations"]["why"]) == ("front", "tested")
    said = kubectl.refused("label", "deployment", "web", "tier=back")
    assert said == "error: 'tier' already has a value (front), and --overwrite is false"


# kubectl apply, on the client's side


def test_kubectl_apply_creates_configures_and_leaves_unchanged(kubectl: Any) -> None:
    assert kubectl.out("apply", "-f", "-", stdin=config_map("one", {"a": "1", "b": "2"})) == "configmap/one created"
    assert kubectl.out("apply", "-f", "-", stdin=config_map("one", {"a": "1", "b": "2"})) == "configmap/one unchanged"
    assert kubectl.out("apply", "-f", "-", stdin=config_map("one", {"a": "3"})) == "configmap/one configured"
    there = kubectl.get("configmap", "one")
    assert there["data"] == {"a": "3"}, "what is no longer in the manifest goes"
    assert "kubectl.kubernetes.io/last-applied-configuration" in there["metadata"]["annotations"]


def test_kubectl_apply_with_dry_run_on_the_server_stores_nothing(kubectl: Any) -> None:
    done = kubectl.out("apply", "--dry-run=server", "-f", "-", stdin=config_map("one"))
    assert done == "configmap/one created (server dry run)"
    assert 'configmaps "one" not found' in kubectl.refused("get", "configmap", "one")


def test_kubectl_diff_shows_the_change_and_exits_1(kubectl: Any) -> None:
    kubectl.out("apply", "-f", "-", stdin=config_map("one", {"a": "1"}))
    done = kubectl("diff", "-f", "-", stdin=config_map("one", {"a": "2"}))
    assert done.returncode == 1, done.stderr
    assert '-  a: "1"' in done.stdout
    assert '+  a: "2"' in done.stdout
    assert kubectl.get("configmap", "one")["data"] == {"a": "1"}


def test_kubectl_create_of_what_exists_is_refused(kubectl: Any) -> None:
    kubectl.out("create", "-f", "-", stdin=config_map("one"))
    said = kubectl.refused("create", "-f", "-", stdin=config_map("one"))
    assert said == ('Error from server (AlreadyExists): error when creating "STDIN": configmaps "one" already exists')


def test_kubectl_apply_of_an_unknown_field_is_refused(current_kubectl: Any) -> None:
    said = current_kubectl.refused("apply", "-f", "-", stdin=deployment(replicas=0, colour="blue"))
    assert 'strict decoding error: unknown field "spec.colour"' in said
    assert said.startswith("Error from server (BadRequest): error when creating")


# Server-side apply


def _config(**data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": data}


def _apply(space: Any, config: Json, **query: Any) -> Any:
    return space.api("PATCH", space.path("configmaps", "one"), config, sent=APPLY, **query)


def _fields(obj: Json, manager: str) -> Json:
    return next(each for each in obj["metadata"]["managedFields"] if each["manager"] == manager)


def test_server_side_apply_creates_and_notes_the_owner(space: Any) -> None:
    created = _apply(space, _config(a="1"), fieldManager="one").created()
    entry = _fields(created, "one")
    assert entry.pop("time")
    assert entry == {
        "manager": "one",
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:a": {}}},
    }
    assert _apply(space, _config(a="1"), fieldManager="one").status == 200


def test_server_side_apply_over_the_fields_of_others_is_a_conflict(space: Any) -> None:
    _apply(space, _config(a="1", b="1"), fieldManager="one").created()
    answer = _apply(space, _config(a="2"), fieldManager="two")
    said = 'Apply failed with 1 conflict: conflict with "one": .data.a'
    details = answer.refused(409, "Conflict", said)
    assert details["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}
    ]
    many = _apply(space, _config(a="2", b="2"), fieldManager="two")
    many.refused(409, "Conflict", 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b')


def test_server_side_apply_by_force_takes_the_field_over(space: Any) -> None:
    _apply(space, _config(a="1", b="1"), fieldManager="one").created()
    forced = _apply(space, _config(a="2"), fieldManager="two", force="true").ok()
    assert forced["data"] == {"a": "2", "b": "1"}
    assert _fields(forced, "two")["fieldsV1"] == {"f:data": {"f:a": {}}}
    assert _fields(forced, "one")["fieldsV1"] == {"f:data": {"f:b": {}}}


def test_server_side_apply_of_the_same_value_shares_the_field(space: Any) -> None:
    _apply(space, _config(a="1"), fieldManager="one").created()
    shared = _apply(space, _config(a="1"), fieldManager="two").ok()
    assert [_fields(shared, each)["fieldsV1"] for each in ("one", "two")] == [{"f:data": {"f:a": {}}}] * 2


def test_server_side_apply_removes_what_is_no_longer_applied(space: Any) -> None:
    _apply(space, _config(a="1", b="1"), fieldManager="one").created()
    assert _apply(space, _config(b="1"), fieldManager="one").ok()["data"] == {"b": "1"}


def test_server_side_apply_merges_containers_by_name(space: Any, two: Json) -> None:
    config = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "side", "env": [{"name": "POOL", "value": "5"}]}]}}},
    }
    applied = _patch(space, APPLY, config, fieldManager="one").ok()
    assert {each["name"]: bool(each.get("env")) for each in _containers(applied)} == {"main": False, "side": True}
    owned = _fields(applied, "one")["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert list(owned) == ['k:{"name":"side"}']


def test_server_side_apply_needs_a_manager(space: Any) -> None:
    answer = _apply(space, _config(a="1"))
    answer.refused(
        422,
        "Invalid",
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )


def test_force_is_only_for_apply(space: Any) -> None:
    space.create("configmaps", config_map("one"))
    answer = _patch(space, MERGE, {}, "configmaps", "one", force="true")
    said = "force: Forbidden: may not be specified for non-apply patch"
    answer.refused(422, "Invalid", f'PatchOptions.meta.k8s.io "" is invalid: {said}')


def test_every_writer_is_noted_by_its_user_agent(space: Any) -> None:
    space.api("POST", space.path("configmaps"), config_map("one"), headers={"User-Agent": "tool/1.0 (x)"}).created()
    change = {"data": {"colour": "red"}}
    changed = _patch(space, MERGE, change, "configmaps", "one", fieldManager="named").ok()
    managers = {each["manager"]: each["operation"] for each in changed["metadata"]["managedFields"]}
    assert managers == {"named": "Update"}, "the tool owned one field, and that went to the other writer"


def test_kubectl_apply_on_the_server_and_its_conflict(space: Any, kubectl: Any) -> None:
    applied = kubectl.out("apply", "--server-side", "-f", "-", stdin=_config(a="1"))
    assert applied == "configmap/one serverside-applied"
    manager = space.get("configmaps", "one")["metadata"]["managedFields"]
    assert [(each["manager"], each["operation"]) for each in manager] == [("kubectl", "Apply")]
    said = kubectl.refused("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=_config(a="2"))
    assert said.startswith('error: Apply failed with 1 conflict: conflict with "kubectl": .data.a')
    forced = ("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-")
    assert kubectl.out(*forced, stdin=_config(a="2")) == "configmap/one serverside-applied"
    assert space.get("configmaps", "one")["data"] == {"a": "2"}
