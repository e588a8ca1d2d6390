# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Collect evidence into a bundle that a stranger can check: a bag (RFC 8493), written as streams come.

The custody log leads: an attempt is recorded, with its SHA-256, before the file gets its name. So after a crash what
is recorded is there, under its own name or still as ``*.part``, and what is not recorded is collected again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import bundle_files as files
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_custody import Custody
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_seal import refused, sealed_as
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_state import Sealed, take_up
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import bundle as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.bundle import Received
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

Json = dict[str, Any]
AGENT = "incident-runbooks (collection brandconnect.incidents)"


class Bundle:
    """A bundle that is being collected, by one process; :meth:`open` makes one."""

    def __init__(
        self,
        directory: Path,
        custody: Custody,
        people: Mapping[str, str],
        now: Callable[[], dt.datetime],
        *,
        sealed: bool,
    ) -> None:
        self.directory = directory
        self.sealed = sealed
        self._custody = custody
        self._now = now
        self._people = people
        self._lock = threading.Lock()
        self._growing: set[str] = set()
        self._found: Sealed | None = None
        self._standing = decisions.standing_of(custody.records)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        incident: str,
        custodian: str,
        collector: str,
        run_id: str,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        anchor: str | None = None,
    ) -> Self:
        """Begin a bundle, or go on with one that was cut off; one that is finished can only be finished again.

        What was collected is read again and compared with what was recorded; what was still growing is thrown away.
        One that is finished is compared with its lists and its custody log, see :func:`sealed_as`.

        Args:
            directory: of the bundle, absolute; its parent is one's own with the mode 0700.
            incident: the incident's id.
            custodian: who answers for the evidence.
            collector: what collects it, and where.
            run_id: the run that collects.
            now: the clock.
            anchor: SHA-256 of ``tagmanifest-sha256.txt`` that was recorded elsewhere: it must be finished, as that.

        Raises:
            IncidentsError: the directory will not do, another process has the bundle, it is of another incident, or
                what it holds is not what was collected (``details["changed_files"]`` names the files).
        """
        if not directory.is_absolute():
            raise IncidentsError(f"Keeping evidence in {directory}: give an absolute path")
        if anchor is not None and not os.path.lexists(directory / decisions.TAG_LIST):
            raise refused(directory, [decisions.TAG_LIST])
        files.prepare(directory)
        try:
            names = {item.name for item in directory.iterdir()}
        except OSError as error:
            raise _failed("Keeping evidence in", directory, error) from error
        if names and decisions.CUSTODY not in names:
            raise IncidentsError(f"Keeping evidence in {directory}: it holds other files; give a new one")
        sealed = decisions.TAG_LIST in names
        custody = Custody(directory / decisions.CUSTODY, run_id=run_id, now=now, closed=sealed)
        try:
            people = {"custodian": decisions.line_of(custodian, 200), "collector": decisions.line_of(collector, 200)}
            bundle = cls(directory, custody, people, now, sealed=sealed)
            bundle._begin(incident, anchor)
        except OSError as error:
            custody.close()
            raise _failed("Keeping evidence in", directory, error) from error
        except BaseException:
            custody.close()
            raise
        return bundle

    def _begin(self, incident: str, anchor: str | None) -> None:
        records = self._custody.records
        if records and records[0]["data"].get("incident") != incident:
            found = records[0]["data"].get("incident")
            raise IncidentsError(f"Keeping evidence in {self.directory}: it is of the incident {found}; give a new one")
        if self.sealed != os.path.lexists(self.directory / decisions.TAG_LIST):
            raise IncidentsError(f"Keeping evidence in {self.directory}: another process has just finished it")
        if self.sealed:
            self._found = sealed_as(self.directory, records, anchor)
            return
        resumed = take_up(self.directory, self._standing) if records else {}
        resumed |= {"torn_bytes": self._custody.torn} if records else {}
        said = {"incident": incident, **self._people, "opened_at": rfc3339(self._now())}
        self._custody.append("resumed" if records else "opened", {**said, **resumed})
        files.make_folders(self.directory, Path(decisions.PAYLOAD))
        files.write_whole(self.directory / decisions.DECLARATION, decisions.BAGIT)

    @property
    def found(self) -> Sealed | None:
        """What it was finished as before it was opened here."""
        return self._found

    def has(self, path: str) -> bool:
        """Whether this was collected whole."""
        with self._lock:
            return path in self._standing.whole

    def failed(self, path: str) -> bool:
        """Whether this was tried, and never collected whole."""
        with self._lock:
            return any(entry["name"] == path for entry in self._standing.failed)

    def looked_at(self, source: str) -> bool:
        """Whether all that this source has was asked for, which what was collected of it does not tell."""
        with self._lock:
            return source in self._standing.looked

    def look_ended(self, source: str, items: int) -> None:
        """Record that all that a source has was asked for, whatever came of it.

        Raises:
            IncidentsError: the custody log cannot be written.
        """
        with self._lock:
            self._custody.append(decisions.LOOKED, {"source": source, "items": items})
            self._standing.looked.add(source)

    def write(
        self,
        path: str,
        chunks: Iterable[bytes | bytearray | memoryview],
        *,
        source: str,
        collected_from: Mapping[str, Any] | None = None,
        facts: Callable[[], Mapping[str, Any]] | None = None,
        limit_bytes: int | None = None,
    ) -> Json:
        """Collect a stream and return what the manifest says of it; several threads may do so at once.

        A source that breaks is no failure of this call: the entry then has an ``error``, and what had come until
        then is kept under another name.

        Args:
            path: inside ``data/``.
            chunks: the content; its iterator is closed in every case.
            source: the call or the SQL text that gives it.
            collected_from: what is known of the object, such as ``uid`` and ``resource_version``.
            facts: what is known of the content when all of it was read; may raise as the source may.
            limit_bytes: stop there.

        Raises:
            IncidentsError: the path will not do, it was collected already, or the custody log cannot be written.
        """
        start = rfc3339(self._now())
        with self._reserved(path) as name:
            part = self.directory / decisions.part_of(name)
            known: Mapping[str, Any] = {}
            try:
                files.make_folders(self.directory, Path(decisions.PAYLOAD, name).parent)
                received = files.receive(part, chunks, limit_bytes)
            except OSError as error:  # a smaller one may still find room
                received = Received(None, 0, truncated=False, error=f"the disk: {error.strerror or 'error'}")
            try:
                known = facts() if facts is not None and received.error is None else {}
            except (IncidentsError, OSError) as error:
                received = Received(received.sha256, received.size, received.truncated, files.text_of(error))
            return self._record(name, received, start, source, collected_from or {}, known)

    def miss(self, path: str, *, source: str, error: str, collected_from: Mapping[str, Any] | None = None) -> Json:
        """Record that something could not be collected at all, and return what the manifest says of it.

        Raises:
            IncidentsError: as :meth:`write`.
        """
        with self._reserved(path) as name:
            received = Received(None, 0, truncated=False, error=error)
            return self._record(name, received, rfc3339(self._now()), source, collected_from or {}, {})

    @contextlib.contextmanager
    def _reserved(self, path: str) -> Iterator[str]:
        """Let nobody else collect the same; names that differ in case only are one file on some disks."""
        name = decisions.checked_name(path)
        same = name.casefold()
        with self._lock:
            if self.sealed:
                raise IncidentsError(f"Collecting {name} into {self.directory}: the bundle is finished; begin another")
            if same in self._growing or same in {whole.casefold() for whole in self._standing.whole}:
                raise IncidentsError(f"Collecting {name} into {self.directory}: it was collected already")
            self._growing.add(same)
        try:
            yield name
        finally:
            with self._lock:
                self._growing.discard(same)

    def _record(
        self,
        name: str,
        received: Received,
        start: str,
        source: str,
        collected_from: Mapping[str, Any],
        facts: Mapping[str, Any],
    ) -> Json:
        with self._lock:
            path = decisions.kept_as(name, received, self._standing.attempts_kept(name))
            entry = decisions.entry_of(
                name,
                received,
                path=path,
                source=source,
                times=(start, rfc3339(self._now())),
                collected_from=collected_from,
                facts=facts,
                people=self._people,
            )
            self._custody.append("collected" if received.error is None else "failed", entry)
            self._standing.entries.append(entry)
            if path is not None:
                try:
                    files.name_finally(self.directory / decisions.part_of(name), self.directory / path)
                except OSError as error:
                    raise _failed("Collecting", self.directory / path, error) from error
        return entry

    def finish(self) -> Sealed:
        """Write the manifests and let nobody write any more; done twice it is the same.

        Raises:
            IncidentsError: something is still being collected, or the disk does not take it.
        """
        with self._lock:
            if self._growing:
                raise IncidentsError(f"Finishing {self.directory}: something is still being collected")
            try:
                self._found, before = self._found or self._seal(), self._found
                if before is None or self.directory.stat().st_mode & stat.S_IWUSR:  # killed before it was closed
                    files.close_up(self.directory)
                    files.sync(self.directory)
            except (OSError, ValueError) as error:
                raise _failed("Finishing", self.directory, error) from error
        return self._found

    def _seal(self) -> Sealed:
        opened = self._custody.records[0]["data"]
        manifest = decisions.document(self._standing, opened=opened, finished_at=rfc3339(self._now()))
        payload = decisions.sums(decisions.sums_of(manifest["files"])).encode()
        content = {
            decisions.LIST: payload,
            decisions.DOCUMENT: json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n",
            decisions.INFO: decisions.bag_info(manifest, AGENT).encode(),
        }
        for name, text in content.items():
            files.write_whole(self.directory / name, text)
        said = {key: manifest[key] for key in ("partial", "bytes")}
        said |= {"files": len(manifest["files"]), "failed": [entry["name"] for entry in manifest["failed"]]}
        said |= {decisions.LIST: hashlib.sha256(payload).hexdigest(), **self._people}
        self._custody.append("sealed", said)
        tags = {name: files.sha256_of(self.directory / name) for name in decisions.TAGS}
        seal = decisions.sums(tags).encode()
        files.write_whole(self.directory / decisions.TAG_LIST, seal)
        self.sealed = True
        plain = json.loads(content[decisions.DOCUMENT])
        return Sealed(self.directory, hashlib.sha256(seal).hexdigest(), len(seal), plain)

    def close(self) -> None:
        """Let go of the bundle; one that is not finished can be opened again."""
        self._custody.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _failed(attempted: str, path: Path, error: OSError | ValueError) -> IncidentsError:
    cause = (error.strerror if isinstance(error, OSError) else None) or "error"
    return IncidentsError(f"{attempted} {path}: {cause}; check the disk and the owner")
