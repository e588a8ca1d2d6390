# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about Redis, for states that no server has on demand."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis_errors import refused, unreachable
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    redis_files,
    redis_info,
    redis_restart,
    redis_save,
    redis_writes,
)

INFO = """\
# Server\r
redis_version:7.0.15\r
redis_mode:standalone\r
run_id:0d0a\r
\r
# Clients\r
connected_clients:3\r
maxclients:10\r
# Memory\r
used_memory:1000\r
maxmemory:0\r
maxmemory_policy:noeviction\r
mem_not_counted_for_evict:0\r
# Persistence\r
loading:0\r
rdb_changes_since_last_save:4\r
rdb_bgsave_in_progress:0\r
rdb_last_save_time:1795620000\r
rdb_last_bgsave_status:ok\r
aof_enabled:0\r
aof_last_write_status:ok\r
# Replication\r
role:master\r
connected_slaves:0\r
# Keyspace\r
db0:keys=5,expires=2,avg_ttl=1\r
db11:keys=1,expires=0,avg_ttl=0\r
"""
SETTINGS = {"save": "3600 1", "stop-writes-on-bgsave-error": "yes", "min-replicas-to-write": "0"}


def info(**changed: Any) -> dict[str, str]:
    return redis_info.parse_info(INFO) | {name: str(value) for name, value in changed.items()}


def test_what_info_says_however_it_comes() -> None:
    found = info()
    assert redis_info.parse_info(INFO.replace("\r", "")) == found, "as redis-cli prints it"
    assert (redis_info.role(found), redis_info.key_count(found, complete=True)) == ("master", 6)
    assert redis_info.client_facts(found, {})["used_ratio"] == 0.3
    hostile = redis_info.parse_info("a:b\x1b[31m\na:second\n<b>:c\nlong:" + "x" * 1000 + "\nno colon")
    assert (hostile["a"], set(hostile), len(hostile["long"])) == ("b[31m", {"a", "long"}, 300)
    assert redis_info.number({"a": "9" * 100}, "a") is None
    assert redis_info.persistence_facts({"rdb_last_save_time": "9" * 19}, {})["rdb_last_save_at"] is None
    assert redis_info.key_count({}, complete=False) is None


@pytest.mark.parametrize(
    ("changed", "settings", "verdict", "cause"),
    [
        ({}, SETTINGS, "accepted", None),
        ({}, {}, "accepted", None),
        ({"loading": 1}, SETTINGS, "refused", "loading"),
        ({"role": "slave", "slave_read_only": 1}, {}, "refused", "readonly"),
        ({"role": "slave", "slave_read_only": 0}, {}, "accepted", None),
        ({"role": "slave"}, {}, "unknown", "readonly"),
        ({"maxmemory": 999}, {}, "refused", "oom"),
        ({"maxmemory": 999, "mem_not_counted_for_evict": 1}, {}, "accepted", None),
        ({"maxmemory": 999, "maxmemory_policy": "allkeys-lru"}, {}, "accepted", None),
        ({"maxmemory": 999, "maxmemory_policy": "volatile-ttl"}, {}, "accepted", None),
        ({"rdb_last_bgsave_status": "err"}, SETTINGS, "refused", "misconf"),
        ({"rdb_last_bgsave_status": "err"}, {**SETTINGS, "save": ""}, "accepted", None),
        ({"rdb_last_bgsave_status": "err"}, {}, "unknown", "misconf"),
        ({"aof_enabled": 1, "aof_last_write_status": "err"}, {}, "refused", "misconf"),
        ({"aof_enabled": 0, "aof_last_write_status": "err"}, {}, "accepted", None),
        ({"min_slaves_good_slaves": 1}, {"min-replicas-to-write": "2"}, "refused", "noreplicas"),
        ({"min_slaves_good_slaves": 2}, {"min-replicas-to-write": "2"}, "accepted", None),
    ],
)
def test_whether_writes_are_accepted(
    changed: dict[str, Any], settings: dict[str, str], verdict: str, cause: str | None
) -> None:
    found = redis_writes.verdict(info(**changed), settings)
    assert found["verdict"] == verdict
    assert [each["cause"] for each in found["reasons"] + found["doubts"]] == ([cause] if cause else [])


def test_nothing_known_is_not_accepted() -> None:
    assert redis_writes.verdict({}, {})["verdict"] == "unknown"


def redis(**given: Any) -> dict[str, Any]:
    persistence = {
        "aof_enabled": False,
        "aof_last_write_ok": True,
        "rdb_changes_since_last_save": 0,
        "rdb_last_bgsave_ok": True,
        "rdb_last_save_at": "2026-11-24T15:00:00Z",
        "rdb_save_points": True,
    }
    changed = given.pop("persistence", {})
    return {"cause": None, "keys": 5, "writes": {"reasons": []}, "persistence": {**persistence, **changed}, **given}


BOUND = [{"name": "data-redis-0", "phase": "Bound"}]
READY = [{"ready": True, "containers": []}]


def pod(reason: str | None = None, last: str | None = None, state: str | None = None) -> dict[str, Any]:
    container = {"reason": state, "last_termination": {"reason": last} if last else None}
    return {"ready": False, "reason": reason, "containers": [container]}


@pytest.mark.parametrize(
    ("seen", "pods", "claims", "risk", "instead"),
    [
        (redis(), READY, BOUND, "disruptive", None),
        (redis(), None, None, "disruptive", None),
        (redis(), READY, [], "destructive", None),
        (redis(keys=0), READY, [], "disruptive", None),
        (redis(persistence={"rdb_changes_since_last_save": 3}), READY, BOUND, "destructive", "save"),
        (redis(persistence={"rdb_changes_since_last_save": None}), READY, BOUND, "unknown", None),
        (redis(persistence={"rdb_changes_since_last_save": 3, "aof_enabled": True}), READY, BOUND, "disruptive", None),
        (redis(persistence={"aof_enabled": True, "aof_last_write_ok": None}), READY, BOUND, "destructive", None),
        (redis(persistence={"aof_enabled": True, "aof_rewrite_in_progress": True}), READY, BOUND, "unknown", None),
        (redis(persistence={"aof_enabled": True, "aof_last_bgrewrite_ok": False}), READY, BOUND, "unknown", None),
        (redis(persistence={"aof_enabled": None}), READY, BOUND, "unknown", None),
        (redis(keys=None), READY, BOUND, "unknown", None),
        (redis(keys=None, cause="timeout"), None, None, "unknown", None),
        (redis(keys=None, cause="refused"), READY, BOUND, "pointless", "fix_network"),
        (redis(keys=None, cause="refused"), None, None, "unknown", None),
        (redis(keys=None, cause="refused"), [], BOUND, "pointless", "scale_up"),
        (redis(keys=None, cause="refused"), [pod(last="OOMKilled")], BOUND, "pointless", "raise_memory"),
        (redis(keys=None, cause="refused"), [pod(reason="Evicted")], BOUND, "pointless", "free_node"),
        (redis(keys=None, cause="refused"), [pod(state="CrashLoopBackOff")], BOUND, "pointless", "read_its_log"),
        (redis(keys=None), [pod()], [{"name": "a", "phase": "Pending"}], "pointless", "fix_volume"),
        (redis(loading={"active": True}), READY, BOUND, "pointless", "wait"),
        (redis(keys=None, cause="wrongpass"), READY, BOUND, "pointless", "fix_credentials"),
        (redis(writes={"reasons": [{"cause": "oom"}]}), READY, BOUND, "pointless", "free_memory"),
        (redis(writes={"reasons": [{"cause": "misconf"}]}), READY, BOUND, "pointless", "fix_disk"),
    ],
)
def test_what_a_restart_would_do(seen: Any, pods: Any, claims: Any, risk: str, instead: str | None) -> None:
    found = redis_restart.restart_risk(seen, pods, claims)
    assert (found["risk"], found["instead"]) == (risk, instead)
    assert found["reason"]
    assert found["save_first"] is (instead == "save")
    assert bool(found["notes"]) is (claims is None)


def test_whether_to_save() -> None:
    assert redis_save.objection(info(), 1000) is None
    assert redis_save.objection(info(), 999) == ("too_large", redis_save.objection(info(), 999)[1])  # type: ignore[index]
    assert redis_save.objection(info(loading=1), 1000)[0] == "loading"  # type: ignore[index]
    assert redis_save.objection({}, 1000)[0] == "unknown_state"  # type: ignore[index]
    assert not redis_save.nothing_to_do(info())
    clean = info(rdb_changes_since_last_save=0)
    assert redis_save.nothing_to_do(clean)
    assert not redis_save.nothing_to_do(clean | {"rdb_last_bgsave_status": "err"})
    assert not redis_save.nothing_to_do(clean | {"rdb_bgsave_in_progress": "1"})
    assert redis_save.busy(info(aof_rewrite_in_progress=1))


def test_refusals_are_told_apart() -> None:
    for text, cause in (
        ("NOAUTH Authentication required.", "noauth"),
        ("Authentication required.", "noauth"),
        ("WRONGPASS invalid username-password pair or user is disabled.", "wrongpass"),
        ("User looks has no permissions to run the 'set' command", "noperm"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "oom"),
        ("MISCONF Redis is configured to save RDB snapshots", "misconf"),
        ("DENIED Redis is running in protected mode", "protected_mode"),
        ("ERR unknown command 'CONFIG'", "unknown_command"),
        ("ERR whatever", "server_error"),
        ("", "server_error"),
    ):
        assert refused(text).cause == cause
        assert refused(text).next_step
    assert unreachable(ConnectionError("Connection closed by server."), 1).cause == "no_answer"
    assert unreachable(TimeoutError(), 1).cause == "timeout"


def test_a_listing_and_what_it_lets_check() -> None:
    printed = (
        "setting\tdir\t/data\nsetting\tother\tx\nfolder\t/data\ndisk\t100\t25\nnoise\nfile\tx\t1\t/data/bad\n"
        "file\t90\t1795620000\t/data/dump.rdb\nfile\t10\t1795620009\t/data/appendonlydir/appendonly.aof.manifest\n"
        "file\t20\t1795620001\t/data/appendonlydir/appendonly.aof.1.incr.aof\n"
    )
    found = redis_files.read_listing(printed)
    assert (found["settings"], found["directory"], found["absent"]) == ({"dir": "/data"}, "/data", False)
    assert found["disk"] == {"total_bytes": 102400, "available_bytes": 25600, "used_ratio": 0.75}
    assert [each["bytes"] for each in found["files"]] == [10, 20, 90]
    targets = {each["kind"]: each for each in redis_files.check_targets(found)}
    assert (targets["rdb"]["file"], targets["rdb"]["bytes"]) == ("/data/dump.rdb", 90)
    assert (targets["aof"]["file"], targets["aof"]["bytes"]) == ("/data/appendonlydir/appendonly.aof.manifest", 30)
    assert redis_files.read_listing("refused\tNOAUTH password=hunter2\n")["refused"] == "NOAUTH password=[masked]"


RDB = {"name": "dump.rdb", "kind": "rdb", "bytes": 90, "program": "redis-check-rdb", "file": "/data/dump.rdb"}
BROKEN = """[offset 82] Selecting DB ID 0
--- RDB ERROR DETECTED ---
[offset 111] Unexpected EOF reading RDB file
[additional info] Reading key 'session:error-t0ken
is not valid: t0ken'
RDB preamble of AOF file is not sane, aborting.
"""


@pytest.mark.parametrize(
    ("code", "output", "ok", "reason"),
    [
        (0, "[offset 131] RDB looks OK!\n", True, "[offset 131] RDB looks OK!"),
        (1, BROKEN, False, "[offset 111] Unexpected EOF reading RDB file"),
        (1, "AOF a is not valid. Use the --fix option to try fixing it.\n", False, "AOF a is not valid."),
        (1, "Cannot open file a: No such file or directory, aborting...\n", False, "No such file"),
        (1, "Cannot open file a: Permission denied, aborting...\n", None, "Permission denied"),
        (1, "[offset 0] Checking RDB file dump.rdb\n", None, "Checking"),  # it cannot be read
        (137, "[offset 0] Checking RDB file dump.rdb\n", None, "signal 9"),
        (121, "", None, "memory"),
        (127, "", None, "not in the container"),
        (1, "", None, "exit code 1"),
        (None, "", None, "cut off"),
    ],
)
def test_what_a_check_found(code: int | None, output: str, ok: bool | None, reason: str) -> None:
    """Only what the program calls damaged is; and no name of a key is told, which may be a session's."""
    found = redis_files.read_check(RDB, code, output, "cut off")
    assert found["ok"] is ok
    assert reason in found["reason"]
    assert "t0ken" not in found["reason"]
    assert "--fix" not in found["reason"]


@pytest.mark.parametrize(
    ("most", "used", "code"),
    [("1000", "819", 0), ("1000", "820", 121), ("1000", None, 121), ("max", "990", 0), (None, None, 0)],
)
def test_a_check_needs_memory_left(tmp_path: Path, most: str | None, used: str | None, code: int) -> None:
    for name, text in (("memory.max", most), ("memory.stat", used and f"file 7\nanon {used}")):
        if text:
            (tmp_path / name).write_text(f"{text}\n", encoding="utf-8")
    (tmp_path / "a b").write_text("data", encoding="utf-8")
    command = redis_files.check_command(RDB | {"program": "cat", "file": str(tmp_path / "a b")}, str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "" if code else "data")
