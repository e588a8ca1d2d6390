# SPDX-License-Identifier: GPL-3.0-or-later
"""Does what the faults say, beside a workload's work."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping

from incident_runbooks.lab.workloads.error_classes import ERROR_CLASSES
from incident_runbooks.lab.workloads.faults import POLL_S, Faults, Parameters
from incident_runbooks.lab.workloads.json_log import JsonLog

Action = Callable[[Parameters], Awaitable[None]]

_MEBIBYTE = 1024 * 1024
_MEMORY_PAUSE_S = 0.1


class Misbehaviour:
    """Starts an action when its fault appears, and cancels it when the fault is gone.

    Args:
        faults: what to obey.
        journal: where the workload logs.
        actions: what this workload can do beside crash, memory and errors, by the fault's name.
    """

    def __init__(self, faults: Faults, journal: JsonLog, actions: Mapping[str, Action] | None = None) -> None:
        self._faults = faults
        self._journal = journal
        self._actions: dict[str, Action] = {
            "crash": self._crash,
            "memory": self._memory,
            "errors": self._errors,
            **(actions or {}),
        }
        self._running: dict[str, tuple[Parameters, asyncio.Future[None]]] = {}

    async def before_start(self) -> None:
        """Do what happens before a workload does anything: crash, or be slow."""
        current = self._faults.current()
        if (crash := current.get("crash")) is not None and not crash["after_s"]:
            await self._crash(crash)
        if (slow := current.get("slow-start")) is not None:
            await asyncio.sleep(float(slow["seconds"]))

    async def run(self) -> None:
        """Follow the faults until cancelled."""
        try:
            while True:
                await self._follow(self._faults.current())
                await asyncio.sleep(POLL_S)
        finally:
            await self._follow({})

    async def _follow(self, current: Mapping[str, Parameters]) -> None:
        for name, (parameters, task) in list(self._running.items()):
            if current.get(name) != parameters:
                del self._running[name]
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        for name, parameters in current.items():
            if name in self._actions and name not in self._running:
                self._running[name] = parameters, asyncio.ensure_future(self._actions[name](parameters))

    async def _crash(self, parameters: Parameters) -> None:
        await asyncio.sleep(float(parameters["after_s"]))
        self._journal.failure(ERROR_CLASSES[parameters["error"]])
        os._exit(1)

    async def _memory(self, parameters: Parameters) -> None:
        """Allocate; who has a limit for us ends us."""
        kept: list[bytes] = []
        step = int(parameters["step_mebibytes"])
        limit = int(parameters["mebibytes"])
        while True:
            if len(kept) * step < limit:
                kept.append(os.urandom(_MEBIBYTE) * step)  # pages with content, which the system cannot save
            await asyncio.sleep(_MEMORY_PAUSE_S)

    async def _errors(self, parameters: Parameters) -> None:
        while True:
            self._journal.failure(ERROR_CLASSES[parameters["error"]])
            await asyncio.sleep(1 / float(parameters["per_second"]))
