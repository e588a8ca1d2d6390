# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON merge patch (RFC 7386)."""

from __future__ import annotations

from typing import Any


def patch(original: Any, change: Any) -> Any:
    """Return *original* after a merge patch; neither is altered.

    Args:
        original: the document.
        change: what to set; ``None`` removes, a list replaces the list.
    """
    if not isinstance(change, dict):
        return change
    merged = dict(original) if isinstance(original, dict) else {}
    for name, value in change.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = patch(merged.get(name), value)
    return merged
