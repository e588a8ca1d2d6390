# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what is to be done after the incident."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import RecordingAction


class ActionModule(RecordingAction):
    """See the documentation of the module ``follow_ups``."""

    argument_spec = {  # noqa: RUF012 - read only
        "items": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "title": {"type": "str", "required": True},
                "owner": {"type": "str"},
                "due": {"type": "str"},
            },
        },
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - contract
        """Hand every item to the journal."""
        return {"records": [{"type": "follow_up", "data": item} for item in arguments["items"]]}
