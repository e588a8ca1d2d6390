# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of sending: what to wait for, what is hidden, what the caller can act upon."""

from __future__ import annotations

import datetime as dt

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    checked_url,
    is_loopback,
    service_name,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    NEXT_STEPS,
    RETRYABLE,
    Answer,
    Failure,
    SendError,
    hidden,
    pause_s,
    refusal,
    written,
)

NOW = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "999999999999999999999"}, 86400.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "١٢"}, None),
        ({"retry-after": "Tue, 24 Nov 2026 15:01:30 GMT"}, 90.0),
        ({"retry-after": "Tue, 24 Nov 2026 14:00:00 GMT"}, 0.0),
        ({"retry-after": "Tue, 24 Nov 9999 15:00:00 GMT"}, 86400.0),
        ({"retry-after": "soon", "ratelimit-reset": "7"}, 7.0),
        ({"ratelimit-reset": "12"}, 12.0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert pause_s(headers, NOW) == seconds


def test_every_cause_has_a_next_step_and_six_may_be_tried_again() -> None:
    assert set(NEXT_STEPS) >= RETRYABLE
    assert len(NEXT_STEPS) == 12
    for cause in NEXT_STEPS:
        error = SendError("Sending x on Slack", Failure(cause, "it says"))
        assert error.message == f"Sending x on Slack: it says; {NEXT_STEPS[cause]}"
        assert error.details["retryable"] is (cause in RETRYABLE)
        assert set(error.details) == {
            *("cause", "retryable", "retry_after_s", "may_have_happened", "status_code", "hint")
        }


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        *((400, "invalid"), (401, "invalid_auth"), (402, "not_permitted"), (403, "not_permitted")),
        *((404, "not_found"), (409, "invalid"), (410, "not_found"), (413, "invalid"), (418, "invalid")),
        *((420, "throttled"), (422, "invalid"), (429, "throttled"), (500, "server_error"), (599, "server_error")),
        *((302, "invalid"), (999, "server_error")),
    ],
)
def test_what_a_status_means(status: int, cause: str) -> None:
    assert refusal(Answer(status, {}, b""), "").cause == cause


def test_messages_are_one_bounded_line() -> None:
    failure = refusal(Answer(400, {}, b"a\n\x1b[31m" + b"x" * 10**6), "")
    assert failure.message.startswith("a [31mxx")
    assert len(failure.message) <= 300


@pytest.mark.parametrize("secret", ["s3cr3t/with+all=", "plain-secret", 'quo"ted', "päss"])
def test_secrets_are_hidden_in_every_form(secret: str) -> None:
    for form in written(secret):
        assert form not in hidden(f"before {form} after", [secret])
    assert hidden("nothing to hide", [secret, ""]) == "nothing to hide"


def test_what_only_looks_like_a_secret_is_hidden_too() -> None:
    assert "xoxb-1234567890-abc" not in hidden("token xoxb-1234567890-abc", [])


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("localhost", True), ("LOCALHOST", True), ("127.0.0.1", True), ("127.255.0.9", True), ("::1", True)),
        *(("localhost.example.com", False), ("127.0.0.1.example.com", False), ("10.0.0.1", False)),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound to it
        *(("", False), ("2130706433", False), ("127.1", False), ("::", False)),
    ],
)
def test_which_hosts_are_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("url", ["https://api.example.com/v1/", "https://[2001:db8::1]:8443/x", "http://[::1]:80"])
def test_addresses_that_are_fine(url: str) -> None:
    assert checked_url("Sending", "api_url", url) == url.rstrip("/")


def test_a_name_shows_host_and_port_only() -> None:
    assert service_name("https://u:p@hooks.slack.com/services/T0/B0/key?x#y") == "https://hooks.slack.com"
    assert service_name("http://[::1]:80/x") == "http://[::1]:80"
