# SPDX-License-Identifier: GPL-3.0-or-later
"""A column, and the words that many columns share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from incident_runbooks.lab.cluster.writes import selectors

Json = dict[str, Any]

NONE = "<none>"
UNKNOWN = "<unknown>"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its heading.
        cell: gives an object's value.
        type: ``string`` or ``integer``.
        priority: 0 always shown, 1 with ``-o wide`` only.
    """

    name: str
    cell: Callable[[Json], Any]
    type: str = "string"
    priority: int = 0


def wide(name: str, cell: Callable[[Json], Any]) -> Column:
    """Return a column that is shown with ``-o wide`` only."""
    return Column(name, cell, priority=1)


def status(obj: Json) -> Json:
    """Return an object's status; empty if it has none."""
    return obj.get("status") or {}


def parse_time(text: str | None) -> dt.datetime | None:
    """Return an instant of the API, ``None`` for none."""
    return dt.datetime.fromisoformat(text) if text else None


def since(text: str | None) -> str:
    """Return how long ago an instant was, as people read it."""
    instant = parse_time(text)
    return UNKNOWN if instant is None else human((dt.datetime.now(dt.UTC) - instant).total_seconds())


def human(seconds: float) -> str:
    """Return a duration with two units at most: k8s.io/apimachinery/pkg/util/duration, HumanDuration."""
    left = int(seconds)
    if left < -1:
        return "<invalid>"
    if left < 2 * _MINUTE:
        return f"{max(left, 0)}s"
    # up to which duration the smaller unit is shown, and up to which the bigger one is used
    steps = (
        (10 * _MINUTE, 3 * _HOUR, _MINUTE, "m", 1, "s"),
        (8 * _HOUR, 2 * _DAY, _HOUR, "h", _MINUTE, "m"),
        (8 * _DAY, 2 * _YEAR, _DAY, "d", _HOUR, "h"),
        (8 * _YEAR, float("inf"), _YEAR, "y", _DAY, "d"),
    )
    for both_until, until, unit, unit_name, part, part_name in steps:
        if left < until:
            rest = left % unit // part
            return f"{left // unit}{unit_name}" + (f"{rest}{part_name}" if rest and left < both_until else "")
    return UNKNOWN


def creation(obj: Json) -> str:
    """Return an object's age."""
    return since(obj["metadata"].get("creationTimestamp"))


def names(items: Iterable[Json], field: str = "name") -> str:
    """Return the names of items, with commas."""
    return ",".join(str(each.get(field, "")) for each in items)


def containers(obj: Json) -> list[Json]:
    """Return the containers of a workload's template."""
    found: list[Json] = obj["spec"].get("template", {}).get("spec", {}).get("containers") or []
    return found


def selector_text(selector: Json | None) -> str:
    """Return a ``LabelSelector`` as people read it."""
    return selectors.to_text(selector) or NONE


NAME = Column("Name", lambda obj: obj["metadata"]["name"])
AGE = Column("Age", creation)
CREATED_AT = Column("Created At", lambda obj: obj["metadata"].get("creationTimestamp"))
