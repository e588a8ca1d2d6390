# SPDX-License-Identifier: GPL-3.0-or-later
"""webhook_probe: against an endpoint that checks signatures with Stripe's own library, healthy and broken."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from modules.k8s_support import CORE, Api, api, refusal, run_module
from modules.sending_support import assert_no_secret

from ansible_collections.brandconnect.incidents.plugins.modules.webhook_probe import SPEC
from support.webhooks import SECRET, Endpoint, authority

__all__ = ["api"]
Json = dict[str, Any]
SECRET_PATH = f"{CORE}/secrets/stripe-keys"
KEY = "STRIPE_WEBHOOK_SECRET"


class Platform:
    """An endpoint with TLS, and the cluster that holds its secret."""

    def __init__(self, api: Api, ca: trustme.CA, ca_cert: str) -> None:
        self.api, self.ca, self.ca_cert = api, ca, ca_cert
        self.endpoint = Endpoint(ca.issue_cert("localhost"))
        self.deployed(SECRET)

    def deployed(self, value: str) -> None:
        self.api.answers[SECRET_PATH] = {"data": {KEY: base64.b64encode(value.encode()).decode()}}

    def probed(self, url: str | None = None, *, signed: bool = True, check_mode: bool = False, **given: Any) -> Json:
        """Run the module and return what it says of the one address; nothing in it may be a secret."""
        options = {
            **{name: value for name, value in self.api.options().items() if name != "ca_cert"},
            "urls": [{"name": "public", "url": url or self.endpoint.url}],
            "ca_cert": self.ca_cert,
            "signed_probe": signed,
            "secret_name": "stripe-keys",
            "secret_key": KEY,
            **given,
        }
        result = run_module(SPEC, options, check_mode=check_mode)
        assert "failed" not in result, result
        assert_no_secret(result, SECRET)
        return {**result, **result["probes"]["public"], "all": result}


@pytest.fixture
def platform(api: Api, tmp_path: Path) -> Iterator[Platform]:
    made = Platform(api, *authority(tmp_path))
    yield made
    made.endpoint.stop()


def verdicts(result: Json) -> tuple[str, str, str]:
    unsigned, signed, stale = (result[kind]["verdict"] for kind in ("unsigned", "signed", "stale"))
    return unsigned, signed, stale


def test_a_healthy_endpoint(platform: Platform) -> None:
    result = platform.probed()
    assert verdicts(result) == ("verified", "accepted", "stale_rejected")
    assert result["reachable"] is True
    assert result["cause"] is None
    assert (result["secret"]["read"], result["secret"]["cause"], result["secret"]["problems"]) == (True, None, [])
    assert result["secret"]["fingerprint"] == hashlib.sha256(SECRET.encode()).hexdigest()[:12]
    assert result["dns"]["resolved"] is True
    assert result["dns"]["public"] is False, "localhost is nothing that Stripe could find"
    (event,) = platform.endpoint.genuine()
    assert (event["type"], event["livemode"]) == ("brandconnect.runbook.probe", False)
    assert event["id"].startswith("evt_runbook_")
    assert len({each.event["id"] for each in platform.endpoint.seen}) == 3


def test_without_leave_nothing_signed_is_sent_and_no_secret_is_read(platform: Platform) -> None:
    result = platform.probed(signed=False)
    assert verdicts(result) == ("verified", "not_sent", "not_sent")
    assert result["secret"]["used"] is False
    assert platform.api.asked == []
    assert [each.signature for each in platform.endpoint.seen] == [None]
    assert run_module(SPEC, {"urls": [{"name": "a", "url": platform.endpoint.url}], "ca_cert": platform.ca_cert})


def test_certificate(platform: Platform) -> None:
    tls = platform.probed(signed=False)["tls"]
    assert (tls["used"], tls["valid"], tls["host_matches"], tls["message"]) == (True, True, True, None)
    assert "trustme" in tls["issuer"]
    until = dt.datetime.fromisoformat(tls["expires_at"])
    assert tls["days_left"] == (until - dt.datetime.now(dt.UTC)).days


@pytest.mark.parametrize(
    ("names", "expires_in_days", "said", "host_matches", "days_left"),
    [
        (["localhost"], -2, "expired", None, -2),
        (["elsewhere.example.com"], 30, "mismatch", False, 30),
    ],
)
def test_a_certificate_that_stripe_would_refuse(
    platform: Platform, names: list[str], expires_in_days: int, said: str, host_matches: bool | None, days_left: int
) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=expires_in_days, hours=1)
    broken = Endpoint(platform.ca.issue_cert(*names, not_after=until))
    result = platform.probed(broken.url)
    broken.stop()
    assert verdicts(result) == ("unreachable", "unreachable", "unreachable")
    assert (result["reachable"], result["cause"]) == (False, "tls")
    assert broken.seen == []
    tls = result["tls"]
    assert tls["valid"] is False
    assert said in tls["message"]
    assert tls["host_matches"] is host_matches
    assert tls["days_left"] == days_left
    assert "trustme" in tls["issuer"]


def test_an_authority_that_nobody_knows(platform: Platform) -> None:
    result = platform.probed(ca_cert=None, signed=False)
    assert result["cause"] == "tls"
    assert (result["tls"]["valid"], result["tls"]["host_matches"]) == (False, None)
    assert result["tls"]["days_left"] is not None


def test_the_given_authority_counts_more_than_the_environment(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/bundle.pem")
    assert verdicts(platform.probed()) == ("verified", "accepted", "stale_rejected")


def test_signatures_that_are_not_checked(platform: Platform) -> None:
    platform.endpoint.secret = None
    assert verdicts(platform.probed()) == ("not_verified", "accepted", "stale_accepted")


def test_the_deployed_secret_is_the_wrong_one(platform: Platform) -> None:
    platform.endpoint.secret = "whsec_another"
    result = platform.probed()
    assert verdicts(result) == ("verified", "bad_signature", "inconclusive")
    assert "No signatures found" in result["signed"]["excerpt"]


def test_the_secret_is_the_key_byte_for_byte(platform: Platform) -> None:
    platform.deployed(f"{SECRET}\n")
    result = platform.probed()
    assert result["signed"]["verdict"] == "bad_signature"
    assert result["secret"]["problems"] == ["whitespace"]
    platform.endpoint.secret = f"{SECRET}\n"
    assert platform.probed()["signed"]["verdict"] == "accepted"


@pytest.mark.parametrize(
    ("skew_s", "expected"),
    [
        (400, ("verified", "timestamp_rejected", "inconclusive")),
        (-400, ("verified", "accepted", "stale_accepted")),
    ],
)
def test_a_clock_that_is_wrong(platform: Platform, skew_s: int, expected: tuple[str, str, str]) -> None:
    platform.endpoint.clock_skew_s = skew_s
    assert verdicts(platform.probed()) == expected


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (301, "redirect"),
        (307, "redirect"),
        (401, "refused_by_edge"),
        (403, "refused_by_edge"),
        (404, "wrong_path"),
        (405, "wrong_path"),
        (413, "too_large"),
        (429, "throttled"),
        (500, "handler_error"),
        (502, "unavailable"),
        (503, "unavailable"),
        (418, "unexpected"),
    ],
)
def test_answers_that_are_no_good(platform: Platform, status: int, verdict: str) -> None:
    platform.endpoint.answer = (status, {"Location": f"{platform.endpoint.url}/elsewhere"}, b"")
    result = platform.probed()
    assert verdicts(result) == (verdict,) * 3
    assert result["unsigned"]["status"] == status
    assert result["reachable"] is True
    assert len(platform.endpoint.seen) == 3, "a redirect is not followed, and nothing is sent twice"


def test_a_handler_that_refuses_what_is_unsigned_with_403(platform: Platform) -> None:
    def only_signed(path: str, signature: str | None, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return Endpoint._answer(platform.endpoint, path, signature, body) if signature else (403, {}, b"")

    platform.endpoint._answer = only_signed  # type: ignore[method-assign]
    assert verdicts(platform.probed()) == ("verified", "accepted", "stale_rejected")


def test_a_path_that_is_not_there(platform: Platform) -> None:
    assert verdicts(platform.probed(f"{platform.endpoint.base}/webhook"))[0] == "wrong_path"


def test_what_an_endpoint_echoes_is_bounded_and_masked(platform: Platform) -> None:
    said = f'{{"secret": "{SECRET}", "more": "{"x" * 5000}"}}'.encode()
    platform.endpoint.answer = (500, {}, said)
    signed = platform.probed()["signed"]
    assert "[masked]" in signed["excerpt"]
    assert len(signed["excerpt"]) <= 200
    platform.endpoint.answer = (500, {}, b"<html><body>customers@example.com</body>")
    assert platform.probed()["signed"]["excerpt"] == "the answer is a web page"

    def echo(_path: str, signature: str | None, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        return 500, {}, f"got {signature}".encode()

    platform.endpoint._answer = echo  # type: ignore[method-assign]
    assert platform.probed()["signed"]["excerpt"] == "got [masked]"


def test_nobody_listens_and_a_hanging_handler(platform: Platform) -> None:
    refused = platform.probed("https://localhost:1/api/webhooks/stripe")
    assert verdicts(refused) == ("unreachable",) * 3
    assert (refused["reachable"], refused["cause"]) == (False, "refused")
    platform.endpoint.delay_s = 30
    hanging = platform.probed(timeout=1)
    assert verdicts(hanging) == ("timeout",) * 3
    assert hanging["cause"] == "timeout"
    assert hanging["tls"]["valid"] is True, "the certificate is known all the same"


def test_one_that_is_down_does_not_hide_another(platform: Platform) -> None:
    urls = [
        {"name": "public", "url": "https://nowhere.invalid/webhook"},
        {"name": "service", "url": platform.endpoint.url},
    ]
    result = platform.probed(urls=urls)["all"]
    assert result["reachable"] is True
    assert result["cause"] == "dns"
    assert result["probes"]["public"]["dns"]["resolved"] is False
    assert result["probes"]["service"]["signed"]["verdict"] == "accepted"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (refusal(403, "Forbidden"), "forbidden"),
        (refusal(404, "NotFound"), "not_found"),
        ({"data": {"OTHER": ""}}, "key_missing"),
        ({"data": {KEY: "IA=="}}, "empty"),
        ({"data": {KEY: "gICA"}}, "not_text"),
    ],
)
def test_a_secret_that_cannot_be_read_is_unknown_and_the_rest_is_seen(
    platform: Platform, answer: Any, cause: str
) -> None:
    platform.api.answers[SECRET_PATH] = answer
    result = platform.probed()
    assert verdicts(result) == ("verified", "not_sent", "not_sent")
    assert (result["secret"]["read"], result["secret"]["cause"]) == (False, cause)
    assert [each.signature for each in platform.endpoint.seen] == [None]


def test_check_mode_makes_no_difference(platform: Platform) -> None:
    assert verdicts(platform.probed(check_mode=True)) == ("verified", "accepted", "stale_rejected")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"urls": []}, "urls must be 1 to 8"),
        ({"urls": [{"name": "a", "url": "ftp://localhost/x"}]}, "must be an address that begins"),
        ({"urls": [{"name": "a", "url": "https://user:c4n4ry@localhost/x"}]}, "must be an address"),
        ({"urls": [{"name": "a b", "url": "https://localhost/x"}]}, "a name is of"),
        ({"urls": [{"name": "a", "url": "https://localhost/x"}] * 2}, "each name may be given once"),
        ({"timeout": 0}, "timeout must be 1 second"),
        ({"signed_probe": True}, "signed_probe needs namespace and secret_name and secret_key too"),
        ({"ca_cert": "/nonexistent"}, "ca_cert /nonexistent cannot be read"),
    ],
)
def test_options_that_make_no_sense(given: Json, text: str) -> None:
    result = run_module(SPEC, {"urls": [{"name": "a", "url": "https://localhost:1/x"}], **given})
    assert result["failed"] is True
    assert result["msg"].startswith("Probing webhooks: ")
    assert text in result["msg"]
    assert "c4n4ry" not in result["msg"]
