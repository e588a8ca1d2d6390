# SPDX-License-Identifier: GPL-3.0-or-later
"""What is held as evidence is left alone, and an incident that examines a breach keeps others off."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import (
    HOLD,
    HOLD_BY,
    HOLD_SINCE,
    hold_objection,
    hold_of,
    plan_hold,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.interlock import objection
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    Revision,
    Wish,
    World,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_plan import make_plan

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
BREACH, OTHER = "data-breach-1", "pool-exhaustion-1"
HELD_BY = {HOLD: BREACH, HOLD_BY: "alice", HOLD_SINCE: "2026-11-23T11:00:00.000000Z"}


def workload(**annotations: str) -> dict[str, Any]:
    container = {"name": "backend", "image": "backend:1", "env": [{"name": "SIZE", "value": "1"}]}
    return {
        "kind": "Deployment",
        "metadata": {"name": "backend", "resourceVersion": "7", "annotations": annotations},
        "spec": {"replicas": 2, "template": {"metadata": {}, "spec": {"containers": [container]}}},
    }


def refusal(wish: Wish, **annotations: str) -> str | None:
    revisions = [Revision(number, workload()["spec"]["template"]) for number in (1, 2)]
    item = workload(**{"deployment.kubernetes.io/revision": "2", **annotations})
    return make_plan(World(item, revisions), wish, NOW).word


@pytest.mark.parametrize(
    "wish",
    [
        Wish("restart"),
        Wish("set_env", env={"SIZE": "2"}),
        Wish("undo"),
        Wish("scale", replicas=1, lower=True),
    ],
)
def test_what_replaces_or_ends_pods_is_refused_while_another_incident_holds_them(wish: Wish) -> None:
    assert refusal(wish, **HELD_BY) == "evidence_hold"
    assert refusal(dataclasses.replace(wish, incident=OTHER), **HELD_BY) == "evidence_hold"
    assert refusal(dataclasses.replace(wish, incident=BREACH), **HELD_BY) != "evidence_hold"
    assert refusal(wish) != "evidence_hold"


def test_more_pods_destroy_nothing() -> None:
    assert refusal(Wish("scale", replicas=3), **HELD_BY) is None
    assert refusal(Wish("scale", replicas=2), **HELD_BY) == "no_change"


def test_the_refusal_names_the_incident_and_what_to_do() -> None:
    found = hold_objection(workload(**HELD_BY), "Deployment backend", OTHER)
    assert found
    assert found[1] == (
        "Deployment backend is evidence of the incident data-breach-1 (by alice since 2026-11-23T11:00:00.000000Z) and "
        "must stay as it is; ask those who lead that incident to preserve it and to release the hold"
    )
    assert hold_objection(None, "x", OTHER) is None
    assert hold_objection({"metadata": {"annotations": None}}, "x", OTHER) is None


def test_both_refusals_name_the_command_that_releases_it() -> None:
    incident = "data-breach-20261123T231455Z-3fa1"
    held = workload(**{**HELD_BY, HOLD: incident})
    command = f"release the hold: runbook rollback {incident} --only preserve-evidence"
    found = hold_objection(held, "Deployment backend", OTHER)
    assert found
    assert found[1].endswith(command)
    other = plan_hold(held, "Deployment backend", "released", BREACH, "bob", NOW)
    assert other.reason.endswith(f"release it there: runbook rollback {incident} --only preserve-evidence")
    for hostile in (f"{incident}; reboot", f"{incident}\n", "$(reboot)"):
        found = hold_objection(workload(**{**HELD_BY, HOLD: hostile}), "Deployment backend", OTHER)
        assert found
        assert "runbook rollback" not in found[1], "an annotation is text from outside"


def test_setting_and_removing_a_hold() -> None:
    new = plan_hold(workload(), "Deployment backend", "held", BREACH, "alice", NOW)
    assert (new.status, new.word) == ("planned", None)
    values = {HOLD: BREACH, HOLD_BY: "alice", HOLD_SINCE: "2026-11-23T12:00:00.000000Z"}
    assert new.patch == {"metadata": {"resourceVersion": "7", "annotations": values}}
    assert hold_of({"metadata": {"annotations": values}}) == {
        "incident": BREACH,
        "by": "alice",
        "since": "2026-11-23T12:00:00.000000Z",
    }
    gone = plan_hold(workload(**HELD_BY), "Deployment backend", "released", BREACH, "bob", NOW)
    assert gone.patch == {"metadata": {"resourceVersion": "7", "annotations": dict.fromkeys(values)}}


@pytest.mark.parametrize(
    ("annotations", "state", "incident", "word"),
    [
        (HELD_BY, "held", BREACH, "no_change"),
        ({}, "released", BREACH, "no_change"),
        (HELD_BY, "held", "data-breach-2", "held_by_other"),
        (HELD_BY, "released", "data-breach-2", "held_by_other"),
    ],
)
def test_what_needs_nothing_or_is_somebody_elses(
    annotations: dict[str, str], state: str, incident: str, word: str
) -> None:
    plan = plan_hold(workload(**annotations), "Deployment backend", state, incident, "bob", NOW)
    assert (plan.word, plan.patch) == (word, None)


@pytest.mark.parametrize(
    ("kind", "workloads", "running", "refused"),
    [
        ("pool-exhaustion", ["backend"], ["data-breach"], True),
        ("pool-exhaustion", ["backend"], ["pool-exhaustion", "data-breach"], True),
        ("pool-exhaustion", ["backend"], ["pool-exhaustion"], False),
        ("pool-exhaustion", [], ["data-breach"], False),
        ("data-breach", ["backend"], ["data-breach"], False),
    ],
)
def test_who_keeps_off_workloads_while_a_breach_is_examined(
    kind: str, workloads: list[str], running: list[str], refused: bool
) -> None:
    touched = [{"kind": "Deployment", "name": name} for name in workloads]
    under_way = [{"id": f"{name}-1", "type": name, "who": "pid 1, operator alice"} for name in running]
    said = objection(kind, touched, under_way)
    assert bool(said) is refused
    if said:
        assert said.startswith(
            "Acting on Deployment backend: the incident data-breach-1 is under way (pid 1, operator alice)"
        )
