# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Make text of unknown origin harmless in messages: bounded, readable, and unable to alert or mislead. Pure, no I/O.

What Slack reads as control sequences: https://docs.slack.dev/messaging/formatting-message-text
Limits of blocks: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

CUT = "…"
TEXT_LENGTH = 3900  # Slack asks for less than 4000 characters
HEADING_LENGTH = 150
SECTION_LENGTH = 3000
FIELD_LENGTH = 2000
FIELDS = 10  # of one section
BLOCKS = 50
# All blocks of a message together: beyond about 13 000 characters Slack answers msg_blocks_too_long
BLOCKS_LENGTH = 12_000
_LEFT_OUT_LENGTH = 60

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


def slack_code(text: str, limit: int = TEXT_LENGTH) -> str:
    """Return *text* as a block of code, from which it cannot break out."""
    fence = "```"
    inner = slack_text(text.replace("`", "'"), limit - 2 * len(fence) - 2)
    return f"{fence}\n{inner}\n{fence}"


def without_broadcasts(text: str) -> str:
    """Return a text that is already formatted for Slack without mentions of a channel, everybody or a user group."""
    return _MENTION.sub("&lt;", text)


def slack_blocks(
    heading: str = "",
    paragraphs: Iterable[str] = (),
    fields: Mapping[str, str] | None = None,
    footer: str = "",
) -> list[dict[str, Any]]:
    """Return the blocks of a message, bounded in number and size. All texts are escaped here.

    Args:
        heading: one line in large letters.
        paragraphs: each becomes a section.
        fields: label to value, shown in two columns.
        footer: small print at the end.
    """
    sections = [_section(text) for text in map(slack_text, _non_empty(paragraphs))]
    last = [_context(footer)] if footer.strip() else []
    blocks = [*([_header(heading)] if heading.strip() else []), *_field_sections(fields or {}), *sections]
    kept = _fitting(blocks, BLOCKS - len(last) - 1, BLOCKS_LENGTH - _length(last) - _LEFT_OUT_LENGTH)
    if len(kept) < len(blocks):
        kept.append(_context(f"{len(blocks) - len(kept)} more parts were left out"))
    return kept + last


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


def _non_empty(texts: Iterable[str]) -> Iterable[str]:
    return (text for text in texts if text.strip())


def _header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": plain_line(text, HEADING_LENGTH), "emoji": False}}


def _mrkdwn(text: str) -> dict[str, Any]:
    # verbatim: Slack makes no mentions and links of its own out of it
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _section(escaped: str) -> dict[str, Any]:
    shown = escaped if len(escaped) <= SECTION_LENGTH else _cut_escaped(escaped, SECTION_LENGTH)
    return {"type": "section", "text": _mrkdwn(shown)}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [_mrkdwn(slack_text(text, FIELD_LENGTH))]}


def _field_sections(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    shown = [
        _mrkdwn(f"*{slack_text(plain_line(label, 80), 200)}*\n{slack_text(value, FIELD_LENGTH - 210) or '-'}")
        for label, value in fields.items()
        if label.strip()
    ]
    return [{"type": "section", "fields": shown[start : start + FIELDS]} for start in range(0, len(shown), FIELDS)]


def _length(blocks: list[dict[str, Any]]) -> int:
    """Characters of text in *blocks*."""
    texts = [part for block in blocks for part in (block.get("text"), *_parts(block)) if part]
    return sum(len(part["text"]) for part in texts)


def _parts(block: Mapping[str, Any]) -> list[Any]:
    return [*block.get("fields", []), *block.get("elements", [])]


def _fitting(blocks: list[dict[str, Any]], number: int, length: int) -> list[dict[str, Any]]:
    """The first blocks that keep to both limits."""
    kept: list[dict[str, Any]] = []
    for block in blocks[:number]:
        length -= _length([block])
        if length < 0:
            break
        kept.append(block)
    return kept
