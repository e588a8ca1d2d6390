# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How the official package ``stripe`` reaches Stripe: by the collection's own transport, within a limit.

The package brings its rules for repeating a request (``Stripe-Should-Retry``, 409 and 5xx, never 429 by itself), for
idempotency keys and for encoding; the transport knows a limit that holds, and whether a request left.

Import this when a request is to be sent. What only this needs is loaded in the worker, beside what other components
wait for; before Ansible forks, all of them would wait.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import http_json_errors
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import USER_AGENT
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Answer
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_transport import Transport
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.lean_import import without
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import (
    Failure,
    not_reached,
    request_id_of,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_options import Options

with without("httpx", "aiohttp"):  # 0.15 to 0.4 s, for its asynchronous client
    import stripe

RETRIES = 1
SHORTEST_ATTEMPT_S = 0.5
# Neither the machine nor what runs on it is Stripe's business
_SENT_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "Stripe-Account", "Stripe-Version")

Call = dict[str, Any]

Refused = stripe.StripeError  # what the package makes of an answer that is no success

stripe.enable_telemetry = False


class NotReached(stripe.APIConnectionError):
    """No answer came."""

    def __init__(self, failure: Failure, *, should_retry: bool) -> None:
        super().__init__(failure.message, should_retry=should_retry)  # type: ignore[no-untyped-call]
        self.failure = failure


class Http(stripe.HTTPClient):
    """Sends the package's requests.

    Args:
        limit_s: seconds for one request and all of its repetitions.

    Attributes:
        calls: every request that was sent, repetitions too.
        answer: the last one.
        lost: whether a request of this call may have changed something without anybody saying so.
    """

    name = "requests"

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.answer = Answer(0, {}, b"")
        self._limit_s = limit_s
        self._transport = Transport(limit_s)
        self._deadline = 0.0
        self._attempts = 0
        self.lost = False

    def begin(self, *, again: bool = False) -> None:
        """Let a new call begin, or the same one after a pause, and its limit count from now."""
        self._deadline = time.monotonic() + self._limit_s
        self._attempts = 0
        self.lost = again and self.lost

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def request(  # type: ignore[override]  # the package's own clients return bytes too
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request; what the package asks of its HTTP clients."""
        sent = {name: str((headers or {})[name]) for name in _SENT_HEADERS if name in (headers or {})}
        body = str(post_data).encode() if post_data is not None else None
        started = time.monotonic()
        answer = self._exchange(method.upper(), url, {"User-Agent": USER_AGENT, **sent}, body)
        self._note(method, url, answer, time.monotonic() - started)
        if method.lower() != "get":
            self.lost = self.lost or _may_have_happened(answer)
        if isinstance(answer, Answer):
            self.answer = answer
            return answer.body, answer.status, answer.headers
        raise NotReached(
            not_reached(answer, changes=self.lost), should_retry=answer.cause not in {"tls", "invalid"}
        ) from None

    def _exchange(self, *request: Any) -> Answer | http_json_errors.Failure:
        self._attempts += 1
        if self._attempts == 1:
            return self._transport.exchange(*request)
        with contextlib.closing(Transport(max(self._deadline - time.monotonic(), SHORTEST_ATTEMPT_S))) as again:
            return again.exchange(*request)

    def _should_retry(
        self, response: Any, api_connection_error: Any, num_retries: int, max_network_retries: int | None
    ) -> bool:
        pause_s = self.INITIAL_DELAY * 2**num_retries
        left_s = self._deadline - time.monotonic() - pause_s
        return left_s >= SHORTEST_ATTEMPT_S and bool(
            super()._should_retry(response, api_connection_error, num_retries, max_network_retries)
        )

    def _note(self, method: str, url: str, answer: Any, duration_s: float) -> None:
        answered = isinstance(answer, Answer)
        self.calls.append(
            {
                "method": method.upper(),
                "path": urlsplit(url).path,
                "status": answer.status,
                "request_id": request_id_of(answer.headers) if answered else None,
                "duration_s": round(duration_s, 4),
            }
        )


def _may_have_happened(answer: Answer | http_json_errors.Failure) -> bool:
    if isinstance(answer, Answer):
        return answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return answer.may_have_happened


def open_http(options: Options) -> tuple[Any, Any]:
    """Return the package's client and the HTTP client below it."""
    http = Http(options.timeout_s)
    client = stripe.StripeClient(
        options.key,
        stripe_version=options.version,
        base_addresses={"api": options.url},
        max_network_retries=RETRIES,
        http_client=http,
    )
    return client, http
