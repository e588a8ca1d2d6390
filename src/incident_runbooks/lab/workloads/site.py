# SPDX-License-Identifier: GPL-3.0-or-later
"""What the workloads' manifests need to know of the lab that they are for."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from incident_runbooks.lab.binaries import Program
from incident_runbooks.lab.processes import base_environ
from incident_runbooks.lab.server import Server
from incident_runbooks.lab.workloads import npm

PROBE_EMAIL = "login-probe@example.com"


@dataclass(frozen=True)
class Credentials:
    """The secrets of the platform that are not PostgreSQL's."""

    jwt_secret: str = field(repr=False)
    stripe_secret_key: str = field(repr=False)
    stripe_webhook_secret: str = field(repr=False)
    redis_password: str = field(repr=False)
    probe_password: str = field(repr=False)

    @classmethod
    def generate(cls) -> Credentials:
        """Return new random ones, in the forms that their makers give them."""
        return cls(
            jwt_secret=secrets.token_urlsafe(48),
            stripe_secret_key=f"sk_test_{secrets.token_hex(24)}",
            stripe_webhook_secret=f"whsec_{secrets.token_hex(24)}",
            redis_password=secrets.token_urlsafe(24),
            probe_password=secrets.token_urlsafe(24),
        )

    def to_plain(self) -> dict[str, Any]:
        """Return them as a private file of the lab holds them."""
        return asdict(self)


@dataclass(frozen=True)
class Site:
    """One lab.

    Attributes:
        server: its PostgreSQL, which runs.
        credentials: of the platform.
        directory: the lab's; the workloads' files are in it.
        redis: the program, ``None`` where this machine has none.
        pool_size: TYPEORM_POOL_SIZE of the backend.
        pool_max: TYPEORM_POOL_MAX of the backend.
        stripe_api_url: where the lab's Stripe is, ``None`` where it has none: then nobody pays.
        payments_per_second: how many customers of each backend pod pay.
        clickhouse: how the metric worker reaches ClickHouse, as the inventory's host says it; ``None`` without one.
        social: likewise the social APIs, with their tokens.
    """

    server: Server
    credentials: Credentials
    directory: Path
    redis: Program | None = None
    pool_size: int = 2
    pool_max: int = 4
    stripe_api_url: str | None = None
    payments_per_second: float = 0
    clickhouse: Mapping[str, Any] | None = field(default=None, repr=False)
    social: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def faults(self) -> Path:
        """Where :func:`.faults.inject` writes."""
        return self.directory / "faults"

    @property
    def commands(self) -> Path:
        """The folder that the backend's containers have first on their PATH: its ``npm``."""
        return self.directory / "bin"

    @property
    def npm_calls(self) -> Path:
        """The record of every call of ``npm``, a JSON object a line."""
        return self.directory / "npm-calls.jsonl"

    def prepare(self) -> None:
        """Make what the workloads expect to be there."""
        self.faults.mkdir(mode=0o700, exist_ok=True)
        npm.install(self.commands)

    def environ(self, *folders: Path) -> dict[str, str]:
        """Return what a program of the lab needs in its environment.

        Args:
            folders: come first on its PATH.
        """
        base = base_environ()
        path = os.pathsep.join([*map(str, folders), base.get("PATH", os.defpath)])
        return base | {"PATH": path}
