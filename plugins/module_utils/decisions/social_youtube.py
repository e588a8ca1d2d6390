# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read what YouTube's Data API answered. Pure, no I/O.

Source: https://developers.google.com/youtube/v3/docs/errors and, of the quota,
https://developers.google.com/youtube/v3/getting-started#quota.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.social import (
    OK,
    PERMISSION,
    PERMISSION_HINT,
    QUOTA_EXHAUSTED,
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
    midnight_pacific,
    said,
    wait,
    word,
)

WINDOW_S = 60  # requests in a short time are counted by the minute or by 100 s
_QUOTA = ("quotaExceeded", "dailyLimitExceeded")
_LIMITS = {"rateLimitExceeded": "project_limit", "userRateLimitExceeded": "user_limit"}
_NO_ACCESS = (
    *("forbidden", "insufficientPermissions", "accessNotConfigured", "SERVICE_DISABLED", "channelForbidden"),
    *("accountClosed", "channelClosed", "channelSuspended", "youtubeSignupRequired", "authenticatedUserAccountClosed"),
    *("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "authenticatedUserAccountSuspended"),
)
_SLEEPING = "an access token lives an hour: refresh it; where the refresh says invalid_grant, " + REAUTHORIZE_HINT
_UNAUTHORIZED, _FORBIDDEN = 401, 403

Json = Mapping[str, Any]


def read(seen: Seen, now: dt.datetime) -> Verdict:
    """Return what an answer to ``/channels?mine=true`` means."""
    content = seen.content if isinstance(seen.content, dict) else {}
    error = content.get("error")
    if error == "invalid_grant":  # of the token endpoint
        told = said(content.get("error_description")) or "invalid_grant"
        return Verdict(TOKEN_REVOKED, "invalid_grant", told, REAUTHORIZE_HINT, code="invalid_grant")
    if isinstance(error, dict):
        return _refused(error, seen, now)
    if seen.status != 200 or content.get("kind") != "youtube#channelListResponse":  # noqa: PLR2004 - OK
        return by_status(seen, now, WINDOW_S)
    items = content.get("items")
    first = items[0] if isinstance(items, list) and items else None
    if not isinstance(first, dict):
        text = "the token belongs to no channel"
        return Verdict(UNKNOWN, "no_channel", text, "check which Google account authorized the app")
    return Verdict(OK, identity=word(first.get("id")))


def _refused(error: Json, seen: Seen, now: dt.datetime) -> Verdict:
    reasons = _reasons(error)
    told: dict[str, Any] = {"message": said(error.get("message")) or f"HTTP {seen.status}"}
    told["code"] = word(reasons[0]) if reasons else seen.status
    if any(reason in _QUOTA for reason in reasons):
        hint = "the quota of the day comes back at midnight Pacific time; slow down or pause this platform until then"
        reset = midnight_pacific(now)
        return Verdict(
            QUOTA_EXHAUSTED,
            "daily_quota",
            hint=hint,
            retry_at=reset,
            retry_source="rule",
            reset_at=reset,
            app_wide=True,  # the quota is the project's
            **told,
        )
    limits = [_LIMITS[reason] for reason in reasons if reason in _LIMITS]
    if limits:
        times = wait(now, seen.retry_after_s, WINDOW_S)
        return Verdict(RATE_LIMITED, limits[0], hint=WAIT_HINT, app_wide=limits[0] == "project_limit", **times, **told)
    if any(reason in _NO_ACCESS for reason in reasons):
        return Verdict(PERMISSION, "not_permitted", hint=PERMISSION_HINT, **told)
    if seen.status == _UNAUTHORIZED:
        return Verdict(TOKEN_EXPIRED, "token_rejected", hint=_SLEEPING, **told)
    if seen.status == _FORBIDDEN:
        return Verdict(PERMISSION, "not_permitted", hint=PERMISSION_HINT, **told)
    if seen.status >= 500:  # noqa: PLR2004 - the class of the server's errors
        return Verdict(UNREACHABLE, "server_error", hint=UNREACHABLE_HINT, **told)
    if seen.status == 429:  # noqa: PLR2004 - Too Many Requests
        return by_status(seen, now, WINDOW_S)
    return Verdict(UNKNOWN, "unknown_error", hint="look the reason up in YouTube's reference", **told)


def _reasons(error: Json) -> list[str]:
    """The reasons in the old form, ``errors``, and in the new one, ``details``."""
    entries = [entry for name in ("errors", "details") for entry in _list(error.get(name))]
    return [reason for entry in entries if isinstance(entry, dict) and isinstance(reason := entry.get("reason"), str)]


def _list(value: Any) -> list[Any]:
    return value[:20] if isinstance(value, list) else []
