# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Record one run: its beginning, its steps and what they found, its end, and the result."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import RESULT_NAME, write_private
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import (
    FileLock,
    IncidentLock,
    who,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import (
    FILE_NAME,
    JournalWriter,
    verify_chain,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_end import note_what_is_missing
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_records import records_in
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import Redactor

Json = dict[str, Any]

# What a reader must find even when the power goes: what was decided and what was done
_DURABLE = frozenset({"plan", "action", "error"})

_EXAMINING = frozenset({"diagnose", "remediate"})  # modes in which something must be found

NO_FINDINGS = (
    "each component is a host of that name in the inventory; "
    "with ansible-playbook, --tags and --start-at-task may leave checks out"
)
NO_PLAN = "the plan is made on localhost; with ansible-playbook, --limit and --tags may leave it out"


@dataclass(frozen=True)
class Step:
    """A task on a host.

    Attributes:
        id: ``<task uuid>/<host>``; a task that runs again has the same.
        action: fully qualified.
        name: the task's name.
    """

    id: str
    host: str
    action: str
    name: str

    def data(self) -> Json:
        """Its keys in a record."""
        return {"step": self.id, "host": self.host, "action": self.action, "name": self.name}


@dataclass(frozen=True)
class StepEnd:
    """How a step ended.

    Attributes:
        status: ``ok``, ``failed``, ``unreachable`` or ``skipped``.
        message: what it said where it did not go well.
        ignored: whether the playbook ignores the failure.
    """

    status: str
    changed: bool = False
    message: str | None = None
    ignored: bool = False


@dataclass
class _Failures:
    """The failures of one host that nobody has ignored; at the end Ansible says how many were not rescued."""

    failed: list[tuple[Step, str | None]] = field(default_factory=list)
    unreachable: list[tuple[Step, str | None]] = field(default_factory=list)


class Recorder:
    """The record of one run, from its first record on.

    Args:
        directory: the incident's directory; the run takes its lock.
        run_id: the run's id.
        operator: who runs it.
        redactor: knows the secrets.

    Raises:
        IncidentsError: the incident is held by another run, or its journal cannot be written.
    """

    def __init__(self, directory: Path, *, run_id: str, operator: str, redactor: Redactor) -> None:
        self.directory = directory
        self.run_id = run_id
        self._locks: list[FileLock] = [IncidentLock(directory, run_id=run_id, operator=operator)]
        self._writer = JournalWriter(directory / FILE_NAME, run_id, redactor=redactor)
        self._began: dict[str, tuple[float, bool]] = {}
        self._failures: dict[str, _Failures] = {}
        self._start = time.monotonic()
        self._mode = ""
        self._kinds: set[str] = set()
        self._said: set[str] = set()

    def start(self, data: Mapping[str, Any]) -> None:
        """Record the beginning; returns when it is on the disk."""
        note_what_is_missing(self._writer)
        damage = verify_chain(self.directory / FILE_NAME)
        self._mode = data["run"]["mode"]
        self._writer.append("run_started", data, durable=True)
        for problem in damage:
            self.error("journal_damaged", f"Continuing the journal of {self.directory.name}: {problem}")
        self._kinds.clear()
        self._say_what_was_left(self._locks[0])

    def hold(self, lock: FileLock) -> None:
        """Keep a lock until the end of the run."""
        self._locks.append(lock)
        self._say_what_was_left(lock)

    def step_started(self, step: Step, *, mutates: bool) -> None:
        """Record that a step begins; one that can change something is on the disk when this returns."""
        self._began[step.id] = (time.monotonic(), mutates)
        self._writer.append("step_started", {**step.data(), "mutates": mutates}, durable=mutates)

    def step_ended(self, step: Step, end: StepEnd) -> None:
        """Record how a step ended; of one that can change something it is on the disk when this returns."""
        began, mutates = self._began.pop(step.id, (None, False))
        duration = round(time.monotonic() - began, 3) if began is not None else None
        data = {
            **step.data(),
            "status": end.status,
            "changed": end.changed,
            "duration_s": duration,
            "message": end.message,
            **({"ignored": True} if end.ignored else {}),
        }
        self._writer.append("step_ended", data, durable=mutates)
        if not end.ignored:
            failures = self._failures.setdefault(step.host, _Failures())
            if end.status == "failed":
                failures.failed.append((step, end.message))
            elif end.status == "unreachable":
                failures.unreachable.append((step, end.message))

    def accept(self, result: Mapping[str, Any]) -> None:
        """Record what a task's result hands over under ``record`` and ``records``."""
        records, malformed = records_in(result)
        for kind, data in records:
            self._kinds.add(kind)
            if kind == "error":
                self._said.add(str(data.get("message")))
            self._writer.append(kind, data, durable=kind in _DURABLE)
        if malformed:  # what was meant to be recorded is lost: the result must not look as if nothing was
            self.error("internal", f"Recording what a step found: {malformed} of its records are malformed")

    def error(self, code: str, message: str, *, hint: str | None = None, component: str | None = None) -> None:
        """Record that something went wrong with the run itself."""
        data = {"code": code, "message": message, "hint": hint, "component": component}
        self._kinds.add("error")
        self._writer.append("error", data, durable=True)

    def notice(self, code: str, message: str) -> None:
        """Record what a reviewer should know of the run itself, but is no error."""
        self._writer.append("notice", {"code": code, "message": message, "component": None})

    def finish(self, hosts: Mapping[str, Mapping[str, int]], notes: Iterable[tuple[str, str, str]] = ()) -> Json:
        """Record the end, and return the result.

        Args:
            hosts: Ansible's count of tasks by host: ok, failures, unreachable, skipped, rescued, changed.
            notes: code, message and hint of what is to be said among the errors.
        """
        for host, counts in hosts.items():
            self._record_failures(host, counts)
        self._record_gaps()
        for code, message, hint in notes:
            self.error(code, message, hint=hint)
        self._writer.append("run_ended", {"hosts": hosts}, durable=True)
        return self.result()

    def interrupt(self, reason: str) -> Json:
        """Record that the run is cut off, and return the result."""
        after = round(time.monotonic() - self._start, 3)
        self._writer.append("run_interrupted", {"reason": reason, "after_s": after}, durable=True)
        return self.result()

    def result(self) -> Json:
        """Return the result of the run as its journal has it now."""
        return fold((self.directory / FILE_NAME).read_bytes(), self.run_id, incident_id=self.directory.name)

    def write_result(self, result: Json) -> Path:
        """Write the result beside the journal, and return where it is."""
        path = self.directory / RESULT_NAME
        write_private(path, json.dumps(result, indent=2, allow_nan=False) + "\n")
        return path

    def close(self) -> None:
        """Let go of the journal and of the incident."""
        self._writer.close()
        for lock in reversed(self._locks):
            lock.release()

    def _say_what_was_left(self, lock: FileLock) -> None:
        """A run that was killed did not let go: whoever reads this asks what it had done."""
        if lock.previous is None or lock.previous.get("run_id") == self.run_id:
            return
        said = f"{lock.attempt}: the run before ended without letting go of it ({who(lock.previous)})"
        self.notice("lock_taken_over", f"{said}; see what it had done")

    def _record_gaps(self) -> None:
        """Say why nothing was found or planned, where no other error says so."""
        if "error" in self._kinds or self._mode not in _EXAMINING:
            return
        if "finding" not in self._kinds:
            self.error("no_findings", "Examining the components: no check was made", hint=NO_FINDINGS)
        elif self._mode == "remediate" and "plan" not in self._kinds:
            self.error("no_plan", "Acting on what was approved: nothing was planned or done", hint=NO_PLAN)

    def _record_failures(self, host: str, counts: Mapping[str, int]) -> None:
        """A host stops at a failure that nobody rescues, so the last ones are those that count."""
        failures = self._failures.get(host, _Failures())
        for code, seen, count in (
            ("step_failed", failures.failed, counts.get("failures", 0)),
            ("unreachable", failures.unreachable, counts.get("unreachable", 0)),
        ):
            for step, message in seen[-count:] if count else ():
                if message in self._said:  # the step has recorded it as an error of its own kind
                    continue
                cause = message or "it gave no reason"
                self.error(code, f"Running the step {step.name!r} on {host}: {cause}", component=host)
