# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the lab that is one process of ours does alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from incident_runbooks.lab.processes import ProcessRecord
from incident_runbooks.lab.services.process import ServiceProcess


class Part(Protocol):
    """A part that serves by one process."""

    @property
    def process(self) -> ServiceProcess:
        """The process."""


def start(part: Part, *, mark: Mapping[str, str]) -> ProcessRecord:
    """Start its process; :func:`wait_until_they_answer` comes next.

    Args:
        part: where.
        mark: what it carries in its environment, to be found by.
    """
    return part.process.start(mark=mark)


def wait_until_they_answer(part: Part, record: ProcessRecord | None) -> None:
    """Wait until the process serves.

    Raises:
        RunbookError: it ended, or does not within a third of a minute.
    """
    part.process.wait(record)


def answers(part: Part) -> bool:
    """Return whether the process serves."""
    return part.process.answers()
