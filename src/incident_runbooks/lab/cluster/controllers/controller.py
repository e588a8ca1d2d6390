# SPDX-License-Identifier: GPL-3.0-or-later
"""What every controller does: it follows the store, and brings object after object to what its spec says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.history import ADDED, Change
from incident_runbooks.lab.cluster.resources import RESOURCES
from incident_runbooks.lab.cluster.runtime.events import Recorder

Json = dict[str, Any]
Key = tuple[str, str]  # namespace and name

logger = logging.getLogger(__name__)

_GATHER_S = 0.005  # changes come in bursts: look once at what many of them concern
_RETRY_S = (0.05, 0.2, 1.0, 5.0, 30.0)


class Controller:
    """A controller; a subclass says which objects a change concerns, and what to do about one.

    ``reconcile`` does not wait for anything, so nothing changes while it looks.

    Args:
        cluster: the cluster.
    """

    component = "controller-manager"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.store = cluster.store
        self.recorder = Recorder(cluster.store, self.component)
        self._due: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}

    def concerns(self, change: Change) -> Iterable[Key]:
        """Return the objects to look at because of a change; quick, and never raises."""
        raise NotImplementedError

    def reconcile(self, key: Key) -> float | None:
        """Look at an object, which may be gone, and act; return after how many seconds to look again."""
        raise NotImplementedError

    def add(self, key: Key) -> None:
        """Look at an object soon."""
        self._due[key] = None
        self._wake.set()

    async def run(self) -> None:
        """Follow the store for ever."""
        self.store.on_change(self._follow)
        for resource in RESOURCES:
            for each in self.store.all(resource) if resource.stored else ():
                self._follow(Change(0, ADDED, resource, each, None))
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            due, self._due = self._due, {}
            for key in due:
                self._look(key)
                await asyncio.sleep(0)

    def _follow(self, change: Change) -> None:
        for key in self.concerns(change):
            self.add(key)

    def _look(self, key: Key) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
        try:
            again = self.reconcile(key)
            self._failures.pop(key, None)
        except ApiError as error:  # somebody was quicker, or the namespace is going
            logger.info("%s: %s/%s: %s", self.component, *key, error.message)
            again = self._retry(key)
        except Exception:
            logger.exception("%s: cannot bring %s/%s to its state", self.component, *key)
            again = self._retry(key)
        if again is not None:
            self._timers[key] = asyncio.get_running_loop().call_later(max(again, 0.01), self.add, key)

    def _retry(self, key: Key) -> float:
        failures = self._failures[key] = self._failures.get(key, -1) + 1
        return _RETRY_S[min(failures, len(_RETRY_S) - 1)]
