# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Make plain JSON data without secrets of whatever a task hands over, each part bounded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.bounding import (
    DEPTH,
    ITEMS,
    RECORD_BYTES,
    STRING_BYTES,
    cut,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import MARKER, Redactor, distinct

# Which parts are structure (types, ids, statuses): a mapping of key to the same, "*" for any key or item, True for
# a name that is no payload.
Keep = Mapping[str, Any] | bool | None

_IDENTIFIER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,127}")
# A secret this long that turns up in a name or id did not get there by being an ordinary word
_NO_COINCIDENCE = 16
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_INTEGER_BITS = 128
# What a hostile service may cost: of a field that is larger than several records, the rest is not looked at
_FIELD_BYTES = 4 * RECORD_BYTES
_PART_BYTES = 16


def clean(value: Any, redactor: Redactor, keep: Keep = None) -> Any:
    """Return *value* as plain JSON data without secrets, each part bounded.

    Args:
        keep: which parts are structure; those are not redacted where they are plain identifiers, so that a
            password such as ``postgres`` does not tear records apart.
    """
    return _Cleaner(redactor).value(value, keep, 0)


class _Cleaner:
    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._left = _FIELD_BYTES

    def value(self, value: Any, keep: Keep, depth: int) -> Any:
        self._left -= _PART_BYTES
        if isinstance(value, str):
            text = self._name(value) if keep is True else self._text(value)
            self._left -= len(text)
            return text
        if value is None or isinstance(value, (bool, int, float)):
            number = _number(value)
            return MARKER if keep is not True and self._redactor.is_number(number) else number
        if depth >= DEPTH:
            return f"[cut: nested deeper than {DEPTH}]"
        if isinstance(value, Mapping):
            return dict(distinct(self._pairs(value, keep if isinstance(keep, Mapping) else {}, depth)))
        if isinstance(value, (set, frozenset)):
            return self._items(sorted(value, key=str), keep, depth)
        if isinstance(value, (list, tuple)):
            return self._items(value, keep, depth)
        return self.value(to_plain(value), keep, depth + 1)

    def _pairs(self, value: Mapping[Any, Any], keep: Mapping[str, Any], depth: int) -> list[tuple[str, Any]]:
        pairs: list[tuple[str, Any]] = []
        for key, item in islice(value.items(), ITEMS):
            if depth == 0:
                self._left = _FIELD_BYTES  # no field of a record is lost to another
            elif self._left < 0:
                break
            raw = str.__str__(key) if isinstance(key, str) else str(to_plain(key))
            name = self._name(raw) if keep else self._text(raw)
            self._left -= len(name)
            pairs.append((name, self.value(item, keep.get(raw, keep.get("*")), depth + 1)))
        if len(pairs) < len(value):
            pairs.append(("[cut]", f"{len(value) - len(pairs)} of {len(value)} keys"))
        return pairs

    def _items(self, value: list[Any] | tuple[Any, ...], keep: Keep, depth: int) -> list[Any]:
        child = keep.get("*") if isinstance(keep, Mapping) else None
        items: list[Any] = []
        for item in islice(value, ITEMS):
            if self._left < 0:
                break
            items.append(self.value(item, child, depth + 1))
        if len(items) < len(value):
            items.append(f"[cut: {len(value) - len(items)} of {len(value)} items]")
        return items

    def _text(self, value: str) -> str:
        text = str.__str__(value)
        redacted = self._redactor.text(text, limit=STRING_BYTES + 1)  # one more, to see that there is more
        if len(redacted) <= STRING_BYTES // 4 or (len(redacted) <= STRING_BYTES and redacted.isascii()):
            return _readable(redacted)
        return cut(_readable(redacted), STRING_BYTES, length=len(text))

    def _name(self, value: str) -> str:
        text = str.__str__(value)
        if _IDENTIFIER.fullmatch(text) and self._redactor.text(text, shortest=_NO_COINCIDENCE) == text:
            return text
        return self._text(text)


def _number(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):  # thousands of digits are JSON that no parser reads
        size = value.bit_length()
        return int(value) if size <= _LONGEST_INTEGER_BITS else f"[cut: integer of {size} bits]"
    return float(value) if math.isfinite(value) else None


def _readable(text: str) -> str:
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
