# SPDX-License-Identifier: GPL-3.0-or-later
"""stripe_status against the lab's status page, and against servers that answer what no page does."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest
from modules.k8s_support import Api, Asked, Reply, api, run_module
from modules.sending_support import hang_up

from ansible_collections.brandconnect.incidents.plugins.modules.stripe_status import SPEC
from support.stripe import Stripe

__all__ = ["api"]

HERE = ["127.0.0.1"]
SUMMARY = "/api/v2/summary.json"
HEALTHY = {"status": {"indicator": "none"}, "components": [], "incidents": []}


def status(*urls: str, **given: Any) -> dict[str, Any]:
    return run_module(SPEC, {"status_urls": list(urls), "status_hosts": HERE, "status_timeout": 2, **given})


def of_lab(lab_stripe: Stripe, *paths: str) -> dict[str, Any]:
    return status(*(f"{lab_stripe.status_url}{path}" for path in paths or (SUMMARY,)))


def test_a_healthy_page(lab_stripe: Stripe) -> None:
    found = of_lab(lab_stripe)
    assert (found["status"], found["reachable"], found["cause"], found["fresh"]) == ("ok", True, None, True)
    assert (found["indicator"], found["affected_relevant"], found["shape"]) == ("none", False, "statuspage")
    assert {each["name"] for each in found["components"]} == {"API", "Payments", "Webhooks"}
    assert found["source"].endswith(SUMMARY)
    assert [call["status"] for call in found["calls"]] == [200]
    assert found["changed"] is False


def test_nothing_that_logs_in_is_sent(lab_stripe: Stripe) -> None:
    lab_stripe.forget_requests()
    of_lab(lab_stripe)
    (request,) = lab_stripe.requests()
    assert request["method"] == "GET"
    assert "authorization" not in {name.lower() for name in request["headers"]}


def test_an_outage_of_the_api_concerns_us(lab_stripe: Stripe) -> None:
    with lab_stripe.broken("outage"):
        found = of_lab(lab_stripe)
    assert (found["status"], found["indicator"], found["affected_relevant"]) == ("down", "critical", True)
    (incident,) = found["incidents_unresolved"]
    assert (incident["components"], incident["relevant"]) == (["API"], True)


def test_an_incident_of_something_else_does_not(lab_stripe: Stripe) -> None:
    with lab_stripe.broken("status-other"):
        found = of_lab(lab_stripe)
    assert (found["status"], found["affected_relevant"]) == ("degraded", False)
    assert [each["name"] for each in found["incidents_unresolved"]] == ["Klarna payments delayed"]


def test_the_list_of_all_incidents_says_nothing_of_now(lab_stripe: Stripe) -> None:
    found = of_lab(lab_stripe, "/api/v2/incidents.json")  # what the runbook's first version asked
    assert (found["status"], found["reachable"], found["cause"]) == ("unknown", False, "unknown_shape")


@pytest.mark.parametrize(
    ("fault", "cause"), [("status-down", "http_error"), ("status-html", "not_json"), ("status-stale", "stale")]
)
def test_a_broken_page_is_unknown_and_never_ok(lab_stripe: Stripe, fault: str, cause: str) -> None:
    with lab_stripe.broken(fault):
        found = of_lab(lab_stripe, SUMMARY, "/current")
    assert (found["status"], found["reachable"], found["cause"]) == ("unknown", False, cause)
    assert found["affected_relevant"] is None
    assert found["source"] is None
    assert found["message"]
    assert found["hint"]
    assert [each["status"] for each in found["attempts"]] == ["unknown", "unknown"]
    assert not found.get("failed")


def test_a_frozen_page_says_up_during_an_outage_and_is_not_believed(lab_stripe: Stripe) -> None:
    with lab_stripe.broken("outage", "status-stale"):
        found = of_lab(lab_stripe, SUMMARY, "/current/full")
    assert (found["status"], found["cause"], found["fresh"], found["indicator"]) == ("unknown", "stale", False, "up")
    assert [call["status"] for call in found["calls"]].count(302) == 1


@pytest.mark.parametrize(("path", "shape"), [("/current", "legacy"), ("/current/full", "legacy_full")])
def test_the_earlier_page_counts_while_it_is_fresh(lab_stripe: Stripe, path: str, shape: str) -> None:
    assert of_lab(lab_stripe, path)["status"] == "ok"
    with lab_stripe.broken("outage"):
        found = of_lab(lab_stripe, path)
    assert (found["status"], found["shape"], found["affected_relevant"]) == ("down", shape, True)


def test_the_first_page_that_says_something_counts(lab_stripe: Stripe, api: Api) -> None:
    api.answers = {"/html": Reply(body=b"<html>"), "/list": Reply(body=[])}
    urls = [f"{api.url}/html", f"{api.url}/list", f"{lab_stripe.status_url}{SUMMARY}"]
    found = status(*urls)
    assert (found["status"], found["source"]) == ("ok", urls[2])
    assert [each["cause"] for each in found["attempts"]] == ["not_json", "not_json", None]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        pytest.param(Reply(503, {"status": {"indicator": "none"}}), "http_error", id="an error that looks healthy"),
        pytest.param(Reply(404, b"not found"), "http_error", id="not found"),
        pytest.param(Reply(200, b"<?xml version='1.0'?><rss/>"), "not_json", id="XML"),
        pytest.param(Reply(200, b""), "not_json", id="empty"),
        pytest.param(Reply(200, b"[" * 10**5), "not_json", id="nested without end"),
        pytest.param(Reply(200, b'{"status":{"indicator":"none"}}' + b" " * 2**20), "too_large", id="too large"),
        pytest.param(Reply(200, b'{"status":{', length=10**4), "not_json", id="cut off"),
        pytest.param(hang_up, "unreachable", id="hung up"),
        pytest.param(Reply(200, HEALTHY, drip_s=1), "timeout", id="dripping"),
        pytest.param(Reply(200, HEALTHY, delay_s=30), "timeout", id="hanging"),
        pytest.param(Reply(302, b"", {"Location": "/"}), "redirect_refused", id="around in circles"),
        pytest.param(Reply(302, b"", {"Location": "https://evil.example/"}), "redirect_refused", id="to another host"),
        pytest.param(Reply(302, b"", {"Location": "http://localhost:1/"}), "redirect_refused", id="to another name"),
        pytest.param(Reply(302, b"", {"Location": "file:///etc/passwd"}), "redirect_refused", id="to a file"),
        pytest.param(Reply(200, {"status": {"indicator": "mauve"}}), "unknown_indicator", id="another word"),
    ],
)
def test_what_is_no_status_page_is_unknown(api: Api, answer: Any, cause: str) -> None:
    api.answers["/"] = answer
    began = time.monotonic()
    found = status(f"{api.url}/")
    assert time.monotonic() - began < 10
    assert (found["status"], found["reachable"], found["cause"]) == ("unknown", False, cause)
    assert len(found["calls"]) <= 4


def test_three_redirects_are_followed(api: Api) -> None:
    def next_one(asked: Asked) -> Any:
        step = int(asked.path[1:])
        return Reply(301, b"", {"Location": f"/{step - 1}"}) if step else HEALTHY

    api.answers = {f"/{step}": next_one for step in range(5)}
    assert status(f"{api.url}/3")["status"] == "ok"
    assert status(f"{api.url}/4")["cause"] == "redirect_refused"


def test_pages_are_asked_at_the_same_time(api: Api) -> None:
    api.answers = {f"/{name}": Reply(200, HEALTHY, delay_s=30) for name in "abc"}
    began = time.monotonic()
    found = status(*(f"{api.url}/{name}" for name in "abc"))
    assert found["cause"] == "timeout"
    assert time.monotonic() - began < 2 + 3  # not three times the limit


def test_nobody_there() -> None:
    found = status("http://127.0.0.1:1/")
    assert (found["status"], found["cause"]) == ("unknown", "unreachable")
    assert found["message"] == "connection refused"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"status_urls": ["https://evil.example/"]}, "not among the allowed ones"),
        ({"status_urls": ["http://www.stripestatus.com/"], "status_hosts": ["stripestatus.com"]}, "https://"),
        ({"status_urls": ["http://127.0.0.1:1/"] * 6}, "at most 5"),
        ({"status_timeout": 0}, "status_timeout must be 1"),
        ({"max_age_s": 0}, "max_age_s must be 1"),
    ],
)
def test_wrong_options_are_one_clear_error(given: dict[str, Any], said: str) -> None:
    found = status("http://127.0.0.1:1/", **given)
    assert found["failed"] is True
    assert found["msg"].startswith("Reading Stripe's status page")
    assert said in found["msg"]


def test_it_says_when_it_asked(lab_stripe: Stripe) -> None:
    asked = dt.datetime.fromisoformat(of_lab(lab_stripe)["fetched_at"])
    assert abs((dt.datetime.now(dt.UTC) - asked).total_seconds()) < 60
