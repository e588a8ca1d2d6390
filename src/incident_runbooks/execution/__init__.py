# SPDX-License-Identifier: GPL-3.0-or-later
"""Run an incident type's playbook to its end, and return the result document folded from its journal."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import (
    IncidentLockedError,
    holder_of,
)
from incident_runbooks import collection, environment, inventory
from incident_runbooks.errors import LockedError, RunbookError, UsageError
from incident_runbooks.execution.ansible import Playbook, StopSignals, run_playbook
from incident_runbooks.execution.private import private_directory, short_directory
from incident_runbooks.execution.record import Follower, complete, continued, result_of
from incident_runbooks.execution.request import Approvals, Case, RunRequest
from incident_runbooks.processes import ProcessTree
from incident_runbooks.working_directory import working_directory

__all__ = ["Approvals", "RunRequest", "execute"]


def execute(request: RunRequest, home: Path | None = None) -> dict[str, Any]:
    """Run it and return the result document, whatever became of the run.

    A run that was stopped or crashed has the outcome ``unknown``; one that Ansible refused to begin is
    recorded as ``failed``.

    Args:
        home: where it is recorded; RUNBOOK_HOME unless given.

    Raises:
        UsageError: there is no incident of the id, or it is of another type; the ansible.cfg in force is malformed.
        LockedError: another run holds the incident.
        RunbookError: the incident cannot be recorded.
    """
    started = time.monotonic()
    cwd = working_directory()
    config = inventory.ansible_config(os.environ, cwd)  # before anything is opened: it may be malformed
    with _translated(), StopSignals() as signals, _open_case(request, home or incidents.home()) as case:
        follower = Follower(case, request.on_event)
        with private_directory(case.home, case.run_id) as private, ProcessTree(case.run_id) as tree:
            playbook = _playbook(request, case, private, config, cwd)
            ended = run_playbook(playbook, tree, started + request.limit_s, signals, follower.follow)
        complete(request, case, ended, time.monotonic() - started)
        follower.follow()
        return result_of(case)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IncidentLockedError as error:
        raise LockedError(error.message) from error
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        text = f"Running the incident in RUNBOOK_HOME{where}: {error.strerror or error}"
        if incidents.cannot_be_used(error) and str(error.filename).startswith(str(incidents.home())):
            raise UsageError(text, hint="check RUNBOOK_HOME") from error
        raise RunbookError(text) from error


@contextlib.contextmanager
def _open_case(request: RunRequest, home: Path) -> Iterator[Case]:
    """Open the case; the directory of a new one in which nothing was recorded goes away again."""
    case = _case(request, home)
    try:
        yield case
    finally:
        if request.incident_id is None and not case.journal.exists():
            with contextlib.suppress(OSError):  # not empty: something was kept
                case.path.rmdir()


def _case(request: RunRequest, home: Path) -> Case:
    kind = request.incident_type.name
    if request.incident_id is None:
        incident_id, path = incidents.new_incident(kind, home)
    else:
        incident_id, path = request.incident_id, continued(request.incident_id, kind, home)
        if holder := holder_of(path):
            who = ", ".join(f"{key} {holder[key]}" for key in ("pid", "operator", "since") if key in holder)
            raise LockedError(
                f"Continuing the incident {incident_id}: another run holds it ({who})", hint="wait for it"
            )
    return Case(home, incident_id, path, incidents.new_run_id())


def _playbook(request: RunRequest, case: Case, private: Path, config: inventory.AnsibleConfig, cwd: Path) -> Playbook:
    empty = private / "ansible.cfg"
    empty.touch(mode=0o600)
    forced = environment.forced(
        private=private,
        short=short_directory(private),
        config=config.path or empty,
        collections=[
            str(collection.collections_path()),
            *inventory.collections_in_force(config, os.environ, cwd),
        ],
        callbacks=inventory.callbacks_in_force(config, os.environ),
        incident=case.incident_id,
        run_id=case.run_id,
        home=case.home,
    )
    return Playbook(
        name=request.playbook_name,
        inventory=request.inventory,
        extra_vars=request.variables,
        check_mode=request.check_mode,
        environment={**environment.allowed(os.environ), **forced},
        private=private,
    )
