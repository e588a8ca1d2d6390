# SPDX-License-Identifier: GPL-3.0-or-later
"""Events: what a component did to an object, counted where it repeats, kept for an hour."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import secrets
import time
from collections import deque
from typing import Any

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import EVENTS
from incident_runbooks.lab.cluster.store import Store, now

Json = dict[str, Any]

NORMAL, WARNING = "Normal", "Warning"
_KEPT_S = 3600.0  # kube-apiserver --event-ttl
_LONGEST_MESSAGE = 1024


class Recorder:
    """Records the events of one component.

    Args:
        store: where to.
        component: such as ``kubelet``.
        host: the node, for a component of a node.
        kept_s: seconds after which an event that does not repeat is forgotten.
    """

    def __init__(self, store: Store, component: str, host: str | None = None, *, kept_s: float = _KEPT_S) -> None:
        self._store = store
        self._kept_s = kept_s
        self._source = {"component": component} | ({"host": host} if host else {})
        self._known: dict[tuple[str, ...], tuple[str, str]] = {}  # what it says -> its namespace and name
        self._last: dict[tuple[str, ...], float] = {}
        self._due: deque[tuple[float, tuple[str, ...]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def normal(self, about: Json, reason: str, message: str, *, field_path: str | None = None) -> None:
        """Record what went as it should.

        Args:
            about: the object.
            reason: one word, such as ``Started``.
            message: for people.
            field_path: the part of the object, such as ``spec.containers{web}``.
        """
        self._record(about, NORMAL, reason, message, field_path)

    def warning(self, about: Json, reason: str, message: str, *, field_path: str | None = None) -> None:
        """Record what did not; see :meth:`normal`."""
        self._record(about, WARNING, reason, message, field_path)

    def _record(self, about: Json, kind: str, reason: str, message: str, field_path: str | None) -> None:
        message = message[:_LONGEST_MESSAGE]
        key = (about["metadata"]["uid"], field_path or "", kind, reason, message)
        namespace, name = self._known.get(key, ("", ""))
        there = self._store.find(EVENTS, namespace, name) if name else None
        with contextlib.suppress(ApiError):  # its namespace is gone, or going: so is the event
            if there is None:
                new = self._store.create(EVENTS, self._event(about, kind, reason, message, field_path))
                self._known[key] = (new["metadata"]["namespace"], new["metadata"]["name"])
                self._due.append((time.monotonic() + self._kept_s, key))
            else:
                again = copy.deepcopy(there)
                again |= {"count": there["count"] + 1, "lastTimestamp": now()}
                self._store.update(EVENTS, again)
            self._last[key] = time.monotonic()
            self._schedule()

    def _event(self, about: Json, kind: str, reason: str, message: str, field_path: str | None) -> Json:
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        involved = {
            "kind": about["kind"],
            "apiVersion": about["apiVersion"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        }
        involved |= {"namespace": metadata["namespace"]} if metadata.get("namespace") else {}
        involved |= {"fieldPath": field_path} if field_path else {}
        stamp = now()
        return {
            "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(8)}", "namespace": namespace},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
            "eventTime": None,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }

    def _schedule(self) -> None:
        if self._timer is None and self._due:
            delay = max(0.0, self._due[0][0] - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        self._timer = None
        while self._due and self._due[0][0] <= time.monotonic():
            due, key = self._due.popleft()
            if self._last[key] + self._kept_s > due:  # it has repeated since
                self._due.append((self._last[key] + self._kept_s, key))
                continue
            del self._last[key]
            with contextlib.suppress(ApiError):
                self._store.delete(EVENTS, *self._known.pop(key))
        self._schedule()
