# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse to act on what no plan of this run allows, and on workloads while a data breach is examined."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.interlock import objection
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import list_incidents, type_of
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import who
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import RecordingAction, remembered


class ActionModule(RecordingAction):
    """See the documentation of the module ``interlock``."""

    argument_spec = {  # noqa: RUF012 - read only
        "to_run": {"type": "list", "elements": "str", "required": True},
        "workloads": {"type": "list", "elements": "dict", "required": True},
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return that nothing speaks against acting, or fail."""
        incident = os.environ.get("RUNBOOK_INCIDENT")
        kind = type_of(incident) if incident else ""
        under_way = [
            {"id": each.id, "type": each.type, "who": who(each.holder)} for each in list_incidents() if each.holder
        ]
        allowed = [name for plan in remembered(task_vars, "runbook_plan") for name in plan["to_run"]]
        beyond = [name for name in arguments["to_run"] if name not in allowed]
        # an extra variable wins over what the plan has registered, so what it decided is asked of the run's own fact
        reason = f"Acting: {', '.join(beyond)} is not what the plan of this run allows" if beyond else None
        reason = reason or objection(kind, arguments["workloads"], under_way)
        if reason is None or self._task.check_mode:
            notice = {"code": "would_be_refused", "message": f"Would be refused: {reason}", "component": None}
            return {"reason": reason, "records": [{"type": "notice", "data": notice}] if reason else []}
        data = {"code": "refused", "message": reason, "hint": None, "component": None}
        raise IncidentsError(reason, records=[{"type": "error", "data": data}])
