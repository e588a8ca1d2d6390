# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module acting_lease in process, for this run, and keep the Lease while the run lasts."""

from __future__ import annotations

import os
import platform
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.lease import identity_of
from ansible_collections.brandconnect.incidents.plugins.modules.acting_lease import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import preload  # noqa: F401
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import KUBERNETES
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import type_of
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.lease_keeper import start_keeper
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import is_recorded, run_id

PREFIX = "incident-runbooks-"
TAKEN = frozenset({"acquired", "taken_over"})


class ActionModule(InProcessAction):
    """See the documentation of the module ``acting_lease``."""

    spec = SPEC
    system = KUBERNETES

    def _arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments = super()._arguments(task_vars)
        return {**_of_this_run(), **{name: value for name, value in arguments.items() if value is not None}}

    def _run_here(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result = super()._run_here(arguments, task_vars)
        if not result.get("held") or result["status"] not in TAKEN:
            return result
        params = ArgumentSpecValidator(self.spec.argument_spec).validate(arguments).validated_parameters
        try:
            start_keeper(params, os.getppid())
        except OSError as error:
            said = f"Starting the process that renews the Lease {params['name']}: {error.strerror}; nothing is done"
            result |= {"failed": True, "msg": said}
        return result


def _of_this_run() -> dict[str, str]:
    """The Lease and the holder, where the run is recorded."""
    incident = os.environ.get("RUNBOOK_INCIDENT", "")
    if not (incident and is_recorded()):
        return {}
    holder = identity_of(
        os.environ.get("RUNBOOK_OPERATOR", "unknown"), platform.node() or "unknown", incident, run_id()
    )
    return {"name": f"{PREFIX}{type_of(incident)}", "holder": holder}
