# SPDX-License-Identifier: GPL-3.0-or-later
"""What the findings of the doctor's playbook come to: statuses, outcome, exit code, text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from incident_runbooks import outcomes, schemas
from incident_runbooks.doctor import document, home_check
from incident_runbooks.render.doctor import render

TYPES = ["auth-down", "pool-exhaustion"]
SKIPPED, DEGRADED = "skipped", "degraded"


def finding(component: str, status: str = "ok", cause: str | None = None, **more: Any) -> dict[str, Any]:
    told = {"check": "login", "summary": f"{component} is {status}", "data": {"needed_by": TYPES}, **more}
    return {"component": component, "status": status, "cause": cause, "required": True, **told}


def said(*findings: dict[str, Any], outcome: str = "healthy", required: tuple[str, ...] = ()) -> dict[str, Any]:
    result = {**fold([]), "errors": [], "findings": list(findings), "outcome": outcome}
    found = document(result, TYPES, required, [])
    assert schemas.validate("doctor", found) == []
    return found


@pytest.mark.parametrize(
    ("status", "cause", "is_", "outcome", "code"),
    [
        ("ok", None, "ok", "healthy", 0),
        (DEGRADED, "missing", "missing", "findings", 3),
        (DEGRADED, "refused", "refused", "findings", 3),
        (DEGRADED, "misconfigured", "misconfigured", "findings", 3),
        (DEGRADED, "expires", "expires", "findings", 3),
        ("unknown", "timeout", "unreachable", "incomplete", 4),
        ("unknown", "refused", "unreachable", "incomplete", 4),
        ("unknown", "server_error", "unknown", "incomplete", 4),
        ("unknown", "rule_error", "unknown", "incomplete", 4),
        (DEGRADED, "what nobody knows", "unknown", "incomplete", 4),
        (SKIPPED, "not_configured", "not_configured", "healthy", 0),
        (SKIPPED, "not_granted", "not_granted", "healthy", 0),
        (SKIPPED, "not_asked", "not_asked", "healthy", 0),
    ],
)
def test_each_finding_has_a_status_and_the_worst_decides(
    status: str, cause: str | None, is_: str, outcome: str, code: int
) -> None:
    found = said(finding("redis"), finding("postgres", status, cause))
    assert [each["status"] for each in found["checks"] if each["component"] == "postgres"] == [is_]
    assert (found["outcome"], outcomes.exit_code(found)) == (outcome, code)
    assert is_.replace("_", " ") in render(found, colour=False)


def test_what_could_not_be_asked_outranks_what_is_missing() -> None:
    found = said(finding("redis", DEGRADED, "missing"), finding("postgres", "unknown", "dns"))
    assert found["outcome"] == "incomplete"


def test_nothing_configured_is_not_healthy() -> None:
    found = said(finding("redis", SKIPPED, "not_configured"), finding("postgres", SKIPPED, "not_configured"))
    assert (found["outcome"], outcomes.exit_code(found)) == ("findings", 3)


def test_a_host_that_a_named_type_requires_is_missing() -> None:
    login, other = finding("postgres"), finding("postgres", SKIPPED, "not_configured", check="reserved_login")
    absent = finding("redis", SKIPPED, "not_configured", check="inventory")
    assert said(login, other, absent, required=("postgres",))["outcome"] == "healthy"
    found = said(login, other, absent, required=("postgres", "redis"))
    assert [each["status"] for each in found["checks"]] == ["ok", "not_configured", "missing"]
    assert found["outcome"] == "findings"


@pytest.mark.parametrize(("outcome", "code"), [("unknown", 9), ("failed", 5)])
def test_a_run_that_did_not_end_says_so(outcome: str, code: int) -> None:
    found = said(finding("redis"), outcome=outcome)
    assert (found["outcome"], outcomes.exit_code(found)) == (outcome, code)
    assert "did not get to its end" in render(found, colour=False)


def test_a_step_that_failed_is_not_healthy() -> None:
    error = {"code": "step_failed", "message": "it broke", "hint": None, "component": "redis", "at": None}
    result = {**fold([]), "findings": [finding("redis")], "errors": [error], "outcome": "incomplete"}
    found = document(result, TYPES, (), [])
    assert found["outcome"] == "incomplete"
    assert "it broke" in render(found, colour=False)


def test_the_text_says_who_needs_it_and_what_to_do() -> None:
    lack = finding("postgres", DEGRADED, "missing", next_step="GRANT it.", data={"needed_by": ["auth-down"]})
    text = render(said(lack, finding("redis", SKIPPED, "not_configured", next_step="Add it.")), colour=False)
    assert "(for auth-down)" in text
    assert "(for all)" in text
    assert text.endswith("What to do\n  postgres login: GRANT it.")


def test_what_a_server_says_cannot_steer_the_terminal() -> None:
    text = render(
        said(finding("redis", DEGRADED, "missing", summary="\x1b[2Jgone", next_step="\x1b]0;x")), colour=False
    )
    assert "\x1b" not in text


def test_a_home_is_looked_at_without_writing_there(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    assert home_check(home, TYPES)["status"] == "ok"
    assert not home.parent.exists()
    (tmp_path / "file").touch()
    lost = home_check(tmp_path / "file" / "home", TYPES)
    assert (lost["status"], bool(lost["next_step"])) == ("missing", True)
