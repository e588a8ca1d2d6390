# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs because somebody approved it: by id, by digest, by two people, by a file; seen from outside."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks import schemas

RUINED = ("--status", "ruined")
ADA, GRACE = {"RUNBOOK_OPERATOR": "ada"}, {"RUNBOOK_OPERATOR": "grace"}


@pytest.fixture
def marks(runbook: Any) -> Any:
    """Say which of the remediations have acted: each leaves a file."""

    def acted() -> list[str]:
        return sorted(path.name.removeprefix("mark.") for path in runbook.cwd.glob("mark.*"))

    return acted


def remediate(runbook: Any, *arguments: str, **options: Any) -> Any:
    return runbook.run(*RUINED, "--file", "mark", "--remediate", *arguments, **{"environment": ADA, **options})


def diagnose(runbook: Any, *arguments: str) -> dict[str, Any]:
    result: dict[str, Any] = runbook.run(*RUINED, "--file", "mark", *arguments, environment=ADA).document
    return result


@pytest.fixture(scope="module")
def diagnosis(shared_runbook: Any) -> dict[str, Any]:
    """One for the tests that need the digest of a plan, which is the same wherever it is made."""
    return diagnose(shared_runbook)


def error(said: Any) -> dict[str, Any]:
    (only,) = said.document["errors"]
    return dict(only)


def approval_file(runbook: Any, diagnosis: dict[str, Any], name: str = "approval.json", **change: Any) -> Path:
    """What ``runbook approve`` would write, with changes; ``None`` leaves a key out."""
    now = dt.datetime.now(dt.UTC)
    document = {
        "plan_digest": diagnosis["plan"]["digest"],
        "decision": "approved",
        "decided_by": "grace",
        "decided_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "expires_at": f"{now + dt.timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        "message": "Customers wait",
        **change,
    }
    path: Path = runbook.cwd / name
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))
    path.chmod(0o600)
    return path


def test_a_destructive_remediation_needs_the_digest(runbook: Any, marks: Any) -> None:
    said = remediate(runbook, "--approve", "erase-it")
    digest = said.document["plan"]["digest"]
    assert (said.code, said.document["outcome"], marks()) == (6, "refused", [])
    assert "the digest of the plan is needed" in error(said)["message"]
    assert f"--plan-digest {digest[:12]}" in error(said)["hint"]
    done = remediate(runbook, "--approve", "erase-it", "--plan-digest", digest[:12].upper())
    assert (done.code, done.document["outcome"], marks()) == (0, "resolved", ["erase-it"])
    approval = done.document["plan"]["approval"]
    assert (approval["decided_by"], approval["approved"], approval["source"]) == ("ada", ["erase-it"], "options")
    assert schemas.validate("result", done.document) == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "a second approver's name and a reason is needed"),
        (("--second-approver", "grace"), "a reason is needed"),
        (("--second-approver", " ADA", "--reason", "r"), "the second approver ADA is the operator"),
    ],
)
def test_an_irreversible_remediation_needs_two_people(
    runbook: Any, marks: Any, diagnosis: dict[str, Any], arguments: tuple[str, ...], why: str
) -> None:
    digest = diagnosis["plan"]["digest"]
    said = remediate(runbook, "--approve", "tell-all", "--plan-digest", digest, *arguments)
    assert (said.code, marks()) == (6, [])
    assert why in error(said)["message"]


def test_two_people_and_a_reason_are_recorded_as_they_were_typed(
    runbook: Any, marks: Any, diagnosis: dict[str, Any]
) -> None:
    digest = diagnosis["plan"]["digest"]
    reason = "{{ 1 + 1 }} <!channel>"
    said = remediate(
        runbook, "--approve", "tell-all", "--plan-digest", digest, "--second-approver", "grace", "--reason", reason
    )
    assert (said.code, marks()) == (0, ["tell-all"])
    approval = said.document["plan"]["approval"]
    assert (approval["second_approver"], approval["reason"]) == ("grace", reason)


def test_a_plan_that_changed_is_refused_with_the_difference(runbook: Any, marks: Any) -> None:
    first = diagnose(runbook, "--names", "a", "--names", "b")
    said = remediate(
        runbook,
        *("--incident", first["incident"]["id"], "--names", "b", "--names", "c"),
        *("--approve", "fix-it", "--plan-digest", first["plan"]["digest"]),
    )
    assert (said.code, said.document["outcome"], said.document["actions"], marks()) == (6, "refused", [], [])
    found = error(said)
    assert found["code"] == "plan_changed"
    assert "erase-it: 1 target gone (name=a), 1 target new (name=c)" in found["message"]
    erase, tell = found["difference"]["changed"]
    assert (erase["id"], tell["id"]) == ("erase-it", "tell-all")
    assert erase["targets"]["added"] == [{"name": "c", "label": "c"}]
    assert "plan_changed" in said.stderr


def test_a_digest_of_nowhere_is_refused_and_what_changed_is_unknown(runbook: Any) -> None:
    said = remediate(runbook, "--approve", "fix-it", "--plan-digest", "0" * 12)
    assert said.code == 6
    assert "what changed is not known" in error(said)["message"]


def test_what_is_not_needed_is_said(runbook: Any) -> None:
    said = runbook.run("--remediate", "--approve", "fix-it")
    assert (said.code, said.document["outcome"], said.document["errors"]) == (0, "healthy", [])
    (notice,) = said.document["notices"]
    assert notice["message"] == "Nothing to do: fix-it is approved, but no finding recommends it, and nothing is wrong"


def test_check_mode_says_what_would_be_refused(runbook: Any, marks: Any) -> None:
    said = remediate(runbook, "--approve", "erase-it", "--check")
    assert (said.code, said.document["outcome"], said.document["errors"], marks()) == (3, "findings", [], [])
    (notice,) = said.document["notices"]
    assert notice["code"] == "would_be_refused"
    assert "the digest of the plan is needed" in notice["message"]


def test_the_plan_says_what_a_person_should_know(diagnosis: dict[str, Any]) -> None:
    plan = diagnosis["plan"]
    (entry,) = [item for item in plan["remediations"] if item["id"] == "erase-it"]
    assert (entry["preconditions"], entry["touches"]) == (["A backup of it exists"], "What names says")
    assert (entry["can_roll_back"], entry["causes"], entry["verified_by"]) == (False, ["ruined"], "It is over")
    assert plan["approval"] is None


def test_a_file_is_enough_for_everything_that_it_names(runbook: Any, marks: Any) -> None:
    first = diagnose(runbook)
    incident = first["incident"]["id"]
    path = approval_file(runbook, first, incident=incident, remediations=["tell-all", "erase-it"])
    said = remediate(runbook, "--incident", incident, "--approval", path.name)
    assert (said.code, said.document["outcome"], marks()) == (0, "resolved", ["erase-it", "tell-all"])
    approval = said.document["plan"]["approval"]
    assert (approval["decided_by"], approval["second_approver"]) == ("grace", "grace")
    assert (approval["reason"], approval["source"]) == ("Customers wait", "file")
    (notice,) = said.document["notices"]
    assert notice["code"] == "approval_accepted"
    assert "grace approved erase-it, tell-all" in notice["message"]


def test_a_file_that_names_none_is_for_all_and_can_be_narrowed(
    runbook: Any, marks: Any, diagnosis: dict[str, Any]
) -> None:
    path = approval_file(runbook, diagnosis)
    narrowed = remediate(runbook, "--approval", str(path), "--approve", "erase-it")
    assert (narrowed.code, marks()) == (0, ["erase-it"])
    assert remediate(runbook, "--approval", str(path)).code == 0
    assert marks() == ["erase-it", "tell-all"]
    only = approval_file(runbook, diagnosis, remediations=["erase-it"])
    wider = remediate(runbook, "--approval", str(only), "--approve", "tell-all")
    assert (wider.code, error(wider)["message"].endswith("the approval file does not approve it")) == (6, True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"decided_by": "Ada"}, "Ada approved it and is also the operator"),
        ({"decision": "rejected"}, "grace rejected the plan: Customers wait"),
        ({"expires_at": "2026-01-01T00:00:00Z"}, "it expired at 2026-01-01T00:00:00Z"),
        ({"decided_at": "2999-01-01T00:00:00Z", "expires_at": "2999-01-02T00:00:00Z"}, "it is not valid yet"),
        ({"incident": "fixture-20260101T000000Z-0000"}, "it is for the incident fixture-20260101T000000Z-0000"),
        ({"environment": "production"}, "it is for the environment production, and this run has no environment"),
        ({"plan_digest": "0" * 64}, "the plan 000000000000 was approved"),
    ],
)
def test_a_file_that_is_not_good_for_this_run(
    runbook: Any, marks: Any, diagnosis: dict[str, Any], change: dict[str, Any], why: str
) -> None:
    path = approval_file(runbook, diagnosis, **change)
    said = remediate(runbook, "--approval", str(path))
    assert (said.code, said.document["outcome"], marks()) == (6, "refused", [])
    assert why in error(said)["message"]
    assert error(said)["code"] == ("plan_changed" if "plan_digest" in change else "refused")


def test_the_environment_is_that_of_the_inventory(runbook: Any, marks: Any) -> None:
    text = runbook.inventory.read_text()
    runbook.inventory.write_text(f"all:\n  vars:\n    runbook_environment: staging\n{text}")
    first = diagnose(runbook)
    assert first["plan"]["environment"] == "staging"
    wrong = remediate(runbook, "--approval", str(approval_file(runbook, first, environment="production")))
    assert "it is for the environment production, and this run is of staging" in error(wrong)["message"]
    right = remediate(runbook, "--approval", str(approval_file(runbook, first, environment="staging")))
    assert (right.code, marks()) == (0, ["erase-it", "tell-all"])


def test_a_file_that_others_may_write(runbook: Any, marks: Any, diagnosis: dict[str, Any]) -> None:
    path = approval_file(runbook, diagnosis)
    path.chmod(0o666)
    said = remediate(runbook, "--approval", str(path))
    assert (said.code, marks()) == (6, [])
    assert f"chmod go-w {path}" in error(said)["hint"]


def test_a_malformed_file_is_usage_before_anything_runs(runbook: Any) -> None:
    path = approval_file(runbook, {"plan": {"digest": "a" * 12}})
    said = remediate(runbook, "--approval", str(path))
    assert (said.code, said.document["outcome"], error(said)["code"]) == (2, "failed", "usage")
    assert f"Reading the approval file {path}: plan_digest: " in said.stderr
    assert not (runbook.home / "incidents").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--plan-digest", "a" * 12), "--plan-digest is given without --remediate: nothing would be done"),
        (("--take-over",), "--take-over is given without --remediate"),
        (("--remediate", "--plan-digest", "a" * 12), "Approving with --plan-digest: no remediation is named"),
        (("--remediate", "--approve", "fix-it", "--plan-digest", "a" * 11), "Reading --plan-digest 'aaaaaaaaaaa'"),
        (("--remediate", "--approve", "fix-it", "--reason", " "), "Reading --reason: it is empty"),
        (("--remediate", "--approve", "fix-it", "--reason", "x" * 1001), "Reading --reason: it has 1001 characters"),
        (("--remediate", "--approval", "x", "--reason", "r"), "Approving with --approval and --reason"),
        (("--remediate", "--approval", "nowhere"), "nowhere: No such file or directory"),
        (("--detected-at", "2026-01-01"), "it is no RFC 3339 time with a time zone"),
        (("--detected-at", "2999-01-01T00:00:00Z"), "it is in the future"),
    ],
)
def test_what_makes_no_sense(runbook: Any, arguments: tuple[str, ...], line: str) -> None:
    said = runbook.run(*arguments)
    assert (said.code, len(said.stderr.splitlines())) == (2, 1)
    assert line in said.stderr
    assert not (runbook.home / "incidents").exists()
