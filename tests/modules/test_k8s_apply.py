# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_apply against a cluster that checks, merges and keeps field managers, and against one that fails on demand."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from modules.k8s_support import (
    CORE,
    Api,
    Asked,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    refusal,
    run_module,
)

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_apply import SPEC

__all__ = ["api", "cluster"]

RUNS = ["sleep", "100000"]
MANAGER = "incident-runbooks"


def config_map(name: str = "pgbouncer", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(command: list[str] | None = None, replicas: int = 1) -> dict[str, Any]:
    container = {"name": "app", "image": "registry.example.com/app:1", "command": command or RUNS}
    template = {
        "metadata": {"labels": {"app": "pooler"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "pooler"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "pooler"}}, "template": template},
    }


def text(*documents: dict[str, Any]) -> str:
    return yaml.safe_dump_all(documents)


def apply(cluster: KubernetesCluster, manifest: Any, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    return run_module(SPEC, cluster.options(manifest=manifest, **{"wait_s": 20, **given}), check_mode=check_mode)


def names(cluster: KubernetesCluster, kind: str) -> set[str]:
    return {item["metadata"]["name"] for item in cluster.json("get", kind)["items"]} - {"kube-root-ca.crt"}


def results(result: dict[str, Any]) -> dict[str, str]:
    return {f"{entry['kind']}/{entry['name']}": entry["result"] for entry in result["results"]}


def test_the_server_tries_all_of_it_and_check_mode_changes_nothing(cluster: KubernetesCluster) -> None:
    manifest = text(config_map(size="10"), deployment())
    planned = apply(cluster, manifest, check_mode=True)
    assert (planned["status"], planned["changed"]) == ("planned", True)
    assert results(planned) == {"ConfigMap/pgbouncer": "would_apply", "Deployment/pooler": "would_apply"}
    assert planned["before"] == {"ConfigMap/pgbouncer": None, "Deployment/pooler": None}
    assert planned["after"]["Deployment/pooler"]["spec"]["revisionHistoryLimit"] == 10, "no default of the server"
    assert planned["targets"] == apply(cluster, manifest, check_mode=True)["targets"]
    assert names(cluster, "configmaps") | names(cluster, "deployments") == set()


def test_apply_rolls_out_and_a_second_run_has_nothing_to_do(cluster: KubernetesCluster) -> None:
    manifest = text(config_map(size="10"), deployment())
    planned = apply(cluster, manifest, check_mode=True)
    done = apply(cluster, manifest, targets=planned["targets"])
    assert (done["status"], done["changed"]) == ("done", True), done
    assert results(done) == {"ConfigMap/pgbouncer": "applied", "Deployment/pooler": "applied"}
    assert "1 replicas are updated and available" in done["reason"]
    item = cluster.json("get", "deployment", "pooler", "--show-managed-fields")
    assert item["status"]["availableReplicas"] == 1
    entries = [entry for entry in item["metadata"]["managedFields"] if entry["manager"] == MANAGER]
    assert [entry["operation"] for entry in entries] == ["Apply"]
    again = apply(cluster, manifest)
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "no_change", False)


def test_changes_name_each_field(cluster: KubernetesCluster) -> None:
    apply(cluster, config_map(size="10", mode="transaction"))
    changed = apply(cluster, config_map(size="14"))
    (entry,) = changed["results"]
    assert entry["operation"] == "update"
    assert entry["changes"] == [
        {"path": ".data.mode", "old": "transaction", "new": None},
        {"path": ".data.size", "old": "10", "new": "14"},
    ]
    assert changed["before"]["ConfigMap/pgbouncer"]["data"] == {"size": "10", "mode": "transaction"}
    assert cluster.json("get", "configmap", "pgbouncer")["data"] == {"size": "14"}


def test_fields_of_another_manager_are_not_taken_unless_forced(cluster: KubernetesCluster) -> None:
    other = json.dumps(config_map(size="10"))
    cluster.kubectl("apply", "--server-side", "--field-manager=helm", "-f", "-", stdin=other)
    refused = apply(cluster, text(config_map("first", a="1"), config_map(size="14")))
    assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "field_conflict", False)
    assert "helm manages .data.size" in refused["reason"]
    conflicts = {entry["name"]: entry["conflicts"] for entry in refused["results"]}
    assert conflicts == {"first": [], "pgbouncer": [{"manager": "helm", "fields": [".data.size"]}]}
    assert names(cluster, "configmaps") == {"pgbouncer"}, "something was applied although not all could be"
    forced = apply(cluster, config_map(size="14"), force=True)
    assert forced["status"] == "done"
    assert any("by force" in caveat for caveat in forced["caveats"])
    assert cluster.json("get", "configmap", "pgbouncer")["data"] == {"size": "14"}


def test_what_changed_since_the_plan_is_refused(cluster: KubernetesCluster) -> None:
    apply(cluster, config_map(size="10"))
    planned = apply(cluster, config_map(size="14"), check_mode=True)
    cluster.kubectl("patch", "configmap", "pgbouncer", "--type=merge", "--patch", '{"data": {"other": "1"}}')
    refused = apply(cluster, config_map(size="14"), targets=planned["targets"])
    assert (refused["status"], refused["refusal"]) == ("refused", "plan_changed")
    assert refused["results"][0]["result"] == "not_attempted"
    assert cluster.json("get", "configmap", "pgbouncer")["data"]["size"] == "10"


def test_a_manifest_that_the_server_rejects_is_refused_with_its_words(cluster: KubernetesCluster) -> None:
    broken = deployment()
    del broken["spec"]["selector"]
    refused = apply(cluster, text(config_map(size="10"), broken))
    assert (refused["status"], refused["refusal"]) == ("refused", "rejected")
    assert "selector" in refused["reason"]
    assert names(cluster, "configmaps") == set()


def test_a_rollout_that_does_not_end_is_partial(cluster: KubernetesCluster) -> None:
    result = apply(cluster, deployment(["sh", "-c", "exit 1"]), wait_s=2)
    assert (result["status"], result["changed"]) == ("partial", True)
    assert results(result) == {"Deployment/pooler": "not_finished"}
    assert "is not rolled out" in result["reason"]


@pytest.mark.parametrize(
    ("manifest", "word"),
    [
        ("", "empty_manifest"),
        ("---\n---\n", "empty_manifest"),
        (
            text({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a": "b"}}),
            "secret_in_manifest",
        ),
        ([{**config_map(), "metadata": {"name": "x", "namespace": "kube-system"}}], "other_namespace"),
        ([config_map(), config_map()], "duplicate_object"),
        ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}, "cluster_scoped"),
        ({"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "x"}}, "unknown_kind"),
        ({"apiVersion": "nonsense.example.com/v1", "kind": "X", "metadata": {"name": "x"}}, "unknown_kind"),
    ],
)
def test_what_is_not_applied_at_all(cluster: KubernetesCluster, manifest: Any, word: str) -> None:
    refused = apply(cluster, manifest)
    assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", word, False)


@pytest.mark.parametrize("manifest", ["a: b: c: hunter2", "just text hunter2", [5], "kind: ConfigMap"])
def test_what_is_no_manifest(api: Api, manifest: Any) -> None:
    result = run_module(SPEC, api.options(manifest=manifest))
    assert result["failed"] is True
    assert result["msg"].startswith("Reading the manifest: ")
    assert "hunter2" not in result["msg"]
    assert api.asked == []


# what a healthy cluster does not do on demand

PATH = f"{CORE}/configmaps"


@pytest.fixture
def served(api: Api) -> Api:
    api.answers["/api/v1"] = {"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}]}
    return api


def answer(api: Api, name: str, applied: Reply | None = None) -> None:
    """The object does not exist; its dry run works, applying it gives *applied*."""

    def respond(asked: Asked) -> Any:
        if asked.method == "GET":
            return refusal(404, "NotFound", "not found")
        return json.loads(asked.body) if applied is None or "dryRun" in asked.query else applied

    api.answers[f"{PATH}/{name}"] = respond


def test_applying_is_server_side_and_tried_first(served: Api) -> None:
    answer(served, "a")
    assert run_module(SPEC, served.options(manifest=config_map("a", x="1")))["status"] == "done"
    patches = [asked for asked in served.asked if asked.method == "PATCH"]
    assert [asked.query.get("dryRun") for asked in patches] == [["All"], None]
    for asked in patches:
        assert asked.headers["Content-Type"] == "application/apply-patch+yaml"
        assert (asked.query["fieldManager"], asked.query["force"]) == ([MANAGER], ["false"])
        assert json.loads(asked.body)["metadata"] == {"name": "a", "namespace": "shop"}


def test_a_failure_in_the_middle_says_what_was_done(served: Api) -> None:
    answer(served, "a")
    answer(served, "b", refusal(500, "InternalError"))
    answer(served, "c")
    manifest = [config_map(name, x="1") for name in "abc"]
    result = run_module(SPEC, served.options(manifest=manifest))
    assert (result["failed"], result["changed"], result["status"]) == (True, True, "partial")
    assert results(result) == {
        "ConfigMap/a": "applied",
        "ConfigMap/b": "rejected",
        "ConfigMap/c": "not_attempted",
    }


def test_without_an_answer_it_is_not_known(served: Api) -> None:
    answer(served, "a", Reply(200, config_map("a"), delay_s=5))
    result = run_module(SPEC, served.options(manifest=config_map("a", x="1"), request_timeout=1))
    assert (result["failed"], result["changed"]) == (True, True)
    assert results(result) == {"ConfigMap/a": "unknown"}


def test_a_missing_permission_is_no_refusal(served: Api) -> None:
    served.answers[f"{PATH}/a"] = refusal(403, "Forbidden")
    result = run_module(SPEC, served.options(manifest=config_map("a"), rbac_role="pool-exhaustion-remediate"))
    assert (result["failed"], result["status"], result["changed"]) == (True, "failed", False)
    assert result["denied"][0]["resource"] == "configmaps"
    assert "deploy/rbac/pool-exhaustion-remediate.yml" in result["msg"]
