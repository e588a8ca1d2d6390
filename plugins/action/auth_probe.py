# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module auth_probe in process, with the directory in which it remembers the last login."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.modules.auth_probe import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import AUTH
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``auth_probe``."""

    spec = SPEC
    system = AUTH

    def _arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """As of every action; where it runs here, what is remembered is with what the runbooks remember."""
        given = super()._arguments(task_vars)
        if given.get("state_dir") or self._must_leave_the_process():
            return given
        return {**given, "state_dir": str(incidents.home())}
