# SPDX-License-Identifier: GPL-3.0-or-later
"""A module says the same in process and as an ordinary module: results, errors, censoring, check mode."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import (
    both_ways_audit,
    both_ways_auth,
    both_ways_breach_cause,
    both_ways_breach_response,
    both_ways_clickhouse,
    both_ways_containment,
    both_ways_data,
    both_ways_evidence,
    both_ways_latency,
    both_ways_latency_sql,
    both_ways_payment_cause,
    both_ways_redis,
    both_ways_social,
    both_ways_stripe_payments,
    both_ways_vault,
    both_ways_webhook_cause,
    both_ways_webhooks,
)
from support.servers import one_installation

ROOT = Path(__file__).parents[2]
PLUGINS = "ansible_collections.brandconnect.incidents.plugins"
CANARY = "c4nary/pass word"
# what differs from run to run, whichever way: durations, instants, ages, process ids
VOLATILE = re.compile(r"(^|_)(s|at|start|change|pid|exception)$")
AGE = re.compile(r"\b[\d.]+ s\b")

Case = tuple[str, dict[str, Any], bool]


def topics(login: dict[str, Any]) -> dict[str, dict[str, Case]]:
    """Each in-process module in good and in bad ways, by topic: module, arguments, check mode."""
    return {
        "postgres": postgres_cases(login),
        "kubernetes": kubernetes_cases(),
        "communications": communication_cases(),
        "pure": pure_cases(),
        "auth": both_ways_auth.cases(),
        "audit": both_ways_audit.cases(),
        "breach_cause": both_ways_breach_cause.cases(),
        "breach": both_ways_breach_response.cases() | both_ways_containment.cases() | both_ways_evidence.cases(),
        "data": both_ways_data.cases(),
        "clickhouse": both_ways_clickhouse.cases(),
        "latency": both_ways_latency.cases(),
        "latency of statements": both_ways_latency_sql.cases(),
        "redis": both_ways_redis.cases(),
        "social": both_ways_social.cases(),
        "vault": both_ways_vault.cases(),
        "payments": both_ways_stripe_payments.cases(),
        "webhooks": both_ways_webhooks.cases(),
        "causes": both_ways_payment_cause.cases() | both_ways_webhook_cause.cases(),
    }


def postgres_cases(login: dict[str, Any]) -> dict[str, Case]:
    wrong = {**login, "login_password": CANARY, "reserved_user": None, "reserved_password": None}
    broken = {"login_dsn": f"postgresql://ops:{CANARY}@[nonsense"}
    return {
        "activity": ("pg_activity", login, False),
        "activity in check mode": ("pg_activity", login, True),
        "activity with a refused password": ("pg_activity", wrong, False),
        "activity with a malformed connection string": ("pg_activity", broken, False),
        "activity with a wrong type": ("pg_activity", {**wrong, "max_rows": "many"}, False),
        "activity with its secret in a wrong place": (
            "pg_activity",
            {"login_dsn": "postgresql://ops:c4nary%2Fpass%20word@localhost", "login_port": CANARY},
            False,
        ),
        "activity with an unknown option": ("pg_activity", {**wrong, "colour": CANARY}, False),
        "terminate in check mode": ("pg_terminate_idle", {**login, "min_idle_s": 1, "force_reason": "test"}, True),
        "terminate refused by its guard": ("pg_terminate_idle", login, False),
        "terminate with a refused password": ("pg_terminate_idle", wrong, False),
        "terminate with a malformed connection string": ("pg_terminate_idle", broken, False),
        "terminate with an unknown state": ("pg_terminate_idle", {**wrong, "states": ["asleep"]}, False),
        "terminate above the cap": ("pg_terminate_idle", {**login, "max_terminate": 1000}, False),
    }


def kubernetes_cases() -> dict[str, Case]:
    """A cluster that is down suffices: whatever differed between the ways would differ there too."""
    down = {"host": "https://127.0.0.1:1", "api_key": CANARY, "namespace": "brandconnect"}
    backend = {**down, "name": "backend"}
    job = {"npm_script": "job", "allowed": ["job"]}
    manifest = {"manifest": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}]}
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]}
    role = {"kind": "Role", "metadata": {"name": "one"}, "rules": [rule]}
    reading: dict[str, dict[str, Any]] = {
        "k8s_workload": backend,
        "k8s_access": {**down, "roles": [role]},
        "k8s_logs": {**backend, "patterns": {"refused": ["ECONNREFUSED"]}},
        "k8s_top": backend,
        "k8s_secret": {**backend, "keys": ["password"], "workload_name": "backend"},
        "k8s_service": backend,
        "k8s_snapshot": backend,
    }
    acting: dict[str, dict[str, Any]] = {
        "k8s_exec_job": {**backend, **job},
        "k8s_rollout": {**backend, "action": "restart"},
        "k8s_apply": {**down, **manifest},
        "k8s_restore": {
            **down,
            "incident": "one",
            "objects": [{"api_version": "v1", "kind": "ConfigMap", "name": "settings"}],
        },
        "k8s_hold": {**backend, "incident": "data-breach-1", "held_by": "alice"},
        "acting_lease": {**down, "name": "incident-runbooks-test", "holder": "alice@here incident-1 run-1"},
    }
    everywhere = {f"{module} without a cluster": (module, given, False) for module, given in (reading | acting).items()}
    return {
        **everywhere,
        **{f"{module} in check mode": (module, given, True) for module, given in acting.items()},
        **{
            f"{module} with an unknown option": (module, {**given, "colour": CANARY}, False)
            for module, given in (reading | acting).items()
        },
        "lease that need not be": (
            "acting_lease",
            {**down, "name": "incident-runbooks-test", "holder": "alice", "required": False},
            False,
        ),
        "lease without a holder": ("acting_lease", down, False),
        "access of no Role": ("k8s_access", {**down, "roles": [{"kind": "Secret"}]}, False),
        "workload in check mode": ("k8s_workload", backend, True),
        "workload without a kubeconfig": ("k8s_workload", {**backend, "kubeconfig": "/nonexistent"}, False),
        "workload with a wrong type": ("k8s_workload", {**backend, "request_timeout": CANARY}, False),
        "workload with its secret in a wrong place": ("k8s_workload", {**backend, "namespace": CANARY}, False),
        "logs with a wrong pattern": ("k8s_logs", {**backend, "patterns": {"refused": ["("]}}, False),
        "logs of nothing": ("k8s_logs", down, False),
    }


def communication_cases() -> dict[str, Case]:
    """Nobody listens there, and the secrets are such as nobody has."""
    nobody = "http://127.0.0.1:1"
    key = {"api_key": CANARY.replace(" ", "-"), "api_url": nobody}
    page = {**key, "page_id": "page"}
    told = {"name": "Slow", "state": "investigating", "body": "We look.", "deliver_notifications": False}
    sending: dict[str, dict[str, Any]] = {
        "slack_message": {"token": key["api_key"], "api_url": nobody, "channel": "#incidents", "text": "hello"},
        "pagerduty_event": {
            "routing_key": key["api_key"],
            "api_url": nobody,
            "dedup_key": "one",
            "summary": "Pool",
            "source": "db",
            "links": [{"href": "https://example.com"}],
        },
        "pagerduty_incident": {
            **key,
            "from_email": "oncall@example.com",
            "service_id": "P1",
            "incident_key": "one",
            "title": "Pool",
        },
        "statuspage_incident": {**page, "incident": "one", **told},
        "statuspage_component": {**page, "component_id": "part", "state": "operational"},
    }
    asking = {
        **dict.fromkeys(("slack_token", "pagerduty_api_key", "statuspage_api_key"), key["api_key"]),
        **dict.fromkeys(("slack_api_url", "pagerduty_api_url", "statuspage_api_url"), nobody),
        "pagerduty_from": "oncall@example.com",
        "statuspage_page_id": "page",
    }
    webhook = {"webhook_url": f"{nobody}/services/T/B/{key['api_key']}", "text": "hello"}
    return {
        **{f"{module} to nobody": (module, given, False) for module, given in sending.items()},
        "channels of nobody": ("channel_access", asking, False),
        "channels of nobody in check mode": ("channel_access", asking, True),
        "channels without settings": ("channel_access", {}, False),
        "channels with an unknown option": ("channel_access", {**asking, "colour": "red"}, False),
        "message planned": ("slack_message", sending["slack_message"], True),
        "incident on the page planned": ("statuspage_incident", sending["statuspage_incident"], True),
        "message by webhook to nobody": ("slack_message", webhook, False),
        "message with its secret in a wrong place": (
            "slack_message",
            {**sending["slack_message"], "text": f"it is {CANARY}", "token": CANARY},
            False,
        ),
        "message with a wrong type": ("slack_message", {**webhook, "timeout": "many"}, False),
        "event with an unknown option": ("pagerduty_event", {**sending["pagerduty_event"], "colour": "red"}, False),
    }


def pure_cases() -> dict[str, Case]:
    """Modules that ask nobody."""
    workload = {"name": "backend", "pool_max": 20, "replicas": 2, "max_replicas": 4, "surge": "25%"}
    slots = {"usable": 97, "used": 40, "max_connections": 100}
    return {
        "budget": ("connection_budget", {"workloads": [workload], "slots": slots, "others": 5}, False),
        "budget with a wrong type": ("connection_budget", {"workloads": [workload], "others": "many"}, False),
        "holders": ("connection_holders", {"applications": [{"application": "backend", "workload": "backend"}]}, False),
        "holders with an unknown option": ("connection_holders", {"colour": "red"}, False),
        "kind of exhaustion": ("exhaustion_kind", {}, False),
        "kind of exhaustion with an unknown option": ("exhaustion_kind", {"colour": "red"}, False),
    }


def in_process_modules() -> set[str]:
    names = {path.stem for path in (ROOT / "plugins/action").glob("*.py")}
    return {name for name in names if hasattr(importlib.import_module(f"{PLUGINS}.action.{name}").ActionModule, "spec")}


def without_noise(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_noise(item) for key, item in sorted(value.items()) if not VOLATILE.search(key)}
    if isinstance(value, list):
        return sorted((without_noise(item) for item in value), key=lambda item: json.dumps(item, default=str))
    return AGE.sub("N s", value) if isinstance(value, str) else value


class Ways:
    """Runs the cases on three hosts and keeps what each said.

    ``here`` is local but names an interpreter that does not exist: only a module in process can answer.
    ``elsewhere`` is not local by name. ``nowhere`` is not local either and has no interpreter: whatever it
    answers was not an ordinary module. One case of each module suffices there: the way depends on the connection only.
    """

    def __init__(self, directory: Path, wanted: dict[str, Case]) -> None:
        hosts = {
            "here": {"ansible_connection": "local", "ansible_python_interpreter": "/nonexistent/python"},
            "elsewhere": {"ansible_connection": "elsewhere", "ansible_python_interpreter": sys.executable},
            "nowhere": {"ansible_connection": "elsewhere", "ansible_python_interpreter": "/nonexistent/python"},
        }
        tasks = {
            title: {
                "name": title,
                f"brandconnect.incidents.{module}": {k: v for k, v in arguments.items() if v is not None},
                "check_mode": check,
                "ignore_errors": True,
            }
            for title, (module, arguments, check) in wanted.items()
        }
        self.one_of_each = set({module: title for title, (module, _, _) in wanted.items()}.values())
        plays = [
            {"hosts": ["here", "elsewhere"], "gather_facts": False, "tasks": list(tasks.values())},
            {"hosts": "nowhere", "gather_facts": False, "tasks": [tasks[title] for title in sorted(self.one_of_each)]},
        ]
        (directory / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
        (directory / "play.yml").write_text(yaml.safe_dump(plays), encoding="utf-8")
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory.yml", "play.yml"],
            env=self._environment(),
            cwd=directory,
            text=True,
            capture_output=True,
            timeout=600,
            check=False,
        )
        self.output = done.stdout + done.stderr
        entries = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        self.said = {(entry["task"], entry["host"]): entry for entry in entries}
        assert len(self.said) == 2 * len(wanted) + len(self.one_of_each), self.output

    @staticmethod
    def _environment() -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "ANSIBLE_"))}
        return {
            **kept,
            "ANSIBLE_CONFIG": str(ROOT / "tests/fixtures/empty.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "tests/fixtures/connection_plugins"),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/fixtures/callback_plugins"),
            "ANSIBLE_STDOUT_CALLBACK": "results",
            "ANSIBLE_FORKS": "1",  # one after the other, or each would count the other's session
        }


@pytest.fixture
def sessions(pg: Any) -> Any:
    """A server with sessions that idle for longer than min_idle_s."""
    for _ in range(3):
        pg.connect(user=pg.app_user, application_name="backend").execute("SELECT 1")
    time.sleep(1.1)
    return pg


def test_every_in_process_module_is_compared() -> None:
    assert {module for cases in topics({}).values() for module, _, _ in cases.values()} == in_process_modules()


def assert_the_same(ways: Ways, titles: Iterable[str]) -> None:
    for title in titles:
        here, elsewhere = ways.said[title, "here"], ways.said[title, "elsewhere"]
        assert without_noise(here["result"]) == without_noise(elsewhere["result"]), title
        assert here["failed"] == elsewhere["failed"], title
    for title in ways.one_of_each:
        nowhere = ways.said[title, "nowhere"]
        assert nowhere["failed"], f"{title}: no ordinary module ran although the connection is not local"
    for secret in (CANARY, both_ways_social.TOKEN, both_ways_stripe_payments.KEY, both_ways_vault.TOKEN):
        assert secret not in ways.output
    assert "Traceback" not in ways.output
    wrong = {
        title for title in titles if "unknown option" in title or "wrong type" in title or "above the cap" in title
    }
    assert {title for title in wrong if not ways.said[title, "here"]["failed"]} == set()


@pytest.mark.parametrize("topic", sorted(topics({}).keys() - {"postgres"}))
def test_both_ways_say_the_same(topic: str, tmp_path: Path) -> None:
    cases = topics({})[topic]
    assert_the_same(Ways(tmp_path, cases), cases)


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
def test_both_ways_say_the_same_of_a_server(sessions: Any, tmp_path: Path) -> None:
    cases = topics(sessions.login())["postgres"]
    ways = Ways(tmp_path, cases)
    assert_the_same(ways, cases)
    assert sessions.ops_password not in ways.output
    for title in ("activity", "activity in check mode", "activity with a refused password"):
        assert not ways.said[title, "here"]["failed"]
    preview = ways.said["terminate in check mode", "elsewhere"]["result"]
    assert [item["result"] for item in preview["results"]] == ["would_terminate", "would_terminate"]
