# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Why metrics are ingested late: the decision table of ingestion-lag. Pure, no I/O.

The first row that is proven counts. What keeps ClickHouse from taking any row comes first, then a worker that does not
run, then what single platforms refuse: nothing behind it would help. Then comes a dashboard that shows old data
although there is new. A disk that is nearly full and a mutation that is stuck come last, because rows are still taken.

What platforms answer now outranks what was logged: lines count only for a platform that could not be asked. A line of
trouble that is older than one of success, or of another trouble, is of something that is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.ingestion_cause_facts import (
    DATABASE,
    DISK,
    NETWORK,
    PARTS,
    RATE_LIMIT,
    READONLY,
    STORED,
    UNAUTHORIZED,
    Facts,
    Platform,
    evidence,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

CAUSES = (
    *("clickhouse_down", "replica_readonly", "disk_full", "mutation_stuck", "too_many_parts", "worker_failing"),
    *("rate_limited", "token", "network", "platform_down", "dashboard_old", "none", "unknown"),
)
_LIMITED = ("rate_limited", "quota_exhausted")
_TOKENS = ("token_expired", "token_revoked", "permission")
_FULL = 0.99  # of a disk: inserts fail although no line says so yet
_LENGTH = 200

Verdict = tuple[str, str]


@dataclass(frozen=True)
class Limits:
    """From when something counts.

    Attributes:
        max_lag_s: seconds that the newest row may be old.
        disk_crit: used share of a disk, 0 to 1.
        dashboard_reported: whether somebody sees old data.
    """

    max_lag_s: float
    disk_crit: float
    dashboard_reported: bool = False


@dataclass(frozen=True)
class Case:
    """The facts, and what is used by more than one row."""

    facts: Facts
    limits: Limits

    @property
    def lagging(self) -> bool | None:
        """Whether rows are late; ``None`` where that is not known."""
        ages = [each.age_s for each in self.facts.platforms.values() if each.age_s is not None]
        known = [age for age in (self.facts.lag_s, *ages) if age is not None]
        if any(age > self.limits.max_lag_s for age in known):
            return True
        return False if self.facts.lag_s is not None else None

    def logged(self, name: str) -> int:
        """Lines of a class while rows may be late; lines of a trouble that is over prove nothing."""
        return 0 if self.lagging is False else self.facts.count(name)

    def refused(self, name: str) -> int:
        """The same of a class of ClickHouse's refusals; none counts once rows have been written after them."""
        return 0 if self.facts.outdated(name, STORED) else self.logged(name)

    @property
    def full(self) -> bool:
        """Whether the disk is at its critical share."""
        return self.facts.used_ratio is not None and self.facts.used_ratio >= self.limits.disk_crit

    def late(self, platform: Platform) -> bool:
        """Whether rows of a platform may be late: not where they are known to be in time."""
        return platform.age_s is None or platform.age_s > self.limits.max_lag_s


def ingestion_cause(facts: Facts, limits: Limits) -> dict[str, Any]:
    """Return what the module of the same name does."""
    case = Case(facts, limits)
    proven = [verdict for row in _ROWS if (verdict := row(case))]
    cause, reason = proven[0] if proven else _nothing_proven(case)
    others = [verdict for verdict in proven[1:] if verdict[0] != cause]
    if case.full and "disk_full" not in dict(proven):
        others.append(("disk_full", _how_full(case)))  # it keeps no row away yet, and must not be forgotten
    limited = [each for each in facts.platforms.values() if each.has(*_LIMITED)]
    return {
        "cause": cause,
        "reason": reason,
        "also": [{"cause": other, "reason": why} for other, why in others],
        "lagging": case.lagging,
        "lag_s": facts.lag_s,
        "limited": [each.name for each in limited],
        "retry_at": max((each.retry_at for each in limited if each.retry_at), default=None),
        "reauthorize": [dict(account) for account in facts.reauthorize],
        "platforms_ok": [each.name for each in facts.platforms.values() if set(each.by_verdict) == {"ok"}],
        "evidence": evidence(facts),
        "gaps": list(facts.gaps),
        "notes": list(facts.notes),
    }


def _clickhouse_down(case: Case) -> Verdict | None:
    lines = case.facts.count(DATABASE)
    if not case.facts.database_down or not lines:
        return None  # it may be only we who do not reach it
    return "clickhouse_down", f"ClickHouse does not answer ({case.facts.database_down}), and {lines} log lines say so"


def _replica_readonly(case: Case) -> Verdict | None:
    if case.facts.readonly:
        return "replica_readonly", f"{', '.join(case.facts.readonly[:5])} are read-only and take no rows"
    lines = case.refused(READONLY)
    return ("replica_readonly", f"{lines} log lines say that a table is read-only") if lines else None


def _disk_full(case: Case) -> Verdict | None:
    ratio, lines = case.facts.used_ratio, case.refused(DISK)
    if ratio is not None and (ratio >= _FULL or (case.full and lines)):
        said = f", and {lines} log lines say that rows were refused for it" if lines else ""
        return "disk_full", f"ClickHouse's disk is {ratio:.0%} full{said}"
    if ratio is None and lines:
        return "disk_full", f"{lines} log lines say that ClickHouse refused rows for lack of space"
    return None


def _crowded(case: Case) -> str | None:
    """Why inserts are refused for too many parts."""
    facts = case.facts
    if facts.parts and facts.parts_limit and facts.parts >= facts.parts_limit:
        return f"{facts.parts_at} has {facts.parts} active parts, and at {facts.parts_limit} rows are refused"
    lines = case.refused(PARTS)
    return f"{lines} log lines say that ClickHouse refused rows for too many parts" if lines else None


def _mutation_blocks(case: Case) -> Verdict | None:
    crowded = _crowded(case)
    return ("mutation_stuck", f"{_stuck(case)}; {crowded}") if crowded and case.facts.stuck else None


def _stuck(case: Case) -> str:
    first = case.facts.stuck[0]
    why = plain_line(str(first.get("fail_reason") or "no reason given"), _LENGTH)
    return f"the mutation {first.get('mutation_id')} of {first.get('table')} fails again and again: {why}"


def _too_many_parts(case: Case) -> Verdict | None:
    crowded = _crowded(case)
    return ("too_many_parts", crowded) if crowded else None


def _worker_failing(case: Case) -> Verdict | None:
    facts = case.facts
    if facts.replicas == 0:
        return "worker_failing", "the metric worker is scaled to no pods"
    if facts.failing:
        return "worker_failing", f"pods of the metric worker fail: {'; '.join(facts.failing[:3])}"
    if facts.replicas and facts.pods_ready == 0:
        return "worker_failing", f"none of {facts.replicas} wanted pods of the metric worker is ready"
    return None


def _rate_limited(case: Case) -> Verdict | None:
    limited = [each for each in case.facts.platforms.values() if each.has(*_LIMITED) and case.late(each)]
    if limited:
        return "rate_limited", _each(limited)
    return _by_log(case, "rate_limited", RATE_LIMIT, "that a limit is reached")


def _token(case: Case) -> Verdict | None:
    refused = [each for each in case.facts.platforms.values() if each.has(*_TOKENS) and case.late(each)]
    if refused:
        accounts = [
            f"{each.get('platform')}/{each.get('account')} ({str(each.get('verdict')).replace('_', ' ')})"
            for each in case.facts.reauthorize
        ]
        shown = ", ".join(accounts[:9]) or _each(refused)
        return "token", f"accounts have to be authorized again: {shown}"
    return _by_log(case, "token", UNAUTHORIZED, "that a token is not accepted")


def _by_log(case: Case, cause: str, name: str, what: str) -> Verdict | None:
    """A class of lines counts for a platform that could not be asked, or for all where none could."""
    if _network(case):
        return None  # a way out that is gone is newer, and explains why none could be asked
    unproven = [each for each in case.facts.platforms.values() if not each.proven and case.late(each)]
    for platform in unproven:
        own = f"{name}_{platform.name}"
        lines = case.logged(own)
        if lines and not case.facts.outdated(own, f"{STORED}{platform.name}"):
            return cause, f"{lines} log lines say {what} at {platform.name}, which could not be asked"
    lines = case.logged(name)
    unasked = not any(each.proven for each in case.facts.platforms.values())
    if lines and unasked and not case.facts.outdated(name, STORED):
        return cause, f"{lines} log lines say {what}, and no platform could be asked"
    return None


def _network(case: Case) -> Verdict | None:
    platforms = case.facts.platforms.values()
    lines = case.logged(NETWORK)
    if len(platforms) < 2 or not lines or not all(map(_no_way, platforms)):  # noqa: PLR2004 - all
        return None
    if not any(each.has("unreachable") for each in platforms):
        return None  # nobody was asked
    if case.facts.outdated(NETWORK, RATE_LIMIT, UNAUTHORIZED, STORED):
        return None  # the worker has reached one since
    return (
        "network",
        f"no platform can be reached, and {lines} log lines of the worker say so: {_each(platforms)}",
    )


def _no_way(platform: Platform) -> bool:
    """Whether none of its accounts got any answer, not even of a platform that has a problem."""
    verdicts = {verdict for verdict, count in platform.by_verdict.items() if count}
    return bool(verdicts) and verdicts <= {"unreachable", "skipped"} and platform.cause != "server_error"


def _platform_down(case: Case) -> Verdict | None:
    platforms = list(case.facts.platforms.values())
    down = [each for each in platforms if each.has("unreachable") and case.late(each)]
    if not down or (len(down) == len(platforms) and not all(each.cause == "server_error" for each in down)):
        return None  # if nothing answers, it may be only we who reach none
    return "platform_down", _each(down)


def _each(platforms: Iterable[Platform]) -> str:
    return "; ".join(
        f"{each.name} is {each.verdict.replace('_', ' ')}"
        + (f" until {each.retry_at}" if each.retry_at else "")
        + (f" ({each.message})" if each.message else "")
        for each in platforms
    )


def _disk_nearly_full(case: Case) -> Verdict | None:
    well = all(set(each.by_verdict) == {"ok"} for each in case.facts.platforms.values())
    if not case.full or not case.facts.platforms or not well or case.facts.used_ratio is None:
        return None
    return "disk_full", f"every platform serves us, and {_how_full(case)}"


def _how_full(case: Case) -> str:
    return f"ClickHouse's disk is {case.facts.used_ratio or 0:.0%} full"


def _mutation_stuck(case: Case) -> Verdict | None:
    return ("mutation_stuck", _stuck(case)) if case.facts.stuck else None


def _dashboard_old(case: Case) -> Verdict | None:
    if case.lagging is not False or not case.limits.dashboard_reported:
        return None
    age = f"{case.facts.lag_s:.0f} s" if case.facts.lag_s is not None else "of now"
    text = f"the newest row is {age} old, so what shows old data is behind ClickHouse: a cache, a query, a time zone"
    return "dashboard_old", text


_ROWS: tuple[Callable[[Case], Verdict | None], ...] = (
    _clickhouse_down,
    _replica_readonly,
    _disk_full,
    _mutation_blocks,
    _too_many_parts,
    _worker_failing,
    _rate_limited,
    _token,
    _network,
    _platform_down,
    _dashboard_old,
    _disk_nearly_full,
    _mutation_stuck,
)


def _nothing_proven(case: Case) -> Verdict:
    gaps = f"; not known: {'; '.join(case.facts.gaps)}" if case.facts.gaps else ""
    if case.lagging:
        lag = f"the newest row is {case.facts.lag_s:.0f} s old" if case.facts.lag_s is not None else "rows are late"
        return "unknown", f"{lag}, and nothing that was examined explains it{gaps}"
    if case.lagging is None:
        return "unknown", f"whether rows are late is not known{gaps}"
    if case.facts.gaps:
        return "unknown", f"rows are in time, but not all was examined{gaps}"
    return "none", f"the newest row is {case.facts.lag_s or 0:.0f} s old, and nothing keeps rows from being taken"
