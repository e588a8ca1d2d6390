# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a result whose keys depend on the check or the remediation, in few lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from incident_runbooks.render.neutral import one_line

_LINE = 240
_VALUE = 60
_LISTED = 20
_FIRST = ("result", "status", "reason", "id", "name", "pid")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")  # identifies for a machine; the document has it


def listed(what: str, items: Any) -> list[str]:
    """Return a count and the items, one line each; of a long list the first."""
    if not items:
        return []
    lines = [f"    {what} {len(items)}:", *(f"      {item_line(item)}" for item in items[:_LISTED])]
    return [*lines, f"      and {len(items) - _LISTED} more"] if len(items) > _LISTED else lines


def results(items: Any) -> list[str]:
    """Return what became of the targets: how many of each, then the items."""
    counts = Counter(str(item.get("result")) for item in items or () if isinstance(item, Mapping) and "result" in item)
    what = ", ".join(f"{one_line(name, 40)} {count}" for name, count in counts.items()) or "results"
    return [line if number else f"    {what}:" for number, line in enumerate(listed("", items))]


def change(before: Any, after: Any) -> list[str]:
    """Return what a remediation changed: the values that differ, before and after."""
    old, new = dict(_flat(before)), dict(_flat(after))
    differ = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    sides = [("before", old), ("after", new)]
    lines = [(name, [f"{key}={value}" for key, value in side.items() if key in differ]) for name, side in sides]
    return [one_line(f"{name}: {', '.join(parts)}", _LINE) for name, parts in lines if parts]


def item_line(item: Any) -> str:
    """Return the plain values of one item, those that identify it first."""
    if not isinstance(item, Mapping):
        return one_line(item, _LINE)
    keys = [*(key for key in _FIRST if key in item), *(key for key in item if key not in _FIRST)]
    parts = [f"{key}={_value(item[key])}" for key in keys if _is_plain(item[key]) and not _is_time(item[key])]
    return one_line(", ".join(parts), _LINE)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif _is_plain(value) and not _is_time(value):
        yield path, _value(value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and bool(_TIME.match(value))


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else one_line(value, _VALUE)
