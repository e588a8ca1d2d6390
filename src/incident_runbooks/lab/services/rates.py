# SPDX-License-Identifier: GPL-3.0-or-later
"""How often somebody may ask: so often at once, then so often a second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Bucket:
    """A token bucket.

    Args:
        burst: requests that are allowed at once.
        per_second: requests a second that come back.
        clock: in seconds.
    """

    def __init__(self, burst: int, *, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._left = float(burst)
        self._at = clock()

    @property
    def left(self) -> int:
        """How many requests are allowed now."""
        at = self._clock()
        self._left = min(self._burst, self._left + (at - self._at) * self._per_second)
        self._at = at
        return int(self._left)

    def take(self) -> int:
        """Count a request; returns 0, or the whole seconds to wait if it is one too many."""
        if self.left >= 1:
            self._left -= 1
            return 0
        return max(1, math.ceil((1 - self._left) / self._per_second))
