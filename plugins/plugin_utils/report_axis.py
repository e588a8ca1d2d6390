# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""The axis of a report's timeline: from instants to positions. Pure.

Long stretches in which no run was under way are shortened, and say how long they are, so that two runs of twenty
seconds and a deadline in fourteen minutes fit on one axis.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_text import duration

Json = dict[str, Any]

LEFT, RIGHT = 112, 984
_BREAK = 112  # pixels of a stretch that was shortened; the label of what ends it fits in
_SHORTENED_FROM = 0.2  # of the time in which runs were under way
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_TICKS = 7
_TICK_PIXELS = 64


@dataclass(frozen=True)
class Stretch:
    """A part of the axis.

    Attributes:
        start: seconds since the epoch.
        x: where it begins.
        scale: pixels a second.
        shortened: whether it takes less room than it lasts.
    """

    start: float
    end: float
    x: float
    scale: float
    shortened: bool


class Axis:
    """From instants to positions.

    Args:
        instants: everything that is to be drawn, seconds since the epoch.
        covered: the stretches that are not shortened.
    """

    def __init__(self, instants: Iterable[float], covered: list[tuple[float, float]]) -> None:
        points = sorted(set(instants))
        gaps = list(itertools.pairwise(points))
        inside = [any(start <= first and last <= end for start, end in covered) for first, last in gaps]
        busy = sum(last - first for (first, last), full in zip(gaps, inside, strict=True) if full)
        short = [
            not full and busy > 0 and last - first > busy * _SHORTENED_FROM
            for (first, last), full in zip(gaps, inside, strict=True)
        ]
        linear = sum(last - first for (first, last), cut in zip(gaps, short, strict=True) if not cut)
        room = RIGHT - LEFT - _BREAK * sum(short)
        scale = max(room, 0) / linear if linear else 0.0
        self.stretches: list[Stretch] = []
        x = float(LEFT)
        for (first, last), cut in zip(gaps, short, strict=True):
            self.stretches.append(Stretch(first, last, x, _BREAK / (last - first) if cut else scale, cut))
            x += _BREAK if cut else (last - first) * scale
        self.scale = scale

    def x(self, at: float) -> float:
        """The position of an instant."""
        for stretch in self.stretches:
            if at <= stretch.end:
                return round(stretch.x + max(0.0, at - stretch.start) * stretch.scale, 1)
        return float(RIGHT) if self.stretches else float(LEFT)

    def ticks(self) -> list[Json]:
        """Round times along the parts that are drawn to scale."""
        busy = sum(stretch.end - stretch.start for stretch in self.stretches if not stretch.shortened)
        step = next((step for step in _STEPS if busy / step <= _TICKS), max(_STEPS[-1], math.ceil(busy / _TICKS)))
        taken = [item["x"] for item in self.breaks()]
        form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86400 else "%m-%d"  # noqa: PLR2004 - minute, day
        found: list[Json] = []
        for stretch in self.stretches:
            at = stretch.start - stretch.start % step + step
            while not stretch.shortened and at <= stretch.end:
                x = self.x(at)
                if all(abs(x - other) >= _TICK_PIXELS for other in taken):
                    found.append({"x": x, "label": f"{dt.datetime.fromtimestamp(at, dt.UTC):{form}}"})
                    taken.append(x)
                at += step
        return found

    def breaks(self) -> list[Json]:
        """The stretches that were shortened, with how long they are."""
        return [
            {"x": round(stretch.x + _BREAK / 2, 1), "label": duration(stretch.end - stretch.start)}
            for stretch in self.stretches
            if stretch.shortened
        ]
