# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names are the tests' own
"""ClickHouse's tests: the module as its edges run it, tables of known age, and a store that keeps archives."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.clickhouse_archive import SPEC as ARCHIVE
from incident_runbooks.lab.clickhouse.part import ClickHousePart

ROWS = 500
COLUMNS = (
    "created_at DateTime, platform String, campaign_id UInt64, reach Nullable(Float64), kind Enum8('a b' = 1, 'c' = 2)"
)
FULL = {"disk_total_bytes": 10**6, "disk_free_bytes": 10**5}  # what 18.16 does not know of its disk
_number = itertools.count(1)


def run(spec: ModuleSpec, part: ClickHousePart, name: str, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    """Run a module as its edges do, logged in."""
    login = {"clickhouse_url": part.url, "clickhouse_user": part.user, "clickhouse_password": part.password}
    options = {**login, "clickhouse_database": name, "clickhouse_request_timeout": 20, **given}
    validation = ArgumentSpecValidator(spec.argument_spec, **spec.constraints).validate(options)
    assert not validation.errors.errors, validation.errors.msg
    result = conclude(spec, validation.validated_parameters, check_mode)
    shown = json.dumps(result, allow_nan=False)
    assert part.password not in shown
    return censor(result, {*validation._no_log_values, *spec.secrets(validation.validated_parameters)})


def database(part: ClickHousePart) -> str:
    """A database of one's own."""
    name = f"analytics_{next(_number)}"
    part.client.run(f"CREATE DATABASE {name}")
    return name


def metrics(part: ClickHousePart, name: str, months: list[int], table: str = "m") -> None:
    """A table with rows of so many months ago each, some of which have no reach."""
    part.client.run(
        f"CREATE TABLE {name}.{table} ({COLUMNS}, day Date MATERIALIZED toDate(created_at)) ENGINE = MergeTree"
        " PARTITION BY toYYYYMM(created_at) ORDER BY created_at"
    )
    for ago in months:
        add(part, name, ago, table)


def add(part: ClickHousePart, name: str, ago: int, table: str = "m", rows: int = ROWS) -> None:
    """Rows of the first two days of a month, or of the last minutes of this one."""
    first = f"toDateTime(toStartOfMonth(addMonths(now(), -{ago})))"
    start = f"{first} + number" if ago else f"greatest(now() - number, {first})"
    part.client.run(
        f"INSERT INTO {name}.{table} (created_at, platform, campaign_id, reach, kind)"
        f" SELECT {start}, 'meta', number, if(number % 3 = 0, NULL, number / 7), 'a b'"
        f" FROM system.numbers LIMIT {rows}"
    )


def ids(part: ClickHousePart, name: str, table: str = "m") -> list[str]:
    """The identifiers of the partitions, as the second channel says."""
    rows = part.client.rows(
        "SELECT DISTINCT partition_id AS id FROM system.parts"
        f" WHERE active AND database = '{name}' AND table = '{table}'"
    )
    return sorted(str(row["id"]) for row in rows)


class Store:
    """Keeps what is sent to it; ``spoil`` may change it on the way, ``after`` runs when it is kept."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.spoil: Callable[[bytes], bytes] = bytes
        self.after: Callable[[], None] | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_StoreHandler,), {"store": self}))
        self.uri = f"http://127.0.0.1:{self._server.server_port}/archive"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def keep(self, path: str, body: bytes) -> None:
        self.files[path] = self.spoil(body)
        if self.after:
            self.after()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _StoreHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.store.keep(self.path, self._body())
        self._answer(200, b"")

    def do_PUT(self) -> None:  # as to a bucket
        self.do_POST()

    def do_GET(self) -> None:
        self._answer(200 if self.path in self.store.files else 404, self.store.files.get(self.path, b""))

    def do_HEAD(self) -> None:
        self.do_GET()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def store() -> Iterator[Store]:
    """A store of one test's own."""
    running = Store()
    yield running
    running.close()


def archive(
    part: ClickHousePart, name: str, store: Store | None, *, check_mode: bool = False, **given: Any
) -> dict[str, Any]:
    """Run ``clickhouse_archive`` into the store."""
    options = {"table": "m", "retention_days": 60, "target_free_ratio": 1.0, "space_timeout_s": 0, **FULL}
    where = {"archive_uri": store.uri} if store else {}
    return run(ARCHIVE, part, name, check_mode=check_mode, **{**options, **where, **given})


@pytest.fixture(params=["26.9", "18.16"])
def either(request: pytest.FixtureRequest) -> ClickHousePart:
    """The current engine, then the old server."""
    part: ClickHousePart = request.getfixturevalue("clickhouse" if request.param == "26.9" else "old_clickhouse")
    return part


class Relay:
    """A proxy before ClickHouse that cuts the connection instead of answering what has *words* in it.

    Args:
        arrives: whether ClickHouse gets it before.
        says: status and body that it answers with in place of cutting the connection.
        passing: so many of them are answered by ClickHouse before.
    """

    def __init__(
        self,
        part: ClickHousePart,
        words: bytes,
        *,
        arrives: bool,
        says: tuple[int, bytes] | None = None,
        passing: int = 0,
    ) -> None:
        seen = itertools.count()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                cut = words in body and next(seen) >= passing
                if cut and not arrives:
                    if says:
                        self._answer(*says)
                    return
                with requests.post(f"{part.url}{self.path}", body, headers=dict(self.headers), timeout=60) as answer:
                    if cut:
                        return
                    self._answer(answer.status_code, answer.content)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
