# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a rollback, the status of its action and the verdict of another look."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback import (
    plan_of,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_acting import (
    action_of,
    verdicts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_steps import steps_of
from support.rollback_facts import (
    HEADER,
    INCIDENT,
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
