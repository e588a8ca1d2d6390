# SPDX-License-Identifier: GPL-3.0-or-later
"""Stripe as a part of the lab: its directory, its process, how clients reach it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.services.part import ServicePart, answers, start, wait_until_they_answer
from incident_runbooks.lab.stripe.control import Control
from incident_runbooks.lab.stripe.keys import Keys

__all__ = ["NAME", "StripePart", "answers", "lay_out", "start", "wait_until_they_answer"]

NAME = "stripe"
_TIMEOUT_S = 10.0

Json = dict[str, Any]


@dataclass(frozen=True)
class StripePart(ServicePart):
    """Stripe of a lab, whether it runs or not.

    Attributes:
        directory: its own.
        port: of the API and of the status page.
        keys: of its one account.
    """

    NAME = NAME
    CALLED = "Stripe"
    MODULE = "incident_runbooks.lab.stripe"

    keys: Keys

    @property
    def status_url(self) -> str:
        """The base of the status page, without a slash at the end."""
        return f"{self.url}/status"

    @property
    def control(self) -> Control:
        """Its faults."""
        return Control(self.directory)

    def state(self, *only: str) -> Json:
        """Return what there is: ``payment_intents``, ``events`` with their deliveries, ``endpoints``, ``keys``.

        Args:
            only: which of them; all unless some are named.

        Raises:
            RunbookError: it does not answer.
        """
        query = "?" + "&".join(f"only={name}" for name in only) if only else ""
        found: Json = self._ask("GET", f"/lab/state{query}", None)
        return found

    def tell(self, path: str, **said: Any) -> Json:
        """Change something that nobody could by the API, such as ``/lab/seed``; see :mod:`admin`.

        Raises:
            RunbookError: it does not answer, or refuses.
        """
        found: Json = self._ask("POST", path, said)
        return found

    def to_plain(self) -> Json:
        """Return it as lab.json holds it."""
        return {"directory": str(self.directory), "port": self.port, "keys": self.keys.to_plain()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> StripePart:
        """Return what :meth:`to_plain` wrote."""
        return cls(directory=Path(plain["directory"]), port=int(plain["port"]), keys=Keys(**plain["keys"]))

    def _ask(self, method: str, path: str, said: Json | None) -> Any:
        body = None if said is None else json.dumps(said).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method)  # noqa: S310 - ours, loopback
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - see above
                return json.loads(answer.read() or b"{}")
        except (OSError, ValueError) as exc:
            said_too = getattr(exc, "read", bytes)().decode("utf-8", "replace")
            raise RunbookError(f"Asking the lab's Stripe for {method} {path}: {exc} {said_too}".strip()) from exc


def lay_out(directory: Path, *, secret_key: str | None = None, webhook_secret: str | None = None) -> StripePart:
    """Make its directory in the lab's *directory*, with new keys, and choose its port.

    Args:
        directory: the lab's.
        secret_key: what the platform already has; a new one unless given.
        webhook_secret: the same.
    """
    own = directory / NAME
    own.mkdir(mode=0o700)
    keys = Keys.generate(secret_key=secret_key, webhook_secret=webhook_secret)
    keys.write(own)
    return StripePart(directory=own, port=free_port(), keys=keys)
