# SPDX-License-Identifier: GPL-3.0-or-later
"""Help and the catalogue: complete, at once, and without importing what a run needs."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import click
import pytest

from incident_runbooks import catalogue
from incident_runbooks.cli.main import COMMANDS
from incident_runbooks.outcomes import exit_code

HEAVY = ("ansible", "ansible_runner", "kubernetes", "psycopg", "jsonschema", "jinja2", "psutil")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["list"], ["run", "--help"], ["run", "fixture", "--help"]]
)
def test_help_and_list_import_nothing_that_runs(runbook: Any, arguments: list[str]) -> None:
    program = (
        "import sys; from incident_runbooks.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        f"print(code, *[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=runbook.environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "0"
    assert done.stdout


def test_help_does_not_read_the_catalogue(runbook: Any) -> None:
    program = "import sys; from incident_runbooks.cli.main import main; main(['--help']); print('yaml' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=runbook.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_registry_says_what_the_command_says(name: str) -> None:
    module, _, attribute = COMMANDS[name].target.partition(":")
    command: click.Command = getattr(importlib.import_module(module), attribute)
    assert command.name == name
    assert command.get_short_help_str(200) == COMMANDS[name].help


def test_help_goes_to_stdout_also_in_a_pipe(runbook: Any) -> None:
    said = runbook("--help")
    assert (said.code, said.stderr) == (0, "")
    for name, entry in COMMANDS.items():
        assert name in said.stdout
        assert entry.help in " ".join(said.stdout.split())


def test_without_arguments_it_is_not_healthy(runbook: Any) -> None:
    said = runbook()
    assert (said.code, said.stdout) == (2, "")
    assert said.stderr == runbook("--help").stdout


def test_help_names_every_exit_code(runbook: Any) -> None:
    text = runbook("--help").stdout
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 9):
        assert f" {code}  " in text
    assert exit_code.__doc__
    assert "130/143" in text


def test_list_is_json_in_a_pipe_and_a_table_otherwise(runbook: Any) -> None:
    said = runbook("list")
    assert (said.code, said.stderr) == (0, "")
    listed = {entry["type"]: entry for entry in said.document}
    assert {"fixture", "pool-exhaustion"} <= set(listed)
    assert listed["fixture"]["sla_target_s"] == 3600
    assert listed["fixture"]["remediations"][0] == {"id": "fix-it", "title": "Fix it", "risk": "safe"}
    text = runbook("list", "--output", "text").stdout
    (line,) = [line for line in text.splitlines() if line.startswith("fixture")]
    assert line.split("  ")[-1].strip() == "fix-it (safe), erase-it (destructive), tell-all (irreversible)"
    assert "1 h" in line


def test_the_help_of_a_type_shows_every_option_with_its_default(runbook: Any) -> None:
    text = " ".join(runbook("run", "fixture", "--help").stdout.split())
    for part in (
        "--status [ok|degraded|down|ruined|unknown|crash] What the check is to find. crash fails the step.",
        "[default: ok]",
        "--count [1|2|3]",
        "--ratio NUMBER A number. [default: 0.5]",
        "--flag / --no-flag",
        "--names TEXT Names. [default: a, b] Repeat for more.",
        "--ports INTEGER Numbers. Repeat for more.",
        "--labels KEY=VALUE|JSON",
        "--file PATH",
        "--fixture-timeout INTEGER",
        "--timeout SECONDS",
        "fix-it (safe): Fix it",
    ):
        assert part in text
    assert "password" not in text, "a secret is no option"


@pytest.mark.parametrize("kind", catalogue.names())
def test_every_incident_type_has_help(runbook: Any, kind: str) -> None:
    said = runbook("run", kind, "--help")
    assert said.code == 0
    for option in catalogue.get(kind).options:
        assert f"--{option.name}" in said.stdout


def test_a_broken_header_is_one_line(runbook: Any, site: Any) -> None:
    header = site / "ansible_collections/brandconnect/incidents/roles/fixture/meta/runbook.yml"
    text = header.read_text()
    header.write_text("title: [")
    try:
        said = runbook("list")
    finally:
        header.write_text(text)
    assert (said.code, said.document["outcome"]) == (1, "failed")
    assert said.stderr.startswith(f"runbook: Reading {header}: ")
    assert len(said.stderr.splitlines()) == 1
