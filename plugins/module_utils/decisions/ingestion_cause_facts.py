# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What the checks of ingestion-lag returned, as far as the cause is decided by it. Pure, no I/O.

Whatever a check could not learn is ``None`` here and a sentence in ``gaps``: it never looks like a good answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

# classes of log lines of the worker that are read here, the first two also as rate_limit_meta and the like
RATE_LIMIT, UNAUTHORIZED = "rate_limit", "unauthorized"
NETWORK, DISK, PARTS, READONLY, DATABASE = "network", "disk", "parts", "readonly", "database"
STORED = "stored_"  # and the platform: rows of it were written


@dataclass(frozen=True)
class Platform:
    """What one social platform said, by the words of social_probe.

    Attributes:
        by_verdict: how many accounts got which verdict; empty where the platform was not asked.
        retry_at: RFC 3339.
        age_s: of its newest row, where that is known.
    """

    name: str
    verdict: str = "unknown"
    by_verdict: Mapping[str, int] = field(default_factory=dict)
    cause: str | None = None
    message: str = ""
    retry_at: str | None = None
    age_s: float | None = None

    def has(self, *verdicts: str) -> bool:
        """Whether an account got one of them."""
        return any(self.by_verdict.get(verdict) for verdict in verdicts)

    @property
    def proven(self) -> bool:
        """Whether every account that was looked at got an answer that is understood."""
        return bool(self.by_verdict) and not self.has("unknown", "skipped", "unreachable")


@dataclass(frozen=True)
class Facts:
    """All that is known.

    Attributes:
        lag_s: age of the newest row, of the table where it is oldest.
        stale: that table.
        used_ratio: of the fullest disk, 0 to 1.
        parts: active parts of the partition that has most, ``parts_at`` which that is, ``parts_limit`` from how many
            on rows are refused.
        stuck: mutations whose last try failed, each with ``table``, ``mutation_id`` and ``fail_reason``.
        readonly: replicated tables that take no inserts.
        database_down: why ClickHouse cannot be asked; ``None`` when it can.
        replicas: pods wanted, and ``pods_ready`` those that are ready.
        failing: pods that crash or run out of memory, each in one line.
        lines: log lines by class; a class that is not there was not looked for.
        last: when the newest line of a class was logged, where that is known.
        platforms: by name.
        reauthorize: accounts whose token or permission is no good.
        gaps: what is needed and could not be learned.
        notes: what else should be known, without which the cause is decided all the same.
    """

    lag_s: float | None = None
    stale: str | None = None
    used_ratio: float | None = None
    parts: int | None = None
    parts_at: str = ""
    parts_limit: int | None = None
    stuck: Sequence[Json] = ()
    readonly: Sequence[str] = ()
    database_down: str | None = None
    replicas: int | None = None
    pods_ready: int | None = None
    failing: Sequence[str] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
    last: Mapping[str, dt.datetime] = field(default_factory=dict)
    platforms: Mapping[str, Platform] = field(default_factory=dict)
    reauthorize: Sequence[Json] = ()
    gaps: Sequence[str] = ()
    notes: Sequence[str] = ()

    def count(self, name: str) -> int:
        """How many log lines there are of a class."""
        return self.lines.get(name, 0)

    def outdated(self, name: str, *prefixes: str) -> bool:
        """Whether a line of a class that begins so is newer than all of *name*; what is not known is not older."""
        own = self.last.get(name)
        later = [at for other, at in self.last.items() if other != name and other.startswith(prefixes)]
        return own is not None and any(at > own for at in later)


def evidence(facts: Facts) -> list[dict[str, Any]]:
    """What was read, each with ``source``."""
    lines = [{"source": "logs", "class": name, "lines": count} for name, count in facts.lines.items() if count]
    platforms = [
        {"source": "social", "platform": each.name, "verdict": each.verdict, "by_verdict": dict(each.by_verdict)}
        for each in facts.platforms.values()
    ]
    return [
        {"source": "freshness", "table": facts.stale, "age_s": facts.lag_s},
        {"source": "disk", "used_ratio": facts.used_ratio},
        {"source": "parts", "at": facts.parts_at, "parts": facts.parts, "limit": facts.parts_limit},
        {"source": "mutations", "stuck": [str(each.get("mutation_id")) for each in facts.stuck]},
        {"source": "replicas", "readonly": list(facts.readonly)},
        {"source": "worker", "replicas": facts.replicas, "ready": facts.pods_ready, "failing": list(facts.failing)},
        *platforms,
        *lines,
    ]
