# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers really use: CPU and memory of their processes, and the end of those that use too much memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import psutil

from incident_runbooks.lab.cluster.runtime.container import Container

Json = dict[str, Any]

_WINDOW_S = 15.0  # metrics-server's resolution
_LIMIT_CHECK_S = 1.0
_SHORTEST_S = 0.5  # a rate over less says nothing
_SHARE = 50  # looking for memory may take so much less than the time between


@dataclass(frozen=True)
class _Sample:
    pid: int
    at: float
    cpu_s: float
    cpu_cores: float
    memory_bytes: int


class Usage:
    """Measures the containers of the node.

    Args:
        containers: those that there are at present.
    """

    def __init__(self, containers: Callable[[], Iterable[Container]]) -> None:
        self._containers = containers
        self._samples: dict[Container, _Sample] = {}
        self._woken = asyncio.Event()

    def of(self, container: Container, children: dict[int, list[int]] | None = None) -> Json | None:
        """Return ``name``, ``cpu_cores`` and ``memory_bytes`` of a container; ``None`` when it does not run."""
        sample = self._sample(container, children if children is not None else processes_by_parent())
        if sample is None:
            return None
        return {"name": container.name, "cpu_cores": sample.cpu_cores, "memory_bytes": sample.memory_bytes}

    def last(self, container: Container) -> tuple[float, int] | None:
        """Return CPU time in seconds and memory in bytes as last seen; nothing is measured for it."""
        sample = self._samples.get(container)
        return None if sample is None else (sample.cpu_s, sample.memory_bytes)

    def wake(self) -> None:
        """There are new containers."""
        self._woken.set()

    async def follow(self) -> None:
        """Keep the rates fresh, and kill containers above their memory limit; for ever."""
        last = 0.0
        while True:
            began = time.monotonic()
            running = [each for each in self._containers() if each.instance is not None]
            limited = [each for each in self._containers() if each.memory_limit is not None]
            complete = began - last >= _WINDOW_S
            if complete:
                last = began
                for gone in self._samples.keys() - set(running):
                    del self._samples[gone]
            if wanted := running if complete else limited:
                children = processes_by_parent()
                for container in limited:
                    _enforce(container, children)
                if complete:
                    for container in wanted:
                        self._sample(container, children)
            pause_s = max(_LIMIT_CHECK_S, (time.monotonic() - began) * _SHARE) if limited else _WINDOW_S
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(pause_s, _WINDOW_S) if limited or running else None):
                    await self._woken.wait()

    def _sample(self, container: Container, children: dict[int, list[int]]) -> _Sample | None:
        if container.instance is None:
            return None
        pid, at = container.instance.process.pid, time.monotonic()
        before = self._samples.get(container)
        if before is None or before.pid != pid:
            before = _Sample(pid, container.instance.started, 0.0, 0.0, 0)
        elif at - before.at < _SHORTEST_S:
            return before
        cpu_s, memory = 0.0, 0
        for process in _tree(pid, children):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    cpu_s += sum(times[:4])  # its own, and its children's that have ended
                    memory += process.memory_info().rss
            except psutil.Error:
                continue
        cores = max(0.0, cpu_s - before.cpu_s) / max(at - before.at, 0.001)
        sample = _Sample(pid, at, cpu_s, cores, memory)
        self._samples[container] = sample
        return sample


def processes_by_parent() -> dict[int, list[int]]:
    """Return the children of every process of this machine."""
    children: dict[int, list[int]] = defaultdict(list)
    for process in psutil.process_iter(["ppid"]):
        children[process.info["ppid"]].append(process.pid)
    return children


def _enforce(container: Container, children: dict[int, list[int]]) -> None:
    """Kill a container above its memory limit, as the kernel does."""
    limit, instance = container.memory_limit, container.instance
    if limit is None or instance is None:
        return
    tree = _tree(instance.process.pid, children)
    if _memory(tree, lambda process: int(process.memory_info().rss)) <= limit:
        return
    # Pages that its processes share count once for the limit; measuring them costs more
    if _memory(tree, _proportional) > limit:
        container.kill(out_of_memory=True)


def _memory(tree: list[psutil.Process], of: Callable[[psutil.Process], int]) -> int:
    total = 0
    for process in tree:
        try:
            total += of(process)
        except psutil.Error:
            continue
    return total


def _proportional(process: psutil.Process) -> int:
    info = process.memory_full_info()
    return int(getattr(info, "pss", info.uss))


def _tree(pid: int, children: dict[int, list[int]]) -> list[psutil.Process]:
    """Return a process with all below it."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        waiting += children.get(each, [])
        try:
            found.append(psutil.Process(each))
        except psutil.Error:
            continue
    return found
