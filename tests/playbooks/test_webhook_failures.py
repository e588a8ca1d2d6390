# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhook failures where nothing can be reached: everything is unknown, nothing is recommended, nothing waits long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from incident_runbooks import schemas
from support.payment_failure import assert_holds_no_secret
from support.runbook import Run, Runbook, recommended
from support.webhooks_silent import Silent

CLOSED = "http://127.0.0.1:1"
KEY = "rk_test_c4n4ryN0bodyHasIt"
TOKEN = "t0ken-c4n4ry"
REQUIRED = {"endpoint", "undelivered_events", "workload", "logs", "delivery"}

Json = dict[str, Any]


class Nowhere(Runbook):
    """The playbook with an inventory of its own.

    Attributes:
        inventory_hosts: name to variables.
        common: variables of all hosts.
    """

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.inventory = directory / "inventory.yml"
        self.common: Json = {"webhook_failures_probe_timeout_s": 2}
        self.inventory_hosts: dict[str, Json] = {
            "localhost": {},
            "stripe": {
                "stripe_api_url": CLOSED,
                "stripe_api_key": KEY,
                "stripe_livemode": False,
                "stripe_webhook_url": f"{CLOSED}/api/webhooks/stripe",
            },
            "backend": {
                "kubernetes_host": "https://127.0.0.1:1",
                "kubernetes_api_key": TOKEN,
                "kubernetes_namespace": "brandconnect",
            },
            "postgres": {"postgres_host": "127.0.0.1", "postgres_port": 1, "postgres_user": "nobody"},
            "prometheus": {"prometheus_url": CLOSED},
        }

    def run(self, *options: str, **extra: Any) -> Run:
        run = super().run(*options, **extra)
        assert_holds_no_secret(run, [KEY, TOKEN])
        return run

    def command(self, **extra: Any) -> list[str]:
        return ["playbooks/webhook_failures.yml" if part.endswith(".yml") and "playbooks/" in part else part
                for part in super().command(**extra)]  # fmt: skip

    def write_inventory(self) -> Path:
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"vars": {**local, **self.common}, "hosts": self.inventory_hosts}}
        self.inventory.write_text(yaml.safe_dump(inventory), encoding="utf-8")
        return self.inventory


@pytest.fixture
def nowhere(tmp_path: Path) -> Nowhere:
    return Nowhere(tmp_path)


def statuses(run: Run) -> dict[str, str]:
    return {finding["check"]: finding["status"] for finding in run.result["findings"]}


def test_nothing_that_answers_is_nothing_known(nowhere: Nowhere) -> None:
    run = nowhere.run()
    assert run.result["outcome"] == "incomplete", run.output
    assert set(statuses(run).values()) == {"unknown"}, statuses(run)
    assert {item["check"] for item in run.result["findings"] if item["required"]} >= REQUIRED
    assert {"webhook_secret", "webhook_ratio", "webhook_cause", "missing_events", "stuck_payments"} <= set(
        statuses(run)
    )
    assert recommended(run) == []
    assert [item for item in run.result["plan"]["remediations"] if item["status"] == "recommended"] == []
    assert all(finding.get("next_step") for finding in run.result["findings"])
    assert schemas.validate("result", run.result) == []
    assert "Traceback" not in run.output


def test_what_the_inventory_lacks_is_named(nowhere: Nowhere) -> None:
    for name in ("stripe", "backend", "prometheus"):
        del nowhere.inventory_hosts[name]
    run = nowhere.run()
    assert run.result["outcome"] == "incomplete"
    assert {run.finding("endpoint")["cause"], run.finding("workload")["cause"]} == {"not_in_inventory"}


def test_a_key_of_the_other_mode_is_not_sent(nowhere: Nowhere) -> None:
    nowhere.inventory_hosts["stripe"]["stripe_livemode"] = True
    endpoint = nowhere.run().finding("endpoint")
    assert (endpoint["status"], endpoint["cause"]) == ("unknown", "wrong_mode")


@pytest.fixture
def silent() -> Iterator[Silent]:
    with Silent() as server:
        yield server


@pytest.mark.parametrize("component", ["stripe", "prometheus", "backend"])
def test_a_system_that_hangs_is_waited_for_once(nowhere: Nowhere, silent: Silent, component: str) -> None:
    nowhere.inventory_hosts[component] |= {
        "stripe": {"stripe_api_url": silent.url, "stripe_request_timeout": 2},
        "prometheus": {"prometheus_url": silent.url, "prometheus_request_timeout": 2},
        "backend": {"kubernetes_host": silent.url, "kubernetes_request_timeout": 2},
    }[component]
    run = nowhere.run()
    check = {"stripe": "endpoint", "prometheus": "webhook_ratio", "backend": "workload"}[component]
    assert (run.finding(check)["status"], run.finding(check)["cause"]) == ("unknown", "timeout")
    assert run.result["outcome"] == "incomplete"
    asked = silent.requests()
    assert asked, "it was asked"
    assert len(asked) == len(set(asked)), "each request once"
    assert silent.after_giving_up == 0, "what is asked is asked at once, and nothing more after the first time-out"
