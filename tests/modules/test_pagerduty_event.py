# SPDX-License-Identifier: GPL-3.0-or-later
"""pagerduty_event against the account of the lab: alerts that are triggered, acknowledged and resolved."""

from __future__ import annotations

import json

import pytest
from modules.k8s_support import Reply
from modules.sending_support import INCIDENT, ROUTING_KEY, Modules, Service, failed, modules, send, service

from support.communications import communications, communications_part

__all__ = ["communications", "communications_part", "modules", "service"]


def test_an_alert_is_triggered(modules: Modules) -> None:
    result = modules.run(
        "event",
        severity="error",
        component="pool",
        group="brandconnect",
        custom_details={"used": 97, "of": 97, "ratio": 1.0},
        links=[{"href": "https://wiki.example.com/pool", "text": "Runbook"}, {"href": "https://example.com"}],
        **{"class": "exhaustion"},
    )
    (alert,) = modules.communications.alerts()
    assert (result["status"], result["changed"], result["dedup_key"]) == ("sent", True, INCIDENT)
    assert result["message"] == "Event processed"
    assert (alert["dedup_key"], alert["status"], alert["severity"]) == (INCIDENT, "triggered", "error")
    assert alert["payload"] == {
        "summary": "The pool is exhausted",
        "source": "postgres",
        "severity": "error",
        "component": "pool",
        "group": "brandconnect",
        "class": "exhaustion",
        "custom_details": {"used": 97, "of": 97, "ratio": 1.0},
    }
    assert alert["links"][1] == {"href": "https://example.com", "text": "https://example.com"}
    (request,) = modules.communications.requests()
    assert request["path"].endswith("/v2/enqueue")
    assert "routing_key" not in result["payload"]


def test_the_same_alert_again_pages_once(modules: Modules) -> None:
    modules.run("event")
    modules.run("event")
    assert len(modules.communications.alerts()) == 1
    assert len(modules.communications.incidents()) == 1


def test_an_alert_is_acknowledged_and_resolved(modules: Modules) -> None:
    modules.run("event")
    for event, status in (("acknowledge", "acknowledged"), ("resolve", "resolved")):
        result = modules.run("event", event=event, summary=None, source=None)
        assert result["payload"] == {"event_action": event, "dedup_key": INCIDENT}
        assert [each["status"] for each in modules.communications.incidents()] == [status]


def test_texts_are_cut_and_cleaned(service: Service) -> None:
    service.says(Reply(202, {"status": "success", "message": "Event processed", "dedup_key": INCIDENT}))
    result = send("event", service.url, summary="a\x00\u202e\nb" + "x" * 5000, custom_details={"log": "y" * 600_000})
    sent = json.loads(service.asked[0].body)
    assert sent["routing_key"] == ROUTING_KEY
    assert len(sent["payload"]["summary"]) == 1024
    assert sent["payload"]["summary"].startswith("a bxxx")
    assert "more than PagerDuty takes" in sent["payload"]["custom_details"]["left_out"]
    assert len(service.asked[0].body) < 512 * 1024
    assert result["status"] == "sent"


def test_a_key_that_is_too_long_is_not_cut(modules: Modules) -> None:
    assert "255" in failed(modules.run("event", dedup_key="x" * 256), "invalid")["msg"]
    assert modules.run("event", dedup_key="x" * 255)["status"] == "sent"


@pytest.mark.parametrize("missing", ["summary", "source"])
def test_an_alert_needs_to_say_what_is_wrong(missing: str, modules: Modules) -> None:
    assert missing in failed(modules.run("event", **{missing: None}), "not_configured")["msg"]
    assert modules.communications.requests() == []


@pytest.mark.parametrize(
    ("reply", "cause", "says"),
    [
        (
            Reply(400, {"status": "invalid event", "message": "Event object is invalid", "errors": ["Length of x"]}),
            "invalid",
            "HTTP 400, Event object is invalid, Length of x",
        ),
        (
            Reply(400, {"status": "invalid event", "message": "invalid", "errors": ["'routing_key' is wrong"]}),
            "invalid_auth",
            "pagerduty_routing_key",
        ),
        (Reply(413, b"too large"), "invalid", "512 KB"),
        (Reply(429, {"status": "throttle exceeded", "message": "too quickly"}), "throttled", "too quickly"),
        (Reply(500, b""), "server_error", "HTTP 500"),
        (Reply(202, {"status": "who knows"}), "no_answer", "receipt"),
    ],
)
def test_events_that_are_not_taken(reply: Reply, cause: str, says: str, service: Service) -> None:
    service.says(reply)
    assert says in failed(send("event", service.url), cause)["msg"]
    assert len(service.asked) == 1


def test_a_key_that_pagerduty_does_not_know(modules: Modules) -> None:
    failed(modules.run("event", routing_key="0" * 31), "invalid_auth")
    assert modules.communications.alerts() == []
