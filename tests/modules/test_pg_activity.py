# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_activity against real servers; its numbers are compared with what the superuser sees."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import psycopg
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain
from ansible_collections.brandconnect.incidents.plugins.modules.pg_activity import RETURN, SPEC

NO_CHECK = False


@contextmanager
def leaving_nothing(pg: Any) -> Iterator[None]:
    """Wait until sessions that were opened meanwhile are really gone: a closed one still counts for a moment."""
    before = {process.pid for process in pg.sessions()}
    yield
    wait_until(lambda: {process.pid for process in pg.sessions()} <= before)


@pytest.fixture
def examine(pg: Any) -> Callable[..., dict[str, Any]]:
    """Run the module as the ops role."""

    def run(*, settle: bool = True, **options: Any) -> dict[str, Any]:
        validation = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate({**pg.login(), **options})
        assert not validation.errors.errors, validation.errors.msg
        with leaving_nothing(pg) if settle else nullcontext():
            result: dict[str, Any] = to_plain(SPEC.run(validation.validated_parameters, NO_CHECK))
        json.dumps(result, allow_nan=False)
        return result

    return run


@pytest.fixture
def app(pg: Any) -> Callable[..., psycopg.Connection[Any]]:
    """Open one application session."""

    def connect(application: str = "backend", **options: Any) -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] = pg.connect(user=pg.app_user, application_name=application, **options)
        return connection

    return connect


def pid(session: psycopg.Connection[Any]) -> int:
    return session.info.backend_pid


def begin(session: psycopg.Connection[Any], statement: str, encoding: str = "utf-8") -> None:
    """Start a statement and do not wait for it."""
    session.pgconn.send_query(statement.encode(encoding))
    session.pgconn.flush()


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_lock(pg: Any, *sessions: psycopg.Connection[Any]) -> None:
    with leaving_nothing(pg), pg.connect() as connection:
        for session in sessions:
            query = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            wait_until(lambda s=session, q=query: connection.execute(q, (pid(s),)).fetchall())  # type: ignore[misc]


def test_slots_are_counted_as_the_server_counts_them(pg: Any, app: Any, examine: Any) -> None:
    held = [app() for _ in range(3)] + [app("worker", dbname="postgres"), pg.connect()]
    offset = pg.log_path.stat().st_size

    result = examine()

    with pg.connect() as connection:
        (counted,) = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert counted == len(held)
    assert result["slots"] == {
        "max_connections": 20,
        "superuser_reserved": 3,
        "reserved": 0,
        "usable": 17,
        "used": counted,
        "free": 17 - counted,
        "used_ratio": round(counted / 17, 4),
        "limits": [],
    }
    assert (result["reachable"], result["cause"], result["login"], result["changed"]) == (True, None, "ops", False)
    assert (result["server"]["version_num"] // 10000, result["server"]["in_recovery"]) == (pg.major, False)
    assert result["visibility"] == {"sees_all": True, "hidden": 0, "reason": None}
    said = pg.log_path.read_bytes()[offset:].decode()
    assert "default_transaction_read_only TO on" in said
    assert f"@{pg.database}/incident-runbook" in said


def test_the_result_has_the_documented_keys(examine: Any) -> None:
    documented = {line.rstrip(":") for line in RETURN.splitlines() if line.endswith(":") and line[0] not in " -"}
    assert set(examine()) - {"changed"} == documented
    assert set(examine(login_password="wrong")) - {"changed"} == documented


def test_groups_say_whose_sessions_they_are_and_how_old(app: Any, examine: Any) -> None:
    held = [app() for _ in range(3)]
    for session in held:
        session.execute("SELECT 1")
    held[0].execute("BEGIN")
    held[0].execute("SELECT 1")
    time.sleep(0.15)
    groups = {(group["application"], group["state"]): group for group in examine()["groups"]}
    assert {key: group["sessions"] for key, group in groups.items()} == {
        ("backend", "idle"): 2,
        ("backend", "idle in transaction"): 1,
    }
    assert groups["backend", "idle"]["client"] == "127.0.0.1"
    assert 0.1 <= groups["backend", "idle in transaction"]["max_transaction_age_s"] < 5
    assert groups["backend", "idle"]["max_transaction_age_s"] is None


def test_long_work_is_listed_without_the_values_in_it(app: Any, examine: Any) -> None:
    report, waiting = app("report"), app()
    begin(report, "/* anna */ SELECT pg_sleep(60), 'anna@example.com'")
    waiting.execute("BEGIN")
    waiting.execute("SELECT 'bob@example.com'")
    wait_until(lambda: examine(long_query_s=0)["long_running"])

    quiet = examine(long_query_s=0, long_transaction_s=0)
    told = examine(long_query_s=0, long_transaction_s=0, include_query_text=True)
    later = examine()

    assert [(row["pid"], row["statement"]) for row in quiet["long_running"]] == [(pid(report), "SELECT pg_sleep( …")]
    assert [(row["pid"], row["state"]) for row in quiet["in_transaction"]] == [(pid(waiting), "idle in transaction")]
    assert "example.com" not in json.dumps(quiet)
    assert "anna@example.com" in told["long_running"][0]["query_text"]
    assert "bob@example.com" in told["in_transaction"][0]["query_text"]
    assert (later["long_running"], later["in_transaction"]) == ([], [])


def test_the_root_of_a_chain_of_blockers_is_found(pg: Any, app: Any, examine: Any) -> None:
    root, second, third, bystander = app("root"), app("second"), app("third"), app("bystander")
    for session, key in ((root, 1), (second, 2), (bystander, 9)):
        session.execute("BEGIN")
        session.execute("SELECT pg_advisory_xact_lock(%s)", (key,))
    begin(second, "SELECT pg_advisory_xact_lock(1)")
    begin(third, "SELECT pg_advisory_xact_lock(2)")
    wait_for_lock(pg, second, third)

    blocking = examine()["blocking"]

    assert [(row["pid"], row["application"], row["blocks"]) for row in blocking["roots"]] == [
        (pid(root), "root", sorted([pid(second), pid(third)]))
    ]
    assert {row["pid"]: (row["blocked_by"], row["roots"]) for row in blocking["blocked"]} == {
        pid(second): ([pid(root)], [pid(root)]),
        pid(third): ([pid(second)], [pid(root)]),
    }
    root.execute("ROLLBACK")
    bystander.execute("ROLLBACK")
    third.cancel()
    wait_until(lambda: examine()["blocking"] == {"roots": [], "blocked": []})


def test_long_lists_are_cut_and_the_rest_is_counted(app: Any, examine: Any) -> None:
    held = [app(f"application {number}") for number in range(4)]
    result = examine(max_rows=3)
    assert (len(result["groups"]), result["omitted"]["groups"]) == (3, 1)
    assert result["slots"]["used"] == len(held)


@contextmanager
def role(pg: Any, *statements: str) -> Iterator[dict[str, Any]]:
    with pg.connect() as connection:
        connection.execute("CREATE ROLE weak LOGIN PASSWORD 'weak-password'")
        try:
            for statement in statements:
                connection.execute(statement.encode())
            yield {"login_user": "weak", "login_password": "weak-password"}
        finally:
            connection.execute("DROP ROLE weak")


def test_a_login_that_cannot_see_everything_says_so_and_still_counts(pg: Any, app: Any, examine: Any) -> None:
    held = [app() for _ in range(3)]
    with role(pg) as login:
        result = examine(**login)
        assert result["slots"]["used"] == len(held) + 1  # and the superuser's that made the role
    assert (result["visibility"]["sees_all"], result["visibility"]["hidden"]) == (False, len(held) + 1)
    assert "GRANT pg_monitor TO weak" in result["visibility"]["reason"]
    assert {group["state"] for group in result["groups"]} == {None}


def test_limits_of_roles_and_databases_are_shown_with_their_use(pg: Any, app: Any, examine: Any) -> None:
    held = app()
    with pg.connect() as connection:
        connection.execute(f"ALTER ROLE {pg.app_user} CONNECTION LIMIT 9")
        try:
            limits = examine()["slots"]["limits"]
        finally:
            connection.execute(f"ALTER ROLE {pg.app_user} CONNECTION LIMIT -1")
    assert limits == [{"kind": "role", "name": pg.app_user, "limit": 9, "used": 1, "exhausted": False}]
    assert not held.closed


@pytest.fixture
def old(pg: Any) -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    """Connect to a LATIN1 database that has a role with an accent in its name."""
    with pg.connect() as connection:
        connection.execute("CREATE DATABASE old ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")

    def connect() -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] = pg.connect(dbname="old", client_encoding="LATIN1")
        return connection

    connect().execute('CREATE ROLE "café" LOGIN CONNECTION LIMIT 3')
    yield connect
    connect().execute('DROP ROLE "café"')
    pg.end_sessions()
    with pg.connect() as connection:
        connection.execute("DROP DATABASE old")


def test_texts_of_databases_in_other_encodings_do_not_stop_it(old: Any, examine: Any) -> None:
    begin(old(), "SELECT pg_sleep(60) AS é", encoding="latin-1")
    wait_until(lambda: examine(long_query_s=0)["long_running"])
    result = examine(long_query_s=0, include_query_text=True)
    assert result["long_running"][0]["query_text"] == "SELECT pg_sleep(60) AS \N{REPLACEMENT CHARACTER}"
    assert [limit["name"] for limit in result["slots"]["limits"]] == ["caf\N{REPLACEMENT CHARACTER}"]


@contextmanager
def stuck(pg: Any) -> Iterator[None]:
    """Hold up whoever reads pg_locks, as a server does that is out of breath."""
    with pg.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE pg_catalog.pg_locks IN ACCESS EXCLUSIVE MODE")
        yield
        connection.execute("ROLLBACK")


def its_own_pid(pg: Any) -> int:
    """The process that serves the module, once it waits."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'incident-runbook' AND wait_event_type = 'Lock'"
    with pg.connect() as connection:
        wait_until(lambda: connection.execute(query).fetchall())
        return int(connection.execute(query).fetchone()[0])


def test_a_statement_that_takes_too_long_is_a_result(pg: Any, examine: Any) -> None:
    with stuck(pg):
        started = time.monotonic()
        result = examine(statement_timeout=1)
    assert time.monotonic() - started < 4
    assert (result["reachable"], result["cause"], result["slots"]) == (True, "timeout", None)
    assert "57014" in result["message"]
    assert result["server"]["database"] == pg.database


def test_a_connection_lost_midway_is_a_result(pg: Any, examine: Any) -> None:
    def rival() -> None:
        own = its_own_pid(pg)
        with pg.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", (own,))

    thread = threading.Thread(target=rival)
    with stuck(pg):
        thread.start()
        result = examine()
        thread.join()
    assert (result["reachable"], result["cause"], result["slots"]) == (False, "shutting_down", None)
    assert result["attempts"][0]["ok"] is True


def test_a_frozen_server_costs_its_time_and_no_more(pg: Any, examine: Any) -> None:
    frozen: list[int] = []

    def rival() -> None:
        frozen.append(its_own_pid(pg))
        os.kill(frozen[0], signal.SIGSTOP)

    thread = threading.Thread(target=rival)
    try:
        with stuck(pg):
            thread.start()
            started = time.monotonic()
            result = examine(settle=False, statement_timeout=1)
            thread.join()
            assert time.monotonic() - started < 6
    finally:
        for process in frozen:
            os.kill(process, signal.SIGCONT)
    assert (result["reachable"], result["cause"]) == (False, "timeout")
    assert "did not answer within 2 s" in result["message"]


def test_it_never_looks_into_functions_of_the_databases_owner(pg: Any, examine: Any) -> None:
    with pg.connect(user=pg.app_user) as owner:
        owner.execute("CREATE SCHEMA evil")
        owner.execute("GRANT USAGE ON SCHEMA evil TO PUBLIC")
        owner.execute("CREATE VIEW evil.pg_stat_activity AS SELECT 1/0 AS pid")
        owner.execute("GRANT SELECT ON evil.pg_stat_activity TO PUBLIC")
        owner.execute(f"ALTER DATABASE {pg.database} SET search_path = evil, pg_catalog")
    try:
        assert examine()["cause"] is None
    finally:
        with pg.connect(user=pg.app_user) as owner:
            owner.execute(f"ALTER DATABASE {pg.database} RESET search_path")
            owner.execute("DROP SCHEMA evil CASCADE")


def test_a_role_with_settings_of_its_own_is_served(pg: Any, examine: Any) -> None:
    settings = ("DateStyle = 'German'", "TimeZone = 'Asia/Kathmandu'", "IntervalStyle = 'iso_8601'")
    with role(pg, "GRANT pg_monitor TO weak", *(f"ALTER ROLE weak SET {setting}" for setting in settings)) as login:
        result = examine(**login)
    assert result["cause"] is None
    assert result["server"]["started_at"].endswith("Z")


def test_nonsense_is_refused(examine: Any) -> None:
    with pytest.raises(IncidentsError, match="max_rows"):
        examine(max_rows=0)
