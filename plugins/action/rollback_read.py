# SPDX-License-Identifier: GPL-3.0-or-later
"""Read from the incident's journal what its runs changed."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_steps import steps_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import incident_dir
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import FILE_NAME, read_journal
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    is_recorded,
    run_id,
)

NOT_RECORDED = (
    "Rolling back: nothing records this run, so nothing is done; "
    "add brandconnect.incidents.journal to callbacks_enabled in ansible.cfg"
)


class ActionModule(RecordingAction):
    """See the documentation of the module ``rollback_read``."""

    argument_spec = {  # noqa: RUF012 - read only
        "remediations": {"type": "list", "elements": "dict", "required": True},
        "only": {"type": "list", "elements": "str", "default": []},
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - contract
        """Publish the steps back; nothing is judged yet."""
        incident = os.environ.get("RUNBOOK_INCIDENT")
        if not incident or not is_recorded():
            raise IncidentsError(NOT_RECORDED)
        known = {str(entry["id"]) for entry in arguments["remediations"]}
        strange = sorted(set(arguments["only"]) - known)
        if strange:
            raise IncidentsError(
                f"Rolling back only {strange[0]!r}: there is no such remediation; known: {', '.join(sorted(known))}"
            )
        journal = read_journal(incident_dir(incident) / FILE_NAME)
        own = run_id()
        earlier = [record for record in journal.records if record["run_id"] != own]
        steps = steps_of(earlier, arguments["remediations"], arguments["only"])
        damage = journal.damage
        for step in steps:
            step["incident"] = incident
            if damage:
                step["why_not"] = step["why_not"] or f"the journal cannot be trusted: {damage[0]}"
        return {
            "incident": incident,
            "steps": [step for step in steps if step["why_not"] is None],
            "ansible_facts": {
                "runbook_rollback": [{"step": step, "run_id": own} for step in steps],
                "runbook_rollback_seen": [],
                "runbook_rollback_acted": [],
                "runbook_rollback_damage": [{"problem": problem, "run_id": own} for problem in damage],
            },
        }
