# SPDX-License-Identifier: GPL-3.0-or-later
"""The current directory, which somebody may have removed meanwhile."""

from __future__ import annotations

from pathlib import Path

from incident_runbooks.errors import UsageError


def working_directory() -> Path:
    """Return the current directory.

    Raises:
        UsageError: it does not exist any more.
    """
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("The current directory does not exist any more", hint="cd elsewhere") from error


def absolute(path: Path) -> Path:
    """Return a path from the root on, with ``~`` expanded; it need not exist.

    Raises:
        UsageError: it is below the current directory, which does not exist any more.
    """
    expanded = path.expanduser()
    return expanded if expanded.is_absolute() else working_directory() / expanded
