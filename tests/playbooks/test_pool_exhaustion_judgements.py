# SPDX-License-Identifier: GPL-3.0-or-later
"""What pool-exhaustion recommends about a pool that does not fit its budget: the role's own rules, run by Ansible."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from support.journal_bench import Bench
from support.runbook import ROOT

Json = dict[str, Any]

KIND: Json = {"kind": "app_pool", "cause": None, "reason": "requests wait", "current": True, "gaps": []}
HOLDER: Json = {"application": "backend", "workload": "backend", "leaks": None}
ACTIVITY: Json = {"reachable": True, "slots": {"used": 40, "usable": 97, "free": 57, "used_ratio": 0.41}}
WORKLOAD: Json = {"reachable": True, "workload": {"name": "backend"}}
BUDGET: Json = {
    "fits": False,
    "arithmetic": "10 x 13 + 10 = 140 > 77",
    "reason": "140 > 77",
    "largest_fitting": {"backend": 5},
    "terms": [],
}
SERVER = {"kind": "server_slots", "cause": "server_slots_exhausted"}

# what differs from the above of the kind, the holder and the budget; what the budget recommends, and words of it
CASES: dict[str, tuple[Json, Json, Json, list[str], str]] = {
    "requests wait for the pool": ({}, {}, {}, [], "PgBouncer"),
    "they waited for it": ({"current": False}, {}, {}, [], "autoscaler"),
    "requests wait, and it may leak": ({}, {"leaks": False}, {}, [], "PgBouncer"),
    "the pool leaks": ({}, {"leaks": True}, {}, ["resize-pool"], "at most"),
    "the server is full": (SERVER, {}, {}, ["resize-pool"], "at most"),
    "nothing is exhausted": ({"kind": "none"}, {}, {}, ["resize-pool"], "at most"),
    "no size fits": ({}, {}, {"largest_fitting": {"backend": 1}}, ["deploy-pgbouncer"], "PgBouncer"),
}


@pytest.fixture(scope="module")
def judged() -> list[Json]:
    """What is said of the budget in each case, all judged in one run."""
    role = {
        "name": "brandconnect.incidents.pool_exhaustion",
        "tasks_from": "judge/together",
        "rolespec_validate": False,
    }
    tasks = [
        {
            "name": name,
            "ansible.builtin.import_role": role,
            "vars": {
                "__pool_exhaustion_kind": KIND | kind,
                "__pool_exhaustion_holders": {"holders": [], "suspect": HOLDER | holder, "reason": "somebody has them"},
                "__pool_exhaustion_seen": {"activity": ACTIVITY, "workload": WORKLOAD, "logs": {}},
                "__pool_exhaustion_budget": BUDGET | budget,
                "__pool_exhaustion_pools": [{"name": "backend", "pool_max": 10}],
            },
        }
        for name, (kind, holder, budget, _, _) in CASES.items()
    ]
    with tempfile.TemporaryDirectory(prefix="pool-") as directory:
        bench = Bench(ROOT / ".collections", Path(directory))
        bench.hosts = dict.fromkeys(("backend", "postgres"))
        done = bench.run(bench.playbook([{"hosts": "backend", "tasks": tasks}], "pool_exhaustion"))
        assert done.rc == 0, done.output
        return [finding for finding in done.of_type("finding") if finding["check"] == "budget"]


@pytest.mark.parametrize("name", CASES)
def test_a_pool_for_which_requests_wait_is_not_made_smaller(judged: list[Json], name: str) -> None:
    _, _, _, recommend, words = CASES[name]
    found = judged[list(CASES).index(name)]
    assert (found["status"], found["cause"], found["recommend"]) == ("degraded", "budget_violated", recommend)
    assert words in found["next_step"]
