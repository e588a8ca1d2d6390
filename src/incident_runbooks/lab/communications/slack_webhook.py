# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack's incoming webhooks: the path is the secret, and what is said about an error is a status and a word."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from incident_runbooks.lab.communications.keys import Keys
from incident_runbooks.lab.communications.slack import Slack
from incident_runbooks.lab.communications.world import CHANNELS, TEAM, Channel
from incident_runbooks.lab.services.call import FORM, Answer, Call, RefusedError

_PARTS = 3

Json = dict[str, Any]


class Webhooks:
    """The incoming webhooks of the workspace.

    Args:
        slack: where messages end up.
        keys: the paths that exist.
    """

    def __init__(self, slack: Slack, keys: Keys) -> None:
        named = {channel.name: channel for channel in CHANNELS}
        self._slack = slack
        self._channels = {
            keys.slack_webhook: named["incidents"],
            keys.slack_archived_webhook: named["old-incidents"],
        }

    def handle(self, call: Call) -> Answer:
        """Answer a request below ``/services/``."""
        try:
            channel = self._channel(call.path.removeprefix("/services/"))
            given = _payload(call)
            self._slack.post(channel, {**given, "thread_ts": None}, via="webhook")
        except RefusedError as refused:
            return _worded(refused.answer)
        return Answer(200, "ok")

    def _channel(self, path: str) -> Channel:
        channel = self._channels.get(path)
        if channel is not None and channel.archived:
            raise RefusedError(Answer(410, "channel_is_archived"))
        if channel is not None:
            return channel
        parts = path.split("/")
        if len(parts) != _PARTS or parts[0] != TEAM["id"]:
            raise RefusedError(Answer(404, "no_team"))
        known = any(there.rpartition("/")[0] == "/".join(parts[:2]) for there in self._channels)
        raise RefusedError(Answer(403, "invalid_token") if known else Answer(404, "no_service"))


def _payload(call: Call) -> Json:
    """Return the message: JSON, or JSON in the field ``payload`` of a form."""
    raw: Any = call.body
    if call.content_type == FORM:
        raw = dict(parse_qsl(call.body.decode("utf-8", "replace"))).get("payload", call.body)
    try:
        found = json.loads(raw)
    except ValueError:
        raise RefusedError(Answer(400, "invalid_payload")) from None
    if not isinstance(found, dict):
        raise RefusedError(Answer(400, "invalid_payload"))
    return found


def _worded(answer: Answer) -> Answer:
    """Return an answer of the Web API as a webhook words it."""
    if isinstance(answer.body, str):
        return answer
    error = answer.body["error"]
    if answer.status == 200:  # noqa: PLR2004 - the Web API's way to say that it refuses
        return Answer(400, "invalid_payload" if error == "invalid_arguments" else error)
    return Answer(answer.status, "rate_limited", answer.headers)
