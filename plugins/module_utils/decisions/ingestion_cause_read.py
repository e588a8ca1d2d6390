# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read the results of the modules that ingestion-lag asks into the facts of its decision. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.ingestion_cause_facts import (
    STORED,
    Facts,
    Platform,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import parse_instant

Json = Mapping[str, Any]

_DOWN = frozenset({"refused", "timeout", "dns", "tls", "no_answer", "server_error"})
_CRASHING = frozenset({"CrashLoopBackOff", "Error", "RunContainerError", "ImagePullBackOff", "ErrImagePull"})
_MEMORY = "OOMKilled"
_LENGTH = 200
_AHEAD_S = 60  # that clocks may differ; a row of later than that says nothing about when it was written
# The kubelet forgets that a container failed once it has run for so long,
# https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
_RECOVERED_S = 600


def read_facts(
    results: Json,
    *,
    ages: Json,
    measured: float | None,
    now: dt.datetime,
    recent_s: float,
    paused: Collection[str] = (),
) -> Facts:
    """Return what is known.

    Args:
        results: by the names of the module's options: ``social``, ``clickhouse``, ``worker`` and ``logs``; empty for
            what was not asked.
        ages: age in seconds of the newest row of a platform, as far as it is known.
        measured: used share of ClickHouse's disk, 0 to 1, for a server that does not say it.
        recent_s: seconds within which a pod must have run out of memory.
        paused: platforms that the worker is told to leave out.
    """
    gaps: list[str] = []
    notes: list[str] = []
    lag_s, stale = _freshness(results["clickhouse"], gaps)
    return Facts(
        lag_s=lag_s,
        stale=stale,
        **_clickhouse(results["clickhouse"], measured, gaps, notes),
        **_worker(results["worker"], now, recent_s, gaps, notes),
        **_lines(results["logs"], set(results["social"].get("platforms") or ()) - set(paused), gaps),
        platforms=_platforms(results["social"], ages, gaps),
        reauthorize=list(results["social"].get("reauthorize") or ()),
        gaps=gaps,
        notes=notes,
    )


def _freshness(result: Json, gaps: list[str]) -> tuple[float | None, str | None]:
    """The age of the newest row, of the table where it is oldest."""
    if not result.get("reachable"):
        return None, None  # _clickhouse() says so
    ages: list[tuple[float, str]] = []
    for row in result.get("freshness") or ():
        table, age = str(row.get("table")), row.get("age_s")
        if row.get("status") == "value" and isinstance(age, (int, float)) and age < -_AHEAD_S:
            gaps.append(f"how old the newest row of {table} is, is not known: its time is {-age:.0f} s in the future")
        elif row.get("status") == "value" and isinstance(age, (int, float)):
            ages.append((float(age), table))
        else:
            said = row.get("message") or row.get("status") or "not said"
            gaps.append(f"how old the newest row of {table} is, is not known: {said}")
    if not result.get("freshness"):
        gaps.append("how old the newest row is was not asked")
    return max(ages, default=(None, None))


def _clickhouse(result: Json, measured: float | None, gaps: list[str], notes: list[str]) -> dict[str, Any]:
    if not result.get("reachable"):
        gaps.append(_unread("ClickHouse", result))
        down = result.get("message") or result.get("cause") if result.get("cause") in _DOWN else None
        return {"database_down": down, "used_ratio": measured}
    unsaid = [name for name in ("mutations", "most_parts", "replicas") if result.get(name) is None]
    gaps.extend(f"ClickHouse did not say its {name.replace('_', ' ')}" for name in unsaid)
    used = result.get("used_ratio") if result.get("used_ratio") is not None else measured
    if used is None:
        gaps.append("how full ClickHouse's disk is, is not known")
    most: Json = next(iter(result.get("most_parts") or ()), {})
    unsure = [each for each in result.get("mutations") or () if each.get("stuck") is None]
    if unsure:
        notes.append(f"whether {len(unsure)} mutations are stuck is not known to this server")
    return {
        "used_ratio": used,
        "parts": most.get("parts"),
        "parts_at": f"{most.get('database')}.{most.get('table')} partition {most.get('partition_id')}" if most else "",
        "parts_limit": (result.get("limits") or {}).get("parts_to_throw_insert"),
        "stuck": [each for each in result.get("mutations") or () if each.get("stuck")],
        "readonly": [
            f"{each.get('database')}.{each.get('table')}"
            for each in result.get("replicas") or ()
            if each.get("readonly") or each.get("session_expired")
        ],
    }


def _worker(result: Json, now: dt.datetime, recent_s: float, gaps: list[str], notes: list[str]) -> dict[str, Any]:
    workload = result.get("workload") or {}
    if not workload or result.get("pods_ready") is None:
        gaps.append(_unread("the metric worker", result))
    pods = result.get("pods") or ()
    failing = [f"{pod.get('name')}: {why}" for pod in pods if (why := _why(pod.get("containers") or (), now, recent_s))]
    notes.extend(
        f"{pod.get('name')} ran out of memory at {each['last_termination'].get('finished_at')}, and is ready now"
        for pod in pods
        for each in pod.get("containers") or ()
        if _ran_out(each) and _recovered(each, now)
    )
    return {"replicas": workload.get("replicas"), "pods_ready": result.get("pods_ready"), "failing": failing}


def _why(containers: Iterable[Json], now: dt.datetime, recent_s: float) -> str | None:
    """Why a pod counts as failing; an end of long ago does not."""
    for container in containers:
        last = container.get("last_termination") or {}
        restarts = container.get("restarts")
        ended = parse_instant(last.get("finished_at"))
        recent = ended is not None and (now - ended).total_seconds() <= recent_s
        recent = recent and not _recovered(container, now)
        if container.get("reason") == _MEMORY or (
            _ran_out(container) and (recent or container.get("reason") in _CRASHING)
        ):
            return f"out of memory, {restarts} restarts"
        if container.get("reason") in _CRASHING:
            code = f", exit status {last['exit_code']}" if last.get("exit_code") is not None else ""
            return f"{container.get('reason')}{code}, {restarts} restarts"
    return None


def _ran_out(container: Json) -> bool:
    return bool((container.get("last_termination") or {}).get("reason") == _MEMORY)


def _recovered(container: Json, now: dt.datetime) -> bool:
    """Whether a container that ended has been well for so long that it does not end again and again."""
    ended = parse_instant((container.get("last_termination") or {}).get("finished_at"))
    return bool(container.get("ready")) and ended is not None and (now - ended).total_seconds() > _RECOVERED_S


def _lines(result: Json, platforms: Collection[str], gaps: list[str]) -> dict[str, Any]:
    """Lines by class, and when the last one was; *platforms* are those that should be ingested."""
    total, read = result.get("pods_total"), result.get("pods_read")
    classes = result.get("classes") or {}
    counts = {name: int(found.get("count") or 0) for name, found in classes.items()}
    if not result.get("reachable") or total is None:
        gaps.append(_unread("the worker's logs", result))
    elif read != total or not total or result.get("pods_unread"):
        gaps.append(f"logs of {read} of {total} pods of the worker were read")
    elif result.get("truncated"):
        gaps.append(f"{len(result['truncated'])} logs of the worker were cut off")
    elif any(count for name, count in counts.items() if name.startswith(STORED)):
        gaps.extend(
            f"when rows of {name} were ingested last is not known: no log line says so, as of others"
            for name in sorted(platforms)
            if counts.get(f"{STORED}{name}") == 0  # not where it was not looked for
        )
    last = {name: at for name, found in classes.items() if (at := parse_instant(found.get("last_at")))}
    return {"lines": counts, "last": last}


def _platforms(result: Json, ages: Json, gaps: list[str]) -> dict[str, Platform]:
    found: dict[str, Platform] = {}
    for name, shown in (result.get("platforms") or {}).items():
        age = ages.get(name)
        if isinstance(age, (int, float)) and age < -_AHEAD_S:
            gaps.append(f"how old the newest row of {name} is, is not known: its time is {-age:.0f} s in the future")
            age = None
        found[name] = Platform(
            name=str(name),
            verdict=str(shown.get("verdict") or "unknown"),
            by_verdict=shown.get("by_verdict") or {},
            cause=shown.get("cause"),
            message=plain_line(str(shown.get("message") or shown.get("cause") or ""), _LENGTH),
            retry_at=shown.get("retry_at"),
            age_s=float(age) if isinstance(age, (int, float)) and not isinstance(age, bool) else None,
        )
        if not found[name].proven and not found[name].has("rate_limited", "quota_exhausted"):
            gaps.append(f"whether {name} serves us is not known: {found[name].message or 'not asked'}")
    if not found:
        gaps.append(_unread("the social platforms", result))
    return found


def _unread(what: str, result: Json) -> str:
    return f"{what} could not be examined: {result.get('message') or result.get('cause') or 'not asked'}"
