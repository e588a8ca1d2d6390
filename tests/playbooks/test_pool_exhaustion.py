# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident from fault to report, with plain ansible-playbook; PostgreSQL itself is asked what happened."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from typing import Any

import psycopg
import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from incident_runbooks import schemas
from support.runbook import Runbook, is_alive, unchanged

SLOTS = 17  # max_connections 20 less 3 reserved ones


def test_a_healthy_server_is_healthy(runbook: Runbook, pool: Any, pg: Any) -> None:
    pool(3)
    with unchanged(pg):
        run = runbook.run()
    assert (run.rc, run.result["outcome"]) == (0, "healthy")
    # three of the application and the one that watches
    assert run.finding("connections")["summary"] == f"4 of {SLOTS} usable connection slots in use"
    assert run.result["plan"]["remediations"][0]["status"] == "not_recommended"
    assert schemas.validate("result", run.result) == []


def test_diagnosis_of_a_full_server_changes_nothing_and_shows_the_plan(runbook: Runbook, pool: Any, pg: Any) -> None:
    sessions = pool(SLOTS)
    time.sleep(1.1)
    with unchanged(pg):
        run = runbook.run()
    finding = run.finding("connections")
    assert run.result["outcome"] == "findings"
    assert (finding["status"], finding["cause"]) == ("down", "server_slots_exhausted")
    assert [attempt["sqlstate"] for attempt in finding["data"]["attempts"]] == ["53300", None]
    planned = next(item for item in run.result["plan"]["remediations"] if item["id"] == "kill-idle-connections")
    assert planned["status"] == "recommended"
    pids = {session.info.backend_pid for session in sessions}
    targets = {target["pid"] for target in planned["targets"]}
    assert targets < pids
    assert len(targets) == SLOTS - 1, "one session of the application is kept"
    assert run.result["actions"] == []
    assert schemas.validate("result", run.result) == []


def test_check_mode_previews_and_changes_nothing(runbook: Runbook, pool: Any, pg: Any) -> None:
    pool(SLOTS)
    time.sleep(1.1)
    with unchanged(pg):
        run = runbook.remediate("--check")
    assert run.result["outcome"] == "findings"
    assert run.result["run"]["check_mode"] is True
    assert len(run.result["plan"]["remediations"][0]["targets"]) == SLOTS - 1
    assert run.result["actions"] == []


def test_remediation_ends_idle_sessions_is_verified_and_has_nothing_left_to_do(
    runbook: Runbook, pool: Any, pg: Any
) -> None:
    idle = {session.info.backend_pid: session for session in pool(SLOTS - 1)}
    (reporter,) = pool(1, application="reporting")
    time.sleep(1.1)
    run = runbook.remediate(pool_exhaustion_target_ratio=0.5)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), run.output
    (action,) = run.result["actions"]
    ended = {item["pid"] for item in action["results"] if item["result"] == "terminated"}
    assert ended == {pid for pid, session in idle.items() if not is_alive(session)}
    assert ended
    assert is_alive(reporter), "the last session of an application is kept"
    assert action["before"]["slots"]["used_ratio"] == 1.0
    assert action["after"]["slots"]["used_ratio"] < 0.5
    (verdict,) = run.result["verification"]
    assert verdict["status"] == "resolved"
    assert [sample["used_ratio"] < 0.5 for sample in verdict["samples"]] == [True, True, True]

    with unchanged(pg):
        again = runbook.remediate(pool_exhaustion_target_ratio=0.5)
    assert (again.rc, again.result["outcome"]) == (0, "healthy")
    assert again.result["actions"] == []


def test_without_approval_nothing_is_done(runbook: Runbook, pool: Any, pg: Any) -> None:
    pool(SLOTS)
    time.sleep(1.1)
    with unchanged(pg):
        run = runbook.run(runbook_mode="remediate")
    assert run.result["outcome"] == "refused"
    assert "recommended but not approved: kill-idle-connections" in run.result["errors"][0]["message"]


def test_a_pool_that_refills_is_noticed(runbook: Runbook, pool: Any, pg: Any) -> None:
    sessions = pool(SLOTS)
    time.sleep(1.1)
    stop = threading.Event()
    refilled: list[psycopg.Connection[Any]] = []

    def refill() -> None:
        _wait_for_record(runbook, "action", limit_s=90)
        time.sleep(0.2)
        while len(refilled) < SLOTS and not stop.is_set():
            try:
                refilled.append(pg.connect(user=pg.app_user, application_name="backend"))
            except psycopg.OperationalError:
                return

    thread = threading.Thread(target=refill)
    thread.start()
    try:
        run = runbook.remediate(pool_exhaustion_target_ratio=0.5, pool_exhaustion_verify_refill_after_s=8)
    finally:
        stop.set()
        thread.join()
        for session in refilled:
            session.close()
    assert run.result["outcome"] == "unresolved", run.result["verification"]
    assert run.result["verification"][0]["cause"] == "refill"
    assert "never raise the pool size" in run.result["verification"][0]["next_step"]
    assert not all(is_alive(session) for session in sessions)


def test_a_session_that_wakes_up_between_plan_and_act_is_spared(runbook: Runbook, pool: Any, pg: Any) -> None:
    sessions = pool(SLOTS)
    time.sleep(1.1)
    process = runbook.start(runbook_mode="remediate", approved=["kill-idle-connections"])
    try:
        _wait_for_record(runbook, "plan")
        woken = sessions[0]
        woken.execute("SELECT 'back to work'")
        output, _ = process.communicate(timeout=60)
    finally:
        _kill(process)
    result = json.loads((runbook.incidents()[-1] / "result.json").read_text(encoding="utf-8"))
    (action,) = result["actions"]
    became = {item["pid"]: item["result"] for item in action["results"]}
    assert became[woken.info.backend_pid] == "skipped_changed", output
    assert is_alive(woken)


def test_not_even_a_reserved_slot_is_left(runbook: Runbook, pool: Any, pg: Any) -> None:
    pool(SLOTS)
    pool(3, user=pg.superuser, application="admin")
    started = time.monotonic()
    run = runbook.remediate()
    finding = run.finding("connections")
    assert (finding["status"], finding["cause"]) == ("down", "server_slots_exhausted")
    assert "scale one backend" in finding["next_step"]
    assert [attempt["sqlstate"] for attempt in finding["data"]["attempts"]] == ["53300", "53300"]
    assert run.result["outcome"] in ("findings", "refused")
    assert run.result["actions"] == []
    assert "Traceback" not in run.output
    assert time.monotonic() - started < 30, "it must not wait for slots"


def test_a_refused_connection_is_not_pool_exhaustion(runbook: Runbook) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        runbook.host["postgres_port"] = free.getsockname()[1]
    run = runbook.run()
    finding = run.finding("connections")
    assert (finding["status"], finding["cause"], finding["recommend"]) == ("down", "refused", [])
    assert run.result["outcome"] == "findings"


@pytest.mark.parametrize(
    ("variable", "value", "cause"),
    [("postgres_password", "wrong-password", "auth"), ("postgres_host", "no-such-host.invalid", "dns")],
)
def test_what_cannot_be_examined_is_unknown(runbook: Runbook, variable: str, value: str, cause: str) -> None:
    runbook.host[variable] = value
    run = runbook.run()
    finding = run.finding("connections")
    assert (finding["status"], finding["cause"]) == ("unknown", cause)
    assert run.result["outcome"] == "incomplete"
    assert "wrong-password" not in json.dumps(run.journal)


def test_hostile_text_stays_text(runbook: Runbook, pool: Any) -> None:
    hostile = "\x1b[31m{{ 7 * 7 }}`id`"
    pool(2, application=hostile)
    run = runbook.run()
    applications = {group["application"] for group in run.finding("connections")["data"]["groups"]}
    assert any("{{ 7 * 7 }}" in str(application) for application in applications), applications
    assert "\x1b[31m" not in (run.directory / "journal.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("record", ["finding", "plan", "action"])
def test_a_killed_run_is_unknown_and_names_the_step(runbook: Runbook, pool: Any, record: str) -> None:
    pool(SLOTS)
    time.sleep(1.1)
    process = runbook.start(
        runbook_mode="remediate", approved=["kill-idle-connections"], pool_exhaustion_verify_after_s=20
    )
    try:
        _wait_for_record(runbook, record)
    finally:
        _kill(process)
    journal = runbook.journal(runbook.incidents()[-1])
    result = fold(journal)
    assert result["outcome"] == "unknown"
    assert schemas.validate("result", result) == []
    under_way = [entry["data"]["name"] for entry in journal if entry["type"] == "step_started"][-1]
    ended = [entry["data"]["step"] for entry in journal if entry["type"] == "step_ended"]
    last = [entry["data"]["step"] for entry in journal if entry["type"] == "step_started"][-1]
    if last not in ended:
        assert under_way in json.dumps(result["errors"])


def _wait_for_record(runbook: Runbook, kind: str, limit_s: float = 30) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        for directory in runbook.incidents():
            journal = directory / "journal.jsonl"
            if journal.exists() and f'"type":"{kind}"' in journal.read_text(encoding="utf-8").replace(": ", ":"):
                return
        time.sleep(0.005)
    raise AssertionError(f"no {kind} was recorded")


def _kill(process: Any) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
