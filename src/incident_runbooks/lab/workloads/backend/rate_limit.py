# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests a second the backend sends to Stripe: each process counts for itself."""

from __future__ import annotations

import asyncio
import time


class RateLimit:
    """Spreads requests evenly, so that no second has more than its share.

    Args:
        per_second: how many there may be, more than 0.
    """

    def __init__(self, per_second: float) -> None:
        self._interval_s = 1 / per_second
        self._free_at = 0.0

    def reserve(self, now: float) -> float:
        """Take the next place, and return in how many seconds it is.

        Args:
            now: of a clock that does not go back, in seconds.
        """
        at = max(now, self._free_at)
        self._free_at = at + self._interval_s
        return at - now

    async def turn(self) -> None:
        """Wait for the next place; they are given in the order in which they are asked for."""
        if (wait_s := self.reserve(time.monotonic())) > 0:
            await asyncio.sleep(wait_s)
