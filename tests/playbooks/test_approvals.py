# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that was approved and a world that moved on, against a real PostgreSQL; with the command and without it."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.runbook import Run, Runbook, is_alive, unchanged
from support.servers import installations

pytestmark = pytest.mark.parametrize("pg", installations()[-1:], indirect=True)
KILL = "kill-idle-connections"
ACT = {"runbook_mode": "remediate", "approved": [KILL]}


def go_on(runbook: Runbook, first: Run, operator: str = "ada", **extra: Any) -> tuple[dict[str, Any], str]:
    """Run the playbook once more in the same incident; return its result and output."""
    environment = runbook.environment() | {"RUNBOOK_INCIDENT": first.directory.name, "RUNBOOK_OPERATOR": operator}
    done = subprocess.run(
        runbook.command(**extra),
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return json.loads((first.directory / "result.json").read_text(encoding="utf-8")), done.stdout + done.stderr


def targets(result: dict[str, Any]) -> list[dict[str, Any]]:
    (entry,) = [item for item in result["plan"]["remediations"] if item["id"] == KILL]
    return list(entry["targets"])


def terminated(result: dict[str, Any]) -> set[int]:
    """The sessions that the action says it ended; it stops when enough slots are free."""
    (action,) = result["actions"]
    pids = {item["pid"] for item in action["results"] if item["result"] == "terminated"}
    assert pids
    return pids


def test_sessions_that_came_and_went_since_the_approval(runbook: Runbook, pool: Any, pg: Any) -> None:
    sessions = pool(17)
    time.sleep(1.1)
    first = runbook.run()
    digest = first.result["plan"]["digest"]
    gone = {item["pid"] for item in targets(first.result)[:2]}
    for session in sessions:
        if session.info.backend_pid in gone:
            session.close()
    fresh = pool(2)
    time.sleep(1.1)
    with unchanged(pg):
        result, output = go_on(runbook, first, runbook_plan_digest=digest[:12], **ACT)
    assert (result["outcome"], result["actions"]) == ("refused", []), output
    (error,) = result["errors"]
    assert error["code"] == "plan_changed"
    (changed,) = error["difference"]["changed"]
    assert changed["id"] == KILL
    assert {item["pid"] for item in changed["targets"]["removed"]} >= gone
    assert all(f"pid={pid}" in error["message"] for pid in gone)
    assert error["difference"]["complete"] is True
    assert all(is_alive(session) for session in fresh)
    assert result["plan"]["digest"] != digest


def test_the_plan_that_was_approved_runs(runbook: Runbook, pool: Any) -> None:
    sessions = {session.info.backend_pid: session for session in pool(17)}
    time.sleep(1.1)
    first = runbook.run()
    digest = first.result["plan"]["digest"]
    planned = {item["pid"] for item in targets(first.result)}
    result, output = go_on(runbook, first, runbook_plan_digest=digest, **ACT)
    assert result["outcome"] == "resolved", output
    ended = {pid for pid, session in sessions.items() if not is_alive(session)}
    assert ended == terminated(result) <= planned
    assert result["plan"]["approval"]["digest"] == digest
    again, output = go_on(runbook, first, runbook_plan_digest=digest, **ACT)
    assert (again["outcome"], again["actions"]) == ("refused", []), output
    assert "is not recommended any more" in again["errors"][0]["message"]
    assert {pid for pid, session in sessions.items() if not is_alive(session)} == ended


def test_the_command_says_it_the_same_way(runbook: Runbook, pool: Any, pg: Any) -> None:
    sessions = pool(17)
    time.sleep(1.1)
    first = runbook.run()
    pid = targets(first.result)[0]["pid"]
    next(session for session in sessions if session.info.backend_pid == pid).close()
    command = [
        *(str(Path(sys.executable).with_name("runbook")), "run", "pool-exhaustion", "-i", str(runbook.inventory)),
        *("--incident", first.directory.name, "--remediate", "--approve", KILL),
        *("--plan-digest", first.result["plan"]["digest"]),
    ]
    with unchanged(pg):
        done = subprocess.run(
            command, env=runbook.environment(), capture_output=True, text=True, timeout=300, check=False
        )
    result = json.loads(done.stdout)
    assert (done.returncode, result["errors"][0]["code"]) == (6, "plan_changed"), done.stderr
    assert f"pid={pid}" in done.stderr


def test_an_approval_file_with_ansible_alone(runbook: Runbook, pool: Any, pg: Any, tmp_path: Path) -> None:
    sessions = pool(17)
    time.sleep(1.1)
    first = runbook.run()
    now = dt.datetime.now(dt.UTC)
    path = tmp_path / "approval.json"
    document = {
        "plan_digest": first.result["plan"]["digest"],
        "decision": "approved",
        "remediations": [KILL],
        "decided_by": "grace",
        "decided_at": now.isoformat(),
        "expires_at": (now + dt.timedelta(hours=1)).isoformat(),
        "message": "Checkout is down",
        "incident": first.directory.name,
    }
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    file = {"runbook_mode": "remediate", "runbook_approval": str(path)}
    with unchanged(pg):
        result, output = go_on(runbook, first, operator="Grace", **file)
    assert (result["outcome"], result["actions"]) == ("refused", []), output
    assert "is also the operator" in result["errors"][0]["message"]
    result, output = go_on(runbook, first, **file)
    assert result["outcome"] == "resolved", output
    assert sum(not is_alive(session) for session in sessions) == len(terminated(result))
    assert [notice["code"] for notice in result["notices"]] == ["approval_accepted"]


def test_a_malformed_digest_is_said(runbook: Runbook, pool: Any, pg: Any) -> None:
    pool(17)
    time.sleep(1.1)
    with unchanged(pg):
        run = runbook.remediate(runbook_plan_digest="0x12")
    assert (run.result["outcome"], run.result["errors"][0]["code"]) == ("failed", "usage")
    assert "'0x12': it is none" in run.result["errors"][0]["message"]
