# SPDX-License-Identifier: GPL-3.0-or-later
"""First-match rules, evaluated by Ansible's own template engine."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.brandconnect.incidents.plugins.action.finding import FINDING
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


def trusted(value: Any) -> Any:
    """Mark text as an author's, as Ansible does when it reads a playbook."""
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


def judge(rules: list[dict[str, Any]], otherwise: str = "fine", **variables: Any) -> dict[str, Any]:
    templar = Templar(loader=DataLoader(), variables=variables)
    return FINDING.judge(templar, trusted(rules), trust_as_template(otherwise))


def rule(when: Any, status: str = "down", summary: str = "bad", **more: Any) -> dict[str, Any]:
    return {"when": when, "status": status, "summary": summary, **more}


def test_the_first_rule_that_holds_wins() -> None:
    said = judge([rule("x > 9"), rule("x > 5", "degraded", "{{ x }} is much"), rule("x > 1")], x=7)
    assert said == {"status": "degraded", "summary": "7 is much"}


def test_no_match_is_ok_and_templated() -> None:
    assert judge([rule("x > 9")], "{{ x }} is fine", x=7) == {"status": "ok", "summary": "7 is fine"}


def test_a_list_of_conditions_must_hold_together() -> None:
    assert judge([rule(["x > 5", "y"])], x=7, y=False)["status"] == "ok"
    assert judge([rule(["x > 5", "y"])], x=7, y=True)["status"] == "down"


def test_texts_of_rules_that_do_not_match_are_never_templated() -> None:
    assert judge([rule("reachable is false", summary="{{ missing.key }}")], reachable=True)["status"] == "ok"


@pytest.mark.parametrize(
    "rules",
    [
        [rule("missing.key > 1"), rule("true", "ok", "all is well")],
        [rule("x > 1", summary="{{ missing.key }}"), rule("true", "ok", "all is well")],
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_unknown_and_ends_the_search(rules: list[dict[str, Any]]) -> None:
    said = judge(rules, x=7)
    assert (said["status"], said["cause"]) == ("unknown", "rule_error")
    assert "rule 1 could not be evaluated" in said["summary"]


def test_text_from_outside_is_never_templated() -> None:
    said = judge([rule("true", summary="it says: {{ text }}")], text="{{ 7 * 7 }}")
    assert said["summary"] == "it says: {{ 7 * 7 }}"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"when": "true", "status": "down"}, "it needs when, status and summary"),
        (rule("true", recommended=["x"]), "unknown key 'recommended'"),
        (rule("true", status="broken"), "status 'broken' is none of degraded, down, ok, skipped, unknown"),
    ],
)
def test_a_malformed_rule_is_an_error(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(IncidentsError, match=message):
        judge([bad])
