# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault, seen from outside: by connections of the test's own, not by what the lab says."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.lab import faults
from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.status import describe

COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state = %s"


def connect(lab: Lab, who: str) -> psycopg.Connection[Any]:
    server = lab.server
    login = getattr(server, who)
    return psycopg.connect(
        host=server.host,
        port=server.port,
        dbname=server.database,
        user=login.user,
        password=login.password,
        autocommit=True,
    )


def refusal(lab: Lab, who: str) -> str:
    with pytest.raises(psycopg.OperationalError) as error:
        connect(lab, who)
    return str(error.value)


def healthy(lab: Lab, scalar: Callable[..., Any]) -> None:
    with connect(lab, "ops") as connection:
        assert scalar(connection, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") == 1


def test_pool_exhaustion(lab: Lab, scalar: Callable[..., Any]) -> None:
    lab.break_("pool-exhaustion")
    assert "remaining connection slots are reserved" in refusal(lab, "ops")
    assert "remaining connection slots are reserved" in refusal(lab, "app")
    with connect(lab, "superuser") as connection:
        assert scalar(connection, COUNT, "report-export", "idle") == 17
    kill_some(lab)
    with connect(lab, "ops") as ops:
        ops.execute("SELECT pg_sleep(0.6)")
        assert scalar(ops, COUNT, "report-export", "idle") == 7, "what is leaked is not refilled"
    lab.heal()
    healthy(lab, scalar)


def test_pool_exhaustion_refill(lab: Lab, scalar: Callable[..., Any]) -> None:
    lab.break_("pool-exhaustion-refill")
    assert "remaining connection slots are reserved" in refusal(lab, "ops")
    kill_some(lab)
    with connect(lab, "superuser") as connection:
        connection.execute("SELECT pg_sleep(0.6)")
        assert scalar(connection, COUNT, "report-export", "idle") >= 16, "the superuser's own session takes one slot"
    lab.heal()
    healthy(lab, scalar)


def kill_some(lab: Lab) -> None:
    with connect(lab, "superuser") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'report-export' LIMIT 10"
        )


def test_pool_exhaustion_full(lab: Lab, scalar: Callable[..., Any]) -> None:
    lab.break_("pool-exhaustion-full")
    assert "sorry, too many clients already" in refusal(lab, "superuser")
    assert "53300" not in refusal(lab, "superuser"), "libpq hides the SQLSTATE; the server's log has it"
    assert " 53300 " in lab.server.log.read_text(encoding="utf-8")
    assert refusal(lab, "ops")
    assert describe(lab)["postgres"]["ops_login"] == "server_slots_exhausted"
    lab.heal()
    healthy(lab, scalar)


def test_idle_in_transaction(lab: Lab, scalar: Callable[..., Any]) -> None:
    lab.break_("idle-in-transaction")
    with connect(lab, "ops") as ops:
        holder = scalar(ops, "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'")
        blocked = ops.execute(
            "SELECT pg_blocking_pids(pid) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
        ).fetchall()
    assert len(blocked) == 2
    assert any(holder in row[0] for row in blocked)
    lab.heal()
    healthy(lab, scalar)


def test_postgres_down(lab: Lab, scalar: Callable[..., Any]) -> None:
    before = lab.server.port
    lab.break_("postgres-down")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((lab.server.host, before), timeout=2)
    assert describe(lab)["postgres"]["state"] == "stopped"
    assert describe(lab)["state"] == "up", "that is what was asked for"
    lab.heal()
    healthy(lab, scalar)
    assert lab.server.port == before


def test_healing_twice_is_fine(lab: Lab) -> None:
    lab.break_("postgres-down")
    assert lab.heal() == ["postgres-down"]
    assert lab.heal() == []


def test_breaking_twice_changes_nothing(lab: Lab) -> None:
    assert lab.break_("pool-exhaustion") is True
    before = lab.read().to_plain()
    assert lab.break_("pool-exhaustion") is False
    assert lab.read().to_plain() == before


def test_a_fault_at_a_time(lab: Lab) -> None:
    lab.break_("postgres-down")
    with pytest.raises(UsageError, match="postgres-down is in effect") as error:
        lab.break_("pool-exhaustion")
    assert error.value.hint == "first: runbook lab heal"


def test_an_unknown_fault_names_those_that_exist(lab: Lab) -> None:
    with pytest.raises(UsageError) as error:
        lab.break_("flood")
    assert all(name in (error.value.hint or "") for name in faults.FAULTS)


def test_sessions_of_others_count(lab: Lab) -> None:
    with connect(lab, "app") as other:
        lab.break_("pool-exhaustion")
        assert "remaining connection slots are reserved" in refusal(lab, "ops")
        lab.heal()
        assert other.execute("SELECT 1").fetchone() == (1,), "heal ends only what the fault began"


def test_a_fault_that_fails_leaves_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, scalar: Callable[..., Any]
) -> None:
    def half(broken: Lab) -> None:
        faults.FAULTS["idle-in-transaction"].inject(broken)
        raise RunbookError("the second half does not work")

    monkeypatch.setitem(faults.FAULTS, "half", Fault("half", "fails on the way", "none", half))
    with pytest.raises(RunbookError, match="second half"):
        lab.break_("half")
    assert lab.read().faults == []
    healthy(lab, scalar)
