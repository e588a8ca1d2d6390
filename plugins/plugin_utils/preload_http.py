# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Load what speaks HTTP before Ansible forks.

Nearly every component of a runbook asks something by HTTP, and so does much of what follows: each worker would load the
package anew, at 90 ms.
"""

from __future__ import annotations

from contextlib import suppress


def preload_http() -> None:
    """Load it where it is installed; a module that needs it says where it is not."""
    with suppress(Exception):  # a broken package is no reason to record nothing
        import requests  # noqa: F401, PLC0415 - only a run of a runbook needs it
