# SPDX-License-Identifier: GPL-3.0-or-later
"""ClickHouse for tests, without a lab: the current engine, and the old server.

``clickhouse`` and ``old_clickhouse`` are fixtures for a session: one process each, without tables.
``started`` starts one of a test's own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab import processes
from incident_runbooks.lab.binaries import Program, find_program
from incident_runbooks.lab.clickhouse import part as parts
from incident_runbooks.lab.clickhouse.part import ClickHousePart


def old_program() -> Program:
    """Debian's server, which is fetched where this machine has none; without a way to get it the test is skipped."""
    try:
        return find_program("clickhouse-server", source="package")
    except RunbookError as error:
        return _absent(f"{error.message}; {error.hint}")


def _absent(why: str) -> NoReturn:
    """In CI nothing may be absent."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@contextlib.contextmanager
def started(
    directory: Path, program: Program | None = None, *, disk_bytes: int | None = None
) -> Iterator[ClickHousePart]:
    """A ClickHouse that answers, without tables; it is stopped at the end.

    Args:
        directory: where its own is made.
        program: :func:`old_program`, or ``None`` for the current engine.
        disk_bytes: the size of its disk; all there is unless said.
    """
    if program is None and not parts.available():
        _absent("ClickHouse's engine is not installed: the wheel chdb-core")
    part = parts.lay_out(directory, program)
    with running(part, disk_bytes=disk_bytes):
        yield part


@contextlib.contextmanager
def running(part: ClickHousePart, *, disk_bytes: int | None = None) -> Iterator[processes.ProcessRecord]:
    """The same for one that is laid out already, again after it was stopped for one."""
    record = parts.start(part, mark={"RUNBOOK_LAB_ID": "clickhouse-for-tests"}, disk_bytes=disk_bytes)
    try:
        parts.wait_until_they_answer(part, record)
        yield record
    finally:
        if process := record.find():
            processes.stop([process])


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHousePart]:
    """The current engine, without tables."""
    with started(tmp_path_factory.mktemp("clickhouse")) as part:
        yield part


@pytest.fixture(scope="session")
def old_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHousePart]:
    """The old server, without tables."""
    with started(tmp_path_factory.mktemp("clickhouse"), old_program()) as part:
        yield part
