# SPDX-License-Identifier: GPL-3.0-or-later
"""Record that one step was given back; in check mode, publish what was seen for the plan and the verification."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_acting import STOPS, action_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    now,
    remembered,
    run_id,
)

Json = dict[str, Any]


class ActionModule(RecordingAction):
    """See the documentation of the module ``rollback_step``."""

    argument_spec = {  # noqa: RUF012 - read only
        "step": {"type": "str", "required": True},
        "results": {"type": "list", "elements": "dict", "default": []},
    }

    def record(self, arguments: Json, task_vars: Json) -> Json:
        """Publish what was seen, or hand the action to the journal."""
        key = arguments["step"]
        results = [result for result in arguments["results"] if not result.get("skipped")]
        if self._task.check_mode:
            others = [item for item in remembered(task_vars, "runbook_rollback_seen") if item["key"] != key]
            seen = {"key": key, "results": results, "run_id": run_id()}
            return {"ansible_facts": {"runbook_rollback_seen": [*others, seen]}}
        planned = {item["judged"]["key"]: item["judged"] for item in remembered(task_vars, "runbook_rollback_judged")}
        if key not in planned:
            raise IncidentsError(f"Recording the rollback of {key!r}: this run has not planned it; call rollback_plan")
        action = action_of(planned[key], results)
        started = [result["started_at"] for result in results if result.get("started_at")]
        action |= {"started_at": min(started, default=None), "ended_at": now()}
        acted = {"key": key, "status": action["status"], "stops": action["status"] in STOPS, "run_id": run_id()}
        return {
            "record": {"type": "action", "data": action},
            "action_status": action["status"],
            "ansible_facts": {
                "runbook_rollback_acted": [*remembered(task_vars, "runbook_rollback_acted"), acted],
            },
        }
