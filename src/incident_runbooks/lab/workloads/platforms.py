# SPDX-License-Identifier: GPL-3.0-or-later
"""The social platforms as the metric worker asks them, and what it makes of their refusals.

References: developers.facebook.com/docs/graph-api/guides/error-handling, business-api.tiktok.com/portal/docs "Return
codes", developers.google.com/youtube/v3/docs/errors. Tokens travel in headers only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from incident_runbooks.lab.workloads import http_call
from incident_runbooks.lab.workloads.http_call import Answer

META, TIKTOK, YOUTUBE = "meta", "tiktok", "youtube"
PLATFORMS = (META, TIKTOK, YOUTUBE)

LIMIT, TOKEN = "rate_limit_exceeded", "invalid_token"
TIMEOUT, REFUSED = "connection_timeout", "connection_failed"
UNAVAILABLE, UNEXPECTED = "service_unavailable", "unexpected_answer"

_SAID = 300
_TAG = re.compile(r"<[^<>]{0,200}>")
_OK, _TOO_MANY, _SERVER = 200, 429, 500
_META_LIMITS = frozenset({4, 17, 32, 613, *range(80000, 80015)})
_META_TOKENS = frozenset({3, 10, 102, 190, 2500, *range(200, 300)})
_TIKTOK_LIMITS = frozenset({40016, 40100, 40133})
_TIKTOK_TOKENS = frozenset({40001, *range(40102, 40108)})
_YOUTUBE_LIMITS = ("quotaExceeded", "dailyLimitExceeded", "rateLimitExceeded", "userRateLimitExceeded")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Account:
    """An account of one platform; ``token`` is a secret."""

    platform: str
    account: str
    token: str = field(repr=False)


class PlatformError(Exception):
    """A platform did not serve an account.

    Attributes:
        word: one of those above, as the log has it.
        message: what the platform, or the network, said.
        wait_s: seconds after which it may be asked again, where it says so.
    """

    def __init__(self, word: str, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.word = word
        self.message = " ".join(_TAG.sub("", message).split())[:_SAID]
        self.wait_s = wait_s


def ask(account: Account, base: str, timeout_s: float) -> None:
    """Ask a platform for an account.

    Args:
        account: which.
        base: address of the platform, without a slash at the end.
        timeout_s: seconds.

    Raises:
        PlatformError: it does not serve it.
    """
    path, headers = _request(account)
    try:
        answer = http_call.exchange("GET", f"{base}{path}", headers, timeout_s=timeout_s)
    except http_call.UnreachableError as error:
        raise PlatformError(TIMEOUT if error.code == http_call.TIMED_OUT else REFUSED, error.message) from error
    if answer.status == _TOO_MANY:
        raise PlatformError(LIMIT, "HTTP 429", answer.retry_after_s())
    try:
        content = json.loads(answer.body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        word = UNAVAILABLE if answer.status >= _SERVER else UNEXPECTED
        raise PlatformError(word, f"HTTP {answer.status}")
    _READ[account.platform](answer, content)


def _request(account: Account) -> tuple[str, dict[str, str]]:
    bearer = {"Authorization": f"Bearer {account.token}"}
    if account.platform == TIKTOK:
        query = {"advertiser_ids": json.dumps([account.account]), "fields": json.dumps(["advertiser_id", "name"])}
        return f"/open_api/v1.3/advertiser/info/?{urlencode(query)}", {"Access-Token": account.token}
    if account.platform == YOUTUBE:
        return "/youtube/v3/channels?part=id&mine=true", bearer
    return "/v24.0/me?fields=user_id,username", bearer


def _meta(answer: Answer, content: Json) -> None:
    error = content.get("error")
    if answer.status == _OK and not error:
        return
    error = error if isinstance(error, dict) else {}
    code, said = error.get("code"), str(error.get("message"))
    if code in _META_LIMITS:
        raise PlatformError(LIMIT, said, _regain_s(answer) or answer.retry_after_s())
    if code in _META_TOKENS:
        raise PlatformError(TOKEN, f"{error.get('type')}: {said}")  # of limits and outages it says OAuthException too
    raise PlatformError(_other(answer), said)


def _regain_s(answer: Answer) -> float | None:
    """The seconds until a business use case that is throttled regains access; the header has minutes."""
    try:
        businesses = json.loads(answer.headers.get("x-business-use-case-usage") or "{}")
        minutes = [float(row["estimated_time_to_regain_access"]) for rows in businesses.values() for row in rows]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return 60 * max(minutes, default=0) or None


def _tiktok(answer: Answer, content: Json) -> None:
    code, said = content.get("code"), f"{content.get('code')}: {content.get('message')}"
    if code == 0:
        return
    if code in _TIKTOK_LIMITS:
        raise PlatformError(LIMIT, said, answer.retry_after_s())
    raise PlatformError(TOKEN if code in _TIKTOK_TOKENS else _other(answer, code), said)


def _youtube(answer: Answer, content: Json) -> None:
    error = content.get("error")
    if answer.status == _OK and not error:
        return
    error = error if isinstance(error, dict) else {}
    rows = error.get("errors") or [{}]
    reason = str(rows[0].get("reason"))
    said = f"{reason}: {error.get('message')}"
    if reason in _YOUTUBE_LIMITS:
        raise PlatformError(LIMIT, said, answer.retry_after_s())
    raise PlatformError(_other(answer) if answer.status >= _SERVER else TOKEN, said)


def _other(answer: Answer, code: Any = None) -> str:
    own = isinstance(code, int) and 50000 <= code < 60000  # noqa: PLR2004 - TikTok's errors of its own
    return UNAVAILABLE if own or answer.status >= _SERVER else UNEXPECTED


_READ: Mapping[str, Callable[[Answer, Json], None]] = {META: _meta, TIKTOK: _tiktok, YOUTUBE: _youtube}
