# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge by another look whether what was given back is there, and record the verdicts."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.action.rollback_plan import seen
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_acting import verdicts
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import RecordingAction, now, remembered


class ActionModule(RecordingAction):
    """See the documentation of the module ``rollback_verify``."""

    argument_spec: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - read only

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - contract
        """Hand a verdict for every step that was taken to the journal."""
        steps = [item["step"] for item in remembered(task_vars, "runbook_rollback")]
        acted = {item["key"]: item["status"] for item in remembered(task_vars, "runbook_rollback_acted")}
        incident = os.environ.get("RUNBOOK_INCIDENT", "")
        found = [{**verdict, "at": now()} for verdict in verdicts(steps, acted, seen(task_vars), incident)]
        return {
            "records": [{"type": "verification", "data": verdict} for verdict in found],
            "verification": found,
        }
