# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of the workloads, seen from outside with kubectl and in PostgreSQL, and undone by heal."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from incident_runbooks.errors import UsageError
from incident_runbooks.lab.binaries import find_program
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.status import describe
from incident_runbooks.lab.workloads.scenarios import SCENARIOS

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backend'"


class Seen:
    """The lab from outside."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def kubectl(self, *arguments: str) -> str:
        program = find_program("kubectl")
        scope = [
            "--kubeconfig",
            str(self.lab.cluster.kubeconfig),
            "--cache-dir",
            str(self.lab.directory.path / "kubectl"),
        ]
        done = subprocess.run(
            [program.path, *scope, "-n", "brandconnect", *arguments],
            env={**os.environ, **program.environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def containers(self, app: str = "backend") -> list[dict[str, Any]]:
        pods = json.loads(self.kubectl("get", "pods", "-l", f"app={app}", "-o", "json"))["items"]
        return [status for pod in pods for status in pod["status"].get("containerStatuses", [])]

    def logs(self, app: str, *arguments: str) -> str:
        return self.kubectl("logs", "-l", f"app={app}", "--tail=200", *arguments)

    def sessions(self) -> int:
        with self.lab.server.connect(self.lab.server.superuser) as connection:
            row = connection.execute(SESSIONS).fetchone()
        return int(row[0]) if row else 0

    def ops_is_refused(self) -> bool:
        try:
            self.lab.server.connect(self.lab.server.ops).close()
        except psycopg.OperationalError as error:
            return "remaining connection slots are reserved" in str(error)
        return False


def leak(seen: Seen) -> None:
    assert seen.ops_is_refused()
    assert seen.sessions() >= 15


def pool_leak(seen: Seen) -> None:
    assert not seen.ops_is_refused()
    assert seen.sessions() == 8
    assert "timeout exceeded when trying to connect" in seen.logs("backend")


def errors(seen: Seen) -> None:
    assert "StripeAPIError" in seen.logs("backend")
    assert all(status["ready"] for status in seen.containers())


def unready(seen: Seen) -> None:
    assert sorted(status["ready"] for status in seen.containers()) == [False, True]
    assert [status["restartCount"] for status in seen.containers()] == [0, 0]


def crash_loop(seen: Seen) -> None:
    crashing = [status for status in seen.containers() if status["restartCount"]]
    assert len(crashing) == 1
    assert crashing[0]["lastState"]["terminated"]["exitCode"] == 1


def slow_start(seen: Seen) -> None:
    assert any(not status["ready"] and "running" in status["state"] for status in seen.containers())


def out_of_memory(seen: Seen) -> None:
    ended = [status["lastState"]["terminated"] for status in seen.containers() if status["restartCount"]]
    assert [(each["reason"], each["exitCode"]) for each in ended] == [("OOMKilled", 137)]


def secret_missing(seen: Seen) -> None:
    waiting = [status["state"]["waiting"] for status in seen.containers() if "waiting" in status["state"]]
    assert [each["reason"] for each in waiting] == ["CreateContainerConfigError"]
    assert 'secret "jwt-secret" not found' in waiting[0]["message"]


def rate_limited(seen: Seen) -> None:
    assert "rate_limit_exceeded" in seen.logs("metric-worker")


CHECKS: dict[str, Callable[[Seen], None]] = {
    "backend-leak": leak,
    "backend-pool-leak": pool_leak,
    "backend-errors": errors,
    "backend-unready": unready,
    "backend-crash-loop": crash_loop,
    "backend-slow-start": slow_start,
    "backend-out-of-memory": out_of_memory,
    "jwt-secret-missing": secret_missing,
    "metric-worker-rate-limited": rate_limited,
}


def test_every_fault_has_a_check() -> None:
    assert set(CHECKS) == set(SCENARIOS)


@pytest.mark.parametrize("fault", list(CHECKS))
def test_a_fault_is_in_effect_and_healed(cluster_lab: Lab, fault: str) -> None:
    seen = Seen(cluster_lab)
    assert cluster_lab.break_(fault) is True
    CHECKS[fault](seen)
    assert describe(cluster_lab)["faults"][0]["name"] == fault
    assert fault in cluster_lab.heal()
    assert cluster_lab.platform().not_ready() == []
    assert [status["restartCount"] for status in seen.containers()] == [0, 0]
    assert not seen.ops_is_refused()
    deadline = time.monotonic() + 15
    while seen.sessions() > 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert seen.sessions() <= 4, "the pools are as they are in a healthy lab"


def test_the_status_names_what_a_client_needs(cluster_lab: Lab) -> None:
    found = describe(cluster_lab)
    assert found["state"] == "up"
    assert found["cluster"]["kubeconfig"] == str(cluster_lab.cluster.kubeconfig)
    assert {program["name"] for program in found["programs"]} >= {"redis-server", "pgbouncer", "kubectl"}
    secrets = [*json.loads((cluster_lab.cluster.directory / "tokens.json").read_text(encoding="utf-8"))]
    secrets += cluster_lab.cluster.credentials.to_plain().values()
    assert not [secret for secret in secrets if secret in json.dumps(found)]


def test_without_a_cluster_its_faults_are_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match="it has none"):
        lab.break_("backend-leak")
    assert describe(lab)["cluster"] == {"state": "absent"}
