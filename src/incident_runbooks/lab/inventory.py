# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab's Ansible inventory is: in this package when installed, else in the checkout."""

from __future__ import annotations

from pathlib import Path

from incident_runbooks.errors import RunbookError


def path() -> Path:
    """Return the folder of the lab's inventory.

    Raises:
        RunbookError: it is missing.
    """
    package = Path(__file__).resolve().parent
    candidates = (package / "inventory", package.parents[2] / "inventory" / "lab")
    for candidate in candidates:
        if (candidate / "hosts.yml").is_file():
            return candidate
    raise RunbookError(
        f"Looking for the lab's inventory beside {package}: it is not there", hint="install incident-runbooks again"
    )
