# SPDX-License-Identifier: GPL-3.0-or-later
"""Ingestion lag where nothing can be reached: everything is unknown, nothing is recommended, nothing waits long."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from incident_runbooks import schemas
from support.auth import assert_holds_neither_secret_nor_token
from support.runbook import Run, Runbook, recommended

CLOSED = "http://127.0.0.1:1"
TOKEN = "IGQVJc4n4ryN0bodyHasIt"
KEY = "k8sT0kenN0bodyHasIt"
PLATFORMS = ("meta", "tiktok", "youtube")

Json = dict[str, Any]


class Nowhere(Runbook):
    """The playbook with an inventory of its own, of what is not there; no run of it records a secret.

    Attributes:
        inventory_hosts: name to variables.
    """

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.inventory = directory / "inventory.yml"
        self.inventory_hosts: dict[str, Json] = {
            "localhost": {},
            "backend": {
                "kubernetes_host": "https://127.0.0.1:1",
                "kubernetes_api_key": KEY,
                "kubernetes_namespace": "brandconnect",
            },
            "social": {
                "social_urls": dict.fromkeys(PLATFORMS, CLOSED),
                "social_accounts": [{"platform": name, "account": "1", "token": TOKEN} for name in PLATFORMS],
            },
            "clickhouse": {"clickhouse_url": CLOSED, "clickhouse_user": "nobody", "clickhouse_password": TOKEN},
            "prometheus": {"prometheus_url": CLOSED},
        }

    def run(self, *options: str, **extra: Any) -> Run:
        run = super().run(*options, **extra)
        assert_holds_neither_secret_nor_token(run, [TOKEN, KEY])
        return run

    def command(self, **extra: Any) -> list[str]:
        command = super().command(**extra)
        return ["playbooks/ingestion_lag.yml" if part.startswith("playbooks/") else part for part in command]

    def write_inventory(self) -> Path:
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"vars": local, "hosts": self.inventory_hosts}}
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
    known = {"platforms": "down"}  # by whom nobody can tell: the check ingestion_cause does not claim to know
    assert {check: status for check, status in statuses(run).items() if status != "unknown"} == known
    assert {item["check"] for item in run.result["findings"] if item["required"]} == {
        *("workload", "logs", "platforms", "parts", "mutations", "replicas", "freshness", "disk")
    }
    assert "ingestion_cause" in statuses(run)
    assert recommended(run) == []
    assert all(finding.get("next_step") for finding in run.result["findings"])
    assert schemas.validate("result", run.result) == []
    assert "Traceback" not in run.output


def test_what_the_inventory_lacks_is_named(nowhere: Nowhere) -> None:
    for name in ("backend", "social", "clickhouse"):
        del nowhere.inventory_hosts[name]
    run = nowhere.run()
    assert run.result["outcome"] == "incomplete"
    causes = {each["check"]: each["cause"] for each in run.result["findings"]}
    assert [causes[check] for check in ("workload", "platforms", "parts")] == ["not_in_inventory"] * 3
    assert recommended(run) == []


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        for connection in held:
            connection.close()


def test_systems_that_hang_are_waited_for_once(nowhere: Nowhere, silent_server: int) -> None:
    address = f"http://127.0.0.1:{silent_server}"
    hosts = nowhere.inventory_hosts
    hosts["clickhouse"] |= {"clickhouse_url": address, "clickhouse_request_timeout": 2}
    hosts["social"] |= {"social_urls": dict.fromkeys(PLATFORMS, address), "social_request_timeout": 2}
    hosts["prometheus"] |= {"prometheus_url": address, "prometheus_request_timeout": 2}
    run = nowhere.run()
    parts = run.finding("parts")
    assert parts["cause"] == run.finding("freshness")["cause"] == run.finding("platforms")["cause"] == "timeout"
    assert parts["data"]["partitions"] == [], "ClickHouse was asked again"
    assert run.finding("disk_trend")["cause"] == "timeout"
    assert run.result["outcome"] == "incomplete"
    assert recommended(run) == []
