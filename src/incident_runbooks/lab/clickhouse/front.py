# SPDX-License-Identifier: GPL-3.0-or-later
"""ClickHouse's HTTP interface before the engine.

What it does not do: compression, sessions (``session_id`` is refused), a result that comes before the query ends (it
is always as with ``wait_end_of_query=1``), and a query id that system tables show (it is only answered).
"""

from __future__ import annotations

import base64
import json
import re
import sys
import time
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from incident_runbooks.lab.clickhouse.engine import Asked, Engine, QueryError
from incident_runbooks.lab.clickhouse.logins import accepts
from incident_runbooks.lab.services.process import READY, print_failure

_AUTHENTICATION_FAILED = 516
_NOT_IMPLEMENTED = 48
_PATHS_WITHOUT_LOGIN = frozenset({"/ping", "/replicas_status", READY})
# Parameters of a request that are no settings of the query
_NO_SETTINGS = frozenset(
    [
        *("query", "database", "default_format", "user", "password", "role", "quota_key", "query_id"),
        *("session_id", "session_check", "session_timeout", "client_protocol_version"),
        *("wait_end_of_query", "buffer_size", "compress", "decompress"),
    ]
)
# src/Server/HTTP/exceptionCodeToHTTPStatus.cpp of ClickHouse; everything else is 500, READONLY (164) too
_STATUS: Mapping[int, int] = {
    **dict.fromkeys((192, 193, 497, 512, 516), 403),
    **dict.fromkeys((6, 8, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 72, 117, 321), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 336, 511), 404),
    48: 501,
    159: 408,
    194: 401,
}
_TYPES = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "Native": "application/octet-stream",
    "Parquet": "application/octet-stream",
}
_TABS = "text/tab-separated-values; charset=UTF-8"
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^']*)?;?\s*$", re.IGNORECASE)


class Front(ThreadingHTTPServer):
    """Listens, and asks the engine.

    Args:
        address: host and port.
        engine: which answers.
        logins: password of each user.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], engine: Engine, logins: Mapping[str, str]) -> None:
        self.engine = engine
        self.logins = logins
        super().__init__(address, _Request)

    def handle_error(self, *_: Any) -> None:
        """Say where a request failed, and nothing of what it held."""
        if error := sys.exc_info()[1]:
            print_failure(error)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is two writes
    server: Front

    def do_GET(self) -> None:
        self._handle(only_read=True)

    def do_HEAD(self) -> None:
        self._handle(only_read=True)

    def do_POST(self) -> None:
        self._handle(only_read=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: an address can hold a password."""

    def _handle(self, *, only_read: bool) -> None:
        address = urlsplit(self.path)
        body = self._body()
        if address.path in _PATHS_WITHOUT_LOGIN:
            self._answer(200, b"Ok.\n", "text/html; charset=UTF-8")
            return
        if address.path not in {"/", "/query"}:
            said = f"There is no handle {address.path}\n\nUse / or /ping for health checks.\n"
            self._answer(404, said.encode(), "text/plain; charset=UTF-8")
            return
        given = dict(parse_qsl(address.query, keep_blank_values=True))
        query_id = given.get("query_id") or str(uuid.uuid4())
        try:
            self._authenticate(given)
            self._ask(given, body, query_id, only_read=only_read)
        except QueryError as error:
            self._refuse(error, query_id)

    def _authenticate(self, given: Mapping[str, str]) -> None:
        user = self.headers.get("X-ClickHouse-User") or given.get("user") or "default"
        password = self.headers.get("X-ClickHouse-Key") or given.get("password") or ""
        scheme, _, encoded = (self.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(encoded).decode().partition(":")
            except ValueError:
                user = password = ""
        if not accepts(self.server.logins, user, password):
            raise QueryError(
                _AUTHENTICATION_FAILED,
                f"Code: {_AUTHENTICATION_FAILED}. DB::Exception: {user}: Authentication failed: password is incorrect, "
                "or there is no user with such name. (AUTHENTICATION_FAILED)",
            )

    def _ask(self, given: Mapping[str, str], body: bytes, query_id: str, *, only_read: bool) -> None:
        if "session_id" in given:
            said = f"Code: {_NOT_IMPLEMENTED}. DB::Exception: The lab has no HTTP sessions. (NOT_IMPLEMENTED)"
            raise QueryError(_NOT_IMPLEMENTED, said)
        # a query in the address comes before the body, which is then the data of an INSERT
        sql = "\n".join(part for part in (given.get("query", ""), body.decode("utf-8", "surrogateescape")) if part)
        if not sql.strip():
            self._answer(200, b"Ok.\n", "text/html; charset=UTF-8")
            return
        form = given.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        asked = Asked(
            sql=sql,
            form=form,
            database=self.headers.get("X-ClickHouse-Database") or given.get("database", ""),
            settings={
                name: value
                for name, value in given.items()
                if name not in _NO_SETTINGS and not name.startswith("param_")
            },
            parameters={name[6:]: value for name, value in given.items() if name.startswith("param_")},
            only_read=only_read,
        )
        began = time.monotonic_ns()
        found = self.server.engine.ask(asked)
        named = _FORMAT.search(sql)
        form = named[1] if named else form
        summary = {
            "read_rows": str(found.rows_read),
            "read_bytes": str(found.bytes_read),
            "elapsed_ns": str(time.monotonic_ns() - began),
        }
        more = {
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Format": form,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Summary": json.dumps(summary, separators=(",", ":")),
        }
        self._answer(200, found.data, _TYPES.get(form, _TABS), more)

    def _refuse(self, error: QueryError, query_id: str) -> None:
        more = {"X-ClickHouse-Exception-Code": str(error.code), "X-ClickHouse-Query-Id": query_id}
        version = self.server.engine.version
        said = error.text if f"(version {version}" in error.text else f"{error.text} (version {version})"
        self._answer(_STATUS.get(error.code, 500), f"{said}\n".encode(), "text/plain; charset=UTF-8", more)

    def _answer(self, status: int, body: bytes, kind: str, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "X-ClickHouse-Server-Display-Name": "lab", **(more or {})}
        for name, value in headers.items():
            self.send_header(name, re.sub(r"[\r\n]", " ", value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if (self.headers.get("Transfer-Encoding") or "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return body
