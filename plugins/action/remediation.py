# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what a remediation did; in check mode, publish what it would do for the plan."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    now,
    remembered,
    run_id,
)

Json = dict[str, Any]

REVIEW_AFTER_S = 24 * 3600  # unless the runbook's header says otherwise
LONGEST_CHANGES = 200
ACTED = ("done", "partial", "nothing_to_do", "skipped", "refused", "failed", "unknown")


class ActionModule(RecordingAction):
    """See the documentation of the module ``remediation``."""

    argument_spec = {  # noqa: RUF012 - read only
        "id": {"type": "str", "required": True},
        "status": {"type": "str", "choices": ["planned", *ACTED], "required": True},
        "changed": {"type": "bool", "default": False},
        "reason": {"type": "str"},
        "targets": {"type": "list", "elements": "dict", "default": []},
        "excluded": {"type": "list", "elements": "dict", "default": []},
        "before": {"type": "dict", "default": {}},
        "after": {"type": "dict", "default": {}},
        "results": {"type": "list", "elements": "dict", "default": []},
        "preview": {"type": "dict", "default": {}},
        "started_at": {"type": "str"},
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Publish the preview, or hand the action to the journal."""
        name = arguments["id"]
        entry = next((item for item in remembered(task_vars, "runbook_choice") if item["id"] == name), None)
        if entry is None:
            raise IncidentsError(f"Recording the remediation {name!r}: this run has not considered it; call recommend")
        if self._task.check_mode:
            return self._preview(arguments, task_vars)
        action = {
            **{key: entry[key] for key in ("id", "title", "risk")},
            **{key: arguments[key] for key in ("status", "changed", "reason", "targets", "before", "after", "results")},
            "started_at": arguments["started_at"],
            "ended_at": now(),
            "can_roll_back": entry.get("can_roll_back") is True,
        }
        records = [{"type": "action", "data": action}]
        if action["can_roll_back"] and action["changed"]:  # also where it failed half-way
            records.append({"type": "follow_up", "data": _review(action, entry.get("review_after_s"))})
        return {"records": records, "action_status": action["status"]}

    def _preview(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        preview = {key: arguments[key] for key in ("id", "status", "reason", "targets", "excluded", "preview")}
        if arguments["status"] == "failed":
            preview["error"] = arguments["reason"]
        previews = [*remembered(task_vars, "runbook_previews"), {**preview, "run_id": run_id()}]
        return {"ansible_facts": {"runbook_previews": previews}}


def _review(action: Json, after_s: int | None) -> Json:
    """Somebody has to decide about what was changed in a hurry, or it stays for good."""
    due = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=after_s or REVIEW_AFTER_S)
    incident = os.environ.get("RUNBOOK_INCIDENT", "INCIDENT")
    command = f"runbook rollback {incident} --only {action['id']}"
    return {
        "title": f"Decide whether {_changed(action)} stays, or roll it back: {command}",
        "due": rfc3339(due),
        "source": "temporary_change",
        "remediation": action["id"],
    }


def _changed(action: Json) -> str:
    changes = [change for target in action["targets"] for change in target.get("changes") or [] if "name" in change]
    said = ", ".join(f"{change['name']}={change['new']}" for change in changes if change.get("new") is not None)
    return said[:LONGEST_CHANGES] or f"what {action['id']} did"
