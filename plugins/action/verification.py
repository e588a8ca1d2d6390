# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge by first-match rules whether an incident is over, and record the verdict."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import RecordingAction, now
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.rules import RuleSet

VERIFICATION = RuleSet(
    statuses=frozenset({"resolved", "unresolved", "unverified"}),
    keys=frozenset({"status", "cause", "summary", "next_step"}),
    unknown="unverified",
    default="resolved",
)


class ActionModule(RecordingAction):
    """See the documentation of the module ``verification``."""

    lazy = frozenset({"rules", "otherwise"})
    argument_spec = {  # noqa: RUF012 - read only
        "check": {"type": "str", "required": True},
        "rules": {"type": "raw", "required": True},
        "otherwise": {"type": "raw", "required": True},
        "baseline": {"type": "dict", "default": {}},
        "target": {"type": "dict", "default": {}},
        "samples": {"type": "list", "elements": "dict", "default": []},
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - contract
        """Judge, and hand the verdict to the journal."""
        said = VERIFICATION.judge(self._templar, arguments["rules"], arguments["otherwise"])
        verdict = {
            "check": arguments["check"],
            "cause": None,
            **said,
            "baseline": arguments["baseline"],
            "target": arguments["target"],
            "samples": arguments["samples"],
            "at": now(),
        }
        return {"record": {"type": "verification", "data": verdict}, "verification": verdict}
