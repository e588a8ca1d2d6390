# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What shows that people cannot log in where only we see that the address does not answer. Pure, no I/O.

A laptop whose VPN or names are broken sees every address silent, and nobody is to be told of an outage for that.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause_case import Case

# nobody logs in without these, and the log lines of the API are part of the proof
_BY_LINES = frozenset(
    {"database_down", "redis_auth", "redis_unreachable", "redis_loading"}
    | {"redis_replica", "redis_persistence_failing", "redis_memory"}
)
# seconds; older lines may be of a trouble that is over
_RECENT_S = 300.0


def witness(case: Case, proven: Sequence[tuple[str, str]]) -> str | None:
    """Return what shows it; ``None`` where nothing does, or where logging in was tried.

    Args:
        proven: causes and why, which were found without our own try.
    """
    if not case.facts.probe.silent:
        return None
    return next((why for cause, why in proven if _said_now(case, cause) or _logged_now(case, cause)), None)


def _said_now(case: Case, cause: str) -> bool:
    """Whether the cluster, or Redis itself, says so at this moment."""
    redis = case.facts.redis
    says = {
        "backend_down": True,
        "redis_pod": not redis.ready,
        "redis_loading": redis.loading,
        "redis_replica": "readonly" in redis.refusals or "masterdown" in redis.refusals,
        "redis_persistence_failing": "misconf" in redis.refusals,
        "redis_memory": "oom" in redis.refusals,
    }
    return says.get(cause, False)


def _logged_now(case: Case, cause: str) -> bool:
    age = case.facts.newest_line_s
    return cause in _BY_LINES and age is not None and age <= _RECENT_S
