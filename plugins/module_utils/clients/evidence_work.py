# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Collect evidence from several systems into one bundle: a system that is down is said, and stops no other."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import evidence_audit, evidence_dump
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import evidence_kubernetes as kubernetes
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import evidence_prometheus as prometheus
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import evidence_redis as redis
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle import Bundle
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_encryption import recipients_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_source import (
    Item,
    Source,
    as_json,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import bundle as layout
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import evidence_sources as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]
FOLDER = "evidence"


class Preserving:
    """One collection.

    Args:
        params: the options of evidence_snapshot.
        now: the moment.

    Attributes:
        directory: of the bundle.
        sources: what was found of each source so far.
    """

    def __init__(self, params: Mapping[str, Any], now: dt.datetime) -> None:
        self._params = params
        since, until = decisions.checked(params, now)
        self._window = (since or until, until)
        self.directory = Path(str(params["directory"] or "")) / FOLDER / str(params["name"])
        self._recipients = recipients_of(params["encrypt_to"]) if decisions.DUMP in params["sources"] else []
        self._database = evidence_audit.Database(params, int(params["source_timeout"]))
        self._earlier: list[Json] = []
        self._left = _Budget(int(params["max_bytes"]))
        self._names = _Names()
        self.sources: list[Json] = []

    @property
    def free_bytes(self) -> int:
        """What the disk has room for; of the nearest folder that there is."""
        place = self.directory
        while not place.is_dir() and place != place.parent:
            place = place.parent
        found = os.statvfs(place)
        return found.f_bavail * found.f_frsize

    def plan(self) -> None:
        """Look what there is, and collect nothing."""
        for group in self._groups():
            for name in group:
                source, items, error = self._look(name)
                self._note(name, items, error)
                if source is not None:
                    source.close()

    def collect(self, bundle: Bundle) -> None:
        """Collect everything that the bundle does not hold yet.

        Raises:
            IncidentsError: the bundle cannot be written.
        """
        self._left.take(_held(self.directory))
        self._earlier = _earlier_pods(self.directory) if bundle.has(kubernetes.PODS) else []
        groups = self._groups()
        with ThreadPoolExecutor(len(groups), thread_name_prefix="evidence") as pool:
            for done in [pool.submit(self._collect_group, bundle, group) for group in groups]:
                done.result()

    def _groups(self) -> list[list[str]]:
        """The sources, those that share a connection together; groups are collected at the same time."""
        wanted = self._params["sources"]
        shared = [name for name in (decisions.AUDIT, decisions.DUMP) if name in wanted]
        others = [[name] for name in decisions.SOURCES if name in wanted and name not in shared]
        return [*others, *([shared] if shared else [])]

    def _collect_group(self, bundle: Bundle, group: Sequence[str]) -> None:
        opened: list[Source] = []
        try:
            for name in group:
                source, items, error = self._look(name)
                self._note(name, items, error)
                if source is not None:
                    opened.append(source)
                if source is None or error is not None:
                    self._miss(bundle, name, source.first if source else _FIRST[name], error)
                else:
                    self._collect(bundle, source, items)
                    self._end(bundle, name, items)
        finally:
            for source in opened:
                source.close()

    def _miss(self, bundle: Bundle, name: str, first: str, error: str | None) -> None:
        """Record that a source cannot be reached, unless an earlier run has asked it for all that it has."""
        if bundle.looked_at(name):
            return
        # that run may have been killed: the first file that it left whole does not say that there was no other
        path = decisions.looked_path(name) if bundle.has(first) else first
        bundle.miss(path, source=name, error=error or "it cannot be reached")

    def _end(self, bundle: Bundle, name: str, items: Sequence[Item]) -> None:
        """Record that a source was asked for all that it has, which makes good what an earlier run could not."""
        bundle.look_ended(name, len(items))
        path = decisions.looked_path(name)
        if bundle.failed(path):
            bundle.write(path, [as_json([item.path for item in items])], source=name)

    def _collect(self, bundle: Bundle, source: Source, items: Iterable[Item]) -> None:
        wanted = []
        for item in items:
            if not self._names.claim(item.path):  # two files on this disk, and one on another
                self._refuse(bundle, item, "another file has this name, but for small and capital letters")
            elif not bundle.has(item.path):
                wanted.append(item)
        with ThreadPoolExecutor(source.parallel, thread_name_prefix=source.name) as pool:
            for done in [pool.submit(self._write, bundle, item) for item in wanted]:
                done.result()

    def _write(self, bundle: Bundle, item: Item) -> None:
        try:
            layout.checked_name(item.path)
        except IncidentsError as error:
            self._refuse(bundle, item, error.message)
            return
        stream = _Stream(item, self._left)
        entry = bundle.write(
            item.path,
            stream.chunks(),
            source=item.source,
            collected_from=item.collected_from,
            facts=stream.facts,
            limit_bytes=item.limit_bytes,
        )
        self._left.give_back(stream.taken - int(entry["bytes"] or 0))
        for other in item.then() if item.then is not None else ():
            if self._names.claim(other.path) and not bundle.has(other.path):
                self._write(bundle, other)

    def _refuse(self, bundle: Bundle, item: Item, why: str) -> None:
        bundle.miss(
            decisions.refused_path(item.path), source=item.source, error=why, collected_from=item.collected_from
        )

    def _look(self, name: str) -> tuple[Source | None, list[Item], str | None]:
        """The source and what it has, or why that cannot be said."""
        source: Source | None = None
        try:
            source = self._make(name)
            return source, source.look(), None
        except (IncidentsError, OSError) as error:
            text = error.message if isinstance(error, IncidentsError) else error.strerror or "error"
            return source, [], text

    def _make(self, name: str) -> Source:
        options = decisions.options_of(self._params, name)
        if name == decisions.KUBERNETES:
            return kubernetes.KubernetesEvidence(self._params, options, self._earlier)
        if name == decisions.REDIS:
            return redis.RedisEvidence(self._params, options)
        if name == decisions.PROMETHEUS:
            return prometheus.PrometheusEvidence(self._params, options, self._window)
        if name == decisions.AUDIT:
            return evidence_audit.AuditEvidence(self._database, options, self._window, lambda: self.free_bytes)
        named = self._params["encrypt_to"]
        return evidence_dump.DumpEvidence(self._database, options, self._recipients, named, lambda: self.free_bytes)

    def _note(self, name: str, items: Sequence[Item], error: str | None) -> None:
        sizes = [item.estimate_bytes for item in items if item.estimate_bytes is not None]
        size = sum(sizes) if sizes else None
        found = {"source": name, "reachable": error is None, "error": error, "items": len(items)}
        self.sources.append({**found, "paths": [item.path for item in items][:200], "estimate_bytes": size})
        self.sources.sort(key=lambda entry: decisions.SOURCES.index(entry["source"]))


_FIRST: Mapping[str, str] = {
    decisions.KUBERNETES: kubernetes.PODS,
    decisions.AUDIT: "db/audit.csv",
    decisions.DUMP: evidence_dump.PATH,
    decisions.REDIS: redis.PATH,
    decisions.PROMETHEUS: "prom/queries.json",
}


class _Budget:
    """Bytes that may still be written."""

    def __init__(self, size: int) -> None:
        self._lock = Lock()
        self.bytes = size

    def take(self, size: int) -> int:
        """Take so many bytes, or as many as are left; return how many these are."""
        with self._lock:
            taken = min(size, self.bytes)
            self.bytes -= taken
        return taken

    def give_back(self, size: int) -> None:
        with self._lock:
            self.bytes += size


class _Names:
    """The paths that something has."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._claimed: set[str] = set()

    def claim(self, path: str) -> bool:
        """Whether nothing else has this path, on a disk too that knows no difference of small and capital letters."""
        with self._lock:
            free = path.casefold() not in self._claimed
            self._claimed.add(path.casefold())
        return free


class _Stream:
    """An item as it is read, as far as there is room: each part is taken off at once, whoever else is reading."""

    def __init__(self, item: Item, left: _Budget) -> None:
        self._item = item
        self._left = left
        self.taken = 0

    def chunks(self) -> Iterator[memoryview]:
        source = iter(self._item.chunks())
        limit = self._item.limit_bytes
        try:
            for chunk in source:
                view = memoryview(chunk).cast("B")
                wanted = len(view) if limit is None else min(len(view), limit - self.taken)
                taken = self._left.take(wanted)
                self.taken += taken
                if taken == wanted:
                    yield view  # what is beyond the limit is cut off where it is written
                    continue
                if taken:
                    yield view[:taken]
                raise IncidentsError(f"Collecting {self._item.path}: max_bytes leaves room for no more of it")
        finally:
            close: Callable[[], None] | None = getattr(source, "close", None)
            if close is not None:
                with suppress(IncidentsError, OSError):
                    close()

    def facts(self) -> Mapping[str, Any]:
        return self._item.facts() if self._item.facts is not None else {}


def open_bundle(params: Mapping[str, Any], directory: Path) -> Bundle:
    """Begin the bundle or go on with it.

    Raises:
        IncidentsError: as :meth:`Bundle.open`; the incident's directory is not there.
    """
    if not directory.parent.parent.is_dir():
        raise IncidentsError(
            f"{decisions.ATTEMPTED} in {directory.parent.parent}: there is no such directory; give the incident's"
        )
    return Bundle.open(
        directory,
        incident=str(params["incident"]),
        custodian=str(params["custodian"]),
        collector=f"evidence_snapshot on {platform.node() or 'an unknown host'}",
        run_id=os.environ.get("RUNBOOK_RUN_ID") or f"process {os.getpid()}",
        anchor=params["anchor_sha256"] or None,
    )


def was_begun(directory: Path) -> bool:
    """Whether an earlier run has begun this bundle."""
    return os.path.lexists(directory / layout.CUSTODY)


def is_finished(directory: Path) -> bool:
    """Whether an earlier run has finished it."""
    return os.path.lexists(directory / layout.TAG_LIST)


def _held(directory: Path) -> int:
    """Bytes of what an earlier run has collected."""
    return sum(file.lstat().st_size for file in (directory / layout.PAYLOAD).rglob("*") if file.is_file())


def _earlier_pods(directory: Path) -> list[Json]:
    """The pods that were there when an earlier run looked: of those that are gone, the logs are missing."""
    try:
        found = json.loads((directory / layout.PAYLOAD / kubernetes.PODS).read_bytes())
    except (OSError, ValueError):
        return []
    return [pod for pod in found if isinstance(pod, dict) and pod.get("metadata")]
