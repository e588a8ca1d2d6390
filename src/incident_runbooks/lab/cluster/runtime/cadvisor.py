# SPDX-License-Identifier: GPL-3.0-or-later
"""What the node's agent tells Prometheus of its containers, by cAdvisor's names, at /metrics/cadvisor.

As in the kubelet, CPU time and memory are those of the last look, which may be some seconds ago. A container has no
cgroup here: periods are counted by the clock, and those in which it was held back are what it has itself written to
``cpu.stat`` in its working directory, with the names of cgroup v2.
https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from incident_runbooks.lab.cluster.runtime import volume_stats
from incident_runbooks.lab.cluster.runtime.container import Container
from incident_runbooks.lab.cluster.runtime.usage import Usage

PATH = "/metrics/cadvisor"
_STAT_FILE = "cpu.stat"
_PERIOD_S = 0.1  # cfs_period_us
_HEADERS = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


@dataclass(frozen=True)
class Measured:
    """What is known of a container.

    Attributes:
        container: its name; likewise *pod* and *namespace*.
        pod: see *container*.
        namespace: see *container*.
        cpu_s: CPU time; ``None`` before the first look.
        memory_bytes: likewise.
        periods: of the CPU limit since it started; ``None`` without a limit.
        throttled: of them those in which it was held back.
        throttled_s: how long together, in seconds.
    """

    container: str
    pod: str = ""
    namespace: str = ""
    cpu_s: float | None = None
    memory_bytes: int | None = None
    periods: int | None = None
    throttled: int = 0
    throttled_s: float = 0.0


class Kubelet(Protocol):
    """Who knows the containers."""

    def measured(self) -> Iterable[Measured]:
        """Yield what is known of each container that runs."""

    def volumes(self) -> Iterable[volume_stats.Volume]:
        """Yield the volumes of the claims that pods have mounted."""


_FAMILIES: tuple[tuple[str, str, str, Callable[[Measured], float | None]], ...] = (
    ("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.", lambda it: it.cpu_s),
    ("container_memory_working_set_bytes", "gauge", "Current working set in bytes.", lambda it: it.memory_bytes),
    (
        "container_cpu_cfs_periods_total",
        "counter",
        "Number of elapsed enforcement period intervals.",
        lambda it: it.periods,
    ),
    (
        "container_cpu_cfs_throttled_periods_total",
        "counter",
        "Number of throttled period intervals.",
        lambda it: None if it.periods is None else it.throttled,
    ),
    (
        "container_cpu_cfs_throttled_seconds_total",
        "counter",
        "Total time duration the container has been throttled.",
        lambda it: None if it.periods is None else it.throttled_s,
    ),
)


def measure(container: Container, usage: Usage) -> Measured | None:
    """Return what is known of a container; ``None`` when it does not run."""
    instance = container.instance
    if instance is None:
        return None
    cpu_s, memory = usage.last(container) or (None, None)
    limits = (container.spec.get("resources") or {}).get("limits") or {}
    if "cpu" not in limits:
        return Measured(container.name, cpu_s=cpu_s, memory_bytes=memory)
    stat: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError):  # it has written none, or writes it just now
        lines = (instance.launch.cwd / _STAT_FILE).read_text(encoding="ascii").splitlines()
        stat = {name: int(value) for name, value in (line.split() for line in lines)}
    return Measured(
        container.name,
        cpu_s=cpu_s,
        memory_bytes=memory,
        periods=int((time.monotonic() - instance.started) / _PERIOD_S),
        throttled=stat.get("nr_throttled", 0),
        throttled_s=stat.get("throttled_usec", 0) / 1e6,
    )


def text(measured: Iterable[Measured]) -> str:
    """Return it in Prometheus' text format."""
    known, lines = list(measured), []
    for name, kind, what, value in _FAMILIES:
        lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
        for each in known:
            if (number := value(each)) is not None:
                labels = f'container="{each.container}",namespace="{each.namespace}",pod="{each.pod}"'
                lines.append(f"{name}{{{labels}}} {number}")
    return "\n".join(lines) + "\n"


class Server:
    """Serves it, and how full volumes are, over plain HTTP, as the kubelet's read-only port does.

    Args:
        kubelet: whose containers.
    """

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet
        application = web.Application()
        application.router.add_get(PATH, self._tell)
        application.router.add_get(volume_stats.PATH, self._tell_volumes)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """End every connection."""
        await self._runner.cleanup()

    async def _tell(self, _: web.Request) -> web.Response:
        return web.Response(text=text(self._kubelet.measured()), headers=_HEADERS)

    async def _tell_volumes(self, _: web.Request) -> web.Response:
        return web.Response(text=volume_stats.text(self._kubelet.volumes()), headers=_HEADERS)
