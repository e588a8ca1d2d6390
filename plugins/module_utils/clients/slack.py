# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Slack: post or update a message with a bot token, or post one by an incoming webhook; ask whose the token is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    checked_secret,
    checked_timeout,
    checked_url,
    open_transport,
    service_name,
    wanted,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Answer,
    Failure,
    SendError,
    written,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.slack_errors import (
    web_failure,
    webhook_failure,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

API_URL = "https://slack.com/api/"
_IDENTIFY = "auth.test"


def slack_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection. Keep the doc fragment ``slack`` in step."""
    return {
        "token": {"type": "str", "no_log": True},
        "webhook_url": {"type": "str", "no_log": True},
        "api_url": {"type": "str", "default": API_URL},
    }


def slack_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets in whatever form, the parts of the webhook's address included."""
    for secret in _secrets(params):
        yield from written(secret)


def check_options(params: Mapping[str, Any]) -> None:
    """Refuse options that make no sense, before anything is sent.

    Raises:
        SendError: naming the option, never its value.
    """
    attempted = _attempted(params)
    if not params.get("token") and not params.get("webhook_url"):
        wanted(attempted, {}, "token or webhook_url")
    if params.get("token") and params.get("webhook_url"):
        raise SendError(attempted, Failure("invalid", "both token and webhook_url are given", "give one of them"))
    checked_timeout(attempted, params)
    if params.get("webhook_url"):
        if params.get("ts"):
            advice = "give token and channel, or post a new message"
            raise SendError(attempted, Failure("invalid", "a webhook cannot change a message", advice))
        url = checked_url(attempted, "webhook_url", str(params["webhook_url"]))
        if not urlsplit(url).path.strip("/"):
            raise SendError(attempted, Failure("invalid", "webhook_url has no path", "give the whole address"))
    else:
        wanted(attempted, params, "channel")
        checked_url(attempted, "api_url", str(params["api_url"]))
        checked_secret(attempted, "token", params["token"])


def deliver(params: Mapping[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    """Send a message, once, and return Slack's receipt: ``channel`` and ``ts``, both ``None`` from a webhook.

    Args:
        params: checked options.
        payload: as of ``decisions/messages_payloads.py``.

    Raises:
        SendError: it did not get there or was refused.
        IncidentsError: a library is missing.
    """
    answer = _answer(params, payload)
    failure = webhook_failure(answer) if params.get("webhook_url") else web_failure(answer)
    if failure:
        raise _error(params, failure)
    if params.get("webhook_url"):
        return {"channel": None, "ts": None}
    return {name: plain_line(str(answer.content.get(name) or ""), 100) or None for name in ("channel", "ts")}


def identify(params: Mapping[str, Any]) -> dict[str, Any]:
    """Ask Slack whose the token is, which posts nothing: ``user``, ``team`` and ``scopes``, ``None`` where not said.

    https://docs.slack.dev/reference/methods/auth.test

    Args:
        params: ``token``, ``api_url`` and ``timeout``.

    Raises:
        SendError: it did not get there, or the token is refused.
        IncidentsError: a library is missing.
    """
    attempted = _attempted(params)
    wanted(attempted, params, "token")
    checked_timeout(attempted, params)
    checked_url(attempted, "api_url", str(params["api_url"]))
    checked_secret(attempted, "token", params["token"])
    answer = _answer(params, {}, _IDENTIFY)
    if failure := web_failure(answer, "user_id"):
        raise _error(params, failure)
    scopes = answer.headers.get("x-oauth-scopes")
    return {
        **{name: plain_line(str(answer.content.get(name) or ""), 100) or None for name in ("user", "team")},
        "scopes": None if scopes is None else [scope.strip() for scope in scopes[:1000].split(",") if scope.strip()],
    }


def _answer(params: Mapping[str, Any], payload: dict[str, Any], method: str | None = None) -> Answer:
    try:
        from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (  # noqa: PLC0415 - slack_sdk takes 30 to 150 ms to load
            slack_transport,
        )
    except ImportError as error:
        library = missing_required_lib("slack_sdk", url="https://pypi.org/project/slack-sdk/")
        raise IncidentsError(str(library)) from error
    transport = open_transport(float(params["timeout"]))

    def exchange(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        answer = transport.exchange(method, url, headers, body)
        if isinstance(answer, Failure):
            raise _error(params, answer)
        return answer

    try:
        if params.get("webhook_url"):
            return slack_transport.post(str(params["webhook_url"]).rstrip("/"), payload, params["timeout"], exchange)
        method = method or ("chat.update" if params.get("ts") else "chat.postMessage")
        token = str(params["token"]).strip()
        return slack_transport.call(method, payload, token, str(params["api_url"]), params["timeout"], exchange)
    finally:
        transport.close()


def _attempted(params: Mapping[str, Any]) -> str:
    doing = "Updating a message" if params.get("ts") else "Posting a message"
    where = "by webhook" if params.get("webhook_url") else f"to {plain_line(str(params.get('channel') or '?'), 80)}"
    return f"{doing} {where} on Slack"


def _error(params: Mapping[str, Any], failure: Failure) -> SendError:
    url = service_name(str(params.get("webhook_url") or params["api_url"]))
    return SendError(f"{_attempted(params)} at {url}", failure, _secrets(params))


def _secrets(params: Mapping[str, Any]) -> list[str]:
    token = str(params.get("token") or "").strip()
    url = str(params.get("webhook_url") or "")
    try:
        path = urlsplit(url).path
    except ValueError:
        path = ""
    # T… and B… name workspace and app, the last part is the key
    return [secret for secret in (token, url, path, path.strip("/"), path.rpartition("/")[2]) if secret]
