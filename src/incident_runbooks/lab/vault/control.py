# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of the lab's Vault: a file that the process reads at each request, so that a fault is in effect at once.

What each means: https://developer.hashicorp.com/vault/api-docs/system/health and .../api-docs#http-status-codes
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from incident_runbooks.lab.services.call import Answer
from incident_runbooks.lab.services.faults import FaultFile

TIMEOUT = "timeout"
DOWN = "down"
SEALED = "sealed"
NOT_INITIALIZED = "not-initialized"
STANDBY = "standby"
STANDBY_LEADERLESS = "standby-leaderless"
DR_SECONDARY = "dr-secondary"
PERFORMANCE_STANDBY = "performance-standby"
RATE_LIMITED = "rate-limited"
KINDS = (
    *(TIMEOUT, DOWN, SEALED, NOT_INITIALIZED, STANDBY),
    *(STANDBY_LEADERLESS, DR_SECONDARY, PERFORMANCE_STANDBY, RATE_LIMITED),
)

_UNKNOWN_CLUSTER = 472  # of a DR secondary
_PERFORMANCE_STANDBY = 473


class Control(FaultFile):
    """The faults in effect; their names are such as ``sealed``."""

    def kind(self) -> str | None:
        """Return what is broken, one of :data:`KINDS`."""
        return next((name for name in self.read() if name in KINDS), None)


@dataclass(frozen=True)
class Health:
    """What ``sys/health`` says in a state."""

    status: int
    initialized: bool = True
    sealed: bool = False
    standby: bool = False
    performance_standby: bool = False
    dr_mode: str = "disabled"


_HEALTH = {
    SEALED: Health(HTTPStatus.SERVICE_UNAVAILABLE, sealed=True, standby=True),
    NOT_INITIALIZED: Health(HTTPStatus.NOT_IMPLEMENTED, initialized=False, sealed=True, standby=True),
    STANDBY: Health(HTTPStatus.TOO_MANY_REQUESTS, standby=True),
    STANDBY_LEADERLESS: Health(HTTPStatus.TOO_MANY_REQUESTS, standby=True),
    DR_SECONDARY: Health(_UNKNOWN_CLUSTER, dr_mode="secondary"),
    PERFORMANCE_STANDBY: Health(_PERFORMANCE_STANDBY, standby=True, performance_standby=True),
}


def health(kind: str | None) -> Health:
    """Return how the server is under a fault, or without one."""
    return _HEALTH.get(kind or "", Health(HTTPStatus.OK))


def answer(kind: str) -> Answer | None:
    """Return what a request to an engine meets; ``None`` where it is served, as by a standby that forwards it."""
    made: dict[str, tuple[int, Any, dict[str, str]]] = {
        SEALED: (503, {"errors": ["Vault is sealed"]}, {}),
        NOT_INITIALIZED: (503, {"errors": ["Vault is sealed"]}, {}),
        STANDBY_LEADERLESS: (500, {"errors": ["local node not active but active cluster node not found"]}, {}),
        DR_SECONDARY: (400, {"errors": ["path disabled in replication DR secondary mode"]}, {}),
        RATE_LIMITED: (
            429,
            {"errors": ['request path "secret/data/backend": rate limit quota exceeded']},
            {"Retry-After": "2", "X-Ratelimit-Limit": "1"},
        ),
    }
    return Answer(*made[kind]) if kind in made else None
