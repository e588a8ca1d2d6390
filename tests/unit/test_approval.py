# SPDX-License-Identifier: GPL-3.0-or-later
"""What an approval is enough for: by id, with the digest, with a second person and a reason."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval import (
    Approval,
    Decision,
    decide_run,
    is_digest,
    same_person,
    with_approval,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import make_plan, recommend

RISKS = ("safe", "disruptive", "destructive", "irreversible")
HEADER = [{"id": f"{risk}-one", "title": f"Something {risk}", "risk": risk} for risk in RISKS]
KILL = "disruptive-one"
TARGET = {"pid": 7, "backend_start": "2026-01-01T00:00:00.000001Z"}


def finding(status: str, *recommended: str) -> dict[str, Any]:
    return {
        "check": "connections",
        "component": "postgres",
        "summary": "17 of 17",
        "required": True,
        "status": status,
        "recommend": list(recommended),
    }


def planned(*targets: dict[str, Any]) -> dict[str, Any]:
    return {"status": "planned", "targets": list(targets)}


PREVIEWS = {item["id"]: planned(TARGET) for item in HEADER}


def plan_of(*findings: dict[str, Any], previews: dict[str, Any] | None = None) -> dict[str, Any]:
    return make_plan(recommend(HEADER, findings), PREVIEWS if previews is None else previews)


def approved(*ids: str, **more: Any) -> Approval:
    return Approval(operator="ada", ids=ids, **more)


@pytest.mark.parametrize(
    ("findings", "previews", "ids", "to_run", "refusal"),
    [
        pytest.param([finding("down", KILL)], PREVIEWS, [KILL], [KILL], None, id="approved"),
        pytest.param([finding("down", KILL)], PREVIEWS, [KILL, KILL], [KILL], None, id="approved twice"),
        pytest.param([finding("down", KILL)], PREVIEWS, [], [], f"recommended but not approved: {KILL}", id="not"),
        pytest.param([finding("ok")], PREVIEWS, [], [], None, id="healthy, nothing approved"),
        pytest.param([finding("down")], PREVIEWS, [KILL], [], "no finding recommends it", id="not recommended"),
        pytest.param([finding("down", KILL)], PREVIEWS, ["nonsense"], [], "no such remediation", id="undeclared"),
        pytest.param(
            [finding("down", KILL)],
            {KILL: {"status": "failed", "error": "no route"}},
            [KILL],
            [],
            "its targets are not known",
            id="preview failed",
        ),
        pytest.param(
            [finding("down", KILL)],
            {KILL: {"status": "refused", "reason": "below the guard"}},
            [KILL],
            [],
            "below the guard",
            id="guard",
        ),
        pytest.param(
            [finding("down", KILL, "safe-one")], PREVIEWS, [KILL, "safe-one"], ["safe-one", KILL], None, id="in order"
        ),
        pytest.param([finding("down", KILL, "safe-one")], PREVIEWS, [KILL], [KILL], None, id="one of two"),
    ],
)
def test_what_may_run(
    findings: list[dict[str, Any]], previews: dict[str, Any], ids: list[str], to_run: list[str], refusal: str | None
) -> None:
    decision = decide_run(plan_of(*findings, previews=previews), approved(*ids), findings)
    assert decision.to_run == to_run
    if refusal is None:
        assert decision.refusals == []
    else:
        assert refusal in decision.refusals[0]["message"]
        assert decision.refusals[0]["code"] == "refused"
    assert decision.notices == []


@pytest.mark.parametrize(
    ("status", "said"),
    [("ok", "and nothing is wrong"), ("unknown", "and postgres/connections could not be examined")],
)
def test_what_is_approved_and_not_needed_is_said_and_not_refused(status: str, said: str) -> None:
    decision = decide_run(plan_of(finding(status)), approved(KILL), [finding(status)])
    assert (decision.to_run, decision.refusals) == ([], [])
    (notice,) = decision.notices
    assert notice["code"] == "nothing_to_do"
    assert notice["message"] == f"Nothing to do: {KILL} is approved, but no finding recommends it, {said}"


NEEDED: list[tuple[str, dict[str, Any], str | None]] = [
    ("safe", {}, None),
    ("disruptive", {}, None),
    ("destructive", {}, "the digest of the plan is needed"),
    ("destructive", {"second_approver": "grace", "reason": "r"}, "the digest of the plan is needed"),
    ("destructive", {"digest": 64}, None),
    ("destructive", {"digest": 12}, None),
    ("irreversible", {}, "the digest of the plan and a second approver's name and a reason is needed"),
    ("irreversible", {"digest": 64}, "a second approver's name and a reason is needed"),
    ("irreversible", {"digest": 64, "second_approver": "grace"}, "a reason is needed"),
    ("irreversible", {"digest": 64, "second_approver": "grace", "reason": "  "}, "a reason is needed"),
    ("irreversible", {"second_approver": "grace", "reason": "r"}, "the digest of the plan is needed"),
    ("irreversible", {"digest": 64, "second_approver": "grace", "reason": "r"}, None),
    ("irreversible", {"digest": 64, "second_approver": "ADA ", "reason": "r"}, "is the operator"),
    ("irreversible", {"digest": 64, "second_approver": " \t", "reason": "r"}, "name is empty"),
    ("safe", {"second_approver": "ada"}, "is the operator"),
]


@pytest.mark.parametrize(("risk", "given", "refusal"), NEEDED)
def test_what_each_risk_needs(risk: str, given: dict[str, Any], refusal: str | None) -> None:
    findings = [finding("down", f"{risk}-one")]
    plan = plan_of(*findings)
    more = {**given, "digest": plan["digest"][: given["digest"]]} if "digest" in given else given
    decision = decide_run(plan, approved(f"{risk}-one", **more), findings)
    if refusal is None:
        assert (decision.to_run, decision.refusals) == ([f"{risk}-one"], [])
    else:
        assert decision.to_run == []
        (said,) = decision.refusals
        assert refusal in said["message"]
        assert said["hint"]


def test_the_hint_names_the_digest_to_review() -> None:
    findings = [finding("down", "irreversible-one")]
    plan = plan_of(*findings)
    (said,) = decide_run(plan, approved("irreversible-one"), findings).refusals
    assert f"--plan-digest {plan['digest'][:12]} --second-approver NAME --reason TEXT" in said["hint"]


def test_one_that_is_refused_does_not_hold_up_another() -> None:
    findings = [finding("down", "safe-one", "destructive-one")]
    decision = decide_run(plan_of(*findings), approved("safe-one", "destructive-one"), findings)
    assert decision.to_run == ["safe-one"]
    assert [refusal["remediation"] for refusal in decision.refusals] == ["destructive-one"]


def changed() -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    findings = [finding("down", "safe-one", KILL)]
    before = plan_of(*findings)
    after = plan_of(*findings, previews={"safe-one": planned(TARGET), KILL: planned({**TARGET, "pid": 8})})
    return before, after, findings


@pytest.mark.parametrize("length", [64, 12])
def test_a_digest_of_another_plan_refuses_everything(length: int) -> None:
    before, after, findings = changed()
    given = before["digest"][:length]
    decision = decide_run(after, approved("safe-one", KILL, digest=given), findings, [before])
    assert decision.to_run == []
    (refusal,) = decision.refusals
    assert (refusal["code"], refusal["remediation"]) == ("plan_changed", None)
    assert f"{KILL}: 1 target gone (pid=7" in refusal["message"]
    assert refusal["difference"]["known"] is True
    assert refusal["difference"]["approved_digest"] == given


def test_a_digest_that_no_run_recorded_is_refused_all_the_same() -> None:
    _, after, findings = changed()
    (refusal,) = decide_run(after, approved("safe-one", digest="0" * 64), findings).refusals
    assert refusal["code"] == "plan_changed"
    assert "what changed is not known" in refusal["message"]
    assert refusal["difference"]["known"] is False


def test_a_world_that_has_healed_is_another_plan() -> None:
    before, _, _ = changed()
    healthy = [finding("ok")]
    decision = decide_run(plan_of(*healthy), approved(KILL, digest=before["digest"]), healthy, [before])
    assert decision.to_run == []
    assert f"{KILL} is not recommended any more" in decision.refusals[0]["message"]


def test_a_prefix_of_two_plans_is_ambiguous() -> None:
    _, after, findings = changed()
    other = {**after, "digest": after["digest"][:12] + "0" * 52}
    (refusal,) = decide_run(after, approved(KILL, digest=after["digest"][:12]), findings, [other]).refusals
    assert (refusal["code"], refusal["hint"]) == ("refused", "give all its 64 digits")


def test_an_approval_of_all_covers_what_is_recommended() -> None:
    findings = [finding("down", "safe-one", KILL)]
    plan = plan_of(*findings)
    everything = Approval(operator="ada", ids=None, digest=plan["digest"])
    assert decide_run(plan, everything, findings).to_run == ["safe-one", KILL]


def test_a_file_covers_only_what_it_names() -> None:
    findings = [finding("down", "safe-one", KILL)]
    plan = plan_of(*findings)
    some = approved("safe-one", KILL, covered=[KILL], digest=plan["digest"])
    decision = decide_run(plan, some, findings)
    assert decision.to_run == [KILL]
    assert decision.refusals[0]["message"] == "the approval file does not approve it"


def test_the_plan_records_the_approval() -> None:
    plan = plan_of(finding("down", KILL))
    full = approved(KILL, digest=plan["digest"], decided_by="ada", reason="because", source="prompt")
    recorded = with_approval(plan, full)
    assert recorded["approval"] == {
        "digest": plan["digest"],
        "approved": [KILL],
        "decided_by": "ada",
        "second_approver": None,
        "reason": "because",
        "decided_at": None,
        "expires_at": None,
        "source": "prompt",
    }
    assert [entry["id"] for entry in recorded["remediations"] if entry["approved"]] == [KILL]
    assert with_approval(plan, approved())["approval"] is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ada Lovelace", " ada  LOVELACE\n", True),
        ("ada", "a\u200bda", True),
        ("ada", "\uff41da", True),  # a full-width letter
        ("Straße", "STRASSE", True),
        ("ada", "ada\ufe0f", True),  # a variation selector
        ("ada", "\u3164ada\u034f", True),  # a blank letter, a blank mark
        ("", "\u3164\u2800", True),
        ("ada", "grace", False),
        ("ada", "", False),
    ],
)
def test_who_is_the_same_person(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same


@pytest.mark.parametrize(
    ("text", "right"),
    [("a" * 64, True), ("a" * 12, True), ("a" * 11, False), ("a" * 65, False), ("g" * 12, False), ("", False)],
)
def test_what_is_a_digest(text: str, right: bool) -> None:
    assert is_digest(text) is right


def test_nothing_runs_unless_it_was_decided() -> None:
    assert Decision().to_run == []
