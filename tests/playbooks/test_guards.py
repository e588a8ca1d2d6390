# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not end well: nothing recorded, nothing examined, options that make no sense, limits of one role."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.runbook import ROOT, Run, Runbook, is_alive, unchanged
from support.servers import installations

pytestmark = pytest.mark.parametrize("pg", installations()[-1:], indirect=True)
ACT = {"runbook_mode": "remediate", "approved": ["kill-idle-connections"]}


def codes(run: Run) -> list[str]:
    return [error["code"] for error in run.result["errors"]]


@pytest.mark.parametrize("pretended", [{}, {"RUNBOOK_RUN_ID": "run-x", "RUNBOOK_RECORDER": "1"}])
def test_what_nothing_records_does_not_act(
    runbook: Runbook, pool: Any, pg: Any, tmp_path: Path, pretended: dict[str, str]
) -> None:
    pool(17)
    time.sleep(1.1)
    environment = runbook.environment() | {
        "ANSIBLE_CONFIG": str(ROOT / "tests/fixtures/empty.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        **pretended,
    }
    with unchanged(pg):
        done = subprocess.run(
            runbook.command(**ACT), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "nothing records this run, so nothing is done" in done.stdout + done.stderr
    assert runbook.incidents() == []


@pytest.mark.parametrize(
    "ratios",
    [
        {"pool_exhaustion_warn_ratio": 80, "pool_exhaustion_critical_ratio": 95},
        {"pool_exhaustion_warn_ratio": float("nan"), "pool_exhaustion_critical_ratio": float("nan")},
        {"pool_exhaustion_target_ratio": 70},
    ],
)
def test_ratios_that_make_no_sense_are_refused(runbook: Runbook, pool: Any, pg: Any, ratios: dict[str, float]) -> None:
    pool(17)
    runbook.host |= ratios
    with unchanged(pg):
        run = runbook.remediate()
    assert (run.rc, run.result["outcome"], codes(run), run.result["findings"]) == (2, "failed", ["usage"], [])


def test_the_connection_limit_of_a_role_is_found(runbook: Runbook, pool: Any, pg: Any) -> None:
    pool(3)
    with pg.connect() as admin:
        admin.execute(f'ALTER ROLE "{pg.app_user}" CONNECTION LIMIT 3')
        try:
            run = runbook.run()
        finally:
            admin.execute(f'ALTER ROLE "{pg.app_user}" CONNECTION LIMIT -1')
    finding = run.finding("connections")
    assert (run.result["outcome"], finding["cause"]) == ("findings", "role_slots_exhausted")
    assert finding["summary"] == f"The role {pg.app_user} has 3 of its 3 connections"


def test_a_full_server_matters_more_than_the_limit_of_a_role(runbook: Runbook, pool: Any, pg: Any) -> None:
    with pg.connect() as admin:
        admin.execute(f'ALTER ROLE "{pg.app_user}" CONNECTION LIMIT 17')
    try:
        pool(17)
        run = runbook.run()
    finally:
        with pg.connect() as admin:
            admin.execute(f'ALTER ROLE "{pg.app_user}" CONNECTION LIMIT -1')
    finding = run.finding("connections")
    assert (finding["cause"], finding["recommend"]) == ("server_slots_exhausted", ["kill-idle-connections"])


def test_the_reached_cap_is_named(runbook: Runbook, pool: Any) -> None:
    sessions = pool(17)
    time.sleep(1.1)
    run = runbook.remediate(pool_exhaustion_max_terminate=2)
    (verdict,) = run.result["verification"]
    assert run.result["outcome"] == "unresolved"
    assert "--max-terminate" in verdict["next_step"]
    assert sum(not is_alive(session) for session in sessions) == 2
    assert run.result["actions"][0]["started_at"] <= run.result["actions"][0]["ended_at"]


def test_a_plan_that_is_left_out_is_said(runbook: Runbook, pool: Any, pg: Any) -> None:
    pool(2)
    with unchanged(pg):
        run = runbook.remediate("--limit", "postgres")
    assert (run.result["outcome"], codes(run)) == ("incomplete", ["no_plan"])


def test_an_inventory_with_a_group_instead_of_the_host_is_said(runbook: Runbook, pg: Any) -> None:
    command = runbook.command()
    hosts = yaml.safe_load(runbook.inventory.read_text(encoding="utf-8"))
    hosts["all"] = {"vars": hosts["all"]["vars"], "children": {"postgres": {"hosts": {"db1": runbook.host}}}}
    runbook.inventory.write_text(yaml.safe_dump(hosts), encoding="utf-8")
    subprocess.run(command, cwd=ROOT, env=runbook.environment(), capture_output=True, timeout=60, check=False)
    (directory,) = runbook.incidents()
    result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    finding = next(item for item in result["findings"] if item["check"] == "connections")
    assert (result["outcome"], finding["status"], finding["cause"]) == ("incomplete", "unknown", "not_in_inventory")


def test_a_missing_setting_is_named(runbook: Runbook, pg: Any) -> None:
    del runbook.host["postgres_host"]
    run = runbook.run()
    summary = run.finding("connections")["summary"]
    where = "set postgres_host or postgres_dsn on the inventory host postgres"
    assert summary == f"Reading how postgres is reached: {where}"


def test_a_tampered_journal_is_said_when_it_goes_on(runbook: Runbook, pg: Any) -> None:
    first = runbook.run()
    journal = first.directory / "journal.jsonl"
    journal.write_text(journal.read_text(encoding="utf-8").replace("healthy", "h").replace('"ok"', '"OK"', 1))
    environment = runbook.environment() | {"RUNBOOK_INCIDENT": first.directory.name}
    subprocess.run(runbook.command(), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    entries = [entry for entry in runbook.journal(first.directory) if entry["type"] == "error"]
    assert [entry["data"]["code"] for entry in entries] == ["journal_damaged"]


def test_a_task_time_out_does_not_cut_off_an_action(runbook: Runbook, pool: Any) -> None:
    sessions = pool(17)
    time.sleep(1.1)
    environment = runbook.environment() | {"ANSIBLE_TASK_TIMEOUT": "1"}
    extra = ACT | {"pool_exhaustion_target_ratio": 0.1}  # 16 sessions at 0.1 s each
    subprocess.run(runbook.command(**extra), cwd=ROOT, env=environment, capture_output=True, timeout=90, check=False)
    (directory,) = runbook.incidents()
    (action,) = [entry["data"] for entry in runbook.journal(directory) if entry["type"] == "action"]
    ended = [item for item in action["results"] if item["result"] == "terminated"]
    assert len(ended) == sum(not is_alive(session) for session in sessions) == 16


def test_a_variable_does_not_stand_for_an_approval(runbook: Runbook, pool: Any, pg: Any) -> None:
    """Extra variables win over registered ones; what the plan decided is asked of the run itself."""
    pool(17)
    time.sleep(1.1)
    with unchanged(pg):
        run = runbook.run(runbook_mode="remediate", __common_plan={"to_run": ["kill-idle-connections"]})
    assert run.result["outcome"] == "refused"
    assert "kill-idle-connections is not what the plan of this run allows" in str(run.result["errors"])
    assert run.result["actions"] == []
