# SPDX-License-Identifier: GPL-3.0-or-later
"""Conformance: Deployments and StatefulSets roll, and kubectl says of it what it says of a real cluster's.

Sources: [deployment] kubernetes.io/docs/concepts/workloads/controllers/deployment; [statefulset] .../statefulset;
[rollout] kubectl/pkg/polymorphichelpers/rollout_status.go, rollback.go, history.go; [scale] kubectl/pkg/scale;
[eviction] kubernetes.io/docs/concepts/scheduling-eviction/api-eviction, pkg/registry/core/pod/storage/eviction.go;
[wait] kubectl/pkg/cmd/wait.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from support.conformance import MERGE, budget, container, deployment, eventually, pod, stateful_set, surge

Json = dict[str, Any]

DEPLOYMENTS = "apps/v1/deployments"
STATEFUL_SETS = "apps/v1/statefulsets"
REPLICA_SETS = "apps/v1/replicasets"
BUDGETS = "policy/v1/poddisruptionbudgets"
_PROBE = {"exec": {"command": ["test", "-e", "ready"]}, "periodSeconds": 1, "failureThreshold": 1}


def _variables(obj: Json) -> Json:
    (only,) = obj["spec"].get("template", obj)["spec"]["containers"]
    return {each["name"]: each.get("value") for each in only.get("env", ())}


def _condition(obj: Json, kind: str) -> Json:
    return next((each for each in obj["status"].get("conditions", ()) if each["type"] == kind), {})


# Deployments


def test_deployment_gets_replica_set_and_pods_with_hash_and_owner(space: Any) -> None:
    made = space.create(DEPLOYMENTS, deployment("web", 2))
    done = space.rolled_out("web")
    (replica_set,) = space.list(REPLICA_SETS)
    template_hash = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{template_hash}"
    assert replica_set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "web",
        "uid": made["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert replica_set["metadata"]["ownerReferences"] == [owner]
    for each in space.pods("web"):
        assert each["metadata"]["name"].startswith(f"web-{template_hash}-")
        assert each["metadata"]["labels"] == {"app": "web", "pod-template-hash": template_hash}
        assert each["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
    reasons = {kind: (_condition(done, kind)["status"], _condition(done, kind)["reason"])
               for kind in ("Available", "Progressing")}  # fmt: skip
    assert reasons == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


def test_rollout_status_tells_of_success(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 2))
    said = kubectl.out("rollout", "status", "deployment/web")
    assert said.splitlines()[-1] == 'deployment "web" successfully rolled out'
    row = kubectl.out("get", "deployment", "web", "--no-headers").split()
    assert row[:4] == ["web", "2/2", "2", "2"]


def test_rollout_restart_replaces_every_pod(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 2))
    space.rolled_out("web")
    before = {each["metadata"]["uid"] for each in space.pods("web")}
    assert kubectl.out("rollout", "restart", "deployment/web") == "deployment.apps/web restarted"
    annotations = space.get(DEPLOYMENTS, "web")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["kubectl.kubernetes.io/restartedAt"]
    assert kubectl("rollout", "status", "deployment/web", "--timeout=30s").returncode == 0
    after = {each["metadata"]["uid"] for each in space.pods("web")}
    assert len(after) == 2
    assert not before & after


def test_rolling_update_with_surge_keeps_every_replica_ready(space: Any) -> None:
    strategy = surge(1, 0)
    space.create(DEPLOYMENTS, deployment("web", 2, container(), strategy=strategy))
    space.rolled_out("web")
    most, least = _observe(space, "web")
    assert (most, least) == (3, 2)


def test_rolling_update_without_surge_never_has_more_pods_than_replicas(space: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 2, container(), strategy=surge(0, 1)))
    space.rolled_out("web")
    most, least = _observe(space, "web")
    assert (most, least) == (2, 1)


def _observe(space: Any, name: str) -> tuple[int, int]:
    """Restart a Deployment; return the most pods and the fewest ready ones at once, by a watch."""
    listed = space.api("GET", space.path("pods"), labelSelector=f"app={name}").ok()
    seen = {each["metadata"]["uid"]: each for each in listed["items"]}
    since = listed["metadata"]["resourceVersion"]
    change = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
    space.api("PATCH", space.path(DEPLOYMENTS, name), change, sent=MERGE).ok()
    space.rolled_out(name)
    answer = space.api("GET", space.path("pods"), watch="true", timeoutSeconds=1, resourceVersion=since)
    counts = []
    for line in answer.data.splitlines():
        event = json.loads(line)
        there = event["object"]
        if event["type"] == "DELETED" or there["metadata"].get("deletionTimestamp"):
            seen.pop(there["metadata"]["uid"], None)
        else:
            seen[there["metadata"]["uid"]] = there
        ready = [each for each in seen.values() if _condition(each, "Ready").get("status") == "True"]
        counts.append((len(seen), len(ready)))
    return max(total for total, _ in counts), min(ready for _, ready in counts)


def test_recreate_ends_the_old_pods_first(space: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 2, container(), strategy={"type": "Recreate"}))
    space.rolled_out("web")
    assert _observe(space, "web") == (2, 0)


def test_set_env_changes_the_template_and_lists_it(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1))
    space.rolled_out("web")
    assert kubectl.out("set", "env", "deployment/web", "POOL=20") == "deployment.apps/web env updated"
    space.rolled_out("web")
    assert _variables(space.get(DEPLOYMENTS, "web")) == {"POOL": "20"}
    assert _variables(space.pods("web")[0]) == {"POOL": "20"}
    listed = kubectl.out("set", "env", "deployment/web", "--list").splitlines()
    assert listed[0].endswith("web, container main")
    assert listed[1:] == ["POOL=20"]
    assert kubectl.out("set", "env", "deployment/web", "POOL-") == "deployment.apps/web env updated"
    assert _variables(space.get(DEPLOYMENTS, "web")) == {}


def test_set_image_rolls_to_the_new_image(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1))
    space.rolled_out("web")
    image = "registry.example/app:2"
    assert kubectl.out("set", "image", "deployment/web", f"main={image}") == "deployment.apps/web image updated"
    space.rolled_out("web")
    status = space.pods("web")[0]["status"]["containerStatuses"][0]
    assert status["image"] == image
    assert "@sha256:" in status["imageID"]


def test_rollout_history_undo_and_to_revision(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1))
    space.rolled_out("web")
    kubectl.out("set", "env", "deployment/web", "STEP=2")
    space.rolled_out("web")
    history = [line.split() for line in kubectl.out("rollout", "history", "deployment/web").splitlines() if line]
    assert history == [["deployment.apps/web"], ["REVISION", "CHANGE-CAUSE"], ["1", "<none>"], ["2", "<none>"]]
    assert "STEP:" in kubectl.out("rollout", "history", "deployment/web", "--revision=2")
    assert kubectl.out("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back"
    undone = space.rolled_out("web")
    assert _variables(undone) == {}
    assert undone["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    history = kubectl.out("rollout", "history", "deployment/web").split()
    assert history[-4:] == ["2", "<none>", "3", "<none>"], "revision 1 became 3"
    kubectl.out("rollout", "undo", "deployment/web", "--to-revision=2")
    assert _variables(space.rolled_out("web")) == {"STEP": "2"}
    said = kubectl.refused("rollout", "undo", "deployment/web", "--to-revision=9")
    assert said == "error: unable to find specified revision 9 in history"
    assert len(space.list(REPLICA_SETS)) == 2, "a template that comes back uses its old ReplicaSet"


def test_rollout_undo_to_the_present_template_is_skipped(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 0))
    eventually(lambda: space.list(REPLICA_SETS))
    said = kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    expected = "skipped rollback (current template already matches revision 1)"
    assert said.stdout.strip() == f"deployment.apps/web {expected}"


def test_old_replica_sets_beyond_the_limit_are_removed(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1, revisionHistoryLimit=1))
    for step in range(3):
        kubectl.out("set", "env", "deployment/web", f"STEP={step}")
        space.rolled_out("web")
    eventually(lambda: len(space.list(REPLICA_SETS)) == 2)


def test_scale_with_and_without_precondition(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1))
    assert kubectl.out("scale", "deployment/web", "--replicas=3") == "deployment.apps/web scaled"
    space.rolled_out("web")
    assert len(space.pods("web")) == 3
    said = kubectl.refused("scale", "deployment/web", "--current-replicas=7", "--replicas=1")
    assert said.lower() == "error: expected replicas to be 7, was 3"
    scale = space.get(DEPLOYMENTS, "web", "scale")
    assert (scale["spec"], scale["status"]["replicas"]) == ({"replicas": 3}, 3)
    kubectl.out("scale", "deployment/web", "--replicas=0")
    eventually(lambda: not space.list("pods"))


def test_scale_with_a_stale_version_is_a_conflict(space: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 0))
    scale = space.get(DEPLOYMENTS, "web", "scale")
    space.api("PATCH", space.path(DEPLOYMENTS, "web"), {"metadata": {"labels": {"a": "b"}}}, sent=MERGE).ok()
    scale["spec"]["replicas"] = 1
    answer = space.api("PUT", space.path(DEPLOYMENTS, "web", "scale"), scale)
    answer.refused(409, "Conflict")
    assert "the object has been modified" in answer.json["message"]


def test_pause_keeps_a_new_template_from_rolling_until_resume(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1))
    space.rolled_out("web")
    assert kubectl.out("rollout", "pause", "deployment/web") == "deployment.apps/web paused"
    said = kubectl.refused("rollout", "restart", "deployment/web")
    assert said.startswith('error: deployments.apps "web" can\'t restart paused deployment')
    kubectl.out("set", "env", "deployment/web", "STEP=1")
    seen = eventually(lambda: _observed(space.get(DEPLOYMENTS, "web")))
    assert _condition(seen, "Progressing")["reason"] == "DeploymentPaused"
    assert len(space.list(REPLICA_SETS)) == 1
    assert kubectl.out("rollout", "resume", "deployment/web") == "deployment.apps/web resumed"
    assert _variables(space.rolled_out("web")) == {"STEP": "1"}
    assert len(space.list(REPLICA_SETS)) == 2


def _observed(obj: Json) -> Json | None:
    return obj if obj["status"].get("observedGeneration") == obj["metadata"]["generation"] else None


def test_a_rollout_that_makes_no_progress_exceeds_its_deadline(space: Any, kubectl: Any) -> None:
    unready = container(readinessProbe=_PROBE)
    space.create(DEPLOYMENTS, deployment("web", 1, unready, progressDeadlineSeconds=1))
    said = kubectl.refused("rollout", "status", "deployment/web", "--timeout=30s")
    assert said == 'error: deployment "web" exceeded its progress deadline'
    stuck = space.get(DEPLOYMENTS, "web")
    progressing = _condition(stuck, "Progressing")
    (replica_set,) = space.list(REPLICA_SETS)
    assert (progressing["status"], progressing["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert progressing["message"] == f'ReplicaSet "{replica_set["metadata"]["name"]}" has timed out progressing.'
    assert _condition(stuck, "Available")["reason"] == "MinimumReplicasUnavailable"
    assert stuck["status"]["unavailableReplicas"] == 1


def test_a_rollout_that_gets_ready_late_succeeds(space: Any, kubectl: Any) -> None:
    late = container("sleep 0.5; touch ready; exec sleep 1000", readinessProbe=_PROBE)
    space.create(DEPLOYMENTS, deployment("web", 1, late))
    said = kubectl.out("rollout", "status", "deployment/web", "--timeout=30s").splitlines()
    waiting = 'Waiting for deployment "web" rollout to finish: 0 of 1 updated replicas are available...'
    assert said[-2:] == [waiting, 'deployment "web" successfully rolled out']


def test_a_deleted_pod_is_replaced_by_another(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1))
    space.rolled_out("web")
    (old,) = space.pods("web")
    name = old["metadata"]["name"]
    assert kubectl.out("delete", "pod", name) == f'pod "{name}" deleted'
    space.rolled_out("web")
    (new,) = space.pods("web")
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["metadata"]["name"] != name


# StatefulSets


def test_stateful_set_starts_its_pods_in_order(space: Any) -> None:
    since = space.api("GET", space.path("pods")).ok()["metadata"]["resourceVersion"]
    space.create(STATEFUL_SETS, stateful_set("db", 3))
    space.rolled_out("db", STATEFUL_SETS)
    assert _order(space, since) == [f"{what} db-{number}" for number in range(3) for what in ("created", "ready")]
    first = space.get("pods", "db-0")
    assert first["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] == "db-0"
    assert first["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "0"
    assert (first["spec"]["hostname"], first["spec"]["subdomain"]) == ("db-0", "db")


def _order(space: Any, since: str) -> list[str]:
    """Return what happened to pods since a version, in order."""
    answer = space.api("GET", space.path("pods"), watch="true", timeoutSeconds=1, resourceVersion=since)
    happened: list[str] = []
    ready = set()
    for line in answer.data.splitlines():
        event = json.loads(line)
        there = event["object"]
        name, uid = there["metadata"]["name"], there["metadata"]["uid"]
        if event["type"] == "ADDED":
            happened.append(f"created {name}")
        elif event["type"] == "DELETED":
            happened.append(f"deleted {name}")
        elif _condition(there, "Ready").get("status") == "True" and uid not in ready:
            ready.add(uid)
            happened.append(f"ready {name}")
    return happened


def test_stateful_set_restarts_one_pod_after_the_other_from_the_last(space: Any, kubectl: Any) -> None:
    space.create(STATEFUL_SETS, stateful_set("db", 2))
    space.rolled_out("db", STATEFUL_SETS)
    listed = space.api("GET", space.path("pods")).ok()
    before = {each["metadata"]["uid"] for each in listed["items"]}
    assert kubectl.out("rollout", "restart", "statefulset/db") == "statefulset.apps/db restarted"
    said = kubectl.out("rollout", "status", "statefulset/db", "--timeout=30s").splitlines()
    assert said[-1].startswith(("partitioned roll out complete: 2 new pods", "statefulset rolling update complete 2"))
    events = [each for each in _order(space, listed["metadata"]["resourceVersion"]) if "ready" not in each]
    assert events == ["deleted db-1", "created db-1", "deleted db-0", "created db-0"]
    assert not before & {each["metadata"]["uid"] for each in space.pods("db")}


def test_stateful_set_keeps_revisions_and_goes_back(space: Any, kubectl: Any) -> None:
    space.create(STATEFUL_SETS, stateful_set("db", 1))
    space.rolled_out("db", STATEFUL_SETS)
    assert kubectl.out("set", "env", "statefulset/db", "STEP=2") == "statefulset.apps/db env updated"
    done = space.rolled_out("db", STATEFUL_SETS)
    assert done["status"]["currentRevision"] == done["status"]["updateRevision"]
    assert (
        space.get("pods", "db-0")["metadata"]["labels"]["controller-revision-hash"]
        == (done["status"]["updateRevision"])
    )
    revisions = space.list("apps/v1/controllerrevisions")
    assert sorted(each["revision"] for each in revisions) == [1, 2]
    history = kubectl.out("rollout", "history", "statefulset/db").split()
    assert history == ["statefulset.apps/db", "REVISION", "CHANGE-CAUSE", "1", "<none>", "2", "<none>"]
    assert kubectl.out("rollout", "undo", "statefulset/db") == "statefulset.apps/db rolled back"
    assert _variables(space.rolled_out("db", STATEFUL_SETS)) == {}


def test_stateful_set_gives_a_deleted_pod_its_name_back(space: Any) -> None:
    space.create(STATEFUL_SETS, stateful_set("db", 1))
    space.rolled_out("db", STATEFUL_SETS)
    old = space.get("pods", "db-0")["metadata"]["uid"]
    space.api("DELETE", space.path("pods", "db-0")).ok()
    eventually(lambda: any(each["metadata"]["uid"] != old for each in space.pods("db")))
    assert space.ready("db-0")["metadata"]["uid"] != old


def test_stateful_set_refuses_a_change_of_what_is_fixed(space: Any) -> None:
    wanted = space.create(STATEFUL_SETS, stateful_set("db", 0))
    answer = space.api("PATCH", space.path(STATEFUL_SETS, "db"), {"spec": {"serviceName": "other"}}, sent=MERGE)
    details = answer.refused(422, "Invalid")
    assert wanted["spec"]["serviceName"] == "db"
    assert (details["causes"][0]["reason"], details["causes"][0]["field"]) == ("FieldValueForbidden", "spec")
    said = 'StatefulSet.apps "db" is invalid: spec: Forbidden: updates to statefulset spec for fields other than'
    assert answer.json["message"].startswith(said)


# Evictions


def _evict(space: Any, name: str, **query: Any) -> Any:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": space.name}}
    return space.api("POST", space.path("pods", name, "eviction"), body, **query)


def test_eviction_within_the_budget_succeeds_and_beyond_it_is_429(space: Any) -> None:
    space.create(BUDGETS, budget("web", 1))
    space.create(DEPLOYMENTS, deployment("web", 2, container(readinessProbe=_PROBE)))
    pods = eventually(lambda: [each for each in space.pods("web") if each["status"]["phase"] == "Running"][1:2])
    assert pods
    first, second = (each["metadata"]["name"] for each in space.pods("web"))
    # unready pods count for nothing: none is healthy, so none may go
    eventually(lambda: space.get(BUDGETS, "web")["status"].get("expectedPods") == 2)
    refused = _evict(space, first)
    details = refused.refused(
        429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget."
    )
    cause = {
        "reason": "DisruptionBudget",
        "message": "The disruption budget web needs 1 healthy pods and has 0 currently",
    }
    assert details["causes"] == [cause]
    assert second


def test_budget_status_counts_and_eviction_uses_it_up(space: Any, kubectl: Any) -> None:
    space.create(BUDGETS, budget("web", 2))
    space.create(DEPLOYMENTS, deployment("web", 3))
    space.rolled_out("web")
    status = eventually(lambda: _allowed(space.get(BUDGETS, "web")["status"], 1))
    assert (status["currentHealthy"], status["desiredHealthy"], status["expectedPods"]) == (3, 2, 3)
    row = kubectl.out("get", "pdb", "web", "--no-headers").split()
    assert row[:4] == ["web", "2", "N/A", "1"]
    names = [each["metadata"]["name"] for each in space.pods("web")]
    assert _evict(space, names[0], dryRun="All").status == 201
    done = _evict(space, names[0]).created()
    assert (done["kind"], done["status"]) == ("Status", "Success")
    eventually(lambda: names[0] not in {each["metadata"]["name"] for each in space.pods("web")})
    eventually(lambda: len(space.pods("web")) == 3)


def _allowed(status: Json, count: int) -> Json | None:
    return status if status.get("disruptionsAllowed") == count else None


def test_eviction_that_the_budget_forbids_is_shown_by_kubectl(space: Any, kubectl: Any) -> None:
    space.create(BUDGETS, budget("web", 1))
    space.create(DEPLOYMENTS, deployment("web", 1))
    space.rolled_out("web")
    eventually(lambda: space.get(BUDGETS, "web")["status"].get("currentHealthy") == 1)
    (only,) = space.pods("web")
    name = only["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": space.name}}
    said = kubectl.refused("create", "--raw", space.path("pods", name, "eviction"), "-f", "-", stdin=body)
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    assert said == f"Error from server (TooManyRequests): {message}"
    assert space.get("pods", name)["metadata"]["uid"] == only["metadata"]["uid"]


def test_drain_evicts_and_a_cordoned_node_takes_no_pods(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1))
    space.rolled_out("web")
    (old,) = space.pods("web")
    node = old["spec"]["nodeName"]
    try:
        said = kubectl.out("drain", node, f"--pod-selector=app=web,pod-template-hash={_hash(old)}", "--timeout=30s")
        assert f"pod/{old['metadata']['name']} evicted" in said
        new = eventually(lambda: _unscheduled(space))
        condition = _condition(new, "PodScheduled")
        assert (condition["status"], condition["reason"], new["status"]["phase"]) == (
            "False",
            "Unschedulable",
            "Pending",
        )
        assert "SchedulingDisabled" in kubectl.out("get", "node", node, "--no-headers").split()[1]
    finally:
        assert kubectl.out("uncordon", node) == f"node/{node} uncordoned"
    space.rolled_out("web")


def _hash(obj: Json) -> str:
    return str(obj["metadata"]["labels"]["pod-template-hash"])


def _unscheduled(space: Any) -> Json | None:
    found = [each for each in space.pods("web") if _condition(each, "PodScheduled").get("status") == "False"]
    return found[0] if found else None


# kubectl wait


def test_wait_for_conditions_deletion_and_fields(space: Any, kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1))
    done = kubectl.out("wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    assert done == "deployment.apps/web condition met"
    (only,) = space.pods("web")
    name = only["metadata"]["name"]
    assert kubectl.out("wait", "--for=condition=Ready", "pod", "-l", "app=web", "--timeout=30s") == (
        f"pod/{name} condition met"
    )
    threading.Timer(0.3, space.api, ("DELETE", space.path(DEPLOYMENTS, "web"))).start()
    gone = kubectl.out("wait", "--for=delete", f"pod/{name}", "--timeout=30s")
    assert gone in (f"pod/{name} condition met", "")


def test_wait_that_takes_too_long_fails(space: Any, kubectl: Any) -> None:
    space.create("pods", pod("one", container(readinessProbe=_PROBE)))
    said = kubectl.refused("wait", "--for=condition=Ready", "pod/one", "--timeout=1s")
    assert said == "error: timed out waiting for the condition on pods/one"


def test_wait_for_a_field(space: Any, current_kubectl: Any) -> None:
    space.create("pods", pod("one"))
    done = current_kubectl.out("wait", "--for=jsonpath={.status.phase}=Running", "pod/one", "--timeout=30s")
    assert done == "pod/one condition met"


@pytest.mark.parametrize("kind", ["deployment", "statefulset"])
def test_describe_of_a_workload_has_the_expected_sections(space: Any, kubectl: Any, kind: str) -> None:
    if kind == "deployment":
        space.create(DEPLOYMENTS, deployment("web", 1))
        space.rolled_out("web")
        expected = ("Name:", "Namespace:", "Selector:", "Replicas:", "StrategyType:", "RollingUpdateStrategy:",
                    "Pod Template:", "Conditions:", "OldReplicaSets:", "NewReplicaSet:", "Events:")  # fmt: skip
        event = "ScalingReplicaSet"
    else:
        space.create(STATEFUL_SETS, stateful_set("web", 1))
        space.rolled_out("web", STATEFUL_SETS)
        expected = ("Name:", "Namespace:", "Selector:", "Replicas:", "Update Strategy:", "Pods Status:",
                    "Pod Template:", "Volume Claims:", "Events:")  # fmt: skip
        event = "SuccessfulCreate"
    said = eventually(lambda: _with(kubectl.out("describe", kind, "web"), event))
    sections = [line for line in said.splitlines() if not line.startswith(" ")]
    assert [each for each in expected if not any(line.startswith(each) for line in sections)] == []


def _with(text: str, part: str) -> str | None:
    return text if part in text else None
