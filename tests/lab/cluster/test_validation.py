# SPDX-License-Identifier: GPL-3.0-or-later
"""What a write is refused for, and what is filled in: through the whole path of a write."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NAMESPACES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from incident_runbooks.lab.cluster.store import Store
from incident_runbooks.lab.cluster.writes import pipeline
from incident_runbooks.lab.cluster.writes.options import WriteOptions
from incident_runbooks.lab.cluster.writes.pipeline import Writer


@pytest.fixture
def store() -> Store:
    made = Store()
    made.create(NAMESPACES, {"metadata": {"name": "shop"}})
    return made


def writer(store: Store, resource: Resource, validation: str = "Warn") -> Writer:
    return Writer(store, resource, WriteOptions("test", validation=validation))


def workload(**spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    return {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template} | spec,
    }


def pod(**container: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "web:1"} | container]}}


def refused(store: Store, resource: Resource, obj: dict[str, Any], **how: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        writer(store, resource, **how).create(obj, "shop")
    return caught.value


def mismatched() -> dict[str, Any]:
    made = workload()
    made["spec"]["selector"] = {"matchLabels": {"app": "api"}}
    return made


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": spec}


@pytest.mark.parametrize(
    ("resource", "obj", "field", "message"),
    [
        (DEPLOYMENTS, mismatched(), "spec.template.metadata.labels",
         'Invalid value: map[string]string{"app":"web"}: `selector` does not match template `labels`'),
        (DEPLOYMENTS, workload(selector=None), "spec.selector", "Required value"),
        (DEPLOYMENTS, workload(replicas=-1), "spec.replicas",
         "Invalid value: -1: must be greater than or equal to 0"),
        (DEPLOYMENTS, workload(strategy={"type": "Fast"}), "spec.strategy.type",
         'Unsupported value: "Fast": supported values: "Recreate", "RollingUpdate"'),
        (STATEFUL_SETS, workload(template={"metadata": {"labels": {"app": "web"}}}), "spec.template.spec.containers",
         "Required value"),
        (PODS, pod(image=""), "spec.containers[0].image", "Required value"),
        (PODS, pod(ports=[{"containerPort": 70000}]), "spec.containers[0].ports[0].containerPort",
         "Invalid value: 70000: must be between 1 and 65535, inclusive"),
        (PODS, pod(volumeMounts=[{"name": "v", "mountPath": "/v"}]), "spec.containers[0].volumeMounts[0].name",
         'Not found: "v"'),
        (PODS, pod(readinessProbe={"periodSeconds": 1}), "spec.containers[0].readinessProbe",
         "Required value: must specify a handler type"),
        (PODS, pod(resources={"limits": {"memory": "much"}}), "spec.containers[0].resources.limits[memory]", None),
        (SERVICES, service(), "spec.ports", "Required value"),
        (SERVICES, service(ports=[{"port": 80}, {"port": 81}]), "spec.ports[0].name", "Required value"),
        (AUTOSCALERS, service(scaleTargetRef={"kind": "Deployment", "name": "a"}, minReplicas=3, maxReplicas=2),
         "spec.maxReplicas", "Invalid value: 2: must be greater than or equal to `minReplicas`"),
        (DISRUPTION_BUDGETS, service(minAvailable=1, maxUnavailable=1), "spec", None),
        (CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"a/b": "1"}}, "data[a/b]", None),
        (CONFIG_MAPS, {"metadata": {"name": "A"}}, "metadata.name", None),
        (CONFIG_MAPS, {"metadata": {}}, "metadata.name", "Required value: name or generateName is required"),
        (CONFIG_MAPS, {"metadata": {"name": "a", "labels": {"x": "-"}}}, "metadata.labels", None),
        (ROLES, {"metadata": {"name": "r"}, "rules": [{"verbs": ["get"]}]}, "rules[0].apiGroups", None),
        (ROLE_BINDINGS, {"metadata": {"name": "r"}, "roleRef": {"kind": "Role"}}, "roleRef.name", "Required value"),
    ],
)  # fmt: skip
def test_an_object_that_makes_no_sense(
    store: Store, resource: Resource, obj: dict[str, Any], field: str, message: str | None
) -> None:
    error = refused(store, resource, obj)
    assert (error.code, error.reason) == (422, "Invalid")
    causes = {each["field"]: each["message"] for each in (error.details or {})["causes"]}
    assert field in causes
    assert message in (None, causes[field])
    assert field in error.message
    assert not store.all(resource)


def test_the_text_names_kind_and_object(store: Store) -> None:
    error = refused(store, DEPLOYMENTS, workload(replicas=-1))
    assert error.message == (
        'Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    )


def test_unknown_fields_are_a_warning_an_error_or_nothing(store: Store) -> None:
    obj = workload(replica=3)
    obj["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    unknown = ['unknown field "spec.replica"', 'unknown field "spec.template.spec.containers[0].imagee"']
    error = refused(store, DEPLOYMENTS, obj, validation="Strict")
    assert (error.code, error.reason) == (400, "BadRequest")
    begin = 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
    assert sorted(error.message.removeprefix(begin).split(", ")) == unknown
    warns = writer(store, DEPLOYMENTS)
    created = warns.create(obj, "shop")
    assert sorted(warns.warnings) == unknown
    assert "replica" not in created["spec"]
    quiet = writer(store, CONFIG_MAPS, "Ignore")
    quiet.create({"metadata": {"name": "a"}, "dat": {}}, "shop")
    assert quiet.warnings == []


@pytest.mark.parametrize(
    ("resource", "obj", "said"),
    [
        (DEPLOYMENTS, workload(replicas="3"),
         "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"a": 1}},
         "json: cannot unmarshal number into Go struct field ConfigMap.data.a of type string"),
        (CONFIG_MAPS, {"metadata": {"name": "a"}, "immutable": "yes"},
         "json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool"),
        (CONFIG_MAPS, {"metadata": []},
         "json: cannot unmarshal array into Go struct field ConfigMap.metadata of type v1.ObjectMeta"),
        (SECRETS, {"metadata": {"name": "a"}, "data": {"a": "?"}}, "illegal base64 data at input byte 0"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_a_bad_request(
    store: Store, resource: Resource, obj: dict[str, Any], said: str
) -> None:
    error = refused(store, resource, obj)
    kind = resource.kind
    assert (error.code, error.message) == (400, f'{kind} in version "v1" cannot be handled as a {kind}: {said}')


def test_another_type_or_namespace_in_the_body_is_a_bad_request(store: Store) -> None:
    error = refused(store, CONFIG_MAPS, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}})
    assert error.code == 400
    error = refused(store, DEPLOYMENTS, workload() | {"apiVersion": "apps/v1beta1"})
    assert error.message == (
        "the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)"
    )
    error = refused(store, CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "other"}})
    assert error.message == ("the namespace of the provided object does not match the namespace sent on the request")


@pytest.mark.parametrize(
    ("resource", "obj", "change", "field"),
    [
        (DEPLOYMENTS, workload(), {"spec": {"selector": {"matchLabels": {"tier": "x"}},
                                            "template": {"metadata": {"labels": {"tier": "x"}}}}}, "spec.selector"),
        (STATEFUL_SETS, workload(serviceName="a"), {"spec": {"serviceName": "b"}}, "spec"),
        (PODS, pod(), {"spec": {"restartPolicy": "Never"}}, "spec"),
        (SECRETS, {"metadata": {"name": "web"}, "immutable": True, "data": {"a": "Yg=="}},
         {"data": {"a": "Yw=="}}, "data"),
        (SECRETS, {"metadata": {"name": "web"}, "immutable": True}, {"immutable": None}, "immutable"),
        (SECRETS, {"metadata": {"name": "web"}}, {"type": "kubernetes.io/tls"}, "type"),
        (CONFIG_MAPS, {"metadata": {"name": "web"}, "immutable": True, "data": {"a": "b"}},
         {"data": {"a": "c"}}, "data"),
        (ROLE_BINDINGS, {"metadata": {"name": "web"}, "roleRef": {"kind": "Role", "name": "a"}},
         {"roleRef": {"name": "b"}}, "roleRef"),
        (SERVICES, service(ports=[{"port": 80}]), {"spec": {"clusterIP": "127.96.9.9"}}, "spec.clusterIPs[0]"),
    ],
)  # fmt: skip
def test_what_cannot_be_changed(
    store: Store, resource: Resource, obj: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    created = writer(store, resource).create(obj, "shop")
    with pytest.raises(ApiError) as caught:
        writer(store, resource).patch(change, pipeline.MERGE_PATCH, "shop", "web")
    assert caught.value.code == 422
    assert [each["field"] for each in (caught.value.details or {})["causes"]] == [field]
    assert store.get(resource, "shop", "web") == created


def test_the_image_of_a_pod_can_be_changed(store: Store) -> None:
    writer(store, PODS).create(pod(), "shop")
    change = {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}
    changed, _ = writer(store, PODS).patch(change, pipeline.STRATEGIC_PATCH, "shop", "web")
    assert changed["spec"]["containers"][0]["image"] == "web:2"


def test_a_patch_that_cannot_be_read_is_told_in_the_words_of_its_type(store: Store) -> None:
    writer(store, DEPLOYMENTS).create(workload(), "shop")
    change = {"spec": {"replicas": "x"}}
    with pytest.raises(ApiError) as caught:
        writer(store, DEPLOYMENTS).patch(change, pipeline.STRATEGIC_PATCH, "shop", "web")
    said = ' "" is invalid: patch: Invalid value: "map[spec:map[replicas:x]]": unrecognized type: int32'
    assert (caught.value.code, caught.value.message) == (422, said)
    with pytest.raises(ApiError) as caught:
        writer(store, DEPLOYMENTS).patch(change, pipeline.MERGE_PATCH, "shop", "web")
    assert caught.value.code == 400


def test_a_write_that_changes_nothing_makes_no_new_version(store: Store) -> None:
    created = writer(store, DEPLOYMENTS).create(workload(), "shop")
    same, _ = writer(store, DEPLOYMENTS).patch({"spec": {"replicas": 1}}, pipeline.MERGE_PATCH, "shop", "web")
    assert same == created
    again = copy.deepcopy(created)
    del again["metadata"]["resourceVersion"]
    assert writer(store, DEPLOYMENTS).replace(again, "shop", "web") == created


def test_only_a_change_of_the_spec_makes_a_new_generation(store: Store) -> None:
    writer(store, DEPLOYMENTS).create(workload(), "shop")
    change = {"metadata": {"labels": {"a": "b"}}}
    labelled, _ = writer(store, DEPLOYMENTS).patch(change, pipeline.MERGE_PATCH, "shop", "web")
    scaled, _ = writer(store, DEPLOYMENTS).patch({"spec": {"replicas": 3}}, pipeline.MERGE_PATCH, "shop", "web")
    assert (labelled["metadata"]["generation"], scaled["metadata"]["generation"]) == (1, 2)


def test_the_status_is_written_through_its_own_endpoint_only(store: Store) -> None:
    created = writer(store, DEPLOYMENTS).create(workload() | {"status": {"replicas": 9}}, "shop")
    assert created["status"] == {}
    changed, _ = writer(store, DEPLOYMENTS).patch({"status": {"replicas": 9}}, pipeline.MERGE_PATCH, "shop", "web")
    assert changed["status"] == {}


def test_what_clients_rely_on_is_filled_in(store: Store) -> None:
    made = workload()
    container = made["spec"]["template"]["spec"]["containers"][0]
    container |= {"ports": [{"containerPort": 80}], "readinessProbe": {"httpGet": {"port": 80}}}
    spec = writer(store, DEPLOYMENTS).create(made, "shop")["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert (spec["replicas"], spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (1, 600, 10)
    found = spec["template"]["spec"]["containers"][0]
    assert found["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert (found["imagePullPolicy"], found["readinessProbe"]["failureThreshold"]) == ("IfNotPresent", 3)
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 30


def test_plain_text_of_a_secret_is_encoded(store: Store) -> None:
    secret = {"metadata": {"name": "a"}, "stringData": {"k": "v"}}
    created = writer(store, SECRETS).create(secret, "shop")
    assert (created["data"], created["type"], "stringData" in created) == ({"k": "dg=="}, "Opaque", False)


def test_each_service_gets_an_address_and_keeps_it(store: Store) -> None:
    first = writer(store, SERVICES).create(service(ports=[{"port": 80}]), "shop")
    other = service(ports=[{"port": 80}])
    other["metadata"]["name"] = "other"
    second = writer(store, SERVICES).create(other, "shop")
    addresses = {first["spec"]["clusterIP"], second["spec"]["clusterIP"]}
    assert len(addresses) == 2
    replaced = writer(store, SERVICES).replace(service(ports=[{"port": 81}]), "shop", "web")
    assert replaced["spec"]["clusterIP"] == first["spec"]["clusterIP"]


def test_a_pod_of_an_unknown_account_is_forbidden(store: Store) -> None:
    made = pod()
    made["spec"]["serviceAccountName"] = "ghost"
    error = refused(store, PODS, made)
    said = 'pods "web" is forbidden: error looking up service account shop/ghost: serviceaccount "ghost" not found'
    assert (error.code, error.message) == (403, said)


def test_a_namespace_that_is_going_takes_nothing_new(store: Store) -> None:
    store.update(NAMESPACES, {**store.get(NAMESPACES, None, "shop"), "metadata": {"name": "shop", "finalizers": ["k"]}})
    store.delete(NAMESPACES, None, "shop")
    error = refused(store, CONFIG_MAPS, {"metadata": {"name": "a"}})
    assert error.code == 403
    assert "because it is being terminated" in error.message
