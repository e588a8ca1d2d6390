# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_restore deletes what an incident created, and gives back what it changed; else it touches nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modules.k8s_support import (
    CORE,
    Api,
    Asked,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    lab_cluster,
    refusal,
    run_module,
)
from modules.test_k8s_apply import apply, config_map, deployment, names, text

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_restore import SPEC

__all__ = ["api", "cluster", "lab_cluster"]

INCIDENT = "pool-exhaustion-20261123T214012Z-3f9a"
CREATED_FOR = "incidents.brandconnect/created-for"


def objects(done: dict[str, Any]) -> list[dict[str, Any]]:
    """What the option is after an apply."""
    versions = {"ConfigMap": "v1", "Deployment": "apps/v1"}
    found = []
    for entry in reversed(done["results"]):
        label = f"{entry['kind']}/{entry['name']}"
        identity = {"api_version": versions[entry["kind"]], "kind": entry["kind"], "name": entry["name"]}
        states = {"previous": done["before"][label], "left": done["after"][label]}
        found.append({**identity, "uid": entry["uid"], "expected": entry["fingerprint"], **states})
    return found


def restore(
    cluster: KubernetesCluster, wanted: list[dict[str, Any]], *, check_mode: bool = False, **given: Any
) -> dict[str, Any]:
    options = cluster.options(objects=wanted, **{"incident": INCIDENT, "wait_s": 20, **given})
    return run_module(SPEC, options, check_mode=check_mode)


def results(result: dict[str, Any]) -> dict[str, str]:
    return {f"{entry['kind']}/{entry['name']}": entry["result"] for entry in result["results"]}


def test_what_was_created_is_deleted_and_a_second_run_has_nothing_to_do(cluster: KubernetesCluster) -> None:
    other = config_map("other", a="1")
    cluster.apply([other])
    done = apply(cluster, text(config_map(size="10"), deployment()), incident=INCIDENT)
    assert done["status"] == "done", done
    item = cluster.json("get", "configmap", "pgbouncer")
    assert item["metadata"]["annotations"][CREATED_FOR] == INCIDENT
    planned = restore(cluster, objects(done), check_mode=True)
    assert (planned["status"], planned["changed"]) == ("planned", True), planned
    assert results(planned) == {"ConfigMap/pgbouncer": "would_change", "Deployment/pooler": "would_change"}
    assert names(cluster, "configmaps") == {"pgbouncer", "other"}
    gone = restore(cluster, objects(done))
    assert (gone["status"], gone["changed"]) == ("done", True), gone
    assert results(gone) == {"ConfigMap/pgbouncer": "deleted", "Deployment/pooler": "deleted"}
    assert names(cluster, "configmaps") == {"other"}
    assert names(cluster, "deployments") == set()
    again = restore(cluster, objects(done))
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "no_change", False)


def test_an_earlier_content_comes_back_whole(cluster: KubernetesCluster) -> None:
    apply(cluster, text(config_map(size="10", mode="transaction"), deployment()))
    before = {kind: cluster.json("get", kind, name) for kind, name in NAMES.items()}
    changed = apply(cluster, text(config_map(size="14", extra="1"), deployment(replicas=2)), incident=INCIDENT)
    assert changed["status"] == "done", changed
    assert CREATED_FOR not in json.dumps(cluster.json("get", "configmap", "pgbouncer")), "it did not create it"
    back = restore(cluster, objects(changed))
    assert back["status"] == "done", back
    assert results(back) == {"ConfigMap/pgbouncer": "replaced", "Deployment/pooler": "replaced"}
    for kind, item in before.items():
        now = cluster.json("get", kind, NAMES[kind])
        parts = ("data", "spec") if kind == "deployment" else ("data",)
        assert [now.get(part) for part in parts] == [item.get(part) for part in parts]
        assert now["metadata"].get("labels") == item["metadata"].get("labels")
    assert restore(cluster, objects(changed))["status"] == "nothing_to_do", "it is not recognised as before"


NAMES = {"configmap": "pgbouncer", "deployment": "pooler"}


def test_one_object_that_moved_on_keeps_all_of_them(cluster: KubernetesCluster) -> None:
    done = apply(cluster, text(config_map(size="10"), config_map("second", a="1")), incident=INCIDENT)
    cluster.kubectl("patch", "configmap", "pgbouncer", "--type=merge", "--patch", '{"data": {"size": "11"}}')
    refused = restore(cluster, objects(done))
    assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "moved_on", False)
    assert refused["reason"] == "ConfigMap/pgbouncer was changed meanwhile"
    entry = next(entry for entry in refused["results"] if entry["name"] == "pgbouncer")
    assert entry["differences"] == [{"path": ".data.size", "old": "10", "new": "11"}]
    assert names(cluster, "configmaps") == {"pgbouncer", "second"}


@pytest.mark.parametrize(
    ("incident", "marked"),
    [("another-20261123T214012Z-3f9a", INCIDENT), (INCIDENT, None)],
)
def test_what_the_incident_did_not_create_is_not_deleted(
    cluster: KubernetesCluster, incident: str, marked: str | None
) -> None:
    done = apply(cluster, config_map(size="10"), incident=marked)
    refused = restore(cluster, objects(done), incident=incident)
    assert (refused["status"], refused["refusal"]) == ("refused", "moved_on")
    assert "does not show that this incident created it" in refused["reason"]
    assert names(cluster, "configmaps") == {"pgbouncer"}


def test_a_mark_that_somebody_copied_is_not_enough(cluster: KubernetesCluster) -> None:
    theirs = config_map(size="10")
    theirs["metadata"]["annotations"] = {CREATED_FOR: INCIDENT}
    cluster.apply([theirs])
    identity = {"api_version": "v1", "kind": "ConfigMap", "name": "pgbouncer"}
    wanted = [{**identity, "uid": None, "expected": None, "previous": None, "left": None}]
    refused = restore(cluster, wanted)
    assert (refused["status"], names(cluster, "configmaps")) == ("refused", {"pgbouncer"})


def test_the_mark_stays_with_whoever_created_the_object(cluster: KubernetesCluster) -> None:
    apply(cluster, config_map(size="10"), incident=INCIDENT)
    same = apply(cluster, config_map(size="10"), incident="another-20261123T214012Z-3f9a")
    assert same["status"] == "nothing_to_do"
    apply(cluster, config_map(size="11"), incident="another-20261123T214012Z-3f9a")
    item = cluster.json("get", "configmap", "pgbouncer")
    assert item["metadata"]["annotations"][CREATED_FOR] == INCIDENT


def test_the_plan_is_the_same_for_every_incident(cluster: KubernetesCluster) -> None:
    plans = [apply(cluster, config_map(size="10"), incident=name, check_mode=True) for name in ("i1", "i2", None)]
    assert plans[0]["targets"] == plans[1]["targets"] == plans[2]["targets"]


# what a healthy cluster does not do on demand

PATH = f"{CORE}/configmaps/a"
ITEM = {
    **config_map("a", x="1"),
    "metadata": {
        "name": "a",
        "uid": "u1",
        "resourceVersion": "7",
        "annotations": {CREATED_FOR: INCIDENT},
        "managedFields": [{"manager": "incident-runbooks", "operation": "Apply"}],
    },
}
WANTED = {
    "api_version": "v1",
    "kind": "ConfigMap",
    "name": "a",
    "uid": "u1",
    "expected": None,
    "previous": None,
    "left": None,
}


class Server:
    """A server with one ConfigMap, whose deletions a test answers."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.item: Any = dict(ITEM)
        self.deletions: list[Reply] = []
        api.answers["/api/v1"] = {"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}]}
        api.answers[PATH] = self.answer

    def answer(self, asked: Asked) -> Any:
        if asked.method == "GET":
            return self.item or refusal(404, "NotFound")
        if self.deletions:
            return self.deletions.pop(0)
        self.item = None
        return {"kind": "Status", "status": "Success"}

    def restore(self, **given: Any) -> dict[str, Any]:
        options = {"objects": [WANTED], "incident": INCIDENT, "wait_s": 2, **given}
        return run_module(SPEC, self.api.options(**options))


@pytest.fixture
def server(api: Api) -> Server:
    return Server(api)


def test_exactly_the_version_that_was_looked_at_is_deleted(server: Server) -> None:
    assert server.restore()["status"] == "done"
    (deletion,) = [asked for asked in server.api.asked if asked.method == "DELETE"]
    body = json.loads(deletion.body)
    assert body["preconditions"] == {"uid": "u1", "resourceVersion": "7"}
    assert body["propagationPolicy"] == "Background"


def test_a_status_that_was_written_meanwhile_is_no_reason_to_give_up(server: Server) -> None:
    server.deletions = [refusal(409, "Conflict", "the resourceVersion does not match")]
    assert server.restore()["status"] == "done"


def test_somebody_who_was_faster_is_a_refusal(server: Server) -> None:
    server.deletions = [refusal(409, "Conflict", "the resourceVersion does not match")] * 9
    result = server.restore()
    assert (result["status"], result["refusal"], result["changed"]) == ("refused", "changed_meanwhile", False)
    assert "failed" not in result


def test_without_an_answer_it_is_not_known(server: Server) -> None:
    server.deletions = [Reply(200, {}, delay_s=5)]
    result = server.restore(request_timeout=1)
    assert (result["failed"], result["changed"], results(result)) == (True, True, {"ConfigMap/a": "unknown"})


def test_a_missing_permission_names_verb_and_role(server: Server) -> None:
    server.deletions = [refusal(403, "Forbidden")]
    result = server.restore(rbac_role="pool-exhaustion-pgbouncer")
    assert (result["failed"], result["changed"], result["status"]) == (True, False, "failed")
    assert "delete on configmaps" in result["msg"]
    assert "deploy/rbac/pool-exhaustion-pgbouncer.yml" in result["msg"]


def test_what_is_not_gone_in_time_is_partial(server: Server) -> None:
    server.deletions = [Reply(200, {"kind": "Status", "status": "Success"})]  # a finalizer keeps it
    result = server.restore()
    assert (result["status"], result["changed"]) == ("partial", True)
    assert "ConfigMap/a is not gone yet" in result["reason"]


def test_nothing_is_nothing_to_do(api: Api) -> None:
    result = run_module(SPEC, api.options(objects=[], incident=INCIDENT))
    assert (result["status"], api.asked) == ("nothing_to_do", [])
    strange = run_module(SPEC, api.options(objects=[], incident=INCIDENT, wait_s=-1))
    assert "wait_s" in strange["msg"]
