# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What the journal says at the beginning of a run: what is run, on what, by whom and with what."""

from __future__ import annotations

import getpass
import os
import platform
import shlex
from pathlib import Path
from typing import Any

from ansible import context
from ansible.release import __version__ as ansible_version

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.belonging import Belonging
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.header import collection_version


def beginning(root: Path, belonging: Belonging, incident_id: str, run_id: str, operator: str) -> dict[str, Any]:
    """Return the data of the record ``run_started``; *root* is the collection's directory."""
    return {
        "incident": {"id": incident_id, **belonging.header.incident},
        "run": {
            "id": run_id,
            "mode": belonging.mode,
            "check_mode": in_check_mode(),
            "operator": operator,
            "inventory": inventory_sources(),
            **({"detected_at": belonging.detected_at} if belonging.detected_at else {}),
            "versions": {
                "incident_runbooks": collection_version(root),
                "ansible_core": ansible_version,
                "python": platform.python_version(),
            },
        },
        "sla": {"target_s": belonging.header.sla_target_s},
    }


def in_check_mode() -> bool:
    """Whether nothing is to be changed in this run."""
    return bool(context.CLIARGS.get("check"))


def inventory_sources() -> list[str]:
    """Return what ``--inventory`` or the configuration names."""
    return [str(source) for source in context.CLIARGS.get("inventory") or ()]


def hosts_hint() -> str:
    """Return how to see which hosts the inventory has, and what may have left them out."""
    sources = "".join(f" -i {shlex.quote(source)}" for source in inventory_sources())
    left_out = "check --limit, and the inventory" if context.CLIARGS.get("subset") else "check the inventory"
    return f"{left_out}: ansible-inventory{sources} --graph shows its hosts"


def login_name() -> str:
    """Return who is logged in."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user often has no name
        return f"uid {os.getuid()}"
