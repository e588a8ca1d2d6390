# SPDX-License-Identifier: GPL-3.0-or-later
"""What the process of the ingress is told, in a file of its own directory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from incident_runbooks.lab.services.secret_files import read_json, write_json

_FILE = "settings.json"
CERTIFICATE = "ca.pem"


@dataclass(frozen=True)
class Settings:
    """Where it listens, and whom it serves.

    Attributes:
        port: of the public address.
        kubeconfig: of the cluster; the file need not be there yet.
        namespace: of the Service.
        service: its name.
    """

    port: int
    kubeconfig: str
    namespace: str
    service: str

    def write(self, directory: Path) -> None:
        """Leave them in the directory of the ingress."""
        write_json(directory / _FILE, asdict(self))

    @classmethod
    def read(cls, directory: Path) -> Settings:
        """Return what :meth:`write` wrote.

        Raises:
            OSError: it cannot be read, or is not there.
        """
        plain = read_json(directory / _FILE)
        if plain is None:
            raise FileNotFoundError(f"{directory / _FILE} is missing")
        return cls(**plain)
