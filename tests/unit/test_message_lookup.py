# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the incidents that a service lists is ours, and whether it says already what we want to say."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import messages_lookup as lookup

OURS = "pool-exhaustion-1"


def pd(id_: str, status: str = "triggered", created: str = "2026-11-24T15:00:00Z", **more: Any) -> dict[str, Any]:
    known = {"incident_key": OURS, "service": {"id": "P1"}, "created_at": created}
    return {"id": id_, "status": status, **known, **more}


@pytest.mark.parametrize(
    ("incidents", "found"),
    [
        ([], None),
        ([pd("a", "resolved"), pd("b")], "b"),
        ([pd("a", "resolved", "2026-11-24T15:00:00Z"), pd("b", "resolved", "2026-11-24T16:00:00Z")], "b"),
        ([pd("a", "acknowledged", "2026-11-24T15:00:00Z"), pd("b", "resolved", "2026-11-24T16:00:00Z")], "a"),
        ([pd("a", incident_key="another")], None),
        ([pd("a", incident_key=None)], "a"),
        ([pd("a", service={"id": "P2"})], None),
        ([pd("a", service=None), pd(""), None, "x", 7], None),
    ],
)
def test_the_incident_of_a_key(incidents: list[Any], found: str | None) -> None:
    incident = lookup.pagerduty_incident(incidents, OURS, "P1")
    assert (incident["id"] if incident else None) == found


def test_any_service_will_do_where_none_is_named() -> None:
    incident = lookup.pagerduty_incident([pd("a", service={"id": "P2"})], OURS, None)
    assert incident is not None


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "", None, 7])
def test_addresses_that_no_browser_should_open_are_none(url: Any) -> None:
    assert lookup.pagerduty_facts({"id": "a", "html_url": url})["url"] is None
    assert lookup.statuspage_facts({"id": "a", "shortlink": url})["url"] is None


def sp(**more: Any) -> dict[str, Any]:
    updates = [{"status": "investigating", "body": "We look."}, {"status": "investigating", "body": "First."}]
    parts = [{"id": "c1", "status": "major_outage"}, {"id": "c2", "status": "operational"}]
    known = {"id": "i", "status": "investigating", "incident_updates": updates, "components": parts, "impact": "major"}
    return {**known, "impact_override": None, "metadata": {"brandconnect": {"incident_id": OURS}}, **more}


def wanted(**more: Any) -> dict[str, Any]:
    return {"incident": {"name": "n", "status": "investigating", "body": "We look.", "metadata": {}, **more}}


@pytest.mark.parametrize(
    ("incident", "update", "same"),
    [
        (sp(), wanted(), True),
        (sp(), wanted(name="another title"), True),
        (sp(), wanted(components={"c1": "major_outage"}), True),
        (sp(), wanted(impact_override="major"), True),
        (sp(), wanted(status="identified"), False),
        (sp(), wanted(body="First."), False),
        (sp(), wanted(impact_override="critical"), False),
        (sp(), wanted(components={"c1": "operational"}), False),
        (sp(), wanted(components={"c3": "operational"}), False),
        (sp(incident_updates=[]), wanted(), False),
        (sp(incident_updates="x", components=None), wanted(), False),
        (sp(incident_updates=[7], components=[7]), wanted(), False),
        (sp(incident_updates=[{"status": "investigating", "body": None}]), wanted(), False),
    ],
)
def test_whether_a_page_says_it_already(incident: dict[str, Any], update: dict[str, Any], same: bool) -> None:
    assert lookup.statuspage_says_so(incident, update) is same


def test_an_update_keeps_title_metadata_and_the_components_that_are_named() -> None:
    update = lookup.statuspage_update(sp(), wanted(components={"c3": "operational"}, component_ids=["c3"]))["incident"]
    assert update["component_ids"] == ["c1", "c2", "c3"]
    assert update["components"] == {"c3": "operational"}
    assert not {"name", "metadata"} & update.keys()
    assert "component_ids" not in lookup.statuspage_update(sp(), wanted())["incident"]


@pytest.mark.parametrize(
    "others",
    [None, "x", {}, {"id": "a", "metadata": None}, {"id": "a", "metadata": {"brandconnect": {"incident_id": "x"}}}],
)
def test_ours_by_its_metadata(others: Any) -> None:
    assert lookup.statuspage_incident([others], OURS) is None
    found = lookup.statuspage_incident([others, sp()], OURS)
    assert found is not None
    assert found["id"] == "i"
