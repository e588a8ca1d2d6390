# SPDX-License-Identifier: GPL-3.0-or-later
"""ClickHouse of the lab: its HTTP interface, its process, its tables. The old server is the real thing to compare."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab import processes
from incident_runbooks.lab.clickhouse import part as parts
from incident_runbooks.lab.clickhouse.client import ClickHouseError
from incident_runbooks.lab.clickhouse.part import ClickHousePart
from incident_runbooks.lab.clickhouse.seed import LEFT_OVER, seed, write_newest
from support.clickhouse import old_program, running
from support.services import listening

Ask = Callable[..., requests.Response]


def asker(part: ClickHousePart) -> Ask:
    def ask(sql: str | bytes = "", method: str = "POST", headers: dict[str, str] | None = None, **query: Any) -> Any:
        login = {"X-ClickHouse-User": part.user, "X-ClickHouse-Key": part.password}
        body = sql.encode() if isinstance(sql, str) else sql
        return requests.request(
            method, f"{part.url}/", params=query, data=body, headers=login if headers is None else headers, timeout=20
        )

    return ask


@pytest.fixture(scope="module")
def ask(clickhouse: ClickHousePart) -> Ask:
    return asker(clickhouse)


@pytest.fixture(scope="module", params=["current", "old"])
def seeded(request: pytest.FixtureRequest) -> ClickHousePart:
    """Both servers, with the platform's tables."""
    part: ClickHousePart = request.getfixturevalue("clickhouse" if request.param == "current" else "old_clickhouse")
    if not part.client.value("SELECT count() AS found FROM system.databases WHERE name = 'analytics'"):
        seed(part.client)
    return part


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within 20 s"
        time.sleep(0.02)


# Who gets in


def test_it_says_that_it_is_there_without_a_login(clickhouse: ClickHousePart) -> None:
    ping = requests.get(f"{clickhouse.url}/ping", timeout=10)
    assert (ping.status_code, ping.text) == (200, "Ok.\n")
    elsewhere = requests.get(f"{clickhouse.url}/pong", timeout=10)
    assert elsewhere.status_code == 404
    assert "There is no handle /pong" in elsewhere.text


@pytest.mark.parametrize("user", ["runbook", "somebody", "default"])
def test_a_wrong_password_is_refused(ask: Ask, user: str) -> None:
    refused = ask("SELECT 1", headers={"X-ClickHouse-User": user, "X-ClickHouse-Key": "guessed-it"})
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    assert refused.text.startswith(f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect")
    assert refused.text.rstrip().endswith("(AUTHENTICATION_FAILED) (version 26.9.2.1)")
    assert "guessed-it" not in refused.text
    assert ask("SELECT 1", headers={}).status_code == 403


def test_every_way_to_give_a_login_works(ask: Ask, clickhouse: ClickHousePart) -> None:
    user, password = clickhouse.user, clickhouse.password
    assert ask("SELECT 1", headers={}, user=user, password=password).text == "1\n"
    basic = requests.post(f"{clickhouse.url}/", data="SELECT 1", auth=(user, password), timeout=10)
    assert (basic.status_code, basic.text) == (200, "1\n")
    assert requests.post(f"{clickhouse.url}/", data="SELECT 1", auth=(user, "no"), timeout=10).status_code == 403
    assert ask("SELECT 1", headers={"Authorization": "Basic =="}).status_code == 403


# What may be asked


def test_get_only_reads(ask: Ask) -> None:
    assert ask(method="GET", query="SELECT 1 + 1").text == "2\n"
    refused = ask(method="GET", query="CREATE TABLE default.by_get (x UInt8) ENGINE = Memory")
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (500, "164")
    assert "(READONLY)" in refused.text
    assert ask("EXISTS TABLE default.by_get").text == "0\n"
    assert "READONLY" in ask(method="GET", query="SELECT 1", readonly=0).text, "nobody lifts it"


def test_readonly_refuses_what_changes_data(ask: Ask) -> None:
    ask("CREATE TABLE default.kept (x UInt8) ENGINE = MergeTree ORDER BY x")
    ask("INSERT INTO default.kept VALUES (1)")
    for statement in ("ALTER TABLE default.kept DELETE WHERE 1", "DROP TABLE default.kept", "SET readonly = 0"):
        refused = ask(statement, readonly=1, max_threads=1)
        assert refused.headers.get("X-ClickHouse-Exception-Code") == "164", statement
    assert ask("SELECT x FROM default.kept", readonly=1).text == "1\n"
    assert ask("DROP TABLE default.kept").status_code == 200, "the next query is free again"


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELECT disk usage", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM nothing", 404, 60, "UNKNOWN_TABLE"),
        ("SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("SELECT {x:UInt8}", 500, 456, "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT 1 SETTINGS no_such_setting = 1", 404, 115, "UNKNOWN_SETTING"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
    ],
)
def test_errors_have_their_code(ask: Ask, sql: str, status: int, code: int, name: str) -> None:
    refused = ask(sql)
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert refused.text.startswith(f"Code: {code}. DB::Exception: ")
    assert f"({name})" in refused.text
    assert refused.text.count("(version 26.9.2.1)") == 1


def test_formats(ask: Ask) -> None:
    found = ask("SELECT toUInt64(18446744073709551615) AS big, 'é' AS text FORMAT JSON")
    assert found.json()["data"] == [{"big": 18446744073709551615, "text": "é"}], "numbers, unlike 18.16"
    assert found.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert found.headers["X-ClickHouse-Format"] == "JSON"
    assert ask("SELECT 1 AS x", default_format="JSONEachRow").text == '{"x":1}\n'
    assert ask("SELECT 1, 2").text == "1\t2\n"
    assert ask("").text == "Ok.\n"


def test_a_database_can_be_chosen(ask: Ask) -> None:
    assert ask("SELECT currentDatabase()", database="system").text == "system\n"
    assert ask("SELECT currentDatabase()").text == "default\n"
    refused = ask("SELECT 1", database="no`where")
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (404, "81")


def test_parameters_are_values_and_nothing_else(ask: Ask) -> None:
    hostile = "'; DROP TABLE x; --"
    assert ask("SELECT {x:String}, {n:UInt8} + 1", param_x=hostile, param_n="2").text == "\\'; DROP TABLE x; --\t3\n"
    assert ask("SELECT getSetting('log_comment')", log_comment=hostile).text == "\\'; DROP TABLE x; --\n"
    assert ask("SELECT 1", **{"max_threads = 1, readonly": "0"}).status_code == 404


def test_a_query_id_comes_back(ask: Ask) -> None:
    assert ask("SELECT 1", query_id="lag-1").headers["X-ClickHouse-Query-Id"] == "lag-1"
    assert len(ask("SELECT 1").headers["X-ClickHouse-Query-Id"]) == 36
    split = ask("SELECT 1", query_id="a\r\nX-Evil: 1")
    assert "X-Evil" not in split.headers
    assert split.text == "1\n"


def test_data_of_an_insert_is_the_body(ask: Ask) -> None:
    ask("CREATE TABLE default.loaded (x UInt64, s String) ENGINE = Memory")
    assert ask(b"1,a\n2,b\n", query="INSERT INTO default.loaded FORMAT CSV").status_code == 200
    assert ask("3\tc\n", query="INSERT INTO default.loaded FORMAT TSV").status_code == 200
    assert ask("SELECT sum(x), groupArray(s) FROM default.loaded").text == "6\t['a','b','c']\n"


def test_a_chunked_body_is_read_to_its_end(clickhouse: ClickHousePart) -> None:
    login = {"X-ClickHouse-User": clickhouse.user, "X-ClickHouse-Key": clickhouse.password}
    with requests.Session() as session:
        for _ in range(2):  # the same connection
            found = session.post(f"{clickhouse.url}/", data=iter([b"SELECT ", b"4", b"2"]), headers=login, timeout=10)
            assert found.text == "42\n"


def test_sessions_are_refused_rather_than_ignored(ask: Ask) -> None:
    refused = ask("SELECT 1", session_id="mine")
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (501, "48")


def test_what_runs_can_be_seen_and_killed(ask: Ask) -> None:
    answers: list[requests.Response] = []
    slow = "SELECT count() FROM numbers(30) WHERE NOT ignore(sleepEachRow(1)) SETTINGS max_block_size = 1"
    thread = threading.Thread(target=lambda: answers.append(ask(slow)))
    thread.start()
    wait_until(lambda: "sleepEachRow(1)) SETT" in ask("SELECT query FROM system.processes").text, "query")
    ask("KILL QUERY WHERE query LIKE 'SELECT count() FROM numbers(30)%'")
    thread.join(20)
    assert answers[0].headers["X-ClickHouse-Exception-Code"] == "394"


def test_it_has_the_defaults_of_a_server(ask: Ask) -> None:
    found = "SELECT value FROM system.settings WHERE name = 'mutations_sync'"
    assert ask(found).text == "0\n"
    assert ask(found, mutations_sync=2).text == "2\n"
    assert ask("SELECT value FROM system.merge_tree_settings WHERE name = 'old_parts_lifetime'").text == "480\n"


# What the old server does otherwise; a module has to know both


def test_the_old_server_is_really_old(old_clickhouse: ClickHousePart) -> None:
    old = asker(old_clickhouse)
    assert old("SELECT version()").text == "18.16.1\n"
    refused = old("SELECT 1", headers={"X-ClickHouse-User": "runbook", "X-ClickHouse-Key": "no"})
    assert (refused.status_code, refused.text[:32]) == (401, "Code: 193, e.displayText() = DB:")
    assert "X-ClickHouse-Exception-Code" not in refused.headers
    assert old("SELECT toUInt64(1) AS n FORMAT JSON").json()["data"] == [{"n": "1"}]
    assert old("SELECT * FROM system.disks").text.startswith("Code: 60, ")
    assert old("SELECT {x:UInt8}", param_x=1).text.startswith("Code: 115, ")
    refused = old(method="GET", query="CREATE TABLE default.x (x UInt8) ENGINE = Memory")
    assert (refused.status_code, refused.text[:10]) == (500, "Code: 164,")


# The process


@pytest.fixture
def laid_out(tmp_path: Path) -> ClickHousePart:
    return parts.lay_out(tmp_path)


def test_data_survives_a_kill(laid_out: ClickHousePart) -> None:
    client = laid_out.client
    with running(laid_out) as record:
        seed(client)
        process = record.find()
        assert process is not None
        process.kill()
        process.wait(10)
        assert not parts.answers(laid_out)
        with pytest.raises(RunbookError, match="Asking the lab's ClickHouse"):
            client.run("SELECT 1")
    with running(ClickHousePart.from_plain(laid_out.to_plain())):
        assert client.value("SELECT uniqExact(toYYYYMM(created_at)) AS n FROM analytics.metric_snapshots") >= 7
        assert client.value(f"SELECT count() AS n FROM {LEFT_OVER}") == 60 * 24 * 24  # noqa: S608
        client.run(f"DROP TABLE {LEFT_OVER}")
    with running(laid_out):
        assert client.value("SELECT count() AS n FROM system.tables WHERE name = 'query_log_0'") == 0


def test_nothing_secret_can_be_seen(clickhouse: ClickHousePart, tmp_path: Path) -> None:
    old = parts.lay_out(tmp_path, old_program())
    files = [path for part in (clickhouse, old) for path in part.directory.iterdir() if path.is_file()]
    passwords = (clickhouse.password, old.password)
    holding = {path.name for path in files if any(each in path.read_text(encoding="utf-8") for each in passwords)}
    assert holding == {"logins.json"}
    assert {path.name: path.stat().st_mode & 0o77 for path in files if path.name in {"logins.json", "users.xml"}} == {
        "logins.json": 0,
        "users.xml": 0,
    }
    assert clickhouse.directory.stat().st_mode & 0o77 == 0
    assert clickhouse.password not in repr(clickhouse)
    assert clickhouse.variables() == {
        "clickhouse_url": clickhouse.url,
        "clickhouse_user": "runbook",
        "clickhouse_password": clickhouse.password,
        "clickhouse_database": "analytics",
    }


@pytest.mark.parametrize("which", ["clickhouse", "old_clickhouse"])
def test_it_listens_on_loopback_only(which: str, request: pytest.FixtureRequest) -> None:
    assert listening(request.getfixturevalue(which).port) == {"127.0.0.1"}


def test_what_a_broken_request_held_is_not_said(clickhouse: ClickHousePart) -> None:
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nX-ClickHouse-Key: {clickhouse.password}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", clickhouse.port), timeout=10) as connection:
        connection.sendall(f"{head}SELECT 's3cret'\r\n".encode())
        assert connection.recv(100) == b"", "it hangs up"
    said = clickhouse.log.read_text(encoding="utf-8")
    assert "ValueError" in said
    assert "s3cret" not in said
    assert clickhouse.password not in said


RUNNING = "SELECT count() AS n FROM system.processes WHERE query = 'SELECT sleep(3)'"


def ask_in_vain(part: ClickHousePart, sql: str) -> None:
    with pytest.raises(RunbookError):
        part.client.run(sql)


def test_a_configuration_where_it_is_started_is_not_read(laid_out: ClickHousePart, tmp_path: Path) -> None:
    (tmp_path / "config.xml").write_text("<clickhouse><path>/nowhere</path><no", encoding="utf-8")
    command = [sys.executable, "-P", "-m", "incident_runbooks.lab.clickhouse"]
    command += ["--directory", str(laid_out.directory), "--port", str(laid_out.port)]
    process = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **processes.base_environ()})
    try:
        wait_until(lambda: parts.answers(laid_out), "answer")
        assert laid_out.client.value("SELECT path FROM system.disks") == f"{laid_out.data}/"
        slow = threading.Thread(target=ask_in_vain, args=(laid_out, "SELECT sleep(3)"))
        slow.start()
        wait_until(lambda: laid_out.client.value(RUNNING) == 1, "query")
    finally:
        process.terminate()
    assert process.wait(10) == 0, "it stops when told to, also while a query runs"
    slow.join(10)


def test_why_it_does_not_start_is_said(laid_out: ClickHousePart, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", laid_out.port))
        record = parts.start(laid_out, mark={})
        with pytest.raises(RunbookError, match=r"Starting the lab's ClickHouse on 127.0.0.1:\d+: .*in use"):
            parts.wait_until_they_answer(laid_out, record)
    assert parts.available()
    monkeypatch.setitem(sys.modules, "chdb", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert not parts.available()


# The platform's tables, on both


def test_the_tables_hold_half_a_year_up_to_now(seeded: ClickHousePart) -> None:
    client = seeded.client
    months = client.rows(
        "SELECT partition_id, sum(rows) AS n, min(min_time) AS oldest, max(max_time) AS newest FROM system.parts "
        "WHERE active AND database = 'analytics' AND table = 'metric_snapshots' GROUP BY partition_id ORDER BY 1"
    )
    assert len(months) in {7, 8}
    assert all(each["oldest"][:7].replace("-", "") == each["partition_id"] for each in months)
    assert client.value("SELECT count() AS n FROM analytics.metric_snapshots") >= 190 * 24 * 24
    assert client.value("SELECT uniqExact(platform, campaign_id) AS n FROM analytics.metric_snapshots") == 24
    write_newest(client)
    assert client.value("SELECT now() - max(created_at) AS lag_s FROM analytics.metric_snapshots") < 60
    days = client.rows(
        "SELECT min(min_date) AS oldest, max(max_date) AS newest FROM system.parts "
        "WHERE active AND table = 'campaign_days'"
    )[0]
    assert days["newest"][:4] >= days["oldest"][:4] >= "2024", "a Date counts in max_date"


def test_one_table_looks_old_and_is_not(seeded: ClickHousePart) -> None:
    client = seeded.client
    looks = client.rows("SELECT max(max_time) AS newest FROM system.parts WHERE active AND table = 'platform_totals'")
    assert looks[0]["newest"] in {"1970-01-01 00:00:00", "0000-00-00 00:00:00"}
    assert client.value("SELECT now() - max(created_at) AS age_s FROM analytics.platform_totals") < 2 * 3600
    assert client.value(f"SELECT count() AS n FROM {LEFT_OVER}") == 60 * 24 * 24  # noqa: S608


def test_an_error_of_the_lab_names_the_query(seeded: ClickHousePart) -> None:
    with pytest.raises(ClickHouseError, match=r"Asking the lab's ClickHouse for 'SELECT nope'") as error:
        seeded.client.run("SELECT nope")
    assert error.value.number == 47
    assert seeded.client.value("SELECT 1 AS x WHERE 0") is None
