# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Why an API is slow: the decision table of api-latency. Pure, no I/O.

The first row that is proven counts. Locks come first, because everything behind them waits; then what concerns one
pod or all pods, and then what requests wait for. Without traffic nothing is judged but whether
requests hang. What could not be asked proves nothing and excludes nothing: it is told in ``gaps``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import latency_cause_told as told
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.index_suggestion import suggest
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.latency_cause_waits import waiters_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import parse_instant

SAFE, DISRUPTIVE = "safe", "disruptive"
# cause -> what helps, and its class of risk
REMEDIES: Mapping[str, tuple[str | None, str]] = {
    "no_traffic": (None, SAFE),
    "none": (None, SAFE),
    "locks": ("end_blocker", DISRUPTIVE),
    "one_pod": ("evict_pod", DISRUPTIVE),
    "regression": ("undo_rollout", DISRUPTIVE),
    "capacity": ("scale_backend", DISRUPTIVE),
    "missing_index": ("create_index", DISRUPTIVE),
    "slots": (None, SAFE),
    "pool": ("resize_pool", DISRUPTIVE),
    "slow_sql": (None, SAFE),
    "dependency": (None, SAFE),
    "network": (None, SAFE),
    "unknown": (None, SAFE),
}
INPUTS = told.INPUTS
_WORSE = 2.0  # times the p95 of before the rollout, or of a day ago
_BEFORE_IT = 1.5  # the p95 before the API is so many times its own
_CLOCKS_S = 60.0  # that those of nodes and API server may differ
_SLOTS_TAKEN = 0.95
_CPU_TAKEN = 0.9
_LEAST_SCANS = 4  # each worker of a parallel scan counts as one, and by default two of them help
_SEVERAL = 3  # sessions that wait
_LONG_WAIT_S = 5.0
_WELL_ABOVE = 5.0  # times the least rate that is judged by
_LEAST_REST = 0.05  # waits are sampled, so that they may seem to be all there is
Json = dict[str, Any]
Verdict = tuple[str, str]


@dataclass(frozen=True)
class Limits:
    """What counts as much.

    Attributes:
        slo_p95_ms: the objective in milliseconds.
        throttling: share of throttled periods, 0 to 1.
        share: of the time of requests that makes a part of it the cause, 0 to 1.
        deploy_s: a rollout within so many seconds may be the cause.
        database: name of the database among ``parts`` of the latency.
        rows_per_scan: a table of which so many rows are read from end to end lacks an index.
        pool: name of the wait for a connection of the pool among ``parts`` of the latency.
        min_rps: fewer requests per second than this say nothing.
    """

    slo_p95_ms: float
    throttling: float
    share: float
    deploy_s: float
    database: str
    rows_per_scan: float
    pool: str = "pool"
    min_rps: float = 0.1


@dataclass(frozen=True)
class _Case:
    given: Mapping[str, Mapping[str, Any]]
    limits: Limits
    now: dt.datetime

    def of(self, name: str) -> Mapping[str, Any]:
        """A result, or nothing when its system did not answer."""
        return told.answered(self.given, name)

    def share(self, part: str) -> float | None:
        """The share of the time of requests that the API measures for a part of it."""
        found = ((self.of("latency").get("parts") or {}).get(part) or {}).get("share")
        return None if found is None else float(found)


def latency_cause(given: Mapping[str, Mapping[str, Any]], limits: Limits, now: dt.datetime) -> Json:
    """Return what the module of the same name does.

    Args:
        given: results by the names of ``INPUTS``; one that is missing or empty was not asked.
        limits: what counts as much.
        now: the time of the look.
    """
    case = _Case(given, limits, now)
    found = next((verdict for row in _ROWS if (verdict := row(case))), None)
    gaps = told.gaps(given)
    cause, reason = found or ("unknown", _nothing(gaps))
    remedy, risk = REMEDIES[cause]
    objection = told.objection(given, cause)
    return {
        "cause": cause,
        "reason": reason,
        "remedy": None if objection else remedy,
        "risk": risk if remedy and not objection else SAFE,
        "objection": objection,
        "proposal": _proposal(case) if cause == "missing_index" else None,
        "evidence": told.evidence(given, _database_share(case)),
        "gaps": gaps,
    }


def _not_judged(case: _Case) -> Verdict | None:
    latency = case.of("latency")
    verdict = latency.get("verdict", "unknown")
    if verdict == "unknown":
        said = (case.given.get("latency") or {}).get("reason") or "not asked"
        return "unknown", f"how slow the API is is not known: {said}"
    if verdict == "slow":
        return None
    hangs = _hanging(case)
    if verdict == "ok":
        return hangs or _network(case) or ("none", str(latency["reason"]))
    return hangs or _vanished(case) or ("no_traffic", str(latency["reason"]))


def _hanging(case: _Case) -> Verdict | None:
    """A request is measured when it has ended, so those that hang are not seen as slow."""
    waiters, _ = waiters_of(case.given, case.limits.slo_p95_ms)
    if len(waiters) >= _SEVERAL or max(waiters.values(), default=0.0) >= _LONG_WAIT_S:
        return _locks(case)
    return _slots(case)


def _vanished(case: _Case) -> Verdict | None:
    latency = case.of("latency")
    total = latency.get("total") or {}
    for name, when in (("rps_before", "before"), ("rps_day_ago", "a day ago")):
        rps = total.get(name)
        if rps is not None and rps > 0 and rps >= case.limits.min_rps * _WELL_ABOVE:
            said = f"{latency['reason']}, and {when} there were {rps:g} requests per second"
            return "unknown", f"{said}: they may not arrive, or not end"
    return None


def _locks(case: _Case) -> Verdict | None:
    waiters, root = waiters_of(case.given, case.limits.slo_p95_ms)
    if not waiters:
        return None
    first = "" if root is None else f", process {root} first"
    return "locks", (
        f"{len(waiters)} sessions of the database have waited for locks of others for up to {max(waiters.values()):g} s"
        f"{first}"
    )


def _one_pod(case: _Case) -> Verdict | None:
    judged = [row for row in case.of("latency").get("instances") or [] if row.get("slow") is not None]
    slow = [row for row in judged if row["slow"]]
    if len(slow) != 1 or len(judged) < 2:  # noqa: PLR2004 - one of several
        return None
    return "one_pod", f"only {slow[0]['instance']} of {len(judged)} is slow, its p95 is {slow[0]['p95_ms']:g} ms"


def _regression(case: _Case) -> Verdict | None:
    """What was rolled out is slower than before, or than a day ago where that is not known."""
    total = case.of("latency").get("total") or {}
    name, when = ("day_ago", "a day ago") if total.get("times_before") is None else ("before", "before")
    times, rps = total.get(f"times_{name}"), total.get(f"rps_{name}")
    if rps is not None and rps < case.limits.min_rps:
        return None  # what is compared with were too few requests
    rolled_out = _rolled_out(case)
    if rolled_out is None or times is None or times < _WORSE:
        return None
    return "regression", f"{rolled_out}, and p95 is {times:g} times that of {when}"


def _rolled_out(case: _Case) -> str | None:
    """That every pod is of a new revision, not by a restart.

    Pods are replaced by much else as well, such as a drained node: that the revision itself is new proves it.
    """
    result, deploy_s = case.of("workload"), case.limits.deploy_s
    workload = result.get("workload") or {}
    created, restarted = (parse_instant(workload.get(name)) for name in ("revision_created_at", "restarted_at"))
    if created is None or str(workload.get("revision")) in {"1", "None"}:
        return None
    starts = [parse_instant(pod.get("started_at")) for pod in result.get("pods") or []]
    since = (case.now - created).total_seconds()
    new = bool(starts) and all(start and (created - start).total_seconds() <= _CLOCKS_S for start in starts)
    by_restart = restarted is not None and (case.now - restarted).total_seconds() <= deploy_s
    if since > deploy_s or by_restart or not new:
        return None
    return f"revision {workload['revision']} was rolled out {since / 60:.0f} minutes ago"


def _capacity(case: _Case) -> Verdict | None:
    throttled = (case.of("latency").get("throttling") or {}).get("max")
    used = (case.of("top").get("totals") or {}).get("cpu_limit_ratio_max")
    found = []
    if throttled is not None and throttled > case.limits.throttling:
        found.append(f"a pod is throttled in {throttled * 100:.0f} % of the periods of its CPU quota")
    if used is not None and used >= _CPU_TAKEN:
        found.append(f"a container uses {used * 100:.0f} % of its CPU limit")
    if not found:
        return None
    wish = _wish(case)
    return "capacity", "; ".join([*found, *([wish] if wish else [])])


def _autoscaler(case: _Case) -> Verdict | None:
    """What an autoscaler wants says nothing of what requests wait for: it counts where nothing else explains them."""
    wish = _wish(case)
    return ("capacity", wish) if wish else None


def _wish(case: _Case) -> str | None:
    autoscaler = case.of("hpa").get("autoscaler") or {}
    if not (autoscaler.get("at_max") and autoscaler.get("wants_more")):
        return None
    return f"the autoscaler {autoscaler['name']} is at its maximum of {autoscaler['max']} and wants more"


def _missing_index(case: _Case) -> Verdict | None:
    """Slow statements fill the pool as well, so what counts is what requests do once they have a connection."""
    share, table = _database_share(case), _read_whole(case)
    if share is None or table is None:
        return None
    share = min(share / max(1 - (case.share(case.limits.pool) or 0.0), _LEAST_REST), 1.0)
    if share < case.limits.share:
        return None
    rows = table["sequential_rows"] / table["sequential_scans"]
    scans = f"{table['sequential_scans']} times in the sample, {rows:.0f} rows each"
    return "missing_index", (
        f"{share * 100:.0f} % of the time of requests is spent in the database; {table['schema']}.{table['table']} was "
        f"read from end to end {scans}"
    )


def _slow_sql(case: _Case) -> Verdict | None:
    share = _database_share(case)
    if share is None or share < case.limits.share:
        return None
    return "slow_sql", f"{share * 100:.0f} % of the time of requests is spent in the database"


def _proposal(case: _Case) -> Json | None:
    table, statements = _read_whole(case), case.of("statements")
    database = (statements.get("server") or {}).get("database")
    return suggest(statements.get("statements") or [], table, database) if table else None


def _read_whole(case: _Case) -> Mapping[str, Any] | None:
    """The large table of which most rows were read from end to end."""
    tables = [
        table
        for table in case.of("statements").get("tables") or []
        if (scans := table.get("sequential_scans") or 0) >= _LEAST_SCANS
        and (table.get("sequential_rows") or 0) / scans >= case.limits.rows_per_scan
    ]
    return max(tables, key=lambda table: table["sequential_rows"], default=None)


def _slots(case: _Case) -> Verdict | None:
    ratio = (case.of("activity").get("slots") or {}).get("used_ratio")
    if ratio is None or ratio < _SLOTS_TAKEN:
        return None
    return "slots", f"{ratio * 100:.0f} % of the database's connections are taken"


def _pool(case: _Case) -> Verdict | None:
    """The application's own pool; that the server has room is known by then, or told in ``objection``."""
    share = case.share(case.limits.pool)
    if share is None or share < case.limits.share:
        return None
    text = f"{min(share, 1.0) * 100:.0f} % of the time of requests they wait for a connection of the pool"
    slots = case.of("activity").get("slots") or {}
    return "pool", f"{text}, and {slots['free']} of the server's are free" if slots.get("free") is not None else text


def _dependency(case: _Case) -> Verdict | None:
    parts = case.of("latency").get("parts") or {}
    shares = {
        name: part["share"]
        for name, part in parts.items()
        if name not in {case.limits.database, case.limits.pool} and (part or {}).get("share") is not None
    }
    name = max(shares, key=lambda each: shares[each], default=None)
    if name is None or shares[name] < case.limits.share:
        return None
    return "dependency", f"{shares[name] * 100:.0f} % of the time of requests is spent on {name}"


def _network(case: _Case) -> Verdict | None:
    latency = case.of("latency")
    before, own = latency.get("ingress_p95_ms"), (latency.get("total") or {}).get("p95_ms")
    if before is None or own is None or before <= case.limits.slo_p95_ms or before < own * _BEFORE_IT:
        return None
    return "network", f"p95 is {before:g} ms before the API and {own:g} ms in it"


_ROWS: tuple[Callable[[_Case], Verdict | None], ...] = (
    _not_judged, _locks, _one_pod, _regression, _capacity, _missing_index, _slots, _pool, _slow_sql, _dependency,
    _network, _autoscaler,
)  # fmt: skip


def _database_share(case: _Case) -> float | None:
    """As the API measures it; else what statements took per second against what requests did."""
    latency, statistics = case.of("latency"), case.of("statements").get("statistics") or {}
    measured = case.share(case.limits.database)
    if measured is not None:
        return measured
    per_s, load = (latency.get("total") or {}).get("seconds_per_s"), statistics.get("load")
    if not per_s or load is None:
        return None
    return min(float(load) / float(per_s), 1.0)  # statements of others count as well


def _nothing(gaps: list[str]) -> str:
    if gaps:
        return f"the API is slow, and nothing that is known explains it; not known: {'; '.join(gaps)}"[:500]
    return "the API is slow, and neither database, pods, calls nor network explain it: look at the code of its routes"
