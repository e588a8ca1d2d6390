# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Slack's own clients over our transport. Import it where something is sent only: ``slack_sdk`` takes 30 to 150 ms.

``slack_sdk`` by itself follows redirects with the token, reads answers of any length, ignores ``NO_PROXY``, and
waits and repeats by itself. So it makes the requests, and the transport sends them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.request import Request

from slack_sdk.errors import SlackApiError
from slack_sdk.version import __version__ as version
from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Answer
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

PREFIX = "incident-runbooks"
Exchange = Callable[[str, str, Mapping[str, str], bytes | None], Answer]

# It logs addresses, bodies and the texts of errors, which hold secrets
_SILENT = logging.getLogger("brandconnect.incidents.slack")
_SILENT.setLevel(logging.CRITICAL + 1)


class _NotJsonError(Exception):
    """The answer is none of Slack's; the package would make a text of it."""


class _Web(WebClient):
    def __init__(self, token: str, base_url: str, timeout: int, exchange: Exchange) -> None:
        super().__init__(token, base_url, timeout, user_agent_prefix=PREFIX, logger=_SILENT, retry_handlers=[])
        self._exchange = exchange
        self.answers: list[Answer] = []

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        answer = _sent(self._exchange, url, req)
        self.answers.append(answer)
        if not isinstance(answer.content, dict):
            raise _NotJsonError
        body = answer.body.decode("utf-8", "replace")
        return {"status": answer.status, "headers": dict(answer.headers), "body": body}


class _Webhook(WebhookClient):
    def __init__(self, url: str, timeout: int, exchange: Exchange) -> None:
        super().__init__(url, timeout, user_agent_prefix=PREFIX, logger=_SILENT, retry_handlers=[])
        self._exchange = exchange
        self.answers: list[Answer] = []

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        answer = _sent(self._exchange, url, req)
        self.answers.append(answer)
        return WebhookResponse(
            url=url,
            status_code=answer.status,
            body=answer.body.decode("utf-8", "replace"),
            headers=dict(answer.headers),
        )


def call(method: str, payload: dict[str, Any], token: str, base_url: str, timeout: int, exchange: Exchange) -> Answer:
    """Call a method of the Web API with *payload* as JSON, and return the answer, whatever it says."""
    _refuse_other_versions()
    client = _Web(token, base_url, timeout, exchange)
    with suppress(SlackApiError, _NotJsonError):
        client.api_call(method, json=payload)
    return client.answers[-1]


def post(url: str, payload: dict[str, Any], timeout: int, exchange: Exchange) -> Answer:
    """Post *payload* to an incoming webhook, and return the answer, whatever it says."""
    _refuse_other_versions()
    client = _Webhook(url, timeout, exchange)
    client.send_dict(payload)
    return client.answers[-1]


def _sent(exchange: Exchange, url: str, request: Request) -> Answer:
    body = request.data
    return exchange(request.get_method(), url, dict(request.header_items()), body if isinstance(body, bytes) else None)


def _refuse_other_versions() -> None:
    """The two methods are not public: without them, a package would send by itself."""
    if not (
        hasattr(WebClient, "_perform_urllib_http_request_internal")
        and hasattr(WebhookClient, "_perform_http_request_internal")
    ):
        raise IncidentsError(f"Sending to Slack: slack_sdk {version} is not supported; install 3.35 or newer of 3.x")
