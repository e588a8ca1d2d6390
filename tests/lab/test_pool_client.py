# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes that leak: what their sessions look like to the server, and how they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from incident_runbooks.lab import clients, processes
from incident_runbooks.lab.clients import PoolSpec
from incident_runbooks.lab.lab import Lab

SESSIONS = """
    SELECT pid, state, coalesce(wait_event_type, ''), query FROM pg_stat_activity
    WHERE application_name = 'report-export' AND state = %s AND query LIKE %s ORDER BY backend_start
"""


def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found


def leak(lab: Lab, sessions: int = 1, state: str = "idle", *, refill: bool = False) -> psutil.Process:
    """Start a leaking pool of the application report-export."""
    lab.start_client(PoolSpec(lab.server.app, "report-export", sessions=sessions, state=state, refill=refill))
    return psutil.Process(lab.read().processes[-1].pid)


def seen(lab: Lab, state: str, count: int, query: str = "%") -> list[Any]:
    """Wait until that many sessions of report-export are in that state after that query, and return them."""
    with lab.server.connect(lab.server.superuser) as connection:

        def look() -> list[Any] | None:
            rows = connection.execute(SESSIONS, [state, query]).fetchall()
            return rows if len(rows) == count else None

        found: list[Any] = until(look)
        return found


def terminate(lab: Lab, pids: list[int]) -> None:
    with lab.server.connect(lab.server.ops) as connection:
        for pid in pids:
            assert connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid]).fetchone() == (True,)


def count(lab: Lab) -> int:
    with lab.server.connect(lab.server.superuser) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'report-export'"
        ).fetchone()
    return int(row[0]) if row else -1


def test_what_the_server_ends_is_not_missed(lab: Lab) -> None:
    process = leak(lab, 3)
    before = [row[0] for row in seen(lab, "idle", 3, "INSERT INTO audit_logs%")]
    terminate(lab, before[:1])
    time.sleep(0.6)
    assert [row[0] for row in seen(lab, "idle", 2)] == before[1:]
    assert process.is_running(), "the application itself goes on"


def test_refill_replaces_what_the_server_ends(lab: Lab) -> None:
    leak(lab, 3, refill=True)
    before = [row[0] for row in seen(lab, "idle", 3, "INSERT INTO audit_logs%")]
    terminate(lab, before)
    after = [row[0] for row in seen(lab, "idle", 3, "INSERT INTO audit_logs%")]
    assert not set(before) & set(after)


def test_a_pool_waits_while_the_server_is_full(lab: Lab) -> None:
    others = [lab.server.connect(lab.server.app) for _ in range(17)]
    refusals = lab.server.log.read_text(encoding="utf-8").count(" 53300 ")
    leak(lab, 2)
    until(lambda: lab.server.log.read_text(encoding="utf-8").count(" 53300 ") > refusals)
    for other in others:
        other.close()
    seen(lab, "idle", 2)


def test_idle_in_transaction_holds_a_lock_and_others_wait(lab: Lab) -> None:
    leak(lab, 1, "idle-in-transaction")
    holder = seen(lab, "idle in transaction", 1)[0][0]
    leak(lab, 1, "blocked")
    until(lambda: seen(lab, "active", 1, "UPDATE payments%")[0][2] == "Lock")
    waiting = seen(lab, "active", 1, "UPDATE payments%")[0]
    with lab.server.connect(lab.server.superuser) as connection:
        assert connection.execute("SELECT pg_blocking_pids(%s)", [waiting[0]]).fetchone() == ([holder],)


def test_active_sessions_end_with_their_client(lab: Lab) -> None:
    process = leak(lab, 1, "active")
    seen(lab, "active", 1, "%pg_sleep%")
    process.terminate()
    until(lambda: count(lab) == 0)


def test_heal_ends_what_a_killed_client_left_to_the_server(lab: Lab) -> None:
    process = leak(lab, 1, "active")
    seen(lab, "active", 1, "%pg_sleep%")
    process.kill()
    assert processes.wait_until_gone([process], 5) == []
    assert count(lab) == 1, "the server has not noticed"
    lab.heal()
    assert count(lab) == 0


def test_listeners_and_advisory_locks(lab: Lab) -> None:
    leak(lab, 1, "listen")
    leak(lab, 2, "advisory-lock")
    seen(lab, "idle", 1, "LISTEN campaign_events")
    seen(lab, "idle", 2, "%pg_advisory_lock%")
    with lab.server.connect(lab.server.superuser) as connection:
        locks = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted").fetchone()
    assert locks == (2,)


def test_it_ends_with_the_lab(lab: Lab, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    spec = PoolSpec(lab.server.app, "report-export", sessions=2)
    record = clients.start_pool(spec, lab.server, directory=tmp_path, marker=marker, mark={})
    process = psutil.Process(record.pid)
    seen(lab, "idle", 2)
    marker.unlink()
    assert processes.wait_until_gone([process], 5) == []
    until(lambda: count(lab) == 0)


def test_no_secret_in_arguments_and_environment(lab: Lab) -> None:
    process = leak(lab)
    seen(lab, "idle", 1)
    assert lab.server.app.password not in " ".join(process.cmdline())
    assert lab.server.app.password not in str(process.environ())
    assert set(process.environ()) <= {
        *("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "RUNBOOK_LAB", "RUNBOOK_LAB_ID"),
        *("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSFILE"),
    }
