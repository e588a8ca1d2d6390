# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what was left with what is there now, fix the plan of a rollback, and record both."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.restoring import MOVED_ON
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback import (
    compare,
    finding_of,
    needing_digest,
    obstacles,
    plan_of,
    to_restore,
    workloads,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    now,
    remembered,
    run_id,
)

Json = dict[str, Any]
SHORTEST_DIGEST = 12
HINT = "look at the differences; --only ID, or the variable only, gives back what is not concerned"


class ActionModule(RecordingAction):
    """See the documentation of the module ``rollback_plan``."""

    argument_spec = {  # noqa: RUF012 - read only
        "digest": {"type": "str"},
    }

    def record(self, arguments: Json, task_vars: Json) -> Json:
        """Record findings, plan and refusals; publish which steps are to be taken."""
        judged = judged_steps(task_vars)
        acting = not self._task.check_mode
        damage = remembered(task_vars, "runbook_rollback_damage")
        refusals = _refusals(judged, damage)
        wanted = plan_of(judged, approved=False)
        refusals += _other_plan(arguments["digest"], wanted)
        if acting and not arguments["digest"]:
            refusals += _not_looked_at(judged, wanted)
        to_run = to_restore(judged) if acting and not refusals else []
        plan = plan_of(judged, approved=bool(to_run))
        findings = [finding_of(each) | {"at": now()} for each in judged] or [_nothing(damaged=bool(damage))]
        return {
            "records": [
                *({"type": "finding", "data": finding} for finding in findings),
                {"type": "plan", "data": plan},
                # of a record that is not whole nothing can be shown either
                *(_refusal(refusal, acting=acting or bool(damage)) for refusal in refusals),
            ],
            "digest": plan["digest"],
            "to_run": to_run,
            "workloads": workloads(judged, to_run),
            "ansible_facts": {
                "runbook_rollback_judged": [{"judged": each, "run_id": run_id()} for each in judged],
                "runbook_plan": [{"to_run": to_run, "targets": {}, "run_id": run_id()}],
            },
        }


def judged_steps(task_vars: Json) -> list[Json]:
    """Return the steps of this run, judged by what was seen last."""
    steps = [item["step"] for item in remembered(task_vars, "runbook_rollback")]
    return compare(steps, seen(task_vars), os.environ.get("RUNBOOK_INCIDENT", ""))


def seen(task_vars: Json) -> dict[str, list[Json]]:
    """Return what the modules said last in check mode, by the step's key."""
    return {item["key"]: item["results"] for item in remembered(task_vars, "runbook_rollback_seen")}


def _refusals(judged: list[Json], damage: list[Json]) -> list[Json]:
    if damage:
        text = f"the journal cannot be trusted: {damage[0]['problem']}"
        return [{"code": "refused", "message": f"Rolling back: {text}", "hint": "runbook verify says what is damaged"}]
    in_the_way = obstacles(judged)
    return [
        {
            "code": "refused",
            "message": f"Rolling back {each['id']} of {each['run_id']}: {each['reason']}",
            "hint": HINT,
            "difference": each["differences"],
        }
        for each in in_the_way
        if each["verdict"] == MOVED_ON
    ]


def _other_plan(wanted: str | None, plan: Json) -> list[Json]:
    if not wanted or (len(wanted) >= SHORTEST_DIGEST and plan["digest"].startswith(wanted)):
        return []
    text = f"Rolling back by the plan {wanted[:SHORTEST_DIGEST]}: it is {plan['digest'][:SHORTEST_DIGEST]} now"
    return [{"code": "plan_changed", "message": text, "hint": "look at the plan again"}]


def _not_looked_at(judged: list[Json], plan: Json) -> list[Json]:
    """What keeps an attacker or a colleague off is given back as deliberately as it was done."""
    return [
        {
            "code": "refused",
            "message": f"Rolling back {each['id']} of {each['run_id']}: its risk is {each['risk']}: "
            "the digest of the plan is needed",
            "hint": f"after reviewing what it would give back: --plan-digest {plan['digest'][:SHORTEST_DIGEST]}",
        }
        for each in needing_digest(judged)
    ]


def _refusal(refusal: Json, *, acting: bool) -> Json:
    if acting:
        return {"type": "error", "data": {"component": None, **refusal}}
    message = f"Would be refused: {refusal['message']}"
    return {"type": "notice", "data": {"code": "would_be_refused", "message": message, "component": None}}


def _nothing(*, damaged: bool) -> Json:
    summary = "no run of this incident did anything of what is to be rolled back"
    return {
        "check": "rollback",
        "component": "rollback",
        "required": True,
        "status": "unknown" if damaged else "ok",
        "cause": "journal_damaged" if damaged else None,
        "summary": "what its runs did is not known: the journal is damaged" if damaged else summary,
        "recommend": [],
        "data": {},
        "at": now(),
    }
