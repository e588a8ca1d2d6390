# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Slack: what Slack's own clients make of it, and every error in Slack's form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from slack_sdk import WebClient, WebhookClient
from slack_sdk.errors import SlackApiError

from incident_runbooks.lab.communications import slack_blocks
from incident_runbooks.lab.services.call import RefusedError
from incident_runbooks.lab.services.rates import Bucket
from support import specs
from support.communications import Communications

Json = dict[str, Any]

LATER = ("app_id", "metadata")  # what messages hold that the description of 2021 does not know


@pytest.fixture
def slack(communications: Communications) -> WebClient:
    """Slack's own client, as the bot."""
    return WebClient(token=communications.variables["slack_token"], base_url=communications.variables["slack_api_url"])


@pytest.fixture
def described(communications: Communications) -> Iterator[specs.Contract]:
    """After the test: every answer that succeeded is as Slack describes it, every error is one of those it lists."""
    contract = specs.Contract(specs.load("slack-web.json"))
    yield contract
    checked = 0
    for each in communications.requests("slack"):
        path, answer = each["path"].removeprefix("/slack/api"), each["answer"]
        method = "GET" if path.startswith(("/auth", "/conversations")) else "POST"
        for name in LATER:
            answer.get("message", {}).pop(name, None)
        response = contract.response(method, path, "200" if answer["ok"] else "default")
        answer.pop("response_metadata" if not answer["ok"] else "", None)
        assert contract.problems_of(response, answer) == [], each
        checked += 1
    assert checked


def error(caught: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(caught.value.response["error"])


def section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def test_a_message_its_thread_and_its_update(
    communications: Communications, slack: WebClient, described: specs.Contract
) -> None:
    metadata = {"event_type": "incident", "event_payload": {"incident": "pool-exhaustion-1"}}
    first = slack.chat_postMessage(channel="#incidents", text="pool exhausted", metadata=metadata)
    reply = slack.chat_postMessage(
        channel=first["channel"], text="acting", thread_ts=first["ts"], blocks=[section("act")]
    )
    nested = slack.chat_postMessage(channel=first["channel"], text="verified", thread_ts=reply["ts"])
    updated = slack.chat_update(channel=first["channel"], ts=first["ts"], text="resolved")
    assert (updated["ts"], updated["text"]) == (first["ts"], "resolved")
    one, two, three = communications.messages("incidents")
    assert (one["text"], one["edits"][0]["text"], one["metadata"]) == ("resolved", "pool exhausted", metadata)
    assert one["ts"] < two["ts"] < three["ts"]
    assert two["thread_ts"] == three["thread_ts"] == first["ts"], nested
    assert slack.auth_test()["team"] == "BrandConnect"
    assert slack.conversations_info(channel=first["channel"])["channel"]["name"] == "incidents"
    listed = {each["name"] for each in slack.conversations_list(types="public_channel,private_channel")["channels"]}
    assert {"incidents", "security-private", "analytics", "payments", "old-incidents"} <= listed
    assert "executives" not in listed, "a private channel without the bot"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"channel": "#nowhere", "text": "x"}, "channel_not_found"),
        ({"channel": "#executives", "text": "x"}, "channel_not_found"),
        ({"channel": "#engineering", "text": "x"}, "not_in_channel"),
        ({"channel": "#old-incidents", "text": "x"}, "is_archived"),
        ({"channel": "#incidents"}, "no_text"),
        ({"channel": "#incidents", "text": "  "}, "no_text"),
        ({"channel": "#incidents", "attachments": [{"text": "x"}] * 101}, "too_many_attachments"),
    ],
)
def test_what_slack_lists_as_errors(
    slack: WebClient, described: specs.Contract, arguments: Json, expected: str
) -> None:
    with pytest.raises(SlackApiError) as caught:
        slack.api_call("chat.postMessage", json=arguments)
    assert (error(caught), caught.value.response.status_code) == (expected, 200)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"channel": "#incidents", "text": "x", "thread_ts": "yesterday"}, "invalid_thread_ts"),
        ({"channel": "#incidents", "text": "x", "thread_ts": "1700000000.000001"}, "thread_not_found"),
        ({"channel": "#incidents", "text": "x", "metadata": {"event_type": "x"}}, "invalid_metadata_schema"),
        ({"channel": "#incidents", "text": "x", "metadata": "{"}, "invalid_metadata_format"),
        ({"channel": "#incidents", "blocks": "{"}, "invalid_blocks_format"),
        ({"channel": "", "text": "x"}, "invalid_arguments"),
    ],
)
def test_what_else_is_refused(slack: WebClient, arguments: Json, expected: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        slack.api_call("chat.postMessage", json=arguments)
    assert error(caught) == expected


def test_a_long_text_is_cut_and_a_long_update_refused(communications: Communications, slack: WebClient) -> None:
    posted = slack.chat_postMessage(channel="#incidents", text="x" * 40_001)
    assert len(communications.messages()[0]["text"]) == 40_000
    with pytest.raises(SlackApiError) as caught:
        slack.chat_update(channel=posted["channel"], ts=posted["ts"], text="x" * 4_001)
    assert error(caught) == "msg_too_long"


def test_an_update_wants_the_channels_id_and_a_message_of_the_bots(
    communications: Communications, slack: WebClient
) -> None:
    posted = slack.chat_postMessage(channel="incidents", text="x")
    with pytest.raises(SlackApiError) as caught:
        slack.chat_update(channel="#incidents", ts=posted["ts"], text="y")
    assert error(caught) == "channel_not_found"
    with pytest.raises(SlackApiError) as caught:
        slack.chat_update(channel=posted["channel"], ts="1700000000.000001", text="y")
    assert error(caught) == "message_not_found"
    WebhookClient(communications.variables["slack_webhook_url"]).send(text="by webhook")
    with pytest.raises(SlackApiError) as caught:
        slack.chat_update(channel=posted["channel"], ts=communications.messages()[-1]["ts"], text="y")
    assert error(caught) == "cant_update_message"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "not_authed"),
        ({"Authorization": "Bearer "}, "not_authed"),
        ({"Authorization": "Bearer xoxb-other"}, "invalid_auth"),
    ],
)
def test_a_request_needs_the_token(
    communications: Communications, described: specs.Contract, headers: Json, expected: str
) -> None:
    address = f"{communications.variables['slack_api_url']}chat.postMessage"
    said = requests.post(address, json={"channel": "#incidents", "text": "x"}, headers=headers, timeout=5)
    assert (said.status_code, said.json()) == (200, {"ok": False, "error": expected})
    assert communications.messages() == []


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", "{", "invalid_json"),
        ("application/json", "[]", "json_not_object"),
        ("text/plain", "x", "invalid_post_type"),
        ("", "x", "missing_post_type"),
    ],
)
def test_a_body_that_cannot_be_read(
    communications: Communications, content_type: str, body: str, expected: str
) -> None:
    address = f"{communications.variables['slack_api_url']}chat.update"
    headers = {"Authorization": f"Bearer {communications.variables['slack_token']}", "Content-Type": content_type}
    said = requests.post(address, data=body, headers=headers, timeout=5)
    assert (said.status_code, said.json()["error"]) == (200, expected)


def test_a_form_holds_the_token_and_blocks_as_text(communications: Communications) -> None:
    form = {
        "token": communications.variables["slack_token"],
        "channel": "incidents",
        "blocks": json.dumps([section("x")]),
    }
    said = requests.post(f"{communications.variables['slack_api_url']}chat.postMessage", data=form, timeout=5).json()
    assert said["ok"] is True
    in_json = requests.post(f"{communications.variables['slack_api_url']}chat.postMessage", json=form, timeout=5).json()
    assert in_json["error"] == "not_authed", "Slack does not look for a token in JSON"
    assert communications.messages()[0]["blocks"] == [section("x")]


def test_json_without_a_character_set_is_taken_with_a_warning(communications: Communications) -> None:
    headers = {
        "Authorization": f"Bearer {communications.variables['slack_token']}",
        "Content-Type": "application/json",
    }
    address = f"{communications.variables['slack_api_url']}chat.postMessage"
    said = requests.post(address, data='{"channel": "incidents", "text": "x"}', headers=headers, timeout=5).json()
    assert (said["ok"], said["warning"]) == (True, "missing_charset")


def test_an_unknown_method(slack: WebClient) -> None:
    with pytest.raises(SlackApiError) as caught:
        slack.api_call("chat.shout")
    assert error(caught) == "unknown_method"


@pytest.mark.parametrize(
    ("blocks", "where"),
    [
        ([section("x")] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        ([section("x" * 3001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        ([{"type": "section"}], "missing required field: text [json-pointer:/blocks/0]"),
        ([{"type": "section", "text": "x"}], "must be an object [json-pointer:/blocks/0/text]"),
        ([{"type": "section", "fields": [section("x")["text"]] * 11}], "no more than 10 items allowed"),
        ([{"type": "section", "fields": [section("x" * 2001)["text"]]}], "[json-pointer:/blocks/0/fields/0/text]"),
        ([{"type": "header", "text": section("x")["text"]}], "must be one of: plain_text"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "must be less than 151 characters"),
        ([{"type": "context", "elements": []}], "missing required field: elements"),
        ([{"type": "context", "elements": [section("x")["text"]] * 11}], "no more than 10 items allowed"),
        ([{"type": "divider"}, {"type": "marquee"}], "unsupported type: marquee [json-pointer:/blocks/1/type]"),
        ([{"text": "x"}], "missing required field: type"),
        ([{"type": "markdown", "text": "x" * 12_001}], "must be less than 12001 characters"),
        ([{"type": "image", "image_url": "https://x"}], "missing required field: alt_text"),
        ([{"type": "divider", "block_id": "x" * 256}], "[json-pointer:/blocks/0/block_id]"),
    ],
)
def test_blocks_that_are_none(slack: WebClient, blocks: list[Json], where: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        slack.chat_postMessage(channel="#incidents", text="x", blocks=blocks)
    assert error(caught) == "invalid_blocks"
    messages = caught.value.response["response_metadata"]["messages"]
    assert [each for each in messages if where in each and each.startswith("[ERROR] ")], messages


def test_blocks_that_are_too_long_altogether() -> None:
    slack_blocks.check([section("x" * 3000)] * 4)
    with pytest.raises(RefusedError) as caught:
        slack_blocks.check([section("x" * 3000)] * 5)
    assert caught.value.answer.body == {"ok": False, "error": "msg_blocks_too_long"}


def test_every_kind_of_block_is_taken(slack: WebClient) -> None:
    text = {"type": "plain_text", "text": "x"}
    blocks: list[Json] = [
        {"type": "header", "text": text},
        section("x" * 3000),
        {"type": "section", "fields": [text]},
        {"type": "divider"},
        {"type": "context", "elements": [text, {"type": "image", "image_url": "https://x", "alt_text": "x"}]},
        {"type": "actions", "elements": [{"type": "button", "text": text, "action_id": "x"}]},
        {"type": "image", "image_url": "https://x", "alt_text": "x"},
        {"type": "markdown", "text": "x"},
        {"type": "rich_text", "elements": []},
    ]
    assert slack.chat_postMessage(channel="#incidents", text="x", blocks=blocks)["ok"] is True


# Incoming webhooks


def test_a_webhook_posts_and_says_ok(communications: Communications) -> None:
    said = WebhookClient(communications.variables["slack_webhook_url"]).send(text="x", blocks=[section("x")])
    assert (said.status_code, said.body) == (200, "ok")
    message = communications.messages("incidents")[0]
    assert (message["via"], message["text"], message["thread_ts"]) == ("webhook", "x", None)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ("{", 400, "invalid_payload"),
        ("[]", 400, "invalid_payload"),
        ('{"text": 1}', 400, "invalid_payload"),
        ("{}", 400, "no_text"),
        ('{"text": ""}', 400, "no_text"),
        ('{"blocks": [{"type": "marquee"}]}', 400, "invalid_blocks"),
        (json.dumps({"attachments": [{"text": "x"}] * 101}), 400, "too_many_attachments"),
    ],
)
def test_a_webhook_says_in_a_word_what_is_wrong(
    communications: Communications, body: str, status: int, expected: str
) -> None:
    address = communications.variables["slack_webhook_url"]
    said = requests.post(address, data=body, headers={"Content-Type": "application/json"}, timeout=5)
    assert (said.status_code, said.text, said.headers["Content-Type"]) == (status, expected, "text/html; charset=utf-8")
    assert communications.messages() == []


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("T0BRANDCO/B0WEBHOOK1/wrong", 403, "invalid_token"),
        ("T0BRANDCO/B0OTHER/wrong", 404, "no_service"),
        ("T0OTHER/B0WEBHOOK1/wrong", 404, "no_team"),
    ],
)
def test_a_webhook_that_does_not_exist(communications: Communications, path: str, status: int, expected: str) -> None:
    said = requests.post(f"{communications.part.url}/slack/services/{path}", json={"text": "x"}, timeout=5)
    assert (said.status_code, said.text) == (status, expected)


def test_a_webhook_of_an_archived_channel(communications: Communications) -> None:
    path = communications.part.keys.slack_archived_webhook
    said = requests.post(f"{communications.part.url}/slack/services/{path}", json={"text": "x"}, timeout=5)
    assert (said.status_code, said.text) == (410, "channel_is_archived")


def test_a_webhook_takes_a_form(communications: Communications) -> None:
    form = {"payload": json.dumps({"text": "x"})}
    assert requests.post(communications.variables["slack_webhook_url"], data=form, timeout=5).text == "ok"
    assert communications.messages()[0]["text"] == "x"


# Rates


def test_a_channel_takes_a_burst_and_then_one_a_second(communications: Communications, slack: WebClient) -> None:
    def post_many() -> None:
        for _ in range(200):
            slack.chat_postMessage(channel="#analytics", text="x")

    with pytest.raises(SlackApiError) as caught:
        post_many()
    response = caught.value.response
    assert (response.status_code, response["error"]) == (429, "ratelimited")
    assert response.headers["Retry-After"] == "1"
    assert len(communications.messages("analytics")) >= 60
    assert slack.chat_postMessage(channel="#payments", text="x")["ok"], "each channel has its own"


def test_a_bucket_fills_up_again() -> None:
    clock = [0.0]
    bucket = Bucket(2, per_second=0.5, clock=lambda: clock[0])
    assert [bucket.take() for _ in range(3)] == [0, 0, 2]
    clock[0] = 1.0
    assert bucket.take() == 1
    clock[0] = 2.0
    assert [bucket.take(), bucket.take()] == [0, 2]
    clock[0] = 1000.0
    assert bucket.left == 2
