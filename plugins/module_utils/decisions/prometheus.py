# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What an answer of Prometheus is worth. Pure, no I/O.

An empty vector is no zero, a NaN is no value, and neither means "no traffic" while the targets that would have
reported it are down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_answers import (
    INFINITE,
    NAN,
    STALE,
    VALUE,
    Sample,
    Series,
    UnreadableError,
    finite,
    instant_text,
    read_samples,
    read_series,
    status_of,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_queries import Query

NO_DATA, LOW_VOLUME, UNKNOWN, ERROR = "no_data", "low_volume", "unknown", "error"
SILENT = frozenset({NO_DATA, NAN, STALE})
CLOCK_TOLERANCE_S = 5.0

Json = dict[str, Any]


@dataclass(frozen=True)
class Given:
    """What came for one request.

    Attributes:
        data: the API's ``data``; ``None`` when there was a failure.
        cause: a stable word for the failure.
        message: what was said, in one line.
        answered: whether Prometheus itself refused it.
        warnings: Prometheus' own.
    """

    data: Mapping[str, Any] | None
    cause: str | None = None
    message: str | None = None
    answered: bool = True
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Circumstances:
    """What counts for every query.

    Attributes:
        targets: as ``targets_facts`` returns them; ``None`` when no job is given.
        clock_skew_s: Prometheus' clock minus ours; ``None`` when it is not known.
        most_series: so many samples and series are shown.
        now: Unix seconds, the end of ranges.
    """

    targets: Mapping[str, Any] | None
    clock_skew_s: float | None
    most_series: int
    now: float


def judge(query: Query, main: Given, volume: Given | None, age: Given | None, around: Circumstances) -> Json:
    """Return the result of one query: ``status``, why, and what was measured.

    Args:
        query: what was asked.
        main: its answer.
        volume: the answer to ``volume_request``, where there is one.
        age: the answer to ``age_request``, where there is one.
        around: what counts for every query.
    """
    result = _nothing(query)
    try:
        _read(query, main, around, result)
        _gate_by_age(query, age, result)
        _gate_by_volume(query, volume or main, result)
    except UnreadableError as error:
        _conclude(result, ERROR, "unreadable", str(error))
    _gate_by_targets(around.targets, result)
    if result["status"] not in {VALUE, LOW_VOLUME}:
        result["value"] = None
    return result


def server_time(given: Given) -> float | None:
    """The server's clock in Unix seconds, from the answer to ``SERVER_TIME``; ``None`` when it is not known."""
    try:
        samples = read_samples(given.data) if given.data else []
    except UnreadableError:
        return None
    return finite(samples[0].value) if samples else None


def _nothing(query: Query) -> Json:
    keys = ("message", "value", "min", "max", "at", "volume", "sample_age_s", "partial")
    result: Json = {"status": UNKNOWN, "reason": None, **dict.fromkeys(keys)}
    return result | {"query": query.query, "samples": [], "series": [], "truncated": False, "warnings": []}


def _conclude(result: Json, status: str, reason: str | None, message: str | None = None) -> None:
    result |= {"status": status, "reason": reason, "message": message}


def _refused(result: Json, given: Given, what: str) -> None:
    """A query that Prometheus refuses is an error of the query; without an answer nothing is known."""
    _conclude(result, ERROR if given.answered else UNKNOWN, given.cause, f"{what}: {given.message}")


def _read(query: Query, main: Given, around: Circumstances, result: Json) -> None:
    result["warnings"] = list(main.warnings)
    if main.data is None:
        _refused(result, main, "query")
        return
    if query.is_range:
        _read_range(query, main.data, around, result)
        return
    samples = read_samples(main.data)
    result["samples"] = [sample.plain() for sample in samples[: around.most_series]]
    result["truncated"] = len(samples) > around.most_series
    _summarise(samples, result)


def _read_range(query: Query, data: Mapping[str, Any], around: Circumstances, result: Json) -> None:
    step_s = query.step_s or 1
    series = read_series(data)
    result["series"] = [each.plain(query.limit, step_s) for each in series[: around.most_series]]
    result["truncated"] = len(series) > around.most_series
    running = [each for each in series if not _ended(each, around.now, step_s)]
    _summarise([each.last for each in running or series], result)
    if series and not running:
        _conclude(result, STALE, "series_ended", "no series reaches to the end of the range")
    if around.clock_skew_s is not None and around.clock_skew_s < -max(step_s, CLOCK_TOLERANCE_S):
        # what Prometheus calls "then" lies in its future: it repeats the last value for minutes
        skew = (
            f"the clock of Prometheus is {-around.clock_skew_s:.0f} s behind, so the end of the range is not measured"
        )
        _conclude(result, UNKNOWN, "clock_skew", skew)


def _ended(series: Series, now: float, step_s: int) -> bool:
    return series.ended(math.floor(now / step_s) * step_s, step_s)


def _summarise(samples: Sequence[Sample], result: Json) -> None:
    """The status of all samples together: one that is infinite counts before values, a value before a NaN."""
    if not samples:
        _conclude(result, NO_DATA, "empty", "the answer is empty, which is not zero")
        return
    known = [sample.value for sample in samples if math.isfinite(sample.value)]
    result |= {
        "at": instant_text(max(sample.at for sample in samples)),
        "min": min(known, default=None),
        "max": max(known, default=None),
        "value": finite(samples[0].value) if len(samples) == 1 else None,
    }
    states = {status_of(sample.value) for sample in samples}
    if INFINITE in states:
        found = next(sample.value for sample in samples if math.isinf(sample.value))
        _conclude(result, INFINITE, "+Inf" if found > 0 else "-Inf", "a value is infinite")
    elif VALUE in states:
        _conclude(result, VALUE, None)
    else:
        _conclude(result, NAN, "nan", "the value is not a number, such as 0/0 without any traffic")


def _gate_by_age(query: Query, age: Given | None, result: Json) -> None:
    """What the query depends on must be there and fresh, or even a value says nothing."""
    if age is None or result["status"] in {ERROR, UNKNOWN}:
        return
    if age.data is None:
        _refused(result, age, "selector")
        return
    samples = read_samples(age.data)
    if not samples:
        _conclude(result, NO_DATA, "series_missing", f"there is no series {query.selector}")
        return
    result["sample_age_s"] = seconds = finite(samples[0].value)
    if seconds is None or seconds > query.max_age_s:
        _conclude(result, STALE, "old_samples", f"the newest sample is older than {query.max_age_s} s")


def _gate_by_volume(query: Query, volume: Given, result: Json) -> None:
    if query.min_volume is None or result["status"] != VALUE:
        return
    if volume.data is None:
        _refused(result, volume, "volume")
        return
    values = [sample.value for sample in read_samples(volume.data) if math.isfinite(sample.value)]
    if not values:
        _conclude(result, NO_DATA, "no_volume", "how many events there were is not known")
        return
    result["volume"] = total = sum(values)
    if total < query.min_volume:
        message = f"{total:g} events are too few to judge by; it takes {query.min_volume:g}"
        _conclude(result, LOW_VOLUME, "low_volume", message)


def _gate_by_targets(targets: Mapping[str, Any] | None, result: Json) -> None:
    """Silence of targets that are down is not known; a value of some of them is partial."""
    if targets is None:
        return
    state = targets["state"]
    result["partial"] = None if state == UNKNOWN else state != "up"
    if result["status"] in {ERROR, UNKNOWN} or state == "up":
        return
    nothing_reports = state in {"down", "missing"}
    if nothing_reports or result["status"] in SILENT | {LOW_VOLUME}:
        _conclude(result, UNKNOWN, f"targets_{state}", str(targets["reason"]))
