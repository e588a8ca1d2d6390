# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_statements against real servers, with and without the extension."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import conclude
from ansible_collections.brandconnect.incidents.plugins.modules import pg_statements
from ansible_collections.brandconnect.incidents.plugins.modules.pg_statements import SPEC
from incident_runbooks.lab import postgres
from incident_runbooks.lab.postgres import has_statement_statistics
from incident_runbooks.lab.server import Server
from support.servers import installations

NO_CHECK = False
SECRET = "s3cret-of-a-customer"
SLOW = f"SELECT count(*) FROM campaigns, pg_sleep(0.2) WHERE title <> '{SECRET}'"  # noqa: S608


def run(options: dict[str, Any]) -> dict[str, Any]:
    validation = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate({"sample_s": 1, **options})
    assert not validation.errors.errors, validation.errors.msg
    said = conclude(SPEC, validation.validated_parameters, NO_CHECK)
    assert SECRET not in json.dumps(said, allow_nan=False)
    return said


COUNTING = [
    each
    for each in installations()
    if isinstance(each.values[0], str) or has_statement_statistics(each.values[0].folder)
]


@pytest.fixture(params=COUNTING)
def counted(request: pytest.FixtureRequest, server_of: Any) -> Any:
    """A server that counts statements."""
    return server_of(request.param)


@pytest.fixture(params=COUNTING)
def unloaded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server with the extension, whose library was not loaded at the start."""
    if isinstance(request.param, str):
        pytest.skip(request.param)
    server = postgres.lay_out(request.param, tmp_path)
    postgres.initialise(server)
    settings = server.data / "postgresql.conf"
    settings.write_text(settings.read_text().replace("shared_preload_libraries = 'pg_stat_statements'", ""))
    server, record = postgres.start(server)
    try:
        yield server
    finally:
        postgres.stop_server(server, record)
        postgres.remove(server)


@contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> Iterator[None]:
    """Let something happen between the samples, however fast the machine is."""

    def instead(seconds: float) -> None:
        happens()

    with monkeypatch.context() as patched:
        patched.setattr(pg_statements.time, "sleep", instead)
        yield


def test_what_takes_the_time_is_first_and_what_ran_before_counts_not(
    counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = counted.connect(user=counted.app_user)
    app.execute("SELECT pg_sleep(0.5), 'before'")

    def work() -> None:
        app.execute(SLOW)
        for number in range(5):
            app.execute("SELECT id FROM campaigns WHERE id = %s", (number,))
        app.execute(f"SET application_name TO '{SECRET}'")
        app.execute("SELECT pg_stat_force_next_flush()")  # otherwise up to a second later

    with meanwhile(monkeypatch, work):
        found = run(counted.login())
    assert (found["reachable"], found["cause"], found["statistics"]["available"]) == (True, None, True)
    first, *rest = found["statements"]
    assert (first["calls"], first["rows"], first["role"], first["database"]) == (1, 1, counted.app_user, "brandconnect")
    assert first["statement"] == "SELECT count(*) FROM campaigns, pg_sleep($1) WHERE title <> $2"
    assert first["mean_ms"] >= 200
    assert first["share"] > 0.5
    by_text = {row["statement"]: row["calls"] for row in rest}
    assert by_text["SELECT id FROM campaigns WHERE id = $1"] == 5
    assert by_text["SET application_name TO …"] == 1, "utility statements keep their values in the view"
    assert not [text for text in by_text if "before" in text or "incident-runbook" in text]
    with counted.connect() as other:
        ids = other.execute("SELECT queryid::text FROM pg_stat_statements WHERE query LIKE '%pg_sleep($1) WHERE%'")
        assert ids.fetchone()[0] == first["query_id"]
    scanned = {row["table"]: row for row in found["tables"]}
    assert scanned["campaigns"]["sequential_scans"] >= 1
    assert scanned["campaigns"]["sequential_rows"] >= 40
    assert found["work"]["cache_hit_ratio"] is not None


def test_a_reset_between_the_samples_is_told(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    superuser, app = counted.connect(), counted.connect(user=counted.app_user)
    app.execute("SELECT count(*) FROM users")

    def reset() -> None:
        superuser.execute("SELECT pg_stat_statements_reset()")
        app.execute("SELECT count(*) FROM users")

    with meanwhile(monkeypatch, reset):
        found = run(counted.login())
    assert found["statistics"]["reset"] is True
    assert {row["statement"]: row["calls"] for row in found["statements"]}["SELECT count(*) FROM users"] == 1
    with meanwhile(monkeypatch, lambda: None):
        assert run(counted.login())["statistics"]["reset"] is False


def test_what_the_login_may_not_see_is_said(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = counted.connect(user=counted.ops_user)
    login = {
        **counted.login(),
        "login_user": counted.app_user,
        "login_password": counted.app_password,
        "reserved_user": None,
        "reserved_password": None,
    }
    with meanwhile(monkeypatch, lambda: ops.execute("SELECT count(*), pg_sleep(0.1) FROM audit_logs") and None):
        found = run(login)
    hidden = [row for row in found["statements"] if row["hidden"]]
    assert [(row["role"], row["query_id"], row["statement"]) for row in hidden] == [(counted.ops_user, None, "")]
    assert found["statistics"]["hidden"] == 1
    assert found["visibility"]["sees_all"] is False
    assert "pg_monitor" in found["visibility"]["reason"]


def test_who_blocks_whom(pg: Any) -> None:
    blocker, waiter = pg.connect(user=pg.app_user), pg.connect(user=pg.app_user)
    blocker.execute("BEGIN")
    blocker.execute("LOCK TABLE campaigns")
    thread = threading.Thread(target=lambda: waiter.execute("SELECT count(*) FROM campaigns"))
    thread.start()
    try:
        with pg.connect() as looks:
            deadline = time.monotonic() + 5
            asked = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            while not looks.execute(asked, (waiter.info.backend_pid,)).fetchone():
                assert time.monotonic() < deadline
                time.sleep(0.01)
        found = run(pg.login())
    finally:
        blocker.execute("ROLLBACK")
        thread.join()
    assert [row["pid"] for row in found["blocking"]["roots"]] == [blocker.info.backend_pid]
    assert {"type": "Lock", "event": "relation", "sessions": 1} in found["waits"]


def test_without_the_extension_the_rest_is_there(pg: Any) -> None:
    carried = has_statement_statistics(pg.server.folder)
    database = "postgres"  # the extension is in brandconnect
    found = run({**pg.login(), "login_db": database})
    assert (found["reachable"], found["statistics"]["available"], found["statements"]) == (True, False, [])
    assert found["statistics"]["cause"] == ("extension_missing" if carried else "not_supported")
    assert found["statistics"]["hint"]
    assert found["work"]["duration_s"] >= 1


def test_an_extension_without_its_library_is_told(unloaded: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with unloaded.connect(unloaded.superuser, dbname="postgres") as connection:
        connection.execute('CREATE SCHEMA "odd ""one"; CREATE EXTENSION pg_stat_statements SCHEMA "odd ""one"')
    login = {"login_host": unloaded.host, "login_port": unloaded.port, "login_db": "postgres"}
    login |= {"login_user": unloaded.superuser.user, "login_password": unloaded.superuser.password}
    with meanwhile(monkeypatch, lambda: None):
        found = run(login)
    assert (found["reachable"], found["cause"], found["statistics"]["available"]) == (True, None, False)
    assert found["statistics"]["cause"] == "not_loaded"
    assert "shared_preload_libraries" in found["statistics"]["hint"]


def test_a_server_that_is_down_is_a_result_and_options_are_checked(pg: Any) -> None:
    down = run({**pg.login(), "login_port": 1})
    assert (down["reachable"], down["cause"], down["statistics"]["available"]) == (False, "refused", None)
    for wrong in ({"sample_s": 0}, {"max_rows": 1000}):
        failed = run({**pg.login(), **wrong})
        assert failed["failed"] is True
        assert next(iter(wrong)) in failed["msg"]
