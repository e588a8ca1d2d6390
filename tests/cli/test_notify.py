# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook notify``: what is waiting is sent, an update is posted, and what is left undelivered is not overlooked."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.communications import Communications
from support.messages import HOSTILE, sections

Json = dict[str, Any]
NOTICES = [*sections()["pool-exhaustion"]["notices"][:1], *sections()["payment-failure"]["notices"]]


def communicate(stage: str) -> Json:
    role = {"name": "brandconnect.incidents.common", "tasks_from": "communicate"}
    return {"name": f"Tell ({stage})", "ansible.builtin.include_role": role, "vars": {"common_stage": stage}}


@pytest.fixture(scope="module")
def site(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command's place, where the incident type ``fixture`` tells people."""
    place = tmp_path_factory.mktemp("telling") / "site"
    shutil.copytree(site, place)
    root = place / "ansible_collections/brandconnect/incidents"
    source = root / "roles/fixture/meta/runbook.yml"
    header = {**yaml.safe_load(source.read_text()), "messages": {"notices": NOTICES}}
    source.write_text(yaml.safe_dump(header), encoding="utf-8")
    playbook = root / "playbooks/fixture.yml"
    plays = yaml.safe_load(playbook.read_text())
    tasks = plays[-1]["tasks"]
    plays[-1]["tasks"] = [tasks[0], communicate("opened"), *tasks[1:], communicate("ended")]
    playbook.write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
    return place


@pytest.fixture
def telling(runbook: Any, communications: Communications) -> Any:
    """The command, with an inventory that says how everybody is reached."""
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {"fixture": None, "communications": dict(communications.variables)}
    runbook.inventory.write_text(yaml.safe_dump({"all": {"vars": local, "hosts": hosts}}), encoding="utf-8")
    return runbook


def remediate(telling: Any, *options: str) -> str:
    said = telling.run("--status", "down", "--remediate", "--approve", "fix-it", *options)
    assert said.document["outcome"] == "resolved", said
    return str(said.document["incident"]["id"])


def notify(telling: Any, incident: str, *options: str) -> Any:
    return telling("notify", incident, "--inventory", str(telling.inventory), *options)


def test_what_could_not_be_sent_is_sent_later_and_once(telling: Any, communications: Communications) -> None:
    with communications.broken("slack-down"):
        incident = remediate(telling)
        assert communications.messages() == []
        shown = notify(telling, incident, "--dry-run")
        assert shown.code == 0
        states = {f"{item['purpose']}/{item['stage']}": item["state"] for item in shown.document["messages"]}
        assert states["internal/opened"] == "failed"
        assert states["page/resolved"] == "sent"
        failed = notify(telling, incident, "--now")
        assert failed.code == 5
        assert failed.document["outcome"] == "failed"
        assert "not delivered" in failed.stderr + json.dumps(failed.document["errors"])
    sent = notify(telling, incident, "--now")
    assert sent.code == 0, sent
    assert sent.document["run"]["mode"] == "report"
    assert [item["status"] for item in sent.document["notifications"]] == ["sent"] * 3
    assert len(communications.messages()) == 2
    before = len(communications.requests())
    again = notify(telling, incident, "--now", "--output", "text")
    assert again.code == 0
    assert "Nothing was due." in again.stdout
    assert len(communications.requests()) == before
    secrets = [value for name, value in communications.variables.items() if name.endswith(("_token", "_key"))]
    texts = [path.read_text() for path in telling.home.rglob("*") if path.is_file()]
    assert [secret for secret in secrets for text in texts if secret in text] == []


def test_nothing_is_sent_where_nobody_is_to_be_told(telling: Any, communications: Communications) -> None:
    incident = remediate(telling, "--no-notify")
    assert communications.requests() == []
    shown = notify(telling, incident, "--dry-run", "--output", "text")
    assert shown.stdout.startswith("The outbox is empty")


def test_an_update_is_literal_and_posted_once(telling: Any, communications: Communications) -> None:
    incident = remediate(telling)
    text = f"Watching it: {HOSTILE}"
    before = len(communications.requests())
    shown = notify(telling, incident, "--update", text, "--dry-run")
    assert shown.code == 0, shown
    (draft,) = shown.document["drafts"]
    assert draft["due"] is True
    assert len(communications.requests()) == before
    assert notify(telling, incident, "--update", text).code == 0
    posted = communications.messages()[-1]["text"]
    assert "&lt;!channel&gt;" in posted
    assert "{{ lookup('pipe', 'id') }}" in posted
    assert posted == draft["payload"]["text"]
    count = len(communications.sent())
    assert notify(telling, incident, "--update", text).code == 0
    assert len(communications.sent()) == count


def test_an_update_that_reaches_nobody_is_no_success(telling: Any, communications: Communications) -> None:
    everything = telling.inventory.read_text()
    reached = yaml.safe_load(everything)
    variables = reached["all"]["hosts"]["communications"]
    for name in [name for name in variables if name.startswith("slack_")]:
        del variables[name]
    telling.inventory.write_text(yaml.safe_dump(reached), encoding="utf-8")
    incident = remediate(telling)
    for _ in range(2):
        said = notify(telling, incident, "--update", "Watching it", "--output", "text")
        assert said.code == 5, said
        assert "set slack_token and slack_channel" in said.stdout
        assert "Nothing was due." not in said.stdout
    assert notify(telling, incident).code == 0, "that Slack is not set up is no error of what is sent by itself"
    assert communications.messages() == []
    telling.inventory.write_text(everything, encoding="utf-8")
    assert notify(telling, incident, "--update", "Watching it").code == 0
    assert communications.messages()[-1]["text"].endswith("Watching it")


@pytest.mark.parametrize(
    ("options", "hint"),
    [(["--public"], "add --update TEXT"), (["--update", " "], "1 to 2000 characters")],
)
def test_what_makes_no_sense_is_refused(telling: Any, options: list[str], hint: str) -> None:
    incident = remediate(telling, "--no-notify")
    said = notify(telling, incident, *options)
    assert said.code == 2
    assert hint in said.stderr


def test_an_unknown_incident_is_a_usage_error(telling: Any) -> None:
    said = notify(telling, "fixture-20260101T000000Z-0000")
    assert said.code == 2
    assert said.document["incident"]["type"] is None


def test_who_was_never_told_gets_no_update(telling: Any, communications: Communications) -> None:
    incident = remediate(telling, "--no-notify")
    said = notify(telling, incident, "--update", "Hello", "--output", "text")
    assert said.code == 5
    assert "nobody on Slack was told of it" in said.stdout
    assert communications.requests() == []
