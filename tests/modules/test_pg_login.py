# SPDX-License-Identifier: GPL-3.0-or-later
"""How the PostgreSQL modules get in, and what they say when they do not."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import postgres_connect
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_connect import open_connection
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import conclude
from ansible_collections.brandconnect.incidents.plugins.modules.pg_activity import SPEC
from incident_runbooks.lab import postgres as lab
from incident_runbooks.lab.processes import launch_options

CANARY = "c4n4ry"


def examine(**options: Any) -> dict[str, Any]:
    validation = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate(options)
    assert not validation.errors.errors, validation.errors.msg
    return conclude(SPEC, validation.validated_parameters, check_mode=False)


def tried(result: dict[str, Any]) -> list[tuple[str, bool, str | None]]:
    return [(attempt["login"], attempt["ok"], attempt["sqlstate"]) for attempt in result["attempts"]]


def fill(pg: Any, user: str) -> list[psycopg.Connection[Any]]:
    """Take every slot that *user* can get."""
    held: list[psycopg.Connection[Any]] = []
    with contextlib.suppress(psycopg.OperationalError):
        held.extend(pg.connect(user=user) for _ in range(30))
    return held


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def nobody() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_full_server_is_examined_through_the_reserved_login(pg: Any) -> None:
    assert len(fill(pg, pg.app_user)) == 17
    offset = pg.log_path.stat().st_size

    result = examine(**pg.login())

    assert tried(result) == [("ops", False, "53300"), ("reserved", True, None)]
    assert (result["reachable"], result["login"], result["cause"]) == (True, "reserved", "server_slots_exhausted")
    assert (result["slots"]["used"], result["slots"]["free"], result["slots"]["used_ratio"]) == (17, 0, 1.0)
    assert result["attempts"][0]["limit"] == "server"
    assert " 53300 " in pg.log_path.read_bytes()[offset:].decode()


def test_when_the_reserved_slots_are_gone_too_it_says_so_at_once(pg: Any) -> None:
    assert len(fill(pg, pg.app_user)) == 17
    assert len(fill(pg, pg.superuser)) == 3
    started = time.monotonic()

    result = examine(**pg.login())

    assert time.monotonic() - started < 3
    assert tried(result) == [("ops", False, "53300"), ("reserved", False, "53300")]
    assert (result["reachable"], result["login"], result["cause"]) == (False, None, "server_slots_exhausted")
    assert "SIGTERM" in result["hint"]
    assert "\n" not in result["message"]
    assert "LOCATION" not in json.dumps(result)


def test_without_a_reserved_login_a_full_server_is_one_attempt(pg: Any) -> None:
    fill(pg, pg.app_user)
    result = examine(**{**pg.login(), "reserved_user": ""})
    assert (tried(result), result["cause"]) == ([("ops", False, "53300")], "server_slots_exhausted")
    assert "reserved_user" in result["hint"]


def test_a_wrong_reserved_password_does_not_hide_that_the_server_is_full(pg: Any) -> None:
    fill(pg, pg.app_user)
    result = examine(**{**pg.login(), "reserved_password": CANARY})
    assert (tried(result)[1], result["cause"]) == (("reserved", False, "28P01"), "server_slots_exhausted")
    assert "28P01" in result["hint"]


@pytest.mark.parametrize("of", ["ROLE brandconnect_ops", "DATABASE brandconnect"])
def test_a_limit_of_a_role_or_database_is_told_from_the_servers(pg: Any, of: str) -> None:
    kind = of.split(maxsplit=1)[0].lower()
    with pg.connect(dbname="postgres") as connection:
        connection.execute(f"ALTER {of} CONNECTION LIMIT 0".encode())
        try:
            result = examine(**pg.login())
        finally:
            connection.execute(f"ALTER {of} CONNECTION LIMIT -1".encode())
    assert tried(result) == [("ops", False, "53300"), ("reserved", True, None)]
    assert result["attempts"][0]["limit"] == kind
    assert f"too many connections for {kind}" in result["message"]


@pytest.mark.parametrize(
    ("changes", "cause", "sqlstate"),
    [
        ({"login_password": CANARY}, "auth", "28P01"),
        ({"login_user": "who"}, "auth", "28P01"),
        ({"login_password": ""}, "auth", None),
        ({"login_db": "nope"}, "database_missing", "3D000"),
        ({"ssl_mode": "require"}, "tls", None),
        ({"login_host": "nope.invalid"}, "dns", None),
        ({"login_host": "not a name"}, "dns", None),
    ],
    ids=str,
)
def test_causes_of_a_refused_login(pg: Any, changes: dict[str, Any], cause: str, sqlstate: str | None) -> None:
    result = examine(**{**pg.login(), **changes})
    assert (result["reachable"], result["cause"]) == (False, cause)
    assert tried(result) == [("ops", False, sqlstate)]
    assert result["hint"]
    assert CANARY not in json.dumps(result)


def test_nothing_listens(nobody: int) -> None:
    result = examine(login_host="127.0.0.1", login_port=nobody, login_user="ops")
    assert (result["cause"], tried(result)) == ("refused", [("ops", False, None)])
    socket_missing = examine(login_host="/nonexistent", login_port=nobody, login_user="ops")
    assert socket_missing["cause"] == "refused"


def test_a_server_that_never_answers_costs_its_time_and_no_more(deaf: int) -> None:
    started = time.monotonic()
    result = examine(login_host="127.0.0.1", login_port=deaf, login_user="ops", connect_timeout=1)
    assert 1 <= time.monotonic() - started < 3
    assert (result["cause"], result["message"]) == ("timeout", "no answer within 1 s")


def test_a_server_that_is_no_database(nobody: int) -> None:
    program = "import http.server as h; h.HTTPServer(('127.0.0.1', %d), h.BaseHTTPRequestHandler).serve_forever()"
    with subprocess.Popen([sys.executable, "-c", program % nobody], stderr=subprocess.DEVNULL) as web:
        try:
            wait_until_open(nobody)
            result = examine(login_host="127.0.0.1", login_port=nobody, login_user="ops", connect_timeout=1)
        finally:
            web.terminate()
    assert result["reachable"] is False
    assert result["cause"] in {"tls", "connection_lost", "unknown", "timeout"}


def test_of_several_hosts_the_next_one_is_tried(pg: Any, nobody: int, deaf: int) -> None:
    dsn = f"host=127.0.0.1,127.0.0.1,127.0.0.1 port={nobody},{deaf},{pg.port} user={pg.ops_user} dbname={pg.database}"
    result = examine(login_dsn=dsn, login_password=pg.ops_password, connect_timeout=1)
    assert (result["reachable"], len(result["attempts"])) == (True, 1)


def test_environment_and_connection_string_count_in_libpqs_order(pg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PGHOST", pg.host), ("PGPORT", str(pg.port)), ("PGDATABASE", "postgres")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PGUSER", pg.ops_user)
    monkeypatch.setenv("PGPASSWORD", pg.ops_password)
    assert examine()["server"]["database"] == "postgres"
    assert examine(login_dsn=f"dbname={pg.database}")["server"]["database"] == pg.database
    assert examine(login_dsn="dbname=nope", login_db=pg.database)["server"]["database"] == pg.database


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://ops:{CANARY}@127.0.0.1:1/x",
        f"host=127.0.0.1 port=1 password={CANARY}",
        f"postgresql://ops:p/{CANARY}@127.0.0.1/x",
        f"host=127.0.0.1 sslmode=require;password={CANARY}",
        f"host=127.0.0.1 port=1 target_session_attrs={CANARY}",
        f"host=127.0.0.1 port=1 password={CANARY} {CANARY}",
    ],
)
def test_a_secret_in_a_connection_string_is_never_said(dsn: str, capfd: pytest.CaptureFixture[str]) -> None:
    said = json.dumps(examine(login_dsn=dsn))
    assert CANARY not in said + "".join(capfd.readouterr())


def test_the_connection_is_as_psycopg_makes_it(pg: Any) -> None:
    """Ours is built from libpq's handle; nothing that psycopg would set may be missing."""
    with pg.connect(user=pg.ops_user) as theirs:
        parameters = {"host": pg.host, "port": str(pg.port), "user": pg.ops_user, "password": pg.ops_password}
        ours = open_connection(parameters | {"dbname": pg.database}, 5)
        assert isinstance(ours, psycopg.Connection)
        with ours:
            looks = [
                (c.autocommit, c.pgconn.nonblocking, c.pgconn.status, c.info.encoding, c.info.transaction_status)
                for c in (ours, theirs)
            ]
            with pytest.raises(psycopg.errors.DivisionByZero) as error:
                ours.execute("SELECT 1/0")
            assert "LOCATION" not in str(error.value)  # the verbosity is back to normal
            assert ours.execute("SELECT 1").fetchone() == (1,)
    assert looks[0] == looks[1]


def test_without_libpqs_verbosity_the_known_texts_still_tell(pg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connect, "_psycopg_library", object)
    postgres_connect._verbosity_setter.cache_clear()
    try:
        fill(pg, pg.app_user)
        result = examine(**pg.login())
        wrong = examine(**{**pg.login(), "login_user": "postgres", "login_password": CANARY})
    finally:
        postgres_connect._verbosity_setter.cache_clear()
    assert tried(result) == [("ops", False, "53300"), ("reserved", True, None)]
    assert wrong["cause"] == "auth"


def test_psycopgs_own_libpq_is_found() -> None:
    """Otherwise causes would silently depend on the server's language."""
    assert postgres_connect._psycopg_library().PQlibVersion() == psycopg.pq.version()


class OwnServer:
    """A server that this test configures: in German where the installation has the texts."""

    def __init__(self, pg: Any, directory: Path) -> None:
        self.server = lab.lay_out(pg.server, directory)
        lab.initialise(self.server)
        self._process: subprocess.Popen[Any] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def start(self, *settings: str) -> None:
        prefix, options = launch_options(self.server.run_as)
        command = [*prefix, str(self.server.folder / "postgres"), "-D", str(self.server.data), "-p", str(self.port)]
        command += [part for setting in ("lc_messages=C.UTF-8", *settings) for part in ("-c", setting)]
        environ = os.environ | {"LANGUAGE": "de"}
        with self.server.log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd="/", env=environ, stderr=log, **options)
        wait_until_open(self.port)

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(2)  # fast shutdown
            self._process.wait(10)
            self._process = None

    def login(self) -> dict[str, Any]:
        superuser = self.server.superuser
        return {
            "login_host": "127.0.0.1",
            "login_port": self.port,
            "login_user": superuser.user,
            "login_password": superuser.password,
            "login_db": "postgres",
        }


@pytest.fixture
def own_server(pg: Any, tmp_path: Path) -> Iterator[OwnServer]:
    server = OwnServer(pg, tmp_path)
    yield server
    server.stop()
    lab.remove(server.server)


def wait_until_open(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def eventually(ask: Callable[[], dict[str, Any]], cause: str | None) -> dict[str, Any]:
    """A server that is just starting says so first."""
    deadline = time.monotonic() + 10
    while (result := ask())["cause"] != cause and time.monotonic() < deadline:
        time.sleep(0.02)
    return result


def test_causes_do_not_depend_on_the_language_and_recovery_is_one(own_server: OwnServer) -> None:
    own_server.start()
    login = own_server.login()
    assert eventually(lambda: examine(**login), None)["reachable"]
    with psycopg.connect(
        host="127.0.0.1",
        port=own_server.port,
        user=login["login_user"],
        password=login["login_password"],
        dbname="postgres",
    ) as connection:
        connection.execute("CREATE ROLE limited LOGIN PASSWORD 'limited' CONNECTION LIMIT 0")
    limited = examine(**{**login, "login_user": "limited", "login_password": "limited"})
    missing = examine(**{**login, "login_db": "nope"})
    wrong = examine(**{**login, "login_password": "wrong"})
    own_server.stop()
    (own_server.server.data / "standby.signal").touch()
    own_server.start("hot_standby=off")
    standby = eventually(lambda: examine(**login), "in_recovery")

    assert [result["cause"] for result in (limited, missing, wrong, standby)] == [
        "server_slots_exhausted",
        "database_missing",
        "auth",
        "in_recovery",
    ]
    assert [result["attempts"][0]["sqlstate"] for result in (limited, missing, wrong, standby)] == [
        "53300",
        "3D000",
        "28P01",
        "57P03",
    ]
    assert limited["attempts"][0]["limit"] == "role"
    # a build without translations answers in English; the causes above are right either way
    assert any(words in limited["message"] for words in ("zu viele Verbindungen", "too many connections"))
