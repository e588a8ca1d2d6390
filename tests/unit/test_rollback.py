# SPDX-License-Identifier: GPL-3.0-or-later
"""From an incident's journal to what is given back, and when nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.applying import substance
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback import (
    compare,
    finding_of,
    obstacles,
    plan_of,
    to_restore,
    workloads,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_acting import (
    action_of,
    verdicts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_steps import steps_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import fingerprint
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import NO_SURGE

Json = dict[str, Any]

INCIDENT = "pool-exhaustion-20261123T214012Z-3f9a"
HEADER = [
    {"id": "resize-pool", "title": "Resize", "risk": "disruptive", "can_roll_back": True, "touches": "one variable"},
    {
        "id": "kill-idle-connections",
        "title": "Kill",
        "risk": "disruptive",
        "can_roll_back": False,
        "touches": "sessions",
    },
    {"id": "deploy-pgbouncer", "title": "Deploy", "risk": "disruptive", "can_roll_back": True, "touches": "objects"},
    {"id": "restart-backend", "title": "Restart", "risk": "disruptive", "can_roll_back": False, "touches": "the pods"},
]
STRATEGY = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}
FROM_SECRET = {"secretKeyRef": {"name": "settings", "key": "max"}}


def state(value: str | None = None, source: Json | None = None) -> Json:
    thing = source or value
    return {
        "set": thing is not None,
        "value": value,
        "value_from": source,
        "fingerprint": None if thing is None else fingerprint(thing),
    }


def change(old: str | None, new: str | None, name: str = "MAX", old_from: Json | None = None) -> Json:
    before, after = state(old, old_from), state(new)
    sources = {"old_from": old_from} if old_from else {}
    prints = {"old_fingerprint": before["fingerprint"], "new_fingerprint": after["fingerprint"]}
    return {"what": "env", "container": "app", "name": name, "old": old, "new": new, **sources, **prints}


def target(*changes: Json, uid: str = "u1") -> Json:
    return {"kind": "Deployment", "namespace": "shop", "name": "backend", "uid": uid, "changes": list(changes)}


def action(name: str = "resize-pool", *targets: Json, **more: Any) -> Json:
    return {"id": name, "status": "done", "changed": True, "targets": list(targets), "title": name, **more}


def run(name: str, *actions: Json, mode: str = "remediate", plan: Json | None = None, ended: bool = True) -> list[Json]:
    started = {"run": {"mode": mode, "check_mode": False}}
    said = [("run_started", started), *([("plan", plan)] if plan else []), *(("action", each) for each in actions)]
    return [{"run_id": name, "type": kind, "data": data, "at": "t"} for kind, data in said] + (
        [{"run_id": name, "type": "run_ended", "data": {}, "at": "t"}] if ended else []
    )


def rollout(*variables: tuple[str, Json], uid: str = "u1", **more: Any) -> Json:
    """A result of k8s_rollout in check mode."""
    listed = [{"container": "app", "name": name, **each} for name, each in variables]
    counts = {"replicas": 2, "updated": 2, "available": 2}
    before = {"kind": "Deployment", "name": "backend", "uid": uid, "variables": listed, "strategy": STRATEGY, **counts}
    return {"status": "planned", "before": {**before, **more}, "results": []}


def judged(records: list[Json], **present: Json) -> list[Json]:
    """Judge the steps of a journal; *present* by run, with underscores."""
    steps = steps_of(records, HEADER)
    seen = {step["key"]: [present[step["run_id"]]] for step in steps if step["run_id"] in present}
    return compare(steps, seen, INCIDENT)


def one(old: str | None, new: str | None, now: Json, **more: Any) -> Json:
    (found,) = judged(run("r1", action("resize-pool", target(change(old, new, **more)))), r1=rollout(("MAX", now)))
    return found


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


# objects


def config_map(size: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pool"}, "data": {"size": size}}


def applied(operation: str, before: Json | None, after: Json, result: str = "applied") -> Json:
    mine = {"kind": "ConfigMap", "name": "pool", "result": result, "uid": "u9", "fingerprint": fingerprint(after)}
    about = {"api_version": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "pool", "operation": operation}
    current = {"uid": None, "current": fingerprint(substance(before)) if before else None}
    states = {"before": {"ConfigMap/pool": before}, "after": {"ConfigMap/pool": after}}
    return action("deploy-pgbouncer", about | current, results=[mine], **states)


def present(item: Json | None, *, created_for: str | None = INCIDENT, uid: str = "u9", **more: Any) -> Json:
    """A result of k8s_restore in check mode."""
    facts = {
        "exists": item is not None,
        "uid": uid if item else None,
        "fingerprint": fingerprint(item) if item else None,
        "created_for": created_for if item else None,
        "managers": ["incident-runbooks"] if item else [],
    }
    entry = {"kind": "ConfigMap", "name": "pool", "present": facts | more, "differences": []}
    return {"status": "planned", "results": [entry]}


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (present(config_map("1")), "restore"),
        (present(None), "already_restored"),
        (present(config_map("2")), "moved_on"),
        (present(config_map("1"), uid="other"), "moved_on"),
        (present(config_map("1"), created_for=None), "moved_on"),
        (present(config_map("1"), created_for="another-incident"), "moved_on"),
        (present(config_map("1"), managers=["kubectl"]), "moved_on"),
    ],
)
def test_only_what_this_incident_created_and_nobody_changed_is_deleted(now: Json, verdict: str) -> None:
    (found,) = judged(run("r1", applied("create", None, config_map("1"))), r1=now)
    assert found["verdict"] == verdict, found["reason"]


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (present(config_map("2"), created_for=None), "restore"),
        (present(config_map("1")), "already_restored"),
        (present(config_map("3")), "moved_on"),
        (present(None), "moved_on"),
    ],
)
def test_an_object_that_was_changed_gets_its_earlier_content(now: Json, verdict: str) -> None:
    (found,) = judged(run("r1", applied("update", config_map("1"), config_map("2"))), r1=now)
    assert found["verdict"] == verdict, found["reason"]


def test_options_of_objects_are_in_reverse_order_and_whole() -> None:
    done = applied("update", config_map("1"), config_map("2"))
    created = applied("create", None, config_map("1"))
    both = done | {"targets": [*done["targets"], *({**each, "kind": "Service"} for each in created["targets"])]}
    both["results"] = [*done["results"], {**created["results"][0], "kind": "Service"}]
    (step,) = steps_of(run("r1", both), HEADER)
    assert [(entry["kind"], entry["previous"]) for entry in step["objects"]] == [
        ("Service", None),
        ("ConfigMap", config_map("1")),
    ]
    spoilt = done | {"before": {"ConfigMap/pool": "[cut: object of 4 keys, 900000 bytes]"}}
    (step,) = steps_of(run("r1", spoilt), HEADER)
    assert "not whole in the record" in step["why_not"]


def test_of_an_apply_that_was_cut_off_only_what_nobody_else_wrote_goes() -> None:
    unknown = applied("create", None, config_map("1"), result="unknown") | {"status": "unknown"}
    (found,) = judged(run("r1", unknown), r1=present(config_map("7")))
    assert found["verdict"] == "restore"
    others = present(config_map("7"), managers=["incident-runbooks", "kubectl-edit"])
    (found,) = judged(run("r1", unknown), r1=others)
    assert found["verdict"] == "moved_on"
    untouched = applied("create", None, config_map("1"), result="not_attempted") | {"status": "failed"}
    (step,) = steps_of(run("r1", untouched), HEADER)
    assert step["values"] == []


# the plan, the action and the verdict


def test_the_plan_is_the_same_while_the_world_is() -> None:
    records = run("r1", action("resize-pool", target(change("8", "4"))))
    first = plan_of(judged(records, r1=rollout(("MAX", state("4")))), approved=True)
    again = plan_of(judged(records, r1=rollout(("MAX", state("4")))), approved=False)
    moved = plan_of(judged(records, r1=rollout(("MAX", state("5")))), approved=True)
    assert first["digest"] == again["digest"] != moved["digest"]
    assert [entry["approved"] for plan in (first, again, moved) for entry in plan["remediations"]] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("results", "status", "changed"),
    [
        ([{"status": "done", "changed": True}], "done", True),
        ([{"status": "done", "changed": True}, {"status": "refused", "changed": False}], "refused", True),
        ([{"failed": True, "msg": "no"}], "failed", False),
        ([{"failed": True, "status": "unknown", "changed": True}], "unknown", True),
        ([{"status": "nothing_to_do", "changed": False}], "nothing_to_do", False),
        ([], "skipped", False),
    ],
)
def test_the_worst_result_is_the_status_of_the_action(results: list[Json], status: str, changed: bool) -> None:
    made = action_of(one("8", "4", state("4")), results)
    assert (made["status"], made["changed"]) == (status, changed)
    assert made["rolls_back"] == {"remediation": "resize-pool", "run_id": "r1"}
    assert made["reason"]


@pytest.mark.parametrize(
    ("now", "acted", "status"),
    [
        (rollout(("MAX", state("8"))), "done", "resolved"),
        (rollout(("MAX", state("8")), available=1), "done", "unresolved"),
        (rollout(("MAX", state("8"))), "partial", "unresolved"),
        (rollout(("MAX", state("4"))), "done", "unresolved"),
        (rollout(("MAX", state("9"))), "done", "unresolved"),
        ({"failed": True, "cause": "timeout", "msg": "silence"}, "done", "unverified"),
    ],
)
def test_a_verdict_is_by_another_look(now: Json, acted: str, status: str) -> None:
    steps = steps_of(run("r1", action("resize-pool", target(change("8", "4")))), HEADER)
    (verdict,) = verdicts(steps, {"r1/resize-pool": acted}, {"r1/resize-pool": [now]}, INCIDENT)
    assert verdict["status"] == status, verdict


def test_what_an_older_step_gave_back_further_is_that_ones_to_verify() -> None:
    records = [
        *run("r1", action("resize-pool", target(change("8", "4")))),
        *run("r2", action("resize-pool", target(change("4", "2")))),
    ]
    steps = steps_of(records, HEADER)
    keys = [step["key"] for step in steps]
    now = {key: [rollout(("MAX", state("8")))] for key in keys}
    found = list(verdicts(steps, dict.fromkeys(keys, "done"), now, INCIDENT))
    assert [verdict["status"] for verdict in found] == ["resolved", "resolved"]
    assert list(verdicts(steps, {keys[0]: "failed"}, now, INCIDENT)) == []
