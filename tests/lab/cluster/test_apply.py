# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-side apply and the ownership of fields, through the whole path of a write."""

from __future__ import annotations

from typing import Any

import pytest

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, SERVICES, Resource
from incident_runbooks.lab.cluster.store import Store
from incident_runbooks.lab.cluster.writes import fields, ownership, pipeline
from incident_runbooks.lab.cluster.writes.options import WriteOptions
from incident_runbooks.lab.cluster.writes.pipeline import Writer


@pytest.fixture
def store() -> Store:
    made = Store()
    made.create(NAMESPACES, {"metadata": {"name": "shop"}})
    return made


def writer(store: Store, manager: str, resource: Resource = DEPLOYMENTS, **options: Any) -> Writer:
    return Writer(store, resource, WriteOptions(manager, **options))


def apply(store: Store, manager: str, config: dict[str, Any], resource: Resource = DEPLOYMENTS, **options: Any) -> Any:
    full = {"apiVersion": resource.api_version, "kind": resource.kind} | config
    found, _ = writer(store, manager, resource, **options).patch(full, pipeline.APPLY_PATCH, "shop", "web")
    return found


def deployment(*variables: str, replicas: int | None = 2, image: str = "web:1") -> dict[str, Any]:
    container = {"name": "web", "image": image, "env": [{"name": name, "value": "1"} for name in variables]}
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}}
    spec["template"] = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    return {"metadata": {"name": "web"}, "spec": spec | ({"replicas": replicas} if replicas is not None else {})}


def variables_of(obj: dict[str, Any]) -> list[str]:
    return [each["name"] for each in obj["spec"]["template"]["spec"]["containers"][0].get("env") or ()]


def managers(obj: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    return {
        (each.manager.name, each.manager.operation): {fields.to_text(path) for path in each.paths}
        for each in ownership.entries(obj)
    }


def test_apply_creates_with_defaults_that_the_applier_does_not_own(store: Store) -> None:
    created = apply(store, "me", deployment("A"))
    assert created["spec"]["strategy"]["type"] == "RollingUpdate"
    assert created["metadata"]["generation"] == 1
    owned = managers(created)["me", "Apply"]
    assert '.spec.template.spec.containers[name="web"].env[name="A"].value' in owned
    assert ".metadata.name" not in owned
    assert not any("strategy" in path for path in owned)


def test_what_an_applier_leaves_out_the_next_time_goes(store: Store) -> None:
    apply(store, "me", deployment("A", "B"))
    assert variables_of(apply(store, "me", deployment("B"))) == ["B"]


def test_what_another_one_owns_too_stays(store: Store) -> None:
    apply(store, "me", deployment("A", "B"))
    apply(store, "you", deployment("A", "B"))
    assert variables_of(apply(store, "me", deployment("B"))) == ["A", "B"]


def test_the_same_again_changes_nothing(store: Store) -> None:
    first = apply(store, "me", deployment("A"))
    assert apply(store, "me", deployment("A"))["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_field_that_an_update_has_set_is_a_conflict_that_names_the_owner(store: Store) -> None:
    apply(store, "me", deployment())
    writer(store, "kubectl-edit").patch({"spec": {"replicas": 5}}, pipeline.MERGE_PATCH, "shop", "web")
    with pytest.raises(ApiError) as caught:
        apply(store, "me", deployment())
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas'
    )
    assert caught.value.details == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kubectl-edit" using apps/v1',
                "field": ".spec.replicas",
            }
        ]
    }
    assert store.get(DEPLOYMENTS, "shop", "web")["spec"]["replicas"] == 5


def test_several_conflicts_are_listed_by_owner(store: Store) -> None:
    apply(store, "you", deployment())
    with pytest.raises(ApiError) as caught:
        apply(store, "me", deployment(replicas=9, image="web:2"))
    assert caught.value.message == (
        'Apply failed with 2 conflicts: conflicts with "you":\n'
        '- .spec.replicas\n- .spec.template.spec.containers[name="web"].image'
    )


def test_force_takes_the_field_from_its_owner(store: Store) -> None:
    apply(store, "you", deployment())
    forced = apply(store, "me", deployment(replicas=9), force=True)
    assert forced["spec"]["replicas"] == 9
    assert ".spec.replicas" not in managers(forced)["you", "Apply"]
    assert ".spec.replicas" in managers(forced)["me", "Apply"]


def test_the_same_value_is_shared_without_conflict(store: Store) -> None:
    apply(store, "you", deployment())
    shared = managers(apply(store, "me", deployment()))
    assert ".spec.replicas" in shared["you", "Apply"]
    assert ".spec.replicas" in shared["me", "Apply"]


def test_an_update_takes_what_it_changes_and_drops_what_it_removes(store: Store) -> None:
    writer(store, "maker").create(deployment("A", "B"), "shop")
    variables = [{"name": "A", "$patch": "delete"}, {"name": "B", "value": "2"}]
    change = {"spec": {"template": {"spec": {"containers": [{"name": "web", "env": variables}]}}}}
    changed, _ = writer(store, "editor").patch(change, pipeline.STRATEGIC_PATCH, "shop", "web")
    owned = managers(changed)
    value = '.spec.template.spec.containers[name="web"].env[name="{}"].value'
    assert owned["editor", "Update"] == {value.format("B")}
    assert value.format("B") not in owned["maker", "Update"]
    assert value.format("A") not in owned["maker", "Update"]
    assert ".spec.replicas" in owned["maker", "Update"]


def test_an_item_of_which_somebody_owns_a_part_keeps_its_key(store: Store) -> None:
    apply(store, "me", deployment("A", "B"))
    change = {"spec": {"template": {"spec": {"containers": [{"name": "web", "env": [{"name": "A", "value": "2"}]}]}}}}
    writer(store, "editor").patch(change, pipeline.STRATEGIC_PATCH, "shop", "web")
    found = apply(store, "me", deployment("B"))
    assert {"name": "A", "value": "2"} in found["spec"]["template"]["spec"]["containers"][0]["env"]


def test_a_writer_of_the_status_owns_it_under_its_subresource(store: Store) -> None:
    writer(store, "maker").create(deployment(), "shop")
    status = Writer(store, DEPLOYMENTS, WriteOptions("controller"), subresource="status")
    found, _ = status.patch({"status": {"replicas": 2}, "spec": {"replicas": 7}}, pipeline.MERGE_PATCH, "shop", "web")
    assert (found["status"]["replicas"], found["spec"]["replicas"]) == (2, 2)
    entry = next(each for each in found["metadata"]["managedFields"] if each["manager"] == "controller")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:replicas": {}}})


def test_who_applies_over_an_object_of_nobody_meets_its_first_owner(store: Store) -> None:
    store.create(CONFIG_MAPS, {"metadata": {"name": "web", "namespace": "shop"}, "data": {"a": "1"}})
    with pytest.raises(ApiError, match=r'conflict with "before-first-apply" using v1: \.data\.a'):
        apply(store, "me", {"metadata": {"name": "web"}, "data": {"a": "2"}}, CONFIG_MAPS)


def test_the_key_of_a_port_has_a_default(store: Store) -> None:
    config = {"metadata": {"name": "web"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}
    created = apply(store, "me", config, SERVICES)
    assert len(created["spec"]["ports"]) == 1
    again = apply(store, "me", config, SERVICES)
    assert again["spec"]["ports"] == created["spec"]["ports"]
    assert '.spec.ports[port=80,protocol="TCP"].port' in managers(again)["me", "Apply"]


def test_dry_run_answers_and_stores_nothing(store: Store) -> None:
    assert apply(store, "me", deployment(), dry_run=True)["spec"]["replicas"] == 2
    assert store.find(DEPLOYMENTS, "shop", "web") is None


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"metadata": {"name": "other"}}, id="another name"),
        pytest.param({"metadata": {"name": "web", "managedFields": [{"manager": "x"}]}}, id="managed fields"),
        pytest.param({"kind": None, "metadata": {"name": "web"}}, id="no kind"),
    ],
)
def test_a_configuration_that_cannot_be_applied_is_a_bad_request(store: Store, config: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        apply(store, "me", config)
    assert caught.value.code == 400


def test_fields_v1_goes_both_ways() -> None:
    tree = {
        "f:spec": {
            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
            "f:replicas": {},
        },
        "f:metadata": {"f:finalizers": {'v:"x"': {}}},
    }
    assert fields.to_plain(fields.from_plain(tree)) == tree
