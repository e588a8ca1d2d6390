# SPDX-License-Identifier: GPL-3.0-or-later
"""What an incident changed is given back, exactly, or not at all when somebody has changed it since."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

from incident_runbooks import schemas
from incident_runbooks.lab.lab import Lab
from support.platform import Cluster, PlatformRunbook, wait_until
from support.runbook import ROOT, Run

DIAGNOSE, REMEDIATE, PGBOUNCER = (f"pool-exhaustion-{name}" for name in ("diagnose", "remediate", "pgbouncer"))
DEPLOYMENT = "/apis/apps/v1/namespaces/brandconnect/deployments/backend"
IMAGE = f"registry.brandconnect.example/pgbouncer@sha256:{'0' * 64}"
PREVIOUS = "incidents.brandconnect/previous-strategy"
PGBOUNCER_OBJECTS = {
    "configmaps": "api/v1",
    "services": "api/v1",
    "poddisruptionbudgets": "apis/policy/v1",
    "deployments": "apis/apps/v1",
}


class RollbackRunbook(PlatformRunbook):
    """The playbook rollback beside pool_exhaustion."""

    def roll_back(self, run: Run, *options: str, **extra: Any) -> Run:
        """Roll back the incident of a run by plain ansible-playbook."""
        command = super().command(incident=run.directory.name, **extra)
        command[1] = "playbooks/rollback.yml"
        self.next_command = [*command, *options]
        process = self.start()
        output, _ = process.communicate(timeout=300)
        assert (run.directory / "result.json").is_file(), output
        result = json.loads((run.directory / "result.json").read_text(encoding="utf-8"))
        assert result["run"]["mode"] == "rollback", output
        assert schemas.validate("result", result) == []
        return Run(process.returncode, output, result, self.journal(run.directory), run.directory)

    def command(self, **extra: Any) -> list[str]:
        made, self.next_command = self.next_command, None
        return made or super().command(**extra)

    next_command: list[str] | None = None


@pytest.fixture
def cluster(cluster_lab: Lab) -> Cluster:
    cluster = Cluster(cluster_lab)
    for name in (DIAGNOSE, REMEDIATE, PGBOUNCER):
        cluster.apply(ROOT / f"deploy/rbac/{name}.yml")
    return cluster


@pytest.fixture
def runbook(cluster_lab: Lab, cluster: Cluster, tmp_path: Path) -> Iterator[RollbackRunbook]:
    """Under exactly the Roles of deploy/rbac for those who remediate; they suffice for rolling back as well."""
    runbook = RollbackRunbook(cluster_lab, tmp_path)
    runbook.backend = cluster.login(REMEDIATE)
    yield runbook
    assert cluster.refused(REMEDIATE) == []


def container(cluster: Cluster) -> dict[str, Any]:
    (found,) = cluster.get("deployments", "backend")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def set_env(cluster: Cluster, lab: Lab, *env: dict[str, Any]) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "backend", "env": list(env)}]}}}}
    cluster.api.patch(DEPLOYMENT, patch)
    wait_until(lambda: not lab.platform().not_ready(), "complete rollout")


@pytest.fixture
def resized(runbook: RollbackRunbook, cluster: Cluster, cluster_lab: Lab) -> tuple[Run, dict[str, Any]]:
    """A run that made the pool smaller, and the container before."""
    set_env(
        cluster, cluster_lab, {"name": "TYPEORM_POOL_MAX", "value": "9"}, {"name": "TYPEORM_POOL_SIZE", "value": "5"}
    )
    before = container(cluster)
    run = runbook.remediate(approve="resize-pool")
    assert run.result["outcome"] == "resolved", run.result
    assert container(cluster) != before
    return run, before


def test_a_smaller_pool_goes_back_to_exactly_the_environment_before(
    runbook: RollbackRunbook, cluster: Cluster, resized: tuple[Run, dict[str, Any]]
) -> None:
    run, before = resized
    strategy = cluster.get("deployments", "backend")["spec"]["strategy"]
    back = runbook.roll_back(run)
    assert (back.rc, back.result["outcome"]) == (0, "resolved"), back.result
    assert container(cluster) == before
    (action,) = back.result["actions"]
    assert (action["id"], action["status"], action["changed"]) == ("resize-pool", "done", True)
    assert action["rolls_back"] == {"remediation": "resize-pool", "run_id": run.result["run"]["id"]}
    assert {verdict["status"] for verdict in back.result["verification"]} == {"resolved"}
    deployment = cluster.get("deployments", "backend")
    assert deployment["spec"]["strategy"] == strategy
    assert PREVIOUS not in deployment["metadata"]["annotations"]

    generation = deployment["metadata"]["generation"]
    again = runbook.roll_back(run)
    assert (again.rc, again.result["outcome"], again.result["actions"]) == (0, "healthy", [])
    assert back.result["run"]["id"] in again.finding("resize-pool")["summary"]
    assert cluster.get("deployments", "backend")["metadata"]["generation"] == generation


def test_what_somebody_changed_meanwhile_is_left_alone(
    runbook: RollbackRunbook, cluster: Cluster, cluster_lab: Lab, resized: tuple[Run, dict[str, Any]]
) -> None:
    run, _ = resized
    set_env(cluster, cluster_lab, {"name": "TYPEORM_POOL_MAX", "value": "6"})
    changed = container(cluster)
    with cluster.only_read():
        back = runbook.roll_back(run)
    assert back.result["outcome"] == "refused", back.result
    (error,) = back.result["errors"]
    assert "TYPEORM_POOL_MAX of Deployment backend was changed meanwhile" in error["message"]
    assert "the runbook left 4, now it is 6" in error["message"]
    (difference,) = back.finding("resize-pool")["data"]["differences"]
    assert (difference["expected"], difference["now"], difference["previous"]) == ("4", "6", "9")
    assert container(cluster) == changed


def test_check_mode_shows_the_plan_and_changes_nothing(
    runbook: RollbackRunbook, cluster: Cluster, resized: tuple[Run, dict[str, Any]]
) -> None:
    run, _ = resized
    changed = container(cluster)
    with cluster.only_read():
        back = runbook.roll_back(run, "--check")
    assert (back.result["outcome"], back.result["actions"]) == ("findings", [])
    (entry,) = back.result["plan"]["remediations"]
    assert entry["status"] == "recommended"
    assert [(target["now"], target["previous"]) for target in entry["targets"]] == [("4", "9"), ("4", "5")]
    assert container(cluster) == changed
    other = runbook.roll_back(run, runbook_plan_digest="0" * 64)
    assert other.result["errors"][0]["code"] == "plan_changed"
    assert container(cluster) == changed
    same = runbook.roll_back(run, runbook_plan_digest=back.result["plan"]["digest"])
    assert same.result["outcome"] == "resolved"


def test_only_what_is_named_is_rolled_back(
    runbook: RollbackRunbook, cluster: Cluster, resized: tuple[Run, dict[str, Any]]
) -> None:
    run, before = resized
    changed = container(cluster)
    none = runbook.roll_back(run, only=["deploy-pgbouncer"])
    assert (none.rc, none.result["outcome"], none.result["actions"]) == (0, "healthy", [])
    assert container(cluster) == changed
    strange = runbook.roll_back(run, only=["no-such"])
    assert strange.rc != 0
    assert "there is no such remediation" in strange.output
    assert runbook.roll_back(run, only=["resize-pool"]).result["outcome"] == "resolved"
    assert container(cluster) == before


def test_a_run_that_was_killed_in_the_middle_is_looked_into(
    runbook: RollbackRunbook, cluster: Cluster, cluster_lab: Lab
) -> None:
    """Killed between the patch and putting the strategy back, it has recorded a plan and no action."""
    set_env(cluster, cluster_lab, {"name": "TYPEORM_POOL_MAX", "value": "9"})
    before, strategy = container(cluster), cluster.get("deployments", "backend")["spec"]["strategy"]
    runbook.variables["pool_exhaustion_warn_ratio"] = 0.01  # as if the slots were full: no extra pods
    process = runbook.start(runbook_mode="remediate", approved=["resize-pool"])
    wait_until(lambda: PREVIOUS in annotations(cluster), "patch", 90)
    kill(process)
    (directory,) = runbook.incidents()
    killed = Run(process.returncode, "", {}, runbook.journal(directory), directory)
    assert not [record for record in killed.journal if record["type"] == "action"]
    assert cluster.get("deployments", "backend")["spec"]["strategy"] != strategy
    back = runbook.roll_back(killed, runbook_take_over=True)
    assert (back.rc, back.result["outcome"]) == (0, "resolved"), back.result
    assert container(cluster) == before
    assert cluster.get("deployments", "backend")["spec"]["strategy"] == strategy
    assert PREVIOUS not in annotations(cluster)


def test_a_restart_that_was_killed_leaves_no_strategy_behind(
    runbook: RollbackRunbook, cluster: Cluster, cluster_lab: Lab
) -> None:
    """Pods that were replaced do not come back, what was set for their replacement does."""
    before, strategy = container(cluster), cluster.get("deployments", "backend")["spec"]["strategy"]
    cluster_lab.break_("backend-leak")
    leaking = container(cluster)
    process = runbook.start(runbook_mode="remediate", approved=["restart-backend"])
    wait_until(lambda: PREVIOUS in annotations(cluster), "patch", 90)
    kill(process)
    (directory,) = runbook.incidents()
    back = runbook.roll_back(Run(process.returncode, "", {}, [], directory), runbook_take_over=True)
    (action,) = back.result["actions"]
    assert (action["id"], action["status"], back.result["outcome"]) == ("restart-backend", "done", "resolved"), action
    assert "had left at maxSurge 0" in action["reason"]
    assert cluster.get("deployments", "backend")["spec"]["strategy"] == strategy
    assert PREVIOUS not in annotations(cluster)
    assert container(cluster) == leaking != before, "nothing else is touched"


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a run with its workers, which are in sessions of their own."""
    started = psutil.Process(process.pid)
    for each in [started, *started.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.communicate()


def annotations(cluster: Cluster) -> dict[str, str]:
    found: dict[str, str] = cluster.get("deployments", "backend")["metadata"].get("annotations") or {}
    return found


@pytest.fixture
def pooled(runbook: RollbackRunbook, cluster: Cluster, cluster_lab: Lab) -> Run:
    """A run that deployed PgBouncer."""
    runbook.variables |= {"pool_exhaustion_min_pool": 5, "pool_exhaustion_pgbouncer_image": IMAGE}
    set_env(cluster, cluster_lab, {"name": "TYPEORM_POOL_MAX", "value": "9"})
    run = runbook.remediate(approve="deploy-pgbouncer")
    assert [action["status"] for action in run.result["actions"]] == ["done"], run.result
    assert there(cluster) == set(PGBOUNCER_OBJECTS)
    return run


def there(cluster: Cluster) -> set[str]:
    paths = {kind: f"/{group}/namespaces/brandconnect/{kind}/pgbouncer" for kind, group in PGBOUNCER_OBJECTS.items()}
    return {kind for kind, path in paths.items() if cluster.api.get(path) is not None}


def test_what_the_incident_created_is_deleted_and_nothing_else(
    runbook: RollbackRunbook, cluster: Cluster, pooled: Run
) -> None:
    backend = container(cluster)
    back = runbook.roll_back(pooled)
    assert (back.rc, back.result["outcome"]) == (0, "resolved"), back.result
    assert there(cluster) == set()
    assert container(cluster) == backend
    wait_until(lambda: not cluster.pods("pgbouncer"), "end of the pods")
    again = runbook.roll_back(pooled)
    assert (again.rc, again.result["outcome"]) == (0, "healthy")


def test_an_object_that_somebody_has_changed_stays_with_all_others(
    runbook: RollbackRunbook, cluster: Cluster, pooled: Run
) -> None:
    path = "/api/v1/namespaces/brandconnect/configmaps/pgbouncer"
    cluster.api.patch(path, {"data": {"extra.ini": "theirs"}})
    with cluster.only_read():
        back = runbook.roll_back(pooled)
    assert back.result["outcome"] == "refused", back.result
    assert "ConfigMap/pgbouncer was changed meanwhile" in back.result["errors"][0]["message"]
    (difference,) = back.finding("deploy-pgbouncer")["data"]["differences"]
    assert (difference["what"], difference["now"]) == ("ConfigMap/pgbouncer .data.extra.ini", "theirs")
    assert there(cluster) == set(PGBOUNCER_OBJECTS)
    cluster.api.patch(path, {"data": {"extra.ini": None}})
    assert runbook.roll_back(pooled).result["outcome"] == "resolved"
    assert there(cluster) == set()


def test_a_temporary_change_is_to_be_decided_about(resized: tuple[Run, dict[str, Any]]) -> None:
    run, _ = resized
    (follow_up,) = [item for item in run.result["follow_ups"] if item.get("source") == "temporary_change"]
    incident = run.result["incident"]["id"]
    assert follow_up["title"] == (
        "Decide whether TYPEORM_POOL_MAX=4, TYPEORM_POOL_SIZE=4 stays, or roll it back: "
        f"runbook rollback {incident} --only resize-pool"
    )
    due = dt.datetime.fromisoformat(follow_up["due"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(hours=23) < due <= dt.timedelta(hours=24)


def test_the_command_does_the_same_and_never_asks_in_a_pipe(
    runbook: RollbackRunbook, cluster: Cluster, resized: tuple[Run, dict[str, Any]]
) -> None:
    run, before = resized
    changed = container(cluster)
    silent = command(runbook, run)
    assert (silent.returncode, container(cluster)) == (2, changed)
    assert "--yes" in silent.stderr
    look = command(runbook, run, "--check")
    assert (look.returncode, json.loads(look.stdout)["outcome"], container(cluster)) == (3, "findings", changed)
    set_max = {"name": "TYPEORM_POOL_MAX", "value": "6"}
    set_env(cluster, runbook.lab, set_max)
    refused = command(runbook, run, "--yes")
    assert (refused.returncode, json.loads(refused.stdout)["outcome"]) == (6, "refused")
    set_env(cluster, runbook.lab, {**set_max, "value": "4"})
    done = command(runbook, run, "--yes", "--only", "resize-pool")
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "resolved"), done.stderr
    assert container(cluster) == before


def test_on_a_terminal_the_plan_is_shown_and_a_person_decides(
    runbook: RollbackRunbook, cluster: Cluster, resized: tuple[Run, dict[str, Any]]
) -> None:
    run, before = resized
    changed = container(cluster)
    for answer, code, then in (("n", 6, changed), ("y", 0, before)):
        arguments = ["rollback", run.directory.name, "--inventory", str(runbook.write_inventory())]
        child = pexpect.spawn(
            sys.executable,
            ["-P", "-m", "incident_runbooks", *arguments],
            cwd=str(ROOT),
            env={**runbook.environment(), "TERM": "xterm", "NO_COLOR": "1"},
            encoding="utf-8",
            dimensions=(60, 250),
            timeout=90,
            echo=False,
        )
        child.expect("Restore this, newest first.*: ")
        assert "TYPEORM_POOL_MAX of Deployment backend goes back from 4 to 9" in child.before
        assert container(cluster) == changed, "it was not asked yet"
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert (child.exitstatus, container(cluster)) == (code, then), child.before


def command(runbook: RollbackRunbook, run: Run, *options: str) -> subprocess.CompletedProcess[str]:
    """Run ``runbook rollback`` with its output in a pipe."""
    program = [sys.executable, "-m", "incident_runbooks", "rollback", run.directory.name]
    return subprocess.run(
        [*program, "--inventory", str(runbook.write_inventory()), *options],
        cwd=ROOT,
        env=runbook.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
