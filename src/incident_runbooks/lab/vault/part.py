# SPDX-License-Identifier: GPL-3.0-or-later
"""Vault as a part of the lab: its directory, its process, how clients reach it, what is stored in it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.services.part import ServicePart, answers, start, wait_until_they_answer
from incident_runbooks.lab.vault.control import Control
from incident_runbooks.lab.vault.keys import Keys

__all__ = ["NAME", "VaultPart", "answers", "lay_out", "start", "wait_until_they_answer"]

NAME = "vault"
_TIMEOUT_S = 10.0

Json = dict[str, Any]


@dataclass(frozen=True)
class VaultPart(ServicePart):
    """Vault of a lab, whether it runs or not.

    Its engines are ``secret`` (key/value, version 2) and ``kv`` (version 1), and ``secret`` in the namespace
    ``platform``.

    Attributes:
        directory: its own.
        port: of the API.
        keys: what it accepts.
    """

    NAME = NAME
    CALLED = "Vault"
    MODULE = "incident_runbooks.lab.vault"

    keys: Keys

    @property
    def control(self) -> Control:
        """Its faults."""
        return Control(self.directory)

    def variables(self) -> Json:
        """Return the variables of its host in the inventory; the token is secret."""
        return {"vault_addr": self.url, "vault_token": self.keys.reader_token}

    def write(self, path: str, data: Mapping[str, Any], *, mount: str = "secret") -> int | None:
        """Store data at a path, in ``secret`` as a new version whose number is returned.

        Raises:
            RunbookError: it does not answer, or refuses.
        """
        if mount == "kv":
            self._ask("POST", f"kv/{path}", dict(data))
            return None
        return int(self._ask("POST", f"{mount}/data/{path}", {"data": dict(data)})["data"]["version"])

    def read(self, path: str, version: int = 0) -> Json:
        """Return the data of a version at a path in ``secret``; 0 is the current one.

        Raises:
            RunbookError: it does not answer, or there is none.
        """
        return dict(self._ask("GET", f"secret/data/{path}?version={version}")["data"]["data"])

    def version(self, path: str) -> int:
        """Return the number of the current version at a path in ``secret``; 0 where nothing is stored.

        Raises:
            RunbookError: it does not answer.
        """
        try:
            return int(self._ask("GET", f"secret/metadata/{path}")["data"]["current_version"])
        except RunbookError as error:
            if isinstance(error.__cause__, urllib.error.HTTPError) and error.__cause__.code == HTTPStatus.NOT_FOUND:
                return 0
            raise

    def delete_versions(self, path: str, versions: Sequence[int], *, destroy: bool = False) -> None:
        """Delete versions so that they can be brought back, or destroy them.

        Raises:
            RunbookError: it does not answer, or refuses.
        """
        self._ask("POST", f"secret/{'destroy' if destroy else 'delete'}/{path}", {"versions": list(versions)})

    def undelete_versions(self, path: str, versions: Sequence[int]) -> None:
        """Bring deleted versions back.

        Raises:
            RunbookError: it does not answer, or refuses.
        """
        self._ask("POST", f"secret/undelete/{path}", {"versions": list(versions)})

    def to_plain(self) -> Json:
        """Return it as lab.json holds it."""
        return {"directory": str(self.directory), "port": self.port, "keys": self.keys.to_plain()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> VaultPart:
        """Return what :meth:`to_plain` wrote."""
        return cls(directory=Path(plain["directory"]), port=int(plain["port"]), keys=Keys(**plain["keys"]))

    def _ask(self, method: str, path: str, said: Json | None = None) -> Any:
        headers = {"X-Vault-Token": self.keys.root_token, "X-Vault-Request": "true"}
        request = urllib.request.Request(  # noqa: S310 - ours, loopback
            f"{self.url}/v1/{path}", data=json.dumps(said).encode() if said else None, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - see above
                return json.loads(answer.read() or b"{}")
        except (OSError, ValueError) as exc:
            raise RunbookError(f"Asking the lab's Vault for {method} {path}: {exc}") from exc


def lay_out(directory: Path) -> VaultPart:
    """Make its directory in the lab's *directory*, with new tokens, and choose its port."""
    own = directory / NAME
    own.mkdir(mode=0o700)
    keys = Keys.generate()
    keys.write(own)
    return VaultPart(directory=own, port=free_port(), keys=keys)
