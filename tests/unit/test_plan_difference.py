# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed between the plan that was approved and the one that is made now."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.plan_difference import (
    difference,
    in_words,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import digest

DEPLOYMENT = {"kind": "Deployment", "name": "backend", "namespace": "brandconnect", "uid": "u-1"}


def plan(**recommended: list[Any]) -> dict[str, Any]:
    entries = [
        {"id": name, "risk": "disruptive", "status": "recommended", "reason": f"{name} helps", "targets": targets}
        for name, targets in recommended.items()
    ]
    return {"digest": digest(entries), "remediations": entries}


def session(pid: int, start: str = "t0") -> dict[str, Any]:
    return {"pid": pid, "backend_start": start}


def test_targets_gone_new_and_changed() -> None:
    before = plan(kill=[session(1), session(2), session(3)], resize=[{**DEPLOYMENT, "new": 5}])
    after = plan(kill=[session(2), session(3, "t1"), session(4)], resize=[{**DEPLOYMENT, "new": 4}])
    found = difference(before, after, before["digest"][:12])
    assert (found["known"], found["complete"], found["added"], found["removed"]) == (True, True, [], [])
    kill, resize = found["changed"]
    assert kill["counts"] == {"added": 2, "removed": 2, "changed": 0}, "a pid of another session is another target"
    assert kill["targets"]["removed"] == [session(1), session(3)]
    assert resize["targets"]["changed"] == [{"before": {**DEPLOYMENT, "new": 5}, "after": {**DEPLOYMENT, "new": 4}}]
    words = in_words(found)
    assert "kill: 2 targets gone (pid=1 backend_start=t0; pid=3 backend_start=t0)" in words
    assert "resize: 1 target changed (kind=Deployment namespace=brandconnect name=backend uid=u-1: new 5 -> 4)" in words


def test_remediations_that_came_and_went() -> None:
    found = difference(plan(kill=[session(1)]), plan(resize=[DEPLOYMENT]), "x")
    assert found["added"] == [{"id": "resize", "reason": "resize helps"}]
    assert [item["id"] for item in found["removed"]] == ["kill"]
    assert "resize is recommended now (resize helps)" in in_words(found)
    assert "kill is not recommended any more (the runbook does not declare it any more)" in in_words(found)


def test_a_risk_that_was_raised() -> None:
    before, after = plan(kill=[session(1)]), plan(kill=[session(1)])
    after["remediations"][0]["risk"] = "destructive"
    found = difference(before, after, "x")
    assert found["changed"][0]["risk"] == {"before": "disruptive", "after": "destructive"}
    assert in_words(found) == "kill: its risk was disruptive and is destructive"


def test_equal_targets_are_counted_and_their_order_does_not_matter() -> None:
    same = difference(plan(kill=[session(1), session(2)]), plan(kill=[session(2), session(1)]), "x")
    assert same["changed"] == []
    twice = difference(plan(kill=[session(1)]), plan(kill=[session(1), session(1)]), "x")
    assert twice["changed"][0]["counts"] == {"added": 1, "removed": 0, "changed": 0}


def test_targets_without_an_identity_are_compared_whole() -> None:
    found = difference(plan(kill=[{"x": 1}, "a"]), plan(kill=[{"x": 2}, "b"]), "x")
    assert found["changed"][0]["counts"] == {"added": 2, "removed": 2, "changed": 0}


def test_an_unknown_plan_is_said_to_be_unknown() -> None:
    found = difference(None, plan(kill=[session(1)]), "abc")
    assert (found["known"], found["complete"]) == (False, False)
    assert in_words(found).startswith("what changed is not known")


def test_a_record_that_was_cut_is_said_to_be_incomplete() -> None:
    before = plan(kill=[session(1), session(2)])
    before["remediations"][0]["targets"] = [session(1), "[cut: 1 of 2 items]"]
    found = difference(before, plan(kill=[session(1)]), "x")
    assert found["complete"] is False
    assert "this may not be all" in in_words(found)


def test_it_is_bounded() -> None:
    many = [session(pid) for pid in range(3000)]
    found = difference(plan(kill=many), plan(kill=[]), "x")
    assert found["changed"][0]["counts"]["removed"] == 3000
    assert len(found["changed"][0]["targets"]["removed"]) == 20
    assert "and 2997 more" in in_words(found)
    assert len(in_words(found)) < 1300
    assert len(json.dumps(found)) < 50_000
    large = [{"name": str(number), "state": "x" * 1000} for number in range(3000)]
    other = [{**target, "state": "y" * 1000} for target in large]
    changed = difference(plan(kill=large), plan(kill=other), "x")
    assert changed["changed"][0]["counts"] == {"added": 0, "removed": 0, "changed": 3000}
    several = {f"r{number}": [{"name": "x" * 100_000}] for number in range(40)}
    for words in (in_words(changed), in_words(difference(plan(**several), plan(), "x"))):
        assert len(words) < 1300
