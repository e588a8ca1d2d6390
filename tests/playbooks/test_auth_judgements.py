# SPDX-License-Identifier: GPL-3.0-or-later
"""What auth-down makes of facts that a lab cannot easily have: the role's own rules, run by Ansible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from support.journal_bench import Bench, Ran
from support.runbook import ROOT

Json = dict[str, Any]

ROLE = {"name": "brandconnect.incidents.auth_down", "rolespec_validate": False}
KEY = {
    "stored": "differs",
    "fingerprint": "a" * 12,
    "vault_fingerprint": "b" * 12,
    "vault_version": 2,
    "vault_versions": [],
    "stale_pods": [],
    "rotation": False,
}
CAUSE: Json = {
    "cause": "jwt_key_differs",
    "reason": "it differs",
    "failing": False,
    "remedy": "restore_jwt_secret",
    "risk": "destructive",
    "key": KEY,
    **dict.fromkeys(("objection", "instead", "next_step", "redis")),
    **{name: [] for name in ("also", "evidence", "gaps", "notes")},
}
RISK: Json = {"risk": "unknown", "instead": None, "reason": "it does not say", "save_first": False, "notes": []}
BOUND = [{"name": "data-redis-0", "phase": "Bound"}]
AOF = [{"name": "appendonlydir/appendonly.aof.1.incr.aof", "bytes": 1}]
HOSTS = ("backend", "redis", "auth", "vault", "postgres")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(ROOT / ".collections", tmp_path)
    bench.hosts = dict.fromkeys(HOSTS)
    return bench


def ran(bench: Bench, tasks: list[Json], **variables: Any) -> Ran:
    done = bench.run(bench.playbook([{"hosts": "auth", "tasks": tasks, "vars": variables}], "auth_down"))
    assert done.rc == 0, done.output
    return done


def of_the_role(phase: str) -> Json:
    return {"name": "Judge", "ansible.builtin.import_role": {**ROLE, "tasks_from": phase}}


MISSING = {"cause": "jwt_key_missing"}
VOID = {**MISSING, "risk": "irreversible"}
CASES: list[tuple[Json, Json, bool, list[str]]] = [
    ({}, {"stale_pods": ["a", "b"]}, False, ["restore-jwt-secret"]),
    ({}, {"stale_pods": ["a"]}, False, []),
    ({}, {"stale_pods": ["a"]}, True, ["rotate-jwt-secret"]),
    ({}, {}, False, []),
    (MISSING, {"stored": "missing"}, False, ["restore-jwt-secret"]),
    (VOID, {"stored": "missing", "rotation": None}, False, []),
    (VOID, {"stored": "missing", "rotation": None}, True, ["rotate-jwt-secret"]),
    ({**MISSING, "remedy": None, "objection": "Vault is sealed"}, {"stored": "missing"}, True, []),
    ({"cause": "redis_unreachable", "remedy": "restart_redis", "failing": True}, {}, False, ["restart-redis"]),
    ({"cause": "redis_memory", "remedy": None, "next_step": "free memory", "failing": True}, {}, True, []),
    ({"cause": "jwt_stale", "remedy": "restart_auth", "failing": True}, {}, False, ["restart-auth"]),
]


def test_exactly_what_helps_is_recommended(bench: Bench) -> None:
    """All cases in one run, each a play."""
    bench.hosts["backend"] = {"__auth_down_examined": {"found": {"workload": {"pods_total": 2}}}}
    plays = []
    for why, key, accepted, _ in CASES:
        cause = {**CAUSE, **why, "key": {**KEY, **key}}
        variables = {"__auth_down_cause": cause, "auth_down_accept_logout": accepted}
        plays.append({"hosts": "auth", "tasks": [of_the_role("judge/together")], "vars": variables})
    done = bench.run(bench.playbook(plays, "auth_down"))
    assert done.rc == 0, done.output
    found = [each for each in done.of_type("finding") if each["check"] == "auth_cause"]
    for (why, _, _, recommended), each in zip(CASES, found, strict=True):
        assert (each["cause"], each["recommend"]) == (why.get("cause", "jwt_key_differs"), recommended), each
        assert each["status"] == ("down" if why.get("failing") else "degraded")
        assert each["next_step"]
        assert str(why.get("objection") or "") in each["next_step"]


def test_what_is_not_known_is_not_well(bench: Bench) -> None:
    """The same of Redis: it takes writes only where it says so."""
    cause = {**CAUSE, "cause": "unknown", "failing": None, "remedy": None, "gaps": ["Vault was not asked"]}
    done = ran(bench, [of_the_role("judge/together")], __auth_down_cause=cause)
    found = {each["check"]: each for each in done.result["findings"]}
    assert found["auth_cause"]["status"] == "unknown"
    assert (found["workload"]["status"], found["redis"]["status"], found["login"]["status"]) == ("unknown",) * 3
    assert done.result["outcome"] == "incomplete"


def redis(**known: Any) -> Json:
    writes = {"verdict": "unknown", "reasons": [], "doubts": []}
    return {"reachable": False, "cause": "timeout", "writes": writes, "restart": RISK, **known}


@pytest.mark.parametrize(
    ("now", "risk", "files", "accepted", "said"),
    [
        ({}, {}, {"claims": BOUND, "files": AOF}, False, ""),
        ({}, {}, {"claims": [{"name": "data", "phase": "Pending"}], "files": AOF}, False, "it may lose data"),
        ({}, {}, {"claims": [], "files": AOF}, False, "it may lose data"),
        ({}, {}, {"claims": None, "files": []}, False, "it may lose data"),
        ({}, {}, {"claims": BOUND, "files": [{"name": "dump.rdb"}]}, False, "it may lose data"),
        ({}, {}, {"claims": None, "files": []}, True, ""),
        ({}, {"risk": "destructive", "save_first": True}, {"claims": BOUND, "files": []}, False, ""),
        ({}, {"risk": "destructive"}, {"claims": BOUND, "files": AOF}, False, "it may lose data"),
        ({}, {"risk": "disruptive"}, {"claims": BOUND, "files": []}, False, ""),
        ({}, {"risk": "pointless", "instead": "raise_memory"}, {"claims": BOUND, "files": AOF}, True, "raise_memory"),
        ({"reachable": True, "cause": None, "writes": {"verdict": "accepted"}}, {"risk": "disruptive"},
         {"claims": BOUND, "files": AOF}, True, "nothing that a restart would help with"),
    ],
)  # fmt: skip
def test_redis_is_restarted_only_where_it_helps_and_loses_nothing(
    now: Json, risk: Json, files: Json, accepted: bool, said: str
) -> None:
    """The rule of the role's variables, without a run for each."""
    rules = yaml.safe_load((ROOT / "roles/auth_down/vars/main.yml").read_text(encoding="utf-8"))
    known = {
        **{name: trust_as_template(text) for name, text in rules.items() if isinstance(text, str)},
        "__auth_down_redis_before": redis(**now, restart={**RISK, **risk}),
        "__auth_down_files": {"message": None, **files},
        "auth_down_accept_data_loss": accepted,
    }
    found = Templar(loader=DataLoader(), variables=known).template(known["__auth_down_redis_objection"])
    assert said in found if said else found == "", found
