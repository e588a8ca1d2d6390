# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What PagerDuty says when it does not take something, read as causes. Pure functions, no I/O.

https://developer.pagerduty.com/docs/rest-api-v2/errors and https://developer.pagerduty.com/docs/events-api-v2/overview
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Answer,
    Failure,
    refusal,
)

ALREADY_OPEN = 2002  # "Open incident with matching dedup key already exists on this service"
# "Requester User Not Found", "Malformed From header", no From header
_FROM_CODES = (1008, 1028, 2016)
_ADVICE: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "check pagerduty_api_key; it is a REST API key, not an integration key",
    HTTPStatus.PAYMENT_REQUIRED: "the PagerDuty account's plan does not include this",
    HTTPStatus.FORBIDDEN: "the API key is read-only or may not use this service; take another one",
    HTTPStatus.NOT_FOUND: "check pagerduty_api_url and the identifiers",
}


def rest_failure(answer: Answer) -> Failure:
    """Read a refusal of the REST API."""
    said = _error(answer)
    code = _code(answer)
    message = ", ".join([*([f"code {code}"] if code else []), *_words(said, "message", "errors")])
    advice = _ADVICE.get(answer.status)
    if code in _FROM_CODES:
        advice = "pagerduty_from must be the e-mail address of a user of the PagerDuty account"
    return replace(refusal(answer, message, advice), code=code)


def _code(answer: Answer) -> int | None:
    code = _error(answer).get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def event_failure(answer: Answer) -> Failure:
    """Read a refusal of the Events API."""
    content = answer.content
    words = _words(content, "message", "errors") if isinstance(content, dict) else []
    message = ", ".join(words)
    if answer.status == HTTPStatus.BAD_REQUEST and re.search(r"routing.?key", message, re.IGNORECASE):
        advice = "check pagerduty_routing_key; it is the 32 characters of an Events API v2 integration"
        return refusal(answer, message, advice, "invalid_auth")
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return refusal(answer, message, "PagerDuty takes 512 KB; send fewer details")
    return refusal(answer, message)


def _error(answer: Answer) -> Mapping[str, Any]:
    content = answer.content
    error = content.get("error") if isinstance(content, dict) else None
    return error if isinstance(error, dict) else {}


def _words(said: Mapping[str, Any], *names: str) -> list[str]:
    words: list[str] = []
    for name in names:
        value = said.get(name)
        words += [value] if isinstance(value, str) else []
        words += [str(item) for item in value[:5]] if isinstance(value, list) else []
    return words
