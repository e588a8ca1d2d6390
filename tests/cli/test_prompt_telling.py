# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever is asked on a terminal tells as many as whoever is not: also where nothing is approved, or recommended."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml

from support.breach import SECURITY, SERVICE
from support.communications import Communications
from support.messages import sections

Json = dict[str, Any]
PUBLIC = {"notices": [*sections()["pool-exhaustion"]["notices"][:1], *sections()["payment-failure"]["notices"]]}
PRIVATE = sections()["data-breach"]
ASKED = r"Run {} \({}\)\? .*q = quit: "


@pytest.fixture(scope="module")
def site(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command's place, for headers of its own."""
    place = tmp_path_factory.mktemp("asking") / "site"
    shutil.copytree(site, place)
    return place


@pytest.fixture
def say(site: Path) -> Callable[[Json], None]:
    """A function that lets the header of the incident type ``fixture`` say whom to tell."""
    source = site / "ansible_collections/brandconnect/incidents/roles/fixture/meta/runbook.yml"

    def write(messages: Json) -> None:
        header = {**yaml.safe_load(source.read_text(encoding="utf-8")), "messages": messages}
        source.write_text(yaml.safe_dump(header), encoding="utf-8")

    return write


@pytest.fixture
def asked(runbook: Any, terminal: Callable[..., Any], communications: Communications) -> Callable[..., Any]:
    """A function that remediates on a terminal, with an inventory that says how everybody is reached."""
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    circle = {"slack_channels": {"security": SECURITY}, "pagerduty_service_ids": {"security": SERVICE}}
    hosts = {"fixture": None, "communications": {**communications.variables, **circle}}
    runbook.inventory.write_text(yaml.safe_dump({"all": {"vars": local, "hosts": hosts}}), encoding="utf-8")

    def start(status: str, *options: str) -> Any:
        inventory = ("--inventory", str(runbook.inventory))
        return terminal("run", "fixture", *inventory, "--status", status, "--file", "mark", "--remediate", *options)

    return start


def ended(child: Any) -> int | None:
    child.expect(pexpect.EOF)
    child.close()
    code: int | None = child.exitstatus
    return code


def modes(runbook: Any) -> list[str]:
    """What the journal of the one incident says of its runs."""
    (journal,) = (runbook.home / "incidents").glob("*/journal.jsonl")
    records = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return [record["data"]["run"]["mode"] for record in records if record["type"] == "run_started"]


@pytest.mark.parametrize("answer", ["n", "q", "\x04"], ids=["no", "quit", "end"])
def test_what_is_not_approved_is_told_all_the_same(
    runbook: Any, say: Any, asked: Any, communications: Communications, answer: str
) -> None:
    say(PUBLIC)
    child = asked("down")
    child.expect(ASKED.format("fix-it", "safe"))
    assert communications.sent() == [], "whoever acts tells at once; who is asked has not said yet"
    child.send(answer) if answer == "\x04" else child.sendline(answer)
    child.expect("Nothing was approved, so nothing was done.\r\nTelling those concerned.")
    assert ended(child) == 6
    assert "q = quit" not in child.before, "nothing is asked twice"
    assert modes(runbook) == ["diagnose", "remediate"]
    assert [alert["status"] for alert in communications.alerts()] == ["triggered"]
    assert len(communications.messages()) == 1
    assert len(communications.status_page()["incidents"]) == 1


def test_what_nothing_helps_against_is_told_and_so_is_its_end(
    runbook: Any, say: Any, asked: Any, communications: Communications
) -> None:
    say(PUBLIC)
    assert ended(asked("degraded")) == 3
    assert modes(runbook) == ["diagnose", "remediate"]
    assert [alert["status"] for alert in communications.alerts()] == ["triggered"]
    (incident,) = (runbook.home / "incidents").iterdir()
    assert ended(asked("ok", "--incident", incident.name)) == 0
    assert [alert["status"] for alert in communications.alerts()] == ["resolved"]
    assert [each["status"] for each in communications.status_page()["incidents"]] == ["resolved"]


def test_what_is_approved_is_told_by_the_run_that_acts(
    runbook: Any, say: Any, asked: Any, communications: Communications
) -> None:
    say(PUBLIC)
    child = asked("down")
    child.expect(ASKED.format("fix-it", "safe"))
    child.sendline("y")
    assert ended(child) == 0
    assert modes(runbook) == ["diagnose", "remediate"]
    assert [alert["status"] for alert in communications.alerts()] == ["resolved"]


@pytest.mark.parametrize("messages", [PUBLIC, PRIVATE], ids=["public", "private"])
def test_nobody_is_told_where_nobody_is_to_be_told(
    runbook: Any, say: Any, asked: Any, communications: Communications, messages: Json
) -> None:
    say(messages)
    child = asked("down", "--no-notify")
    child.expect(ASKED.format("fix-it", "safe"))
    child.sendline("n")
    assert ended(child) == 6
    assert modes(runbook) == ["diagnose"]
    assert communications.sent() == []


@pytest.mark.parametrize(("answer", "code", "runs"), [("y", 0, 2), ("n", 6, 1), ("\x03", 130, 1)])
def test_those_who_decide_about_a_private_incident_know_of_it_before_anything_is_asked(
    runbook: Any, say: Any, asked: Any, communications: Communications, answer: str, code: int, runs: int
) -> None:
    say(PRIVATE)
    child = asked("down")
    child.expect(ASKED.format("fix-it", "safe"))
    assert [each["status"] for each in communications.incidents()] == ["triggered"]
    said = len(communications.messages())
    assert said > 0
    child.send(answer) if answer == "\x03" else child.sendline(answer)
    assert ended(child) == code
    assert modes(runbook) == ["remediate"] * runs
    assert len(communications.incidents()) == 1, "nobody is paged twice"
    if answer != "y":
        assert len(communications.messages()) == said, "and nobody is told twice"
