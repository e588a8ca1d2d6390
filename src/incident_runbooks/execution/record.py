# SPDX-License-Identifier: GPL-3.0-or-later
"""What the wrapper records and reads: that a run was cut off or never began, and the result at its end."""

from __future__ import annotations

import contextlib
import getpass
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import IncidentLock
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import (
    FILE_NAME,
    JournalWriter,
    parse_record,
    read_journal,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_end import note_what_is_missing
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import Redactor
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction_secrets import secret_values
from incident_runbooks import __version__, schemas
from incident_runbooks.errors import UsageError
from incident_runbooks.execution.ended import Ended
from incident_runbooks.execution.output import explain
from incident_runbooks.execution.request import Case, RunRequest

_NEWEST = 5


def existing(incident_id: str, home: Path | None = None) -> Path:
    """Return the directory of an incident that was recorded.

    Raises:
        UsageError: there is none of that id; the hint names the newest ones.
    """
    try:
        path = incidents.incident_dir(incident_id, home)
        if (path / FILE_NAME).is_file():
            return path
        message = f"Looking for the incident {incident_id}: there is none in {path.parent}"
    except IncidentsError as error:
        message = error.message
    recorded = [incident.id for incident in incidents.list_incidents(home) if incident.journal.is_file()]
    newest = ", ".join(recorded[:_NEWEST])
    raise UsageError(message, hint=f"the newest are: {newest}" if newest else "no incident was recorded so far")


def continued(incident_id: str, kind: str, home: Path | None = None) -> Path:
    """Return the directory of an incident that a run of the type *kind* may continue.

    Raises:
        UsageError: there is none of that id, or it is of another type.
    """
    path = existing(incident_id, home)
    recorded = incidents.type_of(incident_id)
    if recorded != kind:
        raise UsageError(
            f"Continuing the incident {incident_id} as {kind}: it is of another type",
            hint=f"runbook run {recorded} --incident {incident_id}",
        )
    return path


def operator() -> str:
    """Return who runs this: RUNBOOK_OPERATOR, or the login name."""
    try:
        return os.environ.get("RUNBOOK_OPERATOR") or getpass.getuser()
    except (KeyError, OSError, ImportError):  # a uid without a name
        return f"uid {os.getuid()}"


class Follower:
    """Hands on each record of the run as it appears in the journal: redacted, and from this collection only."""

    def __init__(self, case: Case, on_event: Callable[[Mapping[str, Any]], None] | None) -> None:
        self._case = case
        self._on_event = on_event
        self._offset = case.journal.stat().st_size if case.journal.exists() else 0

    def follow(self) -> None:
        """Hand on what is new; a listener that fails, or a journal that is not there, does not disturb the run."""
        if self._on_event is None:
            return
        with contextlib.suppress(OSError), self._case.journal.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.splitlines():
                record = parse_record(line)
                if record and record["run_id"] == self._case.run_id:
                    with contextlib.suppress(Exception):
                        self._on_event(record)


def complete(request: RunRequest, case: Case, ended: Ended, after_s: float) -> None:
    """Record what the run itself could not record any more: that it was cut off, or that it never began."""
    records = read_journal(case.journal).records if case.journal.exists() else []
    types = {record["type"] for record in records if record["run_id"] == case.run_id}
    if "run_ended" in types:
        return
    redactor = Redactor(secret_values(os.environ))
    with (
        IncidentLock(case.path, run_id=case.run_id, operator=operator()),
        JournalWriter(case.journal, case.run_id, redactor=redactor) as writer,
    ):
        note_what_is_missing(writer)
        if "run_started" not in types:
            writer.append("run_started", _run_started(request, case))
        if ended.survivors:
            writer.append("error", _error("internal", f"Stopping the run: still alive: {', '.join(ended.survivors)}"))
        if ended.reason or "run_started" in types:
            reason = ended.reason or ("killed" if ended.exit_status is None else "lost")
            writer.append("run_interrupted", {"reason": reason, "after_s": round(after_s, 3)}, durable=True)
        else:
            writer.append("error", _never_began(request, ended, redactor))
            writer.append("run_ended", {"hosts": {}}, durable=True)


def _never_began(request: RunRequest, ended: Ended, redactor: Redactor) -> dict[str, Any]:
    why = explain(ended.output, redactor.text, request.inventory, verbose=request.verbosity > 0)
    return _error(why.code, f"Running {request.playbook_name} on {', '.join(request.inventory)}: {why.cause}", why.hint)


def _error(code: str, message: str, hint: str | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "hint": hint, "component": None}


def _run_started(request: RunRequest, case: Case) -> dict[str, Any]:
    kind = request.incident_type
    return {
        "incident": {
            "id": case.incident_id,
            "type": kind.name,
            **{key: getattr(kind, key) for key in ("title", "severity", "priority", "impact")},
        },
        "run": {
            "id": case.run_id,
            "mode": request.mode,
            "check_mode": request.check_mode,
            "operator": operator(),
            "inventory": list(request.inventory),
            "versions": {
                "incident_runbooks": __version__,
                "ansible_core": importlib.metadata.version("ansible-core"),
                "python": platform.python_version(),
            },
        },
        "sla": {"target_s": kind.sla_target_s},
    }


def result_of(case: Case) -> dict[str, Any]:
    """Fold the run's journal, validate the result, and keep it as ``result.json``."""
    result = fold(read_journal(case.journal).records, case.run_id, incident_id=case.incident_id)
    problems = schemas.validate("result", result)
    if problems:  # our own mistake: said, and the data is kept
        message = f"Validating the result of {case.run_id}: {'; '.join(problems)}"
        result["errors"].append({**_error("internal", message, "report it"), "at": None})
        result["outcome"] = "failed"
    incidents.write_private(case.path / incidents.RESULT_NAME, json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result
