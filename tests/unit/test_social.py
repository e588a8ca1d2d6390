# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers of social platforms mean: what their services say that no lab says, and times."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    social,
    social_meta,
    social_tiktok,
    social_youtube,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.social import Seen, midnight_pacific

Json = dict[str, Any]

NOW = dt.datetime(2026, 11, 28, 10, 0, tzinfo=dt.UTC)


def utc(*when: int) -> dt.datetime:
    return dt.datetime(*when, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]  # the star


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        (utc(2026, 11, 28, 10, 0), utc(2026, 11, 29, 8, 0)),  # standard time
        (utc(2026, 11, 28, 7, 59), utc(2026, 11, 28, 8, 0)),
        (utc(2026, 11, 28, 8, 0), utc(2026, 11, 29, 8, 0)),  # just now: the next one is a day away
        (utc(2026, 7, 1, 6, 59), utc(2026, 7, 1, 7, 0)),  # daylight saving time
        (utc(2026, 7, 1, 7, 30), utc(2026, 7, 2, 7, 0)),
        (utc(2026, 3, 8, 9, 0), utc(2026, 3, 9, 7, 0)),  # clocks go forward on the 8th: the day has 23 hours
        (utc(2026, 11, 1, 7, 0), utc(2026, 11, 2, 8, 0)),  # and back on 1 November: 25 hours
    ],
)
def test_midnight_in_california(now: dt.datetime, reset: dt.datetime) -> None:
    assert midnight_pacific(now) == reset


def test_without_time_zones_it_is_never_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise social.ZoneInfoNotFoundError

    monkeypatch.setattr(social, "ZoneInfo", missing)
    assert midnight_pacific(utc(2026, 7, 1, 7, 30)) == utc(2026, 7, 1, 8, 0)


def business(*entries: Json, **header: Json) -> dict[str, str]:
    shown = {"x-business-use-case-usage": json.dumps({"1784": list(entries)})}
    return {**shown, **{f"x-{name.replace('_', '-')}": json.dumps(value) for name, value in header.items()}}


def test_the_highest_share_and_the_longest_wait_count() -> None:
    slow = {"type": "pages", "call_count": 3, "total_time": 91.5, "estimated_time_to_regain_access": 5}
    fine = {"type": "instagram", "call_count": 60, "estimated_time_to_regain_access": 19}
    headers = business(slow, fine, app_usage={"call_count": 28, "total_time": 25, "total_cputime": 25})
    assert social_meta.usage(headers) == (91.5, 19 * 60)
    account = {"acc_id_util_pct": 100, "reset_time_duration": 120}
    assert social_meta.usage(business(fine, ad_account_usage=account)) == (100, 19 * 60)
    assert social_meta.usage({"x-ad-account-usage": json.dumps(account)}) == (100, 120)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        "9" * 20_000,
        '{"call_count": "99"}',
        '{"call_count": NaN}',
        '{"1": [1, null]}',
        "[" * 9999,
    ],
)
def test_headers_that_make_no_sense_say_nothing(text: str) -> None:
    names = ("x-app-usage", "x-business-use-case-usage", "x-ad-account-usage")
    assert social_meta.usage(dict.fromkeys(names, text)) == (None, None)


def meta(
    code: int, status: int = 400, subcode: int | None = None, message: str = "said", **more: Any
) -> social.Verdict:
    error = {"message": message, "type": "OAuthException", "code": code, "error_subcode": subcode}
    return social_meta.read(Seen(status, content={"error": error}, **more), NOW)


@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_the_code_counts_and_not_the_status(status: int) -> None:
    assert meta(4, status).verdict == "rate_limited"
    assert meta(190, status, 463).verdict == "token_expired"


@pytest.mark.parametrize(
    ("subcode", "message", "expected"),
    [
        (463, "", ("token_expired", "token_expired")),
        (None, "Session has expired on Monday", ("token_expired", "token_expired")),
        (None, "Cannot parse access token", ("token_revoked", "token_invalid")),
        (458, "", ("token_revoked", "app_removed")),
        (460, "has expired", ("token_revoked", "password_changed")),
        (467, "", ("token_revoked", "token_invalid")),
        (459, "", ("token_revoked", "login_needed")),
        (12345, "", ("token_revoked", "token_invalid")),
    ],
)
def test_subcodes_of_a_token(subcode: int | None, message: str, expected: tuple[str, str]) -> None:
    found = meta(190, subcode=subcode, message=message)
    assert (found.verdict, found.cause) == expected


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        *((code, "rate_limited") for code in (4, 17, 32, 613, *range(80001, 80015))),
        *((code, "permission") for code in (3, 10, 200, 299)),
        *((code, "unreachable") for code in (1, 2)),
        *((code, "unknown") for code in (100, 300, 803, 80015, 2500)),
        (102, "token_revoked"),
    ],
)
def test_codes_of_meta(code: int, verdict: str) -> None:
    found = meta(code)
    assert found.verdict == verdict
    assert found.app_wide is (code == 4)


def test_a_wait_of_zero_minutes_is_not_now() -> None:
    found = meta(80002, headers=business({"call_count": 100, "estimated_time_to_regain_access": 0}))
    assert (found.retry_at, found.retry_source) == (NOW + dt.timedelta(hours=1), "rule")
    soon = meta(17, retry_after_s=90.0)
    assert (soon.retry_at, soon.retry_source) == (NOW + dt.timedelta(seconds=90), "header")
    long = meta(80002, headers=business({"estimated_time_to_regain_access": 10**9}))
    assert long.retry_at == NOW + dt.timedelta(days=1), "bounded"


def tiktok(content: Any, status: int = 200) -> social.Verdict:
    return social_tiktok.read(Seen(status, content=content), NOW, "701")


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (40100, "rate_limited"),
        (40016, "rate_limited"),
        (40133, "rate_limited"),
        (40102, "token_expired"),
        (40103, "token_expired"),
        (40104, "token_revoked"),
        (40105, "token_revoked"),
        (40001, "permission"),
        (50000, "unreachable"),
        (59999, "unreachable"),
        (40002, "unknown"),
        (20001, "unknown"),
        (60000, "unknown"),
    ],
)
def test_codes_of_tiktok(code: int, verdict: str) -> None:
    found = tiktok({"code": code, "message": "said", "request_id": "r1", "data": {}})
    assert (found.verdict, found.code, found.request_id) == (verdict, code, "r1")


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        ({"code": 0, "data": {"list": [{"advertiser_id": "701"}]}}, "ok"),
        ({"code": 0, "data": {"list": [{"advertiser_id": 701}]}}, "ok"),
        ({"code": 0, "data": {"list": [{"advertiser_id": "702"}]}}, "permission"),
        ({"code": 0, "data": {"list": []}}, "permission"),
        ({"code": 0, "data": {}}, "unknown"),
        ({"code": 0}, "unknown"),
        ({"code": False}, "unknown"),
        ({"code": "0"}, "unknown"),
        ([], "unknown"),
        (None, "unknown"),
    ],
)
def test_zero_alone_is_not_ok(content: Any, verdict: str) -> None:
    assert tiktok(content).verdict == verdict


def test_a_path_that_is_not_there() -> None:
    assert (tiktok(None, 404).verdict, tiktok(None, 404).cause) == ("unknown", "not_found")


def youtube(status: int, *reasons: str, form: str = "errors", **more: Any) -> social.Verdict:
    error = {"code": status, "message": "said", form: [{"reason": reason} for reason in reasons]}
    return social_youtube.read(Seen(status, content={"error": error}, **more), NOW)


@pytest.mark.parametrize(
    ("status", "reason", "verdict"),
    [
        (403, "quotaExceeded", "quota_exhausted"),
        (403, "dailyLimitExceeded", "quota_exhausted"),
        (403, "rateLimitExceeded", "rate_limited"),
        (403, "userRateLimitExceeded", "rate_limited"),
        (429, "rateLimitExceeded", "rate_limited"),
        (429, "RATE_LIMIT_EXCEEDED", "rate_limited"),
        (401, "authError", "token_expired"),
        (401, "required", "token_expired"),
        (401, "youtubeSignupRequired", "permission"),
        (403, "forbidden", "permission"),
        (403, "accessNotConfigured", "permission"),
        (403, "somethingNew", "permission"),
        (500, "backendError", "unreachable"),
        (400, "badRequest", "unknown"),
    ],
)
def test_reasons_of_youtube(status: int, reason: str, verdict: str) -> None:
    assert youtube(status, reason).verdict == verdict
    assert youtube(status, reason, form="details").verdict == verdict


def test_a_quota_is_no_permission_although_both_are_403() -> None:
    found = youtube(403, "forbidden", "quotaExceeded")
    assert (found.verdict, found.reset_at, found.app_wide) == ("quota_exhausted", utc(2026, 11, 29, 8, 0), True)


def test_a_refresh_that_is_refused_means_revoked() -> None:
    content = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
    found = social_youtube.read(Seen(400, content=content), NOW)
    assert (found.verdict, found.cause) == ("token_revoked", "invalid_grant")


@pytest.mark.parametrize("items", [[], None, "UC1", [1]])
def test_no_channel_is_not_ok(items: Any) -> None:
    content = {"kind": "youtube#channelListResponse", "items": items}
    found = social_youtube.read(Seen(200, content=content), NOW)
    assert (found.verdict, found.cause) == ("unknown", "no_channel")
    assert social_youtube.read(Seen(200, content={"items": [{"id": "UC1"}]}), NOW).verdict == "unknown"
