# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sessions may be ended, and the reason for each that may not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_facts import (
    SessionFacts,
    full_statement,
    statement_head,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.sessions import (
    Choice,
    Policy,
    choose,
    missed_targets,
    parse_networks,
    parse_targets,
)

START = dt.datetime(2026, 11, 23, 21, 0, 0, 123456, tzinfo=dt.UTC)
CHANGE = START + dt.timedelta(minutes=5)


def session(pid: int = 1, **facts: Any) -> SessionFacts:
    """An application's session, idle for 20 minutes."""
    usual: dict[str, Any] = {
        "backend_start": START,
        "state_change": CHANGE,
        "database": "brandconnect",
        "role": "app",
        "application": "backend",
        "client": "10.1.2.3",
        "state": "idle",
        "state_age_s": 1200.0,
        "query": "SELECT 1",
    }
    if "state_age_s" in facts and facts["state_age_s"] is not None:
        usual["state_change"] = CHANGE + dt.timedelta(seconds=1200.0 - facts["state_age_s"])
    return SessionFacts(pid, **{**usual, **facts})


def policy(**options: Any) -> Policy:
    return Policy(**{"database": "brandconnect", "keep_min_per_application": 0, **options})


def reasons(choice: Choice) -> dict[int, str]:
    return {exclusion.session.pid: exclusion.reason for exclusion in choice.excluded}


def pids(choice: Choice) -> list[int]:
    return [candidate.pid for candidate in choice.candidates]


EXCLUSIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("own_session", {"own": True}, {}),
    ("replication", {"backend_type": "walsender"}, {}),
    ("superuser", {"superuser": True}, {}),
    ("other_database", {"database": "billing"}, {}),
    ("hidden", {"backend_type": None, "state": None, "state_age_s": None}, {}),
    ("state", {"state": "active"}, {}),
    ("state", {"state": "idle in transaction"}, {}),
    ("state", {"state": "disabled", "state_age_s": None}, {}),
    ("excluded_user", {}, {"exclude_users": ["app"]}),
    ("excluded_application", {}, {"exclude_applications": ["backend"]}),
    ("excluded_application", {"application": "Debezium Streaming"}, {"exclude_applications": ["debezium*"]}),
    ("excluded_address", {}, {"exclude_addresses": [ipaddress.ip_network("10.0.0.0/8")]}),
    ("excluded_address", {"client": "2001:db8::7"}, {"exclude_addresses": [ipaddress.ip_network("2001:db8::/32")]}),
    ("listener", {"query": "LISTEN campaign_updates"}, {}),
    ("listener", {"query": "/* job */ listen x"}, {}),
    ("advisory_lock", {"advisory_lock": True}, {}),
    ("too_young", {"state_age_s": 599.9}, {}),
    ("too_young", {"state_age_s": None}, {}),
    ("not_permitted", {"may_end": False}, {}),
    ("not_in_plan", {}, {"targets": []}),
]


@pytest.mark.parametrize(("reason", "facts", "options"), EXCLUSIONS, ids=lambda value: str(value)[:40])
def test_each_guard_keeps_its_session(reason: str, facts: dict[str, Any], options: dict[str, Any]) -> None:
    choice = choose([session(**facts)], policy(**options))
    assert (pids(choice), reasons(choice)) == ([], {1: reason})
    assert choice.excluded[0].text


@pytest.mark.parametrize(
    ("facts", "options"),
    [
        ({}, {}),
        ({"state_age_s": 600.0}, {}),
        ({"query": "UNLISTENED words and a listening table"}, {}),
        ({"application": "backend2"}, {"exclude_applications": ["backend"]}),
        ({"client": "local"}, {"exclude_addresses": [ipaddress.ip_network("0.0.0.0/0")]}),
        ({"client": None}, {"exclude_addresses": [ipaddress.ip_network("0.0.0.0/0")]}),
        ({"state": "idle in transaction", "state_age_s": 121.0}, {"states": ["idle in transaction"]}),
    ],
    ids=str,
)
def test_what_no_guard_keeps_may_be_ended(facts: dict[str, Any], options: dict[str, Any]) -> None:
    assert pids(choose([session(**facts)], policy(**options))) == [1]


def test_a_long_query_age_does_not_make_a_session_idle_for_long() -> None:
    just_back_from_a_report = session(state_age_s=1.0, query_age_s=660.0)
    assert reasons(choose([just_back_from_a_report], policy())) == {1: "too_young"}


def test_what_can_never_be_ended_is_said_first() -> None:
    listed = session(superuser=True, state="active", advisory_lock=True)
    assert reasons(choose([listed], policy())) == {1: "superuser"}


def test_background_processes_are_not_mentioned() -> None:
    launcher = session(2, backend_type="logical replication launcher", database=None)
    hidden_background = session(3, backend_type=None, database=None, role=None)
    choice = choose([launcher, hidden_background], policy())
    assert choice == Choice()


def test_oldest_first_and_no_more_than_the_cap() -> None:
    pool = [session(pid, state_age_s=600.0 + pid) for pid in range(1, 8)]
    choice = choose(pool, policy(max_terminate=3))
    assert pids(choice) == [7, 6, 5]
    assert set(reasons(choice).values()) == {"over_max_terminate"}


def test_every_application_keeps_its_minimum_whatever_the_states() -> None:
    idle = [session(pid, state_age_s=600.0 + pid) for pid in (1, 2, 3)]
    others = [
        session(4, state="active"),
        session(5, application="worker"),
        session(6, application="backend", database="billing"),
    ]
    choice = choose([*idle, *others], policy(keep_min_per_application=2))
    assert pids(choice) == [3, 2]
    assert reasons(choice)[1] == "keep_min_per_application"
    assert reasons(choice)[5] == "keep_min_per_application"


def test_sessions_without_application_name_count_as_one_application() -> None:
    choice = choose([session(1, application=""), session(2, application="")], policy(keep_min_per_application=1))
    assert pids(choice) == [1]


def test_a_plan_restricts_the_choice_to_the_very_same_sessions() -> None:
    targets = parse_targets([session(1).identity(), session(2).identity() | {"idle_s": 3}, session(3).identity()])
    now = [
        session(1),
        session(2, state_change=CHANGE + dt.timedelta(microseconds=1)),
        session(3, backend_start=START + dt.timedelta(microseconds=1)),
        session(4),
    ]
    approved = policy(targets=targets)
    choice = choose(now, approved)
    assert pids(choice) == [1]
    assert reasons(choice) == {2: "not_in_plan", 3: "not_in_plan", 4: "not_in_plan"}
    missed = {row["pid"]: row["result"] for row in missed_targets(now, approved, choice)}
    assert missed == {2: "skipped_changed", 3: "skipped_gone"}


def test_a_target_that_is_gone_or_kept_by_a_guard_is_accounted_for() -> None:
    approved = policy(targets=parse_targets([session(1).identity(), session(2).identity()]))
    now = [session(2, advisory_lock=True)]
    missed = missed_targets(now, approved, choose(now, approved))
    assert [(row["pid"], row["result"], row["reason"]) for row in missed] == [
        (1, "skipped_gone", "the session has ended by itself"),
        (2, "not_attempted", "it holds an advisory lock"),
    ]


def test_identities_survive_the_way_through_json_to_the_microsecond() -> None:
    identity = session(1).identity()
    assert identity["backend_start"] == "2026-11-23T21:00:00.123456Z"
    targets = parse_targets([identity])
    assert targets is not None
    assert (targets[0].backend_start, targets[0].state_change) == (START, CHANGE)


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"pid": 1},
        {"pid": "x", "backend_start": "2026-11-23T21:00:00Z", "state_change": "2026-11-23T21:00:00Z"},
        {"pid": 1, "backend_start": "yesterday", "state_change": "2026-11-23T21:00:00Z"},
        {"pid": 1, "backend_start": "2026-11-23T21:00:00", "state_change": "2026-11-23T21:00:00Z"},
        {"pid": None, "backend_start": None, "state_change": None},
    ],
    ids=str,
)
def test_an_incomplete_target_is_an_error_and_not_ignored(target: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_targets([target])


def test_no_plan_is_not_an_empty_plan() -> None:
    assert parse_targets(None) is None
    assert parse_targets([]) == []


def test_networks_are_addresses_or_blocks() -> None:
    assert [str(network) for network in parse_networks(["10.0.0.1", "10.1.2.3/8", " ::1 "])] == [
        "10.0.0.1/32",
        "10.0.0.0/8",
        "::1/128",
    ]
    with pytest.raises(ValueError, match="backend"):
        parse_networks(["backend.example.com"])


@pytest.mark.parametrize(
    ("query", "head"),
    [
        ("SELECT * FROM users WHERE email = 'anna@example.com' AND x", "SELECT * FROM users WHERE email = …"),
        ("UPDATE t1 SET n2 = 5", "UPDATE t1 SET n2 = …"),
        ("SELECT * FROM t WHERE id = $1 AND y = $2", "SELECT * FROM t WHERE id = $1 AND y = $2"),
        ("DO $$ SELECT 'secret' $$", "DO …"),
        ("SELECT .5", "SELECT …"),
        ("ALTER ROLE app PASSWORD E'hunter2'", "ALTER ROLE app PASSWORD E …"),
        ("/* user=anna */ -- a note\n SELECT 1", "SELECT …"),
        ("SELECT a -- anna\n", "SELECT a …"),
        ("/* anna", ""),
        ("SELECT\n\t a ,\x1b[31m b", "SELECT a , [ …"),
        ("", ""),
    ],
)
def test_a_statement_is_shown_up_to_its_first_value(query: str, head: str) -> None:
    assert statement_head(query) == head


def test_statements_are_bounded_and_comments_cost_no_time() -> None:
    assert len(statement_head("SELECT " + "a, " * 1000)) == 120
    assert len(full_statement("SELECT '" + "é" * 1000)) == 120
    assert statement_head("/* */" * 20000 + "x") == "x"


def test_facts_are_what_the_client_returns() -> None:
    assert {"pid", "own", "blocked_by", "may_end"} <= {field.name for field in dataclasses.fields(SessionFacts)}
