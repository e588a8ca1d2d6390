# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from outside (databases, logs, inventories, users) made harmless for a terminal."""

from __future__ import annotations

import unicodedata
from typing import Any

# Cc: controls, ANSI escapes among them. Cf: bidi overrides, zero-width characters. Cs, Co, Cn: what no font shows.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ELLIPSIS = "…"


def neutral(text: Any) -> str:
    """Return *text* with every character that a terminal would obey, or hide, as a visible escape."""
    return "".join(map(_visible, str(text)))


def one_line(text: Any, limit: int) -> str:
    """Return *text* neutralised, on one line, and at most *limit* columns wide."""
    # cut before the work is done: a line may be megabytes long, and an escape is at most ten columns
    start = str(text)[: limit * 4 + 64]
    return fit(neutral(" ".join(start.split())), limit)


def fit(text: str, limit: int) -> str:
    """Return *text* cut to *limit* columns; the cut is marked."""
    if width(text) <= limit:
        return text
    columns = 0
    for position, character in enumerate(text):
        columns += _columns(character)
        if columns > limit - 1:
            return text[:position] + _ELLIPSIS
    return text


def width(text: str) -> int:
    """Return how many columns *text* takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _visible(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() else f"\\x{ord(character):02x}"
    if unicodedata.category(character) not in _HARMFUL:
        return character
    return character.encode("ascii", "backslashreplace").decode()
