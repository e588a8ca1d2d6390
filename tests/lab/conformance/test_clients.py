# SPDX-License-Identifier: GPL-3.0-or-later
"""Conformance: the official Python client, typed and dynamic, Debian's kubectl, and the types that runbooks read.

Sources: [python] github.com/kubernetes-client/python; [secret] kubernetes.io/docs/concepts/configuration/secret
(Immutable Secrets); [service] .../services-networking/service, endpoint-slices; [metrics]
.../resource-metrics-pipeline;
[hpa] .../horizontal-pod-autoscale; [lease] .../architecture/leases; [kubectl] kubectl/pkg/describe, cmd/top.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import kubernetes
import pytest
from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.binaries import find_program
from support.conformance import MERGE, budget, config_map, container, deployment, eventually, pod
from tests.conftest import absent

Json = dict[str, Any]

DEPLOYMENTS = "apps/v1/deployments"
AUTOSCALERS = "autoscaling/v2/horizontalpodautoscalers"
SLICES = "discovery.k8s.io/v1/endpointslices"
_PROBE = {"exec": {"command": ["test", "-e", "ready"]}, "periodSeconds": 1, "failureThreshold": 1}


# The typed Python client


def test_typed_pods(space: Any, core: Any, namespace: str) -> None:
    core.create_namespaced_pod(namespace, pod("one"))
    space.ready("one")
    found = core.read_namespaced_pod("one", namespace)
    status = found.status.container_statuses[0]
    assert (found.status.phase, found.status.qos_class) == ("Running", "BestEffort")
    assert (status.ready, status.restart_count, status.last_state.terminated) == (True, 0, None)
    assert status.state.running.started_at.tzinfo is not None
    assert found.metadata.creation_timestamp <= status.state.running.started_at
    assert [each.metadata.name for each in core.list_namespaced_pod(namespace, label_selector="app=one").items] == [
        "one"
    ]
    assert core.delete_namespaced_pod("one", namespace).metadata.deletion_timestamp is not None


def test_typed_deployments(space: Any, client: Any, namespace: str) -> None:
    apps = kubernetes.client.AppsV1Api(client)
    made = apps.create_namespaced_deployment(namespace, deployment("web", 1))
    assert made.status is not None
    space.rolled_out("web")
    found = apps.read_namespaced_deployment("web", namespace)
    assert (found.status.ready_replicas, found.status.updated_replicas) == (1, 1)
    assert found.status.observed_generation == found.metadata.generation
    change = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "registry.example/app:2"}]}}}}
    patched = apps.patch_namespaced_deployment("web", namespace, change)  # a strategic merge patch
    assert patched.spec.template.spec.containers[0].image == "registry.example/app:2"
    assert patched.spec.template.spec.containers[0].command, "merged by name"
    scaled = apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 0}})
    assert scaled.spec.replicas == 0
    patched.spec.replicas = 4  # read before the scaling
    with pytest.raises(ApiException) as stale:
        apps.replace_namespaced_deployment("web", namespace, patched)
    assert (stale.value.status, stale.value.reason) == (409, "Conflict")


def test_typed_secrets_and_config_maps(core: Any, namespace: str) -> None:
    core.create_namespaced_secret(namespace, {"metadata": {"name": "login"}, "stringData": {"password": "p"}})
    found = core.read_namespaced_secret("login", namespace)
    assert (found.type, found.string_data) == ("Opaque", None)
    assert found.data == {"password": base64.b64encode(b"p").decode()}
    core.create_namespaced_config_map(namespace, config_map("settings"))
    assert core.read_namespaced_config_map("settings", namespace).data == {"colour": "blue"}
    done = core.delete_namespaced_secret("login", namespace)
    assert (done["status"] if isinstance(done, dict) else done.status) == "Success"  # plain data in client 37
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_secret("login", namespace)
    assert gone.value.status == 404


def test_typed_leases_lock_by_version(client: Any, namespace: str) -> None:
    leases = kubernetes.client.CoordinationV1Api(client)
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.000006Z"}
    made = leases.create_namespaced_lease(namespace, {"metadata": {"name": "lock"}, "spec": spec})
    assert (made.spec.holder_identity, made.spec.renew_time.microsecond) == ("a", 6)
    made.spec.holder_identity = "b"
    taken = leases.replace_namespaced_lease("lock", namespace, made)
    assert taken.spec.holder_identity == "b"
    made.spec.holder_identity = "c"
    with pytest.raises(ApiException) as lost:
        leases.replace_namespaced_lease("lock", namespace, made)
    assert lost.value.status == 409


def test_typed_events_and_nodes(space: Any, core: Any, namespace: str) -> None:
    space.create("pods", pod("one"))
    space.ready("one")
    selector = "involvedObject.name=one,reason=Started"
    (event,) = eventually(lambda: core.list_namespaced_event(namespace, field_selector=selector).items)
    assert (event.type, event.count) == ("Normal", 1)
    (node,) = core.list_node().items
    ready = next(each for each in node.status.conditions if each.type == "Ready")
    assert ready.status == "True"
    assert {"cpu", "memory", "pods"} <= set(node.status.allocatable)


def test_typed_evictions_and_budgets(space: Any, core: Any, client: Any, namespace: str) -> None:
    policy = kubernetes.client.PolicyV1Api(client)
    policy.create_namespaced_pod_disruption_budget(namespace, budget("one", 1))
    space.create("pods", pod("one"))
    space.ready("one")
    eventually(lambda: policy.read_namespaced_pod_disruption_budget("one", namespace).status.current_healthy == 1)
    eviction = kubernetes.client.V1Eviction(metadata=kubernetes.client.V1ObjectMeta(name="one", namespace=namespace))
    with pytest.raises(ApiException) as refused:
        core.create_namespaced_pod_eviction("one", namespace, eviction)
    assert (refused.value.status, refused.value.reason) == (429, "Too Many Requests")


# The dynamic Python client


def test_dynamic_client_discovers_and_writes(client: Any, namespace: str) -> None:
    dynamic = DynamicClient(client)
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    assert (maps.name, maps.namespaced, "patch" in maps.verbs) == ("configmaps", True, True)
    assert maps.create(body=config_map("one"), namespace=namespace).metadata.uid
    change = {"data": {"colour": "red"}}
    changed = maps.patch(name="one", namespace=namespace, body=change, content_type=MERGE)
    assert changed.data.colour == "red"
    listed = maps.get(namespace=namespace, field_selector="metadata.name=one")
    assert [each.metadata.name for each in listed.items] == ["one"]
    assert maps.delete(name="one", namespace=namespace).status == "Success"


def test_dynamic_client_applies_on_the_server(client: Any, namespace: str) -> None:
    workloads = DynamicClient(client).resources.get(api_version="apps/v1", kind="Deployment")
    made = workloads.server_side_apply(body=deployment(replicas=0), namespace=namespace, field_manager="runbook")
    entry = made.metadata.managedFields[0]
    assert (entry.manager, entry.operation) == ("runbook", "Apply")
    with pytest.raises(ApiException) as conflict:
        workloads.server_side_apply(body=deployment(replicas=1), namespace=namespace, field_manager="other")
    assert conflict.value.status == 409


def test_dynamic_client_watches(space: Any, client: Any, namespace: str) -> None:
    maps = DynamicClient(client).resources.get(api_version="v1", kind="ConfigMap")
    space.create("configmaps", config_map("one"))
    events = maps.watch(namespace=namespace, field_selector="metadata.name=one", timeout=1)
    assert [(each["type"], each["object"].metadata.name) for each in events] == [("ADDED", "one")]


# Secrets


def _immutable(data: Json) -> Json:
    return {"metadata": {"name": "fixed"}, "immutable": True, "data": data}


def test_immutable_secret_can_neither_change_nor_become_mutable(space: Any) -> None:
    space.create("secrets", _immutable({"a": "YQ=="}))
    said = "Forbidden: field is immutable when `immutable` is set"
    for change, field in (({"data": {"a": "Yg=="}}, "data"), ({"immutable": False}, "immutable")):
        answer = space.api("PATCH", space.path("secrets", "fixed"), change, sent=MERGE)
        answer.refused(422, "Invalid", f'Secret "fixed" is invalid: {field}: {said}')
    labelled = space.api("PATCH", space.path("secrets", "fixed"), {"metadata": {"labels": {"a": "b"}}}, sent=MERGE)
    assert labelled.ok()["metadata"]["labels"] == {"a": "b"}
    space.api("DELETE", space.path("secrets", "fixed")).ok()


def test_immutable_config_map_cannot_change(space: Any, kubectl: Any) -> None:
    space.create("configmaps", config_map("fixed") | {"immutable": True})
    said = kubectl.refused("patch", "configmap", "fixed", "--type=merge", "-p", '{"data":{"colour":"red"}}')
    assert said == ('The ConfigMap "fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set')


def test_type_of_a_secret_is_immutable(space: Any) -> None:
    space.create("secrets", {"metadata": {"name": "login"}})
    answer = space.api("PATCH", space.path("secrets", "login"), {"type": "other"}, sent=MERGE)
    answer.refused(422, "Invalid", 'Secret "login" is invalid: type: Invalid value: "other": field is immutable')


def test_secret_data_must_be_base64(space: Any) -> None:
    wanted = {"metadata": {"name": "login"}, "data": {"password": "not base64!"}}
    answer = space.api("POST", space.path("secrets"), wanted)
    answer.refused(400, "BadRequest")
    assert answer.json["message"].startswith('Secret in version "v1" cannot be handled as a Secret: ')
    assert "illegal base64 data" in answer.json["message"]


def test_describe_of_a_secret_shows_sizes_only(space: Any, kubectl: Any) -> None:
    space.create("secrets", {"metadata": {"name": "login"}, "stringData": {"password": "hunter2"}})
    said = kubectl.out("describe", "secret", "login")
    assert "password:  7 bytes" in said
    assert "hunter2" not in said


# Services


def _service(name: str = "web") -> Json:
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80, "name": "http"}]}}


def test_service_gets_an_address_that_stays(space: Any) -> None:
    made = space.create("services", _service())
    spec = made["spec"]
    assert (spec["type"], spec["sessionAffinity"]) == ("ClusterIP", "None")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert (spec["ports"][0]["targetPort"], spec["ports"][0]["protocol"]) == (80, "TCP")
    answer = space.api("PATCH", space.path("services", "web"), {"spec": {"clusterIP": "127.96.9.9"}}, sent=MERGE)
    details = answer.refused(422, "Invalid")
    assert {each["field"] for each in details["causes"]} & {"spec.clusterIP", "spec.clusterIPs[0]"}


def test_endpoint_slices_follow_readiness(space: Any) -> None:
    space.create("services", _service())
    late = container("while [ ! -e go ]; do sleep 0.1; done; touch ready; exec sleep 1000", readinessProbe=_PROBE)
    space.create(DEPLOYMENTS, deployment("web", 1, late))
    endpoint = eventually(lambda: _endpoint(space, ready=False))
    assert endpoint["targetRef"]["kind"] == "Pod"
    assert endpoint["conditions"] == {"ready": False, "serving": False, "terminating": False}
    name = endpoint["targetRef"]["name"]
    found = space.get("pods", name)
    assert endpoint["addresses"] == [found["status"]["podIP"]]
    assert _addresses(space, "notReadyAddresses") == [found["status"]["podIP"]]
    (piece,) = space.list(SLICES, labelSelector="kubernetes.io/service-name=web")
    assert (piece["addressType"], piece["ports"]) == ("IPv4", [{"name": "http", "port": 80, "protocol": "TCP"}])
    assert piece["metadata"]["ownerReferences"][0]["kind"] == "Service"


def _endpoint(space: Any, *, ready: bool) -> Json | None:
    pieces = space.list(SLICES, labelSelector="kubernetes.io/service-name=web")
    found = [each for piece in pieces for each in piece.get("endpoints") or ()]
    return next((each for each in found if each["conditions"]["ready"] is ready), None)


def _addresses(space: Any, kind: str) -> list[str]:
    subsets = space.get("endpoints", "web").get("subsets") or []
    return [each["ip"] for subset in subsets for each in subset.get(kind) or ()]


def test_kubectl_describes_a_service_with_its_endpoints(space: Any, kubectl: Any) -> None:
    space.create("services", _service())
    space.create(DEPLOYMENTS, deployment("web", 1))
    space.rolled_out("web")
    address = eventually(lambda: _endpoint(space, ready=True))["addresses"][0]
    eventually(lambda: _addresses(space, "addresses") == [address])
    said = {line.split(":", 1)[0]: line.split(":", 1)[1].strip()
            for line in kubectl.out("describe", "service", "web").splitlines() if ":" in line}  # fmt: skip
    assert (said["Selector"], said["Type"], said["Endpoints"]) == ("app=web", "ClusterIP", f"{address}:80")


# Metrics and autoscalers


def test_metrics_have_the_documented_shape(space: Any) -> None:
    space.create("pods", pod("one"))
    space.ready("one")
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{space.name}/pods/one"
    found = eventually(lambda: _answered(space.api("GET", path)))
    assert (found["kind"], found["apiVersion"]) == ("PodMetrics", "metrics.k8s.io/v1beta1")
    (usage,) = found["containers"]
    assert usage["name"] == "main"
    assert usage["usage"]["cpu"] == "0" or usage["usage"]["cpu"].endswith("n")
    assert usage["usage"]["memory"].endswith("Ki")
    assert int(usage["usage"]["memory"][:-2]) > 0
    assert found["window"].endswith("s")
    assert found["timestamp"].endswith("Z")
    missing = space.api("GET", path.replace("/one", "/gone"))
    missing.refused(404, "NotFound")


def _answered(answer: Any) -> Json | None:
    return answer.json if answer.status == 200 else None


def test_kubectl_top_shows_pods_containers_and_nodes(space: Any, kubectl: Any) -> None:
    busy = container("while :; do :; done")
    space.create("pods", pod("one", busy))
    space.ready("one")
    lines = eventually(lambda: _top(kubectl("top", "pod"), 2))
    assert lines[0] == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert lines[1][0] == "one"
    assert lines[1][2].endswith("Mi")
    cpu = eventually(lambda: int(_top(kubectl("top", "pod"), 2)[1][1].removesuffix("m")))  # type: ignore[index]
    assert cpu > 0
    by_container = kubectl.out("top", "pod", "one", "--containers").splitlines()[1].split()
    assert by_container[:2] == ["one", "main"]
    nodes = [line.split() for line in kubectl.out("top", "node").splitlines()]
    assert nodes[0][0] == "NAME"
    assert nodes[1][2].endswith("%")


def _top(done: Any, count: int) -> list[list[str]] | None:
    lines = [line.split() for line in done.stdout.splitlines()]
    return lines if len(lines) == count else None


def _autoscaler(most: int = 3) -> Json:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    utilization = {"type": "Utilization", "averageUtilization": 80}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}]
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": most, "metrics": metrics}
    return {"metadata": {"name": "web"}, "spec": spec}


def test_autoscaler_reports_its_target(space: Any, client: Any, namespace: str) -> None:
    main = container(resources={"requests": {"cpu": "100m"}})
    space.create(DEPLOYMENTS, deployment("web", 1, main))
    space.create(AUTOSCALERS, _autoscaler())
    scaling = kubernetes.client.AutoscalingV2Api(client)

    def look() -> Any:
        found = scaling.read_namespaced_horizontal_pod_autoscaler("web", namespace)
        return found if found.status.current_replicas else None

    found = eventually(look)
    assert (found.spec.min_replicas, found.spec.max_replicas) == (1, 3)
    assert found.spec.scale_target_ref.name == "web"
    assert (found.status.current_replicas, found.status.desired_replicas) == (1, 1)
    able = {each.type: each.status for each in found.status.conditions}
    assert able["AbleToScale"] == "True"


def test_autoscaler_with_less_than_its_minimum_is_invalid(space: Any) -> None:
    wanted = _autoscaler(most=0)
    answer = space.api("POST", space.path(AUTOSCALERS), wanted)
    details = answer.refused(422, "Invalid")
    assert "spec.maxReplicas" in {each["field"] for each in details["causes"]}


def _with_autoscaler(space: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1, container(resources={"requests": {"cpu": "100m"}})))
    space.create(AUTOSCALERS, _autoscaler())


def test_kubectl_gets_the_autoscaler(space: Any, kubectl: Any) -> None:
    _with_autoscaler(space)
    lines = [line.split() for line in kubectl.out("get", "hpa", "web").splitlines()]
    assert lines[0] == ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]
    assert lines[1][:2] == ["web", "Deployment/web"]


def test_kubectl_describes_the_autoscaler(space: Any, current_kubectl: Any) -> None:
    _with_autoscaler(space)
    said = {line.partition(":")[0]: line.partition(":")[2].split()
            for line in current_kubectl.out("describe", "hpa", "web").splitlines()}  # fmt: skip
    assert (said["Reference"], said["Min replicas"], said["Max replicas"]) == (["Deployment/web"], ["1"], ["3"])


# Debian's kubectl


@pytest.fixture
def old(kubectl: Any) -> Any:
    """The kubectl of the Debian package kubernetes-client."""
    try:
        return replace(kubectl, program=find_program("kubectl", source="package"), cache=kubectl.cache / "debian")
    except RunbookError as error:
        absent(str(error))


def _reads(space: Any, old: Any) -> None:
    assert old.get("deployment", "web")["spec"]["replicas"] == 1
    assert old.out("get", "deploy,rs,pods", "-o", "name").startswith("deployment.apps/web\nreplicaset.apps/web-")
    assert old.out("get", "pods", "--no-headers").split()[1:3] == ["1/1", "Running"]


def _describes(space: Any, old: Any) -> None:
    assert "RollingUpdateStrategy:" in old.out("describe", "deployment", "web")
    assert "QoS Class:" in old.out("describe", "pods")


def _applies(space: Any, old: Any) -> None:
    assert old.out("apply", "-f", "-", stdin=config_map("one")) == "configmap/one created"
    assert old.out("apply", "-f", "-", stdin=config_map("one", {"a": "b"})) == "configmap/one configured"
    server = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    assert old.out(*server, stdin=config_map("one", {"a": "c"})) == "configmap/one serverside-applied"
    assert old.out("apply", "--dry-run=server", "-f", "-", stdin=config_map("two")).endswith("(server dry run)")


def _patches(space: Any, old: Any) -> None:
    change = '{"spec":{"template":{"metadata":{"annotations":{"a":"b"}}}}}'
    assert old.out("patch", "deployment", "web", "-p", change) == "deployment.apps/web patched"
    assert old.out("set", "env", "deployment/web", "POOL=5") == "deployment.apps/web env updated"
    assert old.out("label", "deployment", "web", "tier=front") == "deployment.apps/web labeled"
    space.rolled_out("web")


def _rolls(space: Any, old: Any) -> None:
    assert old.out("rollout", "restart", "deployment/web") == "deployment.apps/web restarted"
    assert old.out("rollout", "status", "deployment/web", "--timeout=30s").endswith("successfully rolled out")
    assert old.out("rollout", "history", "deployment/web").split()[-4:] == ["1", "<none>", "2", "<none>"]
    assert old.out("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back"
    space.rolled_out("web")


def _scales(space: Any, old: Any) -> None:
    assert old.out("scale", "deployment/web", "--replicas=2") == "deployment.apps/web scaled"
    done = old.out("wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    assert done == "deployment.apps/web condition met"


def _logs(space: Any, old: Any) -> None:
    name = space.pods("web")[0]["metadata"]["name"]
    assert eventually(lambda: old.out("logs", name)) == "hello"
    assert old.out("logs", "-l", "app=web", "--tail=1", "--timestamps").endswith("hello")
    assert "not found" in old.refused("logs", name, "--previous")


def _deletes(space: Any, old: Any) -> None:
    name = space.pods("web")[0]["metadata"]["name"]
    assert old.out("delete", "pod", name) == f'pod "{name}" deleted'
    assert old.out("delete", "deployment", "web") == 'deployment.apps "web" deleted'


def _asks(space: Any, old: Any) -> None:
    assert old.out("auth", "can-i", "delete", "pods") == "yes"
    assert "Server Version" in old.out("version")
    assert "deployments" in old.out("api-resources")
    assert 'deployments.apps "gone" not found' in old.refused("get", "deployment", "gone")


def _tops(space: Any, old: Any) -> None:
    assert eventually(lambda: _top(old("top", "pod"), 2))[0] == ["NAME", "CPU(cores)", "MEMORY(bytes)"]


@pytest.mark.parametrize(
    "use", [_reads, _describes, _applies, _patches, _rolls, _scales, _logs, _deletes, _asks, _tops]
)
def test_kubectl_of_debian(space: Any, old: Any, use: Callable[[Any, Any], None]) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1, container("echo hello; exec sleep 1000")))
    space.rolled_out("web")
    use(space, old)
