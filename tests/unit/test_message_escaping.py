# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from logs and alerts in messages: it is shown, it alerts nobody, it breaks out of nothing, it has an end."""

from __future__ import annotations

import html
import json
import time

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import (
    TEXT_LENGTH,
    plain_line,
    plain_text,
    slack_text,
    without_broadcasts,
)

HOSTILE = [
    "<!channel> look",
    "<!here|here>",
    "<!everyone>",
    "<!subteam^S012ABC|@oncall>",
    "<@U012ABC>",
    "<#C012ABC|general>",
    "<http://evil.example.com|https://bank.example.com>",
    "<mailto:a@example.com|click>",
    "<!date^1392734382^{date}^https://evil.example.com|now>",
    "a & b < c > d &amp; &lt;!channel&gt;",
    "``` code ``` <!channel>",
    "*bold* _it_ ~no~ `x`",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200f",
    "\x00\x07\x1b[31mred\x1b[0m\x9b1m",
    "line 1\r\nline 2\rline 3\u2028line 4",
    "\ud800 lone surrogate",
    "@channel @HERE @everyone @group @channels",
    "<" * 10_000,
    "&" * 10_000,
    "",
    "   ",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("limit", [10, 100, TEXT_LENGTH])
def test_no_text_is_read_by_slack_as_anything_but_text(text: str, limit: int) -> None:
    shown = slack_text(text, limit)
    assert len(shown) <= limit
    assert "<" not in shown
    assert ">" not in shown
    # each & begins one of the three escapes, and none is cut in half
    assert shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").count("&") == 0
    assert "```" not in shown
    assert not any(word in shown.lower() for word in ("@channel ", "@here", "@everyone", "@group"))
    json.dumps(shown).encode("ascii")
    shown.encode("utf-8")


def test_what_is_harmless_reads_as_before() -> None:
    text = "97 of 97 slots in use (café, 東京, 👩‍🚒), idle > 300 s & growing\n\tsee <pg_stat_activity>"
    assert html.unescape(slack_text(text)) == text
    assert plain_text(text, 1000) == text
    assert slack_text("user@channels.example.com") == "user@channels.example.com"


def test_escaping_is_not_done_by_halves() -> None:
    """An escape that came with the text is text."""
    assert slack_text("&lt;!channel&gt;") == "&amp;lt;!channel&amp;gt;"


def test_words_that_alert_everybody_are_broken_up() -> None:
    assert slack_text("@channel and @Here!") == "@\u2060channel and @\u2060Here!"


@pytest.mark.parametrize("char", ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\ufeff", "\U000e0041"])
def test_control_and_direction_characters_go(char: str) -> None:
    assert plain_text(f"a{char}b", 10) == "ab"
    assert plain_line(f"a{char}b", 10) == "ab"


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_line_ends_are_line_feeds(ending: str) -> None:
    assert plain_text(f"a{ending}b", 10) == "a\nb"
    assert plain_line(f"a{ending}b", 10) == "a b"


def test_a_cut_shows() -> None:
    assert plain_line("abcdef", 6) == "abcdef"
    assert plain_line("abcdefg", 6) == "abcde…"
    assert plain_text("abcdefg", 6) == "abcde…"
    assert slack_text("abc&defg", 8) == "abc…"
    assert slack_text("a&b&c", 100) == "a&amp;b&amp;c"


@pytest.mark.parametrize("char", ["x", "<", "&", "`", "@", "\u202e", "@channel ", "\x00", "\n"])
def test_a_megabyte_costs_next_to_nothing(char: str) -> None:
    text = char * (2**20 // len(char))
    started = time.monotonic()
    assert len(slack_text(text)) <= TEXT_LENGTH
    assert len(plain_line(text, 100)) <= 100
    without_broadcasts(text)
    assert time.monotonic() - started < 10  # a bound for what grows with the square


def test_broadcasts_in_formatted_text() -> None:
    formatted = "*Pool* <https://example.com|wiki> <@U012ABC> <!here> <!Channel|c> <!subteam^S1> <!date^1^{date}|now>"
    shown = without_broadcasts(formatted)
    assert "*Pool* <https://example.com|wiki> <@U012ABC> &lt;!here> &lt;!Channel|c> &lt;!subteam^S1>" in shown
    assert "<!date" in shown
    assert without_broadcasts(shown) == shown
