# SPDX-License-Identifier: GPL-3.0-or-later
"""What payment-failure takes for an error of Stripe in a log, and what it claims on the status page."""

from __future__ import annotations

import json

import pytest
import yaml

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_lines import line_text
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_patterns import compile_patterns
from support.runbook import ROOT

DEFAULTS = yaml.safe_load((ROOT / "roles/payment_failure/defaults/main.yml").read_text(encoding="utf-8"))
LOCKED = (
    "This object cannot be accessed right now because another API request or Stripe process is currently accessing it."
)


def line(message: str = "payment failed", **err: str) -> str:
    return json.dumps({"level": "error", "msg": message, "err": err})


LINES: dict[str, tuple[str | None, str]] = {
    "lock: the code of a JSON line": ("lock", line(type="StripeRateLimitError", message="x", code="lock_timeout")),
    "lock: Stripe's text": ("lock", f"StripeRateLimitError: {LOCKED}"),
    "lock: an object as node prints it": ("lock", "  code: 'lock_timeout',"),
    "lock: PostgreSQL's setting": (None, line('unrecognized configuration parameter "lock_timeout"')),
    "lock: a statement": (None, "2026-11-24 15:00:00 UTC LOG:  statement: SET lock_timeout = '2s'"),
    "auth: the class of a JSON line": ("auth", line(type="StripeAuthenticationError", message="x")),
    "auth: the code of a JSON line": ("auth", line(type="Error", message="x", code="api_key_expired")),
    "auth: a line of text": ("auth", "ERROR [Payments] StripeAuthenticationError: Expired"),
    "auth: Stripe's text": ("auth", line("Expired API Key provided: sk_live_***0000")),
    "auth: an object as node prints it": ("auth", "  code: 'api_key_expired',"),
    "auth: a user agent": (None, '127.0.0.1 - - "GET / HTTP/1.1" 200 5 "-" "api_key_expired"'),
    "auth: a path": (None, '127.0.0.1 - - "GET /StripeAuthenticationError HTTP/1.1" 404 5 "-" "curl"'),
    "auth: a user agent in JSON": (None, json.dumps({"msg": "GET /", "ua": "code: 'api_key_expired'"})),
    "permission: the class of a JSON line": ("permission", line(type="StripePermissionError", message="x")),
    "permission: a user agent": (None, '127.0.0.1 - - "GET / HTTP/1.1" 200 5 "-" "StripePermissionError"'),
    "rate limit stays one": ("rate_limit", line(type="StripeRateLimitError", message="x", code="rate_limit")),
}


@pytest.mark.parametrize(("name", "text"), LINES.values(), ids=LINES)
def test_what_the_roles_patterns_take_for_an_error_of_stripe(name: str | None, text: str) -> None:
    patterns = compile_patterns(DEFAULTS["payment_failure_log_patterns"])
    assert patterns.classify(line_text(text.encode())) == name
    assert not patterns.every_line
    if name:
        assert any(word in text.encode().lower() for word in patterns.words), "it would not be looked at"


def claimed(*findings: tuple[str, str, str, str]) -> str | None:
    """What the header says on the status page, where these findings are all there are."""
    header = yaml.safe_load((ROOT / "roles/payment_failure/meta/runbook.yml").read_text(encoding="utf-8"))
    (page,) = (notice for notice in header["messages"]["notices"] if notice["purpose"] == "status_page")
    have = {finding[:3] for finding in findings} | {finding[:4] for finding in findings}
    for entry in page["component_status"]:
        wanted = [
            {(each["check"], each["component"], state, *cause) for state in each["status"] for cause in causes}
            for each in entry["findings"]
            for causes in [[(cause,) for cause in each.get("cause", [])] or [()]]
        ]
        if all(choices & have for choices in wanted):
            return str(entry["status"])
    return None


def test_the_status_page_claims_what_is_proved() -> None:
    outage = ("payment_cause", "backend", "degraded", "stripe_outage")
    page, pods = (
        ("stripe_status", "stripe", "down", "stripe_incident"),
        ("logs", "backend", "degraded", "stripe_errors"),
    )
    assert claimed(outage, ("stripe_api", "stripe", "down", "timeout")) is None
    assert claimed(outage, page) is None
    assert claimed(outage, pods) is None
    assert claimed(outage, page, pods) == "partial_outage"
    assert claimed(outage, ("failure_ratio", "prometheus", "degraded", "failing")) == "partial_outage"
