# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads: counts, strategies, autoscalers, who deploys them, and how many pods there may be."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import (
    autoscaler_of,
    budget,
    managed_by,
    revision_change,
    revision_created_at,
    workload_facts,
)


def deployment(replicas: int | None = 4, **strategy: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"strategy": strategy, "template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"metadata": {"name": "backend"}, "spec": spec, "status": {}}


def rolling(surge: Any, unavailable: Any = 0) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


@pytest.mark.parametrize(
    ("kind", "workload", "surge"),
    [
        ("Deployment", deployment(4, **rolling("25%")), 1),
        ("Deployment", deployment(5, **rolling("25%")), 2),  # percentages of a surge round up
        ("Deployment", deployment(2, **rolling(3)), 3),
        ("Deployment", deployment(2, **rolling("0%")), 0),
        ("Deployment", deployment(2), 1),  # the API's default is 25%
        ("Deployment", deployment(None), 1),  # one replica unless said
        ("Deployment", deployment(4, type="Recreate"), 0),
        ("StatefulSet", {"spec": {"replicas": 3}}, 0),
        ("DaemonSet", {"status": {"desiredNumberScheduled": 3}}, 0),
        (
            "DaemonSet",
            {
                "spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": "50%"}}},
                "status": {"desiredNumberScheduled": 3},
            },
            2,
        ),
    ],
)
def test_surge(kind: str, workload: dict[str, Any], surge: int) -> None:
    assert workload_facts(kind, workload)["surge_pods"] == surge


def hpa(name: str = "backend", kind: str = "Deployment", **spec: Any) -> dict[str, Any]:
    target = {"kind": kind, "name": name, "apiVersion": "apps/v1"}
    return {"metadata": {"name": f"{name}-hpa"}, "spec": {"scaleTargetRef": target, "maxReplicas": 10, **spec}}


def test_the_autoscaler_of_the_workload_and_no_other() -> None:
    others = [hpa("other"), hpa("backend", "StatefulSet")]
    assert autoscaler_of("Deployment", "backend", others) is None
    found = autoscaler_of("Deployment", "backend", [*others, hpa(minReplicas=2)])
    assert found is not None
    assert (found["name"], found["min"], found["max"]) == ("backend-hpa", 2, 10)
    default = autoscaler_of("Deployment", "backend", [hpa()])
    assert default is not None
    assert default["min"] == 1


@pytest.mark.parametrize(
    ("workload", "most", "expected"),
    [
        (deployment(2, **rolling("25%")), None, {"replicas": 2, "surge": 1, "max_replicas": 2, "pods_at_most": 3}),
        # the surge counts at the autoscaler's maximum, not at today's replicas
        (deployment(2, **rolling("25%")), 10, {"replicas": 2, "surge": 3, "max_replicas": 10, "pods_at_most": 13}),
        # someone scaled by hand beyond the autoscaler
        (deployment(12, **rolling(1)), 10, {"replicas": 12, "surge": 1, "max_replicas": 12, "pods_at_most": 13}),
        (deployment(4, type="Recreate"), 10, {"replicas": 4, "surge": 0, "max_replicas": 10, "pods_at_most": 10}),
    ],
)
def test_budget(workload: dict[str, Any], most: int | None, expected: dict[str, int]) -> None:
    assert budget("Deployment", workload, None if most is None else {"max": most}) == expected


@pytest.mark.parametrize(
    ("metadata", "tool"),
    [
        ({}, None),
        ({"labels": {"app": "x"}}, None),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
        ({"annotations": {"meta.helm.sh/release-name": "b"}}, "Helm"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x", "meta.helm.sh/release-name": "b"}}, "Argo CD"),
        (
            {"labels": {"helm.toolkit.fluxcd.io/name": "x", "app.kubernetes.io/managed-by": "Helm"}},
            "Flux",
        ),
        ({"managedFields": [{"manager": "kubectl-client-side-apply"}, {"manager": "argocd-controller"}]}, "Argo CD"),
        ({"managedFields": [{"manager": "kubectl"}]}, None),
    ],
)
def test_managed_by(metadata: dict[str, Any], tool: str | None) -> None:
    found = managed_by(metadata)
    assert (found["tool"] if found else None) == tool
    if found:
        assert found["evidence"]


def replica_set(revision: str, created: str, owner: str = "u") -> dict[str, Any]:
    owners = [{"kind": "Deployment", "uid": owner, "controller": True}]
    annotations = {"deployment.kubernetes.io/revision": revision}
    return {"metadata": {"creationTimestamp": created, "ownerReferences": owners, "annotations": annotations}}


@pytest.mark.parametrize(
    ("sets", "created"),
    [
        ([replica_set("6", "2026-11-01T00:00:00Z"), replica_set("7", "2026-11-24T15:00:00Z")], "2026-11-24T15:00:00Z"),
        ([replica_set("7", "2026-11-24T15:00:00Z", "another")], None),
        ([replica_set("6", "2026-11-24T15:00:00Z")], None),  # the controller has not made that of the revision yet
        ([{"metadata": {}}], None),
        ([], None),
        (None, None),
    ],
)
def test_a_revision_is_as_old_as_its_replica_set(sets: list[dict[str, Any]] | None, created: str | None) -> None:
    annotations = {"deployment.kubernetes.io/revision": "7"}
    assert revision_created_at({"metadata": {"uid": "u", "annotations": annotations}}, sets) == created
    assert revision_created_at({"metadata": {"uid": "u"}}, sets) is None


RESTARTED, MARK = "kubectl.kubernetes.io/restartedAt", "incidents.brandconnect/last-action"


def revision(number: int, image: str = "a:1", history: str | None = None, **annotations: str) -> dict[str, Any]:
    """A ReplicaSet with its pod template."""
    found = replica_set(str(number), "2026-11-24T15:00:00Z")
    if history:
        found["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = history
    names = {"restarted": RESTARTED, "mark": MARK}
    metadata = {
        "labels": {"app": "a", "pod-template-hash": f"hash{number}"},
        "annotations": {names.get(name, name): value for name, value in annotations.items()},
    }
    return {**found, "spec": {"template": {"metadata": metadata, "spec": {"containers": [{"image": image}]}}}}


@pytest.mark.parametrize(
    ("sets", "change"),
    [
        ([revision(6), revision(7, "a:2")], "rollout"),
        ([revision(6), revision(7, checksum="2")], "rollout"),  # as Helm rolls out another ConfigMap
        ([revision(6), revision(7, restarted="2026-11-24T15:00:00Z")], "restart"),
        ([revision(6), revision(7, restarted="2026-11-24T15:00:00Z", mark="i/restart")], "restart"),
        ([revision(6), revision(7, "a:2", restarted="2026-11-24T15:00:00Z")], "rollout"),
        ([revision(6), revision(7, "a:2", mark="i/set_env")], "remediation"),
        ([revision(6, mark="i/set_env"), revision(7, "a:2", mark="i/set_env")], "rollout"),  # it is inherited
        ([revision(6, mark="i/set_env"), revision(7, "a:2", mark="j/set_env")], "remediation"),
        ([revision(3, "a:2"), revision(5), revision(7, "a:2")], "rollout"),  # some are not kept
        ([revision(6, "a:2"), revision(7, history="5")], "undo"),
        ([revision(7, "a:2")], None),
        ([revision(6)], None),
        ([], None),
        (None, None),
    ],
)
def test_what_made_a_revision(sets: list[dict[str, Any]] | None, change: str | None) -> None:
    annotations = {"deployment.kubernetes.io/revision": "7"}
    assert revision_change({"metadata": {"uid": "u", "annotations": annotations}}, sets) == change
    assert revision_change({"metadata": {"uid": "u"}}, sets) is None


def test_facts_of_a_deployment() -> None:
    facts = workload_facts(
        "Deployment",
        {
            "metadata": {
                "name": "backend",
                "namespace": "shop",
                "uid": "u",
                "resourceVersion": "8",
                "generation": 3,
                "annotations": {"deployment.kubernetes.io/revision": "7", "incidents.brandconnect/last-action": "i1"},
            },
            "spec": {
                "replicas": 2,
                "paused": True,
                "template": {
                    "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-24T15:00:00Z"}},
                    "spec": {"containers": [{"name": "a", "image": "a:1"}]},
                },
            },
            "status": {
                "observedGeneration": 2,
                "updatedReplicas": 1,
                "readyReplicas": 2,
                "conditions": [{"type": "Available", "status": "True", "message": "m" * 999}],
            },
        },
    )
    assert (facts["resource_version"], facts["generation"], facts["observed_generation"]) == ("8", 3, 2)
    assert (facts["replicas"], facts["updated"], facts["ready"], facts["available"]) == (2, 1, 2, 0)
    assert (facts["revision"], facts["restarted_at"], facts["last_action"]) == ("7", "2026-11-24T15:00:00Z", "i1")
    assert facts["paused"] is True
    assert facts["images"] == [{"container": "a", "image": "a:1"}]
    assert len(facts["conditions"][0]["message"]) == 200
    assert facts["rollout"]["reason"] == "NotObserved"
