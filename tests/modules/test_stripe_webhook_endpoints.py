# SPDX-License-Identifier: GPL-3.0-or-later
"""stripe_webhook_endpoints and stripe_webhook_endpoint: what Stripe delivers to, and letting it deliver again."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from modules.k8s_support import run_module
from modules.sending_support import assert_no_secret

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec
from ansible_collections.brandconnect.incidents.plugins.modules import stripe_webhook_endpoint, stripe_webhook_endpoints
from support.stripe import Stripe

Json = dict[str, Any]
URL = "https://api.example.com/api/webhooks/stripe"
INCIDENT = "webhook-failures-20261124T150000Z-3fa1"
LOOK, ENABLE = stripe_webhook_endpoints.SPEC, stripe_webhook_endpoint.SPEC


def run(stripe: Stripe, spec: ModuleSpec, *, check_mode: bool = False, **given: Any) -> Json:
    options = {"stripe_url": stripe.url, "stripe_api_key": stripe.keys.restricted_key, "stripe_livemode": False}
    incident = {"incident": INCIDENT} if spec is ENABLE else {}
    result = run_module(spec, {**options, **incident, **given}, check_mode=check_mode)
    assert_no_secret(result, *stripe.keys.secrets())
    return result


def words(result: Json) -> list[str]:
    return [each["problem"] for each in result["problems"]]


@pytest.fixture
def stripe(lab_stripe: Stripe) -> Stripe:
    lab_stripe.set_endpoint(url=URL, enabled_events=["payment_intent.succeeded"])
    return lab_stripe


def test_an_endpoint_that_is_fine(stripe: Stripe) -> None:
    result = run(stripe, LOOK, url=URL, required_events=["payment_intent.succeeded"])
    assert (result["reachable"], result["cause"], result["problems"]) == (True, None, [])
    assert result["endpoint"]["id"] == stripe.endpoint()["id"]
    assert result["endpoint"]["status"] == "enabled"
    assert result["endpoint"] in result["endpoints"]
    assert [call["path"] for call in result["calls"]] == ["/v1/webhook_endpoints"]
    assert run(stripe, LOOK, url=URL, check_mode=True)["endpoint"] == result["endpoint"]
    assert stripe.changes() == []


def test_what_may_be_wrong_with_it(stripe: Stripe) -> None:
    required = ["payment_intent.succeeded", "payment_intent.payment_failed"]
    stripe.set_endpoint(disabled=True)
    result = run(stripe, LOOK, url=f"{URL}/", required_events=required)
    assert words(result) == ["disabled", "url_differs", "events_missing"]
    assert result["events_missing"] == ["payment_intent.payment_failed"]
    stripe.set_endpoint(enabled_events=["*"])
    assert run(stripe, LOOK, required_events=required)["events_missing"] == []


def test_one_of_several(stripe: Stripe) -> None:
    first = stripe.endpoint()["id"]
    stripe.set_endpoint(id="we_second", url=URL, disabled=True)
    stripe.set_endpoint(id="we_third", url="https://other.example.com/hook")
    result = run(stripe, LOOK, url=URL)
    assert result["endpoint"]["id"] == first, "the enabled one of the two"
    assert words(result) == ["duplicates"]
    assert run(stripe, LOOK, endpoint_id="we_third")["endpoint"]["url"] == "https://other.example.com/hook"
    assert words(run(stripe, LOOK, endpoint_id="we_nobody")) == ["not_found"]
    assert words(run(stripe, LOOK, url="https://nobody.example.com/hook")) == ["not_found"]


def test_the_only_endpoint_is_not_ours_where_it_is_of_another_host(stripe: Stripe) -> None:
    result = run(stripe, LOOK, url="https://other.example.com/api/webhooks/stripe")
    assert (result["endpoint"], words(result), len(result["endpoints"])) == (None, ["not_found"], 1)
    assert stripe.endpoint()["id"] in result["problems"][0]["message"]
    assert URL in result["problems"][0]["message"]


def test_no_endpoint_at_all(lab_stripe: Stripe) -> None:
    result = run(lab_stripe, LOOK, url=URL)
    assert (result["endpoints"], result["endpoint"], words(result)) == ([], None, ["not_found"])


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"stripe_url": "http://127.0.0.1:1"}, "unreachable"),
        ({"stripe_api_key": None}, "not_configured"),
        ({"stripe_livemode": True}, "wrong_mode"),
        ({"stripe_api_key": "rk_test_51nobody"}, "invalid_auth"),
    ],
)
def test_a_stripe_that_cannot_be_asked_is_a_result(stripe: Stripe, given: Json, cause: str) -> None:
    result = run(stripe, LOOK, **given)
    assert (result["reachable"], result["cause"], result["endpoint"]) == (False, cause, None)
    assert "failed" not in result
    assert result["hint"]


def test_an_outage_is_a_result(stripe: Stripe) -> None:
    with stripe.broken("outage"):
        assert run(stripe, LOOK)["cause"] == "server_error"


def test_enabling(stripe: Stripe) -> None:
    stripe.set_endpoint(disabled=True)
    id_ = stripe.endpoint()["id"]
    plan = run(stripe, ENABLE, endpoint_id=id_, check_mode=True)
    assert (plan["status"], plan["changed"]) == ("planned", True)
    assert plan["targets"] == [{"endpoint": id_, "url": URL, "status": "disabled"}]
    assert stripe.endpoint()["status"] == "disabled"
    assert stripe.changes() == []

    done = run(stripe, ENABLE, endpoint_id=id_, targets=plan["targets"])
    assert (done["status"], done["changed"]) == ("done", True)
    assert (done["before"]["status"], done["after"]["status"]) == ("disabled", "enabled")
    assert stripe.endpoint()["status"] == "enabled"
    (change,) = stripe.changes()
    assert INCIDENT in change["headers"]["Idempotency-Key"]

    again = run(stripe, ENABLE, endpoint_id=id_, targets=plan["targets"])
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "enabled_already", False)
    assert len(stripe.changes()) == 1


def test_an_endpoint_that_is_disabled_once_more_is_enabled_once_more(stripe: Stripe) -> None:
    for _ in range(2):
        stripe.set_endpoint(disabled=True)
        assert run(stripe, ENABLE, endpoint_id=stripe.endpoint()["id"])["status"] == "done"
        assert stripe.endpoint()["status"] == "enabled"


def test_another_url_than_was_approved(stripe: Stripe) -> None:
    stripe.set_endpoint(disabled=True)
    id_ = stripe.endpoint()["id"]
    plan = run(stripe, ENABLE, endpoint_id=id_, check_mode=True)
    stripe.set_endpoint(url="https://evil.example.com/hook")
    result = run(stripe, ENABLE, endpoint_id=id_, targets=plan["targets"])
    assert (result["status"], result["refusal"], result["changed"]) == ("refused", "plan_changed", False)
    assert run(stripe, ENABLE, endpoint_id=id_, targets=[])["refusal"] == "plan_changed"
    assert stripe.endpoint()["status"] == "disabled"


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("disabled", [True, False])
@pytest.mark.parametrize("url", ["https://staging.example.com/api/webhooks/stripe", f"{URL}/"])
def test_an_endpoint_with_another_url_is_left_alone(stripe: Stripe, url: str, disabled: bool, check_mode: bool) -> None:
    stripe.set_endpoint(disabled=disabled, url=url)
    id_ = stripe.endpoint()["id"]
    result = run(stripe, ENABLE, endpoint_id=id_, url=URL, check_mode=check_mode)
    assert (result["status"], result["refusal"], result["changed"]) == ("refused", "url_differs", False)
    assert url in result["reason"]
    assert URL in result["reason"]
    assert (result["targets"], result["before"], result["after"]["url"]) == ([], result["after"], url)
    assert result["results"] == [{"endpoint": id_, "result": "not_attempted", "reason": result["reason"]}]
    assert stripe.endpoint()["status"] == ("disabled" if disabled else "enabled")
    assert stripe.changes() == []


def test_an_endpoint_with_the_platforms_own_url_is_enabled(stripe: Stripe) -> None:
    stripe.set_endpoint(disabled=True)
    id_ = stripe.endpoint()["id"]
    plan = run(stripe, ENABLE, endpoint_id=id_, url=URL, check_mode=True)
    assert plan["status"] == "planned"
    assert run(stripe, ENABLE, endpoint_id=id_, url=URL, targets=plan["targets"])["status"] == "done"
    assert stripe.endpoint()["status"] == "enabled"
    assert run(stripe, ENABLE, endpoint_id=id_, url=URL)["refusal"] == "enabled_already"


def test_a_url_that_is_none_is_not_repeated(stripe: Stripe) -> None:
    stripe.set_endpoint(disabled=True)
    result = run(stripe, ENABLE, endpoint_id=stripe.endpoint()["id"], url="https://user:hunter2@example.com/")
    assert result["msg"] == (
        "Enabling a webhook endpoint: url must be an address with a host and without login; check url"
    )
    assert (stripe.endpoint()["status"], stripe.changes()) == ("disabled", [])


def test_enabling_that_is_refused_says_what_was_done(stripe: Stripe) -> None:
    result = run(stripe, ENABLE, endpoint_id="we_nobody")
    assert (result["failed"], result["cause"], result["changed"]) == (True, "not_found", False)
    assert "Reading the webhook endpoint we_nobody at http://127.0.0.1" in result["msg"]
    with stripe.broken("outage"):
        assert run(stripe, ENABLE, endpoint_id=stripe.endpoint()["id"])["cause"] == "server_error"
    assert run(stripe, ENABLE, endpoint_id="../../v1/accounts")["cause"] == "invalid"
    assert "incident is no identifier" in run(stripe, ENABLE, endpoint_id="we_1", incident="one\ntwo")["msg"]
    assert stripe.changes() == []


class Between:
    """Something between us and Stripe that swallows the answers to changes.

    Attributes:
        passes: whether what is to change something reaches Stripe.
        cut_reads: whether reading is cut off too, once something was changed.
    """

    def __init__(self, url: str) -> None:
        self.url, self.passes, self.cut_reads, self.changed = url, True, False, False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        between = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                change = self.command == "POST"
                headers = {name: value for name, value in self.headers.items() if name != "Host"}
                asked = Request(between.url + self.path, body or None, headers, method=self.command)  # noqa: S310
                status, content = 502, b""
                if between.passes or not change:
                    try:
                        with urlopen(asked, timeout=5) as answer:  # noqa: S310
                            status, content = answer.status, answer.read()
                    except HTTPError as error:
                        status, content = error.code, error.read()
                between.changed |= change
                if change or (between.changed and between.cut_reads):
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer  # noqa: N815 - names that http.server looks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
                pass

        return Handler


@pytest.mark.parametrize(
    ("passes", "cut_reads", "status", "failed", "at_stripe"),
    [
        (True, False, "done", False, "enabled"),
        (False, False, "unknown", True, "disabled"),
        (True, True, "unknown", True, "enabled"),
    ],
    ids=["it was enabled", "it was not", "nobody can be asked"],
)
def test_an_answer_that_got_lost_is_looked_up(
    stripe: Stripe, passes: bool, cut_reads: bool, status: str, failed: bool, at_stripe: str
) -> None:
    stripe.set_endpoint(disabled=True)
    between = Between(stripe.url)
    between.passes, between.cut_reads = passes, cut_reads
    try:
        result = run(stripe, ENABLE, endpoint_id=stripe.endpoint()["id"], stripe_url=between.address)
    finally:
        between.stop()
    assert (result["status"], result.get("failed", False)) == (status, failed)
    assert result["changed"] is True
    assert stripe.endpoint()["status"] == at_stripe
