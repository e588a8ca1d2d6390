# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Prometheus is asked about the latency of an API, as the fewest requests. Pure, no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_queries import (
    LONGEST_JOB,
    LONGEST_QUERY,
    Request,
    instant,
    targets_request,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Reading the options of the API's latency"
DAY_S, WEEK_S = 86400, 604800
MOST_PARTS = 6  # with the rest below the 20 queries that Prometheus evaluates at the same time
MOST_EXCLUDED = 50
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,199}")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,99}")
_SPECIAL = re.compile(r"([\\.^$*+?()\[\]{}|])")  # of Go's regular expressions


@dataclass(frozen=True)
class Questions:
    """The requests by what they answer; ``None`` for what is not wanted."""

    routes: Request
    time: Request
    errors: Request
    day: Request
    week: Request
    instances: Request
    targets: Request
    before: Request | None = None
    throttling: Request | None = None
    ingress: Request | None = None
    parts: Mapping[str, Request] = field(default_factory=dict)

    def all(self) -> list[Request]:
        """Every request."""
        fixed = [self.routes, self.time, self.errors, self.day, self.week, self.instances, self.targets]
        return [*fixed, *(each for each in (self.before, self.throttling, self.ingress) if each), *self.parts.values()]


def questions(params: Mapping[str, Any]) -> Questions:
    """Return the requests that the options of ``api_latency`` call for.

    Raises:
        IncidentsError: an option makes no sense; the text names it.
    """
    metric = _checked(_METRIC, "metric", params["metric"])
    route = _checked(_LABEL, "route_label", params["route_label"])
    status = _checked(_LABEL, "status_label", params["status_label"])
    instance = _checked(_LABEL, "instance_label", params["instance_label"])
    if params["window_s"] < 1:
        raise IncidentsError(f"{ATTEMPTED}: window_s must be 1 or more, not {params['window_s']}")
    if not 0 <= params["before_s"] <= WEEK_S:
        raise IncidentsError(f"{ATTEMPTED}: before_s must be 0 to {WEEK_S}, not {params['before_s']}")
    window = f"{params['window_s']}s"
    matchers = [f"job={quoted(_job(params['job']))}", *_excluded(route, params["exclude_routes"])]

    def rates(by: str, suffix: str, more: Sequence[str] = (), offset_s: int = 0) -> Request:
        offset = f" offset {offset_s}s" if offset_s else ""
        series = f"{metric}_{suffix}{{{','.join([*matchers, *more])}}}[{window}]{offset}"
        return instant(f"sum by ({by}) (rate({series}))")

    return Questions(
        routes=rates(f"le, {route}", "bucket"),
        time=rates(route, "sum"),
        errors=rates(route, "count", [f'{status}=~"5.."']),
        day=rates(f"le, {route}", "bucket", offset_s=DAY_S),
        week=rates(f"le, {route}", "bucket", offset_s=WEEK_S),
        instances=rates(f"le, {instance}", "bucket"),
        before=rates(f"le, {route}", "bucket", offset_s=params["before_s"]) if params["before_s"] else None,
        targets=targets_request(params["job"]),
        throttling=_throttling(params["throttling_matchers"], window),
        ingress=_promql("ingress_p95_query", params["ingress_p95_query"]),
        parts=_parts(params["parts"]),
    )


def quoted(text: str) -> str:
    """Return a text as a string of PromQL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _job(job: str) -> str:
    if not job or not job.isprintable() or len(job) > LONGEST_JOB:
        raise IncidentsError(f"{ATTEMPTED}: job must be the name of a job, at most {LONGEST_JOB} printable characters")
    return job


def _excluded(label: str, routes: Sequence[str]) -> list[str]:
    """A route as it is, or with ``*`` at its end for all that begin so."""
    if len(routes) > MOST_EXCLUDED:
        raise IncidentsError(f"{ATTEMPTED}: exclude_routes has {len(routes)} routes; at most {MOST_EXCLUDED}")
    matchers = []
    for route in routes:
        if route.endswith("*"):
            pattern = _SPECIAL.sub(r"\\\1", route[:-1])
            matchers.append(f"{label}!~{quoted(f'{pattern}.*')}")
        else:
            matchers.append(f"{label}!={quoted(route)}")
    return matchers


def _throttling(matchers: Mapping[str, Any], window: str) -> Request | None:
    """The share of the periods of the CPU quota in which a pod was throttled; the metrics are cAdvisor's."""
    if not matchers:
        return None
    texts = []
    for name, value in matchers.items():
        label, pattern = _checked(_LABEL, "throttling_matchers", name), str(value)
        texts.append(f"{label}=~{quoted(pattern)}")
    chosen = f"{{{','.join(texts)}}}[{window}]"
    throttled = f"sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{chosen}))"
    return instant(f"{throttled} / sum by (pod) (rate(container_cpu_cfs_periods_total{chosen}))")


def _parts(given: Mapping[str, Any]) -> dict[str, Request]:
    if len(given) > MOST_PARTS:
        raise IncidentsError(f"{ATTEMPTED}: parts has {len(given)} entries; at most {MOST_PARTS}")
    found = {}
    for name, query in given.items():
        request = _promql(f"parts.{_checked(_LABEL, 'parts', name)}", query)
        if request is None:
            raise IncidentsError(f"{ATTEMPTED}: parts.{name} has no query")
        found[str(name)] = request
    return found


def _promql(option: str, given: Any) -> Request | None:
    text = str(given or "").strip()
    if len(text) > LONGEST_QUERY:
        raise IncidentsError(f"{ATTEMPTED}: {option} is longer than {LONGEST_QUERY} characters")
    return instant(text) if text else None


def _checked(pattern: re.Pattern[str], option: str, given: Any) -> str:
    text = str(given)
    if not pattern.fullmatch(text):
        raise IncidentsError(f"{ATTEMPTED}: {option}, {text[:64]!r}, is no name that Prometheus knows")
    return text
