# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Classes of log lines as regular expressions, with the words that a matching line must hold. Pure, no I/O.

Finding a fixed word in a block of bytes is far cheaper than matching expressions on every line, so that most lines
are never looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHORTEST_WORD = 2
_NOT_TOLD = re.compile(r"\(\?(?:[aiLmsu]*x|#)")  # verbose expressions and comments
# what a JSON encoder never writes as an escape, so that the words stand in the raw line too
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-:,;%@~")
_PLAIN_ESCAPED = frozenset(".-[](){}*+?|^$#!_:,;%@~ ")
# one unit of an expression: a set, an escape, a counted repeat, or one character
_UNIT = re.compile(
    r"""
    \[\^?\]?(?:[^\]\\]|\\.)*\]
    | \\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|[0-9]{1,3}|.)
    | \{\d*,?\d*\}
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_BREAK, _OPTIONAL, _OR = "", "optional", "|"


@dataclass(frozen=True)
class LogPatterns:
    """Compiled classes.

    Attributes:
        classes: name and expressions of each, in order; a line belongs to the first that matches.
        words: lower-case; a line that matches any expression holds at least one of them.
        every_line: some expression has no such word, so that every line has to be looked at.
    """

    classes: tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]
    words: tuple[bytes, ...]
    every_line: bool

    def classify(self, text: str) -> str | None:
        """Return the class of a text; ``None`` for none."""
        for name, expressions in self.classes:
            if any(expression.search(text) for expression in expressions):
                return name
        return None


def compile_patterns(patterns: Mapping[str, Sequence[str]]) -> LogPatterns:
    """Compile the expressions of each class.

    Raises:
        ValueError: an expression is not valid; names class and expression.
    """
    classes: list[tuple[str, tuple[re.Pattern[str], ...]]] = []
    words: set[bytes] = set()
    every_line = False
    for name, expressions in patterns.items():
        compiled = []
        for expression in expressions:
            try:
                compiled.append(re.compile(expression))
            except re.error as error:
                raise ValueError(f"class {name}: {expression!r} is no regular expression: {error}") from None
            needed = required_words(expression)
            every_line = every_line or needed is None
            words |= {word.lower().encode() for word in needed or ()}
        classes.append((name, tuple(compiled)))
    return LogPatterns(tuple(classes), _without_longer(words), every_line)


def required_words(expression: str) -> set[str] | None:
    """Return words of which every match holds at least one; ``None`` where that cannot be told.

    Careful rather than clever: only what stands outside groups and sets counts, one word for each alternative.
    """
    if _NOT_TOLD.search(expression):
        return None
    words: set[str] = set()
    for alternative in _alternatives(expression):
        longest = max(_runs(alternative), key=len, default="")
        if len(longest) < SHORTEST_WORD:
            return None
        words.add(longest)
    return words


def _without_longer(words: set[bytes]) -> tuple[bytes, ...]:
    """Leave out words that hold another: wherever they stand, the other one stands too."""
    return tuple(sorted(word for word in words if not any(other != word and other in word for other in words)))


def _alternatives(expression: str) -> list[list[str]]:
    """Split at the top level into alternatives, each a list of plain characters, ``_OPTIONAL`` and ``_BREAK``."""
    alternatives: list[list[str]] = [[]]
    depth = 0
    for unit in _UNIT.findall(expression):
        depth -= unit == ")"
        if unit == _OR and depth == 0:
            alternatives.append([])
        else:
            alternatives[-1].append(_meaning(unit) if depth == 0 else _BREAK)
        depth += unit == "("
    return alternatives


def _meaning(unit: str) -> str:
    """Return the character that a unit stands for, or what it does to the run of characters before it."""
    if unit in _PLAIN:
        return unit
    if unit[0] == "\\" and unit[1:] in _PLAIN_ESCAPED:
        return unit[1:]
    return _OPTIONAL if unit[0] in "?*{" else _BREAK


def _runs(units: list[str]) -> list[str]:
    """Return the runs of plain characters that every match of the alternative holds."""
    runs = [""]
    for unit in units:
        if len(unit) == 1 and unit != _OPTIONAL:
            runs[-1] += unit
            continue
        if unit == _OPTIONAL:
            runs[-1] = runs[-1][:-1]  # what precedes it may be absent
        runs.append("")
    return runs
