# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend is told by its environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from incident_runbooks.errors import UsageError
from incident_runbooks.lab.workloads import database

APPLICATION = "backend"
WEBHOOK_PATH = "/api/webhooks/stripe"

_WRONG = "Reading the backend's environment: "


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
    stripe_api_url: str
    stripe_secret_key: str = field(repr=False)
    stripe_webhook_secret: str = field(repr=False)
    stripe_rate_limit: float
    stripe_timeout_s: float
    payments_per_second: float
    webhook_path: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings.

        Raises:
            UsageError: a number is none or out of range, the pool's sizes contradict each other, or a path is none.
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
                stripe_api_url=environ.get("STRIPE_API_URL", ""),
                stripe_secret_key=environ.get("STRIPE_SECRET_KEY", ""),
                stripe_webhook_secret=environ.get("STRIPE_WEBHOOK_SECRET", ""),
                stripe_rate_limit=float(environ.get("STRIPE_RATE_LIMIT_PER_SECOND", "100")),
                stripe_timeout_s=int(environ.get("STRIPE_TIMEOUT_MS", "5000")) / 1000,
                payments_per_second=float(environ.get("PAYMENTS_PER_SECOND", "0")),
                webhook_path=environ.get("WEBHOOK_PATH") or WEBHOOK_PATH,
            )
        except ValueError as error:
            raise UsageError(f"{_WRONG}{error}") from error
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse what cannot be worked with.

        Raises:
            UsageError: see :meth:`from_environ`.
        """
        if not 0 <= self.pool_size <= self.pool_max or self.pool_max < 1:
            raise UsageError(
                f"{_WRONG}TYPEORM_POOL_SIZE {self.pool_size} does not fit into TYPEORM_POOL_MAX {self.pool_max}"
            )
        if not 0 < self.stripe_rate_limit < math.inf:
            raise UsageError(f"{_WRONG}STRIPE_RATE_LIMIT_PER_SECOND {self.stripe_rate_limit} is not more than 0")
        if not 0 <= self.payments_per_second < math.inf:
            raise UsageError(f"{_WRONG}PAYMENTS_PER_SECOND {self.payments_per_second} is no rate")
        if not self.webhook_path.startswith("/"):
            raise UsageError(f"{_WRONG}WEBHOOK_PATH {self.webhook_path!r} does not begin with /")
