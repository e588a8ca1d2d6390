# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module audit_scope in process; a list of people goes into the incident's directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.modules.audit_scope import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import POSTGRES
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import incident_dir
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import is_recorded


class ActionModule(InProcessAction):
    """See the documentation of the module ``audit_scope``."""

    spec = SPEC
    system = POSTGRES

    def _arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """A diagnosis does not know yet where its incident is kept: a mere name is a file there."""
        given = super()._arguments(task_vars)
        name = str(given.get("affected_file") or "")
        if name and Path(name).name == name and is_recorded():
            given["affected_file"] = str(incident_dir(os.environ["RUNBOOK_INCIDENT"]) / name)
        return given
