# SPDX-License-Identifier: GPL-3.0-or-later
"""Fix the plan with real targets, decide which approved remediations run, and record both."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.action.recommend import all_findings
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval import (
    Approval,
    Decision,
    decide_run,
    with_approval,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import make_plan
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.approval_reading import ApprovalError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.approvals import given_approval, recorded_plans
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    is_recorded,
    remembered,
    run_id,
)

Json = dict[str, Any]

NOT_RECORDED = (
    "Acting on what was approved: nothing records this run, so nothing is done; "
    "add brandconnect.incidents.journal to callbacks_enabled in ansible.cfg"
)


class ActionModule(RecordingAction):
    """See the documentation of the module ``plan``."""

    argument_spec = {  # noqa: RUF012 - read only
        "mode": {"type": "str", "choices": ["diagnose", "remediate"], "required": True},
        "approved": {"type": "list", "elements": "str", "default": []},
        "plan_digest": {"type": "str"},
        "second_approver": {"type": "str"},
        "reason": {"type": "str"},
        "source": {"type": "str", "choices": ["options", "prompt"], "default": "options"},
        "approval": {"type": "path"},
        "environment": {"type": "str"},
    }

    def record(self, arguments: Json, task_vars: Json) -> Json:
        """Record the plan and every refusal; publish what is to run with its targets."""
        previews = {preview["id"]: preview for preview in remembered(task_vars, "runbook_previews")}
        choice = [
            {key: value for key, value in entry.items() if key != "run_id"}
            for entry in remembered(task_vars, "runbook_choice")
        ]
        plan = {**make_plan(choice, previews), "environment": arguments["environment"]}
        decision = Decision()
        if arguments["mode"] == "remediate":
            plan, decision = self._decided(plan, arguments, task_vars)
        to_run = decision.to_run
        targets = {entry["id"]: entry["targets"] for entry in plan["remediations"]}
        return {
            "records": [
                {"type": "plan", "data": plan},
                *({"type": "notice", "data": {"component": None, **notice}} for notice in decision.notices),
                *({"type": "error", "data": _refused(refusal)} for refusal in decision.refusals),
            ],
            "digest": plan["digest"],
            "to_run": to_run,
            "ansible_facts": {"runbook_plan": [{"to_run": to_run, "targets": targets, "run_id": run_id()}]},
        }

    def _decided(self, plan: Json, arguments: Json, task_vars: Json) -> tuple[Json, Decision]:
        """Return the plan with what was approved of it, and what runs; in check mode nothing does."""
        check_mode = bool(self._task.check_mode)
        given = bool(arguments["approved"] or arguments["approval"])
        if given and not check_mode and not is_recorded():
            raise IncidentsError(NOT_RECORDED)
        incident = os.environ.get("RUNBOOK_INCIDENT") if is_recorded() else None
        try:
            approval = given_approval(arguments, incident)
        except ApprovalError as error:
            refusal = {"code": error.code, "remediation": None, "message": error.message, "hint": error.hint}
            decision = Decision(refusals=[{**refusal, "whole": True}])
        else:
            plan = with_approval(plan, approval)
            needs_earlier = approval.digest not in (None, plan["digest"])
            earlier = recorded_plans(incident) if needs_earlier else []
            decision = decide_run(plan, approval, all_findings(task_vars), earlier)
            decision.notices = [*_accepted(arguments["approval"], approval, decision), *decision.notices]
        return plan, _only_said(decision, given) if check_mode else decision


def _accepted(path: str | None, approval: Approval, decision: Decision) -> list[Json]:
    """Say that an approval file was used, and what it says."""
    if not path or not decision.to_run:
        return []
    said = f": {approval.reason}" if approval.reason else ""
    message = (
        f"Accepting the approval file {path}: {approval.decided_by} approved {', '.join(decision.to_run)} "
        f"at {approval.decided_at}{said}"
    )
    return [{"code": "approval_accepted", "message": message}]


def _only_said(decision: Decision, given: bool) -> Decision:
    """Return what check mode makes of a decision: nothing runs, and nobody has to have approved anything yet."""
    usage = [refusal for refusal in decision.refusals if refusal["code"] == "usage"]
    others = [_refused(refusal)["message"] for refusal in decision.refusals if given and refusal not in usage]
    would = [{"code": "would_be_refused", "message": f"Would be refused: {message}"} for message in others]
    return Decision(refusals=usage, notices=[*decision.notices, *would])


def _refused(refusal: Json) -> Json:
    name = refusal["remediation"]
    what = f"Running the remediation {name}" if name else "Acting"
    message = refusal["message"] if refusal.get("whole") else f"{what}: {refusal['message']}"
    kept: Json = {key: refusal[key] for key in ("code", "hint", "difference") if key in refusal}
    return {**kept, "message": message, "component": None}
