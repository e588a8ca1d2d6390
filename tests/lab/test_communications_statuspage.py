# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Statuspage: components, incidents, and who is told. Its vendor publishes no description as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from support.communications import Communications

Json = dict[str, Any]
Ask = Callable[..., requests.Response]


@pytest.fixture
def page(communications: Communications) -> Ask:
    """Asks for something of the page."""

    def ask(method: str, path: str, body: Any = None, headers: Json | None = None, **query: Any) -> requests.Response:
        variables = communications.variables
        said = {"Authorization": f"OAuth {variables['statuspage_api_key']}", "Content-Type": "application/json"}
        address = f"{variables['statuspage_api_url']}/pages/{variables['statuspage_page_id']}{path}"
        data = None if body is None else json.dumps(body)
        return requests.request(
            method, address, data=data, headers={**said, **(headers or {})}, params=query, timeout=5
        )

    return ask


@pytest.fixture
def ids(communications: Communications) -> dict[str, str]:
    """Our names of components to the page's."""
    found: dict[str, str] = communications.variables["statuspage_components"]
    return found


def test_an_incident_from_beginning_to_end(communications: Communications, page: Ask, ids: dict[str, str]) -> None:
    metadata = {"brandconnect": {"incident_id": "pool-exhaustion-1"}}
    wanted = {
        "name": "Errors in the API",
        "status": "investigating",
        "body": "We are looking into it.",
        "components": {ids["api"]: "major_outage"},
        "component_ids": [ids["api"], ids["dashboard"]],
        "deliver_notifications": False,
        "metadata": metadata,
    }
    made = page("POST", "/incidents", {"incident": wanted})
    incident = made.json()
    assert (made.status_code, incident["impact"], incident["metadata"]) == (201, "critical", metadata)
    assert {each["name"] for each in incident["components"]} == {"API", "Dashboard"}
    assert communications.status_page()["components"]["api"] == "major_outage"
    assert [each["id"] for each in page("GET", "/incidents/unresolved").json()] == [incident["id"]]

    resolved = page("PATCH", f"/incidents/{incident['id']}", {"incident": {"status": "resolved", "body": "Over."}})
    assert resolved.json()["resolved_at"]
    assert [each["status"] for each in resolved.json()["incident_updates"]] == ["resolved", "investigating"]
    assert page("GET", "/incidents/unresolved").json() == []
    assert len(page("GET", "/incidents", q="errors").json()) == 1
    found = communications.status_page()
    assert found["components"]["api"] == "major_outage", "resolving an incident does not reset its components"
    assert [each["status"] for each in found["notifications"]] == ["resolved"], "whoever does not decline it notifies"

    change = {"status": "resolved", "components": {ids["api"]: "operational"}, "deliver_notifications": False}
    page("PATCH", f"/incidents/{incident['id']}", {"incident": change})
    assert communications.status_page()["components"]["api"] == "operational"
    assert page("GET", f"/incidents/{incident['id']}").json()["metadata"] == metadata


def test_posting_is_not_idempotent(communications: Communications, page: Ask) -> None:
    for _ in range(2):
        page("POST", "/incidents", {"incident": {"name": "x"}})
    found = communications.status_page()
    assert len(found["incidents"]) == 2
    assert len(found["notifications"]) == 2


def test_the_default_is_to_notify_everybody(communications: Communications, page: Ask) -> None:
    made = page("POST", "/incidents", {"incident": {"name": "x", "body": "x"}}).json()
    assert made["incident_updates"][0]["deliver_notifications"] is True
    assert len(communications.status_page()["notifications"]) == 1


def test_impact_follows_the_components_unless_it_is_given(page: Ask, ids: dict[str, str]) -> None:
    degraded = {"name": "x", "components": {ids["auth"]: "degraded_performance"}}
    assert page("POST", "/incidents", {"incident": degraded}).json()["impact"] == "minor"
    overridden = {**degraded, "impact_override": "critical"}
    assert page("POST", "/incidents", {"incident": overridden}).json()["impact"] == "critical"


@pytest.mark.parametrize(
    ("incident", "status", "expected"),
    [
        ({}, 400, "incident[name] is missing"),
        ({"name": 1}, 400, "incident[name] is invalid"),
        ({"name": "x", "status": "broken"}, 400, "incident[status] does not have a valid value"),
        ({"name": "x", "impact_override": "huge"}, 400, "incident[impact_override] does not have a valid value"),
        ({"name": "x", "deliver_notifications": "no"}, 400, "incident[deliver_notifications] is invalid"),
        ({"name": "x", "components": ["api"]}, 400, "incident[components] is invalid"),
        ({"name": "x", "metadata": "x"}, 400, "incident[metadata] is invalid"),
        ({"name": " "}, 422, ["Name can't be blank"]),
        ({"name": "x" * 256}, 422, ["Name is too long (maximum is 255 characters)"]),
        ({"name": "x", "body": "x" * 25_001}, 422, ["Body is too long (maximum is 25000 characters)"]),
        ({"name": "x", "metadata": {"incident_id": "x"}}, 422, ["Metadata must be a hash of hashes"]),
        ({"name": "x", "components": {"api": "operational"}}, 422, ["Component ids are invalid"]),
        ({"name": "x", "component_ids": ["api"]}, 422, ["Component ids are invalid"]),
        ({"name": "x", "status": "scheduled"}, 422, ["Scheduled for can't be blank"]),
    ],
)
def test_an_incident_that_is_none(
    communications: Communications, page: Ask, incident: Json, status: int, expected: Any
) -> None:
    said = page("POST", "/incidents", {"incident": incident})
    assert (said.status_code, said.json()) == (status, {"error": expected})
    assert communications.status_page()["incidents"] == []


@pytest.mark.parametrize("body", [None, [], {}, {"incident": "x"}])
def test_a_body_of_another_kind(page: Ask, body: Any) -> None:
    assert page("POST", "/incidents", body).status_code == 400
    assert page("POST", "/incidents", body, {"Content-Type": "text/plain"}).status_code == 400


def test_a_refused_change_changes_nothing(communications: Communications, page: Ask, ids: dict[str, str]) -> None:
    id_ = page("POST", "/incidents", {"incident": {"name": "x"}}).json()["id"]
    before = communications.status_page()
    change = {"status": "resolved", "components": {ids["api"]: "Major Outage"}}
    assert page("PATCH", f"/incidents/{id_}", {"incident": change}).status_code == 422
    assert communications.status_page() == before


def test_a_component(communications: Communications, page: Ask, ids: dict[str, str]) -> None:
    listed = page("GET", "/components").json()
    assert [each["name"] for each in listed] == ["API", "Payments", "Authentication", "Dashboard"]
    said = page("PATCH", f"/components/{ids['payments']}", {"component": {"status": "partial_outage"}})
    assert (said.status_code, said.json()["status"]) == (200, "partial_outage")
    assert page("GET", f"/components/{ids['payments']}").json()["status"] == "partial_outage"
    assert communications.status_page()["components"] == {
        "api": "operational",
        "payments": "partial_outage",
        "auth": "operational",
        "dashboard": "operational",
    }
    for status in ("Major Outage", "Authentication Down", ""):
        refused = page("PATCH", f"/components/{ids['payments']}", {"component": {"status": status}})
        assert refused.status_code == 400, "it is no status"
    assert page("PATCH", f"/components/{ids['payments']}", {"component": {"name": ""}}).status_code == 422


@pytest.mark.parametrize("authorization", [None, "OAuth wrong", "Bearer {key}", "{key}"])
def test_a_request_needs_the_key(communications: Communications, page: Ask, authorization: str | None) -> None:
    key = communications.variables["statuspage_api_key"]
    headers = {"Authorization": authorization and authorization.format(key=key)}
    said = page("POST", "/incidents", {"incident": {"name": "x"}}, headers)
    assert (said.status_code, said.json()) == (401, {"error": "Could not authenticate"})
    assert communications.status_page()["incidents"] == []


def test_what_does_not_exist(communications: Communications, page: Ask) -> None:
    for method, path in (("GET", "/incidents/none"), ("PATCH", "/components/none"), ("GET", "/nonsense")):
        said = page(method, path, {"component": {"status": "operational"}})
        assert (said.status_code, said.json()) == (404, {"error": "Not found"})
    address = f"{communications.variables['statuspage_api_url']}/pages/other/components"
    headers = {"Authorization": f"OAuth {communications.variables['statuspage_api_key']}"}
    assert requests.get(address, headers=headers, timeout=5).status_code == 404


def test_pages_of_incidents_newest_first(page: Ask) -> None:
    for number in range(3):
        page("POST", "/incidents", {"incident": {"name": f"number {number}"}})
    assert [each["name"] for each in page("GET", "/incidents", limit=2).json()] == ["number 2", "number 1"]
    assert [each["name"] for each in page("GET", "/incidents", limit=2, page=2).json()] == ["number 0"]
    assert page("GET", "/incidents", page="x").status_code == 400


def test_the_page_itself(page: Ask) -> None:
    assert page("GET", "").json()["subdomain"] == "brandconnect"
