# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""One environment, one acting run of an incident type: a lock on a file below ``<home>/locks/``.

The lock of an incident does not do: two runs that are started at once open two incidents. Across machines a
Lease in the cluster does the same.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import FileLock, this_process

FOLDER = "locks"
_DIGITS = 12
_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


class ActingLock(FileLock):
    """The right to act on one environment for one incident type; a context.

    Args:
        home: the state directory.
        kind: the incident type.
        scope: what is acted on, as :func:`scope_of` says.
        run_id: the run that takes it.
        incident_id: the incident that the run belongs to.
        operator: who runs it.

    Raises:
        IncidentLockedError: another run acts.
        IncidentsError: the lock file cannot be used.
    """

    def __init__(self, home: Path, kind: str, scope: str, *, run_id: str, incident_id: str, operator: str) -> None:
        folder = home / FOLDER
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise IncidentsError(f"Making the directory {folder}: {error.strerror}; check RUNBOOK_HOME") from error
        holder = {**this_process(run_id, operator), "incident_id": incident_id}
        attempt = f"Acting on {kind} in {scope}"
        super().__init__(folder / f"{kind}@{_file_name(scope)}.lock", holder, attempt=attempt, held="another run acts")


def scope_of(environment: str | None, inventory: Iterable[str]) -> str:
    """Return what a run acts on: the environment's name, else the inventory that describes it.

    Args:
        environment: the variable ``runbook_environment``.
        inventory: the inventory sources, paths or lists of hosts; their order does not matter.
    """
    if environment:
        return environment.strip().casefold()
    sources = sorted({os.path.realpath(source) if os.path.exists(source) else source for source in inventory})  # noqa: PTH110 - a list of hosts is no path
    return f"the inventory {', '.join(sources)}"


def _file_name(scope: str) -> str:
    if _PLAIN.fullmatch(scope):
        return scope
    return f"x-{hashlib.sha256(scope.encode()).hexdigest()[:_DIGITS]}"
