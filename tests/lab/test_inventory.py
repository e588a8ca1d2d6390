# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's inventory, as Ansible reads it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from incident_runbooks.lab import inventory
from incident_runbooks.lab.lab import Lab

ASK = (
    "msg={{ {'host': postgres_host, 'port': postgres_port, 'database': postgres_database, 'user': postgres_user,"
    " 'password': postgres_password, 'reserved_user': postgres_reserved_user,"
    " 'reserved_password': postgres_reserved_password} }}"
)


def ansible(pattern: str, ask: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Ask as `ansible -m debug`, without the configuration of whoever runs the tests."""
    (cwd / "ansible.cfg").touch()
    command = [
        str(Path(sys.executable).parent / "ansible"),
        pattern,
        "-i",
        str(inventory.path()),
        "-m",
        "debug",
        "-a",
        ask,
    ]
    environ = {**os.environ, "ANSIBLE_CONFIG": str(cwd / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **environ}
    return subprocess.run(command, env=environ, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def answers(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What each host said."""
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.findall(r"^(\w+) \| SUCCESS => (\{.*?^\})", done.stdout, re.MULTILINE | re.DOTALL)
    return {host: json.loads(result)["msg"] for host, result in said}


def test_it_reads_the_labs_state(lab: Lab, tmp_path: Path) -> None:
    server = lab.server
    done = ansible("postgres", ASK, tmp_path, RUNBOOK_LAB=os.path.relpath(lab.directory.path, tmp_path))
    assert answers(done)["postgres"] == {
        "host": "127.0.0.1",
        "port": server.port,
        "database": "brandconnect",
        "user": server.ops.user,
        "password": server.ops.password,
        "reserved_user": server.superuser.user,
        "reserved_password": server.superuser.password,
    }


def test_without_a_lab_it_says_how_to_start_one(tmp_path: Path) -> None:
    state = tmp_path / "state"
    done = ansible("postgres", "msg={{ postgres_host }}", tmp_path, RUNBOOK_LAB="", XDG_STATE_HOME=str(state))
    assert done.returncode != 0
    assert "no lab is up here; start one: runbook lab up" in done.stdout


def test_a_rehearsal_does_not_wait_for_minutes(lab: Lab, tmp_path: Path) -> None:
    ask = "msg={{ [ansible_connection, pool_exhaustion_min_idle_s, pool_exhaustion_verify_refill_after_s] }}"
    done = ansible("localhost:postgres", ask, tmp_path, RUNBOOK_LAB=str(lab.directory.path))
    assert answers(done) == {"localhost": ["local", 1, 6], "postgres": ["local", 1, 6]}


def test_what_the_lab_wrote_is_private(lab: Lab) -> None:
    assert (lab.directory.path / inventory.FILE).stat().st_mode & 0o777 == 0o600


STRIPE = (
    "msg={{ {'url': stripe_api_url, 'livemode': stripe_livemode, 'webhook': stripe_webhook_url,"
    " 'ca': stripe_webhook_ca_cert, 'status': stripe_status_urls, 'hosts': stripe_status_hosts,"
    " 'restricted': stripe_api_key == expected_restricted, 'key': stripe_backend_secret_key == expected_key,"
    " 'secret': stripe_backend_webhook_secret == expected_secret} }}"
)


def test_payments_have_their_hosts(payments_lab: Lab, tmp_path: Path) -> None:
    part, keys = payments_lab.stripe, payments_lab.stripe.keys
    expected = {"restricted": keys.restricted_key, "key": keys.secret_key, "secret": keys.webhook_secret}
    ask = STRIPE
    for name, value in expected.items():
        ask = ask.replace(f"expected_{name}", f"'{value}'")
    said = answers(ansible("stripe", ask, tmp_path, RUNBOOK_LAB=str(payments_lab.directory.path)))
    assert said["stripe"] == {
        "url": part.url,
        "livemode": False,
        "webhook": payments_lab.ingress.webhook_url,
        "ca": str(payments_lab.ingress.ca_cert),
        "status": [f"{part.status_url}/api/v2/summary.json"],
        "hosts": ["127.0.0.1"],
        "restricted": True,
        "key": True,
        "secret": True,
    }
    said = answers(
        ansible("prometheus", "msg={{ prometheus_url }}", tmp_path, RUNBOOK_LAB=str(payments_lab.directory.path))
    )
    assert said == {"prometheus": payments_lab.prometheus.url}


def test_a_lab_without_payments_has_no_host_for_them(lab: Lab) -> None:
    hosts = json.loads((lab.directory.path / inventory.FILE).read_text(encoding="utf-8"))["all"]["hosts"]
    assert sorted(hosts) == ["communications", "postgres"], "the real Stripe is nobody's to ask from a lab"
