# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses are suspicious: the decisions of audit_ips."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import audit_ips

UNTIL = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
LIMITS = audit_ips.Limits(
    min_events=100,
    ratio=5.0,
    min_records=25,
    min_failed_logins=10,
    slow_min_days=3,
    slow_max_per_hour=10.0,
    shared_by=10,
    proxy_share=0.9,
    most=50,
)
TOTALS = {
    "events": 20_000,
    "without_address": 100,
    "unreadable_addresses": 0,
    "taken": 9000,
    "taken_without_actor": 0,
    "taken_without_address": 50,
    "taken_unreadable": 0,
}


def row(**given: Any) -> dict[str, Any]:
    """An address that is not new and does nothing unusual."""
    return {
        "address": "198.51.100.23",
        "events": 100,
        "taken": 90,
        "exports": 0,
        "open_exports": 0,
        "failed_logins": 0,
        "records": 20,
        "actors": 1,
        "new_for_actors": 0,
        "actor_ids": [7],
        "new": False,
        "same_hours_before": 200,
        "hours": 1,
        "days": 1,
        "first_seen": UNTIL,
        "last_seen": UNTIL,
        "candidates": 1,
        "all_addresses": 900,
        "all_events": 19_900,
        "trusted_addresses": 0,
        "trusted_events": 0,
        "top_address": "192.0.2.10",
        "top_events": 5000,
        **given,
    }


def new(**given: Any) -> dict[str, Any]:
    return row(**{"new": True, "same_hours_before": 0, "new_for_actors": given.get("actors", 1), **given})


def judge(*rows: dict[str, Any], compared: bool = True, **totals: Any) -> dict[str, Any]:
    return audit_ips.judge(rows, {**TOTALS, **totals}, 0.5, LIMITS, compared=compared)


def kinds(given: dict[str, Any], **options: Any) -> list[str]:
    found = judge(given, **options)["addresses"]
    return found[0]["kinds"] if found else []


def test_who_tries_400_accounts_is_no_proxy() -> None:
    attack = new(events=5900, taken=900, exports=900, records=900, failed_logins=5000, actors=400, hours=3)
    result = judge(attack)
    assert result["addresses"][0]["kinds"] == ["loud", "guessing"]
    assert (result["suspicious_addresses"], result["shared_addresses"]) == ([attack["address"]], [])
    assert result["status"] == "degraded"


def test_an_address_that_most_have_come_from_before_is_shared() -> None:
    proxy = row(events=3000, actors=400, new_for_actors=150)
    result = judge(proxy)
    assert (result["addresses"][0]["kinds"], result["status"]) == (["shared"], "ok")
    assert result["shared_addresses"] == [proxy["address"]]
    assert "trust" not in result["addresses"][0]["reasons"][0]
    assert kinds({**proxy, "new_for_actors": 250}) == []


def test_guesses_by_way_of_a_proxy_are_told() -> None:
    result = judge(row(events=3000, actors=400, failed_logins=2000))
    assert result["addresses"][0]["kinds"] == ["guessing", "shared"]
    assert (result["suspicious_count"], len(result["shared_addresses"]), result["status"]) == (1, 1, "degraded")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"events": 99, "exports": 99, "taken": 99, "records": 99}, ["exports"]),
        ({"events": 1, "exports": 1, "taken": 1, "records": 0, "open_exports": 1}, ["exports"]),
        ({"events": 100, "exports": 100, "taken": 100, "records": 99}, ["loud"]),
        ({"events": 24, "exports": 24, "taken": 24, "records": 24}, []),
    ],
)
def test_exports_from_a_new_address_have_a_kind(given: dict[str, Any], expected: list[str]) -> None:
    assert kinds(new(**given)) == expected
    assert kinds(new(**given), compared=False) == [], "without a baseline every address is new"


@pytest.mark.parametrize(
    ("totals", "rows", "recorded"),
    [
        ({"without_address": 20_000, "taken_without_address": 9000}, {"all_events": 0, "top_events": None}, None),
        ({"without_address": 10_001, "taken_without_address": 4000}, {}, None),
        ({"unreadable_addresses": 10_001}, {}, None),
        ({}, {"top_events": 19_000}, False),
        ({"taken_without_address": 4501}, {}, True),
        ({"taken_unreadable": 1}, {}, True),
        ({"taken": 0, "taken_without_address": 0}, {}, True),
    ],
)
def test_what_has_no_address_or_is_not_looked_at_is_not_fine(
    totals: dict[str, int], rows: dict[str, Any], recorded: bool | None
) -> None:
    result = judge(row(**rows), **totals)
    assert (result["client_ip_recorded"], result["status"]) == (recorded, "unknown")


def test_otherwise_it_is_ok() -> None:
    result = judge(row())
    assert (result["client_ip_recorded"], result["status"], result["addresses"]) == (True, "ok", [])
    assert judge(row(), compared=False)["status"] == "unknown"
