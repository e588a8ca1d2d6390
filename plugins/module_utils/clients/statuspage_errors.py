# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Statuspage says when it does not take something, read as causes. Pure functions, no I/O.

It throttles with 420 as well as 429, and explains a 422 in a list: https://developer.statuspage.io/
"""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Answer,
    Failure,
    refusal,
)

_ADVICE = {
    401: "check statuspage_api_key; it belongs to a user, and is made in the menu of the page's owner",
    403: "the user of the key may not change this page",
    404: "check statuspage_page_id and statuspage_components",
    420: "Statuspage takes one request a second of a key; send again later",
    422: "check what was to be sent, and that the components belong to the page",
    429: "Statuspage takes one request a second of a key; send again later",
}


def statuspage_failure(answer: Answer) -> Failure:
    """Read a refusal."""
    content = answer.content
    words = _words(content.get("error"), content.get("errors"), content.get("message")) if _is_json(content) else []
    return refusal(answer, ", ".join(words), _ADVICE.get(answer.status))


def _is_json(content: Any) -> bool:
    return isinstance(content, dict)


def _words(*said: Any) -> list[str]:
    words: list[str] = []
    for value in said:
        words += [value] if isinstance(value, str) else []
        words += [str(item) for item in value[:5]] if isinstance(value, list) else []
    return words
