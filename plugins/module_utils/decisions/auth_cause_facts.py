# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What the checks of auth-down returned, as far as the cause is decided by it. Pure, no I/O.

Whatever a check could not learn is ``None`` here and a sentence in ``gaps``: it never looks like a good answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

MISSING, DIFFERS, UNUSABLE, AS_EXPECTED = "missing", "differs", "unusable", "as_expected"
# classes of log lines of the API that are read here
CLASSES = (
    *("redis_refused", "redis_auth", "redis_memory", "redis_persistence", "redis_readonly", "redis_loading"),
    *("jwt_missing", "jwt_invalid", "clock", "rate_limit", "database"),
)

# those of what nobody can log in without
NEEDED_CLASSES = (*(name for name in CLASSES if name.startswith("redis_")), "database")


@dataclass(frozen=True)
class Probe:
    """What logging in gave, by the words of auth_probe.

    Attributes:
        verdict: ``None`` where it was not asked.
        why: in one sentence.
        failing: whether logging in or using a token fails; ``None`` where that is not known.
        clock_wrong: whether clocks are apart.
        skew_s: by how much the issuer's clock is ahead, in seconds.
        silent: nothing answered, which may be our own network: it says nothing of anybody else.
    """

    verdict: str | None = None
    why: str = ""
    failing: bool | None = None
    clock_wrong: bool | None = None
    skew_s: float | None = None
    silent: bool = False


@dataclass(frozen=True)
class Redis:
    """What Redis said, by the words of redis_info, and what its pods are.

    Attributes:
        asked: whether it was asked at all.
        reachable: whether it answered.
        cause: why it could not be examined.
        message: what was said to that.
        loading: whether it reads its data.
        percent: how far it is with that.
        role: ``master``, ``replica`` or ``sentinel``.
        refusals: why writes are refused, message by cause.
        writes: ``accepted``, ``refused`` or ``unknown``.
        replicas: pods wanted, and ``ready`` those that are ready.
        trouble: what is wrong with pods, each in one line.
        out_of_memory: whether one was killed for that lately.
        restart: as of :func:`redis_restart.restart_risk`; ``None`` where neither Redis nor its pods were asked.
        stale_clients: pods of the API that run since before the Secret with its password was changed.
    """

    asked: bool = False
    reachable: bool | None = None
    cause: str | None = None
    message: str = ""
    loading: bool = False
    percent: float | None = None
    role: str | None = None
    refusals: Mapping[str, str] = field(default_factory=dict)
    writes: str = "unknown"
    replicas: int | None = None
    ready: int | None = None
    trouble: Sequence[str] = ()
    out_of_memory: bool = False
    restart: Json | None = None
    stale_clients: Sequence[str] = ()

    @property
    def serves(self) -> bool:
        """Whether it is known to answer."""
        return bool(self.reachable) and self.cause is None and not self.loading


@dataclass(frozen=True)
class Key:
    """The signing key.

    Attributes:
        stored: how the one in the Secret compares; ``None`` when not known.
        secret_exists: whether there is a Secret at all.
        blocked: why the Secret cannot be written.
        fingerprint: of the Secret; ``vault_fingerprint`` of Vault's ``vault_version``.
        vault_versions: those that have what is in the Secret.
        vault_problem: why Vault cannot give it.
        expected_version: of Vault that has the key that was in use, where what would be restored is another one.
        stale_pods: pods all of whose containers run since before the Secret was changed.
        rotation: whether Vault's differs from the one in use; ``None`` when not known.
    """

    stored: str | None = None
    secret_exists: bool | None = None
    blocked: str | None = None
    fingerprint: str | None = None
    vault_fingerprint: str | None = None
    vault_version: int | None = None
    vault_versions: Sequence[int] = ()
    vault_problem: str | None = None
    expected_version: int | None = None
    stale_pods: Sequence[str] = ()
    rotation: bool | None = None

    def plain(self) -> dict[str, Any]:
        """Return what the module says of it."""
        names = ("stored", "fingerprint", "vault_fingerprint", "vault_version", "rotation")
        lists = {"vault_versions": list(self.vault_versions), "stale_pods": list(self.stale_pods)}
        return {name: getattr(self, name) for name in names} | lists


@dataclass(frozen=True)
class Facts:
    """All that is known.

    Attributes:
        probe: what logging in gave.
        redis: what Redis said.
        key: the signing key.
        replicas: pods of the API wanted, and ``pods_ready`` those that are ready.
        waiting: why pods of the API do not start, each in one line.
        leads_nowhere: why the Service of the API leads to no pod; ``None`` where it does, or that is not known.
        database_down: why the database cannot be asked; ``None`` when it can, or was not.
        lines: log lines by class; a class that is not there was not looked for.
        newest_line_s: age in seconds of the newest of those that keep people from logging in.
        gaps: what is needed and could not be learned.
        notes: what else should be known, without which the cause is decided all the same.
    """

    probe: Probe = field(default_factory=Probe)
    redis: Redis = field(default_factory=Redis)
    key: Key = field(default_factory=Key)
    replicas: int | None = None
    pods_ready: int | None = None
    waiting: Sequence[str] = ()
    leads_nowhere: str | None = None
    database_down: str | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    newest_line_s: float | None = None
    gaps: Sequence[str] = ()
    notes: Sequence[str] = ()


def evidence(facts: Facts) -> list[dict[str, Any]]:
    """What was read, each with ``source``."""
    redis, key = facts.redis, facts.key
    lines = [{"source": "logs", "class": name, "lines": count} for name, count in facts.lines.items() if count]
    return [
        {"source": "probe", "verdict": facts.probe.verdict, "skew_s": facts.probe.skew_s},
        {"source": "redis", "cause": redis.cause, "role": redis.role, "writes": redis.writes},
        {"source": "redis_pods", "replicas": redis.replicas, "ready": redis.ready, "trouble": list(redis.trouble)},
        {
            "source": "key",
            "stored": key.stored,
            "fingerprint": key.fingerprint,
            "vault_fingerprint": key.vault_fingerprint,
            "stale_pods": list(key.stale_pods),
        },
        {"source": "pods", "replicas": facts.replicas, "ready": facts.pods_ready, "waiting": list(facts.waiting)},
        {"source": "service", "leads_nowhere": facts.leads_nowhere},
        {"source": "database", "down": facts.database_down},
        *lines,
    ]
