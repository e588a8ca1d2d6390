# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_index against real servers; the catalogue and the plans say what is true, through another connection."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import conclude
from ansible_collections.brandconnect.incidents.plugins.modules.pg_index import SPEC
from incident_runbooks.lab.postgres import has_statement_statistics

DBA, PASSWORD = "brandconnect_dba", "dba-of-a-throw-away-server"
INCIDENT = "api-latency-20261128T101500Z-3fa1"
TABLE = 'Sales "2026" %s'  # whoever forgets to quote stumbles
NAME = 'idx_Sales "2026" %s_status_created_at_desc'
QUERY = """SELECT id FROM "Sales ""2026"" %s" WHERE status = $1 ORDER BY created_at DESC LIMIT 10"""
ESCAPE = (
    'SELECT 1; COMMIT; SET default_transaction_read_only TO off; COMMIT; DROP TABLE public."Sales ""2026"" %s"; COMMIT'
)
COLUMNS = [{"name": "status"}, {"name": "created_at", "order": "desc"}]
MAKE = """
SET ROLE brandconnect_app;
DROP TABLE IF EXISTS "Sales ""2026"" %s";
CREATE TABLE "Sales ""2026"" %s" (id bigint PRIMARY KEY, status text NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO "Sales ""2026"" %s"
SELECT n, 'state' || n % 100, now() - make_interval(secs => n) FROM generate_series(1, 10000) AS n;
ANALYZE "Sales ""2026"" %s";
RESET ROLE
"""


@pytest.fixture
def sales(pg: Any) -> Iterator[Any]:
    """A server with a table of its own for the test, and a login that may index it."""
    with pg.connect() as connection:
        connection.execute(f"CREATE ROLE {DBA} LOGIN PASSWORD '{PASSWORD}' IN ROLE {pg.app_user}, pg_monitor")
        connection.execute(MAKE)
    yield pg
    pg.end_sessions()
    with pg.connect() as connection:
        connection.execute('DROP TABLE IF EXISTS "Sales ""2026"" %s"')
        connection.execute(f"DROP ROLE {DBA}")


@pytest.fixture
def index(sales: Any) -> Callable[..., dict[str, Any]]:
    """Run the module as the login for it."""

    def run(*, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        usual = {"action": "create", "table": TABLE, "incident": INCIDENT, "free_bytes": 10**9}
        if options.get("action", "create") == "create":
            usual |= {"columns": COLUMNS, **({} if "query_id" in options else {"query": QUERY})}
        login = {**sales.login(), "login_user": DBA, "login_password": PASSWORD}
        validation = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate(
            {**login, **usual, **options}
        )
        assert not validation.errors.errors, validation.errors.msg
        said = conclude(SPEC, validation.validated_parameters, check_mode)
        told = json.dumps(said, allow_nan=False)
        assert PASSWORD not in told
        assert sales.superuser_password not in told
        return said

    return run


def indexes(pg: Any) -> dict[str, tuple[bool, bool, str | None]]:
    """Each index of the table but its key: valid, ready, comment."""
    with pg.connect() as connection:
        rows = connection.execute(
            "SELECT c.relname, i.indisvalid, i.indisready, obj_description(c.oid) FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid"
            " WHERE t.relname = %s AND NOT i.indisprimary",
            (TABLE,),
        ).fetchall()
    return {name: (valid, ready, comment) for name, valid, ready, comment in rows}


def by_check(said: dict[str, Any]) -> dict[str, bool | None]:
    return {check["check"]: check["ok"] for check in said["checks"]}


@contextmanager
def old_snapshot(pg: Any) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that a build has to wait for at its end, and a drop has not."""
    connection = pg.connect(user=pg.app_user)
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    connection.execute("SELECT count(*) FROM users")
    try:
        yield connection
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")


def test_built_used_and_dropped_again(sales: Any, index: Any) -> None:
    plan = index(check_mode=True)
    assert (plan["status"], plan["changed"], plan["results"][0]["result"]) == ("planned", True, "would_create")
    assert set(by_check(plan).values()) == {True}
    assert plan["before"]["plan"]["reads_all"] is True
    assert plan["before"]["plan"]["sorts"] is True
    assert indexes(sales) == {}, "check mode builds nothing"

    done = index(targets=plan["targets"])
    assert (done["status"], done["changed"], done["reason"]) == ("done", True, f"index {NAME} is valid and ready")
    assert done["targets"] == plan["targets"]
    assert done["after"]["plan"]["uses_index"] is True
    assert done["after"]["plan"]["sorts"] is False
    assert done["after"]["plan"]["cost"] < done["before"]["plan"]["cost"]
    assert (done["after"]["index"]["valid"], done["after"]["index"]["ready"]) == (True, True)
    (valid, ready, comment) = indexes(sales)[NAME]
    assert (valid, ready) == (True, True)
    assert comment.startswith(f"incident-runbook {INCIDENT} ")
    with sales.connect() as connection:
        told = connection.execute(f"EXPLAIN {QUERY.replace('$1', chr(39) + 'state7' + chr(39))}").fetchall()
    assert NAME in str(told).replace('""', '"')

    again = index(targets=plan["targets"])
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "already_there", False)
    assert again["after"]["plan"]["uses_index"] is True

    other = index(action="drop", name=NAME, incident="api-latency-another")
    assert (other["status"], other["refusal"]) == ("refused", "not_ours")
    back = index(action="drop", name=NAME, check_mode=True)
    assert (back["status"], list(indexes(sales))) == ("planned", [NAME])
    dropped = index(action="drop", name=NAME, targets=back["targets"])
    assert (dropped["status"], dropped["results"][0]["result"], dropped["after"]) == (
        "done",
        "dropped",
        {"index": None},
    )
    assert indexes(sales) == {}
    gone = index(action="drop", name=NAME)
    assert (gone["status"], gone["refusal"], gone["changed"]) == ("nothing_to_do", "gone", False)


def test_an_index_that_nobody_or_somebody_else_made_stays(sales: Any, index: Any) -> None:
    assert index()["status"] == "done"
    with sales.connect() as connection:
        quoted = '"' + NAME.replace('"', '""') + '"'
        connection.execute(f"ALTER INDEX {quoted} SET (fillfactor = 50)")
        changed = index(action="drop", name=NAME)
        connection.execute(f"COMMENT ON INDEX {quoted} IS NULL")
        nobodys = index(action="drop", name=NAME)
    assert (changed["refusal"], "changed since" in changed["reason"]) == ("not_ours", True)
    assert (nobodys["refusal"], "no incident" in nobodys["reason"]) == ("not_ours", True)
    assert list(indexes(sales)) == [NAME]


def test_what_a_failed_build_leaves_is_dropped(sales: Any, index: Any) -> None:
    with old_snapshot(sales):
        failed = index(lock_timeout_s=1)
    assert (failed["status"], failed["changed"], failed["results"][0]["result"]) == ("failed", False, "failed")
    assert "55P03" in failed["reason"]
    assert "dropped" in failed["reason"]
    assert indexes(sales) == {}
    phases = [row["phase"] for row in failed["progress"]]
    assert "waiting for old snapshots" in phases[-1]
    assert index()["status"] == "done"


def test_a_build_that_is_cut_off_is_unknown_and_what_it_left_is_named_and_dropped(sales: Any, index: Any) -> None:
    cut: list[int] = []

    def end_it(superuser: psycopg.Connection[Any]) -> None:
        asked = "SELECT pid FROM pg_stat_progress_create_index WHERE phase = 'waiting for old snapshots'"
        deadline = time.monotonic() + 20
        while not (found := superuser.execute(asked).fetchone()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", found)
        cut.append(found[0])

    thread = threading.Thread(target=end_it, args=(sales.connect(),))
    with old_snapshot(sales):
        thread.start()
        found = index(lock_timeout_s=30)
        thread.join()
    assert cut
    assert (found["status"], found["changed"], found["results"][0]["result"]) == ("unknown", True, "unknown")
    assert f"{NAME} is there and INVALID" in found["reason"]
    assert found["after"]["index"]["valid"] is False
    assert NAME in found["caveats"][-1]
    assert indexes(sales)[NAME][0] is False

    again = index()
    assert (again["status"], again["refusal"], by_check(again)["leftovers"]) == ("refused", "leftovers", False)
    plan = index(action="drop_leftovers", check_mode=True)
    assert (plan["status"], [target["index"] for target in plan["targets"]]) == ("planned", [NAME])
    assert NAME in indexes(sales)
    done = index(action="drop_leftovers", targets=plan["targets"])
    assert (done["status"], done["changed"]) == ("done", True)
    assert indexes(sales) == {}
    nothing = index(action="drop_leftovers", targets=plan["targets"])
    assert (nothing["status"], nothing["refusal"], nothing["changed"]) == ("nothing_to_do", "no_leftovers", False)


def test_what_speaks_against_it(sales: Any, index: Any) -> None:
    with old_snapshot(sales) as open_one:
        time.sleep(1.1)
        old = index(max_transaction_age_s=1)
        assert (old["status"], old["refusal"]) == ("refused", "old_transaction")
        assert f"process {open_one.info.backend_pid} " in old["reason"]
    for options, refusal in (
        ({"table": "nothing"}, "no_table"),
        ({"columns": [{"name": "colour"}]}, "no_column"),
        ({"max_table_bytes": 8192}, "too_large"),
        ({"free_bytes": 8192}, "disk"),
        ({"query": "SELECT 1"}, "no_use"),
        ({"query": 'SELECT * FROM "Sales ""2026"" %s" WHERE id = $1'}, "no_use"),
        ({"query": "SELECT nothing FROM nowhere"}, "no_plan"),
        ({"query": ESCAPE}, "no_plan"),
        ({"query": "ANALYZE SELECT 1"}, "no_plan"),
        ({"name": "users"}, "name_taken"),
        ({"login_user": sales.ops_user, "login_password": sales.ops_password}, "not_permitted"),
        ({"targets": []}, "plan_changed"),
    ):
        said = index(**options)
        assert (said["status"], said["refusal"], said["changed"]) == ("refused", refusal, False), options
        assert said["reason"]
    assert index(free_bytes=None, check_mode=True)["caveats"][0].endswith("nobody said how many are free")
    assert indexes(sales) == {}


def test_a_login_that_cannot_see_all_sessions_builds_nothing(sales: Any, index: Any) -> None:
    hidden = sales.connect()  # a superuser's
    hidden.execute("BEGIN")
    said = index(login_user=sales.app_user, login_password=sales.app_password)
    assert (said["status"], said["refusal"]) == ("refused", "unknown_state")
    assert indexes(sales) == {}


def test_a_query_by_its_id(sales: Any, index: Any) -> None:
    if not has_statement_statistics(sales.server.folder):
        unknown = index(query_id="12345", check_mode=True)
        assert (unknown["status"], unknown["refusal"]) == ("refused", "no_plan")
        return
    app = sales.connect(user=sales.app_user)
    app.execute(QUERY.replace("$1", "'state7'"))
    with sales.connect() as connection:
        asked = "SELECT queryid FROM pg_stat_statements WHERE query LIKE '%ORDER BY created_at DESC LIMIT $2'"
        (query_id,) = connection.execute(asked).fetchone()
    planned = index(query_id=str(query_id), check_mode=True)
    assert (planned["status"], by_check(planned)["plan"]) == ("planned", True)
    assert index(query_id="1", check_mode=True)["refusal"] == "no_plan"


def test_options_that_make_no_sense_and_a_server_that_is_down(sales: Any, index: Any) -> None:
    for wrong, said in (
        ({"columns": []}, "columns"),
        ({"columns": COLUMNS + COLUMNS}, "twice"),
        ({"method": "hash", "columns": COLUMNS}, "order"),
        ({"query": "SELECT pg_terminate_backend(1)"}, "pg_terminate_backend"),
        ({"query_id": "1", "query": "SELECT 1"}, "either"),
        ({"query_id": "1; x"}, "query_id"),
        ({"schema": "pg_catalog"}, "pg_catalog"),
        ({"incident": "a b"}, "incident"),
        ({"lock_timeout_s": 0}, "lock_timeout_s"),
        ({"name": "x" * 64}, "name"),
    ):
        failed = index(**wrong)
        assert (failed["failed"], failed["changed"]) == (True, False)
        assert said in failed["msg"]
    down = index(login_port=1)
    assert (down["failed"], down["cause"]) == (True, "refused")
