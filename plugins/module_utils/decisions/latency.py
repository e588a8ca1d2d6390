# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How slow an API is, which routes cost the most time, and whether there is enough traffic to say so. Pure, no I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.latency_histogram import (
    Histogram,
    histograms,
    together,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_answers import (
    LABEL_LENGTH,
    Sample,
)

OK, SLOW, LOW_VOLUME, NO_TRAFFIC, UNKNOWN = "ok", "slow", "low_volume", "no_traffic", "unknown"
P50, P95, P99 = 0.5, 0.95, 0.99
Json = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What is judged by.

    Attributes:
        slo_p95_ms: p95 above this is slow, milliseconds.
        min_rps: fewer requests per second say nothing.
        most_routes: so many are returned.
    """

    slo_p95_ms: float
    min_rps: float
    most_routes: int


@dataclass(frozen=True)
class Measured:
    """What Prometheus gave; ``None`` for what it did not.

    Attributes:
        routes: requests per second by route and bucket.
        time: seconds of request time per second, by route.
        errors: failed requests per second by route.
        day: as ``routes``, a day ago.
        week: a week ago.
        before: a chosen time ago.
        instances: requests per second by instance and bucket.
        targets: as ``targets_facts`` gives them.
        throttling: share of throttled periods by pod.
        ingress: p95 before the API in seconds.
        parts: seconds per second by what requests spend their time on.
        gaps: why something is ``None``, by its name here.
    """

    routes: list[Sample] | None
    time: list[Sample] | None
    errors: list[Sample] | None
    day: list[Sample] | None
    week: list[Sample] | None
    instances: list[Sample] | None
    targets: Mapping[str, Any]
    before: list[Sample] | None = None
    throttling: list[Sample] | None = None
    ingress: list[Sample] | None = None
    parts: Mapping[str, list[Sample] | None] = field(default_factory=dict)
    gaps: Mapping[str, str] = field(default_factory=dict)


def judge(measured: Measured, limits: Limits, route_label: str, instance_label: str) -> Json:
    """Return the verdict with its figures; see the documentation of ``api_latency``."""
    now = histograms(measured.routes or [], route_label)
    time, errors = _by(measured.time, route_label), _by(measured.errors, route_label)
    known_errors = None if measured.errors is None else errors
    earlier = {
        name: None if samples is None else histograms(samples, route_label)
        for name, samples in (("day_ago", measured.day), ("week_ago", measured.week), ("before", measured.before))
    }
    whole, spent = together(now.values()), None if measured.time is None else sum(time.values())
    frame = _Frame(limits, whole.per_s, spent)
    routes = [
        {
            "route": plain_line(route, LABEL_LENGTH),
            **frame.row(histogram, time.get(route), None if known_errors is None else known_errors.get(route, 0.0)),
            **_compared(histogram, {name: found.get(route) if found else None for name, found in earlier.items()}),
        }
        for route, histogram in now.items()
    ]
    routes.sort(key=lambda row: (-(row["seconds_per_s"] or 0.0), -row["rps"], row["route"]))
    total = {
        **frame.row(whole, spent, None if known_errors is None else sum(errors.values())),
        **_compared(whole, {name: together(found.values()) if found else None for name, found in earlier.items()}),
    }
    verdict, reason = _verdict(measured, routes, total, limits)
    return {
        "verdict": verdict,
        "reason": reason,
        "total": total,
        "routes": routes[: limits.most_routes],
        "routes_total": len(routes),
        "slow_routes": [row["route"] for row in routes if row["verdict"] == SLOW],
        "judged_routes": sum(row["verdict"] in {SLOW, OK} for row in routes),
        "instances": _instances(measured.instances, instance_label, limits),
        "throttling": _throttling(measured.throttling),
        "ingress_p95_ms": _milliseconds(measured.ingress),
        "parts": {name: _part(samples, spent) for name, samples in measured.parts.items()},
        "gaps": [f"{name}: {why}" for name, why in measured.gaps.items()],
    }


@dataclass(frozen=True)
class _Frame:
    limits: Limits
    per_s: float
    seconds_per_s: float | None

    def row(self, histogram: Histogram, seconds_per_s: float | None, errors: float | None) -> Json:
        per_s = histogram.per_s
        found = {name: histogram.quantile(share) for name, share in (("p50", P50), ("p95", P95), ("p99", P99))}
        verdict = verdict_of(histogram, self.limits)
        mean = None if seconds_per_s is None or not per_s else round(seconds_per_s / per_s * 1000, 3)
        return {
            "verdict": verdict,
            "rps": round(per_s, 4),
            "request_share": _ratio(per_s, self.per_s),
            "error_ratio": None if errors is None else _ratio(errors, per_s),
            **{f"{name}_ms": each.ms if each else None for name, each in found.items()},
            "mean_ms": mean,
            "saturated": bool(found["p95"] and found["p95"].saturated),
            "seconds_per_s": None if seconds_per_s is None else round(seconds_per_s, 4),
            "time_share": None if seconds_per_s is None else _ratio(seconds_per_s, self.seconds_per_s),
        }


def verdict_of(histogram: Histogram, limits: Limits) -> str:
    """Say in a word whether requests are slow, or why that is not known."""
    p95 = histogram.quantile(P95)
    if p95 is None:
        return NO_TRAFFIC if not histogram.per_s > 0 else UNKNOWN
    if histogram.per_s < limits.min_rps:
        return LOW_VOLUME
    if p95.ms > limits.slo_p95_ms or (p95.saturated and p95.ms >= limits.slo_p95_ms):
        return SLOW
    return UNKNOWN if p95.saturated else OK  # all that is known: it is slower than a bound below the objective


def _verdict(measured: Measured, routes: list[Json], total: Json, limits: Limits) -> tuple[str, str]:
    """Silence of targets that are not up is not known; no series at all is not "no traffic"."""
    if measured.routes is None:
        return UNKNOWN, f"the latency is not known: {measured.gaps.get('routes', 'no answer')}"
    targets = measured.targets
    if targets["state"] in {"down", "missing", "unknown"}:
        return UNKNOWN, f"the latency is not known: {targets['reason']}"
    if not routes:
        return UNKNOWN, "the latency is not known: there are no such series, check metric, job and window_s"
    slow = [row for row in routes if row["verdict"] == SLOW]
    if slow:
        worst = slow[0]
        least = "at least " if worst["saturated"] else ""
        others = f", and {len(slow) - 1} more" if len(slow) > 1 else ""
        return SLOW, (
            f"p95 of {worst['route']} is {least}{worst['p95_ms']:g} ms, above {limits.slo_p95_ms:g} ms{others}"
        )
    if total["verdict"] == SLOW:
        return SLOW, f"p95 of all routes together is {total['p95_ms']:g} ms, above {limits.slo_p95_ms:g} ms"
    if targets["state"] != "up":
        return UNKNOWN, f"only some targets report: {targets['reason']}"
    unread = [row["route"] for row in routes if row["verdict"] == UNKNOWN]
    if unread or total["verdict"] == UNKNOWN:
        whose = unread[0] if unread else "all routes together"
        return UNKNOWN, f"the buckets of {whose} cannot tell whether it is above {limits.slo_p95_ms:g} ms"
    if total["verdict"] == NO_TRAFFIC:
        return NO_TRAFFIC, "no requests came"
    if total["rps"] < limits.min_rps:
        return LOW_VOLUME, f"{total['rps']:g} requests per second are too few to judge by"
    return OK, f"p95 of all routes together is {total['p95_ms']:g} ms"


def _compared(now: Histogram, earlier: Mapping[str, Histogram | None]) -> Json:
    """p95 of earlier, and how many times as high it is now; ``None`` where there is nothing to compare with."""
    p95 = now.quantile(P95)
    result: Json = {}
    for name, histogram in earlier.items():
        then = histogram.quantile(P95) if histogram else None
        result[f"p95_{name}_ms"] = then.ms if then else None
        result[f"times_{name}"] = round(p95.seconds / then.seconds, 2) if p95 and then and then.seconds > 0 else None
        result[f"rps_{name}"] = round(histogram.per_s, 4) if histogram else None
    return result


def _instances(samples: list[Sample] | None, label: str, limits: Limits) -> list[Json] | None:
    if samples is None:
        return None
    rows: list[Json] = []
    for name, histogram in histograms(samples, label).items():
        p95 = histogram.quantile(P95)
        row = {"instance": plain_line(name, LABEL_LENGTH), "rps": round(histogram.per_s, 4)}
        slow = {SLOW: True, OK: False}.get(verdict_of(histogram, limits))
        rows.append({**row, "p95_ms": p95.ms if p95 else None, "slow": slow})
    return sorted(rows, key=lambda row: (-(row["p95_ms"] or 0.0), row["instance"]))[: limits.most_routes]


def _throttling(samples: list[Sample] | None) -> Json | None:
    if samples is None:
        return None
    pods: list[Json] = [
        {"pod": plain_line(sample.labels.get("pod", ""), LABEL_LENGTH), "ratio": round(sample.value, 4)}
        for sample in samples
        if math.isfinite(sample.value)
    ]
    pods.sort(key=lambda pod: (-pod["ratio"], pod["pod"]))
    return {"pods": pods[:20], "max": pods[0]["ratio"] if pods else None}


def _milliseconds(samples: list[Sample] | None) -> float | None:
    known = [sample.value for sample in samples or [] if math.isfinite(sample.value)]
    return round(max(known) * 1000, 3) if known else None


def _part(samples: list[Sample] | None, spent: float | None) -> Json:
    known = [sample.value for sample in samples or [] if math.isfinite(sample.value)]
    value = sum(known) if known else None
    return {
        "seconds_per_s": None if value is None else round(value, 4),
        "share": None if value is None or spent is None else _ratio(value, spent),
    }


def _by(samples: Iterable[Sample] | None, label: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for sample in samples or []:
        if math.isfinite(sample.value):
            name = sample.labels.get(label, "")
            found[name] = found.get(name, 0.0) + sample.value
    return found


def _ratio(part: float, whole: float | None) -> float | None:
    return round(part / whole, 4) if whole else None
