# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Bound what goes into a record: whatever a service answers, a record stays small and plain.

Everything is redacted before it is cut, because a cut through a secret would leave a piece that nobody
recognises. What was cut says so, and how long it was; equal input gives equal output.
"""

from __future__ import annotations

import json
from typing import Any

STRING_BYTES = 8 * 1024
ITEMS = 2000
DEPTH = 40
RECORD_BYTES = 512 * 1024

_FEW = 50
_MARKER_BYTES = 120
_SMALLEST_SHARE = 64


def cut(text: str, limit: int, *, length: int | None = None) -> str:
    """Return *text*, cut to *limit* UTF-8 bytes with a marker that says how long it was.

    Args:
        length: characters of the original, where *text* is already a part of it.
    """
    data = text.encode("utf-8")
    if len(data) <= limit:
        return text
    marker = f"[cut: {length or len(text)} characters in all]"
    return data[: max(0, limit - len(marker))].decode("utf-8", "ignore") + marker


def fit(value: Any, budget: int = RECORD_BYTES) -> Any:
    """Return clean data that takes at most *budget* bytes as JSON; the largest parts give way first.

    A budget smaller than a marker is overdrawn by it.
    """
    if json_size(value) <= budget:
        return value
    if isinstance(value, str):
        return _fit_text(value, budget)
    if isinstance(value, list):
        return _fit_list(value, budget)
    if isinstance(value, dict):
        return _fit_dict(value, budget)
    return value


def json_size(value: Any) -> int:
    """Bytes that *value* takes in a journal line."""
    return len(json.dumps(value, separators=(",", ":")))


def _fit_text(value: str, budget: int) -> str:
    marker = f"[cut: {len(value)} characters in all]"
    kept = value
    while kept and json_size(kept + marker) > budget:
        # escapes take up to twelve bytes a character; approach from above
        share = (budget - len(marker)) / max(1, json_size(kept))
        kept = kept[: min(len(kept) - 1, max(0, int(len(kept) * share)))]
    return kept + marker


def _fit_list(value: list[Any], budget: int) -> list[Any]:
    if len(value) <= _FEW and budget >= len(value) * _MARKER_BYTES:
        return list(_fit_parts(dict(enumerate(value)), budget, [0] * len(value)).values())
    kept: list[Any] = []
    left = budget - _MARKER_BYTES
    for item in value:
        left -= json_size(item) + 1
        if left < 0:
            break
        kept.append(item)
    return [*kept, f"[cut: {len(value) - len(kept)} of {len(value)} items, {json_size(value)} bytes in all]"]


def _fit_dict(value: dict[str, Any], budget: int) -> dict[str, Any]:
    keys = [json_size(key) + 1 for key in value]
    if sum(keys) + len(keys) * _SMALLEST_SHARE > budget:  # not even markers have room
        kept: dict[str, Any] = {}
        left = budget - _MARKER_BYTES
        for key, item in value.items():
            left -= json_size(key) + json_size(item) + 2
            if left < 0:
                break
            kept[key] = item
        return {**kept, "[cut]": f"{len(value) - len(kept)} of {len(value)} keys, {json_size(value)} bytes in all"}
    return _fit_parts(value, budget, keys)


def _fit_parts(value: dict[Any, Any], budget: int, keys: list[int]) -> dict[Any, Any]:
    """Give every part an equal share; what small parts leave over goes to the larger ones."""
    sizes = {key: json_size(item) for key, item in value.items()}
    left = budget - 2 - sum(keys) - len(keys)
    fitted: dict[Any, Any] = {}
    for done, key in enumerate(sorted(sizes, key=lambda key: sizes[key])):
        share = max(0, left) // (len(sizes) - done)
        fitted[key] = _shrunk(value[key], share)
        left -= json_size(fitted[key])
    return {key: fitted[key] for key in value}


def _shrunk(value: Any, share: int) -> Any:
    if json_size(value) <= share:
        return value
    if share < _MARKER_BYTES and isinstance(value, (dict, list)):
        what = f"object of {len(value)} keys" if isinstance(value, dict) else f"list of {len(value)} items"
        return f"[cut: {what}, {json_size(value)} bytes]"
    return fit(value, share)
