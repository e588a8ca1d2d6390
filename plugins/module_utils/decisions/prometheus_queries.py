# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Prometheus is to be asked: named queries with their gates, as the fewest requests. Pure, no I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MOST_QUERIES = 20  # Prometheus evaluates so many at the same time by default (--query.max-concurrency)
MOST_POINTS = 500
LONGEST_QUERY = 4000
LONGEST_JOB = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_OPTIONS = ("query", "range", "volume", "min", "selector", "max_age_s", "limit")
_ATTEMPTED = "Reading the queries for Prometheus"

Request = tuple[str, tuple[tuple[str, str], ...]]
"""Path below ``/api/v1`` and parameters; equal ones are sent once."""


@dataclass(frozen=True)
class Query:
    """One named query.

    Attributes:
        name: how the result is called.
        query: PromQL.
        window_s: for a range, how many seconds back; ``None`` for the value now.
        step_s: for a range, seconds between its points.
        volume: PromQL of the number of events behind the value; the query's own value unless given.
        min_volume: fewer events say nothing; ``None`` for no gate.
        selector: the series that the query depends on, as a vector selector.
        max_age_s: their newest sample must not be older.
        limit: for a range, the value that must not be passed.
    """

    name: str
    query: str
    window_s: int | None = None
    step_s: int | None = None
    volume: str | None = None
    min_volume: float | None = None
    selector: str | None = None
    max_age_s: int = 120
    limit: float | None = None

    @property
    def is_range(self) -> bool:
        """Whether it is asked for a range of time."""
        return self.window_s is not None

    def main(self, now: float) -> Request:
        """The request of the query itself; *now* is the end of a range in Unix seconds."""
        if self.window_s is None:
            return instant(self.query)
        step = self.step_s or 1
        end = math.floor(now / step) * step  # on the grid of the step, so that two looks see the same points
        parameters = {"query": self.query, "start": end - self.window_s, "end": end, "step": step}
        return "query_range", tuple((key, str(value)) for key, value in parameters.items())

    def volume_request(self) -> Request | None:
        """The request of the volume, where it has one of its own."""
        return instant(self.volume) if self.volume and self.min_volume is not None else None

    def age_request(self) -> Request | None:
        """The request of the age of the newest sample that the query depends on."""
        return instant(f"time() - max(timestamp({self.selector}))") if self.selector else None

    def requests(self, now: float) -> list[Request]:
        """All of them."""
        return [each for each in (self.main(now), self.volume_request(), self.age_request()) if each]


def instant(query: str) -> Request:
    """The request of a value now."""
    return "query", (("query", query),)


SERVER_TIME = instant("time()")
SCRAPED_AT = "incident_runbooks_scraped_at"


def read_queries(given: Mapping[str, Any]) -> list[Query]:
    """Return the queries of the option ``queries``.

    Raises:
        IncidentsError: one makes no sense; the text names it.
    """
    if len(given) > MOST_QUERIES:
        raise IncidentsError(f"{_ATTEMPTED}: {len(given)} are given; at most {MOST_QUERIES} are asked in one task")
    return [_read(str(name), value) for name, value in given.items()]


def targets_request(job: str) -> Request:
    """The request of the targets of a job: ``up`` of each, and when it was scraped.

    Raises:
        IncidentsError: the job's name makes no sense.
    """
    if not job.isprintable() or len(job) > LONGEST_JOB:
        raise IncidentsError(f"{_ATTEMPTED}: job must be the name of a job, at most {LONGEST_JOB} printable characters")
    quoted = job.replace("\\", "\\\\").replace('"', '\\"')
    up = f'up{{job="{quoted}"}}'
    # `or` compares labels without the name, so the instants need one of their own
    return instant(f'{up} or label_replace(timestamp({up}), "{SCRAPED_AT}", "1", "", "")')


def _read(name: str, given: Any) -> Query:
    label = f"{_ATTEMPTED}: {name[:64]!r}"
    if not _NAME.fullmatch(name):
        raise IncidentsError(f"{label} is no name of a query; use letters, digits and underscores")
    options = {"query": given} if isinstance(given, str) else given
    if not isinstance(options, Mapping):
        raise IncidentsError(f"{label} must be PromQL, or a dictionary with query")
    if unknown := sorted({str(option) for option in options}.difference(_OPTIONS)):
        raise IncidentsError(f"{label} has unknown options, {', '.join(unknown)}; there are {', '.join(_OPTIONS)}")
    window_s, step_s = _range(label, options.get("range"))
    limit = _number(label, "limit", options.get("limit"))
    if limit is not None and window_s is None:
        raise IncidentsError(f"{label}: limit is for queries with a range")
    least = _number(label, "min", options.get("min"))
    volume = _promql(label, "volume", options.get("volume"))
    if volume and least is None:
        raise IncidentsError(f"{label}: volume is given, and min, how much it must be, is not")
    if least is not None and not volume and window_s is not None:
        raise IncidentsError(f"{label}: min of a query with a range needs volume")
    query = _promql(label, "query", options.get("query"))
    if query is None:
        raise IncidentsError(f"{label} has no query")
    return Query(
        name=name,
        query=query,
        window_s=window_s,
        step_s=step_s,
        volume=volume,
        min_volume=least,
        selector=_promql(label, "selector", options.get("selector")),
        max_age_s=_seconds(label, "max_age_s", options.get("max_age_s", 120)),
        limit=limit,
    )


def _range(label: str, given: Any) -> tuple[int | None, int | None]:
    if given is None:
        return None, None
    if not isinstance(given, Mapping) or set(given) != {"window_s", "step_s"}:
        raise IncidentsError(f"{label}: range needs window_s and step_s")
    window_s = _seconds(label, "window_s", given["window_s"])
    step_s = _seconds(label, "step_s", given["step_s"])
    if window_s < step_s or window_s // step_s > MOST_POINTS:
        raise IncidentsError(f"{label}: range must have between 1 and {MOST_POINTS} steps")
    return window_s, step_s


def _promql(label: str, option: str, given: Any) -> str | None:
    text = "" if given is None else str(given).strip()
    if len(text) > LONGEST_QUERY:
        raise IncidentsError(f"{label}: {option} is longer than {LONGEST_QUERY} characters")
    return text or None


def _number(label: str, option: str, given: Any) -> float | None:
    """A number, or its text, as templates give it."""
    if given is None or given == "":
        return None
    try:
        number = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise IncidentsError(f"{label}: {option} must be a number")
    return number


def _seconds(label: str, option: str, given: Any) -> int:
    number = _number(label, option, given)
    if number is None or number < 1 or number != int(number):
        raise IncidentsError(f"{label}: {option} must be a whole number of seconds, at least 1")
    return int(number)
