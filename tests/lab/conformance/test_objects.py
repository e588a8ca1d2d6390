# SPDX-License-Identifier: GPL-3.0-or-later
"""Conformance: objects are created, read, replaced and deleted, and refused, as the API server does it.

Sources (short references, as in docs/lab-cluster.md): [concepts] kubernetes.io/docs/reference/using-api/api-concepts;
[conventions] sig-architecture/api-conventions.md; [errors] apimachinery/pkg/api/errors/errors.go; [rest]
apiserver/pkg/registry/rest; [handlers] apiserver/pkg/endpoints/handlers; [validation] pkg/apis/*/validation.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from support.conformance import Api, config_map, container, deployment, eventually, pod

Json = dict[str, Any]

DEPLOYMENTS = "apps/v1/deployments"
LEASES = "coordination.k8s.io/v1/leases"
_INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


# Create


def test_create_answers_201_with_what_the_server_sets(space: Any) -> None:
    created = space.create(DEPLOYMENTS, deployment(replicas=0))
    metadata = created["metadata"]
    assert (created["kind"], created["apiVersion"]) == ("Deployment", "apps/v1")
    assert (metadata["namespace"], metadata["generation"]) == (space.name, 1)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert _INSTANT.match(metadata["creationTimestamp"])
    assert metadata["resourceVersion"].isdigit()


def test_create_fills_in_the_documented_defaults(space: Any) -> None:
    spec = space.create(DEPLOYMENTS, deployment(replicas=0))["spec"]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert (spec["strategy"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (rolling, 10, 600)
    inner = spec["template"]["spec"]
    assert (inner["restartPolicy"], inner["dnsPolicy"], inner["schedulerName"]) == (
        "Always",
        "ClusterFirst",
        "default-scheduler",
    )
    first = inner["containers"][0]
    assert (first["imagePullPolicy"], first["terminationMessagePolicy"]) == ("IfNotPresent", "File")


def test_create_of_what_exists_is_refused_with_already_exists(space: Any) -> None:
    space.create("configmaps", config_map("one"))
    again = space.api("POST", space.path("configmaps"), config_map("one"))
    assert again.refused(409, "AlreadyExists", 'configmaps "one" already exists') == {
        "name": "one",
        "kind": "configmaps",
    }


def test_create_with_generate_name_adds_five_characters(space: Any) -> None:
    wanted = config_map("", generateName="job-")
    del wanted["metadata"]["name"]
    names = {space.create("configmaps", wanted)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch(r"job-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


def test_create_without_a_name_is_invalid(space: Any) -> None:
    answer = space.api("POST", space.path("configmaps"), {"metadata": {}})
    message = "Required value: name or generateName is required"
    details = answer.refused(422, "Invalid", f'ConfigMap "" is invalid: metadata.name: {message}')
    assert details["causes"] == [{"reason": "FieldValueRequired", "message": message, "field": "metadata.name"}]


def test_create_with_a_name_that_is_no_dns_name_is_invalid(space: Any) -> None:
    answer = space.api("POST", space.path("configmaps"), config_map("Not_A_Name"))
    answer.refused(
        422,
        "Invalid",
        f'ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name": {_SUBDOMAIN}',
    )


def test_create_in_a_missing_namespace_is_not_found(api: Api) -> None:
    answer = api("POST", "/api/v1/namespaces/nowhere/configmaps", config_map("one"))
    assert answer.refused(404, "NotFound", 'namespaces "nowhere" not found') == {
        "name": "nowhere",
        "kind": "namespaces",
    }


def test_create_for_another_namespace_than_that_of_the_url_is_a_bad_request(space: Any) -> None:
    answer = space.api("POST", space.path("configmaps"), config_map("one", namespace="default"))
    said = "the namespace of the provided object does not match the namespace sent on the request"
    answer.refused(400, "BadRequest", said)


def test_create_with_a_resource_version_fails_without_reason(space: Any) -> None:
    answer = space.api("POST", space.path("configmaps"), config_map("one", resourceVersion="1"))
    answer.refused(500, None, "resourceVersion should not be set on objects to be created")


def test_create_of_another_kind_than_that_of_the_url_is_a_bad_request(space: Any) -> None:
    answer = space.api("POST", space.path("configmaps"), deployment())
    said = "the API version in the data (apps/v1) does not match the expected API version (v1)"
    answer.refused(400, "BadRequest", said)


def test_create_with_dry_run_stores_nothing(space: Any) -> None:
    made = space.create("configmaps", config_map("one"), dryRun="All")
    assert made["metadata"]["uid"]
    assert "resourceVersion" not in made["metadata"]
    space.api("GET", space.path("configmaps", "one")).refused(404, "NotFound")


def test_dry_run_with_an_unknown_value_is_invalid(space: Any) -> None:
    answer = space.api("POST", space.path("configmaps"), config_map("one"), dryRun="some")
    details = answer.refused(422, "Invalid")
    assert details["causes"][0]["field"] == "dryRun"
    assert 'Unsupported value: "some": supported values: "All"' in answer.json["message"]


def test_unknown_field_is_refused_when_validation_is_strict(space: Any) -> None:
    wanted = deployment(replicas=0, colour="blue")
    answer = space.api("POST", space.path(DEPLOYMENTS), wanted, fieldValidation="Strict")
    said = 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field '
    answer.refused(400, "BadRequest", f'{said}"spec.colour"')


def test_unknown_field_is_a_warning_by_default_and_dropped(space: Any) -> None:
    answer = space.api("POST", space.path(DEPLOYMENTS), deployment(replicas=0, colour="blue"))
    assert "colour" not in answer.created()["spec"]
    assert answer.headers["Warning"] == '299 - "unknown field \\"spec.colour\\""'


def test_unknown_field_is_dropped_silently_when_ignored(space: Any) -> None:
    answer = space.api("POST", space.path(DEPLOYMENTS), deployment(replicas=0, colour="blue"), fieldValidation="Ignore")
    assert "colour" not in answer.created()["spec"]
    assert "Warning" not in answer.headers


def test_wrong_type_of_a_field_is_a_bad_request(space: Any) -> None:
    answer = space.api("POST", space.path(DEPLOYMENTS), deployment(replicas="many"))  # type: ignore[arg-type]
    answer.refused(400, "BadRequest")
    said = 'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct'
    assert answer.json["message"].startswith(said)


def test_selector_must_match_the_labels_of_the_template(space: Any) -> None:
    wanted = deployment(replicas=0)
    wanted["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    answer = space.api("POST", space.path(DEPLOYMENTS), wanted)
    said = 'Invalid value: map[string]string{"app":"web"}: `selector` does not match template `labels`'
    answer.refused(422, "Invalid", f'Deployment.apps "web" is invalid: spec.template.metadata.labels: {said}')


def test_selector_of_a_deployment_is_immutable(space: Any) -> None:
    wanted = space.create(DEPLOYMENTS, deployment(replicas=0))
    wanted["spec"]["selector"] = wanted["spec"]["template"]["metadata"] = None
    wanted["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    wanted["spec"]["template"]["metadata"] = {"labels": {"app": "other"}}
    answer = space.api("PUT", space.path(DEPLOYMENTS, "web"), wanted)
    details = answer.refused(422, "Invalid")
    assert [each["field"] for each in details["causes"]] == ["spec.selector"]
    assert answer.json["message"].endswith(": field is immutable")


def test_pod_without_containers_is_invalid(space: Any) -> None:
    wanted = pod("one")
    wanted["spec"]["containers"] = []
    details = space.api("POST", space.path("pods"), wanted).refused(
        422, "Invalid", 'Pod "one" is invalid: spec.containers: Required value'
    )
    assert details["kind"] == "Pod"


def test_two_containers_with_one_name_are_invalid(space: Any) -> None:
    answer = space.api("POST", space.path("pods"), pod("one", container(), container()))
    answer.refused(422, "Invalid", 'Pod "one" is invalid: spec.containers[1].name: Duplicate value: "main"')


def test_pod_spec_cannot_be_changed_but_for_images(space: Any) -> None:
    space.create("pods", pod("one"))
    wanted = space.get("pods", "one")
    wanted["spec"]["containers"][0]["command"] = ["true"]
    answer = space.api("PUT", space.path("pods", "one"), wanted)
    answer.refused(422, "Invalid")
    said = 'Pod "one" is invalid: spec: Forbidden: pod updates may not change fields other than '
    assert answer.json["message"].startswith(said + "`spec.containers[*].image`")


# Read


def test_get_of_what_is_missing_is_not_found(space: Any) -> None:
    answer = space.api("GET", space.path(DEPLOYMENTS, "gone"))
    details = answer.refused(404, "NotFound", 'deployments.apps "gone" not found')
    assert details == {"name": "gone", "group": "apps", "kind": "deployments"}


def test_list_has_kind_version_and_items_without_kind(space: Any) -> None:
    space.create("configmaps", config_map("one"))
    listed = space.api("GET", space.path("configmaps")).ok()
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert listed["metadata"]["resourceVersion"].isdigit()
    assert "one" in [each["metadata"]["name"] for each in listed["items"]]
    assert all("kind" not in each and "apiVersion" not in each for each in listed["items"])


def test_list_in_pages_continues_at_one_version(space: Any) -> None:
    for number in range(5):
        space.create("configmaps", config_map(f"page-{number}"))
    first = space.api("GET", space.path("configmaps"), limit=2).ok()
    space.create("configmaps", config_map("page-9"))  # comes after the first page: not in this list
    names, page, versions = [each["metadata"]["name"] for each in first["items"]], first, set()
    assert len(names) == 2
    assert first["metadata"]["remainingItemCount"] > 0
    while page["metadata"].get("continue"):
        page = space.api("GET", space.path("configmaps"), limit=2, **{"continue": page["metadata"]["continue"]}).ok()
        versions.add(page["metadata"]["resourceVersion"])
        names += [each["metadata"]["name"] for each in page["items"]]
    assert versions == {first["metadata"]["resourceVersion"]}
    assert "remainingItemCount" not in page["metadata"]
    assert names == sorted(set(names))
    assert {name for name in names if name.startswith("page-")} == {f"page-{number}" for number in range(5)}


def test_list_with_a_token_that_is_none_is_a_bad_request(space: Any) -> None:
    answer = space.api("GET", space.path("configmaps"), limit=2, **{"continue": "nonsense"})
    answer.refused(400, "BadRequest")
    assert answer.json["message"].startswith("continue key is not valid: ")


def test_list_at_a_future_version_times_out(space: Any) -> None:
    answer = space.api(
        "GET", space.path("configmaps"), resourceVersion="999999999", resourceVersionMatch="NotOlderThan"
    )
    details = answer.refused(504, "Timeout")
    assert [each["reason"] for each in details["causes"]] == ["ResourceVersionTooLarge"]
    assert answer.json["message"].startswith("Timeout: Too large resource version: 999999999, current: ")


def test_list_as_a_table_has_the_columns_of_kubectl(space: Any) -> None:
    space.create("pods", pod("one"))
    space.ready("one")
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    table = space.api("GET", space.path("pods"), headers=accept).ok()
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    names = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert names == ["Name", "Ready", "Status", "Restarts", "Age"]
    assert table["rows"][0]["cells"][:4] == ["one", "1/1", "Running", "0"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_list_of_metadata_only(space: Any) -> None:
    space.create("configmaps", config_map("one"))
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    found = space.api("GET", space.path("configmaps"), headers=accept).ok()
    assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert all("data" not in each for each in found["items"])


def test_a_format_that_is_not_served_is_not_acceptable(space: Any) -> None:
    answer = space.api("GET", space.path("configmaps"), headers={"Accept": "text/csv"})
    answer.refused(406, "NotAcceptable")
    assert answer.json["message"].startswith("only the following media types are accepted: application/json")


def test_kubectl_get_prints_json_yaml_names_columns_and_paths(space: Any, kubectl: Any) -> None:
    space.create("configmaps", config_map("one"))
    assert kubectl.get("configmap", "one")["data"] == {"colour": "blue"}
    assert "  colour: blue" in kubectl.out("get", "cm/one", "--output", "yaml")
    assert kubectl.out("get", "cm", "one", "--output", "name") == "configmap/one"
    assert kubectl.out("get", "cm", "one", "--output", "jsonpath={.data.colour}") == "blue"
    columns = kubectl.out("get", "cm", "one", "--output", "custom-columns=N:.metadata.name,C:.data.colour")
    assert [line.split() for line in columns.splitlines()] == [["N", "C"], ["one", "blue"]]
    table = [line.split() for line in kubectl.out("get", "cm", "one").splitlines()]
    assert (table[0], table[1][:2]) == (["NAME", "DATA", "AGE"], ["one", "1"])


def test_kubectl_get_of_what_is_missing_names_it(kubectl: Any) -> None:
    said = kubectl.refused("get", "deployment", "gone")
    assert said == 'Error from server (NotFound): deployments.apps "gone" not found'


def test_kubectl_get_of_an_unknown_type_says_so(kubectl: Any) -> None:
    said = kubectl.refused("get", "gadgets")
    assert said == 'error: the server doesn\'t have a resource type "gadgets"'


def test_kubectl_get_of_nothing_says_so(kubectl: Any, namespace: str) -> None:
    done = kubectl("get", "deployments")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.strip() == f"No resources found in {namespace} namespace."


@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("create configmap settings --from-literal=a=b", "configmap/settings"),
        ("create secret generic login --from-literal=a=b", "secret/login"),
        ("create serviceaccount reader", "serviceaccount/reader"),
        ("create role reader --verb=get --resource=pods", "role.rbac.authorization.k8s.io/reader"),
        ("create rolebinding reader --role=reader --user=x", "rolebinding.rbac.authorization.k8s.io/reader"),
        ("run one --image=registry.example/app:1 --command -- sleep 1000", "pod/one"),
    ],
    ids=lambda value: value.split("/")[0] if "/" in value and " " not in value else "",
)
def test_kubectl_creates_by_its_own_commands(kubectl: Any, command: str, made: str) -> None:
    assert kubectl.out(*command.split()) == f"{made} created"
    assert kubectl.out("get", made, "--output", "name") == made


def test_kubectl_explains_a_field(current_kubectl: Any) -> None:
    said = current_kubectl.out("explain", "deployment.spec.replicas")
    assert "<integer>" in said
    assert "Number of desired pods" in said


def test_kubectl_deletes_by_selector(space: Any, kubectl: Any) -> None:
    for name in ("one", "two"):
        space.create("configmaps", config_map(name, labels={"made": "here"}))
    said = kubectl.out("delete", "configmap", "-l", "made=here")
    assert said.splitlines() == ['configmap "one" deleted', 'configmap "two" deleted']


# Replace


def test_replace_raises_the_generation_only_with_the_spec(space: Any) -> None:
    wanted = space.create(DEPLOYMENTS, deployment(replicas=0))
    eventually(lambda: space.get(DEPLOYMENTS, "web")["status"].get("observedGeneration") == 1)
    wanted = space.get(DEPLOYMENTS, "web")
    wanted["metadata"]["labels"]["tier"] = "front"
    same = space.api("PUT", space.path(DEPLOYMENTS, "web"), wanted).ok()
    assert (same["metadata"]["generation"], same["metadata"]["labels"]["tier"]) == (1, "front")
    del same["metadata"]["resourceVersion"]  # unconditional
    same["spec"]["minReadySeconds"] = 1
    assert space.api("PUT", space.path(DEPLOYMENTS, "web"), same).ok()["metadata"]["generation"] == 2


def test_replace_with_a_stale_version_is_a_conflict(space: Any) -> None:
    stale = space.create("configmaps", config_map("one"))
    fresh = copy.deepcopy(stale)
    fresh["data"]["colour"] = "red"
    newer = space.api("PUT", space.path("configmaps", "one"), fresh).ok()
    assert newer["metadata"]["resourceVersion"] != stale["metadata"]["resourceVersion"]
    answer = space.api("PUT", space.path("configmaps", "one"), stale)
    details = answer.refused(
        409,
        "Conflict",
        'Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes'
        " to the latest version and try again",
    )
    assert details == {"name": "one", "kind": "configmaps"}
    assert space.get("configmaps", "one")["data"] == {"colour": "red"}


def test_replace_with_what_is_there_changes_no_version(space: Any) -> None:
    there = space.create("configmaps", config_map("one"))
    again = space.api("PUT", space.path("configmaps", "one"), there).ok()
    assert again["metadata"]["resourceVersion"] == there["metadata"]["resourceVersion"]


def test_replace_of_a_lease_needs_a_version(space: Any) -> None:
    lease = {"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a"}}
    space.create(LEASES, lease)
    answer = space.api("PUT", space.path(LEASES, "leader"), lease)
    said = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
    answer.refused(422, "Invalid", f'Lease.coordination.k8s.io "leader" is invalid: {said}')


def test_replace_under_another_name_is_a_bad_request(space: Any) -> None:
    there = space.create("configmaps", config_map("one"))
    answer = space.api("PUT", space.path("configmaps", "two"), there)
    said = "the name of the object (one) does not match the name on the URL (two)"
    answer.refused(400, "BadRequest", said)


def test_replace_of_what_is_missing_is_not_found(space: Any) -> None:
    answer = space.api("PUT", space.path("configmaps", "one"), config_map("one"))
    answer.refused(404, "NotFound", 'configmaps "one" not found')


def test_replace_with_another_uid_is_a_conflict(space: Any) -> None:
    there = space.create("configmaps", config_map("one"))
    wanted = copy.deepcopy(there)
    wanted["metadata"] |= {"uid": "another"}
    del wanted["metadata"]["resourceVersion"]
    answer = space.api("PUT", space.path("configmaps", "one"), wanted)
    answer.refused(409, "Conflict")
    said = f"Precondition failed: UID in precondition: another, UID in object meta: {there['metadata']['uid']}"
    assert said in answer.json["message"]


def test_status_is_written_by_its_own_endpoint_only(space: Any) -> None:
    there = space.create("persistentvolumeclaims", _claim("data"))
    wanted = copy.deepcopy(there)
    wanted["status"] = {"phase": "Lost"}
    del wanted["metadata"]["resourceVersion"]
    ignored = space.api("PUT", space.path("persistentvolumeclaims", "data"), wanted).ok()
    assert ignored.get("status", {}).get("phase") != "Lost"
    wanted["metadata"] = {"name": "data", "labels": {"a": "b"}}
    taken = space.api("PUT", space.path("persistentvolumeclaims", "data", "status"), wanted).ok()
    assert taken["status"]["phase"] == "Lost"


def _claim(name: str) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    return {"metadata": {"name": name}, "spec": spec}


# Delete


def test_delete_answers_success_with_the_uid(space: Any) -> None:
    there = space.create("configmaps", config_map("one"))
    answer = space.api("DELETE", space.path("configmaps", "one")).ok()
    details = {"name": "one", "kind": "configmaps", "uid": there["metadata"]["uid"]}
    assert answer == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }
    space.api("GET", space.path("configmaps", "one")).refused(404, "NotFound")


def test_delete_of_what_is_missing_is_not_found(space: Any) -> None:
    answer = space.api("DELETE", space.path("configmaps", "one"))
    answer.refused(404, "NotFound", 'configmaps "one" not found')


def test_delete_of_a_pod_answers_with_the_pod_that_ends(space: Any) -> None:
    space.create("pods", pod("one", container("trap '' TERM; while :; do sleep 0.1; done")))
    space.ready("one")
    ending = space.api("DELETE", space.path("pods", "one")).ok()
    assert (ending["kind"], ending["metadata"]["deletionGracePeriodSeconds"]) == ("Pod", 1)
    assert _INSTANT.match(ending["metadata"]["deletionTimestamp"])
    eventually(lambda: space.api("GET", space.path("pods", "one")).status == 404)


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
def test_delete_of_another_object_than_meant_is_a_conflict(space: Any, field: str) -> None:
    there = space.create("configmaps", config_map("one"))["metadata"]
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {field: "7"}}
    answer = space.api("DELETE", space.path("configmaps", "one"), options)
    answer.refused(409, "Conflict")
    label, tail = {
        "uid": ("UID", "The object might have been deleted and then recreated"),
        "resourceVersion": ("ResourceVersion", "The object might have been modified"),
    }[field]
    said = f"the {label} in the precondition (7) does not match the {label} in record ({there[field]}). {tail}"
    assert answer.json["message"] == f'Operation cannot be fulfilled on ConfigMap "one": {said}'
    assert space.get("configmaps", "one")["metadata"]["uid"] == there["uid"]


def test_delete_collection_by_selector(space: Any) -> None:
    for name, colour in (("one", "red"), ("two", "red"), ("three", "blue")):
        space.create("configmaps", config_map(name, labels={"colour": colour}))
    gone = space.api("DELETE", space.path("configmaps"), labelSelector="colour=red").ok()
    assert (gone["kind"], len(gone["items"])) == ("ConfigMapList", 2)
    left = space.list("configmaps", labelSelector="colour")
    assert [each["metadata"]["name"] for each in left] == ["three"]


def test_delete_of_a_workload_takes_its_pods_along(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment(replicas=1))
    space.rolled_out("web")
    assert kubectl.out("delete", "deployment", "web").startswith('deployment.apps "web" deleted')
    eventually(lambda: not space.list("pods") and not space.list("apps/v1/replicasets"))


def test_delete_can_orphan_what_depends_on_it(space: Any) -> None:
    space.create(DEPLOYMENTS, deployment(replicas=1))
    space.rolled_out("web")
    space.api("DELETE", space.path(DEPLOYMENTS, "web"), {"propagationPolicy": "Orphan"}).ok()
    eventually(lambda: space.api("GET", space.path(DEPLOYMENTS, "web")).status == 404)
    (left,) = space.list("apps/v1/replicasets")
    assert not left["metadata"].get("ownerReferences")
    assert len(space.pods("web")) == 1


def test_delete_in_the_foreground_waits_for_what_depends_on_it(space: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1, container("trap '' TERM; while :; do sleep 0.1; done")))
    space.rolled_out("web")
    marked = space.api("DELETE", space.path(DEPLOYMENTS, "web"), {"propagationPolicy": "Foreground"}).ok()
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert marked["metadata"]["deletionTimestamp"]
    eventually(lambda: space.api("GET", space.path(DEPLOYMENTS, "web")).status == 404)
    assert not space.list("pods")


def test_delete_of_a_namespace_empties_it(api: Api) -> None:
    api("POST", "/api/v1/namespaces", {"metadata": {"name": "short-lived"}}).created()
    stubborn = container("trap '' TERM; while :; do sleep 0.1; done")
    api("POST", "/api/v1/namespaces/short-lived/configmaps", config_map("one")).created()
    api("POST", "/api/v1/namespaces/short-lived/pods", pod("one", stubborn)).created()
    status = "/api/v1/namespaces/short-lived/pods/one"
    eventually(lambda: api("GET", status).ok()["status"]["phase"] == "Running")
    gone = api("DELETE", "/api/v1/namespaces/short-lived").ok()
    assert (gone["kind"], gone["status"]["phase"]) == ("Namespace", "Terminating")
    late = api("POST", "/api/v1/namespaces/short-lived/configmaps", config_map("two"))
    details = late.refused(403, "Forbidden")
    said = "unable to create new content in namespace short-lived because it is being terminated"
    assert late.json["message"] == f'configmaps "two" is forbidden: {said}'
    assert details["causes"][0]["reason"] == "NamespaceTerminating"
    eventually(lambda: api("GET", "/api/v1/namespaces/short-lived").status == 404)
    assert api("GET", "/api/v1/namespaces/short-lived/configmaps").ok()["items"] == []


# Requests that make no sense


def test_a_method_that_is_not_served_is_not_allowed(space: Any) -> None:
    answer = space.api("POST", space.path("configmaps", "one"), config_map("one"))
    answer.refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def test_a_type_that_is_not_served_is_not_found(space: Any) -> None:
    answer = space.api("GET", space.path("gadgets"))
    answer.refused(404, "NotFound", "the server could not find the requested resource")


def test_a_path_that_is_not_served_is_plain_text(api: Api) -> None:
    answer = api("GET", "/apis/example.com/v1/gadgets")
    assert (answer.status, answer.data.strip()) == (404, b"404 page not found")


def test_a_body_in_an_unknown_format_is_unsupported(space: Any) -> None:
    answer = space.api("POST", space.path("configmaps"), b"a=b", sent="application/x-www-form-urlencoded")
    answer.refused(415, "UnsupportedMediaType")
    said = "the body of the request was in an unknown format - accepted media types include: application/json"
    assert answer.json["message"].startswith(said)


def test_a_body_that_is_no_json_is_a_bad_request(space: Any) -> None:
    space.api("POST", space.path("configmaps"), b"{").refused(400, "BadRequest")


def test_version_health_and_discovery(api: Api, kubectl: Any) -> None:
    version = api("GET", "/version").ok()
    assert (version["major"], version["gitVersion"].split(".")[0]) == ("1", "v1")
    assert [api("GET", path).data for path in ("/healthz", "/livez", "/readyz")] == [b"ok"] * 3
    assert version["gitVersion"] in kubectl.out("version")
    served = {line.split()[0] for line in kubectl.out("api-resources", "--no-headers").splitlines()}
    assert {"pods", "deployments", "horizontalpodautoscalers", "leases", "poddisruptionbudgets"} <= served
    assert {"v1", "apps/v1", "metrics.k8s.io/v1beta1"} <= set(kubectl.out("api-versions").splitlines())
