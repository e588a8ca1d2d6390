# SPDX-License-Identifier: GPL-3.0-or-later
"""slack_message against the workspace of the lab: what it posts, changes and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from modules.k8s_support import Reply
from modules.sending_support import INCIDENT, Modules, Service, failed, modules, send, service

from support.communications import communications, communications_part

__all__ = ["communications", "communications_part", "modules", "service"]
EVERYBODY = "<!channel> <!here|here> <!EVERYONE> <!subteam^S012ABC> help"


def test_a_message_is_posted(modules: Modules) -> None:
    result = modules.run("slack", text="The pool is exhausted", incident=INCIDENT)
    (message,) = modules.communications.messages()
    assert (result["status"], result["changed"], result["message_url"]) == ("sent", True, None)
    assert (result["channel"], result["ts"]) == (message["channel"], message["ts"])
    assert (message["channel_name"], message["text"]) == ("incidents", "The pool is exhausted")
    assert message["metadata"] == {"event_type": "incident_message", "event_payload": {"incident": INCIDENT}}
    (request,) = modules.communications.requests()
    assert request["path"].endswith("/chat.postMessage")
    headers = {name.lower(): value for name, value in request["headers"].items()}
    assert headers["content-type"].startswith("application/json")
    assert headers["user-agent"].startswith("incident-runbooks ")
    assert (request["body"]["unfurl_links"], request["body"]["unfurl_media"]) == (False, False)


def test_it_is_not_idempotent_and_says_so_in_changed(modules: Modules) -> None:
    first, second = modules.run("slack"), modules.run("slack")
    assert (first["changed"], second["changed"]) == (True, True)
    assert len(modules.communications.messages()) == 2


def test_an_answer_goes_into_the_thread(modules: Modules) -> None:
    first = modules.run("slack")
    modules.run("slack", channel=first["channel"], thread_ts=first["ts"], text="and more")
    assert modules.communications.messages()[1]["thread_ts"] == first["ts"]


def test_a_message_is_changed_and_not_posted_again(modules: Modules) -> None:
    first = modules.run("slack", text="Open", incident=INCIDENT)
    done = modules.run("slack", channel=first["channel"], ts=first["ts"], text="Resolved", incident=INCIDENT)
    (message,) = modules.communications.messages()
    assert (done["status"], done["ts"], message["text"]) == ("sent", first["ts"], "Resolved")
    assert [edit["text"] for edit in message["edits"]] == ["Open"]
    assert message["metadata"]["event_payload"] == {"incident": INCIDENT}


def test_blocks_are_posted_with_the_text_for_notifications(modules: Modules) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*The pool* is exhausted"}}]
    modules.run("slack", text="The pool is exhausted", blocks=blocks)
    (message,) = modules.communications.messages()
    assert (message["blocks"], message["text"]) == (blocks, "The pool is exhausted")


@pytest.mark.parametrize("sender", ["slack", "webhook"])
def test_nobody_is_alerted_by_a_text(sender: str, modules: Modules) -> None:
    block = {"type": "section", "text": {"type": "mrkdwn", "text": EVERYBODY}}
    modules.run(sender, text=EVERYBODY, blocks=[block])
    (message,) = modules.communications.messages()
    for text in (message["text"], message["blocks"][0]["text"]["text"]):
        assert "<!" not in text
        assert text.startswith("&lt;!channel>")


def test_a_text_that_is_too_long_is_cut_and_sent(modules: Modules) -> None:
    modules.run("slack", text="x" * 1_000_000)
    (message,) = modules.communications.messages()
    assert len(message["text"]) == 4000
    assert message["text"].endswith("x…")


def test_a_webhook_posts_where_it_belongs(modules: Modules) -> None:
    result = modules.run("webhook", text="The pool is exhausted", incident=INCIDENT)
    (message,) = modules.communications.messages()
    assert (result["status"], result["ts"]) == ("sent", None)
    assert (message["via"], message["channel_name"], message["text"]) == (
        "webhook",
        "incidents",
        "The pool is exhausted",
    )
    assert set(result["payload"]) == {"text", "unfurl_links", "unfurl_media"}


@pytest.mark.parametrize(
    ("channel", "cause", "error", "advice"),
    [
        ("#nowhere", "not_found", "channel_not_found", "check the channel's name"),
        ("#executives", "not_found", "channel_not_found", "/invite"),
        ("#engineering", "not_permitted", "not_in_channel", "/invite"),
        ("#old-incidents", "not_permitted", "is_archived", "unarchive"),
    ],
)
def test_channels_that_take_nothing(channel: str, cause: str, error: str, advice: str, modules: Modules) -> None:
    result = failed(modules.run("slack", channel=channel), cause)
    assert f"Posting a message to {channel} on Slack at http://127.0.0.1:" in result["msg"]
    assert error in result["msg"]
    assert advice in result["msg"]
    assert modules.communications.messages() == []


@pytest.mark.parametrize(
    ("given", "cause", "error"),
    [
        ({"text": "  "}, "invalid", "no_text"),
        ({"thread_ts": "1795467478.868600"}, "not_found", "thread_not_found"),
        ({"channel": "C0INCIDENT1", "ts": "1795467478.868600"}, "not_found", "message_not_found"),
        ({"blocks": [{"type": "nonsense"}]}, "invalid", "invalid_blocks"),
        ({"token": "xoxb-0-0-wrong"}, "invalid_auth", "invalid_auth"),
    ],
)
def test_messages_that_are_refused(given: dict[str, Any], cause: str, error: str, modules: Modules) -> None:
    assert error in failed(modules.run("slack", **given), cause)["msg"]
    assert modules.communications.messages() == []


@pytest.mark.parametrize(
    ("error", "cause", "doubt"),
    [
        ("token_revoked", "invalid_auth", False),
        ("not_authed", "invalid_auth", False),
        ("account_inactive", "invalid_auth", False),
        ("missing_scope", "not_permitted", False),
        ("restricted_action", "not_permitted", False),
        ("msg_too_long", "invalid", False),
        ("msg_blocks_too_long", "invalid", False),
        ("an_error_of_tomorrow", "invalid", False),
        ("ratelimited", "throttled", False),
        ("service_unavailable", "server_error", False),
        ("fatal_error", "server_error", True),
        ("internal_error", "server_error", True),
    ],
)
def test_errors_that_come_with_status_200(error: str, cause: str, doubt: bool, service: Service) -> None:
    service.says(Reply(200, {"ok": False, "error": error, "needed": "chat:write"}, {"Retry-After": "9"}))
    result = failed(send("slack", service.url), cause)
    assert error in result["msg"]
    assert result["may_have_happened"] is doubt
    assert result["retry_after_s"] == (9.0 if cause in ("throttled", "server_error") else None)
    assert "chat:write" in result["msg"] or error != "missing_scope"


@pytest.mark.parametrize(
    ("status", "word", "cause"),
    [
        (400, "invalid_payload", "invalid"),
        (400, "no_text", "invalid"),
        (400, "too_many_attachments", "invalid"),
        (400, "posting_to_general_channel_denied", "not_permitted"),
        (403, "action_prohibited", "not_permitted"),
        (403, "invalid_token", "invalid_auth"),
        (403, "team_disabled", "not_permitted"),
        (404, "channel_not_found", "not_found"),
        (404, "no_service", "not_found"),
        (404, "no_team", "not_found"),
        (410, "channel_is_archived", "not_permitted"),
        (429, "rate_limited", "throttled"),
        (500, "rollup_error", "server_error"),
        (200, "not ok", "no_answer"),
    ],
)
def test_what_a_webhook_answers(status: int, word: str, cause: str, service: Service) -> None:
    service.says(Reply(status, word.encode(), {"Content-Type": "text/html"}))
    result = failed(send("webhook", service.url), cause)
    assert word in result["msg"] or status == 200
    assert len(service.asked) == 1


def test_a_webhook_of_an_archived_channel_and_one_that_is_gone(modules: Modules) -> None:
    part = modules.communications.part
    archived = f"{part.url}/slack/services/{part.keys.slack_archived_webhook}"
    assert "channel_is_archived" in failed(modules.run("webhook", webhook_url=archived), "not_permitted")["msg"]
    gone = modules.communications.variables["slack_webhook_url"][:-3] + "xyz"
    assert "make a new one" in failed(modules.run("webhook", webhook_url=gone), "invalid_auth")["msg"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_options_that_make_no_sense(check_mode: bool, modules: Modules) -> None:
    webhook_url = modules.communications.variables["slack_webhook_url"]
    for sender, given, cause, says in (
        ("slack", {"webhook_url": webhook_url}, "invalid", "both token and webhook_url"),
        ("slack", {"channel": None}, "not_configured", "channel"),
        ("webhook", {"ts": "1795467478.868600"}, "invalid", "cannot change"),
        ("webhook", {"webhook_url": "https://hooks.slack.com"}, "invalid", "no path"),
    ):
        assert says in failed(modules.run(sender, check_mode=check_mode, **given), cause)["msg"]
    assert modules.communications.requests() == []


def test_a_lost_answer_may_mean_a_message(modules: Modules) -> None:
    with modules.communications.broken("slack-answer-lost"):
        result = failed(modules.run("slack", timeout=1), "timeout")
    assert result["may_have_happened"] is True
    assert len(modules.communications.messages()) == 1
