# SPDX-License-Identifier: GPL-3.0-or-later
"""What an endpoint's answers mean, how a webhook is signed, and whose endpoint is whose."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any

import pytest
import stripe

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    webhook_endpoints,
    webhook_signature,
    webhook_tls,
    webhook_verdicts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_verdicts import Probe

NOW = dt.datetime(2026, 11, 24, 15, tzinfo=dt.UTC)
SECRET = "whsec_test_secret"


def test_stripes_own_library_takes_our_signature() -> None:
    body = webhook_signature.encoded(webhook_signature.probe_event("1234", 1_700_000_000))
    header = webhook_signature.signature(SECRET, body, int(time.time()))
    event = stripe.Webhook.construct_event(body, header, SECRET)  # type: ignore[no-untyped-call]
    assert (event["id"], event["type"], event["livemode"]) == (
        "evt_runbook_1234",
        "brandconnect.runbook.probe",
        False,
    )


def test_it_does_not_take_a_stale_or_foreign_one() -> None:
    body = b"{}"
    stale = webhook_signature.signature(SECRET, body, int(time.time()) - webhook_signature.STALE_S)
    foreign = webhook_signature.signature(SECRET.removeprefix("whsec_"), body, int(time.time()))
    for header, said in ((stale, "Timestamp outside"), (foreign, "No signatures found")):
        with pytest.raises(stripe.SignatureVerificationError, match=said):
            stripe.Webhook.construct_event(body, header, SECRET)  # type: ignore[no-untyped-call]


def test_a_replayed_event_keeps_every_character() -> None:
    event = {"id": "evt_1", "data": {"object": {"description": "Café ✓ \u2028 </script>"}}}
    assert json.loads(webhook_signature.encoded(event)) == event


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        (SECRET, []),
        ("", ["empty"]),
        (" \n", ["empty"]),
        (f"{SECRET}\n", ["whitespace"]),
        ("sk_test_1", ["no_whsec_prefix"]),
        (" sk_test_1", ["whitespace", "no_whsec_prefix"]),
    ],
)
def test_secrets_by_their_looks(value: str, problems: list[str]) -> None:
    assert webhook_signature.secret_problems(value) == problems


def probe(kind: str, status: int | None, text: str = "", cause: str | None = None) -> Probe:
    return Probe(kind, status, cause, text, 0.1)


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (200, "", ("not_verified", "accepted", "stale_accepted")),
        (204, "", ("not_verified", "accepted", "stale_accepted")),
        (400, "No signatures found matching", ("verified", "bad_signature", "stale_rejected")),
        (400, "Timestamp outside the tolerance zone", ("verified", "timestamp_rejected", "stale_rejected")),
        (302, "", ("redirect",) * 3),
        (404, "", ("wrong_path",) * 3),
        (422, "", ("unexpected",) * 3),
        (500, "", ("handler_error",) * 3),
        (504, "", ("unavailable",) * 3),
    ],
)
def test_verdicts(status: int, text: str, words: tuple[str, str, str]) -> None:
    assert tuple(webhook_verdicts.verdict(probe(kind, status, text)) for kind in webhook_verdicts.KINDS) == words


@pytest.mark.parametrize(
    ("cause", "word"), [("timeout", "timeout"), ("refused", "unreachable"), ("tls", "unreachable")]
)
def test_verdicts_without_an_answer(cause: str, word: str) -> None:
    assert webhook_verdicts.verdict(probe("signed", None, cause=cause)) == word


def test_what_was_not_sent_says_so_and_a_refusal_at_any_age_proves_nothing() -> None:
    found = webhook_verdicts.describe([probe("unsigned", 400)])
    assert [found[kind]["verdict"] for kind in webhook_verdicts.KINDS] == ["verified", "not_sent", "not_sent"]
    found = webhook_verdicts.describe([probe("unsigned", 400), probe("signed", 500), probe("stale", 400)])
    assert found["stale"]["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://api.example.com/api/webhooks/stripe?version=2", True),
        ("http://backend.brandconnect.svc:80/api", True),
        ("https://[::1]:8443/api", True),
        ("https://user:secret@example.com/", False),
        ("https://example.com/#part", False),
        ("https://example.com/a b", False),
        ("https://example.com/\n", False),
        ("https://example.com:99999/", False),
        ("https:///path", False),
        ("gopher://example.com/", False),
        ("https://example.com/" + "a" * 2000, False),
    ],
)
def test_addresses(url: str, fine: bool) -> None:
    assert (webhook_verdicts.url_problem(url) is None) is fine


@pytest.mark.parametrize(
    ("host", "addresses", "public"),
    [
        ("api.example.com", ["93.184.216.34"], True),
        ("api.example.com", ["10.0.0.1"], False),
        ("api.example.com", ["10.0.0.1", "93.184.216.34"], True),
        ("brandconnect.local", ["93.184.216.34"], False),
        ("backend", ["93.184.216.34"], False),
        ("backend.brandconnect.svc", ["93.184.216.34"], False),
        ("api.example.com", ["fe80::1%eth0"], False),
    ],
)
def test_names_that_stripe_can_find(host: str, addresses: list[str], public: bool) -> None:
    assert webhook_tls.resolved(host, addresses)["public"] is public


@pytest.mark.parametrize(
    ("expires", "days_left"),
    [(NOW + dt.timedelta(days=3, hours=1), 3), (NOW - dt.timedelta(minutes=1), -1), (None, None)],
)
def test_days_left(expires: dt.datetime | None, days_left: int | None) -> None:
    assert webhook_tls.expiry(expires, NOW)["days_left"] == days_left


def test_a_certificate() -> None:
    issuer = ((("countryName", "US"),), (("organizationName", "Let's Encrypt"),), (("commonName", "R11"),))
    facts = webhook_tls.verified_certificate({"notAfter": "Nov 27 15:00:00 2026 GMT", "issuer": issuer}, NOW)
    assert (facts["issuer"], facts["days_left"], facts["valid"]) == ("Let's Encrypt, R11", 3, True)
    assert webhook_tls.verified_certificate({}, NOW)["expires_at"] is None


def endpoint(id_: str, url: str = "https://api.example.com/hook", **more: Any) -> dict[str, Any]:
    made = {"id": id_, "url": url, "status": "enabled", "enabled_events": ["*"], "livemode": True, "created": 1}
    return webhook_endpoints.facts(made | more)


@pytest.mark.parametrize(
    ("endpoints", "id_", "url", "found"),
    [
        ([endpoint("we_1")], None, "https://api.example.com/hook", "we_1"),
        ([endpoint("we_1")], None, "https://api.example.com/hook/", "we_1"),
        ([endpoint("we_1")], None, "https://other.example.com/hook", None),
        ([endpoint("we_1")], None, "https://api.example.com:443/hook/", "we_1"),
        ([endpoint("we_1")], None, "https://api.example.com:8443/hook", "we_1"),
        ([endpoint("we_1")], None, "no address", None),
        ([endpoint("we_1", "no address either")], None, "no address", None),
        ([endpoint("we_1")], None, None, "we_1"),
        ([endpoint("we_1")], "we_1", "https://other.example.com/hook", "we_1"),
        ([endpoint("we_1"), endpoint("we_2", "https://x.example.com/")], None, "https://other.example.com/", None),
        ([endpoint("we_1"), endpoint("we_2", "https://x.example.com/")], None, "https://x.example.com/a", "we_2"),
        ([endpoint("we_1"), endpoint("we_2", created=2)], None, "https://api.example.com/hook", "we_2"),
        (
            [endpoint("we_1"), endpoint("we_2", created=2, status="disabled")],
            None,
            "https://api.example.com/hook",
            "we_1",
        ),
        ([endpoint("we_1"), endpoint("we_2")], None, None, None),
        ([endpoint("we_1"), endpoint("we_2")], "we_2", "https://api.example.com/hook", "we_2"),
        ([], None, None, None),
    ],
)
def test_whose_endpoint_it_is(
    endpoints: list[dict[str, Any]], id_: str | None, url: str | None, found: str | None
) -> None:
    match = webhook_endpoints.matching(endpoints, id_, url)
    assert (match and match["id"]) == found


def test_an_endpoint_of_another_host_is_named_and_not_taken_for_ours() -> None:
    listed = [endpoint("we_1", "https://staging.example.com/hook")]
    url = "https://api.example.com/hook"
    (told,) = webhook_endpoints.problems(listed, None, url, [], livemode=True)
    assert told["problem"] == "not_found"
    assert told["message"] == (
        "none of Stripe's 1 endpoints is the platform's, https://api.example.com/hook; there is we_1 with"
        " https://staging.example.com/hook"
    )


def test_an_endpoint_of_the_other_mode() -> None:
    found = endpoint("we_1", livemode=False)
    told = webhook_endpoints.problems([found], found, found["url"], [], livemode=True)
    assert [each["problem"] for each in told] == ["mode"]
    assert told[0]["message"] == "we_1 gets events of test mode, not live mode"


def test_what_a_service_says_of_an_endpoint_is_bounded() -> None:
    found = webhook_endpoints.facts(
        {"id": 5, "url": "x" * 9999, "enabled_events": ["a\nb"] * 999, "created": "now", "description": "\u202ea"}
    )
    assert (found["id"], found["created"], found["description"]) == (None, None, "a")
    assert len(found["url"]) == 300
    assert found["enabled_events"][0] == "a b"
    assert len(found["enabled_events"]) == 300
    assert webhook_endpoints.facts({"enabled_events": None})["enabled_events"] == []


@pytest.mark.parametrize(
    ("enabled", "kept"),
    [(5, []), ("abc", []), ({"a": 1}, []), (True, []), (["a.b", 5, None, ["c"], "", "*"], ["a.b", "*"])],
)
def test_types_of_events_are_a_list_of_text_or_nothing(enabled: Any, kept: list[str]) -> None:
    assert webhook_endpoints.facts({"enabled_events": enabled})["enabled_events"] == kept


@pytest.mark.parametrize("created", [10**18, -(10**18), 10**400, True, 1.5, "1", None, [1]])
def test_a_moment_that_is_none(created: Any) -> None:
    assert webhook_endpoints.facts({"created": created})["created"] is None


def shown(unsigned: str = "verified", signed: str = "accepted", stale: str = "stale_rejected", **tls: Any) -> Any:
    verdicts = {"unsigned": unsigned, "signed": signed, "stale": stale}
    said = {kind: {"verdict": word} for kind, word in verdicts.items()}
    return {"url": "https://x/hook", "tls": {"used": True, "valid": True, **tls}, **said}


READ = {"used": True, "read": True}
UNUSED = {"used": False, "read": None}
UNSIGNED = shown(signed="not_sent", stale="not_sent")


@pytest.mark.parametrize(
    ("probes", "secret"),
    [
        ({"public": shown(), "service": shown(valid=None, used=False)}, READ),
        ({"public": shown(stale="inconclusive")}, READ),
        ({"public": shown(valid=None)}, READ),
        ({"public": UNSIGNED}, UNUSED),
    ],
)
def test_events_may_be_sent_where_nothing_speaks_against_it(probes: Any, secret: Any) -> None:
    assert webhook_verdicts.objections(probes, secret) == []


@pytest.mark.parametrize(
    ("probes", "secret", "said"),
    [
        ({}, UNUSED, "its public URL was not asked"),
        ({"service": shown()}, READ, "its public URL was not asked"),
        ({"public": shown("not_verified")}, READ, "https://x/hook: unsigned request not_verified"),
        ({"public": shown(signed="bad_signature")}, READ, "https://x/hook: signed request bad_signature"),
        ({"public": shown(signed="not_sent")}, READ, "https://x/hook: signed request not_sent"),
        ({"public": shown(stale="stale_accepted")}, READ, "https://x/hook: stale request stale_accepted"),
        ({"public": shown(valid=False)}, READ, "https://x/hook: its certificate is not valid"),
        ({"public": shown(), "service": shown("timeout")}, READ, "https://x/hook: unsigned request timeout"),
        (
            {"public": UNSIGNED},
            {"used": True, "read": False, "message": "forbidden"},
            "no signed request could be made (forbidden)",
        ),
    ],
)
def test_events_are_not_sent_where_the_handler_does_not_answer_as_it_should(
    probes: Any, secret: Any, said: str
) -> None:
    assert webhook_verdicts.objections(probes, secret) == [said]
