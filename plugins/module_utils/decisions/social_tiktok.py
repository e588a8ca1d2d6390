# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read what TikTok's API for Business answered: HTTP 200 even for errors, so ``code`` counts. Pure, no I/O.

Source: https://business-api.tiktok.com/portal/docs?id=1737172488964097, "Return codes".
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.social import (
    OK,
    PERMISSION,
    PERMISSION_HINT,
    RATE_LIMITED,
    REAUTHORIZE_HINT,
    TOKEN_EXPIRED,
    TOKEN_REVOKED,
    UNKNOWN,
    UNREACHABLE,
    UNREACHABLE_HINT,
    WAIT_HINT,
    Seen,
    Verdict,
    by_status,
    said,
    wait,
    word,
)

WINDOW_S = 300  # TikTok names no time; a limit of a minute is over by then
_LIMITS = {40016: "app_limit", 40100: "app_limit", 40133: "advertiser_limit"}
_EXPIRED = {40102: "token_expired", 40103: "refresh_token_expired"}
_REVOKED = {40104: "token_missing", 40105: "token_invalid", 40106: "token_invalid", 40107: "token_invalid"}
_NO_PERMISSION = 40001
_THEIR_OWN = range(50000, 60000)
_NOT_FOUND = 404


def read(seen: Seen, now: dt.datetime, account: str) -> Verdict:
    """Return what an answer to ``/advertiser/info/`` means.

    Args:
        account: the advertiser that was asked for.
    """
    content = seen.content if isinstance(seen.content, dict) else {}
    code = content.get("code")
    if isinstance(code, bool) or not isinstance(code, int):
        if seen.status == _NOT_FOUND:
            return Verdict(UNKNOWN, "not_found", "HTTP 404", "check social_urls, which hold no path of the API")
        return by_status(seen, now, WINDOW_S)
    told: dict[str, Any] = {
        "message": said(content.get("message")) or f"code {code}",
        "code": code,
        "request_id": word(content.get("request_id")),
    }
    if code == 0:
        return _found(content.get("data"), account, told)
    if code in _LIMITS:
        times = wait(now, seen.retry_after_s, WINDOW_S)
        return Verdict(
            RATE_LIMITED, _LIMITS[code], hint=WAIT_HINT, app_wide=_LIMITS[code] == "app_limit", **times, **told
        )
    if code in _EXPIRED:
        return Verdict(TOKEN_EXPIRED, _EXPIRED[code], hint=REAUTHORIZE_HINT, **told)
    if code in _REVOKED:
        return Verdict(TOKEN_REVOKED, _REVOKED[code], hint=REAUTHORIZE_HINT, **told)
    if code == _NO_PERMISSION:
        return Verdict(PERMISSION, "not_permitted", hint=PERMISSION_HINT, **told)
    if code in _THEIR_OWN:
        return Verdict(UNREACHABLE, "server_error", hint=UNREACHABLE_HINT, **told)
    return Verdict(UNKNOWN, "unknown_error", hint="look the code up in TikTok's list of return codes", **told)


def _found(data: Any, account: str, told: dict[str, Any]) -> Verdict:
    listed = data.get("list") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        return Verdict(UNKNOWN, "unknown_shape", "the answer has no list of advertisers", hint="check social_urls")
    seen = {str(row.get("advertiser_id")) for row in listed if isinstance(row, dict)}
    if account in seen:
        return Verdict(OK, code=0, request_id=told["request_id"], identity=word(account))
    text = "the token does not reach this advertiser"
    return Verdict(PERMISSION, "account_not_covered", hint=PERMISSION_HINT, **{**told, "message": text})
