# SPDX-License-Identifier: GPL-3.0-or-later
"""Vault of the lab, for tests: what is stored, what was asked, and what is broken.

``vault`` is a fixture that needs no lab: one process for all tests of a module, which each test finds empty. A test
module imports it together with ``vault_part``.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from incident_runbooks.lab.vault.part import VaultPart, lay_out
from support.services import Requests, broken, running

Json = dict[str, Any]


def fingerprint(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:12]


class VaultServer:
    """What a test asks of it.

    Attributes:
        part: tokens and address.
    """

    def __init__(self, part: VaultPart) -> None:
        self.part = part
        self._requests = Requests(part)

    def forget(self) -> None:
        """Let it be as if nothing had been stored, and no fault were in effect."""
        self.part.control.write([])
        assert requests.post(f"{self.part.url}/lab/forget", timeout=10).status_code == 204
        self._requests.forget()

    def options(self, **given: Any) -> Json:
        """Return module options for it."""
        return {**self.part.variables(), "vault_request_timeout": 5, **given}

    def requests(self) -> list[Json]:
        """Return the requests since :meth:`forget`, oldest first."""
        return self._requests.read()

    def broken(self, *names: str) -> contextlib.AbstractContextManager[None]:
        """Let faults be in effect, such as ``sealed``."""
        return broken(self.part, *names)


@pytest.fixture(scope="module")
def vault_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultPart]:
    """The process of a test module."""
    with running(lay_out(tmp_path_factory.mktemp("vault"))) as part:
        yield part


@pytest.fixture
def vault(vault_part: VaultPart) -> Iterator[VaultServer]:
    """Vault, without anything stored and without a fault."""
    made = VaultServer(vault_part)
    made.forget()
    yield made
    made.forget()
