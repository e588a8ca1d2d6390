# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a social platform said to "who am I", in words that are the same for all of them. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

META, TIKTOK, YOUTUBE = "meta", "tiktok", "youtube"
PLATFORMS = (META, TIKTOK, YOUTUBE)

OK, RATE_LIMITED, QUOTA_EXHAUSTED = "ok", "rate_limited", "quota_exhausted"
TOKEN_EXPIRED, TOKEN_REVOKED, PERMISSION = "token_expired", "token_revoked", "permission"
UNREACHABLE, UNKNOWN, SKIPPED = "unreachable", "unknown", "skipped"
# what a platform is called whose accounts differ: the first of these that one of them has
VERDICTS = (
    *(QUOTA_EXHAUSTED, RATE_LIMITED, UNREACHABLE, TOKEN_REVOKED, TOKEN_EXPIRED, PERMISSION),
    *(UNKNOWN, SKIPPED, OK),
)
LIMITED = frozenset({RATE_LIMITED, QUOTA_EXHAUSTED})
REAUTHORIZE = frozenset({TOKEN_EXPIRED, TOKEN_REVOKED, PERMISSION})
UNPROVEN = frozenset({UNREACHABLE, UNKNOWN, SKIPPED})

MESSAGE_LENGTH = 300
LONGEST_WAIT_S = 24 * 3600
_TAG = re.compile(r"<[^<>]{0,200}>")

REAUTHORIZE_HINT = "let the owner of the account authorize the app again; do not retry with this token"
WAIT_HINT = "slow down or pause this platform until then; do not retry before"
PERMISSION_HINT = "check what the app and the token are allowed to do for this account"
UNREACHABLE_HINT = "look at the platform's status page, and check the network"
ADDRESS_HINT = "something else answers in the platform's place, such as a proxy or a login page; check social_urls"


@dataclass(frozen=True)
class Seen:
    """An answer over HTTP.

    Attributes:
        status: of HTTP.
        headers: by name in lower case.
        content: the body read as JSON; ``None`` when it is none.
        retry_after_s: seconds to wait, where a header says so.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Any = None
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What an answer means for one account.

    Attributes:
        verdict: one of :data:`VERDICTS`.
        cause: more precisely why; ``None`` when it is ok.
        message: what the platform said, in one bounded line.
        hint: what to do.
        retry_at: when to ask again at the earliest, and ``retry_source``: ``header``, or ``rule`` where the platform
            names no time and its published window counts.
        reset_at: when the quota of the day comes back.
        usage_percent: the highest of the shares that the platform says were used.
        code: the platform's own number or word of the error, ``subcode`` what refines it.
        request_id: what the platform's support asks for.
        identity: who the platform says we are.
        app_wide: whether every account of the platform is concerned, so that asking for them would only cost calls.
    """

    verdict: str
    cause: str | None = None
    message: str | None = None
    hint: str | None = None
    retry_at: dt.datetime | None = None
    retry_source: str | None = None
    reset_at: dt.datetime | None = None
    usage_percent: float | None = None
    code: int | str | None = None
    subcode: int | None = None
    request_id: str | None = None
    identity: str | None = None
    app_wide: bool = False


def said(text: Any) -> str | None:
    """Return what a platform said as one bounded line, without markup."""
    return (
        plain_line(_TAG.sub("", text[: 4 * MESSAGE_LENGTH]), MESSAGE_LENGTH) or None if isinstance(text, str) else None
    )


def word(value: Any, limit: int = 80) -> str | None:
    """Return an identifier of a platform as a bounded line."""
    return plain_line(str(value), limit) or None if isinstance(value, (str, int)) else None


def wait(now: dt.datetime, header_s: float | None, rule_s: float) -> dict[str, Any]:
    """Return ``retry_at`` and ``retry_source``.

    Args:
        header_s: seconds that an answer names; ``None`` or 0 when it names none.
        rule_s: seconds that count then.
    """
    seconds = min(header_s, LONGEST_WAIT_S) if header_s and header_s > 0 else rule_s
    source = "header" if header_s and header_s > 0 else "rule"
    return {"retry_at": now + dt.timedelta(seconds=seconds), "retry_source": source}


def midnight_pacific(now: dt.datetime) -> dt.datetime:
    """Return the next midnight of the Pacific time zone, when YouTube's daily quota comes back.

    Where the machine knows no time zones it is that of Pacific Standard Time, in summer an hour too late, never early.
    Source: https://developers.google.com/youtube/v3/getting-started#quota
    """
    try:
        zone: dt.tzinfo = ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:
        zone = dt.timezone(dt.timedelta(hours=-8))
    tomorrow = now.astimezone(zone).date() + dt.timedelta(days=1)
    return dt.datetime.combine(tomorrow, dt.time(), zone).astimezone(dt.UTC)


def by_status(seen: Seen, now: dt.datetime, rule_s: float) -> Verdict:
    """Return what an answer means that is not in the platform's own form."""
    if seen.status == 429:  # noqa: PLR2004 - Too Many Requests
        times = wait(now, seen.retry_after_s, rule_s)
        return Verdict(RATE_LIMITED, "http_429", "HTTP 429", WAIT_HINT, **times, app_wide=True)
    if seen.status >= 500:  # noqa: PLR2004 - the class of the server's errors
        return Verdict(UNREACHABLE, "server_error", f"HTTP {seen.status}", UNREACHABLE_HINT)
    if seen.status // 100 == 3:  # noqa: PLR2004 - the class of redirects
        return Verdict(UNKNOWN, "redirect", f"HTTP {seen.status}, redirects are not followed", ADDRESS_HINT)
    if seen.content is None:
        return Verdict(UNKNOWN, "not_json", f"HTTP {seen.status}, the answer is no JSON", ADDRESS_HINT)
    text = f"HTTP {seen.status}, the answer has none of the platform's forms"
    return Verdict(UNKNOWN, "unknown_shape", text, ADDRESS_HINT)


Row = Mapping[str, Any]


def of_platform(rows: Sequence[Row], accounts: int) -> dict[str, Any]:
    """Return what a platform is like, from the rows of its accounts.

    Args:
        rows: those that were looked at, as the module returns them.
        accounts: how many there are.
    """
    if not rows:
        text = "no account of this platform is given"
        empty = {"verdict": UNKNOWN, "cause": "not_configured", "message": text, "hint": "set social_accounts"}
        return {**empty, **dict.fromkeys(("retry_at", "reset_at", "usage_percent")), "usage_warn": False} | {
            "accounts": 0,
            "asked": 0,
            "by_verdict": {},
        }
    worst = min(rows, key=lambda row: VERDICTS.index(row["verdict"]))
    return {
        **{name: worst[name] for name in ("verdict", "cause", "message", "hint")},
        **{name: max(filter(None, (row[name] for row in rows)), default=None) for name in ("retry_at", "reset_at")},
        "usage_percent": max((row["usage_percent"] for row in rows if row["usage_percent"] is not None), default=None),
        "usage_warn": any(row["usage_warn"] for row in rows),
        "accounts": accounts,
        "asked": sum(1 for row in rows if row["asked"]),
        "by_verdict": dict(Counter(row["verdict"] for row in rows)),
    }
