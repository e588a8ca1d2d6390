# SPDX-License-Identifier: GPL-3.0-or-later
"""What auth-down makes of facts that a lab cannot easily have: the role's own rules, run by Ansible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from support.ages import Ago, dated
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
    **dict.fromkeys(("objection", "instead", "next_step", "redis", "witness")),
    **{name: [] for name in ("also", "evidence", "gaps", "notes")},
}
RISK: Json = {"risk": "unknown", "instead": None, "reason": "it does not say", "save_first": False, "notes": []}


CLAIM = {"name": "data-redis-0", "pod": "redis-0", "mount_path": "/data", "phase": "Bound"}
BOUND = [CLAIM]
LOG = {"name": "appendonlydir/appendonly.aof.1.incr.aof", "bytes": 1, "modified_at": Ago(60)}
BASE = {"name": "appendonlydir/appendonly.aof.1.base.rdb", "bytes": 1, "modified_at": Ago(9)}
SNAPSHOT = {"name": "dump.rdb", "bytes": 1, "modified_at": Ago(600)}
AOF = [LOG, BASE, SNAPSHOT]
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
    ({}, {"stored": "unusable"}, False, []),
    ({}, {"stored": "unusable"}, True, ["rotate-jwt-secret"]),
    ({}, {"stored": "unusable", "stale_pods": ["a", "b"]}, False, ["restore-jwt-secret"]),
    (MISSING, {"stored": "missing"}, False, ["restore-jwt-secret"]),
    (VOID, {"stored": "missing", "rotation": None}, False, []),
    (VOID, {"stored": "missing", "rotation": None}, True, ["rotate-jwt-secret"]),
    ({**MISSING, "remedy": None, "objection": "Vault is sealed"}, {"stored": "missing"}, True, []),
    ({"cause": "redis_unreachable", "remedy": "restart_redis", "failing": True}, {}, False, ["restart-redis"]),
    ({"cause": "redis_pod", "remedy": "restart_redis", "failing": True}, {}, False, ["restart-redis"]),
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
        assert "ts pods are ready" not in each["next_step"]


def test_what_is_not_known_is_not_well(bench: Bench) -> None:
    """The same of Redis: it takes writes only where it says so."""
    cause = {**CAUSE, "cause": "unknown", "failing": None, "remedy": None, "gaps": ["Vault was not asked"]}
    done = ran(bench, [of_the_role("judge/together")], __auth_down_cause=cause)
    found = {each["check"]: each for each in done.result["findings"]}
    assert found["auth_cause"]["status"] == "unknown"
    assert (found["workload"]["status"], found["redis"]["status"], found["login"]["status"]) == ("unknown",) * 3
    assert done.result["outcome"] == "incomplete"


def unreached(*, answered: bool) -> Json:
    return {
        "verdict": "unreachable",
        "answered": answered,
        "reason": "public: no answer (timeout)",
        **{name: {} for name in ("probes", "token", "clock")},
        "retry_after_s": None,
    }


UNSEEN = {**CAUSE, "cause": "unknown", "failing": None, "remedy": None, "gaps": ["it may be our own network"]}
WITNESSED = {**UNSEEN, "cause": "backend_down", "failing": True, "witness": "no pod of the API is ready"}


@pytest.mark.parametrize(
    ("answered", "why", "status"), [(False, UNSEEN, "unknown"), (False, WITNESSED, "down"), (True, UNSEEN, "down")]
)
def test_an_outage_that_only_we_see_is_not_claimed(bench: Bench, answered: bool, why: Json, status: str) -> None:
    """The status page is told by the finding `login`; the host auth says nothing where nobody answered."""
    bench.hosts["auth"] = {"__auth_down_probed": unreached(answered=answered)}
    done = ran(bench, [of_the_role("judge/auth"), of_the_role("judge/together")], __auth_down_cause=why)
    (login,) = [each for each in done.of_type("finding") if each["check"] == "login"]
    assert (login["component"], login["status"], login["cause"]) == ("auth", status, "unreachable"), login
    assert answered or str(why["witness"] or "") in login["summary"]
    assert ("another network" in login["next_step"]) is (status == "unknown")


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
        ({}, {}, {"claims": BOUND, "files": [SNAPSHOT]}, False, "it may lose data"),
        ({}, {}, {"claims": BOUND, "files": [BASE, SNAPSHOT]}, False, "it may lose data"),
        ({}, {}, {"claims": BOUND, "files": [LOG]}, False, ""),
        ({}, {}, {"claims": BOUND, "files": AOF, "directory": "/data/redis"}, False, ""),
        ({}, {}, {"claims": [{**CLAIM, "mount_path": "/data/"}], "files": AOF}, False, ""),
        ({}, {}, {"claims": BOUND, "files": AOF, "directory": "/database"}, False, "it may lose data"),
        ({}, {}, {"claims": BOUND, "files": AOF, "directory": "/data/../tmp"}, False, "it may lose data"),
        ({}, {}, {"claims": BOUND, "files": AOF, "directory": None}, False, "it may lose data"),
        ({}, {}, {"claims": [{**CLAIM, "mount_path": None}], "files": AOF}, False, "it may lose data"),
        ({}, {}, {"claims": [{**CLAIM, "pod": "redis-1"}], "files": AOF}, False, "it may lose data"),
        ({}, {}, {"claims": [CLAIM, {**CLAIM, "phase": None}], "files": AOF}, False, "it may lose data"),
        ({}, {}, {"claims": BOUND, "files": [{**LOG, "modified_at": Ago(4000)}]}, False, "it may lose data"),
        ({}, {}, {"claims": BOUND, "files": [LOG, {**SNAPSHOT, "modified_at": Ago(30)}]}, False, "it may lose data"),
        ({}, {}, {"claims": BOUND, "files": [LOG, {**SNAPSHOT, "name": "all.rdb", "modified_at": Ago(30)}]}, False,
         "it may lose data"),
        ({}, {}, {"claims": BOUND, "files": AOF, "settings_refused": "no answer within 2 s"}, False, ""),
        ({}, {}, {"claims": BOUND, "files": AOF, "settings": {"dir": "/data"}}, True, "answers in its own pod"),
        ({}, {}, {"claims": BOUND, "files": AOF, "settings_refused": "NOAUTH Authentication required."}, True,
         "answers in its own pod"),
        ({}, {}, {"claims": BOUND, "files": AOF, "settings_refused": "Connection refused"}, False, ""),
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
    looked = {"message": None, "pod": "redis-0", "directory": "/data", "settings": {}, "settings_refused": None}
    found = said_by(
        variables()["__auth_down_redis_objection"],
        __auth_down_redis_before=redis(**now, restart={**RISK, **risk}),
        __auth_down_files=dated({**looked, **files}),
        auth_down_accept_data_loss=accepted,
        auth_down_recent_s=3600,
    )
    assert said in found if said else found == "", found


def variables(role: str = "auth_down") -> Json:
    rules = yaml.safe_load((ROOT / f"roles/{role}/vars/main.yml").read_text(encoding="utf-8"))
    return {name: trust_as_template(text) for name, text in rules.items() if isinstance(text, str)}


def said_by(text: str, role: str = "auth_down", **known: Any) -> Any:
    """What a template of the role says of facts."""
    given = {**variables(role), **known}
    return Templar(loader=DataLoader(), variables=given).template(trust_as_template(text))


def tasks(name: str, role: str = "auth_down") -> list[Json]:
    found: list[Json] = yaml.safe_load((ROOT / f"roles/{role}/tasks/{name}.yml").read_text(encoding="utf-8"))
    return found


RESOLVED = {"verification": {"status": "resolved"}}
UNTIL: list[tuple[str, str, str, Json]] = [
    ("auth_down", "verify_redis", "__auth_down_redis_now",
     {"writes": {"verdict": "refused"}, "loading": {"active": False}}),
    ("auth_down", "verify_login", "__auth_down_probed_now", {"verdict": "dependency"}),
    ("webhook_failures", "verify_events", "__webhook_failures_events_now", {"missing": ["evt_1"]}),
]  # fmt: skip


@pytest.mark.parametrize(("role", "name", "registered", "seen"), UNTIL, ids=[each[1] for each in UNTIL])
def test_what_was_seen_last_is_judged(role: str, name: str, registered: str, seen: Json) -> None:
    """A task whose `until` runs out fails, and nothing would be judged."""
    task = next(each for each in tasks(name, role) if "until" in each)
    known = {
        **{each: trust_as_template(text) for each, text in task.get("vars", {}).items()},
        "__auth_down_ran": ["restart-redis"],
        "__webhook_failures_ran": [],
        **{f"__webhook_failures_{each}_verified": RESOLVED for each in ("endpoint", "delivery")},
        **{f"auth_down_verify_{each}_s": value for each, value in (("for", 15), ("every", 5))},
        **{f"webhook_failures_verify_{each}_s": value for each, value in (("missing", 15), ("every", 5))},
    }
    for attempts, ends in ((1, False), (2, False), (3, True), (4, True)):
        given = {**known, registered: {**seen, "attempts": attempts}}
        assert said_by(f"{{{{ {task['until']} }}}}", role, **given) is ends


@pytest.mark.parametrize("shut", ["endpoint", "delivery"])
def test_events_are_not_waited_for_that_cannot_arrive(shut: str) -> None:
    task = next(each for each in tasks("verify_events", "webhook_failures") if "until" in each)
    given = {f"__webhook_failures_{each}_verified": RESOLVED for each in ("endpoint", "delivery")}
    given |= {f"__webhook_failures_{shut}_verified": {"verification": {"status": "unresolved"}}}
    events = {"missing": ["evt_1"], "attempts": 1}
    known = {"__webhook_failures_ran": [], "__webhook_failures_events_now": events, "tries": 3, **given}
    assert said_by(f"{{{{ {task['until']} }}}}", "webhook_failures", **known) is True


def rule_of(name: str, **known: Any) -> str:
    """Which rule of a verification counts, by its cause; `ok` where none does."""
    task = tasks(name)[-1]
    given = {**known, **{each: trust_as_template(text) for each, text in task["vars"].items() if isinstance(text, str)}}
    for rule in task["brandconnect.incidents.verification"]["rules"]:
        if said_by(f"{{{{ {rule['when']} }}}}", **given):
            return str(rule["cause"])
    return "ok"


@pytest.mark.parametrize(
    ("ran_", "cause", "old", "verdict"),
    [
        (["restart-auth"], "jwt_stale", "refused", "ok"),
        (["restart-auth"], "redis_auth", "refused", "tokens_void"),
        (["restart-auth"], "redis_auth", "valid", "ok"),
        (["rotate-jwt-secret"], "jwt_key_differs", "refused", "ok"),
        (["restore-jwt-secret"], "jwt_key_missing", "valid", "ok"),
        (["restore-jwt-secret"], "jwt_key_missing", "mixed", "tokens_void"),
        (["restore-jwt-secret"], "jwt_key_missing", "unknown", "old_token_unknown"),
        (["restore-jwt-secret"], "jwt_key_missing", "not_asked", "ok"),
    ],
)
def test_a_token_of_before_is_valid_unless_that_was_accepted(
    ran_: list[str], cause: str, old: str, verdict: str
) -> None:
    probed = {"verdict": "ok", "reason": "fine", "old_token": {"verdict": old}}
    known = {"__auth_down_ran": ran_, "__auth_down_cause": {"cause": cause}, "__auth_down_probed_now": probed}
    assert rule_of("verify_login", **known) == verdict
    words = tasks("verify_login")[-1]["vars"]["words"]
    assert old in words, "what became of it is said"


@pytest.mark.parametrize(
    ("ran_", "expected", "now", "verdict"),
    [
        (["restart-auth"], "e" * 12, "e" * 12, "ok"),
        (["restart-auth"], "e" * 12, "a" * 12, "jwt_key_differs"),
        (["restart-auth"], "", "b" * 12, "ok"),
        (["restart-auth"], "", "a" * 12, "jwt_key_differs"),
        (["rotate-jwt-secret"], "e" * 12, "b" * 12, "ok"),
    ],
)
def test_the_key_is_compared_with_the_one_that_it_should_be(
    ran_: list[str], expected: str, now: str, verdict: str
) -> None:
    """Not with the one that the diagnosis found, which nobody has shown to be right."""
    facts = {"exists": True, "fingerprint": now}
    stored = {"reachable": True, "cause": None, "keys": {"JWT_SECRET": facts}, "unknown": [], "pods_older": []}
    known = {
        "__auth_down_ran": ran_,
        "__auth_down_expected": expected,
        "__auth_down_cause": {"key": KEY},
        "__auth_down_stored_now": stored,
        "__auth_down_backend": {"stored_in": "jwt-secret", "stored_as": "JWT_SECRET"},
    }
    assert rule_of("verify_key", **known) == verdict


def test_pods_that_were_not_read_are_not_none_that_are_there() -> None:
    task = next(each for each in tasks("remediate/restart-redis") if each.get("register") == "__auth_down_redis_before")
    text = task["brandconnect.incidents.redis_info"]["pods"].replace("else omit", "else 'omitted'")
    for workload, wanted in (({"replicas": 1}, []), (None, "omitted")):
        seen = {"redis_workload": {"workload": workload, "pods": []}}
        assert said_by(text, __auth_down_seen=seen) == wanted
