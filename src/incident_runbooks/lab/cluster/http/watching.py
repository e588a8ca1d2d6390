# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells a client of changes as they happen: one line of JSON each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.history import ADDED, DELETED, Change
from incident_runbooks.lab.cluster.http import listing, tables
from incident_runbooks.lab.cluster.http.call import Call
from incident_runbooks.lab.cluster.http.listing import Selection
from incident_runbooks.lab.cluster.http.responses import encode
from incident_runbooks.lab.cluster.resources import Resource

Json = dict[str, Any]

_BOOKMARK_S = 60.0  # between bookmarks
_LONGEST_S = (1800, 3600)  # a watch without time-out ends somewhere in between, as the real server's do


async def watch(call: Call, resource: Resource) -> web.StreamResponse:
    """Answer with changes until the client's time-out, or until it goes.

    Raises:
        ApiError: before the answer begins; 400, a parameter cannot be understood.
    """
    stream = _Watch(call, resource)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await call.start(response)
    async with aclosing(stream.events()) as events:
        async for event in events:
            await response.write(encode(event) + b"\n")
    return response


class _Watch:
    """One client's view of the changes of a type."""

    def __init__(self, call: Call, resource: Resource) -> None:
        query = call.info.query
        self._call = call
        self._resource = resource
        self._selection = Selection(resource, call.info)
        self._version = query.get("resourceVersion") or ""
        listing.require_version(self._version or "0")
        self._bookmarks = call.info.flag("allowWatchBookmarks")
        self._initial = call.info.flag("sendInitialEvents")
        self._first = True
        try:
            wanted = float(query.get("timeoutSeconds") or 0)
        except ValueError as exc:
            raise errors.bad_request(f'strconv.ParseInt: parsing "{query["timeoutSeconds"]}": invalid syntax') from exc
        self._timeout_s = wanted or random.uniform(*_LONGEST_S)  # noqa: S311 - spreads reconnects

    async def events(self) -> AsyncGenerator[Json, None]:
        """Yield the events: what is there (if wanted), then what changes."""
        since = self._version
        if self._initial or since in ("", "0"):
            since = self._call.cluster.store.version
            for obj in self._call.cluster.store.all(self._resource, self._selection.namespace):
                if self._selection.contains(obj):
                    yield self._event(ADDED, obj)
            if self._initial and self._bookmarks:
                yield self._bookmark({"k8s.io/initial-events-end": "true"})
        try:
            async with aclosing(self._changes(since)) as changes:
                async for event in changes:
                    yield event
        except ApiError as exc:  # the answer has begun: the client learns it from an event
            yield {"type": "ERROR", "object": exc.to_status()}

    async def _changes(self, since: str) -> AsyncGenerator[Json, None]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout_s
        async with aclosing(self._call.cluster.store.watch(self._resource, since)) as changes:
            pending = asyncio.ensure_future(anext(changes))
            try:
                while (left := end - loop.time()) > 0:
                    done, _ = await asyncio.wait({pending}, timeout=min(left, _BOOKMARK_S))
                    if done:
                        event = self._seen(pending.result())
                        pending = asyncio.ensure_future(anext(changes))
                        if event is not None:
                            yield event
                    elif self._bookmarks:
                        yield self._bookmark()
            finally:
                pending.cancel()
                await asyncio.wait({pending})

    def _seen(self, change: Change) -> Json | None:
        """Return the event that a change is for this client: an object may come to be meant, or no longer."""
        was = change.before is not None and self._selection.contains(change.before)
        is_there = change.type != DELETED and self._selection.contains(change.object)
        if not was and not is_there:
            return None
        kind = ADDED if not was else DELETED if not is_there else change.type
        return self._event(kind, change.object)

    def _event(self, kind: str, obj: Json) -> Json:
        call = self._call
        shown = tables.convert(call.accepted, call.info, self._resource, obj, call.cluster.store.version)
        if call.accepted.form == "Table" and not self._first:
            shown["columnDefinitions"] = None  # the real server sends them once
        self._first = False
        return {"type": kind, "object": shown}

    def _bookmark(self, annotations: Json | None = None) -> Json:
        metadata: Json = {"resourceVersion": self._call.cluster.store.version, "creationTimestamp": None}
        metadata |= {"annotations": annotations} if annotations else {}
        obj = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        return {"type": "BOOKMARK", "object": obj}
