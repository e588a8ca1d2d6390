# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Prometheus: the real one, which sees what the pods tell, and only that."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from incident_runbooks.lab.binaries import find_program
from incident_runbooks.lab.flow import Flow
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.prometheus.api import PrometheusApi
from incident_runbooks.lab.status import describe

PODS = "/api/v1/namespaces/brandconnect/pods"


def ask(lab: Lab, query: str) -> list[dict[str, Any]]:
    """The samples of a query, asked without the lab's own client."""
    answer = requests.get(f"{lab.prometheus.url}/api/v1/query", params={"query": query}, timeout=10).json()
    assert answer["status"] == "success", answer
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def pods(lab: Lab) -> set[str]:
    return {pod["metadata"]["name"] for pod in lab.platform().pods("backend")}


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within 30 s"
        time.sleep(0.05)


def test_its_configuration_is_valid(payments_lab: Lab) -> None:
    program = find_program("promtool")
    configuration = payments_lab.prometheus.directory / "prometheus.yml"
    done = subprocess.run(
        [program.path, "check", "config", configuration],
        env={**os.environ, **program.environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_scrapes_every_pod_once_a_second(payments_lab: Lab) -> None:
    up = ask(payments_lab, 'up{job="backend"}')
    assert {each["metric"]["pod"] for each in up} == pods(payments_lab)
    assert {each["value"][1] for each in up} == {"1"}
    assert {each["metric"]["namespace"] for each in up} == {"brandconnect"}
    wait_until(lambda: float(ask(payments_lab, "min(count_over_time(up[10s]))")[0]["value"][1]) >= 9, "10 scrapes")


def test_it_counts_what_customers_pay(payments_lab: Lab) -> None:
    flow = Flow(payments_lab)
    rates = [float(each["value"][1]) for each in ask(payments_lab, "sum(rate(stripe_payment_success_total[5s]))")]
    assert len(rates) == 1
    assert rates[0] > 0.5
    assert flow.increase("stripe_payment_failed_total") == 0
    assert ask(payments_lab, "stripe_payment_failed_total"), "series must be there before anything fails"


def test_a_new_pod_is_found_and_an_old_one_forgotten(payments_lab: Lab) -> None:
    gone = next(iter(pods(payments_lab)))
    payments_lab.platform().api.delete(f"{PODS}/{gone}", gracePeriodSeconds=1)
    wait_until(
        lambda: (
            {each["metric"]["pod"] for each in ask(payments_lab, 'up{job="backend"} == 1')} == pods(payments_lab)
            and gone not in pods(payments_lab)
        ),
        "sample of the new pods",
    )
    assert set(PrometheusApi(payments_lab.prometheus).targets().values()) == {"up"}


def test_what_is_forgotten_is_gone_and_goes_on(payments_lab: Lab) -> None:
    before = requests.get(
        f"{payments_lab.prometheus.url}/api/v1/query",
        params={"query": "count_over_time(up[1h])"},
        timeout=10,
    ).json()["data"]["result"]
    assert before
    PrometheusApi(payments_lab.prometheus).forget()
    wait_until(lambda: bool(ask(payments_lab, "up")), "sample")
    counts = [float(each["value"][1]) for each in ask(payments_lab, "count_over_time(up[1h])")]
    assert max(counts) < max(float(each["value"][1]) for each in before)


def test_parts_that_were_killed_are_missed_and_started_again(payments_lab: Lab) -> None:
    before = {each.name: each for each in payments_lab.read().processes}
    for name in ("stripe", "ingress", "prometheus"):
        process = before[name].find()
        assert process is not None
        process.kill()
        process.wait(10)
    found = describe(payments_lab)
    assert (found["state"], found["payments"]["state"]) == ("damaged", "dead")
    undone = payments_lab.heal()
    assert {f"{name} was not running" for name in ("stripe", "ingress", "prometheus")} <= set(undone)
    found = describe(payments_lab)
    assert (found["state"], found["payments"]["state"]) == ("up", "running")
    assert Flow(payments_lab).is_well()


def test_a_machine_without_it_goes_on_without(payments_lab: Lab, tmp_path: Path, monkeypatch: Any) -> None:
    said: list[str] = []
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("incident_runbooks.lab.binaries.programs._FOLDERS", ())
    lab = Lab(payments_lab.directory.path, said.append)
    lab._state = lab._load()
    lab._state.prometheus = None
    lab._start_prometheus()
    assert said
    assert "going on without prometheus" in said[0]
    assert "Debian package prometheus" in said[0]
    assert lab.has_prometheus is False
