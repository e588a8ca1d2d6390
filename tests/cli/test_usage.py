# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be done is said in one clear line, with the right exit code, and in JSON where JSON is awaited."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks import schemas

KNOWN = (
    "known: api-latency, auth-down, data-breach, fixture, ingestion-lag, payment-failure, pool-exhaustion, "
    "webhook-failures"
)
RUN = ("run", "fixture", "--inventory", "inventory.yml")
POOL = ("run", "pool-exhaustion", "--inventory", "inventory.yml")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("run", "fixtur"), f"unknown incident type 'fixtur'; {KNOWN}; did you mean 'fixture'?"),
        (("run",), f"Choosing the incident type: none is given; {KNOWN}; see: runbook list"),
        ((*RUN, "--bogus"), "No such option"),
        (
            (*RUN, "--count", "x"),
            "Invalid value for '--count': 'x' is not a whole number; see: runbook run fixture --help",
        ),
        ((*RUN, "--count", "4"), "Invalid value for '--count': '4' is not one of 1, 2, 3"),
        ((*RUN, "--ratio", "nan"), "Invalid value for '--ratio': 'nan' is not a finite number"),
        ((*RUN, "--ratio", "1,5"), "Invalid value for '--ratio': '1,5' is not a number"),
        ((*RUN, "--ports", "a"), "Invalid value for '--ports': 'a' is not a whole number"),
        (
            (*RUN, "--status", "on fire"),
            "Invalid value for '--status': 'on fire' is not one of 'ok', 'degraded', 'down'",
        ),
        ((*RUN, "--labels", "k"), "Invalid value for '--labels': 'k' is not KEY=VALUE or a JSON object"),
        ((*RUN, "--labels", '{"a": NaN}'), "is not a JSON object"),
        (
            (*POOL, "--warn-ratio", "7"),
            "Invalid value for '--warn-ratio': 7 is not a number from 0 to 1; see: runbook run pool-exhaustion --help",
        ),
        ((*POOL, "--max-terminate", "-5"), "Invalid value for '--max-terminate': -5 is not a number from 1 to 100"),
        (
            (*POOL, "--exclude-addresses", "10.0.0.0/8", "--exclude-addresses", "notanip"),
            "Invalid value for '--exclude-addresses': 'notanip' is not an IP address or network, such as 203.0.113.7",
        ),
        (
            ("run", "data-breach", "--inventory", "inventory.yml", "--since", "gestern"),
            "Invalid value for '--since': 'gestern' is not an RFC 3339 time with a time zone, such as 2026-",
        ),
        (
            ("run", "ingestion-lag", "--inventory", "inventory.yml", "--skip-until", "meta=soon"),
            "Invalid value for '--skip-until': 'soon' is not an RFC 3339 time",
        ),
        ((*RUN, "--timeout", "0"), "Invalid value for '--timeout': '0' is not above 0"),
        ((*RUN, "--timeout", "inf"), "Invalid value for '--timeout': 'inf' is not a finite number"),
        (
            (*RUN, "--remediate", "--approve", "x"),
            "Approving 'x' for fixture: there is no such remediation; known: fix-it",
        ),
        (
            (*RUN, "--approve", "fix-it"),
            "Approving a remediation without --remediate: nothing would be done; add --remediate",
        ),
        ((*RUN, "--incident", "../../etc"), "Reading the incident id '../../etc': it is none"),
        (
            (*RUN, "--incident", "fixture-20260101T000000Z-0000"),
            "Looking for the incident fixture-20260101T000000Z-0000: there is none in",
        ),
        (
            ("run", "fixture", "--inventory", "nowhere.yml"),
            "nowhere.yml: No such file or directory; --inventory names it",
        ),
        (("run", "fixture"), "Looking for the inventory: none is named; give --inventory PATH, set RUNBOOK_INVENTORY"),
        (("show", "nonsense"), "Reading the incident id 'nonsense': it is none"),
        (("show",), "none was recorded so far"),
        (("show", "a", "b"), "Got unexpected extra argument (b)"),
    ],
)
def test_usage_errors(runbook: Any, arguments: tuple[str, ...], line: str) -> None:
    said = runbook(*arguments)
    assert said.code == 2
    (only,) = said.stderr.splitlines()
    assert only.startswith("runbook: ")
    assert line in only
    result = said.document
    assert schemas.validate("result", result) == []
    (error,) = result["errors"]
    assert (result["outcome"], error["code"]) == ("failed", "usage")
    assert error["message"] in only
    assert result["incident"]["type"] == (arguments[1] if arguments[0] == "run" and len(arguments) > 1 else None)
    assert not (runbook.home / "incidents").exists(), "nothing was begun"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lab", "Choosing what to do with the lab: nothing is said; known: up, break, heal, status, down; see: "),
        ("lab brek", "No such command 'brek'"),
        ("lab break", "Missing argument 'FAULT'; see: runbook lab break --help"),
        ("lab break nofault", "unknown fault 'nofault'; see: runbook lab break --help"),
        ("lab break stripe-key-stal", "unknown fault 'stripe-key-stal'; did you mean 'stripe-key-stale'?"),
        ("lab heal slack-dwn", "unknown fault 'slack-dwn'; did you mean 'slack-down'?"),
        ("lab heal pool-exhaustion", "Healing 'pool-exhaustion' alone: it cannot be undone alone"),
    ],
)
def test_the_lab_says_in_a_short_line_what_it_does_not_know(runbook: Any, line: str, said: str) -> None:
    (only,) = runbook(*line.split()).stderr.splitlines()
    assert only.startswith(f"runbook: {said}")
    assert len(only) < 200
    assert "Usage: runbook lab break [OPTIONS] FAULT\n" in runbook("lab", "break", "--help").stdout


def test_in_text_an_error_leaves_stdout_empty(runbook: Any) -> None:
    said = runbook("run", "nothing", "--output", "text")
    assert (said.code, said.stdout) == (2, "")
    assert len(said.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "line",
    [
        *("lst", "list --output xml", "list --output json --bogus", "history --limit x", "verify nonsense"),
        *("approve nonsense -o x", "lab", "lab break nothing", "lab status --bogus", "report nonsense --format json"),
        *("report nonsense --format=json", "report nonsense -o x.md", "report nonsense -ox.md", "report --to x.md"),
        *("rollback nonsense", "notify nonsense --check", "post-incident nonsense", "demo nonsense"),
    ],
)
def test_an_error_is_one_document_whatever_the_command(runbook: Any, line: str) -> None:
    said = runbook(*line.split())
    assert said.code == 2
    (error,) = said.document["errors"]
    assert (said.document["outcome"], error["code"]) == ("failed", "usage")
    assert error["message"] in said.stderr
    assert len(said.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "line",
    [
        *("list --bogus --output text", "completion basch", "completion"),  # a shell would execute a document
        *("report nonsense", "report nonsense --format html", "report nonsense -o -"),  # it is no JSON that is wanted
    ],
)
def test_where_no_json_is_waited_for_an_error_leaves_stdout_empty(runbook: Any, line: str) -> None:
    said = runbook(*line.split())
    assert (said.code, said.stdout) == (2, "")
    assert len(said.stderr.splitlines()) == 1


def test_an_unreadable_inventory(runbook: Any) -> None:
    runbook.inventory.chmod(0)
    # root reads everything, but not once it has no privileges in a user namespace of its own
    nobody = ["unshare", "--user", "--map-user=65534"] if os.geteuid() == 0 else []
    said = runbook.run(prefix=nobody)
    assert said.code == 2
    assert f"{runbook.inventory}: Permission denied" in said.stderr


def test_an_inventory_that_is_no_file(runbook: Any) -> None:
    (runbook.cwd / "loop").symlink_to("loop")
    said = runbook("run", "fixture", "--inventory", "loop")
    assert said.code == 2
    assert "Too many levels of symbolic links" in said.stderr


def test_hostile_arguments_are_shown_harmless(runbook: Any) -> None:
    said = runbook("run", "\x1b[2J\x9b31m\u202e" + "x" * 100_000)
    assert said.code == 2
    assert all(character.isprintable() or character == "\n" for character in said.stderr)
    assert len(said.stderr) < 2200
    assert said.document["outcome"] == "failed"


def test_an_unexpected_error_is_one_line_and_with_debug_a_traceback(runbook: Any, site: Path) -> None:
    module = site / "incident_runbooks" / "inventory.py"
    text = module.read_text()
    canary = {"PGPASSWORD": "canary-4711"}
    module.write_text(
        text.replace(
            "def resolve(",
            "def resolve(*_): raise ZeroDivisionError('oops ' + __import__('os').environ['PGPASSWORD'])\ndef unused(",
            1,
        )
    )
    try:
        said, debug = runbook.run(environment=canary), runbook.run("--debug", environment=canary)
    finally:
        module.write_text(text)
    assert said.code == debug.code == 1
    assert said.stderr == (
        "runbook: internal error: ZeroDivisionError: oops [redacted]; "
        "run it again with --debug for the traceback, and report it\n"
    )
    assert said.document["errors"][0]["code"] == "internal"
    assert "Traceback" in debug.stderr
    assert debug.document["outcome"] == "failed"
    assert "canary" not in said.stdout + said.stderr + debug.stdout + debug.stderr


def test_a_home_that_cannot_be_written(runbook: Any) -> None:
    runbook.home.write_text("a file")
    said = runbook.run()
    assert said.code == 2
    assert said.document["errors"][0]["code"] == "usage"
    assert str(runbook.home) in said.stderr
    assert said.stderr.endswith("; check RUNBOOK_HOME\n")


@pytest.mark.parametrize(
    "line",
    ["history", "show", "verify", "report --format json", "rollback fixture-20260101T000000Z-0000 -i x, --check"],
)
def test_a_home_that_is_no_directory(runbook: Any, line: str) -> None:
    said = runbook(*line.split(), environment={"RUNBOOK_HOME": "/dev/null"})
    assert said.code == 2
    assert said.document["errors"][0]["code"] == "usage"
    assert said.stderr == "runbook: Reading the incidents in /dev/null/incidents: Not a directory; check RUNBOOK_HOME\n"
