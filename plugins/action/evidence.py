# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what was preserved before an action could destroy it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import incident_dir
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import RecordingAction, now


class ActionModule(RecordingAction):
    """See the documentation of the module ``evidence``."""

    argument_spec = {  # noqa: RUF012 - read only
        "files": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "path": {"type": "str", "required": True},
                "name": {"type": "str"},
                "source": {"type": "str"},
                "sha256": {"type": "str", "required": True},
                "bytes": {"type": "int", "required": True},
                "truncated": {"type": "bool", "default": False},
            },
        },
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - contract
        """Hand every file to the journal."""
        files = [{**file, "path": _inside_the_incident(file["path"]), "at": now()} for file in arguments["files"]]
        return {"records": [{"type": "evidence", "data": file} for file in files]}


def _inside_the_incident(path: str) -> str:
    """A path relative to the incident's directory, which may be moved; another one as it is."""
    incident = os.environ.get("RUNBOOK_INCIDENT")
    directory = incident_dir(incident) if incident else None
    return str(Path(path).relative_to(directory)) if directory and Path(path).is_relative_to(directory) else path
