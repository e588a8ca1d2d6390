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

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import postgres_index_work
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Attempt, Session
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    Failure,
    PostgresError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import index_proposal
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import conclude
from ansible_collections.brandconnect.incidents.plugins.modules.pg_index import SPEC
from incident_runbooks.lab.postgres import has_statement_statistics

DBA, PASSWORD = "index_dba", "dba-of-a-throw-away-server"
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


def end_builds(superuser: psycopg.Connection[Any], others_too: bool) -> None:
    """Wait until an index is nearly built, and end its session; the other ones of the same login before it."""
    asked = "SELECT pid FROM pg_stat_progress_create_index WHERE phase = 'waiting for old snapshots'"
    deadline = time.monotonic() + 20
    while not (found := superuser.execute(asked).fetchone()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    if others_too:
        others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s AND pid <> %s"
        assert superuser.execute(others, (DBA, found[0])).fetchall() == [(True,)]
    assert superuser.execute("SELECT pg_terminate_backend(%s, 5000)", found).fetchone() == (True,)


def before_it_acts(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Let something happen after the module has looked and decided, and before it changes anything."""
    log_in = postgres_index_work.log_in

    def then(*given: Any) -> Any:
        happens()
        return log_in(*given)

    monkeypatch.setattr(postgres_index_work, "log_in", then)


def test_a_build_that_is_cut_off_is_unknown_and_what_it_left_is_named_and_dropped(sales: Any, index: Any) -> None:
    thread = threading.Thread(target=end_builds, args=(sales.connect(), False))
    with old_snapshot(sales):
        thread.start()
        found = index(lock_timeout_s=30)
        thread.join()
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


def test_what_nobody_can_look_at_is_named_and_not_called_gone(sales: Any, index: Any) -> None:
    thread = threading.Thread(target=end_builds, args=(sales.connect(), True))
    with old_snapshot(sales):
        thread.start()
        found = index(lock_timeout_s=30)
        thread.join()
    assert (found["status"], found["changed"], found["after"]["index"]) == ("unknown", True, None)
    assert f"nobody could look whether public.{NAME} is there" in found["reason"]
    assert f"public.{NAME} may be there, INVALID" in found["caveats"][-1]
    assert indexes(sales)[NAME][0] is False, "it is"


def test_an_index_of_the_same_name_that_somebody_else_builds_meanwhile_stays(
    sales: Any, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    quoted = '"' + NAME.replace('"', '""') + '"'
    statement = f'CREATE INDEX CONCURRENTLY {quoted} ON "Sales ""2026"" %s" (id)'
    other = threading.Thread(target=sales.connect().execute, args=(statement,))

    def somebody_builds() -> None:
        other.start()
        while not indexes(sales):
            time.sleep(0.02)

    before_it_acts(monkeypatch, somebody_builds)
    with old_snapshot(sales):
        found = index(lock_timeout_s=1)
    other.join()
    assert indexes(sales) == {NAME: (True, True, None)}
    assert (found["status"], found["changed"], found["results"][0]["result"]) == ("failed", False, "failed")
    assert "not known to be of this build" in found["reason"]
    assert "dropped" not in found["reason"]
    assert "left an index" not in found["reason"]
    assert NAME in found["caveats"][-1], "it is INVALID as long as it is being built"


def test_a_build_that_fails_at_once_leaves_nothing(sales: Any, index: Any) -> None:
    """The row does not fit into an index. It fails before anybody could see which index the process builds."""
    long = "string_agg(md5(random()::text || n), '')"
    with sales.connect() as connection:
        connection.execute(
            f'UPDATE "Sales ""2026"" %s" SET status = (SELECT {long} FROM generate_series(1, 500) n) WHERE id = 1'  # noqa: S608
        )
    found = index()
    assert (found["status"], found["changed"], found["results"][0]["result"]) == ("failed", False, "failed")
    assert "54000" in found["reason"]
    assert found["reason"].endswith("what it left behind is dropped")
    assert indexes(sales) == {}


@pytest.mark.parametrize(
    ("sqlstate", "oid", "ours"),
    [("55P03", 1, False), ("42P07", 1, False), ("57014", 1, False), ("55P03", 7, True), ("53100", 1, True)],
)
def test_whose_an_index_with_the_wanted_name_is(sqlstate: str, oid: int, ours: bool) -> None:
    error = PostgresError("Building", Failure(cause="unknown", message="no", sqlstate=sqlstate))
    assert postgres_index_work._is_ours({"oid": oid, "valid": False}, error, {7}) is ours
    assert postgres_index_work._is_ours({"oid": 1, "valid": True}, error, {7}) is False


def test_a_valid_index_that_nobody_could_sign_is_told(sales: Any, index: Any) -> None:
    proposal = index_proposal.read(
        {"schema": "public", "table": "t", "columns": COLUMNS[1:], "method": "btree", "name": "idx"}
    )
    error = PostgresError("Building", Failure(cause="connection_lost", message="it is gone"))
    with sales.connect() as connection:
        connection.close()
        lost = Session(connection, "nowhere", [Attempt("ops", DBA, ok=True, duration_s=0.0)])
    seen = postgres_index_work.Seen(looked=True, index={"oid": 7, "name": "idx", "valid": True, "ready": True})
    done = postgres_index_work._judged(lost, seen, proposal, error, {7})
    assert (done.result, done.changed) == ("unknown", True)
    assert "a rollback will not drop it" in done.caveats[0]


def test_a_leftover_that_is_another_index_by_now_is_not_dropped(
    sales: Any, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert index()["status"] == "done"
    make_valid = "UPDATE pg_index SET indisvalid = %s WHERE indexrelid = (SELECT oid FROM pg_class WHERE relname = %s)"
    with sales.connect() as connection:
        connection.execute(make_valid, (False, NAME))

        def somebody_repairs() -> None:
            connection.execute(make_valid, (True, NAME))

        before_it_acts(monkeypatch, somebody_repairs)
        found = index(action="drop_leftovers")
    assert (found["status"], found["changed"], found["results"][0]["result"]) == ("failed", False, "not_attempted")
    assert found["after"]["indexes"][0]["valid"] is True
    assert indexes(sales)[NAME][0] is True


def test_a_drop_that_stops_half_way_has_changed_the_index_and_names_it(sales: Any, index: Any) -> None:
    assert index()["status"] == "done"
    with sales.connect(user=sales.app_user) as reader:
        reader.execute("BEGIN")
        reader.execute('SELECT count(*) FROM "Sales ""2026"" %s"')
        found = index(action="drop", name=NAME, lock_timeout_s=1)
        assert indexes(sales)[NAME][0] is False
        reader.execute("ROLLBACK")
    assert (found["status"], found["changed"], found["results"][0]["result"]) == ("failed", True, "failed")
    assert found["after"]["index"]["valid"] is False
    assert NAME in found["caveats"][-1]
    assert index(action="drop", name=NAME)["status"] == "done", "it is still known to be ours"
    assert indexes(sales) == {}


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
    for check_mode in (True, False):
        unknown = index(free_bytes=None, check_mode=check_mode)
        assert (unknown["status"], unknown["refusal"], unknown["changed"]) == ("refused", "unknown_state", False)
        assert "how many are free on the database's volume is not known" in unknown["reason"]
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
    with sales.connect() as connection:
        connection.execute("SELECT pg_stat_statements_reset()")  # the same was asked of tables that are gone
        app.execute(QUERY.replace("$1", "'state7'"))
        asked = "SELECT queryid FROM pg_stat_statements WHERE query = %s"
        ((query_id,),) = connection.execute(asked, [QUERY.replace("LIMIT 10", "LIMIT $2")]).fetchall()
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
