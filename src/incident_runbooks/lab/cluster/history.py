# SPDX-License-Identifier: GPL-3.0-or-later
"""What has happened to the objects of a cluster, and who is told of it.

Every change raises the resource version by one, so a version is a place in the history.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import Resource

Json = dict[str, Any]

CAPACITY = 20_000  # changes that a watch can go back to

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"


@dataclass(frozen=True)
class Change:
    """Something that happened to an object.

    Attributes:
        version: resource version after it.
        type: ``ADDED``, ``MODIFIED`` or ``DELETED``.
        resource: the object's type.
        object: the object after it; when deleted, as it was last.
        before: the object before it, ``None`` when added: a watch with a selector needs both.
    """

    version: int
    type: str
    resource: Resource
    object: Json
    before: Json | None


class History:
    """The latest changes, in order."""

    def __init__(self) -> None:
        self.version = 1
        self._changes: deque[Change] = deque(maxlen=CAPACITY)
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[Change], None]] = []

    def on_change(self, listener: Callable[[Change], None]) -> None:
        """Call *listener* with every change, at once and in order; it must be quick and must not raise."""
        self._listeners.append(listener)

    def add(self, kind: str, resource: Resource, changed: Json, before: Json | None) -> None:
        """Give an object the next version, and tell everybody.

        Args:
            kind: ``ADDED``, ``MODIFIED`` or ``DELETED``.
            resource: the object's type.
            changed: the object, not seen by anybody yet.
            before: see :class:`Change`.
        """
        self.version += 1
        changed["metadata"]["resourceVersion"] = str(self.version)
        change = Change(self.version, kind, resource, changed, before)
        self._changes.append(change)
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()
        for listener in self._listeners:
            listener(change)

    async def watch(self, resource: Resource, since: str | None) -> AsyncGenerator[Change, None]:
        """Yield the changes of a type after a resource version, for ever.

        Raises:
            ApiError: 410, that version is too old.
        """
        last = int(since) if since else self.version
        while True:
            changed = self._changed
            for change in self.after(last):
                last = change.version
                if change.resource is resource:
                    yield change
            if last >= self.version:
                await changed.wait()

    def keeps(self, version: str) -> bool:
        """Whether a watch could still go on from a resource version."""
        return not self._changes or int(version) >= self._changes[0].version - 1

    def after(self, version: int) -> list[Change]:
        """Return the changes after a version.

        Raises:
            ApiError: 410, that version is too old.
        """
        if version >= self.version:
            return []
        first = self._changes[0].version
        if version < first - 1:
            raise ApiError(410, "Expired", f"too old resource version: {version} ({first})")
        return [self._changes[index] for index in range(version - first + 1, len(self._changes))]
