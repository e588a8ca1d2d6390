# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lab starts its client processes: without a secret in an argument or in the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from incident_runbooks.lab.processes import ProcessRecord, RunAs, base_environ, spawn
from incident_runbooks.lab.server import Login, Server

PREFIX = "client "
# Applications outside of the cluster: no workload of the platform has one of these names
REPORT_EXPORT = "report-export"
PAYOUT_BATCH = "payout-batch"
ADMIN_CONSOLE = "admin-console"
APPLICATIONS = (REPORT_EXPORT, PAYOUT_BATCH, ADMIN_CONSOLE)


@dataclass(frozen=True)
class PoolSpec:
    """One process with a leaking connection pool.

    Attributes:
        login: the role of its sessions.
        application: their ``application_name``, one of :data:`APPLICATIONS`.
        sessions: how many it opens.
        state: what they do, a key of ``pool_client.STATES``.
        refill: it reconnects what the server ends.
    """

    login: Login
    application: str
    sessions: int
    state: str = "idle"
    refill: bool = False


def start_pool(
    spec: PoolSpec, server: Server, *, directory: Path, marker: Path, mark: Mapping[str, str]
) -> ProcessRecord:
    """Start one leaking pool; its sessions come up on their own time.

    Args:
        spec: what it does.
        server: whom it connects to.
        directory: the lab's.
        marker: it ends when this file is gone.
        mark: what it carries in its environment, to be found by.
    """
    environ = base_environ() | dict(mark)
    environ |= {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGDATABASE": server.database,
        "PGUSER": spec.login.user,
        "PGPASSFILE": str(_password_file(directory, spec.login)),
    }
    command = [sys.executable, "-P", "-m", "incident_runbooks.lab.pool_client"]
    command += ["--application", spec.application, "--sessions", str(spec.sessions), "--state", spec.state]
    command += ["--while", str(marker)] + (["--refill"] if spec.refill else [])
    log = directory / "clients.log"
    name = f"{PREFIX}{spec.application}"
    return spawn(name, command, run_as=RunAs.SELF, environ=environ, log=log)


def _password_file(directory: Path, login: Login) -> Path:
    """Write the role's password as libpq reads it, in a file that only its owner can read."""
    path = directory / f"{login.user}.pgpass"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"*:*:*:*:{login.password}\n")
    return path
