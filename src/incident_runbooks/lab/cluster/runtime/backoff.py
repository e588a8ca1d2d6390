# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the kubelet waits before it tries again: doubled each time, up to a limit."""

from __future__ import annotations

import os

CAP_S = 300.0
_BASE_S = 10.0
_FORGET_S = 600.0  # twice the limit: what ran for so long has recovered


def base_s() -> float:
    """Return the first delay in seconds; the environment variable LAB_CRASH_BACKOFF_S changes it."""
    return float(os.environ.get("LAB_CRASH_BACKOFF_S", _BASE_S))


class Backoff:
    """The delays of one container.

    Args:
        first: the very first one in seconds; a container that ended is started again at once for the first time.
    """

    def __init__(self, first: float) -> None:
        self._first = first
        self._next = first

    def next(self, lasted_s: float = 0.0) -> float:
        """Return the next delay in seconds.

        Args:
            lasted_s: how long it went well before this.
        """
        if lasted_s >= _FORGET_S:
            self._next = self._first
        delay = self._next
        self._next = min(CAP_S, delay * 2 or base_s())
        return delay
