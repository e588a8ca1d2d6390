# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's PagerDuty: what it takes and says is checked against PagerDuty's own API descriptions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from support import specs
from support.communications import Communications

Json = dict[str, Any]
Ask = Callable[..., requests.Response]

SERVICE = {"id": "PBRNDC1", "type": "service_reference"}
INCIDENT = {"type": "incident", "title": "pool exhausted", "service": SERVICE}


@pytest.fixture
def described(communications: Communications) -> Iterator[None]:
    """After the test: what was accepted is what PagerDuty describes, and so is every answer."""
    rest, events = (specs.Contract(specs.load(f"pagerduty-{name}.json")) for name in ("rest", "events-v2"))
    yield
    checked = 0
    for each in communications.requests():
        contract, prefix = (
            (rest, "/pagerduty/api") if each["service"] == "pagerduty" else (events, "/pagerduty/events/v2")
        )
        path = each["path"].removeprefix(prefix)
        if each["status"] < 300:
            asked = {"headers": each["headers"], "query": each["query"], "body": each["body"]}
            assert contract.request_problems(each["method"], path, **asked) == [], each
        if each["status"] != 400 or each["service"] == "pagerduty":
            assert contract.answer_problems(each["method"], path, each["status"], each["answer"]) == [], each
        checked += 1
    assert checked


@pytest.fixture
def rest(communications: Communications) -> Ask:
    """Asks the REST API as a client should; a header of None is left out."""

    def ask(method: str, path: str, body: Any = None, headers: Json | None = None, **query: Any) -> requests.Response:
        variables = communications.variables
        said = {
            "Authorization": f"Token token={variables['pagerduty_api_key']}",
            "Accept": "application/vnd.pagerduty+json;version=2",
            "Content-Type": "application/json",
            "From": variables["pagerduty_from"],
        }
        data = None if body is None else json.dumps(body)
        address = variables["pagerduty_api_url"] + path
        return requests.request(
            method, address, data=data, headers={**said, **(headers or {})}, params=query, timeout=5
        )

    return ask


@pytest.fixture
def enqueue(communications: Communications) -> Ask:
    """Sends an event for the service BrandConnect."""

    def send(action: str, key: str | None = None, **changes: Any) -> requests.Response:
        event: Json = {"routing_key": communications.variables["pagerduty_routing_key"], "event_action": action}
        if key is not None:
            event["dedup_key"] = key
        if action == "trigger":
            event["payload"] = {"summary": "pool exhausted", "source": "postgres", "severity": "critical"}
        address = f"{communications.variables['pagerduty_events_url']}/v2/enqueue"
        return requests.post(address, json={**event, **changes}, timeout=5)

    return send


def test_the_contract_can_fail() -> None:
    contract = specs.Contract(specs.load("pagerduty-rest.json"))
    problems = contract.request_problems("POST", "/incidents", headers={}, query={}, body={"incident": {"title": "x"}})
    assert [each for each in problems if "header From is missing" in each]
    assert [each for each in problems if "'service' is a required property" in each]
    answer = {"incident": {"type": "incident", "status": "on fire"}}
    assert [each for each in contract.answer_problems("POST", "/incidents", 201, answer) if "on fire" in each]


# Events


def test_an_alert_is_triggered_once_acknowledged_and_resolved(
    communications: Communications, enqueue: Ask, described: None
) -> None:
    said = enqueue("trigger", "incident-1", links=[{"href": "https://runbooks", "text": "runbook"}])
    assert (said.status_code, said.json()) == (
        202,
        {"status": "success", "message": "Event processed", "dedup_key": "incident-1"},
    )
    enqueue("trigger", "incident-1")
    assert len(communications.alerts()) == len(communications.incidents()) == 1
    enqueue("acknowledge", "incident-1")
    assert communications.incidents()[0]["status"] == "acknowledged"
    enqueue("resolve", "incident-1")
    alert, incident = communications.alerts()[0], communications.incidents()[0]
    assert (alert["status"], incident["status"], incident["urgency"]) == ("resolved", "resolved", "high")
    assert alert["events"] == ["trigger", "trigger", "acknowledge", "resolve"]
    enqueue("trigger", "incident-1")
    assert [each["status"] for each in communications.alerts()] == ["resolved", "triggered"], "a new one"


def test_what_is_accepted_and_has_no_effect(communications: Communications, enqueue: Ask, described: None) -> None:
    enqueue("trigger", "incident-1")
    assert enqueue("resolve", "unknown").status_code == 202
    assert enqueue("acknowledge", "unknown").json()["status"] == "success"
    other = communications.part.keys.pagerduty_security_routing_key
    assert enqueue("resolve", "incident-1", routing_key=other).status_code == 202
    assert [each["events"] for each in communications.alerts()] == [["trigger"]]


def test_a_trigger_without_a_key_gets_one(communications: Communications, enqueue: Ask, described: None) -> None:
    key = enqueue("trigger").json()["dedup_key"]
    assert (len(key), communications.alerts()[0]["dedup_key"]) == (32, key)


@pytest.mark.parametrize(
    ("action", "changes", "expected"),
    [
        ("trigger", {"routing_key": "short"}, "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ("trigger", {"routing_key": "0" * 32}, "Invalid routing key"),
        ("trigger", {"routing_key": None}, "'routing_key' is missing or blank"),
        ("trigger", {"payload": None}, "'payload' is missing or blank"),
        ("trigger", {"payload": []}, "'payload' is not an object"),
        ("trigger", {"payload": {"source": "x", "severity": "info"}}, "'payload.summary' is missing or blank"),
        ("trigger", {"payload": {"summary": "x", "severity": "info"}}, "'payload.source' is missing or blank"),
        ("trigger", {"payload": {"summary": "x", "source": "x"}}, "'payload.severity' is missing or blank"),
        (
            "trigger",
            {"payload": {"summary": "x", "source": "x", "severity": "P1"}},
            "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')",
        ),
        ("trigger", {"payload": {"summary": "x" * 1025, "source": "x", "severity": "info"}}, "maximum is 1024"),
        (
            "trigger",
            {"payload": {"summary": "x", "source": "x", "severity": "info", "custom_details": "x"}},
            "'payload.custom_details' is not an object",
        ),
        (
            "trigger",
            {"payload": {"summary": "x", "source": "x", "severity": "info", "group": 1}},
            "'payload.group' is not a string",
        ),
        ("trigger", {"dedup_key": "x" * 256}, "maximum is 255"),
        ("trigger", {"dedup_key": 1}, "'dedup_key' is not a string"),
        ("trigger", {"links": [{"text": "x"}]}, "'links[0].href' is missing or blank"),
        ("trigger", {"images": {}}, "'images' is not an array"),
        ("resolve", {}, "'dedup_key' is missing or blank"),
        ("escalate", {"dedup_key": "x"}, "'event_action' is invalid"),
        (None, {}, "'event_action' is missing or blank"),
    ],
)
def test_an_event_that_is_none(
    communications: Communications, enqueue: Ask, action: str, changes: Json, expected: str
) -> None:
    said = enqueue(action, **changes)
    found = said.json()
    assert said.status_code == 400
    assert (found["status"], found["message"]) == ("invalid event", "Event object is invalid")
    assert [each for each in found["errors"] if expected in each], found
    assert communications.alerts() == []


def test_a_body_that_is_no_json_and_one_that_is_too_large(communications: Communications) -> None:
    address = f"{communications.variables['pagerduty_events_url']}/v2/enqueue"
    said = requests.post(address, data="routing_key=x", timeout=5)
    assert (said.status_code, said.json()["errors"]) == (400, ["JSON parse error"])
    assert requests.post(address, data=b"x" * (512 * 1024 + 1), timeout=5).status_code == 413
    assert requests.get(address, timeout=5).status_code == 405
    assert requests.post(address.removesuffix("v2/enqueue"), data="x", timeout=5).status_code == 404


# Incidents


def test_an_incident_from_beginning_to_end(communications: Communications, rest: Ask, described: None) -> None:
    body = {"type": "incident_body", "details": "17 of 17 slots"}
    wanted = {**INCIDENT, "incident_key": "incident-1", "urgency": "high", "body": body}
    made = rest("POST", "/incidents", {"incident": wanted})
    incident = made.json()["incident"]
    assert (made.status_code, incident["status"], incident["incident_key"]) == (201, "triggered", "incident-1")
    assert incident["html_url"].startswith("https://brandconnect.pagerduty.com/incidents/")
    assert (incident["type"], incident["summary"]) == ("incident", "[#1] pool exhausted")
    found = rest("GET", "/incidents", incident_key="incident-1").json()
    assert [each["id"] for each in found["incidents"]] == [incident["id"]]
    assert rest("GET", "/incidents", incident_key="other").json()["incidents"] == []
    note = rest("POST", f"/incidents/{incident['id']}/notes", {"note": {"content": "terminated 12"}})
    assert (note.status_code, note.json()["note"]["content"]) == (200, "terminated 12")
    change = {"incident": {"type": "incident_reference", "status": "acknowledged"}}
    assert rest("PUT", f"/incidents/{incident['id']}", change).json()["incident"]["status"] == "acknowledged"
    several = {"incidents": [{"id": incident["id"], "type": "incident_reference", "status": "resolved"}]}
    assert rest("PUT", "/incidents", several).json()["incidents"][0]["resolved_at"]
    kept = communications.incidents()[0]
    assert (kept["status"], kept["details"], kept["notes"][0]["content"]) == (
        "resolved",
        "17 of 17 slots",
        "terminated 12",
    )
    assert rest("GET", "/incidents", **{"statuses[]": ["triggered", "acknowledged"]}).json()["incidents"] == []
    assert rest("GET", f"/incidents/{incident['id']}/notes").json()["notes"]
    assert rest("GET", f"/incidents/{incident['id']}").json()["incident"]["assignments"] == []


def test_an_open_incident_with_the_key_is_refused_as_2002(rest: Ask, enqueue: Ask, described: None) -> None:
    wanted = {"incident": {**INCIDENT, "incident_key": "incident-1"}}
    first = rest("POST", "/incidents", wanted).json()["incident"]
    again = rest("POST", "/incidents", wanted)
    message = "Open incident with matching dedup key already exists on this service"
    assert again.status_code == 400
    assert again.json() == {"error": {"message": "Arguments Caused Error", "code": 2002, "errors": [message]}}
    other = {"incident": {**wanted["incident"], "service": {"id": "PSECUR1", "type": "service_reference"}}}
    assert rest("POST", "/incidents", other).status_code == 201, "another service"
    rest("PUT", f"/incidents/{first['id']}", {"incident": {"type": "incident", "status": "resolved"}})
    assert rest("POST", "/incidents", wanted).status_code == 201, "the first is resolved"
    enqueue("trigger", "incident-2")
    assert (
        rest("POST", "/incidents", {"incident": {**INCIDENT, "incident_key": "incident-2"}}).json()["error"]["code"]
        == 2002
    )


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"From": None}, 400, 2016),
        ({"From": "on-call"}, 400, 1028),
        ({"From": "nobody@brandconnect.example"}, 400, 1008),
        ({"Content-Type": None}, 400, 2001),
        ({"Content-Type": "text/plain"}, 400, 2001),
    ],
)
def test_headers_that_are_missing_or_wrong(rest: Ask, described: None, headers: Json, status: int, code: int) -> None:
    said = rest("POST", "/incidents", {"incident": INCIDENT}, headers)
    assert (said.status_code, said.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("authorization", [None, "Token token=wrong", "Bearer x", "wrong"])
def test_a_request_needs_the_key(communications: Communications, rest: Ask, authorization: str | None) -> None:
    said = rest("POST", "/incidents", {"incident": INCIDENT}, {"Authorization": authorization})
    assert said.status_code == 401
    assert "json" not in said.headers["Content-Type"], "clients report that this one is none"
    assert communications.incidents() == []


def test_the_version_may_be_left_out_of_accept(rest: Ask) -> None:
    assert rest("GET", "/incidents", headers={"Accept": None}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"type": None}, "Incident type"),
        ({"title": " "}, "Title"),
        ({"service": None}, "Service cannot be empty"),
        ({"service": {"id": "PBRNDC1"}}, "Service type"),
        ({"service": {"id": "PNONE", "type": "service_reference"}}, "Service not found"),
        ({"urgency": "severe"}, "Urgency"),
        ({"body": {"details": "x"}}, "Body type"),
        ({"assignments": [{}], "escalation_policy": {"id": "PESCAL1"}}, "both"),
    ],
)
def test_an_incident_that_is_none(
    communications: Communications, rest: Ask, described: None, changes: Json, expected: str
) -> None:
    said = rest("POST", "/incidents", {"incident": {**INCIDENT, **changes}})
    found = said.json()["error"]
    assert (said.status_code, found["message"], found["code"]) == (400, "Invalid Input Provided", 2001)
    assert expected in found["errors"][0]
    assert communications.incidents() == []


@pytest.mark.parametrize("body", [[], {}, {"incident": []}, "x"])
def test_a_body_of_another_kind(rest: Ask, described: None, body: Any) -> None:
    said = rest("POST", "/incidents", body)
    assert (said.status_code, said.json()["error"]["code"]) == (400, 2001)


def test_changes_that_are_none(rest: Ask) -> None:
    """The description of a change knows no 400."""
    id_ = rest("POST", "/incidents", {"incident": INCIDENT}).json()["incident"]["id"]
    for change in (
        {"status": "resolved"},
        {"type": "incident", "status": "closed"},
        {"type": "incident", "urgency": "x"},
    ):
        assert rest("PUT", f"/incidents/{id_}", {"incident": change}).json()["error"]["code"] == 2001
    assert rest("PUT", "/incidents", {"incidents": {}}).status_code == 400
    assert rest("POST", f"/incidents/{id_}/notes", {"note": {"content": ""}}).status_code == 400
    assert rest("GET", "/incidents", limit=101).status_code == 400
    assert rest("GET", "/incidents", **{"statuses[]": "closed"}).status_code == 400


def test_what_does_not_exist(rest: Ask, described: None) -> None:
    for path in ("/incidents/PNONE", "/services/PNONE", "/users/PNONE"):
        said = rest("GET", path)
        assert (said.status_code, said.json()) == (404, {"error": {"message": "Not Found", "code": 2100}})


def test_what_incidents_refer_to(rest: Ask, described: None) -> None:
    assert rest("GET", "/services/PBRNDC1").json()["service"]["name"] == "BrandConnect"
    assert len(rest("GET", "/services").json()["services"]) == 2
    assert rest("GET", "/users", query="oncall@").json()["users"][0]["email"] == "oncall@brandconnect.example"
    assert rest("GET", "/users/PONCAL1").json()["user"]["role"] == "user"
    assert rest("GET", "/users/me").status_code == 400, "the key is the account's"
    assert rest("GET", "/abilities").status_code == 200


def test_every_answer_says_how_much_is_left(rest: Ask) -> None:
    first, second = rest("GET", "/incidents"), rest("GET", "/incidents/PNONE")
    assert first.headers["ratelimit-limit"] == second.headers["ratelimit-limit"] == "960"
    assert 0 <= int(second.headers["ratelimit-remaining"]) < 960
    assert int(second.headers["ratelimit-reset"]) >= 0
