# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read what Meta's Graph API answered. The code in the body counts, not the HTTP status. Pure, no I/O.

Sources: https://developers.facebook.com/docs/graph-api/guides/error-handling for codes and subcodes, and
https://developers.facebook.com/docs/graph-api/overview/rate-limiting for the limits and the headers of usage.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
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

WINDOW_S = 3600  # the limits of the platform count a rolling hour
_APP_LIMIT = 4
# of a business use case: https://developers.facebook.com/docs/graph-api/overview/rate-limiting#error-codes-2
_LIMITS = {4: "app_limit", 17: "user_limit", 32: "page_limit", 613: "call_limit"}
_BUSINESS = range(80000, 80015)
_TOKEN_CODES = (102, 190)
_NO_TOKEN = 2500
_REVOKED = {
    458: "app_removed",
    459: "login_needed",
    460: "password_changed",
    464: "login_needed",
    467: "token_invalid",
    492: "role_lost",
}
_EXPIRED = 463
_PERMISSION = (3, 10, *range(200, 300))
_THEIR_OWN = (1, 2)
_SHARES = ("call_count", "total_time", "total_cputime", "acc_id_util_pct")
_LARGEST_HEADER = 16 * 1024  # characters that are looked at

Json = Mapping[str, Any]


def read(seen: Seen, now: dt.datetime) -> Verdict:
    """Return what an answer to ``/me`` means."""
    shares, regain_s = usage(seen.headers)
    content = seen.content if isinstance(seen.content, dict) else {}
    error = content.get("error")
    if isinstance(error, dict) and _whole(error.get("code")) is not None:
        return _refused(error, seen, now, shares, regain_s)
    identity = content.get("user_id") or content.get("id")
    if seen.status != 200 or not isinstance(identity, (str, int)):  # noqa: PLR2004 - OK
        return by_status(seen, now, WINDOW_S)
    return Verdict(OK, identity=word(identity), usage_percent=shares)


def _refused(error: Json, seen: Seen, now: dt.datetime, shares: float | None, regain_s: float | None) -> Verdict:
    code, subcode = _whole(error.get("code")), _whole(error.get("error_subcode"))
    told: dict[str, Any] = {
        "message": said(error.get("message")) or f"error {code}",
        "code": code,
        "subcode": subcode,
        "request_id": word(error.get("fbtrace_id")),
        "usage_percent": shares,
    }
    if code in _LIMITS or code in _BUSINESS:
        times = wait(now, regain_s or seen.retry_after_s, WINDOW_S)
        cause = _LIMITS.get(code or 0, "business_limit")
        return Verdict(RATE_LIMITED, cause, hint=WAIT_HINT, app_wide=code == _APP_LIMIT, **times, **told)
    if code in _TOKEN_CODES:
        return _token(subcode, told)
    if code == _NO_TOKEN and "access token" in str(told["message"]).lower():
        return Verdict(TOKEN_REVOKED, "token_missing", hint=REAUTHORIZE_HINT, **told)
    if code in _PERMISSION:
        return Verdict(PERMISSION, "not_permitted", hint=PERMISSION_HINT, **told)
    if code in _THEIR_OWN:
        return Verdict(UNREACHABLE, "server_error", hint=UNREACHABLE_HINT, **told)
    return Verdict(UNKNOWN, "unknown_error", hint="look the code up in Meta's reference", **told)


def _token(subcode: int | None, told: Mapping[str, Any]) -> Verdict:
    if subcode == _EXPIRED or (subcode is None and "expired" in str(told["message"]).lower()):
        return Verdict(TOKEN_EXPIRED, "token_expired", hint=REAUTHORIZE_HINT, **told)
    return Verdict(TOKEN_REVOKED, _REVOKED.get(subcode or 0, "token_invalid"), hint=REAUTHORIZE_HINT, **told)


def usage(headers: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Return the highest share in percent that was used, and the seconds until access comes back.

    A business use case names minutes, an advertising account seconds.
    """
    entries = [entry for name in ("x-app-usage", "x-ad-account-usage") for entry in _flat(headers.get(name))]
    entries += list(_flat(headers.get("x-business-use-case-usage")))
    shares = [share for entry in entries for name in _SHARES if (share := _number(entry.get(name))) is not None]
    waits = [(_number(entry.get("estimated_time_to_regain_access")) or 0) * 60 for entry in entries]
    waits += [
        _number(entry.get("reset_time_duration")) or 0
        for entry in entries
        if (_number(entry.get("acc_id_util_pct")) or 0) >= 100  # noqa: PLR2004 - percent
    ]
    return max(shares, default=None), max(waits, default=0) or None


def _flat(text: str | None) -> Iterator[Json]:
    """Yield the objects of a header, whether it is one or a list of them for each business."""
    try:
        found = json.loads((text or "")[:_LARGEST_HEADER])
    except (ValueError, RecursionError):
        return
    if not isinstance(found, dict):
        return
    lists = [entry for value in found.values() if isinstance(value, list) for entry in value]
    yield from (entry for entry in [found, *lists] if isinstance(entry, dict))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        return None
    return float(min(value, 1e6))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
