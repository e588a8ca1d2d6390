# SPDX-License-Identifier: GPL-3.0-or-later
"""pagerduty_incident against the account of the lab: one incident for one key, whatever is run again."""

from __future__ import annotations

from typing import Any

import pytest
from modules.k8s_support import Asked, Reply
from modules.sending_support import INCIDENT, Modules, Service, failed, modules, send, service

from support.communications import communications, communications_part

__all__ = ["communications", "communications_part", "modules", "service"]
DUPLICATE = Reply(400, {"error": {"message": "Arguments Caused Error", "code": 2002, "errors": ["already exists"]}})


def test_an_incident_is_opened(modules: Modules) -> None:
    result = modules.run("incident", urgency="low", details="line 1\nline 2\x1b[31m")
    (incident,) = modules.communications.incidents()
    assert (result["status"], result["changed"], result["note_added"]) == ("sent", True, False)
    assert result["incident"] == {
        "id": incident["id"],
        "number": incident["number"],
        "url": f"https://brandconnect.pagerduty.com/incidents/{incident['id']}",
        "status": "triggered",
    }
    assert (incident["title"], incident["urgency"]) == ("The pool is exhausted", "low")
    assert (incident["incident_key"], incident["details"]) == (INCIDENT, "line 1\nline 2[31m")
    (request,) = modules.communications.requests()
    headers = {name.lower(): value for name, value in request["headers"].items()}
    assert headers["accept"] == "application/vnd.pagerduty+json;version=2"
    assert headers["from"] == "oncall@brandconnect.example"
    assert headers["content-type"] == "application/json"


def test_an_incident_that_is_open_is_found_and_left_as_it_is(modules: Modules) -> None:
    first = modules.run("incident")
    again = modules.run("incident", title="Another title")
    assert (again["status"], again["changed"], again["incident"]) == ("already_open", False, first["incident"])
    (incident,) = modules.communications.incidents()
    assert incident["title"] == "The pool is exhausted"


def test_acknowledged_resolved_and_again(modules: Modules) -> None:
    modules.run("incident")
    for state in ("acknowledged", "resolved"):
        for status, changed in (("sent", True), ("unchanged", False)):
            result = modules.run("incident", state=state, title=None)
            assert (result["status"], result["changed"], result["incident"]["status"]) == (status, changed, state)
            assert result["payload"] == {"incident": {"type": "incident_reference", "status": state}}
        assert [each["status"] for each in modules.communications.incidents()] == [state]
    assert len([each for each in modules.communications.sent() if each["method"] == "PUT"]) == 2


def test_the_key_is_free_again_after_the_end(modules: Modules) -> None:
    first = modules.run("incident")
    modules.run("incident", state="resolved")
    second = modules.run("incident")
    assert second["status"] == "sent"
    assert second["incident"]["id"] != first["incident"]["id"]
    assert modules.run("incident", state="resolved")["incident"]["id"] == second["incident"]["id"]


def test_an_incident_that_events_opened_is_found(modules: Modules) -> None:
    modules.run("event")
    result = modules.run("incident", state="acknowledged")
    assert result["status"] == "sent"
    assert [each["status"] for each in modules.communications.incidents()] == ["acknowledged"]


def test_nothing_there_to_change(modules: Modules) -> None:
    for state in ("acknowledged", "resolved"):
        assert INCIDENT in failed(modules.run("incident", state=state), "not_found")["msg"]
    modules.run("incident")
    modules.run("incident", state="resolved")
    assert "resolved already" in failed(modules.run("incident", state="acknowledged"), "not_found")["msg"]
    assert len([each for each in modules.communications.sent() if each["method"] == "PUT"]) == 1


def test_a_note_is_added_once(modules: Modules) -> None:
    for added in (True, False):
        assert modules.run("incident", note="Idle sessions were ended")["note_added"] is added
    (incident,) = modules.communications.incidents()
    assert [note["content"] for note in incident["notes"]] == ["Idle sessions were ended"]
    assert modules.run("incident", note="And more")["changed"] is True


def test_a_note_that_fails_does_not_hide_the_incident(service: Service) -> None:
    def answer(asked: Asked) -> Any:
        if asked.path.endswith("/notes"):
            return Reply(500, b"")
        return Reply(201, {"incident": {"id": "Q1", "status": "triggered", "html_url": "javascript:alert(1)"}})

    service.says(answer)
    result = failed(send("incident", service.url, note="hello"), "server_error")
    assert result["incident"] == {"id": "Q1", "number": None, "url": None, "status": "triggered"}


@pytest.mark.parametrize(
    ("given", "cause", "says"),
    [
        ({"from_email": "nobody@brandconnect.example"}, "invalid", "pagerduty_from"),
        ({"service_id": "PNOWHERE"}, "invalid", "Service"),
        ({"api_key": "wrong-key"}, "invalid_auth", "pagerduty_api_key"),
        ({"from_email": "oncall\r\nX-Injected: 1@example.com"}, "invalid", "from_email"),
        ({"from_email": ""}, "not_configured", "from_email"),
        ({"service_id": ""}, "not_configured", "service_id"),
        ({"title": ""}, "not_configured", "title"),
        ({"incident_key": ""}, "not_configured", "incident_key"),
    ],
)
def test_incidents_that_are_not_opened(given: dict[str, Any], cause: str, says: str, modules: Modules) -> None:
    assert says in failed(modules.run("incident", **given), cause)["msg"]
    assert modules.communications.incidents() == []


@pytest.mark.parametrize(
    ("status", "cause", "says"),
    [
        (402, "not_permitted", "plan"),
        (403, "not_permitted", "read-only"),
        (404, "not_found", "pagerduty_api_url"),
        (429, "throttled", "send again later"),
        (500, "server_error", "HTTP 500, code 7, said the server, and why"),
    ],
)
def test_refusals(status: int, cause: str, says: str, service: Service) -> None:
    error = {"error": {"message": "said the server", "code": 7, "errors": ["and why"]}}
    service.says(Reply(status, error, {"ratelimit-reset": "11"}))
    result = failed(send("incident", service.url), cause)
    assert says in result["msg"]
    assert result["retry_after_s"] == (11.0 if cause in ("throttled", "server_error") else None)


@pytest.mark.parametrize(
    "listed",
    [
        [],
        [{"id": "Q1", "status": "triggered", "incident_key": "another", "service": {"id": "PBRNDC1"}}],
        [{"id": "Q1", "status": "triggered", "incident_key": INCIDENT, "service": {"id": "PELSEWHERE"}}],
        [{"id": "Q1", "status": "resolved", "incident_key": INCIDENT, "service": {"id": "PBRNDC1"}}],
        ["nonsense", None, {"status": "triggered"}],
        "nonsense",
    ],
)
def test_a_duplicate_of_nothing_is_no_success(listed: Any, service: Service) -> None:
    service.says(lambda asked: DUPLICATE if asked.method == "POST" else {"incidents": listed})
    failed(send("incident", service.url), "not_found")


def test_an_identifier_that_leads_elsewhere_is_not_followed(service: Service) -> None:
    there = {"id": "../services/PBRNDC1", "status": "triggered", "incident_key": INCIDENT}
    service.says({"incidents": [{**there, "service": {"id": "PBRNDC1"}}]})
    failed(send("incident", service.url, state="resolved"), "invalid")
    assert [asked.method for asked in service.asked] == ["GET"]


def test_a_note_leaves_the_incident_as_it_is(modules: Modules) -> None:
    for state in ("triggered", "acknowledged", "resolved"):
        modules.run("incident", state=state)
        result = modules.run("incident", state="as_it_is", note=f"It was {state}")
        assert (result["status"], result["note_added"], result["incident"]["status"]) == ("unchanged", True, state)
        (incident,) = modules.communications.incidents()
        assert incident["status"] == state
    assert len(incident["notes"]) == 3
    failed(modules.run("incident", state="as_it_is", incident_key="another", note="hello"), "not_found")
