# SPDX-License-Identifier: GPL-3.0-or-later
"""From alerts to incident types: by label, by name, the most urgent first; nothing that fires is silent."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks import alertmanager, catalogue, schemas
from incident_runbooks.catalogue import IncidentType
from incident_runbooks.render.alerts import text

CAPTURED = Path(__file__).parents[1] / "fixtures/alertmanager/webhook-0.25.0.json"
NOW = dt.datetime(2026, 11, 23, 23, 30, tzinfo=dt.UTC)


def kind(name: str, priority: str, *alerts: str, sla_target_s: int = 900) -> IncidentType:
    return IncidentType(
        name=name,
        role=name.replace("-", "_"),
        title=f"The {name}",
        severity="high",
        priority=priority,
        impact="Some",
        sla_target_s=sla_target_s,
        required_components=(),
        remediations=(),
        path=Path(),
        alerts=alerts,
    )


KINDS = [
    kind("api-slow", "P2", "Slow"),
    kind("data-gone", "P0", "Gone", "Both"),
    kind("pool-full", "P1", "Full", "Both"),
]


def alert(name: str | None, status: str = "firing", at: str = "2026-11-23T23:20:00Z", **labels: str) -> dict[str, Any]:
    named = {"alertname": name} if name else {}
    return {"status": status, "labels": named | labels, "startsAt": at, "fingerprint": "f00d"}


def triage(*alerts: dict[str, Any], again: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    payload = {"version": "4", "groupKey": "{}", "status": "firing", "alerts": list(alerts), **fields}
    assert schemas.validate("alertmanager", payload) == []
    return alertmanager.triage(payload, KINDS, again, NOW)


def types(document: dict[str, Any]) -> list[str]:
    return [incident["type"] for incident in document["incidents"]]


def test_the_label_decides_before_the_name() -> None:
    document = triage(alert("Full", runbook="api-slow"))
    (incident,) = document["incidents"]
    assert (incident["type"], incident["alerts"][0]["matched_by"]) == ("api-slow", "label")


@pytest.mark.parametrize("said", ["pool-full", "pool_full", " pool-full "])
def test_a_label_may_be_written_in_either_way(said: str) -> None:
    assert types(triage(alert("Anything", runbook=said))) == ["pool-full"]


@pytest.mark.parametrize("said", [None, "", "https://wiki/pool-full", "../pool-full", "pool-full; reboot"])
def test_without_a_label_that_is_known_the_name_decides(said: str | None) -> None:
    labels = {} if said is None else {"runbook": said}
    (incident,) = triage(alert("Full", **labels))["incidents"]
    assert (incident["type"], incident["alerts"][0]["matched_by"]) == ("pool-full", "name")


def test_a_name_in_two_headers_leads_to_both() -> None:
    assert types(triage(alert("Both"))) == ["data-gone", "pool-full"]


def test_the_most_urgent_comes_first() -> None:
    assert types(triage(alert("Slow"), alert("Full"), alert("Gone"))) == ["data-gone", "pool-full", "api-slow"]


def test_an_incident_began_with_the_first_alert_that_fires() -> None:
    document = triage(
        alert("Full", at="2026-11-23T23:21:00Z"),
        alert("Full", at="2026-11-24T00:20:00.123456789+01:00"),
        alert("Full", "resolved", at="2026-11-23T20:00:00Z"),
    )
    (incident,) = document["incidents"]
    assert incident["detected_at"] == "2026-11-23T23:20:00.123456Z"
    assert incident["sla"] == {"target_s": 900, "deadline": "2026-11-23T23:35:00.123456Z", "breached": False}
    assert incident["command"] == "runbook run pool-full --detected-at 2026-11-23T23:20:00.123456Z"
    assert [each["starts_at"] for each in incident["alerts"]] == [
        "2026-11-23T23:20:00.123456Z",
        "2026-11-23T23:21:00.000000Z",
    ]


def test_a_deadline_that_has_passed_is_said() -> None:
    document = triage(alert("Full", at="2026-11-23T23:10:00Z"))
    assert document["incidents"][0]["sla"]["breached"] is True
    assert "OVERDUE: to be resolved by 2026-11-23T23:25:00Z, 15 min after it began" in text(document, colour=False)


def test_a_clock_that_is_a_little_ahead_is_taken_for_now() -> None:
    (incident,) = triage(alert("Full", at="2026-11-23T23:32:00Z"))["incidents"]
    assert incident["detected_at"] == "2026-11-23T23:30:00.000000Z"


@pytest.mark.parametrize(
    "at",
    [
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00", "2026-02-31T00:00:00Z", "2026-11-24T05:00:00Z"),
        *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00"),
    ],
)
def test_a_time_that_cannot_be_is_left_out(at: str) -> None:
    document = triage(alert("Full", at=at))
    (incident,) = document["incidents"]
    assert (incident["detected_at"], incident["sla"]["deadline"], incident["sla"]["breached"]) == (None, None, None)
    assert incident["command"] == "runbook run pool-full"
    assert "when it began is not known" in text(document, colour=False)


def test_what_is_resolved_is_listed_and_not_run() -> None:
    resolved = {**alert("Full", "resolved"), "endsAt": "2026-11-23T23:25:00Z"}
    document = triage(resolved, status="resolved")
    assert (document["incidents"], document["unmatched"]) == ([], [])
    (entry,) = document["resolved"]
    assert (entry["types"], entry["ends_at"]) == (["pool-full"], "2026-11-23T23:25:00.000000Z")
    assert not alertmanager.is_incomplete(document)


def test_a_resolved_alert_without_a_runbook_needs_none() -> None:
    document = triage(alert("Watchdog", "resolved"))
    assert document["unmatched"] == []
    assert document["resolved"][0]["types"] == []


def test_what_fires_without_a_runbook_is_listed_with_the_reason() -> None:
    document = triage(alert("Watchdog"), alert(None, runbook="nonsense"))
    assert alertmanager.is_incomplete(document)
    reasons = [entry["reason"] for entry in document["unmatched"]]
    assert reasons == [
        "it has no label runbook, and no runbook's header names it",
        "its label runbook names no incident type: 'nonsense'",
    ]
    assert all(reason in text(document, colour=False) for reason in reasons)


@pytest.mark.parametrize(("status", "incomplete"), [("firing", True), ("resolved", False)])
def test_alerts_that_were_left_out_are_said(status: str, incomplete: bool) -> None:
    document = triage(alert("Full", "resolved"), truncatedAlerts=7, status=status)
    assert document["truncated_alerts"] == 7
    assert alertmanager.is_incomplete(document) is incomplete
    assert "left out 7 more alerts" in text(document, colour=False)


def test_incidents_that_were_recorded_since_are_named() -> None:
    recorded = [
        {"id": "pool-full-3", "type": "pool-full", "opened_at": "2026-11-23T23:22:00Z"},
        {"id": "api-slow-1", "type": "api-slow", "opened_at": "2026-11-23T23:21:00Z"},
        {"id": "pool-full-2", "type": "pool-full", "opened_at": "2026-11-23T23:20:00Z"},
        {"id": "pool-full-1", "type": "pool-full", "opened_at": "2026-11-23T23:19:59Z"},
    ]
    payload = {"groupKey": "", "status": "firing", "alerts": [alert("Full", at="2026-11-23T23:20:00.5Z")]}
    document = alertmanager.triage(payload, KINDS, (), NOW, recorded)
    assert document["incidents"][0]["recorded"] == ["pool-full-3", "pool-full-2"]
    assert "recorded since it began: pool-full-3, pool-full-2; to go on" in text(document, colour=False)
    payload["alerts"] = [alert("Full", at="0001-01-01T00:00:00Z")]
    assert alertmanager.triage(payload, KINDS, (), NOW, recorded)["incidents"][0]["recorded"] == []


def test_no_label_becomes_an_option() -> None:
    labels = {"min_idle_s": "0", "namespace": "x --remediate", "database": "$(reboot)", "platform": "tiktok"}
    document = triage(alert("Full", **labels), again=("--inventory", "in ventory; reboot"))
    assert document["incidents"][0]["command"] == (
        "runbook run pool-full --detected-at 2026-11-23T23:20:00.000000Z --inventory 'in ventory; reboot'"
    )
    assert document["incidents"][0]["alerts"][0]["labels"] == {"alertname": "Full", **labels}


def test_text_from_alerts_does_nothing_to_a_terminal() -> None:
    evil = "\x1b[2J\r\n\x07\u202e\x9b31m"
    known = {**alert("Full", pod=evil), "fingerprint": evil, "annotations": {"summary": evil}}
    shown = text(triage(known, alert(evil, runbook=evil), alert(evil, "resolved")), colour=False)
    assert all(character == "\n" or character.isprintable() for character in shown)
    assert "\\x1b[2J" in shown


def test_many_alerts_are_cut_and_it_is_said() -> None:
    shown = text(triage(*[alert("Full", pod=str(number)) for number in range(50)]), colour=False)
    assert "and 30 more" in shown


def test_every_alert_of_a_header_leads_to_its_runbook() -> None:
    kinds = catalogue.incident_types()
    names = [(each.name, name) for each in kinds for name in each.alerts]
    assert len(names) > len(kinds)
    payload = {"version": "4", "groupKey": "", "status": "firing", "alerts": [alert(name) for _, name in names]}
    document = alertmanager.triage(payload, kinds, (), NOW)
    found = [(incident["type"], each["name"]) for incident in document["incidents"] for each in incident["alerts"]]
    assert sorted(found) == sorted(names)


def test_what_alertmanager_really_sent_is_understood() -> None:
    """Captured from Alertmanager 0.25.0 with max_alerts 3; only the host's name was changed."""
    payload = json.loads(CAPTURED.read_text(encoding="utf-8"))
    assert schemas.validate("alertmanager", payload) == []
    now = dt.datetime(2026, 11, 29, 18, 7, tzinfo=dt.UTC)
    document = alertmanager.triage(payload, catalogue.incident_types(), (), now)
    (incident,) = document["incidents"]
    assert (incident["type"], incident["detected_at"]) == ("auth-down", "2026-11-29T18:06:27.086311Z")
    assert incident["alerts"][0]["fingerprint"] == "616b8c5c2cb4992f"
    assert [entry["name"] for entry in document["unmatched"]] == ["Watchdog"]
    assert [(entry["name"], entry["types"]) for entry in document["resolved"]] == [
        ("PostgresConnectionsExhausted", ["pool-exhaustion"])
    ]
    assert document["truncated_alerts"] == 2
