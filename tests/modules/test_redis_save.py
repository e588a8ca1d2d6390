# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_save lets a real Redis save a snapshot; its files and a new server on them say what is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.redis_save import SPEC
from support.redis import HOST, PASSWORD, Starter, eventually, redis_server

__all__ = ["redis_server"]


def run(options: dict[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
    """Run the module as its edges do; nothing of the password is in what it says."""
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    params = {**defaults, **options}
    said = conclude(SPEC, params, check_mode)
    told = json.dumps(said, ensure_ascii=False)
    assert json.dumps(censor(said, set(SPEC.secrets(params))), ensure_ascii=False) == told, "nothing is to be censored"
    assert PASSWORD not in told
    return said


def was_written(file: Path) -> tuple[int, int, int]:
    """Which file it is and when it was written; a Redis that starts reads it."""
    found = file.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def test_what_was_in_no_file_is_there_after_a_restart(redis_server: Starter) -> None:
    server = redis_server()
    server.cli("SET", "session", "kept")
    file = server.directory / "dump.rdb"
    plan = run(server.options(), check_mode=True)
    assert (plan["status"], plan["changed"], plan["results"][0]["result"]) == ("planned", True, "would_save")
    assert plan["before"]["rdb_changes_since_last_save"] == 1
    assert (file.exists(), server.info("rdb_changes_since_last_save")) == (False, "1"), "check mode saves nothing"
    done = run(server.options(targets=plan["targets"]))
    assert (done["status"], done["changed"], done["refusal"]) == ("done", True, None)
    assert done["targets"] == plan["targets"]
    assert (done["after"]["rdb_changes_since_last_save"], done["after"]["rdb_last_bgsave_ok"]) == (0, True)
    written = was_written(file)
    again = run(server.options(targets=plan["targets"]))
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "no_change", False)
    assert was_written(file) == written
    server.stop()
    server.start()
    eventually(lambda: server.cli("GET", "session") == "kept", "the data is loaded")
    server.cli("SET", "session", "new")
    other = run(server.options(targets=plan["targets"]))
    assert (other["status"], other["refusal"], other["changed"]) == ("refused", "plan_changed", False)
    assert was_written(file) == written


def test_a_save_that_fails(redis_server: Starter) -> None:
    server = redis_server()
    server.cli("SET", "a", "b")
    (server.directory / "dump.rdb").mkdir()
    found = run(server.options())
    assert (found["status"], found["changed"], found["results"][0]["result"]) == ("failed", False, "failed")
    assert server.info("rdb_last_bgsave_status") == "err"
    (server.directory / "dump.rdb").rmdir()
    assert run(server.options())["status"] == "done"


def test_a_save_that_takes_longer_is_unknown_and_the_next_one_waits_for_it(redis_server: Starter) -> None:
    server = redis_server(rdb_key_save_delay="20000", appendonly="yes")
    server.cli("MSET", *(part for number in range(100) for part in (f"key:{number}", "x")))
    found = run(server.options(wait_s=1))
    assert (found["status"], found["changed"], found["after"]["rdb_bgsave_in_progress"]) == ("unknown", True, True)
    assert "goes on" in found["reason"]
    assert "append-only file" in found["caveats"][0]
    planned = run(server.options(), check_mode=True)
    assert planned["status"] == "planned"
    server.cli("CONFIG", "SET", "rdb-key-save-delay", "0")
    done = run(server.options())
    assert done["status"] == "done"
    assert server.info("rdb_saves") == "2"


def test_what_is_refused_and_by_whom(redis_server: Starter) -> None:
    server = redis_server()
    server.cli("SET", "a", "b")
    large = run(server.options(max_used_bytes=1000))
    assert (large["status"], large["refusal"], large["changed"]) == ("refused", "too_large", False)
    server.cli("ACL", "SETUSER", "looks", "on", ">pw", "+ping", "+info")
    denied = run(server.options(redis_username="looks", redis_password="pw"))
    assert (denied["status"], denied["changed"]) == ("failed", False)
    assert "no permissions" in denied["reason"]
    assert not (server.directory / "dump.rdb").exists()
    for given, cause in (({"redis_password": "wr0ng-password"}, "wrongpass"), ({"redis_port": 1}, "refused")):
        failed = run(server.options(**given))
        assert (failed["failed"], failed["changed"], failed["cause"]) == (True, False, cause)
        assert failed["msg"].startswith("Saving a snapshot of Redis at 127.0.0.1:")
    for given in ({"wait_s": 0}, {"wait_s": 601}, {"max_used_bytes": 2**40}):
        assert run({"redis_host": HOST, **given})["failed"] is True
    assert run({})["cause"] == "not_configured"
