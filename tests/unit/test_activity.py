# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots, groups, long work and blocking trees from plain facts."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import activity
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_facts import SessionFacts

SERVER = {"max_connections": 20, "superuser_reserved": 3, "reserved": 2, "sees_all": True, "role": "ops"}


def session(pid: int, **facts: Any) -> SessionFacts:
    usual = {"database": "brandconnect", "role": "app", "application": "backend", "state": "idle"}
    return SessionFacts(pid, **{**usual, **facts})


def test_only_clients_take_slots_and_the_own_session_does_not_count() -> None:
    sessions = [
        session(1),
        session(2, superuser=True, role="postgres"),
        session(3, own=True),
        session(4, backend_type="autovacuum worker"),
        session(5, backend_type="walsender"),
        session(6, backend_type="checkpointer", database=None, role=None),
        session(7, backend_type=None, state=None),
        session(8, backend_type=None, state=None, database=None),
    ]
    counted = activity.slots(SERVER, [], sessions)
    assert counted == {
        "max_connections": 20,
        "superuser_reserved": 3,
        "reserved": 2,
        "usable": 15,
        "used": 3,
        "free": 12,
        "used_ratio": 0.2,
        "limits": [],
    }


def test_sessions_in_reserved_slots_lift_the_ratio_above_one_and_free_stays_zero() -> None:
    counted = activity.slots(SERVER, [], [session(pid) for pid in range(18)])
    assert (counted["used_ratio"], counted["free"]) == (1.2, 0)


def test_a_server_with_reserved_slots_only_has_no_ratio() -> None:
    assert activity.slots(SERVER | {"max_connections": 5}, [], [])["used_ratio"] is None


def test_limits_of_roles_and_databases_come_with_their_use() -> None:
    limits = [
        {"kind": "role", "name": "app", "connection_limit": 5},
        {"kind": "database", "name": "billing", "connection_limit": 2},
    ]
    counted = activity.slots(SERVER, limits, [session(1), session(2), session(3, role="other", database="billing")])
    assert counted["limits"] == [
        {"kind": "role", "name": "app", "limit": 5, "used": 2, "exhausted": False},
        {"kind": "database", "name": "billing", "limit": 2, "used": 1, "exhausted": False},
    ]


def test_groups_are_ordered_by_size_and_carry_the_oldest_age() -> None:
    sessions = [
        session(1, state_age_s=5.04, transaction_age_s=None),
        session(2, state_age_s=9.0),
        session(3, state="active", state_age_s=-0.002, transaction_age_s=3.0),
        session(4, own=True),
    ]
    small = activity.groups(sessions)
    assert [(group["state"], group["sessions"], group["max_state_age_s"]) for group in small] == [
        ("idle", 2, 9.0),
        ("active", 1, 0.0),
    ]
    assert [group["max_transaction_age_s"] for group in small] == [None, 3.0]


def test_long_work_is_told_by_query_or_transaction_and_idle_transactions_apart() -> None:
    sessions = [
        session(1, state="active", query_age_s=301.0, transaction_age_s=301.0),
        session(2, state="active", query_age_s=1.0, transaction_age_s=400.0),
        session(3, state="active", query_age_s=299.0, transaction_age_s=299.0),
        session(4, state="idle", query_age_s=9000.0),
        session(5, state="idle in transaction", query_age_s=9000.0, transaction_age_s=61.0),
        session(6, state="idle in transaction (aborted)", transaction_age_s=3600.0),
        session(7, state="idle in transaction", transaction_age_s=59.0),
        session(8, backend_type="walsender", state="active", query_age_s=9000.0),
    ]
    long = activity.long_running(sessions, 300, with_text=False)
    idle = activity.in_transaction(sessions, 60, with_text=False)
    assert [row["pid"] for row in long] == [2, 1]
    assert [row["pid"] for row in idle] == [6, 5]


def test_values_are_shown_on_request_only_and_hidden_statements_never() -> None:
    asked = session(1, query="SELECT 'anna@example.com'", query_id=-7041230215823321465)
    assert "anna" not in str(activity.details(asked, with_text=False))
    shown = activity.details(asked, with_text=True)
    assert shown["query_text"] == "SELECT 'anna@example.com'"
    assert shown["query_id"] == "-7041230215823321465"
    hidden = session(2, backend_type=None, query="<insufficient privilege>")
    assert activity.details(hidden, with_text=True)["query_text"] == ""


def tree(*edges: tuple[int, list[int]], known: int = 9) -> dict[str, Any]:
    blocked_by = dict(edges)
    sessions = [session(pid, blocked_by=blocked_by.get(pid, [])) for pid in range(1, known + 1)]
    return activity.blocking(sessions, with_text=False)


@pytest.mark.parametrize(
    ("edges", "roots"),
    [
        ([], {}),
        ([(2, [1])], {1: [2]}),
        ([(4, [3]), (3, [2]), (2, [1])], {1: [2, 3, 4]}),
        ([(3, [1, 2])], {1: [3], 2: [3]}),
        ([(3, [2, 2, 1]), (2, [1])], {1: [2, 3]}),
        ([(1, [2]), (2, [1])], {}),
        ([(3, [2]), (2, [1]), (1, [2])], {}),
    ],
    ids=["nobody waits", "pair", "chain", "two roots", "queue of one root", "deadlock", "behind a deadlock"],
)
def test_root_blockers(edges: list[tuple[int, list[int]]], roots: dict[int, list[int]]) -> None:
    found = tree(*edges)
    assert {root["pid"]: root["blocks"] for root in found["roots"]} == roots
    assert {row["pid"]: row["blocked_by"] for row in found["blocked"]} == {
        pid: sorted(set(blockers)) for pid, blockers in edges
    }


def test_the_root_that_holds_up_most_comes_first() -> None:
    found = tree((2, [1]), (4, [3]), (5, [3]))
    assert [root["pid"] for root in found["roots"]] == [3, 1]


def test_roots_that_are_no_sessions() -> None:
    kinds = {root["pid"]: root["kind"] for root in tree((1, [0]), (2, [77]), (3, [4]))["roots"]}
    assert kinds[0].startswith("prepared transaction")
    assert kinds[77] == "gone meanwhile"
    assert kinds[4] == "client backend"


def test_a_long_chain_is_no_problem() -> None:
    edges = [(pid, [pid - 1]) for pid in range(2, 500)]
    found = tree(*edges, known=500)
    assert [(root["pid"], len(root["blocks"])) for root in found["roots"]] == [(1, 498)]


def test_what_is_hidden_is_said_with_the_way_to_see_it() -> None:
    assert activity.visibility(SERVER, [])["sees_all"] is True
    told = activity.visibility(SERVER | {"sees_all": False}, [session(1, backend_type=None), session(2)])
    assert (told["sees_all"], told["hidden"]) == (False, 1)
    assert "GRANT pg_monitor TO ops" in told["reason"]
