# SPDX-License-Identifier: GPL-3.0-or-later
"""Vault of the lab, for tests: what is stored, what was asked, and what is broken.

``vault`` is a fixture that needs no lab: one process for all tests of a module, which each test finds empty. A test
module imports it together with ``vault_part``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from incident_runbooks.lab import processes
from incident_runbooks.lab.vault import part as parts
from incident_runbooks.lab.vault.part import VaultPart

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
        self._from = 0

    def forget(self) -> None:
        """Let it be as if nothing had been stored, and no fault were in effect."""
        self.part.control.write([])
        assert requests.post(f"{self.part.url}/lab/forget", timeout=10).status_code == 204
        self._from = self.part.requests.stat().st_size if self.part.requests.exists() else 0

    def options(self, **given: Any) -> Json:
        """Return module options for it."""
        return {**self.part.variables(), "vault_request_timeout": 5, **given}

    def requests(self) -> list[Json]:
        """Return the requests since :meth:`forget`, oldest first."""
        if not self.part.requests.exists():
            return []
        with self.part.requests.open("rb") as file:
            file.seek(self._from)
            return [json.loads(line) for line in file]

    @contextlib.contextmanager
    def broken(self, *names: str) -> Iterator[None]:
        """Let faults be in effect, such as ``sealed``."""
        before = self.part.control.read()
        self.part.control.write([*before, *names])
        try:
            yield
        finally:
            self.part.control.write(before)


@pytest.fixture(scope="module")
def vault_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultPart]:
    """The process of a test module."""
    part = parts.lay_out(tmp_path_factory.mktemp("vault"))
    record = parts.start(part, mark={})
    try:
        parts.wait_until_they_answer(part, record)
        yield part
    finally:
        processes.stop([process] if (process := record.find()) else [])


@pytest.fixture
def vault(vault_part: VaultPart) -> Iterator[VaultServer]:
    """Vault, without anything stored and without a fault."""
    made = VaultServer(vault_part)
    made.forget()
    yield made
    made.forget()
