# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that the lab starts: who may do what, what it listens on, what it tells whom."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab import binaries, postgres, processes
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.processes import RunAs


def refused(connect: Callable[[], Any]) -> str:
    with pytest.raises(psycopg.OperationalError) as error:
        connect()
    return str(error.value)


def test_settings(pg: Any, scalar: Callable[..., Any]) -> None:
    connection = pg.connect()
    shown = {
        name: scalar(connection, f"SHOW {name}")
        for name in ("max_connections", "superuser_reserved_connections", "timezone", "lc_messages", "listen_addresses")
    }
    assert shown == {
        "max_connections": "20",
        "superuser_reserved_connections": "3",
        "timezone": "UTC",
        "lc_messages": "C",
        "listen_addresses": "127.0.0.1",
    }
    assert scalar(connection, "SELECT coalesce(current_setting('reserved_connections', true), '0')") == "0"


def test_listens_on_loopback_only_and_on_no_socket_file(pg: Any) -> None:
    listening = [each for each in psutil.Process(pg.record.pid).net_connections("all") if each.status == "LISTEN"]
    assert [tuple(each.laddr) for each in listening] == [("127.0.0.1", pg.port)]
    assert [each.laddr for each in psutil.Process(pg.record.pid).net_connections("unix") if each.laddr] == []


def test_roles_and_their_rights(pg: Any, scalar: Callable[..., Any]) -> None:
    ops, app = pg.connect(pg.ops_user), pg.connect(pg.app_user)
    assert scalar(ops, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert scalar(ops, "SELECT pg_has_role('pg_monitor', 'MEMBER') AND pg_has_role('pg_signal_backend', 'MEMBER')")
    assert scalar(app, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    owners = app.execute("SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
    tables = ("users", "campaigns", "payments", "audit_logs")
    tables += ("refresh_tokens", "password_resets", "oauth_grants")
    tables += ("campaign_metrics", "processed_events", "offers")
    assert dict(owners) == dict.fromkeys(tables, pg.app_user)


def test_ops_sees_and_ends_the_applications_sessions(pg: Any, scalar: Callable[..., Any]) -> None:
    ops, app = pg.connect(pg.ops_user), pg.connect(pg.app_user)
    pid = app.info.backend_pid
    assert scalar(ops, "SELECT query FROM pg_stat_activity WHERE pid = %s", pid) is not None
    assert scalar(ops, "SELECT pg_terminate_backend(%s, 5000)", pid) is True
    with pytest.raises(psycopg.errors.AdminShutdown):
        app.execute("SELECT 1")


def test_the_runbooks_queries_find_the_seed(pg: Any, scalar: Callable[..., Any]) -> None:
    app = pg.connect(pg.app_user)
    assert scalar(app, "SELECT count(*) FROM audit_logs WHERE created_at > now() - interval '2 hours'") > 100
    assert scalar(app, "SELECT count(*) FROM audit_logs WHERE action LIKE '%%payment%%'") > 100
    assert scalar(app, "SELECT count(DISTINCT ip_address) FROM audit_logs") > 10
    assert scalar(app, "SELECT count(*) FROM audit_logs WHERE ip_address IS NULL") > 0
    assert scalar(app, "SELECT count(*) FROM payments WHERE status = 'pending'") > 0


def test_passwords_are_scram_and_needed(pg: Any, scalar: Callable[..., Any]) -> None:
    roles = [pg.superuser, pg.ops_user, pg.app_user]
    stored = pg.connect().execute("SELECT rolpassword FROM pg_authid WHERE rolname = ANY(%s)", [roles]).fetchall()
    assert len(stored) == 3
    assert all(row[0].startswith("SCRAM-SHA-256$") for row in stored)
    assert "password authentication failed" in refused(lambda: pg.connect(pg.app_user, password="wrong"))


def test_the_log_has_statements_and_refusals_but_no_password(pg: Any) -> None:
    pg.connect(pg.app_user, application_name="canary").execute("SELECT 'seen in the log'")
    refused(lambda: [pg.connect(pg.app_user) for _ in range(20)])
    log = pg.log_path.read_text(encoding="utf-8")
    assert "/canary LOG:  statement: SELECT 'seen in the log'" in log
    assert " 53300 " in log
    assert "SCRAM-SHA-256$" not in log
    for password in (pg.superuser_password, pg.ops_password, pg.app_password):
        assert password not in log
    assert stat.S_IMODE(pg.log_path.stat().st_mode) == 0o600


def test_passwords_are_in_no_argument_and_no_environment(pg: Any) -> None:
    postmaster = psutil.Process(pg.record.pid)
    for process in [postmaster, *postmaster.children(recursive=True)]:
        known = " ".join(process.cmdline()) + str(process.environ())
        for password in (pg.superuser_password, pg.ops_password, pg.app_password):
            assert password not in known


def test_sessions_of_others_end_between_tests_even_on_a_full_server(pg: Any, scalar: Callable[..., Any]) -> None:
    server = pg.server
    others = [server.connect(server.app) for _ in range(17)] + [server.connect(server.superuser) for _ in range(3)]
    assert "too many clients" in refused(pg.connect)
    pg.end_sessions()
    assert pg.sessions() == []
    assert scalar(pg.connect(), "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") == 1
    for other in others:
        other.close()


def test_a_port_that_is_taken_meanwhile_is_replaced(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.break_("postgres-down")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        free_port, asked = postgres._free_port, []

        def race(preferred: int) -> int:
            asked.append(preferred)
            return taken if len(asked) == 1 else free_port(0)

        monkeypatch.setattr(postgres, "_free_port", race)
        lab.heal()
    assert len(asked) == 2
    assert lab.read().server == lab.server
    assert lab.server.port != taken
    assert lab.server.refusal(lab.server.ops) is None


def test_a_server_that_does_not_start_is_said(lab: Lab) -> None:
    lab.break_("postgres-down")
    configuration = lab.server.data / "postgresql.conf"
    good = configuration.read_text(encoding="utf-8")
    configuration.write_text(good + "shared_buffers = '1 parsec'\n", encoding="utf-8")
    with pytest.raises(RunbookError, match=r"Starting PostgreSQL .*: .*shared_buffers") as error:
        lab.heal()
    assert " UTC [" not in error.value.message, "the log's prefix is of no use here"
    configuration.write_text(good, encoding="utf-8")
    assert lab.heal() == ["postgres-down"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_where_user_namespaces_are_forbidden_root_becomes_nobody(tmp_path: Path) -> None:
    server = postgres.lay_out(binaries.find(), tmp_path, run_as=RunAs.NOBODY)
    postgres.initialise(server)
    server, record = postgres.start(server)
    try:
        assert psutil.Process(record.pid).username() == "nobody"
        assert not server.data.is_relative_to(tmp_path), "nobody has no access to the caller's directories"
        with server.connect(server.superuser, dbname="postgres") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        postgres.stop_server(server, record)
        postgres.remove(server)
    assert not server.data.parent.exists()


def test_only_root_needs_to_become_somebody_else() -> None:
    assert (processes.unprivileged() is RunAs.SELF) == (os.geteuid() != 0)


def test_an_initdb_that_fails_is_said_and_leaves_no_password(tmp_path: Path) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "initdb").write_text("#!/bin/sh\necho 'initdb: error: no space left' >&2\nexit 1\n", encoding="utf-8")
    (broken / "initdb").chmod(0o755)
    directory = tmp_path / "lab"
    directory.mkdir()
    server = postgres.lay_out(replace(binaries.find(), folder=broken), directory)
    with pytest.raises(RunbookError, match=r"Running initdb .*: initdb: error: no space left"):
        postgres.initialise(server)
    assert [path.name for path in (directory / "postgres").iterdir()] == [".incident-runbooks-postgres"]
