# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_info looks at a real Redis, whatever state it is in; redis-cli says what is true."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.redis_info import SPEC
from incident_runbooks.lab.ports import free_port
from support.redis import HOST, PASSWORD, RedisServer, Starter, eventually, redis_server, running

__all__ = ["redis_server"]

FULL = {"cause": "oom", "message": "its memory is full and the policy noeviction evicts nothing"}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(tmp_path_factory.mktemp("redis") / "data", {"appendonly": "yes"}) as server:
        server.cli("SET", "session:1", "one", "EX", "900")
        server.cli("-n", "3", "SET", "job:1", "one")
        yield server


def run(options: dict[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
    """Run the module as its edges do; nothing of the password is in what it says."""
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    params = {**defaults, **options}
    said = conclude(SPEC, params, check_mode)
    told = json.dumps(said, ensure_ascii=False)
    assert json.dumps(censor(said, set(SPEC.secrets(params))), ensure_ascii=False) == told, "nothing is to be censored"
    assert PASSWORD not in told
    assert said["changed"] is False
    return said


def test_a_healthy_server(healthy: RedisServer) -> None:
    for check_mode in (False, True):
        found = run(healthy.options(), check_mode=check_mode)
        assert (found["reachable"], found["authenticated"], found["cause"]) == (True, True, None)
        assert (found["role"], found["keys"]) == ("master", 2)
        assert found["keyspace"] == {"db0": {"keys": 1, "expires": 1}, "db3": {"keys": 1, "expires": 0}}
        assert found["server"]["run_id"] == healthy.info("run_id")
        assert found["server"]["version"] == healthy.info("redis_version")
        assert (found["persistence"]["aof_enabled"], found["persistence"]["rdb_save_points"]) == (True, False)
        assert found["persistence"]["aof_fsync"] == "everysec"
        assert (found["memory"]["max_bytes"], found["memory"]["full"]) == (0, False)
        assert found["clients"]["max"] == int(healthy.cli("CONFIG", "GET", "maxclients").split()[1])
        assert found["writes"] == {"verdict": "accepted", "reasons": [], "doubts": []}
        assert found["denied"] == []
        assert found["latency"]["ping_s"] > 0
        assert (found["restart"]["risk"], found["restart"]["instead"]) == ("disruptive", None)
    assert healthy.cli("DBSIZE") == "1", "it wrote nothing"


def test_nothing_is_sent_but_what_looks(healthy: RedisServer) -> None:
    healthy.cli("CONFIG", "RESETSTAT")
    run(healthy.options())
    said = healthy.cli("INFO", "commandstats")
    asked = {line.split(":")[0] for line in said.splitlines() if line.startswith("cmdstat_")}
    assert asked == {f"cmdstat_{name}" for name in ("auth", "ping", "info", "config|get", "config|resetstat")}


def test_logins_that_do_not_fit(healthy: RedisServer) -> None:
    for given, cause in (
        ({"redis_password": None}, "noauth"),
        ({"redis_password": ""}, "noauth"),
        ({"redis_password": "wr0ng-password"}, "wrongpass"),
        ({"redis_username": "nobody"}, "wrongpass"),
    ):
        found = run(healthy.options(**given))
        assert (found["reachable"], found["authenticated"], found["cause"]) == (True, False, cause)
        assert (found["writes"]["verdict"], found["keys"], found["restart"]["risk"]) == ("unknown", None, "pointless")
        assert found["restart"]["instead"] == "fix_credentials"


def test_users_with_fewer_rights(healthy: RedisServer) -> None:
    healthy.cli("ACL", "SETUSER", "blind", "on", ">pw", "+ping")
    healthy.cli("ACL", "SETUSER", "looks", "on", ">pw", "+ping", "+info")
    healthy.cli("ACL", "SETUSER", "mute", "on", ">pw", "+info")
    blind = run(healthy.options(redis_username="blind", redis_password="pw"))
    assert (blind["authenticated"], blind["cause"], blind["writes"]["verdict"]) == (True, "noperm", "unknown")
    assert [each["command"] for each in blind["denied"]] == ["INFO"]
    looks = run(healthy.options(redis_username="looks", redis_password="pw"))
    assert (looks["cause"], looks["role"], looks["clients"]["max"]) == (None, "master", 10000)
    assert [each["command"] for each in looks["denied"]] == ["CONFIG GET"]
    assert looks["persistence"]["rdb_save_points"] is None
    mute = run(healthy.options(redis_username="mute", redis_password="pw"))
    assert (mute["authenticated"], mute["cause"], mute["role"]) == (True, "noperm", "master")


def test_a_full_memory_answers_pong_and_takes_nothing(redis_server: Starter) -> None:
    server = redis_server(maxmemory="2mb", maxmemory_policy="noeviction")
    server.cli("SET", "a", "b")
    assert run(server.options())["writes"]["verdict"] == "accepted"
    server.cli("CONFIG", "SET", "maxmemory", "100kb")
    assert (server.cli("PING"), server.cli("SET", "a", "c")[:3]) == ("PONG", "OOM")
    found = run(server.options())
    assert (found["cause"], found["memory"]["full"]) == (None, True)
    assert found["writes"] == {"verdict": "refused", "reasons": [FULL], "doubts": []}
    assert (found["restart"]["risk"], found["restart"]["instead"]) == ("pointless", "free_memory")
    server.cli("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    assert server.cli("SET", "a", "c")[:3] == "OOM"
    assert "finds no key" in run(server.options())["writes"]["reasons"][0]["message"]


def test_a_snapshot_that_cannot_be_saved(redis_server: Starter) -> None:
    server = redis_server(save="3600 1")
    server.cli("SET", "a", "b")
    (server.directory / "dump.rdb").mkdir()  # a rename onto it fails, also for root
    server.cli("BGSAVE")
    eventually(lambda: server.info("rdb_last_bgsave_status") == "err", "the save fails")
    assert server.cli("SET", "a", "c")[:7] == "MISCONF"
    found = run(server.options())
    assert [each["cause"] for each in found["writes"]["reasons"]] == ["misconf"]
    assert (found["persistence"]["rdb_last_bgsave_ok"], found["restart"]["instead"]) == (False, "fix_disk")
    server.cli("ACL", "SETUSER", "looks", "on", ">pw", "+ping", "+info")
    told = run(server.options(redis_username="looks", redis_password="pw"))
    assert (told["cause"], told["writes"]["verdict"]) == (None, "refused"), "PING was refused, so no setting is needed"
    server.cli("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    assert server.cli("SET", "a", "c") == "OK"
    assert run(server.options())["writes"]["verdict"] == "accepted"


def test_a_replica_and_its_master(redis_server: Starter) -> None:
    master = redis_server(min_replicas_to_write="1", repl_diskless_sync_delay="0")
    alone = run(master.options())
    assert master.cli("SET", "a", "b")[:10] == "NOREPLICAS"
    assert [each["cause"] for each in alone["writes"]["reasons"]] == ["noreplicas"]
    replica = redis_server(replicaof=f"{HOST} {master.port}", masterauth=f'"{PASSWORD}"', replica_serve_stale_data="no")
    eventually(lambda: replica.info("master_link_status") == "up", "the replica is there")
    found = run(replica.options())
    assert (found["role"], found["replication"]["link_up"]) == ("replica", True)
    assert [each["cause"] for each in found["writes"]["reasons"]] == ["readonly"]
    assert found["restart"]["instead"] == "use_the_master"
    assert run(master.options())["replication"]["replicas"] == 1
    master.stop()
    eventually(lambda: replica.info("master_link_status") == "down", "the master is gone")
    orphan = run(replica.options())
    assert (orphan["reachable"], orphan["cause"], orphan["replication"]["link_up"]) == (True, "masterdown", False)


def test_a_server_that_is_loading(redis_server: Starter) -> None:
    server = redis_server(
        enable_debug_command="yes", key_load_delay="2000", loading_process_events_interval_bytes="1024"
    )
    server.cli("DEBUG", "POPULATE", "20000", "key", "100")
    server.cli("SAVE")
    server.stop()
    server.start()
    found = run(server.options())
    assert (found["reachable"], found["cause"], found["loading"]["active"]) == (True, "loading", True)
    assert (found["keys"], found["writes"]["verdict"]) == (None, "refused")
    assert (found["restart"]["risk"], found["restart"]["instead"]) == ("pointless", "wait")


def test_clients_that_are_turned_away(redis_server: Starter) -> None:
    server = redis_server(maxclients="1")
    with socket.create_connection((HOST, server.port)) as held:
        held.sendall(f'AUTH "{PASSWORD}"\r\n'.encode())
        assert held.recv(100) == b"+OK\r\n"
        found = run(server.options())
    assert (found["reachable"], found["cause"], found["restart"]["instead"]) == (True, "max_clients", "find_the_leak")


def test_a_cluster_without_its_slots(redis_server: Starter) -> None:
    server = redis_server(cluster_enabled="yes", cluster_port=str(free_port()))
    assert (server.cli("PING"), server.cli("SET", "a", "b")[:11]) == ("PONG", "CLUSTERDOWN")
    found = run(server.options())
    assert (found["cause"], found["server"]["mode"]) == (None, "cluster")
    assert [each["cause"] for each in found["writes"]["reasons"]] == ["clusterdown"]
    assert found["restart"]["instead"] == "fix_cluster"
    server.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    eventually(lambda: "cluster_state:ok" in server.cli("CLUSTER", "INFO"), "the cluster works")
    assert run(server.options())["writes"]["verdict"] == "accepted"


def test_a_password_where_none_is_set(redis_server: Starter) -> None:
    server = redis_server(requirepass='""')
    found = run(server.options())
    assert (found["reachable"], found["cause"]) == (True, "no_password_set")
    assert run(server.options(redis_password=None))["authenticated"] is True


def test_a_password_that_redis_quotes(redis_server: Starter) -> None:
    """It cuts arguments off after 128 characters, so that the whole password is not in the text."""
    secret = "q7" * 100
    server = redis_server(rename_command="AUTH NOBODY")
    found = run(server.options(redis_password=secret))
    assert (found["cause"], "unknown command 'AUTH'" in found["message"]) == ("unknown_command", True)
    assert "q7q7q7q7" not in json.dumps(found)


def test_an_append_only_file_that_is_only_begun(redis_server: Starter) -> None:
    server = redis_server(rdb_key_save_delay="60000000")
    server.cli("SET", "a", "b")
    assert run(server.options())["restart"]["risk"] == "destructive"
    server.cli("CONFIG", "SET", "appendonly", "yes")
    eventually(lambda: server.info("aof_rewrite_in_progress") == "1", "the file is begun")
    begun = run(server.options())
    assert (begun["persistence"]["aof_enabled"], begun["persistence"]["aof_last_write_ok"]) == (True, True)
    assert (begun["restart"]["risk"], begun["restart"]["lost_changes"]) == ("unknown", None)
    server.cli("CONFIG", "SET", "appendonly", "no")  # ends the child


def test_what_is_lost_where_nothing_is_saved(redis_server: Starter) -> None:
    server = redis_server()
    server.cli("SET", "a", "b")
    found = run(server.options())
    assert {"risk": "destructive", "instead": "save", "save_first": True, "lost_changes": 1}.items() <= found[
        "restart"
    ].items()
    assert run(server.options(claims=[]))["restart"]["save_first"] is False
    pending = run(server.options(claims=[{"name": "data-redis-0", "phase": "Pending"}]))
    assert pending["restart"]["instead"] == "fix_volume"


def test_encrypted(redis_server: Starter, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    files = {name: tmp_path / name for name in ("cert-file", "key-file", "ca-cert-file")}
    certificate.cert_chain_pems[0].write_to_path(str(files["cert-file"]))
    certificate.private_key_pem.write_to_path(str(files["key-file"]))
    authority.cert_pem.write_to_path(str(files["ca-cert-file"]))
    server = redis_server(tls=files)
    trusted = {"redis_tls": True, "redis_ca_cert": str(files["ca-cert-file"])}
    assert run(server.options(**trusted))["cause"] is None
    assert run(server.options(redis_tls=True))["cause"] == "tls"
    plain = run(server.options())
    assert (plain["reachable"], plain["cause"]) == (False, "no_answer")
    assert "redis_ca_cert is no file" in run(server.options(redis_tls=True, redis_ca_cert="/nowhere"))["msg"]


def test_nobody_listens_or_something_else_does() -> None:
    login = {"redis_host": HOST, "redis_password": PASSWORD, "redis_request_timeout": 1}
    found = run({**login, "redis_port": 1})
    assert (found["reachable"], found["cause"], found["authenticated"]) == (False, "refused", None)
    assert (found["restart"]["risk"], found["writes"]["verdict"]) == ("unknown", "unknown")
    assert run({**login, "redis_host": "no-such-host.invalid"})["cause"] in {"dns", "timeout"}
    with socket.create_server((HOST, 0)) as silent:
        assert run({**login, "redis_port": silent.getsockname()[1]})["cause"] == "timeout"
    with socket.create_server((HOST, 0)) as web:
        threading.Thread(target=_answer, args=(web,), daemon=True).start()
        assert run({**login, "redis_port": web.getsockname()[1]})["cause"] == "no_answer"
    assert run({})["cause"] == "not_configured"


def _answer(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_options_that_make_no_sense() -> None:
    for given, text in (
        ({"redis_host": f"redis://:{PASSWORD}@host"}, "redis_host must be"),
        ({"redis_host": HOST, "redis_port": 0}, "redis_port must be"),
        ({"redis_host": HOST, "redis_request_timeout": 0}, "redis_request_timeout must be"),
    ):
        found = run({"redis_password": PASSWORD, **given})
        assert found["failed"] is True
        assert text in found["msg"]
