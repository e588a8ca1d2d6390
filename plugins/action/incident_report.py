# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the report of the incident that this run belongs to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import incident_dir
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    is_recorded,
    now,
    run_id,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_files import (
    REPORTS,
    read_incident,
    write_reports,
)


class ActionModule(RecordingAction):
    """See the documentation of the module ``incident_report``."""

    argument_spec = {}  # noqa: RUF012 - read only

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - contract
        """Fold the journal as it is now, write every form, and note in the journal what was written."""
        incident = os.environ.get("RUNBOOK_INCIDENT")
        if not incident or not is_recorded():
            raise IncidentsError(
                "Writing the incident report: this run is not recorded; "
                "run brandconnect.incidents.post_incident with -e incident=ID and the callback enabled"
            )
        directory = incident_dir(incident)
        record = read_incident(directory, current_run=run_id() or None)
        said = {
            "incident": {key: record[key] for key in ("outcome", "report_due_at", "post_mortem_due_at", "unassigned")},
            "gaps": record["gaps"],
        }
        if self._task.check_mode:
            return {**said, "changed": False, "files": [{"path": str(directory / name)} for name in REPORTS]}
        files = write_reports(directory, record)
        inside = [{**file, "path": Path(file["path"]).name} for file in files]
        notice = {
            "code": "report_written",
            "message": f"The incident report was written: {', '.join(file['path'] for file in inside)}",
            "component": None,
            "files": inside,
            "at": now(),
        }
        return {**said, "changed": True, "files": files, "record": {"type": "notice", "data": notice}}
