# SPDX-License-Identifier: GPL-3.0-or-later
"""From an incident's journal to what is given back, and when nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback import (
    finding_of,
    obstacles,
    to_restore,
    workloads,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_steps import steps_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import fingerprint
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import NO_SURGE
from support.rollback_facts import (
    FROM_SECRET,
    HEADER,
    STRATEGY,
    action,
    change,
    judged,
    one,
    rollout,
    run,
    state,
    target,
)

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("old", "new", "now", "verdict"),
    [
        ("8", "4", state("4"), "restore"),
        ("8", "4", state("8"), "already_restored"),
        ("8", "4", state("9"), "moved_on"),
        ("8", "4", state(), "moved_on"),
        ("8", "4", state(source=FROM_SECRET), "moved_on"),
        (None, "4", state("4"), "restore"),
        (None, "4", state(), "already_restored"),
        (None, "4", state(""), "moved_on"),  # empty is not absent
        ("", "4", state("4"), "restore"),
        ("", "4", state(), "moved_on"),
    ],
)
def test_a_variable_is_given_back_only_when_it_is_as_it_was_left(
    old: str | None, new: str, now: Json, verdict: str
) -> None:
    found = one(old, new, now)
    assert found["verdict"] == verdict, found["reason"]
    assert bool(found["differences"]) == (verdict == "moved_on")
    assert bool(found["targets"]) == (verdict == "restore")


def test_the_difference_says_what_was_left_and_what_is_there() -> None:
    (difference,) = one("8", "4", state("9"))["differences"]
    assert difference == {"what": "MAX of Deployment backend", "expected": "4", "now": "9", "previous": "8"}
    masked = one("8", "4", {**state("x"), "value": "[masked]"})["differences"][0]
    assert masked["now"] == "[masked]"
    long = one("8", "4", state("9" * 999))["differences"][0]
    assert len(long["now"]) < 250


def test_options_restore_a_value_an_absence_and_a_reference() -> None:
    changes = [change("8", "4"), change(None, "1", "NEW"), change(None, "4", "FROM", old_from=FROM_SECRET)]
    (step,) = steps_of(run("r1", action("resize-pool", target(*changes))), HEADER)
    assert step["why_not"] is None
    assert step["rollout"] == {
        "kind": "Deployment",
        "name": "backend",
        "action": "set_env",
        "container": "app",
        "env": {"MAX": "8", "NEW": None},
        "env_from": {"FROM": FROM_SECRET},
        "expected": {
            "uid": "u1",
            "env_fingerprints": {"MAX": fingerprint("4"), "NEW": fingerprint("1"), "FROM": fingerprint("4")},
        },
    }


@pytest.mark.parametrize("recorded", ["[masked]", "8[cut: 9000 characters in all]"])
def test_a_value_that_the_record_does_not_have_whole_is_never_written(recorded: str) -> None:
    spoilt = change("8", "4") | {"old": recorded}
    (step,) = steps_of(run("r1", action("resize-pool", target(spoilt))), HEADER)
    assert "not in the record" in step["why_not"]
    (found,) = judged(run("r1", action("resize-pool", target(spoilt))), r1=rollout(("MAX", state("4"))))
    assert (found["verdict"], found["targets"]) == ("nothing", [])


def test_another_object_of_the_same_name_is_left_alone() -> None:
    records = run("r1", action("resize-pool", target(change("8", "4"))))
    (found,) = judged(records, r1=rollout(("MAX", state("4")), uid="u2"))
    assert found["verdict"] == "moved_on"
    (gone,) = judged(records, r1={"failed": True, "cause": "not_found", "msg": "no such thing"})
    assert gone["verdict"] == "moved_on"


@pytest.mark.parametrize(
    "present",
    [
        {"failed": True, "cause": "forbidden", "msg": "may not"},
        {"status": "refused", "reason": "it has no container app", "results": []},
        {},
    ],
)
def test_what_cannot_be_read_is_not_known_and_stops_everything(present: Json) -> None:
    records = [
        *run("r1", action("resize-pool", target(change("8", "4")))),
        *run("r2", action("resize-pool", target(change("4", "2")))),
    ]
    found = judged(records, r1=present, r2=rollout(("MAX", state("2"))))
    assert [each["verdict"] for each in found] == ["restore", "unknown"]
    assert to_restore(found) == []
    assert finding_of(found[1])["status"] == "unknown"


def test_newest_first_and_each_step_sees_what_the_one_before_leaves() -> None:
    records = [
        *run("r1", action("resize-pool", target(change("8", "4")))),
        *run("r2", action("resize-pool", target(change("4", "2")))),
    ]
    now = rollout(("MAX", state("2")))
    found = judged(records, r1=now, r2=now)
    assert [(each["run_id"], each["verdict"]) for each in found] == [("r2", "restore"), ("r1", "restore")]
    assert to_restore(found) == ["r2/resize-pool", "r1/resize-pool"]
    assert workloads(found, to_restore(found)) == [{"kind": "Deployment", "name": "backend"}]
    between = [
        *run("r1", action("resize-pool", target(change("8", "4")))),
        *run("r2", action("resize-pool", target(change("9", "4")))),  # somebody had set 9 in between
    ]
    now = rollout(("MAX", state("4")))
    found = judged(between, r1=now, r2=now)
    assert [each["verdict"] for each in found] == ["restore", "moved_on"]
    assert to_restore(found) == []


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (action("resize-pool", target(change("8", "4")), status="refused", changed=False), "it changed nothing"),
        (action("resize-pool", status="nothing_to_do", changed=False), "it changed nothing"),
        (action("kill-idle-connections", {"pid": 7}), "what it touched does not come back: sessions"),
        (
            action("restart-backend", target({"what": "restart", "old": None, "new": "now"})),
            "does not come back: the pods",
        ),
        (action("resize-pool", target({"what": "revision", "old": 3, "new": 2})), "kubectl rollout undo Deployment"),
    ],
)
def test_why_there_is_nothing_to_give_back(done: Json, why: str) -> None:
    (found,) = judged(run("r1", done))
    assert found["verdict"] == "nothing"
    assert why in found["reason"]
    assert finding_of(found)["status"] == "skipped"
    assert obstacles([found]) == []


def test_what_was_rolled_back_is_not_rolled_back_again() -> None:
    back = action("resize-pool", rolls_back={"remediation": "resize-pool", "run_id": "r1"})
    records = [*run("r1", action("resize-pool", target(change("8", "4")))), *run("r2", back, mode="rollback")]
    (found,) = judged(records)
    assert (found["verdict"], found["reason"]) == ("nothing", "it was rolled back by r2")
    failed = back | {"status": "failed", "changed": False}
    records = [*run("r1", action("resize-pool", target(change("8", "4")))), *run("r2", failed, mode="rollback")]
    (found,) = judged(records, r1=rollout(("MAX", state("4"))))
    assert found["verdict"] == "restore"


def test_what_was_rolled_back_in_part_is_compared_again() -> None:
    back = {**action(), "status": "partial", "rolls_back": {"remediation": "resize-pool", "run_id": "r1"}}
    records = [*run("r1", action("resize-pool", target(change("8", "4")))), *run("r2", back, mode="rollback")]
    (step,) = steps_of(records, HEADER, [])
    assert step["why_not"] is None


def test_only_some() -> None:
    records = run("r1", action("kill-idle-connections"), action("resize-pool", target(change("8", "4"))))
    assert [step["id"] for step in steps_of(records, HEADER)] == ["resize-pool", "kill-idle-connections"]
    assert [step["id"] for step in steps_of(records, HEADER, ["resize-pool"])] == ["resize-pool"]


def planned(*, approved: bool = True) -> Json:
    surge = {"what": "strategy", "old": STRATEGY, "new": NO_SURGE}
    entry = {"id": "resize-pool", "status": "recommended", "targets": [target(change("8", "4"), surge)]}
    return {"remediations": [entry | {"approved": approved}]}


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (rollout(("MAX", state("8"))), "already_restored"),
        (rollout(("MAX", state("4"))), "restore"),
        (rollout(("MAX", state("4")), strategy=NO_SURGE, previous_strategy="{}"), "restore"),
        (rollout(("MAX", state("8")), strategy=NO_SURGE, previous_strategy="{}"), "restore"),
        (rollout(("MAX", state("8")), strategy=NO_SURGE, previous_strategy=None), "already_restored"),
        (rollout(("MAX", state("9"))), "moved_on"),
    ],
)
def test_a_run_that_was_cut_off_is_looked_into_by_its_plan(now: Json, verdict: str) -> None:
    (found,) = judged(run("r1", plan=planned(), ended=False), r1=now)
    assert found["verdict"] == verdict


def test_what_a_run_never_began_is_no_step() -> None:
    assert steps_of(run("r1", plan=planned(approved=False), ended=False), HEADER) == []
    assert steps_of(run("r1", plan=planned(), ended=True), HEADER) == []
    assert steps_of(run("r1", plan=planned(), ended=False, mode="diagnose"), HEADER) == []
    by_approval = planned(approved=False) | {"approval": {"approved": ["resize-pool"]}}
    assert len(steps_of(run("r1", plan=by_approval, ended=False), HEADER)) == 1


def test_a_strategy_that_was_put_back_is_no_value() -> None:
    surge = {"what": "strategy", "old": STRATEGY, "new": NO_SURGE}
    whole = action("resize-pool", target(change("8", "4"), surge), after={"strategy": STRATEGY})
    (step,) = steps_of(run("r1", whole), HEADER)
    assert [value["what"] for value in step["values"]] == ["env"]
    left = action("restart-backend", target({"what": "restart"}, surge), after={"strategy": NO_SURGE})
    (step,) = steps_of(run("r1", left), HEADER)
    assert [value["what"] for value in step["values"]] == ["strategy"]
    assert step["rollout"]["action"] == "put_back"


def test_replicas_may_go_down_again() -> None:
    scaled = action("resize-pool", target({"what": "replicas", "old": 2, "new": 5}))
    (step,) = steps_of(run("r1", scaled), HEADER)
    assert step["rollout"] == {
        "kind": "Deployment",
        "name": "backend",
        "action": "scale",
        "replicas": 2,
        "lower": True,
        "expected": {"uid": "u1", "replicas": 5},
    }
    for now, verdict in ((5, "restore"), (2, "already_restored"), (7, "moved_on")):
        (found,) = judged(run("r1", scaled), r1=rollout(replicas=now))
        assert found["verdict"] == verdict
