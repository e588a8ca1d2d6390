# SPDX-License-Identifier: GPL-3.0-or-later
"""Several findings in one task: as good as one task each, each with its own variables, and none spoils another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.journal_bench import Bench, copy_collection

FINDINGS = "brandconnect.incidents.finding"
SEEN = {
    "vars": {"measured": 7, "limit": 9},
    "findings": [
        {
            "check": "load",
            "vars": {"twice": "{{ measured * 2 }}"},
            "data": {"twice": "{{ twice }}"},
            "rules": [
                {
                    "when": "twice > limit",
                    "status": "down",
                    "cause": "too_much",
                    "summary": "{{ twice }} of {{ limit }}",
                }
            ],
        },
        {"check": "lost", "data": {"gone": "{{ nowhere.at_all }}"}, "rules": [], "otherwise": "never said"},
        {"check": "calm", "required": False, "rules": [{"when": "measured > 90", "status": "down", "summary": "no"}]},
        {"check": "broken", "error": "it broke"},
        {"check": "left out", "when": ["measured == 7", "measured > limit"], "data": {"gone": "{{ nowhere }}"}},
        {"check": "undecided", "when": "nowhere.at_all", "otherwise": "never said"},
    ],
}


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_collection(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def bench(collections: Path, tmp_path: Path) -> Bench:
    return Bench(collections, tmp_path)


def judged(bench: Bench, arguments: dict[str, Any], **task: Any) -> Any:
    return bench.run(bench.playbook([{"tasks": [{"name": "Judge", FINDINGS: arguments, **task}]}]))


@pytest.mark.parametrize("here", [6, 2, 0])
def test_each_is_judged_by_itself(bench: Bench, here: int) -> None:
    """Whether it stands in the task, or in a variable of which the task names the name."""
    listed = {"findings": SEEN["findings"][:here], "more": "others"}
    ran = judged(bench, listed, vars={**SEEN["vars"], "others": SEEN["findings"][here:]})
    found = {each["check"]: each for each in ran.result["findings"]}
    assert {name: (each["status"], each["cause"]) for name, each in found.items()} == {
        "load": ("down", "too_much"),
        "lost": ("unknown", "rule_error"),
        "calm": ("ok", None),
        "broken": ("unknown", "check_failed"),
        "undecided": ("unknown", "rule_error"),
    }
    assert found["load"]["summary"] == "14 of 9"
    assert found["load"]["data"] == {"twice": 14}
    assert "nowhere" in found["lost"]["summary"]
    assert found["broken"]["summary"] == "it broke"
    assert ran.result["outcome"] == "incomplete"


def test_what_a_system_said_is_no_template(bench: Bench) -> None:
    heard = bench.untrusted("heard", "{{ 7 * 7 }}")
    said = {"check": "log", "vars": {"line": "{{ heard }}"}, "data": {"line": "{{ line }}"}, "otherwise": "{{ line }}"}
    ran = judged(bench, {"findings": [said]}, vars={"heard": heard})
    (found,) = ran.result["findings"]
    assert (found["summary"], found["data"]) == ("{{ 7 * 7 }}", {"line": "{{ 7 * 7 }}"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "either check or findings is needed"),
        ({"check": "load", "findings": []}, "either check or findings is needed"),
        ({"findings": [{"rules": []}]}, "finding 1: it needs check"),
        ({"findings": [{"check": "load", "colour": "red"}]}, "finding 1: unknown key 'colour'"),
        ({"findings": "load"}, "it is no list"),
        ({"findings": [], "more": "others"}, "findings of others: it is no list"),
    ],
)
def test_what_cannot_be_read_fails(bench: Bench, arguments: dict[str, Any], said: str) -> None:
    ran = judged(bench, arguments, vars={"others": "{{ [1] }}"})
    assert ran.rc != 0
    assert said in ran.output
    assert "Traceback" not in ran.output
