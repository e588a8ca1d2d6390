# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Quantiles of a classic histogram, as Prometheus computes them. Pure, no I/O.

The algorithm is that of ``bucketQuantile`` in https://github.com/prometheus/prometheus/blob/main/promql/quantile.go
One answer of all buckets so gives every quantile, and tells a value from the bound of the last finite bucket.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_answers import Sample

FEWEST_BUCKETS = 2


@dataclass(frozen=True)
class Quantile:
    """One quantile.

    Attributes:
        seconds: its value.
        saturated: the true value is at least this: it lies above the highest finite bucket.
    """

    seconds: float
    saturated: bool

    @property
    def ms(self) -> float:
        """Milliseconds, to the microsecond."""
        return round(self.seconds * 1000, 3)


@dataclass(frozen=True)
class Histogram:
    """Rates of requests by upper bound of their duration in seconds, rising; the last bound is infinite."""

    buckets: tuple[tuple[float, float], ...]

    @property
    def per_s(self) -> float:
        """Requests per second."""
        return self.buckets[-1][1] if self.buckets else 0.0

    def quantile(self, share: float) -> Quantile | None:
        """Return the quantile; ``None`` without traffic, or where the buckets are no histogram."""
        buckets = self.buckets
        if len(buckets) < FEWEST_BUCKETS or not math.isinf(buckets[-1][0]) or not self.per_s > 0:
            return None
        rank = share * self.per_s
        index = next((i for i, (_, count) in enumerate(buckets[:-1]) if count >= rank), len(buckets) - 1)
        if index == len(buckets) - 1:
            return Quantile(buckets[-2][0], saturated=True)
        end, count = buckets[index]
        if index == 0:
            return Quantile(end if end <= 0 else end * rank / count, saturated=False)
        start, below = buckets[index - 1]
        return Quantile(start + (end - start) * (rank - below) / (count - below), saturated=False)


def histograms(samples: Iterable[Sample], label: str) -> dict[str, Histogram]:
    """Return the histogram of each value of a label, from samples that also carry ``le``.

    Rates that are no number are left out. Scrapes of several targets do not happen at the same time, so a higher
    bucket can have less than a lower one; it counts as equal, as Prometheus does.
    """
    found: dict[str, dict[float, float]] = {}
    for sample in samples:
        bound = _bound(sample.labels.get("le"))
        if bound is None or not math.isfinite(sample.value):
            continue
        buckets = found.setdefault(sample.labels.get(label, ""), {})
        buckets[bound] = buckets.get(bound, 0.0) + sample.value
    return {value: Histogram(tuple(_rising(buckets))) for value, buckets in found.items()}


def together(parts: Iterable[Histogram]) -> Histogram:
    """Return the sum of histograms with the same bounds."""
    total: dict[float, float] = {}
    for part in parts:
        for bound, count in part.buckets:
            total[bound] = total.get(bound, 0.0) + count
    return Histogram(tuple(_rising(total)))


def _bound(text: str | None) -> float | None:
    try:
        bound = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def _rising(buckets: dict[float, float]) -> Iterable[tuple[float, float]]:
    most = 0.0
    for bound, count in sorted(buckets.items()):
        most = max(most, count)
        yield bound, most
