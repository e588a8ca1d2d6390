# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""ClickHouse's HTTP interface: one statement per request, several questions at the same time. No decisions.

https://clickhouse.com/docs/interfaces/http. A GET is read-only whatever the login may do, so everything is a POST;
questions carry ``readonly=1``. Without ``wait_end_of_query=1`` an answer of success may end in an exception.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse_errors import (
    advised,
    code_of,
    refused,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    USER_AGENT,
    checked_url,
    open_transport,
    service_name,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Answer,
    Failure,
    SendError,
    hidden,
    unusable,
    written,
)

ATTEMPTED = "Asking ClickHouse"
HTTP_OK = 200

Row = dict[str, Any]


def clickhouse_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection. Keep the doc fragment ``clickhouse`` in step."""
    return {
        "clickhouse_url": {"type": "str"},
        "clickhouse_user": {"type": "str"},
        "clickhouse_password": {"type": "str", "no_log": True},
        "clickhouse_database": {"type": "str", "default": "analytics"},
        "clickhouse_ca_cert": {"type": "path"},
        "clickhouse_request_timeout": {"type": "int", "default": 3},
    }


def clickhouse_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets in whatever form."""
    yield from written(str(params.get("clickhouse_password") or ""))


@dataclass(frozen=True)
class Reply:
    """What one question gave.

    Attributes:
        rows: by column name; ``None`` when there is a failure. Whole numbers are text in 18.16.
        failure: why there are none.
        duration_s: seconds.
        answered: whether it was ClickHouse itself that answered, be it with a refusal.
    """

    rows: list[Row] | None
    failure: Failure | None = None
    duration_s: float = 0.0
    answered: bool = False

    @property
    def unknown_here(self) -> bool:
        """Whether this server is too old to know the table or a column of it."""
        return self.failure is not None and self.failure.code in {47, 60}


class ClickHouse:
    """One ClickHouse with one login; use it as a context manager.

    Args:
        params: the options of :func:`clickhouse_argument_spec`.

    Attributes:
        service: its address for texts.

    Raises:
        SendError: options are missing or make no sense; nothing was sent.
        IncidentsError: ``requests`` is missing.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        url = str(params["clickhouse_url"] or "").strip()
        if not url:
            raise SendError(ATTEMPTED, advised(Failure("not_configured", "clickhouse_url not given")))
        self._secrets = tuple(clickhouse_secrets(params))
        self._headers = {"User-Agent": USER_AGENT, "Content-Type": "text/plain; charset=utf-8", **_login(params)}
        self._base = _checked_base(url, with_secret=bool(params.get("clickhouse_password")))
        self.service = service_name(self._base)
        if params["clickhouse_request_timeout"] < 1:
            raise _invalid("clickhouse_request_timeout must be 1 second or more", "set it so")
        self._limit_s = float(params["clickhouse_request_timeout"])
        self._ca_cert = _checked_ca(params.get("clickhouse_ca_cert"))
        self._transport = open_transport(self._limit_s, self._ca_cert)

    def ask_all(self, questions: Mapping[str, str]) -> dict[str, Reply]:
        """Ask everything at the same time; together it takes as long as one may.

        One that fails has a reply too and does not stop the others.
        """
        if not questions:
            return {}
        with ThreadPoolExecutor(len(questions), thread_name_prefix="clickhouse") as pool:
            pending = {name: pool.submit(self.ask, sql) for name, sql in questions.items()}
        return {name: outcome.result() for name, outcome in pending.items()}

    def ask(self, sql: str) -> Reply:
        """Ask one question, which the server may not change anything by."""
        started = time.monotonic()
        outcome = self._exchange(f"{sql} FORMAT JSON", self._limit_s, readonly="1")
        duration_s = round(time.monotonic() - started, 3)
        if isinstance(outcome, Answer):
            rows = _rows(outcome)
            if rows is not None:
                return Reply(rows, None, duration_s, answered=True)
            outcome = unusable(outcome, "none of ClickHouse")
        failure = replace(outcome, may_have_happened=False)
        return Reply(None, self._shown(failure), duration_s, answered=failure.code is not None)

    def rows(self, what: str, sql: str, limit_s: float | None = None) -> list[Row]:
        """Return the rows of a question that reads a table function, which no server allows with ``readonly``.

        Args:
            what: what is attempted, such as ``Reading the archive``.
            limit_s: seconds, where it may take longer than usual.

        Raises:
            SendError: it was refused, or no answer came.
        """
        outcome = self._exchange(f"{sql} FORMAT JSON", limit_s or self._limit_s)
        rows = _rows(outcome) if isinstance(outcome, Answer) else None
        if rows is not None:
            return rows
        failure = unusable(outcome, "none of ClickHouse") if isinstance(outcome, Answer) else outcome
        raise self.error(what, replace(failure, may_have_happened=False))

    def execute(self, what: str, sql: str, limit_s: float | None = None) -> None:
        """Send a statement that changes something, once.

        Raises:
            SendError: it was refused, or no answer came; ``failure.may_have_happened`` tells them apart.
        """
        outcome = self._exchange(sql, limit_s or self._limit_s)
        if isinstance(outcome, Failure):
            raise self.error(what, outcome)
        if outcome.body.strip():
            raise self.error(what, unusable(outcome, "none of ClickHouse"))

    def error(self, what: str, failure: Failure) -> SendError:
        """Return the error of a request, its text free of secrets."""
        return SendError(f"{what} at {self.service}", advised(failure), self._secrets)

    def close(self) -> None:
        """Close the connections; never raises."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, sql: str, limit_s: float, **settings: str) -> Answer | Failure:
        query = {"query_id": f"{USER_AGENT}-{uuid.uuid4()}", "wait_end_of_query": "1", **settings}
        # a transport has one limit, and questions share theirs between threads
        transport = self._transport if limit_s == self._limit_s else open_transport(limit_s, self._ca_cert)
        try:
            outcome = transport.exchange("POST", f"{self._base}/?{urlencode(query)}", self._headers, sql.encode())
        finally:
            if transport is not self._transport:
                transport.close()
        if isinstance(outcome, Failure):
            return outcome
        told = code_of(outcome.body[:200].decode("utf-8", "replace"))
        return refused(outcome) if outcome.status != HTTP_OK or told is not None else outcome

    def _shown(self, failure: Failure) -> Failure:
        """The failure with advice that fits, free of secrets."""
        told = advised(failure)
        advice = None if told.advice is None else hidden(told.advice, self._secrets)
        return replace(told, message=hidden(told.message, self._secrets), advice=advice)


def _rows(answer: Answer) -> list[Row] | None:
    """The rows of an answer; ``None`` when it is none of ClickHouse, or one that broke off with an exception in it."""
    content = answer.content
    if not isinstance(content, dict) or "exception" in content:
        return None
    rows = content.get("data")
    return rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else None


def _login(params: Mapping[str, Any]) -> dict[str, str]:
    login = {}
    for option, header in (("clickhouse_user", "X-ClickHouse-User"), ("clickhouse_password", "X-ClickHouse-Key")):
        value = str(params.get(option) or "")
        if not value.isascii() or (value and not value.isprintable()) or value != value.strip():
            raise SendError(ATTEMPTED, advised(Failure("invalid_auth", f"{option} cannot travel in a header")))
        if value:
            login[header] = value
    return login


def _checked_base(url: str, *, with_secret: bool) -> str:
    """Plain http is for loopback hosts, or where no secret travels; what else an address must be is the same."""
    if not with_secret and url.lower().startswith("http://"):
        checked_url(ATTEMPTED, "clickhouse_url", f"https{url[4:]}")
        return url.rstrip("/")
    return checked_url(ATTEMPTED, "clickhouse_url", url)


def _checked_ca(path: Any) -> str | None:
    if not path:
        return None
    if not Path(str(path)).is_file():
        raise _invalid("clickhouse_ca_cert is no file that can be read", "check the path")
    return str(path)


def _invalid(message: str, advice: str) -> SendError:
    return SendError(ATTEMPTED, Failure("invalid", message, advice))
