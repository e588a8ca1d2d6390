# SPDX-License-Identifier: GPL-3.0-or-later
"""A run through the command: what it says, where it says it, and how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import verify_chain
from incident_runbooks import schemas


def journal_of(runbook: Any, result: dict[str, Any]) -> Path:
    path: Path = runbook.home / "incidents" / result["incident"]["id"] / "journal.jsonl"
    return path


def test_a_healthy_run_with_the_inventory_of_the_ansible_cfg_in_force(runbook: Any) -> None:
    config = runbook.cwd / "ansible.cfg"
    config.write_text("[defaults]\ninventory = inventory.yml\nstdout_callback = nonsense\ncallbacks_enabled = timer\n")
    said = runbook("run", "fixture", environment={"RUNBOOK_OPERATOR": "ada", "LC_ALL": "C"})
    result = said.document
    assert (said.code, result["outcome"]) == (0, "healthy"), said
    assert schemas.validate("result", result) == []
    assert (result["run"]["mode"], result["run"]["operator"]) == ("diagnose", "ada")
    assert result["run"]["inventory"] == [str(runbook.inventory)]
    first = said.stderr.splitlines()[0]
    assert first == f"runbook: fixture (diagnose, nothing is changed), inventory {runbook.inventory} (from {config})"
    assert "ok           fixture/inputs: It is fine" in said.stderr
    assert runbook.left_behind() == []
    kept = journal_of(runbook, result)
    assert verify_chain(kept) == []
    assert json.loads((kept.parent / "result.json").read_text()) == result
    for path in (runbook.home, kept.parent.parent, kept.parent, kept):
        assert path.stat().st_mode & 0o077 == 0, path


def test_inputs_arrive_typed_and_only_those_that_were_given(runbook: Any) -> None:
    inventory = runbook.inventory.read_text() + "    fixture_ratio: 0.75\n    fixture_names: [from inventory]\n"
    runbook.inventory.write_text(inventory)
    said = runbook.run(
        *("--count", "3", "--flag", "--ports", "1", "--ports", "2", "--labels", "a=b", "--labels", '{"c": 1}'),
        *("--file", "here/../x", "--fixture-timeout", "9"),
        environment={"BRANDCONNECT_TEST": "passes", "AWS_SECRET_ACCESS_KEY": "is held back"},
    )
    (finding,) = said.document["findings"]
    assert finding["data"] == {
        "count": 3,
        "ratio": 0.75,
        "flag": True,
        "names": ["from inventory"],
        "ports": [1, 2],
        "labels": {"a": "b", "c": 1},
        "file": f"{runbook.cwd}/here/../x",
        "timeout": 9,
        "environment": ",passes,",
    }


def test_inputs_are_text_and_no_templates_but_those_of_the_inventory_are(runbook: Any) -> None:
    pwned = runbook.cwd / "pwned"
    template = f"{{{{ lookup('ansible.builtin.pipe', 'touch {pwned}; echo x') }}}}"
    runbook.inventory.write_text(runbook.inventory.read_text() + '    fixture_ratio: "{{ 1 / 4 }}"\n')
    labels = json.dumps({"deep": [{template: template}]})
    said = runbook.run("--names", template, "--labels", f"a={template}", "--labels", labels, "--file", f"/{template}")
    (finding,) = said.document["findings"]
    assert not pwned.exists()
    data = finding["data"]
    assert (data["names"], data["file"], data["ratio"]) == ([template], f"/{template}", 0.25)
    assert data["labels"] == {"a": template, "deep": [{template: template}]}


def test_from_diagnosis_to_remediation_in_one_incident(runbook: Any) -> None:
    diagnosis = runbook.run("--status", "down", "--output", "text", "--no-flag")
    assert diagnosis.code == 3
    assert "\x1b" not in diagnosis.stdout + diagnosis.stderr, "no colours but on a terminal"
    (command,) = [line.strip() for line in diagnosis.stdout.splitlines() if line.strip().startswith("runbook run ")]
    words = command.split()[1:]
    assert words[-5:] == ["--inventory", str(runbook.inventory), "--status", "down", "--no-flag"]
    said = runbook(*words)
    result = said.document
    assert (said.code, result["outcome"]) == (0, "resolved")
    assert result["incident"]["id"] in command
    assert [action["id"] for action in result["actions"]] == ["fix-it"]
    runs = {json.loads(line)["run_id"] for line in journal_of(runbook, result).read_text().splitlines()}
    assert len(runs) == 2
    other = runbook(
        "run", "pool-exhaustion", "--incident", result["incident"]["id"], "--inventory", str(runbook.inventory)
    )
    assert other.code == 2
    assert "it is of another type" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "outcome"),
    [
        (("--status", "crash"), 4, "incomplete"),
        (("--status", "down", "--remediate"), 6, "refused"),
        (("--status", "down", "--remediate", "--approve", "fix-it", "--check"), 3, "findings"),
    ],
)
def test_outcomes_and_exit_codes(runbook: Any, arguments: tuple[str, ...], code: int, outcome: str) -> None:
    said = runbook.run(*arguments)
    assert (said.code, said.document["outcome"]) == (code, outcome)
    assert schemas.validate("result", said.document) == []


def test_a_run_that_acts_may_take_as_long_as_its_header_says(runbook: Any, site: Path, tmp_path: Path) -> None:
    header = site / "ansible_collections/brandconnect/incidents/roles/fixture/meta/runbook.yml"
    text = header.read_text(encoding="utf-8")
    header.write_text(f"{text}act_timeout_s: 4\n", encoding="utf-8")
    try:
        help_text = " ".join(runbook("run", "fixture", "--help").stdout.split())
        acting = runbook.run("--status", "down", "--remediate", "--approve", "fix-it", "--hang", str(tmp_path / "pid"))
    finally:
        header.write_text(text, encoding="utf-8")
    assert "[default: 1800; with --remediate 4]" in help_text
    assert (acting.code, acting.document["errors"][0]["code"]) == (9, "timeout"), acting.stderr
    other = " ".join(runbook("run", "fixture", "--help").stdout.split())
    assert "Stop everything after this many seconds. [default: 1800]" in other


def test_no_host_of_the_playbook_in_the_inventory(runbook: Any) -> None:
    runbook.inventory.write_text("other ansible_connection=local\n")
    said = runbook.run()
    result = said.document
    assert (said.code, result["outcome"], result["errors"][0]["code"]) == (2, "failed", "no_hosts")
    assert "fixture" in result["errors"][0]["message"]
    assert "no_hosts" in said.stderr


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "fixture:\n  hosts:\n    fixture:\n      db_password: canary-4711\n  x: {p: }\n y: 1\n",
            "YAML parsing failed",
        ),
        ("[x\nfixture db_password=canary-4711 canary-4712 x\n", "Failed to parse inventory"),
    ],
)
def test_an_inventory_that_does_not_parse(runbook: Any, text: str, cause: str) -> None:
    runbook.inventory.write_text(text)
    said = runbook.run()
    result = said.document
    assert (said.code, result["outcome"], result["errors"][0]["code"]) == (2, "failed", "usage")
    assert cause in result["errors"][0]["message"]
    assert str(runbook.inventory) in result["errors"][0]["message"]
    assert "canary" not in said.stdout + said.stderr + journal_of(runbook, result).read_text()
    assert runbook.left_behind() == []


def test_a_playbook_that_does_not_parse_is_an_internal_error(runbook: Any, site: Path) -> None:
    playbook = site / "ansible_collections/brandconnect/incidents/playbooks/fixture.yml"
    text = playbook.read_text()
    playbook.write_text(text.replace("gather_facts", "canary_4711"))
    try:
        said = runbook.run()
    finally:
        playbook.write_text(text)
    assert (said.code, said.document["errors"][0]["code"]) == (1, "internal")
    assert "'canary_4711' is not a valid attribute for a Play" in said.document["errors"][0]["message"]


def test_an_incident_that_another_run_holds(runbook: Any) -> None:
    first = runbook.run().document
    lock = journal_of(runbook, first).with_name("lock")
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(json.dumps({"pid": 1, "operator": "grace", "since": "2026-01-01T00:00:00Z"}))
        held.flush()
        said = runbook.run("--incident", first["incident"]["id"])
    assert (said.code, said.document["errors"][0]["code"]) == (7, "locked")
    assert "grace" in said.stderr
    assert len(said.stderr.splitlines()) == 2


def test_a_reader_that_goes_away_changes_nothing(runbook: Any) -> None:
    process = runbook.start_run("--status", "degraded", "--names", "")
    process.stdout.close()
    assert process.wait(timeout=60) == 3
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    result = runbook("show").document
    assert result["outcome"] == "findings"
    assert result["findings"][0]["data"]["names"] == [], "one empty value is the empty list"


PRINTING = ["list", "--help", "--version", "completion bash", "run fixture --help", "lab break --help"]


@pytest.mark.parametrize("line", PRINTING)
def test_nobody_reads_what_is_only_printed(runbook: Any, line: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    said = runbook(*line.split(), stdout=writer)
    os.close(writer)
    assert (said.code, said.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("line", PRINTING)
def test_a_full_disk_behind_stdout_is_said(runbook: Any, line: str) -> None:
    with Path("/dev/full").open("w") as full:
        said = runbook(*line.split(), stdout=full)
    assert said.code == 1
    assert said.stderr == "runbook: Writing to stdout: No space left on device\n"


@pytest.mark.parametrize(
    ("extra", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_on_a_terminal(runbook: Any, extra: dict[str, str], coloured: bool) -> None:
    leader, follower = pty.openpty()
    said = runbook("run", "fixture", "--approve", "x", environment=extra, stdout=follower, stderr=follower)
    os.close(follower)
    assert said.code == 2
    assert b"runbook: Approving 'x'" in os.read(leader, 10_000), "text, as stdout is a terminal"
    os.close(leader)
    program = "import sys; from incident_runbooks.cli.options import wants_colour as w; import os; "
    leader, follower = pty.openpty()
    check = program + "print(w(sys.stdout, bool(os.environ.get('NO_COLOR'))), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", check],
        env={**runbook.environment, **extra},
        stdout=follower,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    os.close(follower)
    os.close(leader)
    assert done.stderr.strip() == str(coloured)
