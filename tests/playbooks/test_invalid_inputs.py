# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that make no sense: the run is refused before anything is examined, drafted or done, and says which."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from incident_runbooks import schemas
from support.runbook import ROOT

NOWHERE = {"ansible_connection": "local", "postgres_host": "127.0.0.1", "postgres_port": 1, "postgres_user": "nobody"}
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


class Site:
    """An inventory whose components are not there, and a home for incidents."""

    def __init__(self, directory: Path) -> None:
        self.inventory, self.home = directory / "inventory.yml", directory / "home"
        self.variables: dict[str, Any] = {}
        self.hosts: dict[str, dict[str, Any]] = {"postgres": {}, "backend": {}}

    def call(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        said = {"all": {"vars": {**NOWHERE, **self.variables}, "hosts": self.hosts}}
        self.inventory.write_text(yaml.safe_dump(said), encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "RUNBOOK_"))}
        environment = {**kept, "RUNBOOK_HOME": str(self.home), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        return subprocess.run(
            [*map(str, command), "-i", str(self.inventory)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def playbook(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self.call(PLAYBOOK, ROOT / f"playbooks/{name}.yml", *options)

    def refused(self) -> dict[str, Any]:
        """The only incident, in which nothing but the error was recorded."""
        (directory,) = (self.home / "incidents").iterdir()
        assert not (directory / "notices").exists(), "nothing was drafted"
        lines = [json.loads(line) for line in (directory / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [line["type"] for line in lines] == ["run_started", "error", "run_ended"], "nothing ran"
        result: dict[str, Any] = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        assert schemas.validate("result", result) == []
        (error,) = result["errors"]
        assert (result["outcome"], error["code"]) == ("failed", "usage")
        found: dict[str, Any] = error
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize(
    ("playbook", "given", "said"),
    [
        (
            "data_breach",
            "data_breach_since=gestern",
            "data_breach_since: 'gestern' is not an RFC 3339 time with a time zone, such as 2026-11-23T23:14:55Z",
        ),
        (
            "data_breach",
            "data_breach_risk=huge",
            "data_breach_risk 'huge': value of data_breach_risk must be one of: unlikely, risk, high, unknown",
        ),
        ("pool_exhaustion", "pool_exhaustion_warn_ratio=7", "pool_exhaustion_warn_ratio: 7 is not a number from 0 to"),
        ("pool_exhaustion", "pool_exhaustion_min_idle_s=long", "pool_exhaustion_min_idle_s 'long': argument "),
        (
            "pool_exhaustion",
            "pool_exhaustion_exclude_addresses=10.0.0.1,notanip runbook_mode=remediate",
            "pool_exhaustion_exclude_addresses: 'notanip' is not an IP address or network",
        ),
    ],
)
def test_extra_vars_of_plain_ansible_playbook(site: Site, playbook: str, given: str, said: str) -> None:
    done = site.playbook(playbook, "-e", given)
    assert done.returncode == 2, done.stdout + done.stderr
    error = site.refused()
    assert said in error["message"]
    assert error["message"] in (done.stdout + done.stderr)
    assert "Traceback" not in done.stderr


def test_the_inventory_of_one_host_and_of_all(site: Site) -> None:
    site.hosts["postgres"] = {"pool_exhaustion_target_ratio": "{{ 60 + 10 }}", "pool_exhaustion_batch_size": 0}
    site.variables = {"pool_exhaustion_max_terminate": -5}
    assert site.playbook("pool_exhaustion").returncode == 2
    assert site.refused()["message"] == (
        "Reading the inputs: pool_exhaustion_batch_size: 0 is not a number of at least 1; "
        "pool_exhaustion_max_terminate: -5 is not a number from 1 to 100; "
        "pool_exhaustion_target_ratio: 70 is not a number from 0 to 1"
    )


def test_the_command_answers_with_2_where_it_is_the_inventory_that_says_it(site: Site) -> None:
    site.variables = {"pool_exhaustion_max_terminate": -5}
    done = site.call(sys.executable, "-m", "incident_runbooks", "run", "pool-exhaustion")
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["errors"][0] | {"at": None} == site.refused() | {"at": None}


def test_what_is_valid_or_cannot_be_resolved_yet_is_left_to_the_tasks(site: Site) -> None:
    site.variables = {
        "pool_exhaustion_warn_ratio": "0.7",
        "pool_exhaustion_max_terminate": "{{ [3, 5] | max }}",
        "pool_exhaustion_batch_size": "{{ known_only_later }}",
        "data_breach_since": "gestern",  # of another runbook
        "pool_exhaustion_nothing": 1,  # no input
    }
    site.playbook("pool_exhaustion")
    (directory,) = (site.home / "incidents").iterdir()
    result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    assert "usage" not in [error["code"] for error in result["errors"]]
    assert result["outcome"] == "incomplete", "the database is not there"
