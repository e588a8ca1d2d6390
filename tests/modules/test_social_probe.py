# SPDX-License-Identifier: GPL-3.0-or-later
"""social_probe against the lab's platforms, with their log as the second channel, and against what is no platform."""

from __future__ import annotations

import base64
import datetime as dt
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from modules.k8s_support import Api, Reply, api, run_module

from ansible_collections.brandconnect.incidents.plugins.modules.ingestion_cause import SPEC as INGESTION_CAUSE
from ansible_collections.brandconnect.incidents.plugins.modules.social_probe import SPEC
from support.social import Social

__all__ = ["api"]

Json = dict[str, Any]


def probe(options: Json, **given: Any) -> Json:
    return run_module(SPEC, {**options, **given})


def row(found: Json, number: int = 0) -> Json:
    accounts: list[Json] = found["accounts"]
    return accounts[number]


def seconds_until(moment: str) -> float:
    return (dt.datetime.fromisoformat(moment) - dt.datetime.now(dt.UTC)).total_seconds()


def test_all_is_well(social: Social) -> None:
    found = probe(social.options())
    assert (found["reachable"], found["all_ok"], found["cause"], found["changed"]) == (True, True, None, False)
    assert {name: platform["verdict"] for name, platform in found["platforms"].items()} == dict.fromkeys(
        ("meta", "tiktok", "youtube"), "ok"
    )
    assert [each["identity"] for each in found["accounts"]] == [each.account for each in social.part.accounts]
    assert (found["limited"], found["reauthorize"], found["unproven"]) == ([], [], [])
    assert found["platforms"]["meta"]["usage_percent"] == 12
    assert [each["status"] for each in found["calls"]] == [200] * 6
    assert len(social.requests()) == 6, "one request an account"


def test_check_mode_makes_no_difference(social: Social) -> None:
    found = run_module(SPEC, social.options(), check_mode=True)
    assert (found["all_ok"], found["changed"]) == (True, False)


def test_tokens_travel_in_headers_only(social: Social) -> None:
    probe(social.options())
    asked = social.requests()
    assert {each["method"] for each in asked} == {"GET"}
    for each in asked:
        names = {name.lower() for name in each["headers"]}
        assert names & {"authorization", "access-token"}
        assert "sha256:" not in json.dumps([each["path"], each["query"]]), "no token in an address"
    assert {each["query"].get("part", [None])[0] for each in social.requests("youtube")} == {"id"}, "1 unit of quota"


CASES = [
    ("meta:code-4", "rate_limited", "app_limit", 3600),
    ("meta:code-17", "rate_limited", "user_limit", 3600),
    ("meta:code-32", "rate_limited", "page_limit", 3600),
    ("meta:code-613", "rate_limited", "call_limit", 3600),
    ("meta:code-80002", "rate_limited", "business_limit", 17 * 60),
    ("meta:token-expired", "token_expired", "token_expired", None),
    ("meta:token-revoked", "token_revoked", "app_removed", None),
    ("meta:token-invalid", "token_revoked", "token_invalid", None),
    ("meta:password-changed", "token_revoked", "password_changed", None),
    ("meta:permission", "permission", "not_permitted", None),
    ("meta:error", "unreachable", "server_error", None),
    ("meta:down", "unreachable", "server_error", None),
    ("meta:html", "unknown", "not_json", None),
    ("tiktok:code-40100", "rate_limited", "app_limit", 300),
    ("tiktok:code-40016", "rate_limited", "app_limit", 300),
    ("tiktok:code-40133", "rate_limited", "advertiser_limit", 300),
    ("tiktok:token-expired", "token_expired", "token_expired", None),
    ("tiktok:refresh-expired", "token_expired", "refresh_token_expired", None),
    ("tiktok:token-invalid", "token_revoked", "token_invalid", None),
    ("tiktok:permission", "permission", "not_permitted", None),
    ("tiktok:partial", "unknown", "unknown_error", None),
    ("tiktok:error", "unreachable", "server_error", None),
    ("tiktok:down", "unreachable", "server_error", None),
    ("tiktok:html", "unknown", "not_json", None),
    ("youtube:quota-exceeded", "quota_exhausted", "daily_quota", None),
    ("youtube:rate-limited", "rate_limited", "project_limit", 30),
    ("youtube:user-rate-limited", "rate_limited", "user_limit", 30),
    ("youtube:token-expired", "token_expired", "token_rejected", None),
    ("youtube:permission", "permission", "not_permitted", None),
    ("youtube:no-channel", "unknown", "no_channel", None),
    ("youtube:error", "unreachable", "server_error", None),
    ("youtube:down", "unreachable", "server_error", None),
    ("youtube:html", "unknown", "not_json", None),
]


@pytest.mark.parametrize(("fault", "verdict", "cause", "wait_s"), CASES)
def test_each_fault_has_its_verdict(social: Social, fault: str, verdict: str, cause: str, wait_s: int | None) -> None:
    platform = fault.partition(":")[0]
    with social.broken(fault):
        found = probe(social.options(platform, max_accounts=1))
    assert (row(found)["verdict"], row(found)["cause"]) == (verdict, cause)
    assert row(found)["message"]
    assert row(found)["hint"]
    assert found["all_ok"] is False
    assert found["platforms"][platform]["verdict"] == verdict
    assert (platform in found["limited"]) == (verdict in ("rate_limited", "quota_exhausted"))
    assert bool(found["reauthorize"]) == (verdict in ("token_expired", "token_revoked", "permission"))
    assert (platform in found["unproven"]) == (verdict in ("unreachable", "unknown"))
    if wait_s:
        assert wait_s - 30 < seconds_until(row(found)["retry_at"]) <= wait_s
        assert row(found)["retry_source"] == ("header" if wait_s in (30, 17 * 60) else "rule")
    elif verdict != "quota_exhausted":
        assert row(found)["retry_at"] is None
    assert len(social.requests()) == 1, "never asked again"


def test_the_quota_of_the_day_comes_back_at_midnight(social: Social) -> None:
    with social.broken("youtube:quota-exceeded"):
        found = row(probe(social.options("youtube")))
    assert found["reset_at"] == found["retry_at"]
    assert 0 < seconds_until(found["reset_at"]) <= 25 * 3600
    assert "<" not in found["message"]


def test_much_usage_is_a_warning_although_all_is_well(social: Social) -> None:
    with social.broken("meta:usage-high"):
        found = probe(social.options("meta"))
        stricter = probe(social.options("meta", usage_warn=90))
    meta = found["platforms"]["meta"]
    assert (meta["verdict"], meta["usage_percent"], meta["usage_warn"]) == ("ok", 85, True)
    assert stricter["platforms"]["meta"]["usage_warn"] is False


def test_one_account_does_not_speak_for_the_other(social: Social) -> None:
    first = social.account("tiktok").account
    with social.broken(f"tiktok/{first}:token-expired"):
        found = probe(social.options("tiktok"))
    assert [each["verdict"] for each in found["accounts"]] == ["token_expired", "ok"]
    assert found["platforms"]["tiktok"]["by_verdict"] == {"token_expired": 1, "ok": 1}
    assert [each["account"] for each in found["reauthorize"]] == [first]


@pytest.mark.parametrize("fault", ["meta:code-4", "tiktok:code-40100", "youtube:quota-exceeded", "meta:down"])
def test_a_limit_of_all_is_not_asked_for_twice(social: Social, fault: str) -> None:
    with social.broken(fault):
        found = probe(social.options(fault.partition(":")[0]))
    assert [(each["verdict"], each["asked"]) for each in found["accounts"]][1] == ("skipped", False)
    assert row(found, 1)["cause"] == "not_asked"
    assert len(social.requests()) == 1


def test_a_limit_of_one_account_leaves_the_others(social: Social) -> None:
    with social.broken(f"meta/{social.account('meta').account}:code-80002"):
        found = probe(social.options("meta"))
    assert [each["verdict"] for each in found["accounts"]] == ["rate_limited", "ok"]


def test_a_platform_that_said_when_is_not_asked_before(social: Social) -> None:
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)).isoformat()
    earlier = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=10)).isoformat()
    found = probe(social.options(), skip_until={"meta": later, "tiktok": earlier, "youtube": ""})
    assert {each["service"] for each in social.requests()} == {"tiktok", "youtube"}
    meta = found["platforms"]["meta"]
    assert (meta["verdict"], meta["cause"], meta["asked"]) == ("skipped", "skip_until", 0)
    assert "not asked before" in meta["message"]
    assert (found["all_ok"], found["unproven"], found["reachable"]) == (False, ["meta"], True)


def test_what_was_told_can_be_handed_on(social: Social) -> None:
    with social.broken("meta:code-80002"):
        first = probe(social.options("meta"))
    social.forget()
    again = probe(social.options("meta"), skip_until={"meta": first["platforms"]["meta"]["retry_at"]})
    assert social.requests() == []
    assert (again["reachable"], again["cause"]) == (False, "skip_until")


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("meta:code-4", "rate_limited"), ("youtube:quota-exceeded", "rate_limited"), ("tiktok:token-expired", "token")],
)
def test_the_cause_of_late_metrics_follows_from_it(social: Social, fault: str, cause: str) -> None:
    with social.broken(fault):
        found = probe(social.options())
    why = run_module(INGESTION_CAUSE, {"social": found})
    assert (why["cause"], why["also"]) == (cause, [])
    assert fault.partition(":")[0] in why["reason"]
    assert why["retry_at"] == found["platforms"][fault.partition(":")[0]]["retry_at"]
    assert len(why["platforms_ok"]) == 2
    assert run_module(INGESTION_CAUSE, {"social": probe(social.options())})["cause"] == "unknown"


def test_at_most_three_accounts_and_the_failing_ones_first(social: Social) -> None:
    token = social.account("meta").token
    many = [{"platform": "meta", "account": f"1784{number}", "token": token} for number in range(9)]
    found = probe(social.options("meta"), social_accounts=many, failing_accounts=["17848", "17845"])
    assert [each["account"] for each in found["accounts"]] == ["17845", "17848", "17840"]
    assert (found["platforms"]["meta"]["accounts"], found["platforms"]["meta"]["asked"]) == (9, 3)
    assert len(social.requests()) == 3


def test_platforms_that_hang_cost_one_limit_together(social: Social) -> None:
    began = time.monotonic()
    with social.broken("meta:hang", "tiktok:hang", "youtube:hang"):
        found = probe(social.options(), social_request_timeout=1)
    assert {each["cause"] for each in found["accounts"] if each["asked"]} == {"timeout"}
    assert time.monotonic() - began < 4  # six accounts, not six limits
    assert (found["reachable"], found["cause"]) == (False, "timeout")
    assert len(social.requests()) == 3


def test_nobody_there(social: Social) -> None:
    nobody = dict.fromkeys(("meta", "tiktok", "youtube"), "http://127.0.0.1:1")
    found = probe(social.options(), social_urls=nobody)
    assert (found["reachable"], found["cause"], found["message"]) == (False, "refused", "connection refused")
    assert {each["verdict"] for each in found["accounts"]} == {"unreachable", "skipped"}
    assert found["unproven"] == ["meta", "tiktok", "youtube"]


def test_no_accounts_are_no_good_news() -> None:
    found = probe({})
    assert (found["reachable"], found["all_ok"], found["cause"]) == (False, False, "not_configured")
    assert found["unproven"] == ["meta", "tiktok", "youtube"]


def test_a_token_that_is_missing_or_none_keeps_nobody_else_from_being_asked(social: Social) -> None:
    good = social.options("meta")["social_accounts"]
    bad = [{**good[0], "token": None}, {**good[1], "token": "two words"}, {**good[0], "account": "3"}]
    found = probe(social.options("meta"), social_accounts=bad)
    assert [each["cause"] for each in found["accounts"]] == ["not_configured", "token_unusable", None]
    assert [each["verdict"] for each in found["accounts"]] == ["unknown", "unknown", "ok"]
    assert len(social.requests()) == 1
    assert "two words" not in json.dumps(found)


@pytest.mark.parametrize(
    ("reply", "verdict", "cause"),
    [
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), "unknown", "redirect"),
        (Reply(200, b"[]"), "unknown", "unknown_shape"),
        (Reply(200, {"id": None}), "unknown", "unknown_shape"),
        (Reply(200, b"{" * 3000), "unknown", "not_json"),
        (Reply(200, b"x" * (2**20 + 1)), "unknown", "too_large"),
        (Reply(429, b"slow down", {"Retry-After": "42"}), "rate_limited", "http_429"),
        (Reply(200, {"error": {"code": "190"}}), "unknown", "unknown_shape"),
        (Reply(400, {"error": {"code": 99, "message": "\u202e\x1b[2J" + "long " * 999}}), "unknown", "unknown_error"),
    ],
)
def test_what_no_platform_answers(api: Api, reply: Reply, verdict: str, cause: str) -> None:
    api.answers["/v24.0/me"] = reply
    account = {"platform": "meta", "account": "1", "token": "c4n4ry-t0ken"}
    found = probe({"social_accounts": [account], "social_urls": {"meta": api.url}, "platforms": ["meta"]})
    assert (row(found)["verdict"], row(found)["cause"]) == (verdict, cause)
    assert len(row(found)["message"]) <= 300
    assert "\x1b" not in row(found)["message"]
    assert len(api.asked) == 1


def test_a_token_that_is_echoed_is_not_shown(api: Api) -> None:
    token = "c4n4ry/t0ken+of=us"
    forms = [token, quote(token, safe=""), base64.b64encode(token.encode()).decode()]
    text = f"Cannot parse {forms}"
    api.answers["/v24.0/me"] = Reply(400, {"error": {"message": text, "code": 190, "fbtrace_id": token}})
    account = {"platform": "meta", "account": "1", "token": token}
    found = probe({"social_accounts": [account], "social_urls": {"meta": api.url}, "platforms": ["meta"]})
    assert row(found)["verdict"] == "token_revoked"
    shown = json.dumps(found)
    assert [form for form in forms if form in shown] == []


def test_the_facebook_login_is_asked_for_its_id(api: Api) -> None:
    api.answers["/v23.0/me"] = {"id": "42"}
    account = {"platform": "meta", "account": "42", "token": "c4n4ry-t0ken", "login": "facebook"}
    given = {"social_accounts": [account], "social_urls": {"meta": api.url}, "platforms": ["meta"]}
    found = probe(given, meta_api_version="v23.0")
    assert found["all_ok"] is True
    assert api.asked[0].query == {"fields": ["id"]}
    assert api.asked[0].headers["Authorization"] == "Bearer c4n4ry-t0ken"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"social_request_timeout": 0}, "social_request_timeout must be 1"),
        ({"max_accounts": 4}, "max_accounts must be 1 to 3"),
        ({"usage_warn": 101}, "usage_warn must be"),
        ({"meta_api_version": "v24.0/../x"}, "meta_api_version is no version"),
        ({"platforms": []}, "platforms is empty"),
        ({"skip_until": {"vimeo": "2026-11-28T10:00:00Z"}}, "no platform"),
        ({"skip_until": {"meta": "soon"}}, "is no time"),
        ({"social_urls": {"meta": "http://graph.example/"}}, "https://"),
        ({"social_urls": {"vimeo": "https://vimeo.example/"}}, "no platform"),
        ({"social_accounts": [{"platform": "meta", "account": " ", "token": "c4n4ry"}]}, "no id"),
        ({"social_accounts": [{"platform": "meta", "account": "1", "token": "c4n4ry"}] * 2}, "given twice"),
    ],
)
def test_wrong_options_are_one_clear_error(given: Json, said: str) -> None:
    found = probe({}, **given)
    assert found["failed"] is True
    assert found["msg"].startswith("Asking the social platforms")
    assert said in found["msg"]
    assert "c4n4ry" not in json.dumps(found)


def test_every_form_of_a_token_is_known_as_a_secret() -> None:
    token = "c4n4ry/t0ken+of=us"
    accounts: list[Any] = [{"platform": "meta", "account": "1", "token": token}, "an account that is no dict"]
    secrets = set(SPEC.secrets({"social_accounts": accounts}))
    forms = {token, quote(token, safe=""), base64.b64encode(token.encode()).decode(), "an account that is no dict"}
    assert forms <= secrets
    assert "an account that is no list" in set(SPEC.secrets({"social_accounts": "an account that is no list"}))


@pytest.mark.parametrize(
    "accounts",
    [
        "c4n4ry-t0ken",
        ["c4n4ry-t0ken"],
        [{"platform": "vimeo", "account": "1", "token": "c4n4ry-t0ken"}],
        [{"platform": "meta", "account": "1", "token": "c4n4ry-t0ken", "colour": "red"}],
    ],
)
def test_the_module_itself_hides_tokens_in_wrong_options(accounts: Any, tmp_path: Path) -> None:
    arguments = {"ANSIBLE_MODULE_ARGS": {"social_accounts": accounts, "_ansible_remote_tmp": str(tmp_path)}}
    name = "ansible_collections.brandconnect.incidents.plugins.modules.social_probe"
    code = f"import json, sys; from ansible.module_utils import basic; basic._ANSIBLE_ARGS = {json.dumps(arguments)!r}"
    code += f".encode(); basic._ANSIBLE_PROFILE = 'legacy'; import {name} as module; module.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(done.stdout)["failed"] is True
    assert "c4n4ry" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
