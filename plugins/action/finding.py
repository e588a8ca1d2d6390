# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what a check returned by first-match rules and record the finding."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    now,
    remembered,
    run_id,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.rules import RuleSet

# Ansible's own words in front of why the arguments of a task could not be had
WRAPPING = re.compile(
    r"^(Task failed: )?(Finalization of task args for '[^']*' failed: )?"
    r"(Error while resolving value for '(?P<option>\w+)': )?"
)

FINDING = RuleSet(
    statuses=frozenset({"ok", "degraded", "down", "unknown", "skipped"}),
    keys=frozenset({"status", "cause", "summary", "recommend", "next_step"}),
    unknown="unknown",
    default="ok",
)


class ActionModule(RecordingAction):
    """See the documentation of the module ``finding``."""

    lazy = frozenset({"rules", "otherwise"})
    argument_spec = {  # noqa: RUF012 - read only
        "check": {"type": "str", "required": True},
        "component": {"type": "str"},
        "required": {"type": "bool", "default": True},
        "rules": {"type": "raw", "default": []},
        "otherwise": {"type": "raw", "default": "nothing to report"},
        "error": {"type": "str"},
        "data": {"type": "dict", "default": {}},
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Judge, and hand the finding to the journal and to the plan."""
        if arguments["error"] is not None:
            said = {"status": "unknown", "cause": "check_failed", "summary": _reason(arguments["error"])}
        else:
            said = FINDING.judge(self._templar, arguments["rules"], arguments["otherwise"])
        finding = {
            "check": arguments["check"],
            "component": arguments["component"] or task_vars["inventory_hostname"],
            "required": arguments["required"],
            "cause": None,
            "recommend": [],
            **said,
            "data": arguments["data"],
            "at": now(),
        }
        findings = [*remembered(task_vars, "runbook_findings"), {**finding, "run_id": run_id()}]
        return {
            "record": {"type": "finding", "data": finding},
            "ansible_facts": {"runbook_findings": findings},
        }


def _reason(error: str) -> str:
    wrapping = WRAPPING.match(error)
    if not wrapping:
        return error
    option = f"{wrapping['option']}: " if wrapping["option"] else ""
    return option + error[wrapping.end() :]
