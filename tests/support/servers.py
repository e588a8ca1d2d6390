# SPDX-License-Identifier: GPL-3.0-or-later
"""Which PostgreSQL servers the tests run against."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg import sql

from incident_runbooks.lab import binaries as lab_binaries


def installations() -> list[Any]:
    """One parameter for each PostgreSQL that a test is to run against, oldest major first; text for a missing one."""
    found = lab_binaries.available()
    system = next((each for each in found if each.source != "wheel"), None)
    wheel = next((each for each in found if each.source == "wheel"), None)
    params = [pytest.param("the Debian package postgresql", id="pg-system")] if system is None else []
    params += [pytest.param("the extra incident-runbooks[lab]", id="pg-wheel")] if wheel is None else []
    majors = {each.major: each for each in (wheel, system) if each is not None}
    return [*(pytest.param(majors[major], id=f"pg{major}") for major in sorted(majors)), *params]


def one_installation() -> list[Any]:
    """The parameter for tests of what no server changes: the oldest major, with a newer Python the newest.

    What differs between servers is tested on each of them, by the tests of the modules.
    """
    return installations()[-1:] if sys.version_info >= (3, 12) else installations()[:1]


@contextmanager
def kept(connection: Any, *tables: str) -> Iterator[None]:
    """Give tables their rows back afterwards: the server is shared with other tests."""
    names = [(sql.Identifier(table), sql.Identifier(f"kept_{table}")) for table in tables]
    for table, copy in names:
        connection.execute(sql.SQL("CREATE TABLE {} AS TABLE {}").format(copy, table))
    try:
        yield
    finally:
        for table, copy in names:
            connection.execute(sql.SQL("DELETE FROM {}").format(table))
            connection.execute(sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE TABLE {}").format(table, copy))
            last = sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), greatest(max(id), 1)) FROM {}")
            connection.execute(last.format(sql.Literal(table.as_string()), table))
            connection.execute(sql.SQL("DROP TABLE {}").format(copy))
