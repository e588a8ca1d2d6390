# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module revoke_sessions in process, for the operator of this run."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.modules.revoke_sessions import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import POSTGRES, REDIS
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import is_recorded, run_id


class ActionModule(InProcessAction):
    """See the documentation of the module ``revoke_sessions``."""

    spec = SPEC
    system = (POSTGRES, REDIS)

    def _arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        known = {"custodian": os.environ.get("RUNBOOK_OPERATOR"), "run_id": run_id()} if is_recorded() else {}
        return {**{name: value for name, value in known.items() if value}, **super()._arguments(task_vars)}
