# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab consists of, and what its commands share: its state, its processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.lab import inventory, processes
from incident_runbooks.lab.communications import part as communications
from incident_runbooks.lab.communications.part import CommunicationsPart
from incident_runbooks.lab.directory import VARIABLE, LabDirectory
from incident_runbooks.lab.kubernetes import ClusterPart
from incident_runbooks.lab.processes import ProcessRecord
from incident_runbooks.lab.server import Server
from incident_runbooks.lab.state import COMMUNICATIONS, FILE, State

if TYPE_CHECKING:
    from incident_runbooks.lab.platform import Platform

MARK = "RUNBOOK_LAB_ID"
_EFFECT_S = 30.0  # a limit; most faults show within 2 s, Prometheus sees new pods only after 5
_POLL_S = 0.05


class Parts:
    """The parts of the lab in one directory.

    Args:
        directory: need not exist yet.
        progress: told what is going on, a line at a time.
    """

    def __init__(self, directory: Path, progress: Callable[[str], None] = lambda _: None) -> None:
        self.directory = LabDirectory(directory)
        self._progress = progress
        self._state = State()

    @property
    def server(self) -> Server:
        """The lab's PostgreSQL.

        Raises:
            UsageError: there is none.
        """
        if self._state.server is None:
            self._state = self._load()
        if self._state.server is None:
            raise UsageError(
                f"Looking for PostgreSQL in the lab {self.directory.path}: it has none", hint="runbook lab up"
            )
        return self._state.server

    @property
    def cluster(self) -> ClusterPart:
        """The lab's cluster.

        Raises:
            UsageError: there is none.
        """
        if self._state.cluster is None:
            self._state = self._load()
        if self._state.cluster is None:
            raise UsageError(
                f"Looking for a cluster in the lab {self.directory.path}: it has none", hint="runbook lab up"
            )
        return self._state.cluster

    @property
    def communications(self) -> CommunicationsPart:
        """The lab's Slack, PagerDuty and Statuspage.

        Raises:
            UsageError: there are none.
        """
        if self._state.communications is None:
            self._state = self._load()
        if self._state.communications is None:
            raise UsageError(
                f"Looking for communications in the lab {self.directory.path}: it has none", hint="runbook lab up"
            )
        return self._state.communications

    def platform(self) -> Platform:
        """Return the platform's workloads in the cluster.

        Raises:
            UsageError: the lab has no cluster.
        """
        from incident_runbooks.lab.platform import Platform  # noqa: PLC0415 - the command's help must not wait for it

        cluster, state = self.cluster, self._state
        return Platform(
            cluster,
            self.server,
            self._progress,
            stripe_url=state.stripe.url if state.stripe else None,
            clickhouse=state.clickhouse.variables() if state.clickhouse else None,
            social=state.social.variables() if state.social else None,
        )

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until *condition* holds.

        Raises:
            RunbookError: it does not, within half a minute.
        """
        import psycopg  # noqa: PLC0415 - the command's help must not wait for it

        deadline = time.monotonic() + _EFFECT_S
        cause = "it did not come about"
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except psycopg.Error as error:
                cause = " ".join(str(error).split())
            time.sleep(_POLL_S)
        raise RunbookError(
            f"Waiting until {what} in the lab {self.directory.path}: {cause} within {_EFFECT_S:g} s",
            hint="see clients.log and postgres.log there",
        )

    def stop_communications(self) -> None:
        """Stop the communications; what they were sent stays."""
        records = [each for each in self._state.processes if each.name == COMMUNICATIONS]
        processes.stop([process for record in records if (process := record.find())])
        self._state.processes = [each for each in self._state.processes if each not in records]
        self._save()

    def start_communications(self) -> None:
        """Start the communications where they do not run."""
        if self._alive(COMMUNICATIONS) is None:
            self.stop_communications()
            self._add(communications.start(self.communications, mark=self._mark()))
        communications.wait_until_they_answer(self.communications, self._alive(COMMUNICATIONS))

    def tell_communications(self) -> None:
        """Bring the faults of the lab's list into effect at the communications."""
        self.communications.control.write(self._state.fault_names())

    def _start_communications(self) -> None:
        self._state.communications = communications.lay_out(self.directory.path)
        self._add(communications.start(self.communications, mark=self._mark()))

    def _alive(self, name: str) -> ProcessRecord | None:
        record = self._state.record(name)
        return record if record and record.find() else None

    def _add(self, record: ProcessRecord) -> None:
        self._state.processes.append(record)
        self._save()

    def _mark(self) -> dict[str, str]:
        return {VARIABLE: str(self.directory.path), MARK: str(self.directory.id)}

    def _load(self) -> State:
        return State.from_plain(self.directory.read(FILE))

    def _save(self) -> None:
        self.directory.write(FILE, self._state.to_plain())
        if self._state.server:
            self.directory.write(inventory.FILE, inventory.of(self._state.server, self._state))
