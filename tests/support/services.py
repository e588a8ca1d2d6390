# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of the lab, for tests: their process without a lab, what they were asked, and what is broken."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

import psutil

from incident_runbooks.lab import processes
from incident_runbooks.lab.services.faults import FaultFile
from incident_runbooks.lab.services.part import ServicePart, start, wait_until_they_answer

Json = dict[str, Any]

Served = TypeVar("Served", bound=ServicePart)


class Broken(Protocol):
    """A part whose faults are in a file."""

    @property
    def control(self) -> FaultFile:
        """The faults."""


@contextlib.contextmanager
def running(part: Served) -> Iterator[Served]:
    """The process of a part that is laid out; it is stopped at the end."""
    record = start(part, mark={})
    try:
        wait_until_they_answer(part, record)
        yield part
    finally:
        processes.stop([process] if (process := record.find()) else [])


@contextlib.contextmanager
def broken(part: Broken, *names: str) -> Iterator[None]:
    """Let further faults be in effect."""
    before = part.control.read()
    part.control.write([*before, *names])
    try:
        yield
    finally:
        part.control.write(before)


class Requests:
    """The requests of a part since :meth:`forget`."""

    def __init__(self, part: ServicePart) -> None:
        self._file = part.requests
        self._from = 0

    def forget(self) -> None:
        """Let :meth:`read` begin here."""
        self._from = self._file.stat().st_size if self._file.exists() else 0

    def read(self) -> list[Json]:
        """Return them, oldest first."""
        if not self._file.exists():
            return []
        with self._file.open("rb") as file:
            file.seek(self._from if self._file.stat().st_size >= self._from else 0)  # a large one begins anew
            return [json.loads(line) for line in file]


def listening(port: int) -> set[str]:
    """Return every address that the process listens on whose port that is."""
    (pid,) = {each.pid for each in psutil.net_connections("tcp") if each.status == "LISTEN" and each.laddr[1] == port}
    assert pid is not None
    found = psutil.Process(pid).net_connections("inet")
    return {each.laddr[0] for each in found if each.status in {"LISTEN", psutil.CONN_NONE}}
