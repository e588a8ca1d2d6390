# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Make text of unknown origin harmless in messages: bounded, readable, and unable to alert or mislead. Pure, no I/O.

What Slack reads as control sequences: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
import unicodedata

CUT = "…"
TEXT_LENGTH = 3900  # Slack asks for less than 4000 characters

_NEWLINES = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Joiners belong to emoji and to the scripts of several languages
_JOINERS = frozenset("\u200c\u200d")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BROADCAST = re.compile(r"@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_MENTION = re.compile(r"<(?=!(?:channel|here|everyone|group|subteam)\b)", re.IGNORECASE)
_FENCE = re.compile("`{3,}")
_INVISIBLE = "\u2060"  # word joiner: keeps Slack from reading the word, and is not seen


def plain_text(text: str, limit: int) -> str:
    """Return *text* without control, direction and other invisible characters, its lines kept.

    Args:
        limit: longest result in characters; what is longer ends in an ellipsis.
    """
    line_feeds = _NEWLINES.sub("\n", text[: 4 * limit + 1])  # what is looked at has a bound too
    return _cut("".join(map(_visible, line_feeds)).strip(), limit)


def plain_line(text: str, limit: int) -> str:
    """Return *text* as one line of at most *limit* characters, as for a title or a summary."""
    return _cut(" ".join(plain_text(text, 4 * limit).split()), limit)


def slack_text(text: str, limit: int = TEXT_LENGTH) -> str:
    """Return *text* for the ``text`` of a Slack message: shown as it is, without alerting anybody.

    ``&``, ``<`` and ``>`` are escaped, which disarms mentions, links with a false name and dates. Words that Slack
    could take for a mention of everybody are broken up, and fences, which would swallow what follows, become quotes.

    Args:
        limit: longest result in characters, escapes included.
    """
    harmless = _BROADCAST.sub(f"@{_INVISIBLE}", plain_text(text, limit))
    harmless = _FENCE.sub(lambda fence: "'" * len(fence[0]), harmless)
    escaped = "".join(_ESCAPES.get(char, char) for char in harmless)
    return escaped if len(escaped) <= limit else _cut_escaped(escaped, limit)


def without_broadcasts(text: str) -> str:
    """Return a text that is already formatted for Slack without mentions of a channel, everybody or a user group."""
    return _MENTION.sub("&lt;", text)


def _visible(char: str) -> str:
    if char in "\n\t" or char in _JOINERS:
        return char
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"
    return "" if category in {"Cc", "Cf"} else char


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + CUT


def _cut_escaped(escaped: str, limit: int) -> str:
    """Cut between characters, never inside ``&amp;``."""
    end = limit - 1
    start = escaped.rfind("&", max(0, end - 4), end)
    if start >= 0 and ";" not in escaped[start:end]:
        end = start
    return escaped[:end].rstrip() + CUT
