# SPDX-License-Identifier: GPL-3.0-or-later
"""statuspage_incident against the page of the lab: one incident for one of ours, and only what was asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modules.k8s_support import Asked, Reply
from modules.sending_support import INCIDENT, Modules, Service, failed, modules, send, service

from support.communications import communications, communications_part

__all__ = ["communications", "communications_part", "modules", "service"]


def component(modules: Modules, name: str) -> str:
    id_: str = modules.communications.variables["statuspage_components"][name]
    return id_


def page(modules: Modules) -> dict[str, Any]:
    found: dict[str, Any] = modules.communications.status_page()
    return found


def test_an_incident_is_published(modules: Modules) -> None:
    outage = {component(modules, "api"): "major_outage"}
    result = modules.run("page incident", components=outage, impact="critical", deliver_notifications=True)
    (incident,) = page(modules)["incidents"]
    assert (result["status"], result["changed"], result["created"]) == ("sent", True, True)
    assert result["incident"] == {
        "id": incident["id"],
        "url": f"https://stspg.io/{incident['id']}",
        "status": "investigating",
    }
    assert (incident["name"], incident["impact"]) == ("Slow responses", "critical")
    assert incident["metadata"] == {"brandconnect": {"incident_id": INCIDENT}}
    assert [update["body"] for update in incident["updates"]] == ["We are looking into it."]
    assert page(modules)["components"]["api"] == "major_outage"
    assert len(page(modules)["notifications"]) == 1


def test_nobody_is_notified_unless_that_was_said(modules: Modules) -> None:
    modules.run("page incident", deliver_notifications=False)
    assert page(modules)["notifications"] == []
    assert modules.communications.sent()[0]["body"]["incident"]["deliver_notifications"] is False


def test_the_same_again_sends_nothing(modules: Modules) -> None:
    outage = {component(modules, "api"): "major_outage"}
    first = modules.run("page incident", components=outage, impact="major")
    again = modules.run("page incident", components=outage, impact="major")
    assert (again["status"], again["changed"], again["created"]) == ("unchanged", False, False)
    assert again["incident"] == first["incident"]
    assert len(modules.communications.sent()) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"body": "We know more."},
        {"state": "identified"},
        {"impact": "critical"},
        {"components": {"jkxctcwp41b8": "partial_outage"}},
    ],
)
def test_whatever_differs_is_an_update_and_no_second_incident(given: dict[str, Any], modules: Modules) -> None:
    first = modules.run("page incident")
    result = modules.run("page incident", **given)
    assert (result["status"], result["created"]) == ("sent", False)
    assert result["incident"]["id"] == first["incident"]["id"]
    (incident,) = page(modules)["incidents"]
    assert len(incident["updates"]) == 2
    assert incident["metadata"] == {"brandconnect": {"incident_id": INCIDENT}}


def test_incidents_of_others_are_left_alone(modules: Modules) -> None:
    modules.run("page incident", incident="another-incident")
    assert modules.run("page incident")["created"] is True
    assert len(page(modules)["incidents"]) == 2


def test_resolving_sets_components_only_as_given(modules: Modules) -> None:
    api, auth = component(modules, "api"), component(modules, "auth")
    modules.run("page incident", components={api: "major_outage", auth: "partial_outage"})
    modules.run("page incident", state="resolved", body="It works again.", components={api: "operational"})
    (incident,) = page(modules)["incidents"]
    assert incident["status"] == "resolved"
    assert (page(modules)["components"]["api"], page(modules)["components"]["auth"]) == (
        "operational",
        "partial_outage",
    )
    assert modules.communications.sent()[-1]["body"]["incident"]["component_ids"] == sorted([api, auth])


def test_resolving_without_components_sets_none(modules: Modules) -> None:
    modules.run("page incident", components={component(modules, "api"): "major_outage"})
    modules.run("page incident", state="resolved", body="It works again.")
    assert page(modules)["components"]["api"] == "major_outage"
    assert not {"components", "component_ids"} & modules.communications.sent()[-1]["body"]["incident"].keys()


def test_resolving_again_sends_nothing(modules: Modules) -> None:
    first = modules.run("page incident")
    modules.run("page incident", state="resolved", body="It works again.")
    again = modules.run("page incident", state="resolved", body="It works again.")
    assert (again["status"], again["changed"]) == ("unchanged", False)
    assert (again["incident"]["id"], again["incident"]["status"]) == (first["incident"]["id"], "resolved")
    assert len(modules.communications.sent()) == 2


def test_what_was_never_published_is_not_resolved(modules: Modules) -> None:
    error = failed(modules.run("page incident", state="resolved"), "not_found")
    assert "nothing to resolve" in error["msg"]
    assert page(modules)["incidents"] == []


def test_texts_are_cut_and_cleaned(modules: Modules) -> None:
    modules.run("page incident", name="a\n\x07b" + "x" * 300, body="line 1\r\nline 2\u202e" + "y" * 30_000)
    (incident,) = page(modules)["incidents"]
    assert (len(incident["name"]), incident["name"][:4]) == (255, "a bx")
    body = incident["updates"][0]["body"]
    assert (len(body), body[:15]) == (25_000, "line 1\nline 2yy")


def test_ours_is_found_on_a_later_page(service: Service) -> None:
    others = [{"id": f"other{number}", "status": "investigating"} for number in range(100)]
    ours = {"id": "ours", "status": "identified", "metadata": {"brandconnect": {"incident_id": INCIDENT}}}

    def answer(asked: Asked) -> Any:
        if asked.method == "PATCH":
            return Reply(200, {**ours, "status": "investigating"})
        return Reply(200, others if asked.query["page"] == ["1"] else [ours])

    service.says(answer)
    result = send("page incident", service.url)
    assert (result["status"], result["created"]) == ("sent", False)
    assert [(asked.method, asked.path) for asked in service.asked] == [
        ("GET", "/pages/kctbh9vrtdwd/incidents/unresolved"),
        ("GET", "/pages/kctbh9vrtdwd/incidents/unresolved"),
        ("PATCH", "/pages/kctbh9vrtdwd/incidents/ours"),
    ]


def test_a_list_without_an_end_opens_no_incident(service: Service) -> None:
    service.says(Reply(200, [{"id": "other", "status": "investigating"}] * 100))
    assert "500" in failed(send("page incident", service.url), "invalid")["msg"]
    assert [asked.method for asked in service.asked] == ["GET"] * 5


@pytest.mark.parametrize("listed", [{"error": "no"}, 7])
def test_a_list_that_is_none_opens_no_incident(listed: Any, service: Service) -> None:
    service.says(Reply(200, listed))
    failed(send("page incident", service.url), "no_answer")
    assert len(service.asked) == 1


def test_lists_with_nonsense_in_them(service: Service) -> None:
    nonsense = [
        None,
        7,
        "x",
        {},
        {"id": "a"},
        {"id": "b", "metadata": []},
        {"id": "c", "metadata": {"brandconnect": 1}},
    ]
    service.says(lambda asked: Reply(201, {"id": "new"}) if asked.method == "POST" else Reply(200, nonsense))
    assert send("page incident", service.url)["created"] is True
    assert json.loads(service.asked[-1].body)["incident"]["name"] == "Slow responses"


@pytest.mark.parametrize(
    ("given", "cause", "says"),
    [
        ({"components": {"b13yz5g2cw10": "Authentication Down"}}, "invalid", "major_outage"),
        ({"components": {"../x": "operational"}}, "invalid", "components"),
        ({"components": {"unknown0": "operational"}}, "invalid", "HTTP 422"),
        ({"page_id": ".."}, "invalid", "page_id"),
        ({"page_id": "elsewhere"}, "not_found", "statuspage_page_id"),
        ({"api_key": "wrong-key"}, "invalid_auth", "statuspage_api_key"),
        ({"page_id": ""}, "not_configured", "page_id"),
        ({"body": ""}, "not_configured", "body"),
    ],
)
def test_incidents_that_are_not_published(given: dict[str, Any], cause: str, says: str, modules: Modules) -> None:
    assert says in failed(modules.run("page incident", **given), cause)["msg"]
    assert page(modules)["incidents"] == []


@pytest.mark.parametrize("status", [420, 429])
def test_both_ways_to_say_slow_down(status: int, service: Service) -> None:
    service.says(Reply(status, {"error": "Too many requests"}, {"Retry-After": "60"}))
    assert failed(send("page incident", service.url), "throttled")["retry_after_s"] == 60.0


def test_an_explanation_in_a_list(service: Service) -> None:
    service.says(Reply(422, {"error": ["Name can't be blank", "Status is invalid"]}))
    assert "Name can't be blank, Status is invalid" in failed(send("page incident", service.url), "invalid")["msg"]
