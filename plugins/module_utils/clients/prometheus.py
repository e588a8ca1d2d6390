# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Prometheus' HTTP API: several questions at the same time over one session. No decisions.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    USER_AGENT,
    checked_secret,
    checked_url,
    open_transport,
    service_name,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    MESSAGE_LENGTH,
    Answer,
    Failure,
    SendError,
    hidden,
    refusal,
    unusable,
    written,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_queries import Request

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_transport import Transport

ATTEMPTED = "Asking Prometheus"
SERVER_SHARE = 0.9  # of the limit: its own "query timed out" comes before we give up
MOST_WARNINGS = 5

# Prometheus' errorType (web/api/v1/api.go) -> what to check
API_ERRORS: Mapping[str, str] = {
    "bad_data": "check the query, Prometheus cannot read it",
    "execution": "check the query; Prometheus can read it and cannot evaluate it",
    "timeout": "the query takes too long; make it narrower, or raise prometheus_timeout",
    "canceled": "the query was cancelled; look at the load of Prometheus and ask again",
    "unavailable": "Prometheus is not ready; it may be starting",
    "internal": "Prometheus has a problem of its own; look at its log",
    "not_found": "check prometheus_url",
    "not_acceptable": "check prometheus_url and whether a proxy changes requests",
}
_ADVICE = {
    "not_configured": "set it on the inventory host prometheus",
    "invalid_auth": "check prometheus_username and prometheus_password, or prometheus_token",
    "not_permitted": "check what this login may ask Prometheus for",
    "not_found": "check prometheus_url, with the path prefix that Prometheus is served under",
    "server_error": "Prometheus, or a proxy before it, has a problem of its own; look at its log",
    "timeout": "check the network and the load of Prometheus; raise prometheus_timeout if it is only slow",
    "tls": "check the host name, the clock and prometheus_ca_cert",
}


def prometheus_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection. Keep the doc fragment ``prometheus`` in step."""
    return {
        "prometheus_url": {"type": "str"},
        "prometheus_username": {"type": "str"},
        "prometheus_password": {"type": "str", "no_log": True},
        "prometheus_token": {"type": "str", "no_log": True},
        "prometheus_ca_cert": {"type": "path"},
        "prometheus_timeout": {"type": "int", "default": 3},
    }


def prometheus_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets in whatever form."""
    for option in ("prometheus_password", "prometheus_token"):
        yield from written(str(params.get(option) or "").strip())
    if params.get("prometheus_password"):
        yield _basic(params)


@dataclass(frozen=True)
class Reply:
    """What one request gave.

    Attributes:
        data: the API's ``data``; ``None`` when there is a failure.
        failure: why there is none.
        warnings: what Prometheus remarked, bounded.
        duration_s: seconds.
        answered: whether it was Prometheus itself that answered, be it with a refusal.
    """

    data: Mapping[str, Any] | None
    failure: Failure | None
    warnings: tuple[str, ...] = ()
    duration_s: float = 0.0
    answered: bool = False


class Prometheus:
    """One Prometheus with one login; use it as a context manager.

    Args:
        params: the options of :func:`prometheus_argument_spec`.

    Attributes:
        service: its address for texts.

    Raises:
        SendError: options are missing or make no sense; nothing was sent.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        url = str(params["prometheus_url"] or "").strip()
        if not url:
            raise SendError(ATTEMPTED, Failure("not_configured", "prometheus_url not given", _ADVICE["not_configured"]))
        self._secrets = tuple(prometheus_secrets(params))
        login = _login(params)
        self._base = _checked_base(url, with_secret=bool(login))
        self._headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **login}
        self._ca_cert = _checked_ca(params.get("prometheus_ca_cert"))
        self.service = service_name(self._base)
        if params["prometheus_timeout"] < 1:
            raise _invalid("prometheus_timeout must be 1 second or more", "set it so")
        self._limit_s = float(params["prometheus_timeout"])
        self._transport: Transport | None = None

    def ask(self, requests: Iterable[Request]) -> dict[Request, Reply]:
        """Send all requests at the same time, equal ones once; together they take as long as one may.

        One that fails has a reply too and does not stop the others.

        Raises:
            IncidentsError: ``requests`` is missing.
        """
        distinct = list(dict.fromkeys(requests))
        transport = self._transport = self._transport or open_transport(self._limit_s, self._ca_cert)
        with ThreadPoolExecutor(max(len(distinct), 1), thread_name_prefix="prometheus") as pool:
            pending = {request: pool.submit(self._ask, transport, request) for request in distinct}
        return {request: outcome.result() for request, outcome in pending.items()}

    def close(self) -> None:
        """Close the connections; never raises."""
        if self._transport:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, transport: Transport, request: Request) -> Reply:
        path, parameters = request
        query = urlencode([*parameters, ("timeout", f"{self._limit_s * SERVER_SHARE:.2f}")])
        started = time.monotonic()
        answer = transport.exchange("GET", f"{self._base}/api/v1/{path}?{query}", self._headers, None)
        reply = Reply(None, answer) if isinstance(answer, Failure) else read_answer(answer)
        return replace(
            reply,
            failure=reply.failure and self._shown(reply.failure),
            warnings=tuple(hidden(text, self._secrets) for text in reply.warnings),
            duration_s=round(time.monotonic() - started, 3),
        )

    def _shown(self, failure: Failure) -> Failure:
        """The failure with advice that fits, free of secrets."""
        advice = failure.advice or _ADVICE.get(failure.cause)
        message = hidden(failure.message, self._secrets)
        return replace(failure, message=message, advice=None if advice is None else hidden(advice, self._secrets))


def read_answer(answer: Answer) -> Reply:
    """Return what an answer says; where it is Prometheus' own envelope, that says more than the HTTP status."""
    content = answer.content
    envelope: Mapping[str, Any] = content if isinstance(content, dict) else {}
    if envelope.get("status") == "error" and envelope.get("errorType"):
        cause = str(envelope["errorType"])
        known = cause if cause in API_ERRORS else "internal"
        message = plain_line(str(envelope.get("error") or ""), MESSAGE_LENGTH) or "no explanation given"
        return Reply(None, Failure(known, message, API_ERRORS[known], answer.status), answered=True)
    if answer.status // 100 != 2:  # noqa: PLR2004 - the class of all successes
        return Reply(None, refusal(answer, answer.text))
    data, said = envelope.get("data"), envelope.get("warnings")
    if envelope.get("status") != "success" or not isinstance(data, dict):
        return Reply(None, unusable(answer, "none of Prometheus"))
    listed = said[:MOST_WARNINGS] if isinstance(said, list) else []
    warnings = tuple(plain_line(str(text), MESSAGE_LENGTH) for text in listed)
    return Reply(data, None, warnings, answered=True)


def _login(params: Mapping[str, Any]) -> dict[str, str]:
    if params.get("prometheus_token"):
        token = checked_secret(ATTEMPTED, "prometheus_token", params["prometheus_token"])
        return {"Authorization": f"Bearer {token}"}
    if params.get("prometheus_username") or params.get("prometheus_password"):
        return {"Authorization": f"Basic {_basic(params)}"}
    return {}


def _basic(params: Mapping[str, Any]) -> str:
    pair = f"{params.get('prometheus_username') or ''}:{params.get('prometheus_password') or ''}"
    return base64.b64encode(pair.encode()).decode()


def _checked_base(url: str, *, with_secret: bool) -> str:
    """Plain http is for loopback hosts, or where no secret travels; what else an address must be is the same."""
    if not with_secret and url.lower().startswith("http://"):
        checked_url(ATTEMPTED, "prometheus_url", f"https{url[4:]}")
        return url.rstrip("/")
    return checked_url(ATTEMPTED, "prometheus_url", url)


def _checked_ca(path: Any) -> str | None:
    if not path:
        return None
    if not Path(str(path)).is_file():
        raise _invalid("prometheus_ca_cert is no file that can be read", "check the path")
    return str(path)


def _invalid(message: str, advice: str) -> SendError:
    return SendError(ATTEMPTED, Failure("invalid", message, advice))
