# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what an engineer waits for, all in one run.

Machines differ and are noisy, so compare the figures with each other.

Prints the median of five of: an empty play, what one more check costs in process and as an ordinary module, the whole
diagnosis of each incident type in the lab with Ansible alone, with the command, while a system hangs, ``--help`` and
``list``. With arguments, only the incident types that they name, such as ``payment_failure``.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
RUNS = 5
CHECKS = 10
TIME_OUT_S = 3
FIRST_SCRAPE_S = 15  # until Prometheus knows the rates of a lab that has just come up
# Each incident type with the systems whose silence it has to bear
INCIDENTS = {
    "pool_exhaustion": ("kubernetes",),
    "payment_failure": ("stripe",),
    "webhook_failures": ("stripe",),
    "ingestion_lag": ("clickhouse", "social"),
    "auth_down": ("redis", "vault"),
    "api_latency": ("prometheus",),
}
AIM_CHECK_S = 0.040
AIM_DIAGNOSIS_S = 2.5
AIM_HELP_S = 0.20
AIM_LIST_S = 0.25


def once(command: list[str], environment: dict[str, str], expected: tuple[int, ...] = (0,)) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    if done.returncode not in expected:
        sys.exit(f"bench: {' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def median_of(measure: Callable[[], float]) -> float:
    measure()  # warm-up: bytecode and the page cache
    return statistics.median(measure() for _ in range(RUNS))


def play(directory: Path, name: str, task: dict[str, Any] | None, count: int, connection: str) -> list[str]:
    """The command that runs *count* times the same task on one host."""
    tasks = [{"name": f"{name} {number}", **task} for number in range(count)] if task else []
    path = directory / f"{name}.yml"
    path.write_text(yaml.safe_dump([{"hosts": "postgres", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    extra = json.dumps({"ansible_connection": connection})
    return [str(BIN / "ansible-playbook"), "-i", str(ROOT / "inventory/lab"), "-e", extra, str(path)]


def activity() -> dict[str, Any]:
    names = {"login_host": "host", "login_port": "port", "login_user": "user", "login_password": "password"}
    options = {option: f"{{{{ postgres_{variable} }}}}" for option, variable in names.items()}
    return {"brandconnect.incidents.pg_activity": {**options, "login_db": "{{ postgres_database }}"}}


def per_check(directory: Path, floor: float, name: str, task: dict[str, Any], connection: str, count: int) -> float:
    command = play(directory, name, task, count, connection)
    return (median_of(lambda: once(command, ENVIRONMENT)) - floor) / count


def row(label: str, seconds: float, aim: float | None = None, against: float | None = None) -> None:
    parts = [f"{label:<48}{seconds * 1000:>9.0f} ms"]
    if against:
        parts.append(f"{seconds / against:>6.2f} of an empty play")
    if aim:
        parts.append(f"aim {aim * 1000:.0f} ms: {'met' if seconds <= aim else 'MISSED'}")
    print("   ".join(parts), flush=True)


def diagnosis(incident: str, **extra: Any) -> list[str]:
    """The command that diagnoses with Ansible alone; the inventory's host variables yield to extra variables only."""
    command = [str(BIN / "ansible-playbook"), f"playbooks/{incident}.yml", "-i", "inventory/lab"]
    return [*command, "-e", json.dumps(extra)] if extra else command


def silent(address: str) -> dict[str, dict[str, Any]]:
    """Where each system is looked for instead: somebody takes connections there and never answers."""
    host, port = address.split(":")
    url = f"http://{address}"
    return {
        "kubernetes": {
            "kubernetes_host": f"https://{address}",
            "kubernetes_api_key": "t0ken",
            "kubernetes_request_timeout": TIME_OUT_S,
        },
        "stripe": {
            "stripe_api_url": url,
            "stripe_request_timeout": TIME_OUT_S,
            "stripe_status_urls": [f"{url}/status/api/v2/summary.json"],
            "stripe_status_hosts": [host],
            "stripe_status_timeout": TIME_OUT_S,
        },
        "clickhouse": {"clickhouse_url": url, "clickhouse_request_timeout": TIME_OUT_S},
        "social": {
            "social_urls": dict.fromkeys(("meta", "tiktok", "youtube"), url),
            "social_request_timeout": TIME_OUT_S,
        },
        "redis": {"redis_host": host, "redis_port": int(port), "redis_request_timeout": TIME_OUT_S},
        "vault": {"vault_addr": url, "vault_request_timeout": TIME_OUT_S},
        "prometheus": {"prometheus_url": url, "prometheus_request_timeout": TIME_OUT_S},
    }


def hanging(incident: str, floor: float) -> None:
    """The same diagnosis while a system hangs: it costs one time-out, not several."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        variables = silent(f"127.0.0.1:{listener.getsockname()[1]}")
        for system in INCIDENTS[incident]:
            command = diagnosis(incident, **variables[system])
            row(f"{incident}, {system} silent", timed(command), TIME_OUT_S + AIM_DIAGNOSIS_S, floor)


def timed(command: list[str]) -> float:
    return median_of(lambda: once(command, ENVIRONMENT))


def checks(directory: Path, floor: float) -> None:
    """What one more check costs."""
    here = per_check(directory, floor, "in_process", activity(), "local", CHECKS)
    row("one check more, pg_activity in process", here, AIM_CHECK_S, floor)
    shipped = per_check(directory, floor, "shipped", activity(), "elsewhere", CHECKS // 2)
    row("one check more, pg_activity as a module", shipped, None, floor)
    ping = per_check(directory, floor, "stock", {"ansible.builtin.ping": {}}, "local", CHECKS // 2)
    row("one check more, the stock module ping", ping, None, floor)
    print(f"{'in process, a check costs':<48}{here / shipped:>9.3f} of the same check as a module")


def the_command(floor: float) -> None:
    """What is waited for when the command is used."""
    command = [str(BIN / "runbook"), "run", "pool-exhaustion", "-i", "inventory/lab", "--output", "json"]
    row("diagnosis of pool-exhaustion, runbook run", timed(command), None, floor)
    row("runbook --help", median_of(lambda: once([str(BIN / "runbook"), "--help"], ENVIRONMENT)), AIM_HELP_S)
    row("runbook list", median_of(lambda: once([str(BIN / "runbook"), "list"], ENVIRONMENT)), AIM_LIST_S)


def measure(directory: Path, only: list[str]) -> None:
    floor = median_of(lambda: once(play(directory, "empty", None, 0, "local"), ENVIRONMENT))
    row("empty play", floor)
    for incident in only or INCIDENTS:
        row(f"diagnosis of {incident}, ansible-playbook", timed(diagnosis(incident)), AIM_DIAGNOSIS_S, floor)
        hanging(incident, floor)
    if not only:
        checks(directory, floor)
        the_command(floor)


if unknown := set(sys.argv[1:]) - set(INCIDENTS):
    sys.exit(f"bench: no incident type {', '.join(sorted(unknown))}; known: {', '.join(INCIDENTS)}")
with tempfile.TemporaryDirectory(prefix="runbook-bench-") as name:
    workspace = Path(name)
    ENVIRONMENT = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},  # as people have it
        "RUNBOOK_HOME": str(workspace / "home"),
        "RUNBOOK_LAB": str(workspace / "lab"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "tests/fixtures/connection_plugins"),
    }
    once([str(BIN / "runbook"), "lab", "up"], ENVIRONMENT)
    time.sleep(FIRST_SCRAPE_S)
    try:
        measure(workspace, sys.argv[1:])
    finally:
        once([str(BIN / "runbook"), "lab", "down"], ENVIRONMENT)
