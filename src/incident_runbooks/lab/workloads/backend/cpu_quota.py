# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault ``cpu-quota``: requests need more CPU time than the pod may use.

It does what Linux' CFS bandwidth control does to the container: within each period of 100 ms there is a quota, and who
has used it up waits for the next period. The lab's containers have no cgroup, so what a cgroup counts (``cpu.stat``) is
written beside the process, where the node's agent reads it.
https://docs.kernel.org/scheduler/sched-bwc.html
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

CPU_QUOTA = "cpu-quota"
STAT_FILE = "cpu.stat"  # in the container's working directory
_PERIOD_S = 0.1


class CpuQuota:
    """Lets requests use CPU time in turn, within a quota.

    Args:
        stat: what a cgroup would count is kept there.
    """

    def __init__(self, stat: Path) -> None:
        self._stat = stat
        self._turn = asyncio.Lock()
        self._period, self._used_s = 0, 0.0
        self._throttled = 0
        self._throttled_s = 0.0

    async def spend(self, cpu_s: float, cores: float) -> None:
        """Use CPU time.

        Args:
            cpu_s: how much, in seconds.
            cores: how many the container may use.
        """
        async with self._turn:
            while cpu_s > 0:
                now = time.monotonic()
                if (period := int(now / _PERIOD_S)) != self._period:
                    self._period, self._used_s = period, 0.0
                share_s = min(cpu_s, cores * _PERIOD_S - self._used_s)
                if share_s > 0:
                    _compute(share_s)
                    self._used_s += share_s
                    cpu_s -= share_s
                if cpu_s > 0:
                    await self._wait_for_the_next()

    async def _wait_for_the_next(self) -> None:
        left_s = max((self._period + 1) * _PERIOD_S - time.monotonic(), 0.0)
        self._throttled += 1
        self._throttled_s += left_s
        partial = self._stat.with_suffix(".part")
        said = f"nr_throttled {self._throttled}\nthrottled_usec {round(self._throttled_s * 1e6)}\n"
        partial.write_text(said, encoding="ascii")
        partial.replace(self._stat)  # who reads it must not see a part of it: a counter would seem to begin again
        await asyncio.sleep(left_s)


def _compute(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
