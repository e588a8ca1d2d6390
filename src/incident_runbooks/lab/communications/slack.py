# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack's Web API: 200 with ``ok: false`` for every error of a method, 429 above the rate of a channel.

Reference: docs.slack.dev/reference/methods and docs.slack.dev/apis/web-api/rate-limits.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from incident_runbooks.lab.communications import slack_blocks
from incident_runbooks.lab.communications.keys import Keys
from incident_runbooks.lab.communications.slack_request import arguments, failed, require_token, structured, warn
from incident_runbooks.lab.communications.world import BOT, CHANNELS, TEAM, Channel, World
from incident_runbooks.lab.services.call import Answer, Call, RefusedError
from incident_runbooks.lab.services.rates import Bucket

_LONGEST_TEXT = 40_000  # characters; what is longer is cut
_LONGEST_UPDATE = 4_000  # refused
_MOST_ATTACHMENTS = 100
_TIMESTAMP = re.compile(r"^\d{10}\.\d{6}$")
_HEADERS = {"X-OAuth-Scopes": "chat:write,channels:read,groups:read", "X-Accepted-OAuth-Scopes": "chat:write"}
_BURST = 60  # messages; then one a second, in each channel

Json = dict[str, Any]


class Slack:
    """The workspace.

    Args:
        world: where messages are kept.
        keys: the token that it accepts.
    """

    def __init__(self, world: World, keys: Keys) -> None:
        self._world = world
        self._token = keys.slack_token
        self.buckets: dict[str, Bucket] = {}
        self._methods: dict[str, Callable[[Json], Json]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "conversations.info": self._info,
            "conversations.list": self._list,
        }

    def handle(self, call: Call) -> Answer:
        """Answer a call of a method."""
        name = call.path.removeprefix("/api/").strip("/")
        if name == "api.test":
            return Answer(200, {"ok": True}, _HEADERS)
        try:
            given, token = arguments(call)
            method = self._methods.get(name)
            if method is None:
                return Answer(200, {"ok": False, "error": "unknown_method", "req_method": name}, _HEADERS)
            require_token(call, token, self._token)
            return Answer(200, warn(call, method(given)), _HEADERS)
        except RefusedError as refused:
            return Answer(refused.answer.status, refused.answer.body, {**_HEADERS, **refused.answer.headers})

    def post(self, channel: Channel, given: Json, *, via: str) -> Json:
        """Keep a message.

        Args:
            channel: where.
            given: ``text``, ``blocks`` and the like.
            via: ``web_api`` or ``webhook``.

        Raises:
            RefusedError: Slack would not take it.
        """
        content = message_content(given)
        content["text"] = content["text"][:_LONGEST_TEXT]
        thread = self._thread(channel, given)
        bucket = self.buckets.setdefault(channel.id, Bucket(_BURST, per_second=1))
        if wait := bucket.take():
            raise RefusedError(Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": str(wait)}))
        message = {
            "ts": self._next_ts(),
            "channel": channel.id,
            "channel_name": channel.name,
            "via": via,
            "thread_ts": thread,
            "edits": [],
            **content,
        }
        self._world.messages.append(message)
        return message

    def _post_message(self, given: Json) -> Json:
        channel = self._channel(given, by_name=True)
        _require_postable(channel)
        message = self.post(channel, given, via="web_api")
        return {"ok": True, "channel": channel.id, "ts": message["ts"], "message": _shown(message)}

    def _update(self, given: Json) -> Json:
        channel = self._channel(given, by_name=False)
        timestamp = _required(given, "ts")
        message = self._message(channel, timestamp)
        if message is None:
            raise failed("message_not_found")
        if message["via"] != "web_api":
            raise failed("cant_update_message")  # another app's
        _require_postable(channel)
        content = message_content(given)
        if len(content["text"]) > _LONGEST_UPDATE:
            raise failed("msg_too_long")
        message["edits"].append({"text": message["text"], "blocks": message["blocks"]})
        metadata = content["metadata"] or message["metadata"]  # stays unless it is given
        message.update(content, metadata=metadata)
        shown = _shown(message)
        return {"ok": True, "channel": channel.id, "ts": timestamp, "text": message["text"], "message": shown}

    def _auth_test(self, _given: Json) -> Json:
        named = {"url": TEAM["url"], "team": TEAM["name"], "user": BOT["name"], "team_id": TEAM["id"]}
        return {"ok": True, **named, "user_id": BOT["user_id"], "bot_id": BOT["id"], "is_enterprise_install": False}

    def _info(self, given: Json) -> Json:
        return {"ok": True, "channel": _described(self._channel(given, by_name=False))}

    def _list(self, given: Json) -> Json:
        types = str(given.get("types") or "public_channel").split(",")
        if not set(types) <= {"public_channel", "private_channel", "mpim", "im"}:
            raise failed("invalid_types")
        without_archived = str(given.get("exclude_archived", "")).lower() in ("true", "1")
        wanted = [
            channel
            for channel in CHANNELS
            if ("private_channel" if channel.private else "public_channel") in types
            and (channel.member or not channel.private)
            and not (channel.archived and without_archived)
        ]
        listed = [_described(channel) for channel in wanted]
        return {"ok": True, "channels": listed, "response_metadata": {"next_cursor": ""}}

    def _channel(self, given: Json, *, by_name: bool) -> Channel:
        """Return the channel that the bot can see; only ``chat.postMessage`` takes a name."""
        wanted = _required(given, "channel")
        for channel in CHANNELS:
            if wanted == channel.id or (by_name and wanted.removeprefix("#") == channel.name):
                if channel.private and not channel.member:
                    break
                return channel
        raise failed("channel_not_found")

    def _message(self, channel: Channel, timestamp: str) -> Json | None:
        return next(
            (each for each in self._world.messages if (each["channel"], each["ts"]) == (channel.id, timestamp)), None
        )

    def _thread(self, channel: Channel, given: Json) -> str | None:
        timestamp = given.get("thread_ts")
        if not timestamp:
            return None
        if not isinstance(timestamp, str) or not _TIMESTAMP.match(timestamp):
            raise failed("invalid_thread_ts")
        first = self._message(channel, timestamp)
        if first is None:
            raise failed("thread_not_found")
        return str(first["thread_ts"] or timestamp)

    def _next_ts(self) -> str:
        last = float(self._world.messages[-1]["ts"]) if self._world.messages else 0.0
        return f"{max(time.time(), last + 0.000_1):.6f}"


def message_content(given: Json) -> Json:
    """Return what a message consists of.

    Raises:
        RefusedError: Slack would not take it.
    """
    text = given.get("text")
    if text is not None and not isinstance(text, str):
        raise failed("invalid_arguments", "[ERROR] must provide a string [json-pointer:/text]")
    blocks = structured(given, "blocks", "invalid_blocks_format")
    attachments = structured(given, "attachments", "invalid_attachments")
    if blocks is not None:
        slack_blocks.check(blocks)
    if attachments is not None and not isinstance(attachments, list):
        raise failed("invalid_attachments")
    if len(attachments or ()) > _MOST_ATTACHMENTS:
        raise failed("too_many_attachments")
    if not (text or "").strip() and not blocks and not attachments:
        raise failed("no_text")
    return {"text": text or "", "blocks": blocks, "attachments": attachments, "metadata": _metadata(given)}


def _metadata(given: Json) -> Json | None:
    metadata = structured(given, "metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise failed("invalid_metadata_format")
    if not metadata.get("event_type") or not isinstance(metadata.get("event_payload"), dict):
        raise failed("invalid_metadata_schema")
    return metadata


def _required(given: Json, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise failed("invalid_arguments", f"[ERROR] missing required field: {name}")
    return value


def _require_postable(channel: Channel) -> None:
    if channel.archived:
        raise failed("is_archived")
    if not channel.member:
        raise failed("not_in_channel")


def _shown(message: Json) -> Json:
    """Return a message as Slack shows it."""
    shown: Json = {
        "type": "message",
        "user": BOT["user_id"],
        "bot_id": BOT["id"],
        "app_id": BOT["app_id"],
        "team": TEAM["id"],
        "ts": message["ts"],
        "text": message["text"],
    }
    optional = {name: message[name] for name in ("thread_ts", "blocks", "attachments", "metadata") if message[name]}
    return shown | optional


def _described(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not channel.private,
        "is_group": channel.private,
        "is_im": False,
        "is_mpim": False,
        "is_private": channel.private,
        "is_archived": channel.archived,
        "is_general": channel.name == "general",
        "is_member": channel.member,
        "is_shared": False,
        "is_org_shared": False,
        "created": 1_700_000_000,
        "creator": "U0FOUNDER1",
        "unlinked": 0,
    }
