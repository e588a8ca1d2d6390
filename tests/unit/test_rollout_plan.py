# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout would patch, and why it is refused."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    Revision,
    Wish,
    World,
    describe,
    fingerprint,
    owned_revisions,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_plan import Plan, make_plan
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import NO_SURGE

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
RESTARTED = "kubectl.kubernetes.io/restartedAt"
MARK = "incidents.brandconnect/last-action"
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}


def template(restarted: str | None = None, image: str = "backend:1", mark: str | None = None) -> dict[str, Any]:
    annotations = {key: value for key, value in ((RESTARTED, restarted), (MARK, mark)) if value}
    env = [
        {"name": "TYPEORM_POOL_MAX", "value": "100"},
        {"name": "HOST", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "host"}}},
    ]
    containers = [{"name": "backend", "image": image, "env": env}]
    return {"metadata": {"labels": {"app": "backend"}, "annotations": annotations}, "spec": {"containers": containers}}


def workload(kind: str = "Deployment", **spec: Any) -> dict[str, Any]:
    metadata = {
        "name": "backend",
        "namespace": "shop",
        "uid": "u1",
        "resourceVersion": "41",
        "generation": 7,
        "annotations": {"deployment.kubernetes.io/revision": "3", "team": "core"},
    }
    key = "strategy" if kind == "Deployment" else "updateStrategy"
    usual = {"replicas": 4, "template": template(), key: ROLLING}
    status = {"replicas": 4, "updatedReplicas": 4, "readyReplicas": 4, "availableReplicas": 4}
    return {"kind": kind, "metadata": metadata, "spec": usual | spec, "status": status}


def world(item: dict[str, Any] | None = None, **facts: Any) -> World:
    return World(item or workload(), **facts)


def plan(wish: Wish, seen: World | None = None) -> Plan:
    return make_plan(seen or world(), wish, NOW)


def minutes_ago(minutes: float) -> str:
    return (NOW - dt.timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def test_restart_is_one_annotation_on_exactly_this_object() -> None:
    made = plan(Wish("restart", incident="inc-1"))
    assert (made.status, made.patch_kind) == ("planned", "strategic")
    assert made.patch == {
        "metadata": {"resourceVersion": "41", "annotations": {MARK: "inc-1/restart"}},
        "spec": {"template": {"metadata": {"annotations": {RESTARTED: "2026-11-23T12:00:00Z", MARK: "inc-1/restart"}}}},
    }


def test_env_is_merged_by_the_name_of_the_container() -> None:
    made = plan(Wish("set_env", env={"TYPEORM_POOL_MAX": "14"}))
    assert made.patch["spec"]["template"]["spec"] == {
        "containers": [{"name": "backend", "env": [{"name": "TYPEORM_POOL_MAX", "value": "14"}]}]
    }
    change = {"what": "env", "container": "backend", "name": "TYPEORM_POOL_MAX", "old": "100", "new": "14"}
    prints = {"old_fingerprint": fingerprint("100"), "new_fingerprint": fingerprint("14")}
    assert made.targets[0]["changes"] == [change | prints]
    assert "env TYPEORM_POOL_MAX from 100 to 14" in made.reason


def test_scaling_touches_no_template() -> None:
    made = plan(Wish("scale", replicas=6, incident="inc-1"))
    assert made.patch["spec"] == {"replicas": 6}
    assert made.targets[0]["changes"] == [{"what": "replicas", "old": 4, "new": 6}]


def test_no_surge_changes_the_strategy_in_the_same_patch_and_puts_it_back() -> None:
    made = plan(Wish("restart", surge="none"))
    assert made.patch["spec"]["strategy"] == NO_SURGE
    assert {"what": "strategy", "old": ROLLING, "new": NO_SURGE} in made.targets[0]["changes"]
    assert made.put_back == ROLLING
    assert any("is put back" in caveat for caveat in made.caveats)
    assert plan(Wish("restart")).put_back is None


@pytest.mark.parametrize(
    "item",
    [
        workload(strategy={"type": "Recreate"}),
        workload(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2}}),
        workload(kind="StatefulSet"),
        workload(kind="DaemonSet"),
    ],
)
def test_without_surge_there_is_no_strategy_to_change(item: dict[str, Any]) -> None:
    assert "strategy" not in plan(Wish("restart", surge="none"), world(item)).patch["spec"]


def test_undo_replaces_the_whole_template_as_kubectl_does() -> None:
    old, current = template(image="backend:0"), template()
    seen = world(revisions=[Revision(1, template(image="backend:00")), Revision(2, old), Revision(3, current)])
    made = plan(Wish("undo", incident="inc-1"), seen)
    assert made.patch_kind == "json"
    assert made.patch == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "41"},
        {
            "op": "add",
            "path": "/metadata/annotations",
            "value": {"deployment.kubernetes.io/revision": "3", "team": "core", MARK: "inc-1/undo"},
        },
        {"op": "replace", "path": "/spec/template", "value": old},
    ]
    changes = made.targets[0]["changes"]
    assert changes[0] == {"what": "revision", "old": 3, "new": 2}
    assert changes[1] == {"what": "image", "container": "backend", "old": "backend:1", "new": "backend:0"}
    to_first = plan(Wish("undo", to_revision=1), seen)
    assert to_first.patch[2]["value"]["spec"]["containers"][0]["image"] == "backend:00"


HPA = {"name": "backend", "min": 2, "max": 8}
TWO_RESTARTS = [Revision(2, template(minutes_ago(20))), Revision(3, template(minutes_ago(5)))]


@pytest.mark.parametrize(
    ("wish", "seen", "word"),
    [
        (Wish("restart"), world(workload(paused=True)), "paused"),
        (Wish("restart"), world(workload("StatefulSet", updateStrategy={"type": "OnDelete"})), "on_delete"),
        (Wish("restart"), world(workload(replicas=0)), "no_pods"),
        (Wish("restart"), world(revisions=TWO_RESTARTS), "restarted_too_often"),
        (Wish("restart", expected={"resource_version": "40"}), world(), "expected_differs"),
        (Wish("restart", expected={"generation": 6}), world(), "expected_differs"),
        (Wish("restart", expected={"replicas": 3}), world(), "expected_differs"),
        (Wish("restart", targets=[]), world(), "plan_changed"),
        (Wish("set_env", env={"X": "1"}, container="other"), world(), "unknown_container"),
        (Wish("set_env", env={"HOST": "x"}), world(), "value_from"),
        (Wish("set_env", env={"DB_PASSWORD": "x"}), world(), "secret_like_name"),
        (Wish("set_env", env={"api_token": "x"}), world(), "secret_like_name"),
        (Wish("set_env", env={"JWT_KEY": "x"}), world(), "secret_like_name"),
        (Wish("set_env", env={"A=B": "x"}), world(), "invalid_name"),
        (Wish("set_env", env={"X": "1"}, expected={"env": {"X": "0"}}), world(), "expected_differs"),
        (Wish("set_env", env={"X": "1"}, expected={"env": {"HOST": None}}), world(), "expected_differs"),
        (Wish("scale", replicas=3), world(), "scale_down"),
        (Wish("scale", replicas=21), world(), "above_max_replicas"),
        (Wish("scale", replicas=6), world(autoscaler=HPA), "hpa_managed"),
        (Wish("scale", replicas=6), world(autoscaler_known=False), "autoscaler_unknown"),
        (Wish("scale", replicas=6), world(workload("DaemonSet")), "unsupported"),
        (Wish("undo"), world(workload("StatefulSet")), "unsupported"),
        (Wish("undo"), world(revisions=[Revision(3, template())]), "no_previous_revision"),
        (Wish("undo", to_revision=9), world(revisions=[Revision(2, template())]), "unknown_revision"),
    ],
)
def test_refusals(wish: Wish, seen: World, word: str) -> None:
    made = plan(wish, seen)
    assert (made.status, made.word) == ("refused", word)
    assert made.reason
    assert made.patch is None


def test_two_containers_need_a_name() -> None:
    item = workload()
    item["spec"]["template"]["spec"]["containers"].append({"name": "proxy"})
    assert plan(Wish("set_env", env={"X": "1"}), world(item)).word == "ambiguous_container"
    assert plan(Wish("set_env", env={"X": "1"}, container="proxy"), world(item)).status == "planned"


def test_a_workload_that_is_being_deleted_is_left_alone() -> None:
    item = workload()
    item["metadata"]["deletionTimestamp"] = "2026-11-23T11:59:00Z"
    assert plan(Wish("restart"), world(item)).word == "being_deleted"


@pytest.mark.parametrize(
    ("restarts", "limit", "status"),
    [
        ([20, 5], 2, "refused"),
        ([31, 5], 2, "planned"),  # the first is long ago
        ([5, 5], 2, "planned"),  # a later revision keeps the annotation of the restart before
        ([5], 2, "planned"),
        ([5], 1, "refused"),
        ([20, 5], 0, "planned"),
    ],
)
def test_restarts_are_counted_within_half_an_hour(restarts: list[int], limit: int, status: str) -> None:
    revisions = [Revision(number, template(minutes_ago(each))) for number, each in enumerate(restarts, 1)]
    assert plan(Wish("restart", restart_limit=limit), world(revisions=revisions)).status == status


@pytest.mark.parametrize(
    ("wish", "seen", "word"),
    [
        (Wish("set_env", env={"TYPEORM_POOL_MAX": "100"}), world(), "no_change"),
        (Wish("scale", replicas=4), world(), "no_change"),
        (Wish("undo"), world(revisions=[Revision(2, template())]), "no_change"),
        (Wish("restart", incident="i"), world(workload(template=template(mark="i/restart"))), "same_incident"),
        (Wish("restart", incident="i"), world(revisions=[Revision(1, template(mark="i/restart"))]), "same_incident"),
    ],
)
def test_nothing_to_do(wish: Wish, seen: World, word: str) -> None:
    made = plan(wish, seen)
    assert (made.status, made.word, made.patch) == ("nothing_to_do", word, None)


def test_another_action_of_the_same_incident_is_another_action() -> None:
    seen = world(workload(template=template(mark="i/restart")))
    assert plan(Wish("set_env", env={"TYPEORM_POOL_MAX": "14"}, incident="i"), seen).status == "planned"
    assert plan(Wish("restart", incident="j"), seen).status == "planned"


def test_a_restart_that_is_to_be_repeated_is_planned_again_within_the_limit() -> None:
    seen = world(workload(template=template(minutes_ago(5), mark="i/restart")))
    assert plan(Wish("restart", incident="i"), seen).word == "same_incident"
    made = plan(Wish("restart", incident="i", repeat=True), seen)
    assert (made.status, made.targets[0]["changes"][0]["what"]) == ("planned", "restart")
    often = world(workload(template=template(minutes_ago(5), mark="i/restart")), revisions=TWO_RESTARTS)
    assert plan(Wish("restart", incident="i", repeat=True), often).word == "restarted_too_often"


def test_targets_stay_while_only_the_status_moves() -> None:
    wish = Wish("restart", surge="none")
    approved = plan(wish).targets
    later = workload()
    later["metadata"]["resourceVersion"] = "99"
    later["status"] = {"replicas": 5, "updatedReplicas": 1}
    made = make_plan(world(later), Wish("restart", surge="none", targets=approved), NOW + dt.timedelta(seconds=90))
    assert made.status == "planned"
    assert made.patch["metadata"]["resourceVersion"] == "99"


@pytest.mark.parametrize("change", ["image", "uid", "env"])
def test_targets_notice_every_other_change(change: str) -> None:
    wish = Wish("set_env", env={"TYPEORM_POOL_MAX": "14"})
    approved = plan(wish).targets
    item = workload()
    container = item["spec"]["template"]["spec"]["containers"][0]
    if change == "image":
        container["image"] = "backend:2"
    elif change == "env":
        container["env"][0]["value"] = "50"
    else:
        item["metadata"]["uid"] = "u2"
    made = plan(Wish("set_env", env={"TYPEORM_POOL_MAX": "14"}, targets=approved), world(item))
    assert (made.status, made.word) == ("refused", "plan_changed")


@pytest.mark.parametrize(
    ("item", "wish", "text"),
    [
        (workload(replicas=1), Wish("restart", surge="none"), "only one pod"),
        (workload(), Wish("restart"), "up to 1 extra pods"),
        (workload(template=template(minutes_ago(5))), Wish("restart"), "was already restarted at"),
        (workload(), Wish("set_env", env={"NEW": "1"}), "NEW is not set on backend so far"),
    ],
)
def test_caveats(item: dict[str, Any], wish: Wish, text: str) -> None:
    assert any(text in caveat for caveat in plan(wish, world(item)).caveats)


def test_who_deploys_it_is_a_caveat_and_no_refusal() -> None:
    item = workload()
    item["metadata"]["annotations"]["meta.helm.sh/release-name"] = "backend"
    made = plan(Wish("restart"), world(item))
    assert made.status == "planned"
    assert any(caveat.startswith("Helm manages Deployment backend") for caveat in made.caveats)


def test_a_rollout_under_way_is_a_caveat() -> None:
    item = workload()
    item["status"]["updatedReplicas"] = 1
    assert any("is under way" in caveat for caveat in plan(Wish("restart"), world(item)).caveats)


def rolling(mark: str | None, reason: str = "ReplicaSetUpdated", earlier: str | None = None, seen: int = 7) -> World:
    """A Deployment whose newest revision has a mark, and the one before another."""
    item = workload(template=template(mark=mark))
    item["status"] |= {"observedGeneration": seen, "conditions": [{"type": "Progressing", "reason": reason}]}
    return world(
        item, revisions=[Revision(2, template(image="backend:0", mark=earlier)), Revision(3, template(mark=mark))]
    )


@pytest.mark.parametrize(
    "wish", [Wish("restart", incident="i2"), Wish("set_env", env={"TYPEORM_POOL_MAX": "14"}, incident="i2")]
)
@pytest.mark.parametrize(
    ("seen", "refused"),
    [
        (rolling("i1/set_env"), True),
        (rolling("i1/set_env", earlier="i0/restart"), True),
        (rolling("i1/set_env", "NewReplicaSetAvailable", seen=6), True),  # its controller has not even begun
        (rolling("i1/set_env", "NewReplicaSetAvailable"), False),  # pods that fail later are no rollout
        (rolling("i1/set_env", "ProgressDeadlineExceeded"), False),  # waiting is of no use
        (rolling("i2/undo"), False),
        (rolling(None), False),
        (rolling("i1/set_env", earlier="i1/set_env"), False),  # of a deployment since, which inherits the mark
        (rolling("no-incident"), False),
    ],
)
def test_no_pod_is_replaced_while_another_incident_replaces_them(wish: Wish, seen: World, refused: bool) -> None:
    made = plan(wish, seen)
    assert (made.status, made.word) == (("refused", "rollout_under_way") if refused else ("planned", None)), made.reason
    assert ("the incident i1 is rolling out Deployment backend (set_env)" in made.reason) is refused


def test_going_back_and_more_pods_wait_for_no_other_incident() -> None:
    for wish in (Wish("undo", incident="i2"), Wish("scale", replicas=6, incident="i2")):
        assert plan(wish, rolling("i1/set_env")).status == "planned"


def test_revisions_are_those_that_the_workload_owns() -> None:
    hashed = template(image="backend:0")
    hashed["metadata"]["labels"]["pod-template-hash"] = "abc"
    mine = {"ownerReferences": [{"uid": "u1"}], "annotations": {"deployment.kubernetes.io/revision": "2"}}
    foreign = copy.deepcopy(mine) | {"ownerReferences": [{"uid": "u2"}]}
    found = owned_revisions(
        [{"metadata": mine, "spec": {"template": hashed}}, {"metadata": foreign, "spec": {"template": hashed}}], "u1"
    )
    assert found == [Revision(2, template(image="backend:0"))]


def test_controller_revisions_of_a_stateful_set() -> None:
    data = {"spec": {"template": template()}}
    found = owned_revisions([{"metadata": {"ownerReferences": [{"uid": "u1"}]}, "revision": 5, "data": data}], "u1")
    assert [revision.number for revision in found] == [5]


def test_the_last_definition_of_a_variable_counts() -> None:
    item = workload()
    item["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "TYPEORM_POOL_MAX", "value": "14"})
    assert plan(Wish("set_env", env={"TYPEORM_POOL_MAX": "14"}), world(item)).word == "no_change"


def test_the_description_has_what_to_go_back_to() -> None:
    state = describe(world(), Wish("set_env", env={"TYPEORM_POOL_MAX": "14", "NEW": "1", "HOST": "x"}))
    assert state["strategy"] == ROLLING
    assert state["env"] == {"TYPEORM_POOL_MAX": "100", "NEW": None, "HOST": None}
    assert (state["revision"], state["replicas"], state["available"]) == (3, 4, 4)


def test_no_secret_that_stands_in_the_workload_is_repeated() -> None:
    item = workload()
    item["spec"]["template"]["spec"]["containers"][0]["env"] += [
        {"name": "DB_PASSWORD", "value": "hunter2"},
        {"name": "DATABASE_URL", "value": "postgres://app:hunter2@db/shop"},
    ]
    refused = Wish("set_env", env={"DB_PASSWORD": "hunter3"})
    assert plan(refused, world(item)).word == "secret_like_name"
    assert "hunter" not in str(describe(world(item), refused))
    wish = Wish("set_env", env={"DATABASE_URL": "postgres://app:hunter3@db/shop"})
    made = plan(wish, world(item))
    assert "hunter" not in f"{made.targets}{made.reason}{describe(world(item), wish)}"
    assert "hunter3" in str(made.patch)
    other = plan(Wish("set_env", env={"DATABASE_URL": "postgres://app:hunter4@db/shop"}), world(item))
    assert other.targets != made.targets, "what is masked alike is still another target"
