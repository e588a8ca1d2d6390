# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told what by real runs: Slack, PagerDuty and the status page are the lab's, their request logs the witness."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.communications import Communications
from support.journal_bench import ROOT, Bench, Ran, act, copy_collection, finding, wait_for
from support.journal_entries import PLAN, action, verification
from support.messages import HOSTILE, sections

Json = dict[str, Any]
NOTIFY = "brandconnect.incidents.notify"
# every channel there is, with a page: of two of the user's runbooks
NOTICES = [*sections()["pool-exhaustion"]["notices"][:1], *sections()["payment-failure"]["notices"]]
DOWN = finding("down", check="failure_ratio", component="backend", cause="stripe_errors", required=True)
OVER = finding("ok", check="failure_ratio", component="backend", cause=None, recommend=[])


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = copy_collection(tmp_path_factory.mktemp("collections"))
    root = base / "ansible_collections/brandconnect/incidents"
    shutil.copytree(ROOT / "playbooks", root / "playbooks")
    shutil.copytree(ROOT / "roles/common", root / "roles/common")
    source = root / "roles/rehearsal/meta/runbook.yml"
    header = {**yaml.safe_load(source.read_text()), "messages": {"notices": NOTICES}}
    source.write_text(yaml.safe_dump(header), encoding="utf-8")
    return base


class Incident:
    """Runs of one incident."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.id = ""

    def run(
        self,
        *options: str,
        mode: str = "remediate",
        found: Json = DOWN,
        done: tuple[tuple[str, Json], ...] = (action(), verification()),
        **extra: Any,
    ) -> Ran:
        """Find something, tell of it, do something, tell of that."""
        hand_over = [{"type": kind, "data": data} for kind, data in done]
        plan = {"type": PLAN[0], "data": PLAN[1]}
        plays = [
            {"tasks": [act("Look", result={"record": found})]},
            {
                "hosts": "localhost",
                "tasks": [
                    act("Plan", result={"record": plan}),
                    communicate("opened"),
                    act("Act", trace=str(self.bench.trace), result={"records": hand_over}),
                    communicate("ended"),
                ],
            },
        ]
        environment = {"RUNBOOK_INCIDENT": self.id} if self.id else {}
        variables = json.dumps({"runbook_mode": mode, **extra})
        ran = self.bench.run(
            self.bench.playbook(plays), "-e", variables, *options, RUNBOOK_OPERATOR="alice", **environment
        )
        self.id = ran.directory.name
        return ran

    def notify(self, *options: str, **extra: Any) -> Ran:
        return self.bench.run(NOTIFY, "-e", json.dumps({"incident": self.id, **extra}), *options)

    def outbox(self) -> dict[str, Json]:
        messages = [json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))]
        return {f"{item['purpose']}/{item['stage']}": item for item in messages}

    @property
    def folder(self) -> Path:
        return self.bench.home / "incidents" / self.id / "outbox"


def communicate(stage: str) -> Json:
    role = {"name": "brandconnect.incidents.common", "tasks_from": "communicate"}
    return {"name": stage, "ansible.builtin.include_role": role, "vars": {"common_stage": stage}}


@pytest.fixture
def incident(collections: Path, tmp_path: Path, communications: Communications) -> Incident:
    bench = Bench(collections, tmp_path)
    bench.hosts = {"alpha": None, "communications": dict(communications.variables)}
    return Incident(bench)


def told(ran: Ran) -> dict[str, str]:
    """What the result of the last run says of each message."""
    return {f"{item['purpose']}/{item['stage']}": item["status"] for item in ran.result["notifications"]}


def no_secret(incident: Incident, communications: Communications) -> None:
    """No key, token or address that is one lies in the incident's directory or stands in the output."""
    variables = communications.variables
    secrets = [
        str(value)
        for name, value in variables.items()
        if name.endswith(("_token", "_key", "_webhook_url")) and len(str(value)) > 8
    ]
    assert len(secrets) >= 4
    texts = [path.read_text() for path in incident.folder.parent.rglob("*") if path.is_file()]
    assert texts
    assert [name for name in secrets for text in texts if name in text] == []


def test_the_life_of_an_incident(incident: Incident, communications: Communications) -> None:
    ran = incident.run(runbook_eta="20 minutes")
    assert ran.rc == 0, ran.output
    assert ran.result["outcome"] == "resolved"
    assert told(ran) == {
        "page/opened": "sent",
        "internal/opened": "sent",
        "status_page/opened": "sent",
        "page/resolved": "sent",
        "internal/resolved": "sent",
        "internal/closed": "sent",
        "status_page/resolved": "sent",
    }
    first, reply = communications.messages()
    assert first["text"].startswith("*Resolved* (")
    assert "*P2 (high): Something to rehearse with*" in first["text"]
    assert "ETA: 20 minutes (as stated by alice)" in first["text"]
    assert len(first["edits"]) == 1
    assert reply["thread_ts"] == first["ts"]
    (alert,) = communications.alerts()
    assert (alert["dedup_key"], alert["status"]) == (incident.id, "resolved")
    page = communications.status_page()
    assert page["components"]["payments"] == "operational"
    (public,) = page["incidents"]
    assert [update["status"] for update in public["updates"]][::-1] in (
        ["identified", "resolved"],
        ["resolved", "identified"],
    )
    assert communications.sent()[0]["service"] == "pagerduty_events", "the page is first"
    no_secret(incident, communications)
    assert {item["state"] for item in incident.outbox().values()} == {"sent"}


def test_a_second_run_of_it_sends_nothing(incident: Incident, communications: Communications) -> None:
    incident.run()
    before = len(communications.requests())
    again = incident.run(found=OVER)
    assert again.rc == 0, again.output
    assert len(communications.requests()) == before
    assert set(told(again).values()) <= {"already_sent"}
    back = incident.run(found=finding("down", check="failure_ratio", component="backend", summary="other numbers"))
    assert (told(back)["page/opened"], told(back)["page/resolved"]) == ("sent", "sent"), "it was over, and is back"
    assert len(communications.status_page()["incidents"]) == 2


def test_while_it_lasts_a_second_run_says_nothing_twice(incident: Incident, communications: Communications) -> None:
    unresolved = (action(), verification("unresolved"))
    incident.run(done=unresolved)
    sent = communications.sent()
    assert communications.status_page()["components"]["payments"] == "major_outage"
    again = incident.run(done=unresolved)
    assert communications.sent() == sent
    assert told(again)["page/opened"] == "already_sent"
    assert told(again)["internal/progress"] == "already_sent"
    ended = incident.run()
    assert told(ended)["page/resolved"] == "sent"
    assert communications.status_page()["components"]["payments"] == "operational"


@pytest.mark.parametrize(
    ("options", "extra", "cause"),
    [
        ([], {"mode": "diagnose"}, "diagnose"),
        (["--check"], {}, "check_mode"),
        ([], {"runbook_notify": False}, "notify_off"),
    ],
)
def test_where_nothing_may_be_sent_the_drafts_are_shown(
    incident: Incident, communications: Communications, options: list[str], extra: Json, cause: str
) -> None:
    ran = incident.run(*options, **extra)
    assert ran.rc == 0, ran.output
    assert communications.requests() == []
    assert told(ran)["internal/opened"] == "draft"
    drafts = ran.result["notifications"]
    assert {item["cause"] for item in drafts} == {cause}
    assert "*P2 (high)" in next(item for item in drafts if item["channel"] == "slack")["payload"]["text"]
    assert not incident.folder.exists()


def test_a_healthy_system_is_no_news(incident: Incident, communications: Communications) -> None:
    ran = incident.run(found=finding("ok"), done=())
    assert (ran.rc, ran.result["outcome"], told(ran)) == (0, "healthy", {})
    assert communications.requests() == []


def test_slack_down_stops_nothing_and_is_told_later(incident: Incident, communications: Communications) -> None:
    with communications.broken("slack-down"):
        ran = incident.run()
    assert ran.rc == 0, ran.output
    assert ran.result["outcome"] == "resolved"
    assert told(ran)["internal/opened"] == "failed"
    assert told(ran)["page/resolved"] == "sent"
    assert communications.messages() == []
    (left,) = [item for item in ran.result["follow_ups"] if item.get("source") == "notification"]
    assert f"runbook notify {incident.id} --now" in left["title"]
    later = incident.notify(runbook_send_now=True)
    assert later.rc == 0, later.output
    assert later.result["outcome"] == "healthy"
    assert later.result["run"]["mode"] == "report"
    first, reply = communications.messages()
    assert reply["thread_ts"] == first["ts"]
    before = len(communications.requests())
    assert incident.notify(runbook_send_now=True).rc == 0
    assert len(communications.requests()) == before


def test_slack_that_hangs_costs_one_time_out(incident: Incident, communications: Communications) -> None:
    with communications.broken("slack-timeout"):
        ran = incident.run()
    assert ran.result["outcome"] == "resolved", ran.output
    assert told(ran)["page/resolved"] == "sent"
    assert told(ran)["internal/opened"] == "unknown"
    assert incident.outbox()["internal/opened"]["cause"] == "timeout"
    failed = incident.notify()
    assert failed.rc == 2, failed.output
    assert failed.result["outcome"] == "failed"
    assert "--force" in failed.result["errors"][0]["message"]


def test_a_page_that_nobody_gets_is_loud_and_changes_no_outcome(
    incident: Incident, communications: Communications
) -> None:
    with communications.broken("pagerduty-down"):
        ran = incident.run(done=(action(), verification("unresolved")))
        assert ran.result["outcome"] == "unresolved"
        assert told(ran)["page/opened"] == "failed"
        notices = [item for item in ran.result["notices"] if item["code"] == "not_paged"]
        assert notices[0]["message"].startswith("NOT PAGED (on-call): ")
        assert "NOT PAGED (on-call): " in ran.output
        again = incident.notify(runbook_send_now=True)
        assert again.rc == 2
        assert "NOT PAGED (on-call): " in again.output
    assert incident.notify(runbook_send_now=True).rc == 0
    assert [alert["status"] for alert in communications.alerts()] == ["triggered"]


def test_a_channel_without_settings_is_said_once_and_is_no_error(
    incident: Incident, communications: Communications
) -> None:
    del incident.bench.hosts["communications"]
    ran = incident.run()
    assert (ran.rc, ran.result["outcome"], ran.result["errors"]) == (0, "resolved", []), ran.output
    assert sorted(item["channel"] for item in ran.result["notifications"]) == ["pagerduty", "slack", "statuspage"]
    assert set(told(ran).values()) == {"not_configured"}
    assert told(incident.run(found=OVER)) == {}
    assert communications.requests() == []


def test_a_setting_that_cannot_be_read_concerns_its_channel_only(
    incident: Incident, communications: Communications
) -> None:
    broken = {"slack_token": "{{ lookup('ansible.builtin.file', '/nowhere/token') }}"}
    incident.bench.hosts["communications"] = {**communications.variables, **broken}
    ran = incident.run()
    assert ran.result["outcome"] == "resolved", ran.output
    assert told(ran)["page/opened"] == "sent"
    assert told(ran)["internal/opened"] == "not_configured"
    assert "Reading slack_token" in incident.outbox()["internal/opened"]["message"]


def test_a_pager_whose_key_cannot_be_read_is_loud(incident: Incident, communications: Communications) -> None:
    broken = {"pagerduty_routing_key": "{{ lookup('ansible.builtin.file', '/nowhere/key') }}"}
    incident.bench.hosts["communications"] = {**communications.variables, **broken}
    ran = incident.run(done=(action(), verification("unresolved")))
    assert (ran.rc, ran.result["outcome"]) == (0, "unresolved"), ran.output
    assert (told(ran)["page/opened"], told(ran)["internal/opened"]) == ("failed", "sent")
    assert incident.outbox()["page/opened"]["cause"] == "settings_unreadable"
    assert "Reading pagerduty_routing_key" in incident.outbox()["page/opened"]["message"]
    assert "NOT PAGED (on-call): Reading pagerduty_routing_key" in ran.output
    assert incident.notify(runbook_send_now=True).rc == 2
    incident.bench.hosts["communications"] = dict(communications.variables)
    assert incident.notify(runbook_send_now=True).rc == 0
    assert [alert["status"] for alert in communications.alerts()] == ["triggered"]


def test_by_webhook_the_story_is_told_without_a_thread(incident: Incident, communications: Communications) -> None:
    variables = {name: value for name, value in communications.variables.items() if name != "slack_token"}
    incident.bench.hosts["communications"] = variables
    ran = incident.run()
    said = told(ran)
    assert said.pop("internal/closed") == "suppressed", ran.output
    assert set(said.values()) == {"sent"}
    assert [(message["via"], message["thread_ts"]) for message in communications.messages()] == [("webhook", None)] * 2
    assert "cannot be changed" in incident.outbox()["internal/closed"]["message"]


def test_an_update_is_posted_once_and_obeyed_by_nobody(incident: Incident, communications: Communications) -> None:
    incident.run(done=(action(), verification("unresolved")))
    text = {"runbook_update": {"__ansible_unsafe": HOSTILE}, "runbook_update_public": True}
    ran = incident.notify(**text)
    assert ran.rc == 0, ran.output
    posted = communications.messages()[-1]
    assert posted["thread_ts"] == communications.messages()[0]["ts"]
    assert posted["text"].startswith("*Update* by ")
    assert "&lt;!channel&gt;" in posted["text"]
    assert "lookup('pipe', 'id')" in posted["text"]
    before = len(communications.sent())
    again = incident.notify(**text)
    assert set(told(again).values()) == {"already_sent"}
    assert len(communications.sent()) == before
    empty = incident.notify(runbook_update=" ")
    assert empty.rc == 2
    assert "the text is empty" in empty.output


def test_a_hostile_finding_reaches_people_as_text(incident: Incident, communications: Communications) -> None:
    # a loop variable from a file: what comes from outside is no template to Ansible
    hostile = incident.bench.untrusted("hostile", HOSTILE)
    incident.run(found=finding("down", check="failure_ratio", component="backend", summary=hostile))
    (alert,) = communications.alerts()
    said = json.dumps([communications.messages(), alert, communications.status_page()], ensure_ascii=False)
    assert "<!channel>" not in json.dumps(communications.messages())
    assert "&lt;!channel&gt;" in said
    assert "\x1b" not in said
    assert "lookup('pipe', 'id')" in said


def test_a_run_that_dies_while_it_sends(incident: Incident, communications: Communications) -> None:
    """kill -9 while Slack hangs: what may have arrived is not sent again, the rest is."""
    with communications.broken("slack-timeout"):
        plays = [
            {"tasks": [act("Look", result={"record": DOWN})]},
            {
                "hosts": "localhost",
                "tasks": [act(result={"record": {"type": "plan", "data": PLAN[1]}}), communicate("opened")],
            },
        ]
        process = incident.bench.start(incident.bench.playbook(plays), "-e", "runbook_mode=remediate")
        wait_for(lambda: list(communications.requests("slack")), "request to Slack")
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)
    (directory,) = incident.bench.directories()
    incident.id = directory.name
    assert incident.outbox()["internal/opened"]["state"] == "sending"
    ran = incident.notify()
    assert ran.rc == 2, ran.output
    assert incident.outbox()["internal/opened"]["state"] == "unknown"
    assert communications.messages() == []
    forced = incident.notify(runbook_send_force=True)
    assert forced.rc == 0, forced.output
    assert len(communications.messages()) == 1
    assert len(communications.alerts()) == 1
    assert len(communications.status_page()["incidents"]) == 1


def test_where_nothing_records_nothing_is_sent(incident: Incident, communications: Communications) -> None:
    bench = incident.bench
    plays = [{"hosts": "localhost", "tasks": [communicate("opened")]}]
    process = bench.start(bench.playbook(plays, "no_runbook"), "-v")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "nothing records this run, so nothing is sent" in output
    assert communications.requests() == []
