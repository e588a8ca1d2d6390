# SPDX-License-Identifier: GPL-3.0-or-later
"""The communications break: each way at each service, at once, beside other faults, and in the lab's own life."""

from __future__ import annotations

import json
import stat
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.lab import inventory
from incident_runbooks.lab.communications import part as parts
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.faults.communications import FAULTS as OURS
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.processes import ProcessRecord
from incident_runbooks.lab.services.secret_files import fingerprint
from incident_runbooks.lab.status import describe
from support.communications import Communications

Json = dict[str, Any]
Run = Callable[..., subprocess.CompletedProcess[str]]


def post(communications: Communications, timeout: float = 5) -> requests.Response:
    """Send the smallest message to Slack."""
    variables = communications.variables
    headers = {"Authorization": f"Bearer {variables['slack_token']}"}
    body = {"channel": "#incidents", "text": "x"}
    return requests.post(f"{variables['slack_api_url']}chat.postMessage", json=body, headers=headers, timeout=timeout)


def webhook(communications: Communications, timeout: float = 5) -> requests.Response:
    return requests.post(communications.variables["slack_webhook_url"], json={"text": "x"}, timeout=timeout)


def page(communications: Communications, timeout: float = 5) -> requests.Response:
    """Send the smallest event to PagerDuty."""
    payload = {"summary": "x", "source": "x", "severity": "info"}
    event = {"routing_key": communications.variables["pagerduty_routing_key"], "event_action": "trigger"}
    address = f"{communications.variables['pagerduty_events_url']}/v2/enqueue"
    return requests.post(address, json={**event, "payload": payload}, timeout=timeout)


def incidents(communications: Communications, timeout: float = 5) -> requests.Response:
    headers = {"Authorization": f"Token token={communications.variables['pagerduty_api_key']}"}
    return requests.get(f"{communications.variables['pagerduty_api_url']}/incidents", headers=headers, timeout=timeout)


def components(communications: Communications, timeout: float = 5) -> requests.Response:
    variables = communications.variables
    headers = {"Authorization": f"OAuth {variables['statuspage_api_key']}"}
    address = f"{variables['statuspage_api_url']}/pages/{variables['statuspage_page_id']}/components"
    return requests.get(address, headers=headers, timeout=timeout)


ALL = (post, webhook, page, incidents, components)
OK = {post: 200, webhook: 200, page: 202, incidents: 200, components: 200}
VENDORS = {"slack": (post, webhook), "pagerduty": (page, incidents), "statuspage": (components,)}


@pytest.mark.parametrize("vendor", list(VENDORS))
def test_down_is_503_and_only_there(communications: Communications, vendor: str) -> None:
    with communications.broken(f"{vendor}-down"):
        for send in ALL:
            assert send(communications).status_code == (503 if send in VENDORS[vendor] else OK[send])
    assert [send(communications).status_code for send in ALL] == list(OK.values()), "healed at once"


def test_rate_limited_says_how_long_as_each_vendor_does(communications: Communications) -> None:
    with communications.broken("slack-rate-limited", "pagerduty-rate-limited", "statuspage-rate-limited"):
        said = {send: send(communications) for send in ALL}
    assert [each.status_code for each in said.values()] == [429, 429, 429, 429, 420]
    assert (said[post].json(), said[post].headers["Retry-After"]) == ({"ok": False, "error": "ratelimited"}, "2")
    assert (said[webhook].text, said[webhook].headers["Retry-After"]) == ("rate_limited", "2")
    assert said[page].json()["status"] == "throttle exceeded"
    assert said[incidents].json()["error"]["code"] == 2020
    assert said[incidents].headers["ratelimit-reset"] == "2"
    assert "Retry-After" not in said[page].headers
    assert "Retry-After" not in said[incidents].headers
    assert said[components].headers["Retry-After"] == "2"
    assert communications.messages() == communications.alerts() == []


def test_no_key_is_accepted_any_more(communications: Communications) -> None:
    with communications.broken("slack-invalid-auth", "pagerduty-invalid-auth", "statuspage-invalid-auth"):
        said = {send: send(communications) for send in ALL}
    assert [each.status_code for each in said.values()] == [200, 403, 400, 401, 401]
    assert said[post].json() == {"ok": False, "error": "invalid_auth"}
    assert said[webhook].text == "invalid_token"
    assert said[page].json()["errors"] == ["Invalid routing key"]
    assert communications.messages() == communications.alerts() == []


@pytest.mark.parametrize("vendor", list(VENDORS))
def test_a_timeout_keeps_the_client_waiting_and_nothing_happens(communications: Communications, vendor: str) -> None:
    with communications.broken(f"{vendor}-timeout"):
        for send in VENDORS[vendor]:
            with pytest.raises(requests.ReadTimeout):
                send(communications, timeout=0.3)
    assert communications.messages() == communications.alerts() == []
    assert [each["status"] for each in communications.requests()] == [None] * len(VENDORS[vendor])


def test_a_lost_answer_means_that_it_has_happened(communications: Communications) -> None:
    with communications.broken("slack-answer-lost", "pagerduty-answer-lost"):
        for send in (post, page):
            with pytest.raises(requests.ReadTimeout):
                send(communications, timeout=0.3)
    assert (len(communications.messages()), len(communications.alerts())) == (1, 1)
    assert [each["answer"] for each in communications.requests()] == [None, None]


def test_who_waits_when_a_timeout_is_healed_loses_the_connection(communications: Communications) -> None:
    with ThreadPoolExecutor() as pool:
        with communications.broken("slack-timeout"):
            waiting = pool.submit(post, communications, 20)
            deadline = time.monotonic() + 10
            while not communications.requests() and time.monotonic() < deadline:
                time.sleep(0.01)
        with pytest.raises(requests.ConnectionError, match=r"Connection reset|closed connection|Connection aborted"):
            waiting.result()


def test_the_log_holds_every_request_and_no_secret(communications: Communications) -> None:
    for send in ALL:
        send(communications)
    keys = communications.part.keys
    wrong = {"Authorization": "Token token=another-secret"}
    requests.get(
        f"{communications.variables['pagerduty_api_url']}/incidents?api_key=third-secret", headers=wrong, timeout=5
    )
    form = {"token": keys.slack_token, "channel": "#incidents", "text": f"a key: {keys.statuspage_api_key}"}
    requests.post(f"{communications.variables['slack_api_url']}chat.postMessage", data=form, timeout=5)
    found = communications.requests()
    assert [each["service"] for each in found] == [
        *("slack", "slack", "pagerduty_events", "pagerduty", "statuspage", "pagerduty", "slack"),
    ]
    assert set(found[0]) == {"at", "service", "method", "path", "query", "headers", "body", "status", "answer"}
    assert found[0]["headers"]["Authorization"] == f"Bearer sha256:{fingerprint(keys.slack_token)}"
    assert found[2]["body"]["routing_key"] == f"sha256:{fingerprint(keys.pagerduty_routing_key)}"
    assert found[3]["headers"]["Authorization"] == f"Token token=sha256:{fingerprint(keys.pagerduty_api_key)}"
    assert (found[5]["status"], found[5]["query"]) == (401, {"api_key": [f"sha256:{fingerprint('third-secret')}"]})
    written = communications.part.requests.read_text(encoding="utf-8")
    assert [secret for secret in (*keys.secrets(), "another-secret", "third-secret") if secret in written] == []


def test_an_address_of_nobodys(communications: Communications) -> None:
    assert requests.get(f"{communications.part.url}/else", timeout=5).status_code == 404


# In the lab


def test_every_fault_can_be_injected_and_healed_alone(lab: Lab) -> None:
    communications = Communications(lab)
    communications.forget()
    assert len(OURS) == 16
    for fault in OURS:
        assert FAULTS[fault.name] is fault
        assert lab.break_(fault.name) is True
        assert lab.break_(fault.name) is False
        if fault.part == parts.NAME:
            with pytest.raises(requests.ConnectionError):
                post(communications)
            assert describe(lab)["communications"]["state"] == "stopped"
        else:
            assert communications.part.control.read() == [fault.name]
        assert describe(lab)["state"] == "up"
        assert lab.heal(fault.name) == [fault.name]
        assert lab.heal(fault.name) == []
    assert [send(communications).status_code for send in ALL] == list(OK.values())


def test_they_break_beside_other_things_but_one_way_at_a_time(lab: Lab) -> None:
    communications = Communications(lab)
    lab.break_("idle-in-transaction")
    lab.break_("slack-down")
    lab.break_("statuspage-rate-limited")
    with pytest.raises(UsageError, match="slack-down is in effect"):
        lab.break_("slack-timeout")
    assert (post(communications).status_code, components(communications).status_code) == (503, 420)
    assert lab.heal("slack-down") == ["slack-down"]
    assert (post(communications).status_code, components(communications).status_code) == (200, 420)
    assert [each["name"] for each in describe(lab)["faults"]] == ["idle-in-transaction", "statuspage-rate-limited"]
    with pytest.raises(UsageError, match="undone together with all others"):
        lab.heal("idle-in-transaction")
    assert lab.heal() == ["idle-in-transaction", "statuspage-rate-limited"]
    assert components(communications).status_code == 200


def test_a_broken_slack_does_not_need_postgres(lab: Lab) -> None:
    lab.break_("postgres-down")
    assert lab.break_("slack-down") is True


def test_a_killed_process_is_seen_and_restarted_with_what_it_was_sent(lab: Lab) -> None:
    communications = Communications(lab)
    communications.forget()
    post(communications)
    record = lab.read().record("communications")
    assert record is not None
    process = psutil.Process(record.pid)
    process.kill()
    psutil.wait_procs([process], timeout=5)
    assert (describe(lab)["state"], describe(lab)["communications"]["state"]) == ("damaged", "dead")
    assert lab.heal() == ["the communications were not running"]
    assert post(communications).status_code == 200
    assert [each["text"] for each in communications.messages()] == ["x", "x"]
    assert [each.name for each in lab.read().processes].count("communications") == 1


def test_what_they_keep_is_private(lab: Lab) -> None:
    post(Communications(lab))
    directory = lab.communications.directory
    files = [path for path in directory.iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"keys.json", "state.json", "requests.jsonl"}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    holders = {
        path.name
        for path in lab.directory.path.rglob("*")
        if path.is_file() and any(key.encode() in path.read_bytes() for key in lab.communications.keys.secrets())
    }
    assert holders == {"lab.json", "inventory.json", "keys.json"}


def test_the_command_line_of_the_process_holds_no_key(lab: Lab) -> None:
    record = lab.read().record("communications")
    assert record is not None
    process = psutil.Process(record.pid)
    shown = json.dumps([process.cmdline(), process.environ(), describe(lab)])
    assert [key for key in lab.communications.keys.secrets() if key in shown] == []


def test_the_inventory_has_their_host(lab: Lab) -> None:
    written = json.loads((lab.directory.path / inventory.FILE).read_text(encoding="utf-8"))
    host = written["_meta"]["hostvars"]["communications"]
    assert "communications" in written["all"]["hosts"]
    assert host == lab.communications.variables()
    assert set(host) == {
        *("slack_token", "slack_channel", "slack_webhook_url", "slack_api_url"),
        *("pagerduty_routing_key", "pagerduty_events_url", "pagerduty_api_key", "pagerduty_api_url"),
        *("pagerduty_from", "pagerduty_service_id"),
        *("statuspage_api_key", "statuspage_api_url", "statuspage_page_id", "statuspage_components"),
    }


def test_the_commands(lab: Lab, runbook: Run) -> None:
    here = ("--dir", str(lab.directory.path))
    found = json.loads(runbook("lab", "status", *here).stdout)
    assert found["communications"]["slack_api_url"] == lab.communications.addresses()["slack_api_url"]
    assert "Slack, PagerDuty, Statuspage: running" in runbook("lab", "status", *here, "--output", "text").stdout
    assert runbook("lab", "break", "slack-down", *here).returncode == 0
    assert post(Communications(lab)).status_code == 503
    assert json.loads(runbook("lab", "heal", "slack-down", *here).stdout)["message"] == "healed: slack-down"
    assert runbook("lab", "heal", "postgres-down", *here).returncode == 2


def test_a_process_that_does_not_start_says_why(tmp_path: Path) -> None:
    part = parts.lay_out(tmp_path)
    (part.directory / "keys.json").unlink()
    record = parts.start(part, mark={})
    with pytest.raises(RunbookError, match=r"Starting the lab's communications on 127.0.0.1:\d+: .*keys.json"):
        parts.wait_until_they_answer(part, record)
    assert ProcessRecord("communications", record.pid, record.started).find() is None
