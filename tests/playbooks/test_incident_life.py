# SPDX-License-Identifier: GPL-3.0-or-later
"""One incident from the first look to the report, with the command and with ansible-playbook alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.communications import Communications
from support.runbook import ROOT, Run, Runbook

Json = dict[str, Any]
KILL = "kill-idle-connections"
# what differs from run to run: ids, times, durations, process ids, hashes
VOLATILE = re.compile(
    r"run-\d{8}T\d{6}Z-[0-9a-f]{4}|\d{8}T\d{6}Z-[0-9a-f]{4}|\d{4}-\d\d-\d\dT[\d:.]+Z?|\d{4}-\d\d-\d\d|\b[\d.]+\s?(s|min)\b"
    r"|\b[0-9a-f]{12,64}\b|\b\d+(\.\d+)?\b"
)


@pytest.fixture
def told(communications: Communications, runbook: Runbook) -> Communications:
    """The runbook's inventory has the channels."""
    runbook.hosts["communications"] = communications.variables
    return communications


@pytest.fixture
def exhaust(pool: Callable[[int], Any], pg: Any) -> Callable[[], None]:
    """A function that lets idle sessions hold every slot: short of that nobody is paged."""
    free = (
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        " - count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    )

    def fill() -> None:
        with pg.connect(user=pg.superuser) as connection:
            (slots,) = connection.execute(free).fetchone()
        pool(slots + 1)  # whoever counted has left

    return fill


@pytest.fixture
def broken(exhaust: Callable[[], None]) -> None:
    exhaust()


class Plain:
    """ansible-playbook alone."""

    def __init__(self, runbook: Runbook) -> None:
        self.runbook = runbook

    def diagnose(self) -> Run:
        return self.runbook.run()

    def remediate(self, directory: Path | None = None, *, approve: Sequence[str] = (KILL,)) -> Run:
        asked: Json = {"runbook_mode": "remediate", "approved": list(approve)}
        return self.runbook.again(directory, **asked) if directory else self.runbook.run(**asked)

    def playbook(self, name: str, incident: str, **extra: Any) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [str(program), f"playbooks/{name}.yml", "-i", str(self.runbook.write_inventory())]
        given = json.dumps({"incident": incident, **extra})
        return self._done([*command, "-e", given])

    def tell_later(self, incident: str) -> subprocess.CompletedProcess[str]:
        return self.playbook("notify", incident, runbook_send_now=True)

    def report(self, incident: str) -> subprocess.CompletedProcess[str]:
        return self.playbook("post_incident", incident, root_cause="Two report exports never closed their sessions.")

    def _done(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=self.runbook.environment(), capture_output=True, text=True, timeout=300, check=False
        )


class Wrapped(Plain):
    """The command ``runbook``."""

    def _wrapper(self, *words: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("runbook")
        return self._done([str(program), *words, "--output", "json"])

    @property
    def _inventory(self) -> list[str]:
        return ["--inventory", str(self.runbook.write_inventory())]

    def _run(self, *words: str) -> Run:
        done = self._wrapper("run", "pool-exhaustion", *words, *self._inventory)
        result = json.loads(done.stdout)
        directory = self.runbook.home / "incidents" / result["incident"]["id"]
        return Run(done.returncode, done.stderr, result, self.runbook.journal(directory), directory)

    def diagnose(self) -> Run:
        return self._run()

    def remediate(self, directory: Path | None = None, *, approve: Sequence[str] = (KILL,)) -> Run:
        again = ["--incident", directory.name] if directory else []
        return self._run("--remediate", *(word for name in approve for word in ("--approve", name)), *again)

    def tell_later(self, incident: str) -> subprocess.CompletedProcess[str]:
        return self._wrapper("notify", incident, "--now", *self._inventory)

    def report(self, incident: str) -> subprocess.CompletedProcess[str]:
        cause = "Two report exports never closed their sessions."
        return self._wrapper("post-incident", incident, "--root-cause", cause)


@pytest.fixture(params=[Plain, Wrapped], ids=["ansible-playbook", "runbook"])
def way(request: pytest.FixtureRequest, runbook: Runbook, told: Communications) -> Plain:
    made: Plain = request.param(runbook)
    return made


def purposes(run: Run, status: str) -> list[tuple[str, str]]:
    return sorted((item["purpose"], item["stage"]) for item in run.result["notifications"] if item["status"] == status)


def outbox(directory: Path) -> list[Json]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((directory / "outbox").glob("*.json"))]


def test_a_diagnosis_tells_nobody_and_shows_the_drafts(way: Plain, told: Communications, broken: None) -> None:
    run = way.diagnose()
    assert run.result["outcome"] == "findings"
    assert told.requests() == []
    assert purposes(run, "draft") == [("internal", "opened"), ("page", "opened"), ("status_page", "opened")]
    assert outbox(run.directory) == []


def test_those_concerned_are_told_once_however_often_it_runs(way: Plain, told: Communications, broken: None) -> None:
    first = way.remediate()
    assert (first.rc, first.result["outcome"]) == (0, "resolved"), first.output
    (alert,) = told.alerts()
    assert alert["status"] == "resolved"
    (incident,) = told.status_page()["incidents"]
    assert incident["status"] == "resolved"
    thread = [message["thread_ts"] for message in told.messages("incidents")]
    assert len(thread) == 2
    assert thread[1] == told.messages("incidents")[0]["ts"]
    sent = len(told.sent())
    again = way.remediate(first.directory)
    assert again.rc == 0, again.output
    assert len(told.sent()) == sent
    assert purposes(again, "sent") == []


def test_whoever_is_to_remediate_tells_also_before_anything_is_approved(
    way: Plain, told: Communications, broken: None
) -> None:
    refused = way.remediate(approve=())
    assert (refused.result["outcome"], refused.result["actions"]) == ("refused", [])
    assert [alert["status"] for alert in told.alerts()] == ["triggered"]
    assert len(told.messages("incidents")) == 1, "and nothing follows that says nothing"
    (incident,) = told.status_page()["incidents"]
    assert incident["status"] == "identified"
    sent = len(told.sent("pagerduty")), len(told.sent("statuspage"))
    again = way.remediate(refused.directory, approve=())
    assert (len(told.sent("pagerduty")), len(told.messages("incidents"))) == (sent[0], 2), "how it stands, and no page"
    done = way.remediate(refused.directory)
    assert (again.result["outcome"], done.result["outcome"]) == ("refused", "resolved"), done.output
    assert [alert["status"] for alert in told.alerts()] == ["resolved"], "one page for all of it"
    assert [each["status"] for each in told.status_page()["incidents"]] == ["resolved"]


def test_what_was_verified_is_told_although_something_else_was_refused(
    runbook: Runbook, told: Communications, broken: None
) -> None:
    run = Plain(runbook).remediate(approve=(KILL, "resize-pool"))
    assert run.result["outcome"] == "refused", run.output
    assert [action["status"] for action in run.result["actions"]] == ["done"]
    assert {each["status"] for each in run.result["verification"]} == {"resolved"}
    assert [alert["status"] for alert in told.alerts()] == ["resolved"]
    assert [each["status"] for each in told.status_page()["incidents"]] == ["resolved"]


def test_what_is_back_in_the_same_incident_is_told_before_anything_acts(
    runbook: Runbook, told: Communications, exhaust: Callable[[], None]
) -> None:
    way = Plain(runbook)
    exhaust()
    first = way.remediate()
    assert first.result["outcome"] == "resolved", first.output
    exhaust()
    back = way.remediate(first.directory)
    assert back.result["outcome"] == "resolved", back.output
    rounds = [("opened", 1), ("resolved", 1), ("opened", 2), ("resolved", 2)]
    pages = [message for message in outbox(first.directory) if message["channel"] == "pagerduty"]
    assert [(page["stage"], page["round"]) for page in pages] == rounds
    (began,) = [action["started_at"] for action in back.result["actions"]]
    assert pages[2]["sent_at"] < began
    assert [each["status"] for each in told.status_page()["incidents"]] == ["resolved", "resolved"]
    threads = [message.get("thread_ts") for message in told.messages("incidents")]
    assert (threads[0], threads[2]) == (None, None), "a thread of its own"


def test_slack_down_stops_nothing_and_is_told_later(way: Plain, told: Communications, broken: None) -> None:
    with told.broken("slack-down"):
        run = way.remediate()
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), run.output
    assert told.messages("incidents") == []
    assert [alert["status"] for alert in told.alerts()] == ["resolved"]
    later = way.tell_later(run.directory.name)
    assert later.returncode == 0, later.stdout + later.stderr
    assert len(told.messages("incidents")) == 2
    posts = len(told.sent("slack"))
    assert way.tell_later(run.directory.name).returncode == 0
    assert len(told.sent("slack")) == posts


def test_with_ansible_alone_journal_outbox_and_report_are_the_same(
    runbook: Runbook, told: Communications, exhaust: Callable[[], None], tmp_path: Path
) -> None:
    left: list[Json] = []
    for kind in (Plain, Wrapped):
        told.forget()
        runbook.home = tmp_path / kind.__name__
        exhaust()
        way = kind(runbook)
        run = way.remediate()
        assert run.result["outcome"] == "resolved", run.output
        done = way.report(run.directory.name)
        assert done.returncode == 0, done.stdout + done.stderr
        messages = [
            tuple(item[key] for key in ("channel", "purpose", "stage", "state")) for item in outbox(run.directory)
        ]
        assert len(messages) == 7
        left.append(
            {
                "journal": [_shape(record) for record in runbook.journal(run.directory)],
                "outbox": messages,
                "report": VOLATILE.sub("#", (run.directory / "report.md").read_text(encoding="utf-8")),
                "files": sorted(path.name for path in run.directory.iterdir()),
            }
        )
    plain, wrapped = left
    for part in plain:
        assert plain[part] == wrapped[part], part


def _shape(record: Json) -> tuple[str, ...]:
    data = record["data"]
    named = [str(data.get(key)) for key in ("host", "name", "check", "id", "purpose", "code", "key", "status")]
    return (record["type"], *(VOLATILE.sub("#", text) for text in named))
