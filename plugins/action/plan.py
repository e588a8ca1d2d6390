# SPDX-License-Identifier: GPL-3.0-or-later
"""Fix the plan with real targets, decide which approved remediations run, and record both."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.action.recommend import all_findings
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import decide_run, make_plan
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    is_recorded,
    remembered,
    run_id,
)

NOT_RECORDED = (
    "Acting on what was approved: nothing records this run, so nothing is done; "
    "add brandconnect.incidents.journal to callbacks_enabled in ansible.cfg"
)


class ActionModule(RecordingAction):
    """See the documentation of the module ``plan``."""

    argument_spec = {  # noqa: RUF012 - read only
        "mode": {"type": "str", "choices": ["diagnose", "remediate"], "required": True},
        "approved": {"type": "list", "elements": "str", "default": []},
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Record the plan and every refusal; publish what is to run with its targets."""
        approved = arguments["approved"]
        previews = {preview["id"]: preview for preview in remembered(task_vars, "runbook_previews")}
        choice = [
            {key: value for key, value in entry.items() if key != "run_id"}
            for entry in remembered(task_vars, "runbook_choice")
        ]
        plan = make_plan(choice, previews, approved)
        records = [{"type": "plan", "data": plan}]
        to_run: list[str] = []
        if arguments["mode"] == "remediate" and not self._task.check_mode:
            if approved and not is_recorded():
                raise IncidentsError(NOT_RECORDED)
            to_run, refusals = decide_run(plan, approved, all_findings(task_vars))
            records += [{"type": "error", "data": _refused(refusal)} for refusal in refusals]
        targets = {entry["id"]: entry["targets"] for entry in plan["remediations"]}
        return {
            "records": records,
            "digest": plan["digest"],
            "to_run": to_run,
            "ansible_facts": {"runbook_plan": [{"to_run": to_run, "targets": targets, "run_id": run_id()}]},
        }


def _refused(refusal: dict[str, Any]) -> dict[str, Any]:
    name = refusal["remediation"]
    what = f"Running the remediation {name}" if name else "Acting"
    hint = None if name else "approve by id: --approve ID, or the variable approved with ansible-playbook"
    return {"code": "refused", "message": f"{what}: {refusal['message']}", "hint": hint, "component": None}
