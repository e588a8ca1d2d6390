# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Slack says when it does not take a message, read as causes. Pure functions, no I/O.

The Web API answers 200 with ``ok: false``: https://docs.slack.dev/reference/methods/chat.postMessage#errors
Incoming webhooks answer with a status and one word of text:
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Answer,
    Failure,
    refusal,
    unusable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

_CAUSES: Mapping[str, tuple[str, ...]] = {
    "invalid_auth": (
        *("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "invalid_token"),
        *("is_inactive", "org_login_required", "two_factor_setup_required"),
    ),
    "not_permitted": (
        *("not_in_channel", "is_archived", "channel_is_archived", "missing_scope", "not_allowed_token_type"),
        *("access_denied", "accesslimited", "ekm_access_denied", "no_permission", "team_access_not_granted"),
        *("restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel"),
        *("restricted_action_non_threadable_channel", "restricted_action_thread_locked"),
        *("posting_to_general_channel_denied", "action_prohibited", "team_disabled"),
        *("cant_update_message", "edit_window_closed", "cannot_reply_to_message", "messages_tab_disabled"),
    ),
    "not_found": ("channel_not_found", "message_not_found", "thread_not_found", "user_not_found", "no_team"),
    "throttled": ("ratelimited", "rate_limited", "message_limit_exceeded"),
    "server_error": (
        *("fatal_error", "internal_error", "service_unavailable", "team_added_to_org", "request_timeout"),
        *("rollup_error", "server_error"),
    ),
}
_CAUSE_OF = {error: cause for cause, errors in _CAUSES.items() for error in errors} | {
    "no_service": "not_found",
    "no_service_id": "not_found",
    "no_active_hooks": "not_found",
}
# Slack says of these that a part of the work may have been done
_DOUBTFUL = ("fatal_error", "internal_error")

_INVITE = "invite the app to the channel (/invite @app in it)"
_NEW_WEBHOOK = "the webhook was removed or switched off; make a new one in the settings of the Slack app"
_ADVICE = {
    "not_in_channel": _INVITE,
    "channel_not_found": f"check the channel's name; if it is private, {_INVITE}",
    "is_archived": "unarchive the channel or name another one",
    "channel_is_archived": "unarchive the channel, or make a webhook for another one",
    "invalid_auth": "check slack_token; it is the bot token of the app and begins with xoxb-",
    "not_authed": "check slack_token; it is the bot token of the app and begins with xoxb-",
    "token_revoked": "install the Slack app again and take its new token",
    "token_expired": "install the Slack app again and take its new token",
    "account_inactive": "the user or the workspace of the token was removed; install the Slack app again",
    "invalid_token": _NEW_WEBHOOK,
    "no_service": _NEW_WEBHOOK,
    "no_service_id": _NEW_WEBHOOK,
    "no_active_hooks": _NEW_WEBHOOK,
    "action_prohibited": "an administrator of the workspace forbids it; ask them",
    "team_disabled": "an administrator disabled the workspace; ask them",
    "cant_update_message": "only the app that sent a message can change it; post a new one",
    "edit_window_closed": "the workspace limits how long messages can be changed; post a new one",
    "message_not_found": "the message was deleted, or is in another channel; post a new one",
    "thread_not_found": "the message that was to be answered is not there; post a new one",
    "msg_too_long": "shorten the text to less than 4000 characters",
    "msg_blocks_too_long": "shorten the blocks to less than 12000 characters together",
    "no_text": "give a text",
    "invalid_blocks": "check the blocks in Slack's Block Kit Builder",
    "invalid_blocks_format": "check the blocks in Slack's Block Kit Builder",
    "invalid_payload": "check the blocks in Slack's Block Kit Builder",
    "posting_to_general_channel_denied": "the workspace limits who may post to this channel; name another one",
}


def web_failure(answer: Answer, receipt: str = "ts") -> Failure | None:
    """Read an answer of the Web API; ``None`` for a success, which has ``ok`` and a text under *receipt*."""
    content = answer.content
    if not isinstance(content, dict):
        return refusal(answer, "") if answer.status != HTTPStatus.OK else unusable(answer)
    if answer.status == HTTPStatus.OK and content.get("ok") is not False:
        received = content.get("ok") is True and isinstance(content.get(receipt), str)
        return None if received else unusable(answer, "no receipt of a message" if receipt == "ts" else "none of Slack")
    error = plain_line(str(content.get("error") or ""), 100)
    failure = refusal(answer, _explained(error, content), _advice(error, content), _cause(answer, error))
    # 200 with a cause that asks for patience carries Retry-After at times; refusal() has read it
    return replace(failure, may_have_happened=failure.may_have_happened or error in _DOUBTFUL)


def webhook_failure(answer: Answer) -> Failure | None:
    """Read an answer of an incoming webhook; ``None`` for a success, which is 200 and ``ok`` in plain text."""
    word = answer.text
    if answer.status == HTTPStatus.OK:
        return None if word == "ok" else unusable(answer, "not that of a Slack webhook")
    error = word if word.replace("_", "").isalpha() else ""
    cause = _CAUSE_OF.get(error)
    if error == "channel_is_archived" or (not cause and answer.status == HTTPStatus.GONE):
        cause = "not_permitted"
    advice = _ADVICE.get(error)
    if answer.status == HTTPStatus.NOT_FOUND and error in {"", "channel_not_found"}:
        advice = "the channel of the webhook was removed; make a new webhook in the settings of the Slack app"
    return refusal(answer, word, advice, cause)


def _cause(answer: Answer, error: str) -> str | None:
    if error in _CAUSE_OF:
        return _CAUSE_OF[error]
    return "invalid" if answer.status == HTTPStatus.OK else None


def _explained(error: str, content: Mapping[str, Any]) -> str:
    """The error with Slack's own explanations, which name the part of a block that is wrong."""
    details = content.get("response_metadata")
    messages = details.get("messages") if isinstance(details, dict) else None
    said = [str(message) for message in messages[:3]] if isinstance(messages, list) else []
    return ", ".join([error or "no explanation given", *said])


def _advice(error: str, content: Mapping[str, Any]) -> str | None:
    if error == "missing_scope":
        return f"give the Slack app the scope {plain_line(str(content.get('needed') or 'chat:write'), 60)}"
    return _ADVICE.get(error)
