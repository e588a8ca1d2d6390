# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Meta, TikTok and YouTube: what each says to a good request and to each fault, and what is in the log."""

from __future__ import annotations

import base64
import json
import stat
from typing import Any

import pytest
import requests

from incident_runbooks.lab.services.secret_files import fingerprint
from incident_runbooks.lab.social.accounts import META, PLATFORMS, TIKTOK, YOUTUBE, Account
from incident_runbooks.lab.social.control import BUSINESS_CODES, KINDS
from incident_runbooks.lab.social.part import SocialPart
from support.services import listening
from support.social import Social

Json = dict[str, Any]


def ask(social: Social, account: Account, *, timeout: float = 5, token: str | None = None) -> requests.Response:
    """Ask as a client of the platform does that is not the product's."""
    base, sent = social.part.urls[account.platform], account.token if token is None else token
    if account.platform == TIKTOK:
        params = {"advertiser_ids": json.dumps([account.account])}
        headers = {"Access-Token": sent} if sent else {}
        url = f"{base}/open_api/v1.3/advertiser/info/"
        return requests.get(url, params=params, headers=headers, timeout=timeout)
    headers = {"Authorization": f"Bearer {sent}"} if sent else {}
    path = "v24.0/me?fields=user_id,username" if account.platform == META else "youtube/v3/channels?part=id&mine=true"
    return requests.get(f"{base}/{path}", headers=headers, timeout=timeout)


def broken(social: Social, kind: str, account: Account) -> requests.Response:
    with social.broken(f"{account.platform}:{kind}"):
        return ask(social, account)


def test_each_says_who_we_are(social: Social) -> None:
    meta, tiktok, youtube = (ask(social, social.account(platform)) for platform in PLATFORMS)
    assert meta.json()["username"] == social.account(META).name
    assert meta.json()["user_id"] == social.account(META).account
    usage = json.loads(meta.headers["X-Business-Use-Case-Usage"])[social.account(META).account][0]
    assert usage["estimated_time_to_regain_access"] == 0
    assert set(json.loads(meta.headers["X-App-Usage"])) == {"call_count", "total_time", "total_cputime"}
    assert (tiktok.json()["code"], tiktok.json()["message"]) == (0, "OK")
    assert tiktok.json()["data"]["list"][0]["advertiser_id"] == social.account(TIKTOK).account
    assert [item["id"] for item in youtube.json()["items"]] == [social.account(YOUTUBE).account]


@pytest.mark.parametrize("code", [4, 17, 32, 613, BUSINESS_CODES[0], BUSINESS_CODES[-1]])
def test_limits_of_meta(social: Social, code: int) -> None:
    answer = broken(social, f"code-{code}", social.account(META))
    assert answer.status_code == (403 if code == 4 else 400)
    error = answer.json()["error"]
    assert (error["type"], error["code"], error["is_transient"]) == ("OAuthException", code, True)
    assert error["fbtrace_id"]
    if code in BUSINESS_CODES:
        (entries,) = json.loads(answer.headers["X-Business-Use-Case-Usage"]).values()
        assert (entries[0]["call_count"], entries[0]["estimated_time_to_regain_access"]) == (100, 17)


@pytest.mark.parametrize(
    ("kind", "status", "code", "subcode"),
    [
        ("token-expired", 400, 190, 463),
        ("token-revoked", 400, 190, 458),
        ("token-invalid", 400, 190, 467),
        ("password-changed", 400, 190, 460),
        ("permission", 403, 10, None),
        ("error", 500, 2, None),
    ],
)
def test_errors_of_meta(social: Social, kind: str, status: int, code: int, subcode: int | None) -> None:
    answer = broken(social, kind, social.account(META))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("error_subcode")) == (status, code, subcode)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("code-40100", 40100),
        ("code-40016", 40016),
        ("code-40133", 40133),
        ("token-expired", 40102),
        ("refresh-expired", 40103),
        ("token-invalid", 40105),
        ("permission", 40001),
        ("partial", 20001),
        ("error", 50000),
    ],
)
def test_errors_of_tiktok_are_http_200(social: Social, kind: str, code: int) -> None:
    answer = broken(social, kind, social.account(TIKTOK))
    assert (answer.status_code, answer.json()["code"]) == (200, code)
    assert set(answer.json()) == {"code", "message", "request_id", "data"}


def test_tiktok_wants_its_slash_and_its_token(social: Social) -> None:
    url = f"{social.part.urls[TIKTOK]}/open_api/v1.3/campaign/get"
    headers = {"Access-Token": social.account(TIKTOK).token}
    assert requests.get(url, headers=headers, timeout=5).status_code == 404
    params = {"advertiser_id": social.account(TIKTOK).account, "page_size": "1"}
    assert requests.get(f"{url}/", params=params, headers=headers, timeout=5).json()["code"] == 0
    assert ask(social, social.account(TIKTOK), token="").json()["code"] == 40104
    assert ask(social, social.account(TIKTOK), token="nobody's").json()["code"] == 40105
    other = {"advertiser_id": social.account(TIKTOK, 1).account}
    assert requests.get(f"{url}/", params=other, headers=headers, timeout=5).json()["code"] == 40001


@pytest.mark.parametrize(
    ("kind", "status", "domain", "reason"),
    [
        ("quota-exceeded", 403, "youtube.quota", "quotaExceeded"),
        ("rate-limited", 403, "usageLimits", "rateLimitExceeded"),
        ("user-rate-limited", 403, "usageLimits", "userRateLimitExceeded"),
        ("token-expired", 401, "global", "authError"),
        ("token-revoked", 401, "global", "authError"),
        ("permission", 403, "global", "insufficientPermissions"),
        ("error", 500, "global", "backendError"),
    ],
)
def test_errors_of_youtube(social: Social, kind: str, status: int, domain: str, reason: str) -> None:
    answer = broken(social, kind, social.account(YOUTUBE))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, status)
    assert [(each["domain"], each["reason"]) for each in error["errors"]] == [(domain, reason)]
    if status == 401:
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_channel_that_nobody_has_is_no_error(social: Social) -> None:
    answer = broken(social, "no-channel", social.account(YOUTUBE))
    assert answer.status_code == 200
    assert "items" not in answer.json()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_in_front_of_a_platform(social: Social, platform: str) -> None:
    account = social.account(platform)
    down, page = broken(social, "down", account), broken(social, "html", account)
    assert (down.status_code, page.status_code) == (503, 200)
    assert "html" in page.headers["Content-Type"]
    with social.broken(f"{platform}:hang"), pytest.raises(requests.Timeout):
        ask(social, account, timeout=0.3)
    assert ask(social, account).status_code == 200, "healed at once"


def test_a_fault_of_one_account_concerns_no_other(social: Social) -> None:
    first, second = social.account(META, 0), social.account(META, 1)
    with social.broken(f"meta/{first.account}:token-expired"):
        assert ask(social, first).status_code == 400
        assert ask(social, second).status_code == 200
        assert ask(social, social.account(TIKTOK)).json()["code"] == 0
    with social.broken("meta:code-17", f"meta/{first.account}:code-4"):
        assert [ask(social, each).json()["error"]["code"] for each in (first, second)] == [4, 17]


def test_a_fault_that_does_not_exist_is_refused(social: Social) -> None:
    for name in ("meta:quota-exceeded", "vimeo:down", "meta", ""):
        with pytest.raises(ValueError, match="no fault"):
            social.part.control.write([name])
    assert all(KINDS[platform] for platform in PLATFORMS)


def test_the_log_has_fingerprints_and_no_token(social: Social) -> None:
    for account in social.part.accounts:
        ask(social, account)
    ask(social, social.account(TIKTOK), token="t0ken-of-nobody")
    url = f"{social.part.urls[META]}/v24.0/me?access_token={social.account(META).token}"
    assert requests.get(url, timeout=5).json()["error"]["code"] == 2500, "a token in a URL counts for nothing"
    text = social.part.requests.read_text(encoding="utf-8")
    for token in [*(account.token for account in social.part.accounts), "t0ken-of-nobody"]:
        assert token not in text
        assert fingerprint(token) in text
    assert stat.S_IMODE(social.part.requests.stat().st_mode) == 0o600
    assert {each["status"] for each in social.requests(TIKTOK)} == {200}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_token_is_logged_whatever_is_sent(social: Social, platform: str) -> None:
    token = social.account(platform).token
    encoded = base64.b64encode(b"x" + token.encode()).decode()
    url, sent = f"{social.part.urls[platform]}/x", json.dumps({"refresh": {"refresh_token": "r3fresh", "of": encoded}})
    for path, headers in (
        (f"/{encoded}?q={encoded}", {"X-Other": encoded}),
        ("", {"Access-Token": b"f0reign\xe9", "Authorization": b"Bearer f0reign\xe9"}),  # not UTF-8
        ("", {"X-Goog-Api-Key": "f0reign"}),
    ):
        assert requests.post(url + path, headers=headers, data=sent, timeout=5).status_code in {200, 400, 404}
    assert len(social.requests(platform)) == 3
    for log in (social.part.requests, social.part.process.log):
        text = log.read_text(encoding="utf-8")
        for secret in (token, encoded[4:-4], "r3fresh", "f0reign"):
            assert secret not in text, (log.name, secret)


def test_a_failure_is_told_without_what_was_sent(social: Social) -> None:
    account = social.account(TIKTOK)
    response = requests.get(
        f"{social.part.urls[TIKTOK]}/open_api/v1.3/campaign/get/",
        params={"advertiser_id": account.account, "page_size": "s3cret"},
        headers={"Access-Token": account.token},
        timeout=5,
    )
    assert response.status_code == 500
    said = social.part.process.log.read_text(encoding="utf-8")
    assert "tiktok.py" in said
    assert "ValueError" in said
    assert "s3cret" not in said


def test_they_listen_on_loopback_only(social: Social) -> None:
    assert listening(social.part.port) == {"127.0.0.1"}


def test_it_survives_lab_json(social: Social) -> None:
    part = social.part
    assert SocialPart.from_plain(json.loads(json.dumps(part.to_plain()))) == part
    assert part.accounts[0].token not in repr(part)
    variables = part.variables()
    assert set(variables) == {"social_urls", "social_accounts"}
    assert {account["platform"] for account in variables["social_accounts"]} == set(PLATFORMS)
