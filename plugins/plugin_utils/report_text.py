# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Words, numbers and times for reports; text from outside made harmless and short.

Whatever a log, a database or a person wrote ends up as visible characters on one line: controls, bidi overrides and
zero-width characters become escapes that can be seen. Markdown is escaped here, HTML by the template engine.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import parse_instant

LONGEST = 600
# Cc: controls, ANSI escapes among them. Cf: bidi overrides, zero-width characters. Cs, Co, Cn: what no font shows.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKUP = re.compile(r"[\\`*_\[\]{}|~#$^]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ENTITY = re.compile("[&<>]")
_SCHEME = re.compile(r":(?=//)|(?<=www)\.|(?<=mailto):", re.IGNORECASE)
# A mention, not the middle of an e-mail address: a word joiner between the sign and the name switches it off
_MENTION = re.compile(r"(?<![\w.+-])@(?=\w)")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


class Raw(str):
    """Text that is Markdown already, and is not escaped again."""

    __slots__ = ()


class Shown(str):
    """Text that is :func:`plain` already; HTML escapes it like any other."""

    __slots__ = ()


def plain(value: Any, limit: int = LONGEST) -> str:
    """Return *value* as visible characters on one line, at most *limit* of them; what was cut says so."""
    if value is None:
        return ""
    whole = str(value)
    text = " ".join(whole[: limit * 4 + 64].split())
    shown = "".join(map(_visible, text)) if not (text.isascii() and text.isprintable()) else text
    if len(shown) <= limit and len(whole) <= limit * 4 + 64:
        return shown
    return f"{shown[:limit]}… [cut: {len(whole)} characters in all]"


def _visible(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() else f"\\x{ord(character):02x}"
    if unicodedata.category(character) not in _HARMFUL:
        return character
    return character.encode("ascii", "backslashreplace").decode()


def markdown(value: Any, limit: int = LONGEST) -> str:
    """Return *value* as inert Markdown on one line: no HTML, link, image, heading, table, code, mention or list."""
    text = plain(value, limit)
    text = _MARKUP.sub(r"\\\g<0>", text)
    text = _SCHEME.sub(r"\\\g<0>", text)
    text = _ENTITY.sub(lambda match: _ENTITIES[match[0]], text)
    text = _MENTION.sub("@\u2060", text)
    text = _NUMBERED.sub(r"\1\\\2", text)
    return f"\\{text}" if text[:1] in "-+=:" and text else text


def duration(seconds: float | None) -> str:
    """Return a duration in words: ``2.4 s``, ``15 min``, ``1 h 30 min``, ``2 d 3 h``; ``unknown`` for none."""
    if seconds is None:
        return "unknown"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    if left:
        parts.append(f"{left} s")
    return " ".join(parts[:2])


def minutes(seconds: float | None) -> str:
    """Return a duration in minutes: ``14 minutes``, ``0.4 minutes``; ``unknown minutes`` for none."""
    if seconds is None:
        return "unknown minutes"
    number = seconds / 60
    shown = f"{number:.1f}".removesuffix(".0") if number < 10 else f"{number:.0f}"  # noqa: PLR2004 - finer says nothing
    return f"{shown} minute" if shown == "1" else f"{shown} minutes"


def iso(at: str | None) -> str:
    """Return an instant to the second, ISO 8601 in UTC: ``2026-11-23T23:14:55Z``; ``unknown`` for none."""
    parsed = parse_instant(at)
    return f"{parsed.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}" if parsed else "unknown"


def date(at: str | None) -> str:
    """Return the day of an instant in UTC: ``2026-11-23``; ``unknown`` for none."""
    parsed = parse_instant(at)
    return f"{parsed.astimezone(dt.UTC):%Y-%m-%d}" if parsed else "unknown"


def clock(at: str | None) -> str:
    """Return the time of day of an instant in UTC: ``23:14:55``; ``unknown`` for none."""
    parsed = parse_instant(at)
    return f"{parsed.astimezone(dt.UTC):%H:%M:%S}" if parsed else "unknown"


def due(value: str | None) -> str:
    """Return a due time: to the minute where it is an instant, otherwise as it was recorded."""
    parsed = parse_instant(value)
    if parsed is None:
        return value or "unknown"
    return f"{parsed.astimezone(dt.UTC):%Y-%m-%dT%H:%MZ}"


def figure(value: float | None, name: str = "") -> str:
    """Return a number as people read it; one whose name says that it is a ratio in percent."""
    if value is None:
        return "not measured"
    if name.endswith("ratio"):
        return f"{value * 100:.3g} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def words(name: str) -> str:
    """Return an identifier as words: ``used_ratio`` is ``used ratio``."""
    return name.replace("_", " ").replace(".", ": ")
