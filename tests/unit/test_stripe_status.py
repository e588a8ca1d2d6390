# SPDX-License-Identifier: GPL-3.0-or-later
"""What a status page of Stripe says: shapes, freshness, and whether it concerns payments."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_status import objection
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.stripe_status import (
    Reading,
    best,
    is_relevant,
    read,
)

NOW = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)
RELEVANT = ["API", "Payments", "Webhooks"]


def page(indicator: Any, **parts: Any) -> dict[str, Any]:
    return {"page": {"name": "Stripe"}, "status": {"indicator": indicator}, **parts}


def incident(component: str | None, status: str = "investigating", name: str = "Errors") -> dict[str, Any]:
    components = [{"name": component, "status": "major_outage"}] if component else []
    return {"id": "i1", "name": name, "status": status, "impact": "major", "components": components}


OTHER = incident("Capital")


def reading(document: Any) -> Reading:
    return read(document, RELEVANT, 86400, NOW)


@pytest.mark.parametrize(
    ("indicator", "status"),
    [("none", "ok"), ("minor", "degraded"), ("major", "down"), ("critical", "down"), ("purple", "unknown")],
)
def test_the_indicator_decides(indicator: str, status: str) -> None:
    found = reading(page(indicator, components=[], incidents=[]))
    assert (found.status, found.indicator, found.shape) == (status, indicator, "statuspage")
    assert (found.cause == "unknown_indicator") is (status == "unknown")


@pytest.mark.parametrize(
    ("parts", "affected"),
    [
        pytest.param({"incidents": [incident("API")]}, True, id="an incident of the API"),
        pytest.param({"incidents": [incident("API", "resolved"), OTHER]}, False, id="one that is resolved"),
        pytest.param({"incidents": [incident("API", "postmortem"), OTHER]}, False, id="one that is written up"),
        pytest.param({"incidents": [incident("Klarna payments")]}, False, id="one of another component"),
        pytest.param({"incidents": [incident(None, name="Payments fail")]}, None, id="one by its title alone"),
        pytest.param({"incidents": [incident(" \n")]}, None, id="one with a nameless component"),
        pytest.param(
            {"incidents": [incident(None, "resolved"), OTHER]}, False, id="one without components that is resolved"
        ),
        pytest.param(
            {"incidents": [incident(None), incident("API")]}, True, id="one that says nothing and one that does"
        ),
        pytest.param(
            {"incidents": [incident(None), incident("Capital")]}, None, id="one that says nothing, one of another"
        ),
        pytest.param(
            {"incidents": [incident(None)], "components": [{"name": "API", "status": "partial_outage"}]},
            True,
            id="one that says nothing, beside a component",
        ),
        pytest.param({"incidents": [{**incident(None), "components": "API"}]}, None, id="components of another shape"),
        pytest.param(
            {"incidents": [{**incident(None), "impact": "none"}]}, False, id="one of no impact by its own word"
        ),
        pytest.param({"components": [{"name": "API", "status": "partial_outage"}]}, True, id="a component"),
        pytest.param({"components": [{"name": "Payments API", "status": "major_outage"}]}, True, id="a longer name"),
        pytest.param(
            {"components": [{"name": "API", "status": "operational"}], "incidents": [OTHER]},
            False,
            id="a component that works",
        ),
        pytest.param(
            {"components": [{"name": "API", "status": "operational"}], "incidents": [incident("API", "resolved")]},
            None,
            id="major, and nothing that it could be of",
        ),
        pytest.param({"components": [{"name": "Capital", "status": "major_outage"}]}, False, id="another one"),
        pytest.param({}, None, id="nothing said"),
    ],
)
def test_only_relevant_parts_that_are_broken_concern_us(parts: dict[str, Any], affected: bool | None) -> None:
    assert reading(page("major", **parts)).affected_relevant is affected


@pytest.mark.parametrize("indicator", ["none", "minor", "critical", "maintenance"])
def test_an_incident_that_names_no_component_is_said_to_be_unclear(indicator: str) -> None:
    found = reading(page(indicator, components=[], incidents=[incident(None, name="Elevated API errors for payments")]))
    assert found.affected_relevant is None
    assert found.incidents[0]["relevant"] is None
    assert found.message == "an unresolved incident does not say which components it concerns"
    assert reading(page(indicator, components=[], incidents=[OTHER])).message is None


@pytest.mark.parametrize(
    ("component", "status", "affected"), [("API", "degraded", True), ("Dashboard", "ok", False)], ids=str
)
def test_maintenance_counts_where_it_touches_us(component: str, status: str, affected: bool) -> None:
    work = {"status": "in_progress", "components": [{"name": component}]}
    found = reading(page("maintenance", components=[], incidents=[], scheduled_maintenances=[work]))
    assert (found.status, found.affected_relevant) == (status, affected)
    unclear = reading(page("maintenance", components=[], scheduled_maintenances=[{**work, "components": []}]))
    assert (unclear.status, unclear.affected_relevant) == ("degraded", None)
    planned = {**work, "status": "scheduled"}
    assert reading(page("maintenance", incidents=[], scheduled_maintenances=[planned])).status == "ok"


LEGACY = {"largestatus": "down", "statuses": {"api": "down", "emails": "up"}}
FULL = {"UptimeStatus": "up", "uptimeData": [{"key": "api", "title": "API", "warning": True}]}


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-24T14:00:00Z",
        "2026-11-24T14:00:00",
        "Tue, 24 Nov 2026 14:00:00 GMT",
        "November 24, 2026 @ 02:00PM +00:00",
        1795528800,
    ],
)
def test_the_earlier_page_counts_while_it_is_fresh(time: Any) -> None:
    found = reading({**LEGACY, "time": time})
    assert (found.status, found.fresh, found.affected_relevant, found.shape) == ("down", True, True, "legacy")
    full = reading({**FULL, "time": time})
    assert (full.status, full.affected_relevant, full.shape) == ("ok", True, "legacy_full")


@pytest.mark.parametrize(
    "time",
    [
        pytest.param("February 09, 2024 @ 06:08PM +00:00", id="frozen"),
        pytest.param("2026-11-23T14:00:00Z", id="a day old"),
        pytest.param("2026-11-24T16:00:00Z", id="in the future"),
        pytest.param("soon", id="no time"),
        pytest.param(None, id="none"),
        pytest.param(1e300, id="absurd"),
        pytest.param(True, id="a truth"),
    ],
)
@pytest.mark.parametrize("document", [LEGACY, {**LEGACY, "largestatus": "up"}, FULL])
def test_the_earlier_page_says_nothing_when_it_is_not_fresh(document: dict[str, Any], time: Any) -> None:
    found = reading({**document, "time": time})
    assert (found.status, found.cause, found.fresh, found.affected_relevant) == ("unknown", "stale", False, None)


@pytest.mark.parametrize(
    "document",
    [
        [],
        None,
        "up",
        {},
        {"status": "up"},
        {"status": {"indicator": None}},
        {"incidents": [incident("API")]},
        {"largestatus": 1},
    ],
    ids=str,
)
def test_other_shapes_are_unknown(document: Any) -> None:
    found = reading(document)
    assert (found.status, found.cause, found.shape) == ("unknown", "unknown_shape", None)


def test_hostile_texts_are_bounded() -> None:
    many = [{"name": "API" + "x" * 10**5, "status": "\u202edown" * 10**4}] * 1000
    found = reading(page("major", components=many, incidents=[incident("API\n# h", name="a" * 10**5)] * 100))
    assert len(found.components) == 50
    assert len(found.incidents) == 20
    assert len(str(found)) < 40_000
    assert "\u202e" not in str(found)
    assert "\n" not in found.incidents[0]["components"][0]


def test_the_first_page_that_says_something_counts() -> None:
    unreachable, stale = Reading("unknown", "unreachable"), Reading("unknown", "stale", shape="legacy")
    good, bad = Reading("ok", shape="statuspage"), Reading("down", shape="statuspage")
    assert best([unreachable, bad, good]) is bad
    assert best([unreachable, stale]) is stale
    assert best([unreachable, Reading("unknown", "timeout")]) is unreachable
    assert best([]) is None


@pytest.mark.parametrize(
    ("name", "relevant"),
    [("API", True), ("api - EU", True), ("APIs", False), ("Capital", False), ("Klarna payments", False), ("", False)],
)
def test_relevant_names_begin_with_the_words(name: str, relevant: bool) -> None:
    assert is_relevant(name, RELEVANT) is relevant


@pytest.mark.parametrize(
    "url",
    [
        "http://www.stripestatus.com/",
        "https://evilstripe.com/",
        "https://stripe.com.evil.example/",
        "https://stripe.com@evil.example/",
        "https://evil.example/#.stripe.com",
        "https://169.254.169.254/latest/meta-data",
        "ftp://stripe.com/",
        "file:///etc/passwd",
        "https://[stripe.com/",
        "https://stripe.com:99999/",
        "//stripe.com/",
        "",
        "http://127.0.0.1/",
    ],
)
def test_addresses_elsewhere_are_refused(url: str) -> None:
    assert objection(url, ["stripestatus.com", "stripe.com"])


@pytest.mark.parametrize(
    "url", ["https://www.stripestatus.com/api", "https://stripe.com/", "https://Status.Stripe.com"]
)
def test_addresses_of_the_hosts_are_allowed(url: str) -> None:
    assert objection(url, ["stripestatus.com", "stripe.com"]) is None
    assert objection("http://127.0.0.1:8/", ["127.0.0.1"]) is None
