# SPDX-License-Identifier: GPL-3.0-or-later
"""What a press of the tab key gets: by click's protocol, and in a real bash."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from incident_runbooks.cli.completion import SHELLS
from incident_runbooks.cli.main import COMMANDS
from incident_runbooks.lab.faults import FAULTS

HEAVY = ("ansible", "ansible_runner", "kubernetes", "psycopg", "jsonschema", "jinja2", "requests", "rich")


class Item(NamedTuple):
    kind: str
    value: str
    help: str | None


class Tab:
    """Presses the tab key behind a line."""

    def __init__(self, runbook: Any) -> None:
        self.runbook = runbook

    def __call__(self, *words: str) -> list[Item]:
        """Return what the last of *words* may become, by the protocol of zsh, which tells the help too."""
        line = " ".join(word or "''" for word in ("runbook", *words))
        said = self.runbook(
            environment={"_RUNBOOK_COMPLETE": "zsh_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
        )
        assert said.stderr == "", "nothing may be written into the line that somebody types"
        lines = said.stdout.split("\n")[:-1]
        triples = zip(lines[::3], lines[1::3], lines[2::3], strict=True) if lines != [""] else ()
        return [Item(kind, value, None if text == "_" else text) for kind, value, text in triples]

    def values(self, *words: str) -> list[str]:
        return [item.value for item in self(*words)]


@pytest.fixture(scope="module")
def tab(shared_runbook: Any) -> Tab:
    return Tab(shared_runbook)


@pytest.fixture(scope="module")
def incidents(shared_runbook: Any) -> list[str]:
    """Three incidents, the oldest first: found; remediated, then diagnosed; of another type, without a result."""
    found = shared_runbook.run("--status", "down").document["incident"]["id"]
    acted = shared_runbook.run("--status", "down", "--remediate", "--approve", "fix-it").document["incident"]["id"]
    shared_runbook.run("--incident", acted, environment={"RUNBOOK_OPERATOR": "ada\n\x1b[2J:lovelace"})
    other = "pool-exhaustion-20990101T000000Z-0001"
    folder = shared_runbook.home / "incidents"
    shutil.copytree(folder / found, folder / other)
    (folder / other / "result.json").unlink()
    (folder / "fixture-20990101T000000Z-0002").mkdir()  # nothing was recorded there
    return [found, acted, other]


def test_commands_and_options(tab: Tab) -> None:
    assert tab("") == [Item("plain", name, entry.help) for name, entry in COMMANDS.items()]
    assert tab.values("sh") == ["show"]
    assert "--debug" in tab.values("--")
    assert {"--incident", "--approve", "--status", "--no-flag"} <= set(tab.values("run", "fixture", "--"))


def test_incident_types(tab: Tab) -> None:
    types = {item.value: item.help for item in tab("run", "")}
    assert {"fixture", "pool-exhaustion"} <= set(types)
    assert types["pool-exhaustion"] == "Database connection pool exhaustion"
    assert tab.values("run", "fix") == ["fixture"]


def test_incidents_the_newest_first(tab: Tab, incidents: list[str]) -> None:
    found, acted, other = incidents
    expected = {other: "pool-exhaustion: no result", acted: "fixture: healthy", found: "fixture: findings"}
    for command in ("show", "approve"):
        items = tab(command, "")
        assert items[0].value == other
        assert {item.value: item.help for item in items} == expected
    assert tab.values("show", acted[:-1]) == [acted]
    assert sorted(tab.values("run", "fixture", "--incident", "")) == sorted([found, acted]), "of that type only"
    assert tab.values("run", "pool-exhaustion", "--incident", "") == [other]


def test_runs_of_the_incident_in_the_line(tab: Tab, incidents: list[str], shared_runbook: Any) -> None:
    _, acted, other = incidents
    journal = (shared_runbook.home / "incidents" / acted / "journal.jsonl").read_text(encoding="utf-8")
    runs = list(dict.fromkeys(json.loads(line)["run_id"] for line in journal.splitlines()))
    items = tab("show", acted, "--run", "")
    assert [item.value for item in items] == runs[::-1]
    assert (items[1].help or "").startswith("remediate by ")
    assert items[0].help == r"diagnose by ada \x1b[2J:lovelace", "a name is text"
    assert len(tab.values("show", "--run", "")) == 1, f"without an incident the latest is meant, {other}"


def test_remediations_of_the_type_without_those_typed(tab: Tab) -> None:
    items = tab("run", "fixture", "--remediate", "--approve", "")
    assert {item.value for item in items} >= {"fix-it"}
    assert items[0] == Item("plain", "fix-it", "safe: Fix it")
    assert "fix-it" not in tab.values("run", "fixture", "--approve", "fix-it", "--approve", "")


def test_remediations_of_the_incident_in_the_line(tab: Tab, incidents: list[str]) -> None:
    assert "fix-it" in tab.values("approve", incidents[0], "--only", "")
    assert tab.values("approve", incidents[2], "--only", "kill") == ["kill-idle-connections"]


def test_what_can_be_rolled_back(tab: Tab, incidents: list[str], shared_runbook: Any) -> None:
    incident = "fixture-20200101T000000Z-0003"
    folder = shared_runbook.home / "incidents" / incident
    shutil.copytree(shared_runbook.home / "incidents" / incidents[0], folder)
    line = json.loads((folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    actions: list[dict[str, Any]] = [
        {"id": "first", "status": "done", "can_roll_back": True},
        {"id": "ended", "status": "done", "can_roll_back": False},
        {"id": "second", "status": "partial"},
        {"id": "restored", "status": "done", "can_roll_back": True},
        {"id": "refused", "status": "refused"},
        {"id": "restored", "status": "done", "rolls_back": {"remediation": "restored", "run_id": "run-1"}},
        {"id": "first", "status": "failed", "rolls_back": {"remediation": "first", "run_id": "run-1"}},
    ]
    with (folder / "journal.jsonl").open("a", encoding="utf-8") as journal:
        for data in actions:
            journal.write(json.dumps({**line, "type": "action", "data": data}, separators=(",", ":")) + "\n")
    items = tab("rollback", incident, "--only", "")
    assert [(item.value, item.help) for item in items] == [("second", "partial"), ("first", "done")]
    assert tab.values("rollback", incident, "--only", "first", "--only", "") == ["second"]
    assert tab.values("rollback", incidents[0], "--only", "") == []
    shutil.rmtree(folder)


def test_choices_booleans_and_files(tab: Tab) -> None:
    assert tab.values("run", "fixture", "--status", "d") == ["degraded", "down"]
    assert tab.values("run", "fixture", "--count", "") == ["1", "2", "3"]
    assert tab("run", "fixture", "--file", "x") == [Item("file", "x", None)]
    assert tab("run", "fixture", "--inventory", "x") == [Item("file", "x", None)]
    assert tab.values("completion", "") == list(SHELLS)


def test_faults_of_the_lab(tab: Tab) -> None:
    items = tab("lab", "break", "")
    assert {item.value for item in items} == set(FAULTS)
    assert all(item.help for item in items)


@pytest.mark.parametrize(
    "words",
    [("lab", "break", "nonsense"), ("run", "nonsense", "--"), ("show", "--run", ""), ("show", "../x", "--run", ""),
     ("approve", "nonsense", "--only", ""), ("show", "")],
)  # fmt: skip
def test_what_cannot_be_found_out_completes_to_nothing(runbook: Any, words: tuple[str, ...]) -> None:
    assert Tab(runbook)(*words) == []
    runbook.home.write_text("no directory")
    assert Tab(runbook)(*words) == []


def test_an_instruction_that_is_none_is_answered_with_nothing(runbook: Any) -> None:
    for instruction in ("bash_nonsense", "tcsh_complete", "zsh_complete"):
        said = runbook(environment={"_RUNBOOK_COMPLETE": instruction})
        assert (said.code, said.stdout, said.stderr) == (1, "", "")


def test_completing_imports_nothing_that_runs(tab: Tab, incidents: list[str]) -> None:
    for words in ("runbook ''", "runbook run ''", "runbook show ''", f"runbook show {incidents[1]} --run ''"):
        program = (
            "import sys; from incident_runbooks.cli.main import main\n"
            f"main([]); print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
        )
        asked = {"_RUNBOOK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = subprocess.run(
            [sys.executable, "-P", "-c", program],
            env={**tab.runbook.environment, **asked},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("plain,")
        assert done.stderr.strip() == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script(runbook: Any, shell: str) -> None:
    said = runbook("completion", shell)
    assert (said.code, said.stderr) == (0, "")
    assert f"_RUNBOOK_COMPLETE={shell}_complete" in said.stdout
    assert "runbook" in said.stdout.splitlines()[-1 if shell != "zsh" else 0]
    program = shutil.which(shell)
    if program is not None:
        checked = subprocess.run([program, "-n"], input=said.stdout, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_another_shell_is_refused(runbook: Any) -> None:
    assert runbook("completion", "tcsh").code == 2


@pytest.fixture
def bash(tab: Tab, tmp_path: Path) -> Any:
    """Return a function that completes a line in a real bash, in which the command is on PATH as it is installed."""
    program = tmp_path / "runbook"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m incident_runbooks "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(runbook completion bash)"\n'
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _runbook_completion runbook; printf "%s\\n" "${COMPREPLY[@]}"'
    )

    def complete(*words: str) -> list[str]:
        environment = {**tab.runbook.environment, "PATH": f"{tmp_path}:{tab.runbook.environment['PATH']}"}
        done = subprocess.run(
            ["bash", "--norc", "-c", script, "bash", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return complete


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_in_a_real_bash(bash: Any, incidents: list[str]) -> None:
    assert bash("runbook", "sho") == ["show"]
    assert bash("runbook", "show", "pool") == [incidents[2]]
    assert bash("runbook", "run", "fixture", "--approve", "fix") == ["fix-it"]
    assert bash("runbook", "run", "nonsense", "--") == []
