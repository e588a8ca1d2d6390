# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' own tool takes every alert rule, its tests pass, and the runbooks' headers name the same alerts."""

from __future__ import annotations

import os
from typing import Any

import pytest
import yaml

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.binaries import find_program
from support.promtool import check_rules, test_rules
from support.runbook import ROOT

ALERTS = ROOT / "alerts"
TEST = ".test"
TESTS = sorted(path.stem for path in ALERTS.glob(f"*{TEST}.yml"))
RULES = sorted(path.stem for path in ALERTS.glob("*.yml") if path.stem not in TESTS)
INCIDENTS = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/runbook.yml"))


@pytest.fixture
def promtool() -> None:
    """The program has to be there; in CI its absence is a failure."""
    try:
        find_program("promtool")
    except RunbookError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(error.message)
        pytest.skip(error.message)


def rules(name: str) -> list[dict[str, Any]]:
    content = yaml.safe_load((ALERTS / f"{name}.yml").read_text(encoding="utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


def test_there_is_something_to_test() -> None:
    assert "payment_failure" in RULES


@pytest.mark.parametrize("name", RULES)
def test_every_file_of_rules_has_tests(name: str) -> None:
    assert f"{name}{TEST}" in TESTS


@pytest.mark.usefixtures("promtool")
@pytest.mark.parametrize("name", RULES)
def test_promtool_takes_the_rules(name: str) -> None:
    assert "SUCCESS" in check_rules(ALERTS / f"{name}.yml")


@pytest.mark.usefixtures("promtool")
@pytest.mark.parametrize("name", TESTS)
def test_the_rules_do_what_their_tests_say(name: str) -> None:
    assert "SUCCESS" in test_rules(ALERTS / f"{name}.yml")


def test_every_runbook_has_its_rules_and_no_file_has_those_of_none() -> None:
    assert RULES == INCIDENTS


@pytest.mark.parametrize("name", INCIDENTS)
def test_the_header_names_exactly_the_alerts_that_have_its_label(name: str) -> None:
    header = yaml.safe_load((ROOT / f"roles/{name}/meta/runbook.yml").read_text(encoding="utf-8"))
    every = [rule for file in RULES for rule in rules(file) if "alert" in rule]
    labelled = [rule["alert"] for rule in every if rule["labels"].get("runbook") == header["type"]]
    assert sorted(header["alerts"]) == sorted(labelled)


@pytest.mark.parametrize("name", RULES)
def test_the_header_names_exactly_these_alerts(name: str) -> None:
    header = yaml.safe_load((ROOT / f"roles/{name}/meta/runbook.yml").read_text(encoding="utf-8"))
    assert sorted(header["alerts"]) == sorted(rule["alert"] for rule in rules(name) if "alert" in rule)


@pytest.mark.parametrize("name", RULES)
def test_every_alert_has_a_test_that_sees_it_fire(name: str) -> None:
    tests = yaml.safe_load((ALERTS / f"{name}{TEST}.yml").read_text(encoding="utf-8"))["tests"]
    fired = {case["alertname"] for test in tests for case in test.get("alert_rule_test", []) if case["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules(name) if "alert" in rule}


@pytest.mark.parametrize("name", RULES)
def test_every_alert_leads_to_its_runbook(name: str) -> None:
    for rule in rules(name):
        if "alert" in rule:
            assert rule["labels"]["runbook"] == name.replace("_", "-"), rule["alert"]
            assert {"summary", "description"} <= set(rule["annotations"]), rule["alert"]
