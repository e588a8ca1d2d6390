# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook from-alert``: a payload in, the commands to type out; exit codes, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks.cli.from_alert import LARGEST_BYTES

BEGAN = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=10)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def alert(name: str, status: str = "firing", **labels: str) -> dict[str, Any]:
    """As Alertmanager 0.25 sends it."""
    return {
        "status": status,
        "labels": {"alertname": name, **labels},
        "annotations": {"summary": f"{name} fires"},
        "startsAt": BEGAN,
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else BEGAN,
        "generatorURL": "http://prometheus.example:9090/graph?g0.expr=up&g0.tab=1",
        "fingerprint": "c6eadffa33fcdf37",
    }


@pytest.fixture
def payload(runbook: Any) -> Any:
    """Write a payload where the command runs; return its name."""

    def write(*alerts: dict[str, Any], **fields: Any) -> str:
        document = {
            "receiver": "runbook",
            "status": "firing" if any(each["status"] == "firing" for each in alerts) else "resolved",
            "alerts": list(alerts),
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example:9093",
            "version": "4",
            "groupKey": "{}:{}",
            "truncatedAlerts": 0,
            **fields,
        }
        (runbook.cwd / "alerts.json").write_text(json.dumps(document), encoding="utf-8")
        return "alerts.json"

    return write


FIXTURE = alert("Anything", runbook="fixture", namespace="x; touch pwned")


@pytest.mark.parametrize(
    ("alerts", "fields", "code"),
    [
        ([], {}, 0),
        ([alert("RedisDown", "resolved")], {}, 0),
        ([FIXTURE], {}, 3),
        ([FIXTURE, alert("Watchdog")], {}, 3),
        ([alert("Watchdog")], {}, 4),
        ([alert("Watchdog", "resolved")], {"status": "firing", "truncatedAlerts": 2}, 4),
    ],
)
def test_the_exit_code_says_whether_there_is_something_to_do(
    runbook: Any, payload: Any, alerts: list[Any], fields: dict[str, Any], code: int
) -> None:
    said = runbook("from-alert", payload(*alerts, **fields))
    assert (said.code, said.stderr) == (code, "")
    fires = [each for each in alerts if each["status"] == "firing"]
    listed = [*said.document["unmatched"], *(one for each in said.document["incidents"] for one in each["alerts"])]
    assert len(listed) == len(fires)
    assert len(said.document["resolved"]) == len(alerts) - len(fires)


def test_the_command_that_is_shown_works_and_keeps_the_deadline(runbook: Any, payload: Any) -> None:
    said = runbook("from-alert", payload(FIXTURE), "--inventory", str(runbook.inventory))
    (incident,) = said.document["incidents"]
    assert incident["recorded"] == []
    assert (incident["type"], incident["priority"], incident["title"]) == (
        "fixture",
        "P3",
        "An incident for the tests of the command",
    )
    program, *words = shlex.split(incident["command"])
    assert program == "runbook"
    done = runbook(*words)
    assert done.code == 0
    assert done.document["incident"]["type"] == "fixture"
    begun = dt.datetime.fromisoformat(BEGAN)
    assert dt.datetime.fromisoformat(incident["sla"]["deadline"]) == begun + dt.timedelta(seconds=3600)
    assert done.document["sla"]["deadline"] == incident["sla"]["deadline"]
    assert not (runbook.cwd / "pwned").exists()
    again = runbook("from-alert", "alerts.json").document
    assert again["incidents"][0]["recorded"] == [done.document["incident"]["id"]]


def test_a_record_that_cannot_be_read_hides_no_alert(runbook: Any, payload: Any) -> None:
    runbook.home.mkdir()
    (runbook.home / "incidents").write_text("no directory", encoding="utf-8")
    said = runbook("from-alert", payload(FIXTURE))
    assert (said.code, said.document["incidents"][0]["type"]) == (3, "fixture")
    assert "which incidents are on record is not known" in said.document["notes"][0]


def test_it_reads_standard_input(runbook: Any, payload: Any) -> None:
    prefix = ["sh", "-c", f'exec "$@" < {payload(FIXTURE)}', "sh"]
    assert runbook("from-alert", "-", prefix=prefix).document["incidents"][0]["type"] == "fixture"


def test_it_runs_nothing(runbook: Any, payload: Any) -> None:
    runbook("from-alert", payload(FIXTURE))
    assert not runbook.home.exists()


def test_text_shows_the_command(runbook: Any, payload: Any) -> None:
    said = runbook("from-alert", payload(FIXTURE, alert("Watchdog")), "--output", "text")
    assert said.code == 3
    assert "P3 low  fixture: An incident for the tests of the command" in said.stdout
    assert "  $ runbook run fixture --detected-at " in said.stdout
    assert "namespace=x; touch pwned" in said.stdout
    assert "No runbook is known for:\n    Watchdog" in said.stdout


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "it is no JSON: "),
        (b"[" * 100_000, "it is no JSON: "),
        (b"\xff\xfe\xfa", "it is no JSON: "),
        (b"[]", "it is no JSON object"),
        (b'{"version": "1"}', "version '1' of the payload is not known; known is version '4'"),
        (b'{"version": "4"}', "'alerts' is a required property"),
        (b'{"version": "4", "groupKey": "", "status": "firing", "alerts": [{}]}', "alerts/0: 'labels' is a required"),
        (
            b'{"version": "4", "groupKey": "", "status": "x\x1b[2J", "alerts": []}'.replace(b"\x1b", b"\\u001b"),
            "status: 'x\\x1b[2J' is not one of ['firing', 'resolved']",
        ),
        (b" " * (LARGEST_BYTES + 1), f"more than {LARGEST_BYTES} bytes"),
    ],
)
def test_what_is_no_payload_is_refused_in_one_line(runbook: Any, content: bytes, line: str) -> None:
    (runbook.cwd / "alerts.json").write_bytes(content)
    said = runbook("from-alert", "alerts.json")
    (error,) = said.document["errors"]  # a pipeline gets its one document
    assert (said.code, error["code"]) == (2, "usage")
    (only,) = said.stderr.splitlines()
    assert only.startswith("runbook: Reading the alerts from alerts.json: ")
    assert line in only
    assert "\x1b" not in only


@pytest.mark.parametrize(("name", "line"), [("nowhere.json", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(runbook: Any, name: str, line: str) -> None:
    said = runbook("from-alert", name)
    assert said.code == 2
    assert said.stderr.startswith(f"runbook: Reading the alerts from {name}: {line}")


def test_it_imports_nothing_that_runs(runbook: Any, payload: Any) -> None:
    heavy = ("ansible", "ansible_runner", "kubernetes", "psycopg", "jinja2", "psutil", "requests", "rich")
    program = (
        "import sys; from incident_runbooks.cli.main import main; main(sys.argv[1:]); "
        f"print(*[name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "from-alert", str(Path(runbook.cwd) / payload(FIXTURE))],
        env=runbook.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() == ""
