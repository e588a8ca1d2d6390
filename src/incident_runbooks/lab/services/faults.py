# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of a service: a file that the process reads at each request, so that a fault is in effect at once."""

from __future__ import annotations

from pathlib import Path

from incident_runbooks.lab.services.secret_files import read_json, write_json

_FILE = "faults.json"


class FaultFile:
    """The faults in effect.

    Args:
        directory: of the service.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / _FILE

    def read(self) -> list[str]:
        """Return their names."""
        return [str(name) for name in read_json(self._path, missing_ok=True) or ()]

    def write(self, names: list[str]) -> None:
        """Replace them in one step."""
        write_json(self._path, names)
