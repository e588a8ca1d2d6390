# SPDX-License-Identifier: GPL-3.0-or-later
"""On a terminal the plan is shown and the operator asked; what is not answered is not done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest

ASKED = r"Run {} \({}\)\? .*q = quit: "


@pytest.fixture
def ruined(runbook: Any, terminal: Callable[..., Any]) -> Any:
    """A run that has recommended everything and asks for the first remediation."""
    arguments = ("--status", "ruined", "--file", "mark", "--remediate")
    child = terminal("run", "fixture", "--inventory", str(runbook.inventory), *arguments)
    child.expect(ASKED.format("fix-it", "safe"))
    return child


def ended(child: Any) -> tuple[int | None, str]:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before


def runs_of(runbook: Any) -> list[dict[str, Any]]:
    """What the journals say: the mode and what was approved in each run, in order."""
    runs = []
    for journal in sorted((runbook.home / "incidents").glob("*/journal.jsonl")):
        for line in journal.read_text().splitlines():
            record = json.loads(line)
            if record["type"] == "run_started":
                runs.append({"incident": journal.parent.name, "mode": record["data"]["run"]["mode"]})
            if record["type"] == "plan":
                runs[-1]["approval"] = record["data"]["approval"]
    return runs


def marks(runbook: Any) -> list[str]:
    return sorted(path.suffix[1:] for path in Path(runbook.cwd).glob("mark.*"))


def test_the_plan_is_shown_and_what_was_approved_runs_in_the_same_incident(runbook: Any, ruined: Any) -> None:
    shown = ruined.before
    digest = re.search(r"Plan ([0-9a-f]{64})", shown)
    assert digest
    assert "erase-it (destructive): Erase what is broken" in shown
    assert "only if A backup of it exists" in shown
    assert "\u202e" not in shown, "hostile text is shown harmless"
    assert "\x1b[31mX" not in shown
    ruined.sendline("d")
    ruined.expect("would touch 1:")
    ruined.expect(ASKED.format("fix-it", "safe"))
    ruined.sendline("perhaps")
    ruined.expect(ASKED.format("fix-it", "safe"))
    ruined.sendline("n")
    ruined.expect(ASKED.format("erase-it", "destructive"))
    ruined.sendline("Y")
    ruined.expect("Type the first 8 digits")
    ruined.sendline("00000000")
    ruined.expect("Type the first 8 digits")
    ruined.sendline(digest[1][:8])
    ruined.expect(ASKED.format("tell-all", "irreversible"))
    ruined.sendline("n")
    code, text = ended(ruined)
    assert code == 0, text
    assert marks(runbook) == ["erase-it"]
    first, second = runs_of(runbook)
    assert (first["mode"], second["mode"], first["incident"]) == ("diagnose", "remediate", second["incident"])
    assert first["approval"] is None
    assert second["approval"]["approved"] == ["erase-it"]
    assert (second["approval"]["digest"], second["approval"]["source"]) == (digest[1], "prompt")


def test_all_from_here_still_asks_for_what_is_grave(runbook: Any, ruined: Any) -> None:
    digest = re.search(r"Plan ([0-9a-f]{8})", ruined.before)
    assert digest
    ruined.sendline("a")
    for _ in ("erase-it", "tell-all"):
        ruined.expect("Type the first 8 digits")
        ruined.sendline(digest[1])
    ruined.expect("Who else has approved tell-all")
    ruined.sendline(" ADA ")
    ruined.expect("Somebody else than ada has to approve it")
    ruined.sendline("Grace {{ 1 + 1 }}")
    ruined.expect("Why is it done")
    ruined.sendline("It has to be")
    code, text = ended(ruined)
    assert code == 0, text
    assert marks(runbook) == ["erase-it", "tell-all"]
    approval = runs_of(runbook)[-1]["approval"]
    assert (approval["second_approver"], approval["reason"]) == ("Grace {{ 1 + 1 }}", "It has to be")
    assert approval["approved"] == ["fix-it", "erase-it", "tell-all"]


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [("q", 6, "Nothing was approved, so nothing was done"), ("\x04", 6, "Nothing was approved"), ("\x03", 130, "")],
)
def test_whoever_leaves_has_done_nothing(runbook: Any, ruined: Any, answer: str, code: int, said: str) -> None:
    ruined.sendline("y")  # also what was answered before
    ruined.expect(ASKED.format("erase-it", "destructive"))
    ruined.sendline(answer) if answer == "q" else ruined.send(answer)
    status, text = ended(ruined)
    assert (status, said in text) == (code, True), text
    assert "Traceback" not in text
    told = [] if code == 130 else ["remediate"]  # the second run tells of what the first has found
    assert [run["mode"] for run in runs_of(runbook)] == ["diagnose", *told]
    assert marks(runbook) == []


def test_three_wrong_answers_do_not_approve(runbook: Any, ruined: Any) -> None:
    ruined.sendline("n")
    ruined.expect(ASKED.format("erase-it", "destructive"))
    ruined.sendline("y")
    for _ in range(3):
        ruined.expect("Type the first 8 digits")
        ruined.sendline("")
    ruined.expect("erase-it is not approved")
    ruined.expect(ASKED.format("tell-all", "irreversible"))
    ruined.sendline("n")
    code, _ = ended(ruined)
    assert (code, marks(runbook)) == (6, [])


def test_a_world_that_changes_while_the_operator_thinks(runbook: Any, terminal: Callable[..., Any]) -> None:
    text = runbook.inventory.read_text()
    runbook.inventory.write_text(f"all:\n  vars:\n    fixture_names: [a, b]\n{text}")
    child = terminal(
        *("run", "fixture", "--inventory", str(runbook.inventory)),
        *("--status", "ruined", "--file", "mark", "--remediate"),
    )
    child.expect(ASKED.format("fix-it", "safe"))
    runbook.inventory.write_text(f"all:\n  vars:\n    fixture_names: [b, c]\n{text}")
    child.sendline("a")
    child.expect("Type the first 8 digits of the plan's digest \\(([0-9a-f]{8})\\)")
    child.sendline(child.match[1])
    child.expect("Type the first 8 digits")
    for _ in range(3):
        child.sendline("no")
    code, said = ended(child)
    assert (code, marks(runbook)) == (6, []), said
    assert "plan_changed" in said
    assert "erase-it: 1 target gone (name=a), 1 target new (name=c)" in said


def test_healthy_and_nothing_to_ask(runbook: Any, terminal: Callable[..., Any]) -> None:
    code, text = ended(terminal("run", "fixture", "--inventory", str(runbook.inventory), "--remediate"))
    assert (code, "q = quit" in text) == (0, False)
    assert [run["mode"] for run in runs_of(runbook)] == ["diagnose"]


def test_json_and_approvals_are_not_asked_about(runbook: Any, terminal: Callable[..., Any]) -> None:
    run = ("run", "fixture", "--inventory", str(runbook.inventory), "--status", "down", "--remediate")
    for arguments, wanted in ((("--output", "json"), 6), (("--approve", "fix-it"), 0), (("--check",), 3)):
        code, text = ended(terminal(*run, *arguments))
        assert (code, "q = quit" in text) == (wanted, False), text


def test_approve_asks_before_it_writes(runbook: Any, terminal: Callable[..., Any]) -> None:
    diagnosis = runbook.run("--status", "down").document
    for answer, code in (("n", 6), ("y", 0)):
        child = terminal("approve", diagnosis["incident"]["id"], "-o", "x.json", RUNBOOK_OPERATOR="grace")
        child.expect(r"Write this decision \(approved\)\? y/n: ")
        assert "fix-it (safe): Fix it" in child.before
        child.sendline(answer)
        status, text = ended(child)
        assert status == code, text
        assert (runbook.cwd / "x.json").exists() is (code == 0)
