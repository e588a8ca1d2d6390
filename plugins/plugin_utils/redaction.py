# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Redact by value: no text that goes through a redactor holds a secret that the redactor knows, encoded or not.

How it is fast on long texts: wherever a secret of seven bytes or more stands, it covers at least one whole 4-byte
block of the text. The blocks of the text are looked up in the set of all blocks of all patterns, so that only
those few patterns are searched for which can be there.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction_encodings import MINIMUM, patterns_of

MARKER = "[redacted]"
_MARK = MARKER.encode()
_BLOCK = 4
_SURE = 2 * _BLOCK - 1  # a pattern this long covers an aligned block wherever it stands
_FEW = 16
_LONGEST_INTEGER_BITS = 1024
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_PAD = ord("=")


@dataclass(frozen=True)
class _Pattern:
    """A text that gives a secret away.

    Attributes:
        secret_length: characters of the secret.
        period: bytes from one occurrence to the next that may overlap it.
        base64: the characters beside it hold some of the secret's bits.
    """

    text: bytes
    secret_length: int
    period: int
    base64: bool


class Redactor:
    """Knows secrets and takes them out of texts.

    Secrets shorter than four characters are only taken out where they are the whole text: elsewhere they
    would tear ordinary words apart. A secret of several lines is also taken out line by line.

    Args:
        secrets: the secret values.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._whole: set[str] = set()
        self._patterns: dict[bytes, _Pattern] = {}
        self._short: list[_Pattern] = []
        self._blocks: dict[int, list[tuple[_Pattern, tuple[int, ...]]]] = defaultdict(list)
        self._heads: dict[int, list[_Pattern]] = defaultdict(list)
        self._block_set: set[int] = set()
        self._head_set: set[int] = set()
        self._longest = 0
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Learn further secrets; empty ones are ignored."""
        for secret in set(secrets) - self._secrets:
            self._secrets.add(secret)
            for part in _parts(secret):
                self._learn(part)

    def text(self, text: str, *, limit: int | None = None, shortest: int = 0) -> str:
        """Return *text* without the secrets.

        Args:
            limit: characters that the caller is going to keep; of a longer text at least so many are returned,
                and the rest is neither searched nor returned.
            shortest: only look for secrets of at least so many characters.
        """
        if text in self._whole and len(text) >= shortest:
            return MARKER
        if not self._patterns:
            return text[:limit]
        if limit is None or len(text) <= 2 * limit + self._longest:
            return self._redacted(text, len(text), shortest)
        window = 2 * limit + self._longest
        while True:
            # a secret that begins in the last bytes of the window might not end in it
            settled = len(text) if window >= len(text) else window - self._longest
            redacted = self._redacted(text[:window], settled, shortest)
            if len(redacted) >= limit or window >= len(text):
                return redacted
            window *= 4

    def value(self, value: Any) -> Any:
        """Return plain data without the secrets: texts, keys, and numbers that are a secret themselves."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            pairs = ((self.text(str(key)), self.value(item)) for key, item in value.items())
            return dict(distinct(pairs))
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return MARKER if self.is_number(value) else value

    def is_number(self, value: Any) -> bool:
        """Return whether *value* is a number whose digits are a secret."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER_BITS:  # Python refuses to write it out
            return False
        digits = str(value)
        return len(digits) >= MINIMUM and digits in self._secrets

    def _learn(self, secret: str) -> None:
        if secret:
            self._whole.add(secret)
        if len(secret) < MINIMUM:
            return
        for text, base64 in patterns_of(secret):
            known = self._patterns.get(text)
            if known and (known.secret_length >= len(secret)) and (known.base64 or not base64):
                continue
            pattern = _Pattern(text, len(secret), _period(text), base64 or bool(known and known.base64))
            self._patterns[text] = pattern
            self._index(pattern)

    def _index(self, pattern: _Pattern) -> None:
        text = pattern.text
        self._longest = max(self._longest, len(text))
        if len(text) < _SURE:
            self._short.append(pattern)
            self._heads[_number(text[:_BLOCK])].append(pattern)
            self._head_set.add(_number(text[:_BLOCK]))
            return
        for offset in range(_BLOCK):
            numbers = _numbers(text, offset)
            self._blocks[numbers[0]].append((pattern, numbers))
            self._block_set.update(numbers)

    def _redacted(self, text: str, settled: int, shortest: int) -> str:
        """Return the redacted text of the first *settled* characters, or up to the end of a secret across them."""
        data = text.encode("utf-8", "surrogatepass")
        found = [
            span
            for pattern in self._candidates(data)
            if pattern.secret_length >= shortest
            for span in _occurrences(data, pattern)
        ]
        if not found and settled == len(text):
            return text
        end = len(data) if settled == len(text) else len(text[:settled].encode("utf-8", "surrogatepass"))
        return _without(data, found, end).decode("utf-8", "surrogatepass")

    def _candidates(self, data: bytes) -> set[_Pattern]:
        seen = self._block_set.intersection(_block_numbers(data, 0))
        candidates = {
            pattern
            for number in seen & self._blocks.keys()
            for pattern, numbers in self._blocks[number]
            if seen.issuperset(numbers)
        }
        if len(self._short) <= _FEW:
            candidates.update(self._short)
            return candidates
        for offset in range(_BLOCK):
            for number in self._head_set.intersection(_block_numbers(data, offset)):
                candidates.update(self._heads[number])
        return candidates


def distinct(pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Number keys that became equal by redaction, so that none hides another."""
    seen: set[str] = set()
    for key, item in pairs:
        name, count = key, 1
        while name in seen:
            count += 1
            name = f"{key} {count}"
        seen.add(name)
        yield name, item


def _parts(secret: str) -> Iterator[str]:
    yield secret
    stripped = secret.strip()
    yield stripped
    lines = stripped.splitlines()
    if len(lines) > 1:
        # the frame of a PEM block is no secret, and says what was there
        yield from (line.strip() for line in lines if len(line.strip()) >= MINIMUM and not line.startswith("-----"))


def _number(block: bytes) -> int:
    return int.from_bytes(block, sys.byteorder)


def _numbers(text: bytes, offset: int) -> tuple[int, ...]:
    return tuple(_number(text[start : start + _BLOCK]) for start in range(offset, len(text) - _BLOCK + 1, _BLOCK))


def _block_numbers(data: bytes, offset: int) -> Iterable[int]:
    end = offset + (len(data) - offset) // _BLOCK * _BLOCK
    return memoryview(data)[offset:end].cast("I") if end > offset else ()


def _period(text: bytes) -> int:
    return next((step for step in range(1, len(text)) if text.startswith(text[step:])), len(text))


def _occurrences(data: bytes, pattern: _Pattern) -> Iterator[tuple[int, int]]:
    start = data.find(pattern.text)
    while start >= 0:
        end = start + len(pattern.text)
        following = data.find(pattern.text, start + pattern.period)
        while 0 <= following <= end:  # overlapping or touching: one span
            end = following + len(pattern.text)
            following = data.find(pattern.text, following + pattern.period)
        yield _widened(data, start, end) if pattern.base64 else (start, end)
        start = following


def _widened(data: bytes, start: int, end: int) -> tuple[int, int]:
    if start and data[start - 1] in _BASE64:
        start -= 1
    if end < len(data) and data[end] in _BASE64:
        end += 1
    while end < len(data) and data[end] == _PAD:
        end += 1
    return start, end


def _without(data: bytes, spans: list[tuple[int, int]], end: int) -> bytes:
    """Replace the union of *spans*; spans that begin at or after *end* do not count."""
    kept: list[bytes] = []
    position = 0
    open_until = -1
    for start, stop in sorted(spans):
        if start >= end:
            break
        if start > open_until:
            kept += [data[position:start], _MARK]
        open_until = max(open_until, stop)
        position = open_until
    kept.append(data[position:end])
    return b"".join(kept)
