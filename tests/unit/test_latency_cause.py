# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision table of api-latency, one case per row, and what must not be concluded."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import yaml

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.latency_cause import (
    REMEDIES,
    Limits,
    latency_cause,
)
from ansible_collections.brandconnect.incidents.plugins.modules import latency_cause as latency_cause_module

NOW = dt.datetime(2026, 11, 28, 10, 0, tzinfo=dt.UTC)
LIMITS = Limits(500, 0.25, 0.5, 1800, "database", 10000)
FITS = {"connection_budget": {"fits": True, "reason": "it fits"}}


def latency(
    verdict: str = "slow",
    *,
    times_day_ago: float | None = 1.0,
    times_before: float | None = None,
    rps: dict[str, float | None] | None = None,
    **given: Any,
) -> dict[str, Any]:
    times = {"times_day_ago": times_day_ago, "times_before": times_before}
    total = {"p95_ms": 900.0, "seconds_per_s": 4.0, **times, **(rps or {})}
    return {"reachable": True, "verdict": verdict, "reason": f"it is {verdict}", "total": total, **given}


def workload(
    started: str, revision: str = "7", restarted: str | None = None, created: str | None = "2026-11-28T09:44:59Z"
) -> dict[str, Any]:
    pods = [{"started_at": started}, {"started_at": "2026-11-28T09:50:00Z"}]
    facts = {"revision": revision, "restarted_at": restarted, "revision_created_at": created}
    return {"reachable": True, "workload": facts, "pods": pods}


def cause(**given: Any) -> dict[str, Any]:
    return latency_cause({"latency": latency(), **given}, LIMITS, NOW)


def instances(slow: list[bool | None]) -> list[dict[str, Any]]:
    return [{"instance": f"pod-{i}", "slow": each, "p95_ms": 900.0} for i, each in enumerate(slow)]


def statements(load: float = 1.0, rows: int = 10000000, blocking: Any = None, scans: int = 10) -> dict[str, Any]:
    """As pg_statements answers: a large table is read from end to end ten times."""
    table = {"schema": "public", "table": "campaigns", "sequential_scans": scans, "sequential_rows": rows}
    never = {"schema": "public", "table": "users", "sequential_scans": 0, "sequential_rows": 0}
    return {
        "reachable": True,
        "statistics": {"available": True, "load": load},
        "statements": [{"query_id": "-1", "share": 0.9}],
        "tables": [never, table],
        "blocking": blocking or {},
    }


def waiting(*ages: float | None, event: str = "transactionid") -> dict[str, Any]:
    """As pg_activity answers: sessions wait for locks of the process 1, their statements began so many seconds ago."""
    blocked = [
        {"pid": pid, "wait_event_type": "Lock", "wait_event": event, "query_age_s": age, "roots": [1]}
        for pid, age in enumerate(ages, 2)
    ]
    return {"reachable": True, "blocking": {"blocked": blocked, "roots": [{"pid": 9}, {"pid": 1}]}}


AUTOSCALER = {"reachable": True, "autoscaler": {"name": "b", "max": 6, "at_max": True, "wants_more": True}}
BLOCKED = waiting(1.2)
FULL = {"reachable": True, "slots": {"used_ratio": 0.97}}
DATABASE = {"database": {"share": 0.8}}
WAITS = {"pool": {"share": 0.7}}
ROOM = {"reachable": True, "slots": {"used_ratio": 0.4, "free": 10}}

TABLE: list[tuple[str, dict[str, Any]]] = [
    ("missing_index", {"latency": latency(parts=DATABASE), "statements": statements()}),
    ("slow_sql", {"latency": latency(parts=DATABASE), "statements": statements(rows=900)}),
    ("slow_sql", {"latency": latency(parts=DATABASE)}),
    ("locks", {"activity": BLOCKED}),
    ("locks", {"statements": statements(blocking=BLOCKED["blocking"])}),
    ("locks", {"activity": waiting(0.0), "statements": statements(blocking=BLOCKED["blocking"])}),
    ("locks", {"latency": latency("ok"), "activity": waiting(1.1, 2.0, 3.0)}),
    ("locks", {"latency": latency("no_traffic"), "activity": waiting(5.0)}),
    ("locks", {"latency": latency("low_volume"), "activity": waiting(5.0)}),
    ("none", {"latency": latency("ok"), "activity": waiting(0.9, 0.9, 1.1, 4.9)}),
    ("none", {"latency": latency("ok"), "activity": waiting(9.0, 9.0, 9.0, event="advisory")}),
    ("no_traffic", {"latency": latency("no_traffic"), "activity": waiting(1.1, 2.0)}),
    ("slots", {"latency": latency("ok"), "activity": FULL}),
    ("slots", {"latency": latency("no_traffic"), "activity": FULL}),
    ("no_traffic", {"latency": latency("no_traffic", rps={"rps_day_ago": 0.4, "rps_before": None})}),
    ("slow_sql", {"latency": latency(parts=DATABASE), "statements": statements(rows=1000000, scans=1)}),
    ("capacity", {"latency": latency(throttling={"max": 0.3}), **FITS}),
    ("dependency", {"latency": latency(parts={"stripe": {"share": 0.9}}), "hpa": AUTOSCALER, **FITS}),
    ("slow_sql", {"latency": latency(parts=DATABASE), "hpa": AUTOSCALER, **FITS}),
    ("capacity", {"hpa": AUTOSCALER, **FITS}),
    ("capacity", {"top": {"reachable": True, "totals": {"cpu_limit_ratio_max": 0.95}}, **FITS}),
    ("one_pod", {"latency": latency(instances=instances([True, False, False]))}),
    ("network", {"latency": latency("ok", ingress_p95_ms=1400.0)}),
    ("network", {"latency": latency(ingress_p95_ms=1400.0)}),
    ("dependency", {"latency": latency(parts={"stripe": {"share": 0.6}, "social": {"share": 0.1}})}),
    ("regression", {"latency": latency(times_day_ago=4), "workload": workload("2026-11-28T09:45:00Z")}),
    ("no_traffic", {"latency": latency("no_traffic")}),
    ("no_traffic", {"latency": latency("low_volume")}),
    ("slots", {"activity": {"reachable": True, "slots": {"used_ratio": 0.97}}}),
    ("pool", {"latency": latency(parts=WAITS), "activity": ROOM, **FITS}),
    ("pool", {"latency": latency(parts=WAITS | DATABASE), "activity": ROOM, "statements": statements(rows=9), **FITS}),
    ("missing_index", {"latency": latency(parts=WAITS | {"database": {"share": 0.2}}), "statements": statements()}),
    ("regression", {"latency": latency(times_before=3), "workload": workload("2026-11-28T09:45:00Z")}),
    ("none", {"latency": latency("ok", ingress_p95_ms=400.0)}),
]


@pytest.mark.parametrize(("wanted", "given"), TABLE)
def test_each_row(wanted: str, given: dict[str, Any]) -> None:
    found = cause(**given)
    assert found["cause"] == wanted, found
    assert (found["remedy"], found["risk"]) == REMEDIES[wanted]
    assert found["reason"]


def test_the_greatest_part_is_named() -> None:
    parts = {"stripe": {"share": 0.6}, "social": {"share": None}, "mail": {"share": 0.1}}
    found = cause(latency=latency(parts=parts))
    assert found["reason"].startswith("60 % of the time of requests is spent on stripe"), found
    assert cause(latency=latency(parts={"stripe": {"share": 0.5}}))["cause"] == "dependency", "the limit itself"


def test_every_cause_is_tested() -> None:
    assert {row[0] for row in TABLE} | {"unknown"} == set(REMEDIES)


@pytest.mark.parametrize(
    "given",
    [
        {"latency": {}},
        {"latency": {"reachable": False, "verdict": "unknown", "reason": "connection refused"}},
        {"latency": latency("unknown")},
        {"latency": latency(throttling={"max": 0.25})},
        {"latency": latency(throttling={"max": None})},
        {"latency": latency(instances=instances([True, None]))},
        {"latency": latency(instances=instances([True, True]))},
        {"latency": latency(parts={"database": {"share": None}, "stripe": {"share": 0.4}})},
        # pods that were replaced by something else than a rollout: nodes drained, or pods deleted by hand
        *(
            {"latency": latency(times_before=4), "workload": workload("2026-11-28T09:45:00Z", created=created)}
            for created in ("2026-11-28T09:29:59Z", "2026-11-01T00:00:00Z", None, "soon")
        ),
        # a pod of the revision before is still there
        {"latency": latency(times_day_ago=4), "workload": workload("2026-11-28T09:43:00Z")},
        {"latency": latency(times_day_ago=4), "workload": workload("2026-11-28T09:20:00Z")},
        {"latency": latency(times_day_ago=4), "workload": workload("2026-11-28T09:45:00Z", "1")},
        {"latency": latency(times_day_ago=4, times_before=1.1), "workload": workload("2026-11-28T09:45:00Z")},
        {"latency": latency(parts={"pool": {"share": 0.4}}), "activity": ROOM},
        {"latency": latency(times_day_ago=None), "workload": workload("2026-11-28T09:45:00Z")},
        {
            "latency": latency(times_day_ago=4),
            "workload": workload("2026-11-28T09:45:00Z", "7", "2026-11-28T09:44:00Z"),
        },
        {"activity": {**BLOCKED, "reachable": False}},
        {"activity": waiting(0.0)},
        {"activity": waiting(None)},
        {"activity": waiting(60.0, event="advisory")},
        {
            "latency": latency(times_before=3, times_day_ago=4, rps={"rps_before": 0.05, "rps_day_ago": 9.0}),
            "workload": workload("2026-11-28T09:45:00Z"),
        },
        {
            "latency": latency(times_day_ago=4, rps={"rps_day_ago": 0.05}),
            "workload": workload("2026-11-28T09:45:00Z"),
        },
        {"latency": latency("no_traffic", rps={"rps_day_ago": 3.0})},
        {"latency": latency("low_volume", rps={"rps_before": 3.0})},
        {"hpa": {**AUTOSCALER, "reachable": False}},
        {"statements": statements()},
        {"statements": {"reachable": True, "statistics": {"available": False, "cause": "not_loaded", "load": None}}},
    ],
)
def test_what_proves_nothing(given: dict[str, Any]) -> None:
    found = cause(**given)
    assert (found["cause"], found["remedy"]) == ("unknown", None), found
    assert found["gaps"]


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        (
            "hpa",
            {"unknown": [{"part": "autoscalers", "message": "HTTP 403"}]},
            "autoscalers could not be read: HTTP 403",
        ),
        ("top", {"cause": "not_available", "message": "no metrics API"}, "no metrics API"),
        ("activity", {"cause": "timeout"}, "timeout"),
        ("statements", {"visibility": {"sees_all": False, "reason": "not pg_monitor"}}, "not pg_monitor"),
    ],
)
def test_what_an_answer_leaves_out_is_a_gap(name: str, given: dict[str, Any], said: str) -> None:
    answered = {each: {"reachable": True} for each in ("statements", "activity", "hpa", "top", "workload")}
    found = cause(**{**answered, name: {"reachable": True, **given}}, **FITS)
    assert found["gaps"] == [f"{name}: {said}"]
    assert said in found["reason"]
    assert cause(**answered, **FITS)["gaps"] == []


def test_time_of_statements_stands_in_for_what_the_api_does_not_measure() -> None:
    assert cause(statements=statements(load=3.2))["cause"] == "missing_index", "3.2 of 4 seconds"
    assert cause(statements=statements(load=3.2, rows=900))["cause"] == "slow_sql"
    assert cause(statements=statements(load=1.9))["cause"] == "unknown"
    measured = latency(parts={"database": {"share": 0.1}})
    assert cause(latency=measured, statements=statements(load=3.2))["cause"] == "unknown", "others load the database"


@pytest.mark.parametrize("given", [{}, {"fits": None, "reason": "no slots"}, {"fits": False, "reason": "20 > 10"}])
def test_nothing_grows_beyond_the_connections(given: dict[str, Any]) -> None:
    found = cause(hpa=AUTOSCALER, connection_budget=given)
    assert (found["cause"], found["remedy"], found["risk"]) == ("capacity", None, "safe")
    assert found["objection"]


@pytest.mark.parametrize(("largest", "remedy"), [(5, "resize_pool"), (4, None), (None, None)])
def test_a_pool_grows_only_where_a_larger_one_fits(largest: int | None, remedy: str | None) -> None:
    term = {"name": "backend", "pool_max": 4, "need": 12}
    budget = {"fits": True, "reason": "12 <= 13", "terms": [term, {"name": "others", "need": 1}]}
    given = {**budget, "largest_fitting": {"backend": largest}}
    found = cause(latency=latency(parts=WAITS), activity=ROOM, connection_budget=given)
    assert (found["cause"], found["remedy"]) == ("pool", remedy)
    assert bool(found["objection"]) == (remedy is None)


def test_a_pool_does_not_grow_while_the_room_of_the_server_is_not_known() -> None:
    found = cause(latency=latency(parts=WAITS), connection_budget={"fits": None, "reason": "no slots"})
    assert (found["cause"], found["remedy"]) == ("pool", None)


def test_an_index_is_proposed_for_the_statement_that_asks_for_it() -> None:
    said = "SELECT id FROM campaigns WHERE status = $1 ORDER BY created_at DESC LIMIT $2"
    row = {"query_id": "-1", "share": 0.9, "database": "app", "statement": said}
    given = {**statements(), "server": {"database": "app"}, "statements": [row]}
    proposal = cause(latency=latency(parts=DATABASE), statements=given)["proposal"]
    assert [column["name"] for column in proposal["columns"]] == ["status", "created_at"]
    assert cause(latency=latency(parts=DATABASE), statements=statements())["proposal"] is None
    assert cause(activity=BLOCKED, statements=given)["proposal"] is None, "another cause"


def test_the_process_that_is_named_is_in_the_way_of_those_that_count() -> None:
    assert "process 1 first" in cause(activity=BLOCKED)["reason"]
    assert "1 sessions" in cause(activity=waiting(1.2, 0.3))["reason"]
    slow = Limits(3000, 0.25, 0.5, 1800, "database", 10000)
    given = {"latency": latency(), "activity": waiting(1.2)}
    assert latency_cause(given, slow, NOW)["cause"] == "unknown", "not above the objective"


def test_locks_come_before_what_waits_for_them() -> None:
    assert cause(latency=latency(parts=DATABASE), activity=BLOCKED, hpa=AUTOSCALER)["cause"] == "locks"


def test_the_result_has_the_documented_keys() -> None:
    assert set(cause()) == set(yaml.safe_load(latency_cause_module.RETURN))
