# SPDX-License-Identifier: GPL-3.0-or-later
"""What is recommended, what the plan says and what of it may run."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import (
    decide_run,
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


def plan_of(*findings: dict[str, Any], previews: dict[str, Any], approved: tuple[str, ...] = ()) -> dict[str, Any]:
    return make_plan(recommend([KILL, DROP], findings), previews, approved)


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


PLANNED = {"kill-idle": {"status": "planned", "targets": [TARGET]}, "drop-data": {"status": "planned"}}


@pytest.mark.parametrize(
    ("findings", "previews", "approved", "to_run", "refusal"),
    [
        pytest.param([finding("down", "kill-idle")], PLANNED, ["kill-idle"], ["kill-idle"], None, id="approved"),
        pytest.param([finding("down", "kill-idle")], PLANNED, [], [], "recommended but not approved", id="unapproved"),
        pytest.param([finding("ok")], PLANNED, ["kill-idle"], [], None, id="healthy: nothing to do, no refusal"),
        pytest.param([finding("down")], PLANNED, ["kill-idle"], [], "no finding recommends it", id="not recommended"),
        pytest.param([finding("unknown")], PLANNED, ["kill-idle"], [], None, id="unknown: incomplete, not refused"),
        pytest.param([finding("down", "kill-idle")], PLANNED, ["nonsense"], [], "no such remediation", id="undeclared"),
        pytest.param(
            [finding("down", "drop-data")], PLANNED, ["drop-data"], [], "approval by id alone is not enough", id="risk"
        ),
        pytest.param(
            [finding("down", "kill-idle")],
            {"kill-idle": {"status": "failed", "error": "no route"}},
            ["kill-idle"],
            [],
            "its targets are not known",
            id="preview failed",
        ),
        pytest.param(
            [finding("down", "kill-idle")],
            {"kill-idle": {"status": "refused", "reason": "below the guard"}},
            ["kill-idle"],
            [],
            "below the guard",
            id="guard",
        ),
        pytest.param(
            [finding("down", "kill-idle", "drop-data")], PLANNED, ["kill-idle"], ["kill-idle"], None, id="one of two"
        ),
    ],
)
def test_what_may_run(
    findings: list[dict[str, Any]],
    previews: dict[str, Any],
    approved: list[str],
    to_run: list[str],
    refusal: str | None,
) -> None:
    plan = make_plan(recommend([KILL, DROP], findings), previews, approved)
    ids, refusals = decide_run(plan, approved, findings)
    assert ids == to_run
    if refusal is None:
        assert refusals == []
    else:
        assert refusal in refusals[0]["message"]
