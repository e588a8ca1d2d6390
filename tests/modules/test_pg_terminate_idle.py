# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_terminate_idle against real servers; what happened is looked up through another connection."""

from __future__ import annotations

import datetime as dt
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session, log_in
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_sessions import (
    end_session,
    read_sessions,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import conclude
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339, to_plain
from ansible_collections.brandconnect.incidents.plugins.modules.pg_terminate_idle import LEAST, SPEC

NO_CHECK = False
AGED_S = 1.1  # min_idle_s of the tests that look at the age, and a little


def validated(**options: Any) -> dict[str, Any]:
    validation = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate(options)
    assert not validation.errors.errors, validation.errors.msg
    params: dict[str, Any] = validation.validated_parameters
    return params


@contextmanager
def leaving_nothing(pg: Any) -> Iterator[None]:
    """Wait until sessions that were opened meanwhile are really gone: a closed one still counts for a moment."""
    before = {process.pid for process in pg.sessions()}
    yield
    wait_until(lambda: {process.pid for process in pg.sessions()} <= before)


@pytest.fixture
def terminate(pg: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the module as the ops role. Any idle session is old enough, so that only tests of the age have to wait."""
    monkeypatch.setitem(LEAST, "min_idle_s", 0)
    monkeypatch.setitem(LEAST, "min_idle_in_transaction_s", 0)

    def run(*, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        usual = {"min_idle_s": 0, "min_idle_in_transaction_s": 0, "keep_min_per_application": 0, "force_reason": "test"}
        params = validated(**{**pg.login(), **usual, **options})
        with leaving_nothing(pg):
            result: dict[str, Any] = to_plain(SPEC.run(params, check_mode))
        return result

    return run


@pytest.fixture
def pool(pg: Any) -> Any:
    """Open application sessions that have nothing to do."""

    def fill(count: int, **options: Any) -> list[psycopg.Connection[Any]]:
        options = {"user": pg.app_user, "application_name": "backend", **options}
        sessions = [pg.connect(**options) for _ in range(count)]
        for session in sessions:
            session.execute("SELECT 1")
        return sessions

    return fill


def pid(session: psycopg.Connection[Any]) -> int:
    return session.info.backend_pid


def is_alive(session: psycopg.Connection[Any]) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.errors.AdminShutdown:  # 57P01
        return False
    return True


def activity(pg: Any) -> Any:
    """Every client session of the server, but the one that asks."""
    with leaving_nothing(pg), pg.connect() as connection:
        return connection.execute(
            "SELECT pid, backend_start, state, state_change FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid"
        ).fetchall()


def identity(pg: Any, session: psycopg.Connection[Any]) -> dict[str, Any]:
    with leaving_nothing(pg), pg.connect() as connection:
        row = connection.execute(
            "SELECT backend_start, state_change FROM pg_stat_activity WHERE pid = %s", (pid(session),)
        ).fetchone()
    return {"pid": pid(session), "backend_start": rfc3339(row[0]), "state_change": rfc3339(row[1])}


def results(result: dict[str, Any]) -> dict[int, str]:
    return {row["pid"]: row["result"] for row in result["results"]}


def reasons(result: dict[str, Any]) -> dict[int, str]:
    return {row["pid"]: row["reason"] for row in result["excluded"]}


@contextmanager
def frozen(session: psycopg.Connection[Any]) -> Iterator[None]:
    """Stop the server's process of a session, so that it cannot obey."""
    os.kill(pid(session), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid(session), signal.SIGCONT)


def test_exactly_the_session_that_idled_for_long_is_ended(pg: Any, terminate: Any) -> None:
    app = {"user": pg.app_user, "application_name": "backend"}
    reporter, idle, listener, locker, in_transaction = (pg.connect(**app) for _ in range(5))
    superuser = pg.connect(application_name="backend")
    other = pg.connect(**app, dbname="postgres")
    idle.execute("SELECT 1")
    listener.execute("LISTEN campaign_updates")
    locker.execute("SELECT pg_advisory_lock(7)")
    in_transaction.execute("BEGIN")
    in_transaction.execute("SELECT 1")
    superuser.execute("SELECT 1")
    other.execute("SELECT 1")
    reporter.execute("SELECT pg_sleep(%s)", (AGED_S,))  # its query_start is as old as the others' idleness

    first = terminate(min_idle_s=1, keep_min_per_application=1)
    left = {row[0] for row in activity(pg)}
    reporter.execute("SELECT 1")  # still young, however slow the machine
    second = terminate(min_idle_s=1, keep_min_per_application=1)

    assert results(first) == {pid(idle): "terminated"}
    assert (first["status"], first["changed"], first["login"]) == ("done", True, "ops")
    excluded = reasons(first)
    own = [row for row, reason in excluded.items() if reason == "own_session"]
    assert len(own) == 1
    assert excluded == {
        pid(reporter): "too_young",
        pid(listener): "listener",
        pid(locker): "advisory_lock",
        pid(superuser): "superuser",
        pid(in_transaction): "state",
        pid(other): "other_database",
        own[0]: "own_session",
    }
    assert all(row["text"] for row in first["excluded"])
    assert left == {pid(each) for each in (reporter, listener, locker, superuser, in_transaction, other)}
    assert not is_alive(idle)
    assert (second["status"], second["changed"], second["results"]) == ("nothing_to_do", False, [])
    assert {row[0] for row in activity(pg)} == left


def test_before_and_after_are_the_servers_own_numbers(pg: Any, terminate: Any, pool: Any) -> None:
    pool(3)
    assert len(activity(pg)) == 3
    result = terminate()
    assert (result["before"]["slots"]["used"], result["after"]["slots"]["used"]) == (3, 0)
    assert [row["terminated"] for row in result["measurements"]] == [0, 3]
    assert activity(pg) == []


def test_check_mode_lists_the_plan_and_touches_nothing(pg: Any, terminate: Any, pool: Any) -> None:
    sessions = pool(3)
    before, offset = activity(pg), pg.log_path.stat().st_size

    result = terminate(check_mode=True)

    assert activity(pg) == before
    said = pg.log_path.read_bytes()[offset:].decode()
    assert "pg_stat_activity" in said
    assert "pg_terminate_backend" not in said
    assert (result["status"], result["changed"]) == ("planned", True)
    assert results(result) == {pid(session): "would_terminate" for session in sessions}
    assert [target["pid"] for target in result["targets"]] == [row["pid"] for row in result["candidates"]]
    assert any("pg_terminate_backend" in query for query in result["executed_queries"])
    assert result["before"] == result["after"]


def test_the_log_shows_the_termination_when_it_is_no_check(pg: Any, terminate: Any, pool: Any) -> None:
    pool(1)
    offset = pg.log_path.stat().st_size
    terminate()
    assert "pg_terminate_backend" in pg.log_path.read_bytes()[offset:].decode()


def test_only_sessions_of_the_plan_are_ended_and_only_unchanged_ones(pg: Any, terminate: Any, pool: Any) -> None:
    unchanged, active, gone, idle_again = pool(4)
    pids = {name: pid(each) for name, each in locals().items() if isinstance(each, psycopg.Connection)}
    plan = terminate(check_mode=True)["targets"]
    assert {target["pid"] for target in plan} == set(pids.values())
    active.execute("BEGIN")
    gone.close()
    idle_again.execute("SELECT 1")  # and idle for long enough once more: only the change of state tells
    (newcomer,) = pool(1)

    result = terminate(targets=plan)

    assert results(result) == {
        pids["unchanged"]: "terminated",
        pids["active"]: "skipped_changed",
        pids["gone"]: "skipped_gone",
        pids["idle_again"]: "skipped_changed",
    }
    assert reasons(result)[pid(newcomer)] == "not_in_plan"
    assert {row[0] for row in activity(pg)} == {pids["active"], pids["idle_again"], pid(newcomer)}
    assert (result["status"], [target["pid"] for target in result["targets"]]) == (
        "partial",
        [target["pid"] for target in plan],
    )


def test_an_empty_plan_allows_nothing(pg: Any, terminate: Any, pool: Any) -> None:
    pool(2)
    assert terminate(targets=[])["status"] == "nothing_to_do"
    assert len(activity(pg)) == 2


def test_another_session_behind_a_planned_process_id_stays(pg: Any, terminate: Any, pool: Any) -> None:
    (session,) = pool(1)
    mine = identity(pg, session)
    started = dt.datetime.fromisoformat(mine["backend_start"]) + dt.timedelta(microseconds=1)
    result = terminate(targets=[{**mine, "backend_start": rfc3339(started)}])
    assert (result["status"], results(result)) == ("nothing_to_do", {pid(session): "skipped_gone"})
    assert is_alive(session)


def test_the_last_look_is_in_the_statement_that_ends(pg: Any, pool: Any) -> None:
    """Between choosing and ending: a session in use, gone, made a superuser's; an older server's function."""
    busy, gone, promoted, idle, idle_too = pool(5)
    gone_pid = pid(gone)
    params = validated(**pg.login())
    with log_in(params, 5) as session, pg.connect() as superuser:
        seen = {row["pid"]: row for row in read_sessions(session, session.ask("SELECT 150000 AS v")[0]["v"])}
        superuser.execute(f"ALTER ROLE {pg.app_user} SUPERUSER")
        try:
            assert end(session, seen[pid(promoted)]) == "skipped_changed"
        finally:
            superuser.execute(f"ALTER ROLE {pg.app_user} NOSUPERUSER")
        busy.execute("SELECT 1")
        gone.close()
        wait_until(lambda: gone_pid not in {row[0] for row in activity(pg)})
        assert end(session, seen[pid(busy)]) == "skipped_changed"
        before = {**seen[pid(idle)], "backend_start": seen[pid(idle)]["backend_start"] - dt.timedelta(microseconds=1)}
        assert end(session, before) == "skipped_gone"
        assert end(session, seen[gone_pid]) == "skipped_gone"
        assert end(session, seen[pid(idle)]) == "terminated"
        assert end(session, seen[pid(idle_too)], version_num=130000) == "terminated"
    assert [is_alive(each) for each in (busy, promoted, idle, idle_too)] == [True, True, False, False]


def end(session: Session, row: dict[str, Any], version_num: int = 150000) -> str:
    identity_of = {name: row[name] for name in ("pid", "backend_start", "state", "state_change")}
    return end_session(session, version_num, **identity_of, timeout_s=2)


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_caps(pg: Any, terminate: Any, pool: Any) -> None:
    sessions = pool(4)
    pool(2, application_name="worker")
    oldest = {pid(session) for session in sessions[:2]}
    result = terminate(max_terminate=2)
    assert set(results(result)) == oldest
    assert list(reasons(result).values()).count("over_max_terminate") == 4
    kept = terminate(keep_min_per_application=1)
    assert len(kept["results"]) == 2
    assert list(reasons(kept).values()).count("keep_min_per_application") == 2
    assert len(activity(pg)) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_terminate": 101}, "above the limit 100"),
        ({"max_terminate": 0}, "max_terminate must be 1 or more"),
        ({"min_idle_s": 0}, "min_idle_s must be 1 or more"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"exclude_addresses": ["backend"]}, "backend"),
        ({"targets": [{"pid": 1}]}, "each target needs pid, backend_start and state_change"),
    ],
    ids=str,
)
def test_options_that_make_no_sense_fail_before_anything_is_asked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(IncidentsError, match=said):
        SPEC.run(validated(login_host="127.0.0.1", login_port=1, **options), NO_CHECK)


def test_batches_stop_as_soon_as_the_ratio_is_below_the_target(pg: Any, terminate: Any, pool: Any) -> None:
    pool(16)
    result = terminate(force_reason=None, batch_size=2)  # 16 of 17; below 0.7 means 11
    assert [row["used"] for row in result["measurements"]] == [16, 14, 12, 11]
    assert list(results(result).values()) == ["terminated"] * 5 + ["not_attempted"] * 11
    assert (result["status"], result["after"]["slots"]["used_ratio"]) == ("done", 0.6471)
    assert len(activity(pg)) == 11


def test_without_pressure_it_refuses_unless_forced(pg: Any, terminate: Any, pool: Any) -> None:
    pool(3)
    result = terminate(force_reason="")
    assert (result["status"], result["changed"], len(result["candidates"])) == ("refused", False, 3)
    assert "force_reason" in result["reason"]
    assert len(activity(pg)) == 3


def test_states_inside_a_transaction_are_ended_on_request(pg: Any, terminate: Any, pool: Any) -> None:
    idle, begun, aborted = pool(3)
    begun.execute("BEGIN")
    aborted.execute("BEGIN")
    with pytest.raises(psycopg.errors.DivisionByZero):
        aborted.execute("SELECT 1/0")
    result = terminate(states=["idle in transaction", "idle in transaction (aborted)"])
    assert set(results(result)) == {pid(begun), pid(aborted)}
    assert reasons(result)[pid(idle)] == "state"


def test_exclusions_by_user_application_and_address(pg: Any, terminate: Any, pool: Any) -> None:
    pool(1, application_name="PgBouncer - 10.0.0.7")
    by_user = terminate(exclude_users=[pg.app_user])
    by_application = terminate()
    by_address = terminate(exclude_applications=[], exclude_addresses=["127.0.0.0/8"])
    said = [next(iter(reasons(each).values())) for each in (by_user, by_application, by_address)]
    assert said == ["excluded_user", "excluded_application", "excluded_address"]
    assert terminate(exclude_applications=[], exclude_addresses=["10.0.0.0/8"])["status"] == "done"


def test_replication_connections_stay(pg: Any, terminate: Any) -> None:
    sender = pg.connect(replication="database", application_name="standby")
    assert reasons(terminate())[pid(sender)] == "replication"


def test_other_databases_are_reached_by_name(pg: Any, terminate: Any, pool: Any) -> None:
    here, there = pool(1)[0], pool(1, dbname="postgres")[0]
    result = terminate(database="postgres")
    assert results(result) == {pid(there): "terminated"}
    assert reasons(result)[pid(here)] == "other_database"


def test_a_session_that_does_not_obey_is_said_and_ends_the_run(pg: Any, terminate: Any, pool: Any) -> None:
    sessions = pool(3)
    with frozen(sessions[0]):
        result = terminate(terminate_timeout_s=1, batch_size=1)
    assert list(results(result).values()) == ["not_terminated", "not_attempted", "not_attempted"]
    assert (result["status"], result["changed"]) == ("partial", True)


def test_a_connection_lost_midway_says_what_had_been_done(pg: Any, terminate: Any, pool: Any) -> None:
    sessions = pool(3)
    rival = threading.Thread(target=end_the_runbooks_session, args=(pg, pid(sessions[0])))
    rival.start()
    with frozen(sessions[1]), pytest.raises(IncidentsError) as raised:
        terminate()
    rival.join()
    details = to_plain(raised.value.details)
    assert list(results(details).values()) == ["terminated", "unknown", "not_attempted"]
    assert (details["changed"], details["cause"]) == (True, "shutting_down")
    assert not is_alive(sessions[0])
    assert is_alive(sessions[2])


def end_the_runbooks_session(pg: Any, first: int) -> None:
    """End the module's own session while it waits for the second one to be gone."""
    with pg.connect() as connection:
        wait_until(lambda: not connection.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (first,)).fetchall())
        time.sleep(0.5)  # the server looks every 0.1 s whether a session is gone
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'incident-runbook'"
        )


@pytest.fixture
def weak(pg: Any) -> Iterator[Any]:
    """A login with the given grants; gone after the test."""
    with pg.connect() as connection:
        connection.execute("CREATE ROLE weak LOGIN PASSWORD 'weak'")

        def login(*grants: str) -> dict[str, Any]:
            for grant in grants:
                connection.execute(f"GRANT {grant} TO weak")
            return {"login_user": "weak", "login_password": "weak"}

        yield login
        connection.execute("DROP ROLE weak")


def test_a_login_that_may_not_end_sessions_is_refused(pg: Any, terminate: Any, pool: Any, weak: Any) -> None:
    (session,) = pool(1)
    result = terminate(**weak("pg_monitor"))
    assert (result["status"], reasons(result)[pid(session)]) == ("refused", "not_permitted")
    assert "pg_signal_backend" in result["reason"]
    assert is_alive(session)


def test_sessions_that_the_login_cannot_see_stay(pg: Any, terminate: Any, pool: Any, weak: Any) -> None:
    (session,) = pool(1)
    result = terminate(**weak("pg_signal_backend"))
    assert (result["status"], reasons(result)[pid(session)]) == ("nothing_to_do", "hidden")
    assert is_alive(session)


def test_an_application_role_may_end_its_own_sessions(pg: Any, terminate: Any, pool: Any) -> None:
    (session,) = pool(1)
    result = terminate(login_user=pg.app_user, login_password=pg.app_password)
    assert results(result) == {pid(session): "terminated"}


def test_an_unreachable_server_is_a_failure_with_cause_and_next_step(pg: Any) -> None:
    result = conclude(SPEC, validated(**{**pg.login(), "login_password": "wrong"}), check_mode=False)
    assert (result["failed"], result["changed"], result["cause"]) == (True, False, "auth")
    assert [attempt["sqlstate"] for attempt in result["attempts"]] == ["28P01"]
    assert result["hint"] in result["msg"]
