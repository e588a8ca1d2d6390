# SPDX-License-Identifier: GPL-3.0-or-later
"""What is recommended, and what the plan says."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import (
    digest,
    make_plan,
    recommend,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

KILL = {"id": "kill-idle", "title": "Kill idle sessions", "risk": "disruptive"}
DROP = {"id": "drop-data", "title": "Drop data", "risk": "irreversible"}
TARGET = {"pid": 7, "backend_start": "2026-01-01T00:00:00.000001Z"}


def finding(status: str, *recommended: str, required: bool = True) -> dict[str, Any]:
    return {
        "check": "connections",
        "component": "postgres",
        "status": status,
        "summary": "17 of 17",
        "recommend": list(recommended),
        "required": required,
    }


def plan_of(*findings: dict[str, Any], previews: dict[str, Any]) -> dict[str, Any]:
    return make_plan(recommend([KILL, DROP], findings), previews)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("down", "recommended"),
        ("degraded", "recommended"),
        ("ok", "not_recommended"),
        ("unknown", "not_recommended"),
        ("skipped", "not_recommended"),
    ],
)
def test_only_trouble_recommends(status: str, expected: str) -> None:
    (entry,) = recommend([KILL], [finding(status, "kill-idle")])
    assert entry["status"] == expected


@pytest.mark.parametrize(("required", "expected"), [(True, "not_recommended"), (False, "recommended")])
def test_an_unknown_required_check_blocks_what_cannot_be_undone(required: bool, expected: str) -> None:
    findings = [finding("down", "kill-idle", "drop-data"), finding("unknown", required=required)]
    disruptive, irreversible = recommend([KILL, DROP], findings)
    assert disruptive["status"] == "recommended"
    assert irreversible["status"] == expected


def test_a_finding_may_not_recommend_what_the_header_does_not_declare() -> None:
    with pytest.raises(IncidentsError, match="'restart-world', which the runbook header does not declare"):
        recommend([KILL], [finding("down", "restart-world")])


def test_a_preview_without_targets_takes_the_recommendation_back() -> None:
    plan = plan_of(finding("down", "kill-idle"), previews={"kill-idle": {"status": "nothing_to_do"}})
    assert plan["remediations"][0]["status"] == "not_recommended"
    assert plan["remediations"][0]["reason"].endswith("but there is nothing that it may touch")


def test_the_digest_covers_the_targets_and_nothing_volatile() -> None:
    def of(target: dict[str, Any], **preview: Any) -> str:
        previews = {"kill-idle": {"status": "planned", "targets": [target], "preview": preview}}
        return str(plan_of(finding("down", "kill-idle"), previews=previews)["digest"])

    assert of(TARGET, idle_s=600) == of(dict(reversed(TARGET.items())), idle_s=601)
    assert of(TARGET) != of({**TARGET, "pid": 8})
    assert of(TARGET) != digest([])


def test_the_digest_does_not_depend_on_the_order_of_targets() -> None:
    def of(*pids: int) -> str:
        previews = {"kill-idle": {"status": "planned", "targets": [{**TARGET, "pid": pid} for pid in pids]}}
        return str(plan_of(finding("down", "kill-idle"), previews=previews)["digest"])

    assert of(7, 8) == of(8, 7) != of(7, 7, 8)


def test_the_plan_says_what_the_header_declares() -> None:
    declared = {
        "causes": ["too_many"],
        "preconditions": ["A backup exists"],
        "touches": "Sessions",
        "verified_by": "Fewer sessions",
        "can_roll_back": True,
    }
    silent, said = make_plan(recommend([KILL, {**DROP, **declared}], []), {})["remediations"]
    assert {key: said[key] for key in declared} == declared
    assert {key: silent[key] for key in declared} == {
        "causes": [],
        "preconditions": [],
        "touches": None,
        "verified_by": None,
        "can_roll_back": False,
    }
    assert (silent["approved"], silent["reason"]) == (False, "no finding recommends it")
