# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend is told by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from incident_runbooks.errors import UsageError
from incident_runbooks.lab.workloads import database

APPLICATION = "backend"


@dataclass(frozen=True)
class Settings:
    """The environment variables of the package's description, parsed."""

    host: str
    port: int
    database: Mapping[str, Any] = field(repr=False)
    pool_size: int
    pool_max: int
    acquire_timeout_s: float
    jwt_secret: str = field(repr=False)
    stripe_webhook_secret: str = field(repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings.

        Raises:
            UsageError: a number is none, or the pool's sizes contradict each other.
        """
        try:
            settings = cls(
                host=environ.get("POD_IP") or "127.0.0.1",
                port=int(environ.get("PORT", "3001")),
                database=database.parameters(environ, APPLICATION),
                pool_size=int(environ.get("TYPEORM_POOL_SIZE", "2")),
                pool_max=int(environ.get("TYPEORM_POOL_MAX", "4")),
                acquire_timeout_s=int(environ.get("TYPEORM_ACQUIRE_TIMEOUT_MS", "2000")) / 1000,
                jwt_secret=environ.get("JWT_SECRET", ""),
                stripe_webhook_secret=environ.get("STRIPE_WEBHOOK_SECRET", ""),
            )
        except ValueError as error:
            raise UsageError(f"Reading the backend's environment: {error}") from error
        if not 0 <= settings.pool_size <= settings.pool_max or settings.pool_max < 1:
            raise UsageError(
                f"Reading the backend's environment: TYPEORM_POOL_SIZE {settings.pool_size} does not fit into"
                f" TYPEORM_POOL_MAX {settings.pool_max}"
            )
        return settings
