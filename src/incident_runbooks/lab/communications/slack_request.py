# SPDX-License-Identifier: GPL-3.0-or-later
"""How Slack's Web API reads a request: who asks, and the arguments of the method."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from incident_runbooks.lab.services.call import FORM, Answer, Call, RefusedError

Json = dict[str, Any]

JSON = "application/json"


def failed(error: str, *messages: str) -> RefusedError:
    """Return an error of a method: Slack answers 200 to every request that it has understood."""
    body: Json = {"ok": False, "error": error}
    if messages:
        body["errors"] = [message.removeprefix("[ERROR] ") for message in messages] if "blocks" in error else None
        body["response_metadata"] = {"messages": list(messages)}
    return RefusedError(Answer(200, {name: value for name, value in body.items() if value is not None}))


def arguments(call: Call) -> tuple[Json, str]:
    """Return the arguments of a method and the token that came among them, if any.

    Raises:
        RefusedError: the body cannot be read.
    """
    given: Json = dict(call.query)
    if call.method == "POST" and call.body:
        given |= _body(call)
        if call.content_type == JSON:
            given.pop("token", None)  # Slack reads it from a form only
    return given, str(given.pop("token", ""))


def _body(call: Call) -> Json:
    if call.content_type == FORM:
        return dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
    if call.content_type != JSON:
        raise failed("invalid_post_type" if call.content_type else "missing_post_type")
    try:
        found = json.loads(call.body)
    except ValueError:
        raise failed("invalid_json") from None
    if not isinstance(found, dict):
        raise failed("json_not_object")
    return found


def require_token(call: Call, argument: str, expected: str) -> None:
    """Let only the bot in.

    Raises:
        RefusedError: there is no token, or another one.
    """
    scheme, _, token = call.headers.get("Authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else argument
    if not token:
        raise failed("not_authed")
    if token != expected:
        raise failed("invalid_auth")


def structured(given: Json, name: str, error: str) -> Any:
    """Return an argument that is JSON, also where it came as a text, as in a form.

    Raises:
        RefusedError: the text is no JSON; *error* says so.
    """
    value = given.get(name)
    if not isinstance(value, str) or not value:
        return value or None
    try:
        return json.loads(value)
    except ValueError:
        raise failed(error) from None


def warn(call: Call, body: Json) -> Json:
    """Return the body with Slack's warning about JSON without a character set."""
    if call.content_type == JSON and "charset" not in call.headers.get("Content-Type", "").lower():
        return {**body, "warning": "missing_charset", "response_metadata": {"warnings": ["missing_charset"]}}
    return body
