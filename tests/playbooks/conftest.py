# SPDX-License-Identifier: GPL-3.0-or-later
"""A runbook, its inventory and an application's sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.runbook import Runbook
from support.servers import one_installation


@pytest.fixture(params=one_installation())
def pg(request: pytest.FixtureRequest, server_of: Any) -> Any:
    """One server: what a playbook makes of it is the same on each."""
    return server_of(request.param)


@pytest.fixture
def runbook(pg: Any, tmp_path: Path) -> Runbook:
    return Runbook(pg, tmp_path)


@pytest.fixture
def pool(pg: Any) -> Iterator[Any]:
    """A function that opens application sessions which then idle."""
    held: list[psycopg.Connection[Any]] = []

    def fill(count: int, user: str | None = None, application: str = "backend") -> list[psycopg.Connection[Any]]:
        new = [pg.connect(user=user or pg.app_user, application_name=application) for _ in range(count)]
        for session in new:
            session.execute("SELECT 1")
        held.extend(new)
        return new

    yield fill
    for session in held:
        session.close()
