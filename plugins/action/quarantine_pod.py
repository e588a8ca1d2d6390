# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module quarantine_pod in process, for the operator of this run."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.modules.quarantine_pod import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import preload  # noqa: F401
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import KUBERNETES
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import is_recorded


class ActionModule(InProcessAction):
    """See the documentation of the module ``quarantine_pod``."""

    spec = SPEC
    system = KUBERNETES

    def _arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        operator = os.environ.get("RUNBOOK_OPERATOR") if is_recorded() else None
        return {**({"held_by": operator} if operator else {}), **super()._arguments(task_vars)}
