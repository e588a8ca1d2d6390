# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods: which are the workload's own, which are ready, and what their containers have been through."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import (
    container_names,
    owned,
    pod_facts,
    restarted_containers,
    selector_text,
)

WORKLOAD = {"metadata": {"name": "backend", "uid": "d"}}


def reference(kind: str, name: str, uid: str) -> dict[str, Any]:
    return {"kind": kind, "name": name, "uid": uid, "controller": True}


def pod(name: str, *owners: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "ownerReferences": list(owners)}, "spec": {}, "status": status}


MINE = reference("ReplicaSet", "backend-6f9c", "r1")
OTHER = reference("ReplicaSet", "backend-canary-77aa", "r9")
PODS = [
    pod("mine", MINE),
    pod("direct", reference("StatefulSet", "backend", "d")),
    pod("others", OTHER),
    pod("nobodys"),
    pod("held", {"kind": "Thing", "name": "backend", "uid": "d"}),  # owned, but not controlled
]


def test_the_controller_decides_whose_a_pod_is() -> None:
    sets = [
        {"metadata": {"uid": "r1", "ownerReferences": [reference("Deployment", "backend", "d")]}},
        {"metadata": {"uid": "r9", "ownerReferences": [reference("Deployment", "backend-canary", "e")]}},
    ]
    mine, strays = owned(PODS, WORKLOAD, sets)
    assert [item["metadata"]["name"] for item in mine] == ["mine", "direct"]
    assert [item["metadata"]["name"] for item in strays] == ["others", "nobodys", "held"]


def test_without_the_replica_sets_their_names_decide() -> None:
    mine, strays = owned(PODS, WORKLOAD, None)
    assert [item["metadata"]["name"] for item in mine] == ["mine", "direct"]
    assert "others" in [item["metadata"]["name"] for item in strays]


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"app": "backend", "tier": "web"}}, "app=backend,tier=web"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]}, "a in (x,y)"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}, "a notin (x)"),
        (
            {
                "matchLabels": {"app": "b"},
                "matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "z", "operator": "DoesNotExist"}],
            },
            "app=b,a,!z",
        ),
    ],
)
def test_selectors(selector: dict[str, Any], text: str) -> None:
    assert selector_text(selector) == text


@pytest.mark.parametrize("selector", [None, {}, {"matchLabels": {}}, {"matchExpressions": [{"key": "a"}]}])
def test_a_selector_that_would_select_everything_is_refused(selector: dict[str, Any] | None) -> None:
    with pytest.raises(ValueError, match=r"selector|operator"):
        selector_text(selector)


def test_a_crash_loop_is_told_with_its_last_end() -> None:
    facts = pod_facts(
        {
            "metadata": {"name": "p", "uid": "u", "ownerReferences": [MINE]},
            "spec": {
                "nodeName": "n1",
                "initContainers": [{"name": "migrate"}, {"name": "proxy", "restartPolicy": "Always"}],
                "containers": [{"name": "backend", "image": "backend:1"}],
            },
            "status": {
                "phase": "Running",
                "startTime": "2026-11-24T15:00:00Z",
                "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
                "initContainerStatuses": [
                    {"name": "migrate", "state": {"terminated": {"exitCode": 0}}},
                    {"name": "proxy", "ready": True, "restartCount": 1, "state": {"running": {}}},
                ],
                "containerStatuses": [
                    {
                        "name": "backend",
                        "imageID": "registry/backend@sha256:4f",
                        "restartCount": 4,
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {
                            "terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-24T15:20:00Z"}
                        },
                    }
                ],
            },
        }
    )
    assert facts["reason"] == "CrashLoopBackOff"
    assert (facts["ready"], facts["restarts"], facts["owner"]) == (False, 5, "ReplicaSet/backend-6f9c")
    assert [(item["name"], item["init"]) for item in facts["containers"]] == [("proxy", True), ("backend", False)]
    assert facts["containers"][1]["image_id"] == "registry/backend@sha256:4f"
    assert facts["containers"][1]["last_termination"] == {
        "reason": "OOMKilled",
        "exit_code": 137,
        "signal": None,
        "finished_at": "2026-11-24T15:20:00Z",
    }


def test_a_container_that_ended_now_tells_its_end_too() -> None:
    status = {"name": "c", "state": {"terminated": {"exitCode": 1, "reason": "Error", "signal": 9}}}
    facts = pod_facts(
        {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}, "status": {"containerStatuses": [status]}}
    )
    assert facts["containers"][0]["last_termination"]["exit_code"] == 1
    assert facts["containers"][0]["last_termination"]["signal"] == 9


READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def test_a_pod_that_is_being_deleted_is_not_ready() -> None:
    here = {"metadata": {"name": "p"}, "spec": {}, "status": READY}
    leaving = {"metadata": {"name": "p", "deletionTimestamp": "2026-11-24T15:00:00Z"}, "spec": {}, "status": READY}
    assert pod_facts(here)["ready"] is True
    assert (pod_facts(leaving)["ready"], pod_facts(leaving)["deleting"]) == (False, True)


def test_a_pod_without_a_node_tells_why() -> None:
    facts = pod_facts(pod("p", conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]))
    assert facts["reason"] == "Unschedulable"
    assert pod_facts(pod("p", reason="Evicted"))["reason"] == "Evicted"


def test_logs_exist_of_every_container_and_before_every_restart() -> None:
    here = {
        "spec": {"initContainers": [{"name": "a"}], "containers": [{"name": "b"}, {"name": "c"}]},
        "status": {
            "initContainerStatuses": [{"name": "a", "restartCount": 2}],
            "containerStatuses": [{"name": "b", "restartCount": 0}, {"name": "c", "restartCount": 1}],
        },
    }
    assert container_names(here) == ["a", "b", "c"]
    assert restarted_containers(here) == {"a", "c"}
