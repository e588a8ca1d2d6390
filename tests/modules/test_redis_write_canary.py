# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_write_canary writes one key into a real Redis; redis-cli says what is there."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.redis_write_canary import SPEC
from support.redis import HOST, PASSWORD, Starter, eventually, redis_server

__all__ = ["redis_server"]

KEY = "incident:canary:auth-down-1"
FINE = {"key": KEY, "ok": True, "cause": None, "message": None}


def run(options: dict[str, Any], *, incident: str = "auth-down-1", check_mode: bool = False) -> dict[str, Any]:
    """Run the module as its edges do; nothing of the password is in what it says."""
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    params = {**defaults, **options, "incident": incident}
    said = conclude(SPEC, params, check_mode)
    told = json.dumps(said, ensure_ascii=False)
    assert json.dumps(censor(said, set(SPEC.secrets(params))), ensure_ascii=False) == told, "nothing is to be censored"
    assert PASSWORD not in told
    return said


def test_one_key_is_written_and_goes_away(redis_server: Starter) -> None:
    server = redis_server()
    planned = run(server.options(), check_mode=True)
    assert (planned["reachable"], planned["changed"], planned["canary"]) == (True, False, {**FINE, "ok": None})
    assert server.cli("DBSIZE") == "0", "check mode writes nothing"
    for _ in range(2):
        done = run(server.options())
        assert (done["changed"], done["canary"]) == (True, FINE)
        assert 0 < int(server.cli("TTL", KEY)) <= 10
    assert server.cli("DBSIZE") == "1"


def test_a_server_that_refuses_says_why(redis_server: Starter) -> None:
    server = redis_server(maxmemory="100kb", maxmemory_policy="noeviction")
    full = run(server.options())
    assert (full["reachable"], full["changed"], full["canary"]["ok"], full["canary"]["cause"]) == (
        True,
        False,
        False,
        "oom",
    )
    server.cli("CONFIG", "SET", "maxmemory", "0")
    server.cli("ACL", "SETUSER", "looks", "on", ">pw", "+ping", "+info")
    denied = run(server.options(redis_username="looks", redis_password="pw"))
    assert (denied["changed"], denied["canary"]["ok"], denied["canary"]["cause"]) == (False, False, "noperm")
    wrong = run(server.options(redis_password="wr0ng-password"))
    assert (wrong["reachable"], wrong["cause"], wrong["canary"]) == (False, "wrongpass", None)
    replica = redis_server(replicaof=f"{HOST} {server.port}", masterauth=f'"{PASSWORD}"')
    eventually(lambda: replica.info("master_link_status") == "up", "the replica is there")
    assert "read only replica" in run(replica.options())["canary"]["message"]
    assert server.cli("EXISTS", KEY) == "0"


def test_what_is_written_and_not_read_is_a_change(redis_server: Starter) -> None:
    server = redis_server()
    server.cli("ACL", "SETUSER", "writes", "on", ">pw", "+set", "~incident:*")
    unread = run(server.options(redis_username="writes", redis_password="pw"))
    assert (unread["changed"], unread["canary"]["ok"], unread["canary"]["cause"]) == (True, True, "noperm")


@pytest.mark.parametrize(
    ("answers", "ok", "changed"),
    [
        ((b"+OK\r\n", b"$-1\r\n"), False, True),  # evicted at once, or a proxy that reads from elsewhere
        ((b"",), None, True),
        ((b"-MOVED 1 127.0.0.1:1\r\n",), None, False),
    ],
)
def test_answers_of_no_single_server(answers: tuple[bytes, ...], ok: bool | None, changed: bool) -> None:
    """Whatever may have been written counts as a change."""
    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, answers))
        thread.start()
        said = run({"redis_host": HOST, "redis_port": listener.getsockname()[1], "redis_request_timeout": 10})
        thread.join(10)
    assert (said["canary"]["ok"], said["changed"]) == (ok, changed)


def serve(listener: socket.socket, answers: tuple[bytes, ...]) -> None:
    """Answer one client, each of its commands by the next answer."""
    client, _ = listener.accept()
    with client:
        for answer in answers:
            client.recv(4096)
            client.sendall(answer)


def test_nobody_listens() -> None:
    found = run({"redis_host": HOST, "redis_port": 1})
    assert (found["reachable"], found["cause"], found["changed"], found["canary"]) == (False, "refused", False, None)


@pytest.mark.parametrize("incident", ["", "a b", "a\nb", "x" * 81])
def test_an_incident_that_is_none_is_refused(incident: str) -> None:
    assert "incident must be 1 to 80 letters" in run({"redis_host": HOST}, incident=incident)["msg"]
