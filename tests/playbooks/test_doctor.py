# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook doctor`` against the lab: what works, what is refused, what is missing; nothing is changed or sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from modules.k8s_support import Api, api

from incident_runbooks import catalogue, schemas
from incident_runbooks.lab.lab import Lab
from support.communications import Communications
from support.platform import Cluster
from support.runbook import ROOT

__all__ = ["api"]
DIAGNOSE, REMEDIATE = "pool-exhaustion-diagnose", "pool-exhaustion-remediate"
CANARY = "c4nary/pass word"
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}

Json = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What the command said, its one document among it."""

    code: int
    document: Json
    stderr: str
    stdout: str

    def status(self, component: str, check: str) -> str:
        return str(self.check(component, check)["status"])

    def check(self, component: str, check: str) -> Json:
        (found,) = [
            each for each in self.document["checks"] if (each["component"], each["check"]) == (component, check)
        ]
        return found


class Doctor:
    """The command, with an inventory and an empty RUNBOOK_HOME of its own."""

    def __init__(self, directory: Path, hosts: Json) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.hosts = hosts

    def __call__(self, *types: str) -> Said:
        inventory = self.directory / "hosts.yml"
        inventory.write_text(yaml.safe_dump({"all": {"vars": LOCAL, "hosts": {"localhost": {}, **self.hosts}}}))
        command = [sys.executable, "-m", "incident_runbooks", "doctor", "--inventory", str(inventory)]
        done = subprocess.run(
            [*command, *(word for kind in types for word in ("--type", kind))],
            env={**os.environ, "RUNBOOK_HOME": str(self.home), "TMPDIR": str(self.temporary)},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, done.stderr
        found = json.loads(done.stdout)
        assert schemas.validate("doctor", found) == []
        assert not self.home.exists(), "it is no incident, and leaves none behind"
        assert list(self.temporary.iterdir()) == []
        return Said(done.returncode, found, done.stderr, done.stdout)

    @property
    def temporary(self) -> Path:
        place = self.directory / "tmp"
        place.mkdir(exist_ok=True)
        return place


@pytest.fixture
def doctor(data_lab: Lab, tmp_path: Path) -> Doctor:
    """The lab's own inventory."""
    found = json.loads((data_lab.directory.path / "inventory.json").read_text(encoding="utf-8"))
    return Doctor(tmp_path, found["_meta"]["hostvars"])


@pytest.fixture
def cluster(data_lab: Lab) -> Cluster:
    """The lab's cluster, with the Roles of pool-exhaustion."""
    cluster = Cluster(data_lab)
    cluster.apply(ROOT / f"deploy/rbac/{DIAGNOSE}.yml")
    cluster.apply(ROOT / f"deploy/rbac/{REMEDIATE}.yml")
    return cluster


def secrets(value: Any, name: str = "") -> Iterator[str]:
    """The values of an inventory that are secret, by the names of their variables."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from secrets(each, str(key))
    elif isinstance(value, list):
        for each in value:
            yield from secrets(each, name)
    elif name.endswith(("password", "token", "_key", "webhook_secret", "webhook_url")) and name != "stripe_webhook_url":
        yield str(value)


def test_a_healthy_lab_is_healthy_and_nothing_is_changed_or_sent(
    doctor: Doctor, data_lab: Lab, cluster: Cluster
) -> None:
    communications = Communications(data_lab)
    communications.forget()
    with cluster.only_read():
        said = doctor()
    assert said.code == 0, said.document["checks"]
    assert said.document["outcome"] == "healthy"
    assert said.document["types"] == catalogue.names()
    assert {each["status"] for each in said.document["checks"]} == {"ok", "not_asked"}
    assert {each["component"] for each in said.document["checks"]} == {"localhost", *doctor.hosts}
    assert "pg_signal_backend" in said.check("postgres", "rights")["summary"]
    assert [request["path"].rpartition("/")[2] for request in communications.sent()] == ["auth.test"]
    assert communications.alerts() == communications.incidents() == communications.messages() == []
    hidden = set(secrets(doctor.hosts))
    assert len(hidden) > 10
    assert [secret for secret in hidden if secret in said.stdout + said.stderr] == []


def test_a_password_that_is_refused_is_no_server_that_is_down(doctor: Doctor) -> None:
    doctor.hosts["postgres"] |= {"postgres_password": CANARY, "postgres_reserved_password": CANARY}
    doctor.hosts["redis"]["redis_password"] = CANARY
    doctor.hosts["vault"]["vault_token"] = "c4nary-token"
    doctor.hosts["clickhouse"]["clickhouse_password"] = CANARY
    doctor.hosts["stripe"]["stripe_api_key"] = "rk_test_c4naryc4nary"
    doctor.hosts["communications"]["slack_token"] = "xoxb-c4nary"
    said = doctor()
    assert said.code == 3, said.document["checks"]
    refused = {(each["component"], each["check"]) for each in said.document["checks"] if each["status"] == "refused"}
    assert refused == {
        *(("postgres", "login"), ("postgres", "reserved_login"), ("redis", "login"), ("clickhouse", "login")),
        *(("stripe", "key"), ("vault", "secret"), ("communications", "slack")),
    }
    assert said.status("postgres", "dba_login") == "ok"
    assert all(each["next_step"] for each in said.document["checks"] if each["status"] in ("refused", "missing"))
    assert "c4nary" not in said.stdout + said.stderr


def test_a_permission_that_is_missing_is_named_with_the_file_that_grants_it(doctor: Doctor, cluster: Cluster) -> None:
    doctor.hosts["backend"] |= cluster.login(DIAGNOSE)
    said = doctor("pool-exhaustion")
    assert said.code == 3, said.document["checks"]
    assert said.check("backend", "login")["summary"].endswith(f":{DIAGNOSE}")
    assert said.status("backend", "rights_diagnose") == "ok"
    lacking = said.check("backend", "rights_remediate")
    assert lacking["status"] == "missing"
    assert "patch deployments.apps backend" in lacking["summary"]
    assert f"deploy/rbac/{REMEDIATE}.yml" in lacking["next_step"]
    assert lacking["needed_by"] == ["pool-exhaustion"]
    assert {each["component"] for each in said.document["checks"]} == {
        *("localhost", "postgres", "backend", "communications"),
    }


def test_a_workload_that_is_called_otherwise_is_not_there(doctor: Doctor) -> None:
    doctor.hosts = {"backend": doctor.hosts["backend"] | {"backend_workload": {"kind": "Deployment", "name": "api"}}}
    said = doctor("ingestion-lag")
    workloads = said.check("backend", "workloads")
    assert (workloads["status"], said.status("backend", "rights_diagnose")) == ("misconfigured", "ok")
    assert "no Deployment api" in workloads["summary"]


def test_what_is_kept_apart_may_be_missing(doctor: Doctor, cluster: Cluster) -> None:
    doctor.hosts["backend"] |= cluster.login(REMEDIATE)
    said = doctor("pool-exhaustion")
    assert said.code == 0, said.document["checks"]
    apart = said.check("backend", "rights_apart")
    assert (apart["status"], "deploy-pgbouncer" in apart["summary"]) == ("not_granted", True)


def test_a_login_without_the_roles_of_postgresql_lacks_them(doctor: Doctor, data_lab: Lab) -> None:
    app = data_lab.server.app
    doctor.hosts["postgres"] |= {"postgres_user": app.user, "postgres_password": app.password}
    said = doctor("pool-exhaustion", "webhook-failures")
    rights = said.check("postgres", "rights")
    assert rights["status"] == "missing"
    assert rights["data"]["missing"] == ["pg_monitor", "pg_signal_backend"]
    assert said.code == 3


def test_what_does_not_answer_is_told_from_what_is_not_configured(tmp_path: Path) -> None:
    nobody = {"postgres_host": "127.0.0.1", "postgres_port": 1, "postgres_user": "x", "postgres_password": CANARY}
    doctor = Doctor(
        tmp_path, {"postgres": nobody, "redis": {}, "vault": {"vault_addr": "nonsense", "vault_token": "x"}}
    )
    said = doctor()
    assert said.code == 4, said.document["checks"]
    assert said.status("postgres", "login") == "unreachable"
    assert said.status("redis", "login") == "not_configured"
    assert said.status("vault", "secret") == "misconfigured"
    assert said.status("stripe", "inventory") == "not_configured"
    assert said.check("stripe", "inventory")["needed_by"] == ["payment-failure", "webhook-failures"]
    assert "c4nary" not in said.stdout + said.stderr


def test_a_token_that_will_not_last_the_night_expires(api: Api, tmp_path: Path) -> None:
    api.answers["/v1/sys/health"] = {"initialized": True, "sealed": False}
    api.answers["/v1/auth/token/lookup-self"] = {"data": {"ttl": 5400, "renewable": True}}
    doctor = Doctor(tmp_path, {"vault": {"vault_addr": api.url, "vault_token": "hvs.c4nary"}})
    token = doctor("auth-down").check("vault", "token")
    assert (token["status"], token["data"]) == ("expires", {"ttl_s": 5400})
    assert "1.5 hours" in token["summary"]
    doctor.hosts["vault"]["doctor_least_token_s"] = 3600
    assert doctor("auth-down").status("vault", "token") == "ok"


def test_where_nothing_is_configured_that_is_said(tmp_path: Path) -> None:
    said = Doctor(tmp_path, {})()
    assert said.code == 3, said.document["checks"]
    others = [each for each in said.document["checks"] if each["component"] != "localhost"]
    assert {each["status"] for each in others} == {"not_configured"}
    assert len(others) == 10
    required = Doctor(tmp_path, {})("pool-exhaustion")
    assert {each["component"] for each in required.document["checks"] if each["status"] == "missing"} == {
        "postgres",
        "backend",
    }


def test_with_ansible_alone_it_says_the_same_and_records_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "playbooks/doctor.yml", "-i", "localhost,"],
        env={**os.environ, "RUNBOOK_HOME": str(tmp_path / "home")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The inventory has no host postgres" in done.stdout
    assert not (tmp_path / "home").exists()
