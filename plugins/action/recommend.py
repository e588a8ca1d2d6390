# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which of the runbook's remediations the findings of this run recommend."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import recommend
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import incident_dir
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    is_recorded,
    remembered,
    run_id,
)


def _incident() -> dict[str, str | None]:
    """The incident of this run and where it is kept, for what preserves evidence; ``None`` where nothing records."""
    incident = os.environ.get("RUNBOOK_INCIDENT") if is_recorded() else None
    return {"id": incident, "directory": str(incident_dir(incident)) if incident else None}


def all_findings(task_vars: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the findings of this run, over all hosts of the inventory."""
    return [finding for host in task_vars["hostvars"].values() for finding in remembered(host, "runbook_findings")]


class ActionModule(RecordingAction):
    """See the documentation of the module ``recommend``."""

    argument_spec = {  # noqa: RUF012 - read only
        "remediations": {"type": "list", "elements": "dict", "required": True},
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Publish the choice for the previews and the plan."""
        choice = recommend(arguments["remediations"], all_findings(task_vars))
        return {
            "recommended": [entry["id"] for entry in choice if entry["status"] == "recommended"],
            "ansible_facts": {
                "runbook_choice": [{**entry, "run_id": run_id()} for entry in choice],
                "runbook_previews": [],
                "runbook_plan": [],
                "runbook_incident": _incident(),
            },
        }
