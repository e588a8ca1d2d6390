# SPDX-License-Identifier: GPL-3.0-or-later
"""The words by which lines are found: never one that a matching line could lack."""

from __future__ import annotations

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_patterns import (
    compile_patterns,
    required_words,
)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("sorry, too many clients", {"sorry, too many clients"}),
        ("reserved for|53300", {"reserved for", "53300"}),
        ("a|bc", None),  # one letter is no word
        ("(?i)timeout exceeded", {"timeout exceeded"}),
        ("^error: (foo|bar) baz", {"error: "}),
        ("ab{2,3}c def", {"c def"}),
        ("abc+d?e", {"abc"}),
        ("abcd?", {"abc"}),
        ("abcd*e", {"abc"}),
        ("x[a|b)]yz1", {"yz1"}),
        ("[]|]abc", {"abc"}),
        ("[^]|]abc", {"abc"}),
        (r"[\]|]abc", {"abc"}),
        (r"\x41BC", {"BC"}),
        (r"\u0041BC", {"BC"}),
        (r"(a)\1bcd", {"bcd"}),
        (r"foo\.bar", {"foo.bar"}),
        (r"foo\?bar", {"foo?bar"}),
        (r"\bword\b", {"word"}),
        (r"\(abc\)", {"(abc)"}),
        ("(abc)?def", {"def"}),
        ("(?:abc|(?:d|e))fg", {"fg"}),
        ("(?x) a b c", None),
        ("(?ix) a b c", None),
        ("(?#comment ) abc)def", None),
        (".*", None),
        ("", None),
        ('"level":"error"', {"level"}),  # a JSON encoder may write quotes otherwise
        ("café latte", {" latte"}),
    ],
)
def test_required_words(expression: str, words: set[str] | None) -> None:
    assert required_words(expression) == words


def test_every_expression_needs_a_word_or_every_line_is_looked_at() -> None:
    fast = compile_patterns({"a": ["ECONNREFUSED", "refused|reset"], "b": ["(?i)Too Many"]})
    assert set(fast.words) == {b"refused", b"reset", b"too many"}  # "refused" finds "econnrefused" as well
    assert fast.every_line is False
    assert compile_patterns({"a": ["abc"], "b": [r"\d+ ms"]}).words == (b" ms", b"abc")
    assert compile_patterns({"a": ["abc"], "b": [r"\d+"]}).every_line is True


def test_a_wrong_expression_names_its_class() -> None:
    with pytest.raises(ValueError, match=r"class slots: '\(' is no regular expression"):
        compile_patterns({"ok": ["x"], "slots": ["("]})


def test_the_first_class_counts() -> None:
    patterns = compile_patterns({"first": ["abc"], "second": ["abc", "def"]})
    assert [patterns.classify(text) for text in ("xabc", "def abc", "def", "ghi")] == ["first", "first", "second", None]
