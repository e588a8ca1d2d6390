# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL with a breach in its audit trail, for the tests of the modules that look for it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, censor, conclude
from incident_runbooks.lab import breach
from incident_runbooks.lab.breach.truth import TRUSTED_CIDRS
from support.servers import installations, one_installation

ROWS, FEW_ROWS = 200_000, 40_000


class Breached:
    """A server whose audit trail has a breach.

    Attributes:
        pg: the server.
        truth: what was injected.
        since: two weeks ago, RFC 3339.
        until: now.
    """

    def __init__(self, pg: Any, truth: breach.Truth) -> None:
        self.pg = pg
        self.truth = truth
        now = dt.datetime.now(dt.UTC)
        self.until = now.isoformat()
        self.since = (now - dt.timedelta(days=14)).isoformat()

    def run(self, spec: ModuleSpec, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Run a module as the ops role, as Ansible would."""
        own = {"since": self.since, "until": self.until, "trusted_cidrs": list(TRUSTED_CIDRS), "statement_timeout": 60}
        given = {**self.pg.login(), **own, **options}
        validation = ArgumentSpecValidator(spec.argument_spec, **spec.constraints).validate(given)
        assert not validation.errors.errors, validation.errors.msg
        result = conclude(spec, validation.validated_parameters, check_mode)
        json.dumps(result, allow_nan=False)
        return censor(result, {*validation._no_log_values, *spec.secrets(validation.validated_parameters)})

    @contextmanager
    def superuser(self) -> Iterator[psycopg.Connection[Any]]:
        """A session of its own, the second channel."""
        with self.pg.server.connect(self.pg.server.superuser) as connection:
            yield connection

    @contextmanager
    def rolled_back(self, *statements: str) -> Iterator[None]:
        """Change the trail for a while. Its copy is what comes back."""
        with self.superuser() as connection:
            connection.execute("CREATE TABLE public.audit_copy (LIKE public.audit_logs INCLUDING ALL)")
            connection.execute("INSERT INTO public.audit_copy OVERRIDING SYSTEM VALUE SELECT * FROM public.audit_logs")
            try:
                for statement in statements:
                    connection.execute(statement.encode())
                connection.execute(f"GRANT SELECT ON public.audit_copy TO {self.pg.ops_user}".encode())
                connection.execute("ANALYZE public.audit_copy")
                yield
            finally:
                connection.execute("DROP TABLE public.audit_copy")


def _breached(request: pytest.FixtureRequest, servers: Any, rows: int) -> Iterator[Breached]:
    if isinstance(request.param, str):
        pytest.skip(f"no PostgreSQL here; install {request.param}")
    pg = servers.get(request.param)
    with pg.server.connect(pg.server.superuser) as connection:
        breach.history(connection, rows)
        try:
            yield Breached(pg, breach.attack(connection))
        finally:
            breach.remove(connection)


@pytest.fixture(scope="module", params=installations())
def breached(request: pytest.FixtureRequest, _postgres_servers: Any) -> Iterator[Breached]:
    """One such server for all tests of a file, each installation in turn. Not in one file with the other fixture."""
    yield from _breached(request, _postgres_servers, ROWS)


@pytest.fixture(scope="module", params=one_installation())
def small_breach(request: pytest.FixtureRequest, _postgres_servers: Any) -> Iterator[Breached]:
    """The same attack in a shorter trail, on one installation: for what no size or server changes."""
    yield from _breached(request, _postgres_servers, FEW_ROWS)
