# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a workload's pods were replaced lately, and what is done where nobody can tell."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    Wish,
    World,
    owned_revisions,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_guards import recent_restarts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_plan import make_plan

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
RESTARTED, MARK = "kubectl.kubernetes.io/restartedAt", "incidents.brandconnect/last-action"


def ago(minutes: float) -> str:
    return (NOW - dt.timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def template(**annotations: str | None) -> dict[str, Any]:
    keys = {"restarted": RESTARTED, "mark": MARK}
    said = {keys[key]: value for key, value in annotations.items() if value}
    return {"metadata": {"annotations": said}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def replica_set(number: int, minutes: float, **annotations: str | None) -> dict[str, Any]:
    metadata = {
        "ownerReferences": [{"uid": "u1"}],
        "creationTimestamp": ago(minutes),
        "annotations": {"deployment.kubernetes.io/revision": str(number)},
    }
    return {"metadata": metadata, "spec": {"template": template(**annotations)}}


def controller_revision(number: int, minutes: float, **annotations: str | None) -> dict[str, Any]:
    metadata = {"ownerReferences": [{"uid": "u1"}], "creationTimestamp": ago(minutes)}
    return {"metadata": metadata, "revision": number, "data": {"spec": {"template": template(**annotations)}}}


def world(kind: str, *objects: dict[str, Any], **facts: Any) -> World:
    found = owned_revisions(objects, "u1")
    last = found[-1].template if found else template()
    metadata = {"name": "backend", "uid": "u1", "resourceVersion": "1"}
    return World({"kind": kind, "metadata": metadata, "spec": {"replicas": 2, "template": last}}, found, **facts)


MAKERS = [("Deployment", replica_set), ("StatefulSet", controller_revision), ("DaemonSet", controller_revision)]


@pytest.mark.parametrize(("kind", "made"), MAKERS)
def test_restarts_of_every_kind_of_workload_are_seen(kind: str, made: Any) -> None:
    seen = world(kind, made(1, 500), made(2, 20, restarted=ago(20)), made(3, 5, restarted=ago(5), mark="i1/restart"))
    assert [moment.isoformat() for moment in recent_restarts(seen, NOW, 1800)] == [
        "2026-11-23T11:40:00+00:00",
        "2026-11-23T11:55:00+00:00",
    ], "the mark of a restart is no second one"
    plan = make_plan(seen, Wish("restart", incident="i2"), NOW)
    assert (plan.status, plan.word) == ("refused", "restarted_too_often")
    assert "was restarted 2 times in the last 30 minutes, last at 2026-11-23T11:55:00+00:00" in plan.reason


@pytest.mark.parametrize(("kind", "made"), MAKERS)
def test_what_this_collection_did_besides_counts_by_its_mark(kind: str, made: Any) -> None:
    seen = world(kind, made(1, 500), made(2, 20, mark="i1/set_env"), made(3, 5, restarted=ago(5), mark="i2/restart"))
    assert len(recent_restarts(seen, NOW, 1800)) == 2
    assert make_plan(seen, Wish("restart", incident="i3"), NOW).word == "restarted_too_often"


def test_a_mark_that_later_revisions_inherit_counts_once_and_by_its_own_time() -> None:
    inherited = world(
        "Deployment", replica_set(1, 90), replica_set(2, 60, mark="i1/undo"), replica_set(3, 5, mark="i1/undo")
    )
    assert recent_restarts(inherited, NOW, 1800) == []
    oldest_kept = world("Deployment", replica_set(7, 10, mark="i1/set_env"), replica_set(8, 5, mark="i1/set_env"))
    assert recent_restarts(oldest_kept, NOW, 1800) == [], "where it came from is not kept any more"


def test_a_deployment_by_somebody_else_is_no_restart() -> None:
    assert recent_restarts(world("Deployment", replica_set(1, 20), replica_set(2, 5)), NOW, 1800) == []


def test_a_restart_is_refused_where_earlier_ones_cannot_be_seen() -> None:
    lacks = "HTTP 403, forbidden; the login lacks list on replicasets.apps in namespace shop; bind the Role"
    seen = world("Deployment", revisions_unread=lacks)
    plan = make_plan(seen, Wish("restart"), NOW)
    assert (plan.status, plan.word) == ("refused", "restarts_unknown")
    assert plan.reason == f"how often Deployment backend was restarted lately is not known: {lacks}"
    assert make_plan(seen, Wish("restart", restart_limit=0), NOW).status == "planned", "no limit needs no history"
    assert make_plan(seen, Wish("scale", replicas=3), NOW).status == "planned"
