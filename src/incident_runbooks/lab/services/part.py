# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the lab that is one process of ours has, and how it is started and waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from incident_runbooks.lab.processes import ProcessRecord
from incident_runbooks.lab.server import HOST
from incident_runbooks.lab.services.process import ServiceProcess


@dataclass(frozen=True)
class ServicePart:
    """A part that serves by one process, whether it runs or not.

    Attributes:
        NAME: of the part, of its process and of its log.
        CALLED: what people call it.
        MODULE: what Python runs.
        directory: its own, in the lab's.
        port: where it listens.
    """

    NAME: ClassVar[str]
    CALLED: ClassVar[str]
    MODULE: ClassVar[str]

    directory: Path
    port: int

    @property
    def url(self) -> str:
        """Where clients reach it, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    @property
    def process(self) -> ServiceProcess:
        """The process."""
        return ServiceProcess(self.NAME, self.CALLED, self.MODULE, self.directory, self.port)

    @property
    def requests(self) -> Path:
        """Every request, a JSON document a line, without a secret."""
        return self.directory / "requests.jsonl"


def start(part: ServicePart, *, mark: Mapping[str, str]) -> ProcessRecord:
    """Start its process; :func:`wait_until_they_answer` comes next.

    Args:
        part: where.
        mark: what it carries in its environment, to be found by.
    """
    return part.process.start(mark=mark)


def wait_until_they_answer(part: ServicePart, record: ProcessRecord | None) -> None:
    """Wait until the process serves.

    Raises:
        RunbookError: it ended, or does not within a third of a minute.
    """
    part.process.wait(record)


def answers(part: ServicePart) -> bool:
    """Return whether the process serves."""
    return part.process.answers()
