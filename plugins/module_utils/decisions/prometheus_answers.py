# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Prometheus answered, as numbers that say what they are: a value, not a number, or infinite. Pure, no I/O.

Values come as text, ``"NaN"`` and ``"+Inf"`` among them; JSON has neither, so both are told by a word.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

VALUE, NAN, INFINITE, STALE = "value", "nan", "infinite", "stale"
MOST_LABELS = 20
LABEL_LENGTH = 200
GAP = 1.5  # steps; more between two points is a gap
LATEST = 253402300799  # the last second that has a date

Json = dict[str, Any]


class UnreadableError(ValueError):
    """The answer is of a kind that says nothing here."""


@dataclass(frozen=True)
class Sample:
    """One value.

    Attributes:
        labels: as they came.
        value: may be NaN or infinite.
        at: Unix seconds of the evaluation, not of the scrape.
    """

    labels: Mapping[str, str]
    value: float
    at: float

    def plain(self) -> Json:
        """The sample as JSON data."""
        return {
            "labels": labels_of(self.labels),
            "status": status_of(self.value),
            "value": finite(self.value),
            "at": instant_text(self.at),
        }


@dataclass(frozen=True)
class Series:
    """The points of a range, oldest first, as pairs of Unix seconds and value."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> Sample:
        """The newest point."""
        at, value = self.points[-1]
        return Sample(self.labels, value, at)

    def ended(self, end: float, step_s: int) -> bool:
        """Whether the series stops before the end of the range."""
        return self.points[-1][0] < end - GAP * step_s

    def plain(self, limit: float | None, step_s: int) -> Json:
        """The series as JSON data, with what a person would compute from it."""
        known = [value for _, value in self.points if math.isfinite(value)]
        return {
            "labels": labels_of(self.labels),
            "points": [
                {"at": instant_text(at), "value": finite(value), "status": status_of(value)}
                for at, value in self.points
            ],
            "min": min(known, default=None),
            "max": max(known, default=None),
            "average": sum(known) / len(known) if known else None,
            "last": finite(self.points[-1][1]),
            "within": None if limit is None else self.within(limit, step_s),
        }

    def within(self, limit: float, step_s: int) -> Json:
        """How many of the newest points, without a gap, are numbers not above *limit*, and how long they last."""
        count, oldest = 0, self.points[-1][0]
        for at, value in reversed(self.points):
            if not value <= limit or value == -math.inf or oldest - at > GAP * step_s:  # NaN is never within
                break
            count, oldest = count + 1, at
        return {"points": count, "seconds": self.points[-1][0] - oldest if count else 0.0}


def read_samples(data: Mapping[str, Any]) -> list[Sample]:
    """Return the samples of an instant vector or a scalar.

    Raises:
        UnreadableError: it is something else; the text says what.
    """
    kind, result = data.get("resultType"), data.get("result")
    try:
        if kind == "scalar":
            at, value = _pair(result)
            return [Sample({}, value, at)]
        if kind == "vector" and isinstance(result, list):
            return [_sample(entry) for entry in result]
    except (KeyError, TypeError, ValueError):
        raise UnreadableError("the answer has values that are no numbers, such as native histograms") from None
    raise UnreadableError(f"the query gives a {plain_line(str(kind), 40)}, not an instant vector or a scalar")


def read_series(data: Mapping[str, Any]) -> list[Series]:
    """Return the series of a range.

    Raises:
        UnreadableError: it is something else; the text says what.
    """
    result = data.get("result")
    if data.get("resultType") != "matrix" or not isinstance(result, list):
        raise UnreadableError("the answer is no range of values")
    try:
        found = [Series(_labels(entry), tuple(map(_pair, entry["values"]))) for entry in result]
    except (KeyError, TypeError, ValueError):
        raise UnreadableError("the answer has values that are no numbers, such as native histograms") from None
    return [series for series in found if series.points]


def labels_of(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels bounded in number and length, in one line each, without what looks like a secret."""
    kept = sorted(labels.items())[:MOST_LABELS]
    return {plain_line(name, LABEL_LENGTH): plain_line(mask(value), LABEL_LENGTH) for name, value in kept}


def status_of(value: float) -> str:
    """``value``, ``nan`` or ``infinite``."""
    if math.isfinite(value):
        return VALUE
    return NAN if math.isnan(value) else INFINITE


def finite(value: float) -> float | None:
    """The value, or ``None`` where it is no number."""
    return value if math.isfinite(value) else None


def instant_text(seconds: float) -> str | None:
    """Unix seconds as RFC 3339; ``None`` where they are no date."""
    if not 0 <= seconds <= LATEST:
        return None
    return rfc3339(dt.datetime.fromtimestamp(seconds, dt.UTC))


def _sample(entry: Mapping[str, Any]) -> Sample:
    at, value = _pair(entry["value"])
    return Sample(_labels(entry), value, at)


def _pair(pair: Any) -> tuple[float, float]:
    at, value = pair
    return float(at), float(value)  # float() reads Prometheus' "NaN", "+Inf" and "-Inf"


def _labels(entry: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in entry["metric"].items()}
