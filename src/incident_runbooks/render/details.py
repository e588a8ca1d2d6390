# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a result whose keys depend on the check or the remediation, in few lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from incident_runbooks.render.neutral import one_line

_LINE = 240
_VALUE = 60
_LISTED = 20
_FIRST = ("result", "status", "reason", "id", "name", "pid")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")  # identifies for a machine; the document has it


def listed(what: str, items: Any) -> list[str]:
    """Return a count with what all items have in common, then what tells them apart; of a long list the first."""
    if not items:
        return []
    return _listed(f"{what} {len(items)}", items)


def results(items: Any) -> list[str]:
    """Return what became of the targets: how many of each, then the items."""
    counts = Counter(str(item.get("result")) for item in items or () if isinstance(item, Mapping) and "result" in item)
    what = ", ".join(f"{one_line(name, 40)} {count}" for name, count in counts.items()) or "results"
    return _listed(what, items, known={"result"}) if items else []


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


def _listed(head: str, items: Sequence[Any], known: Collection[str] = ()) -> list[str]:
    shared = _shared(items)
    told = {key: value for key, value in shared.items() if key not in known}
    lines = [f"    {head}, each {item_line(told)}:" if told else f"    {head}:"]
    rest = [_without(item, shared) if shared else item for item in items]
    keys = {tuple(each) for each in rest} if shared else set()
    if len(keys) == 1 and len(alone := keys.pop()) == 1:  # one value each: in one line
        values = ", ".join(_value(each[alone[0]]) for each in rest)
        return [*lines, f"      {one_line(alone[0], _VALUE)}: {one_line(values, _LINE)}"]
    lines += [f"      {item_line(each)}" for each in rest[:_LISTED] if each]
    return [*lines, f"      and {len(items) - _LISTED} more"] if len(items) > _LISTED else lines


def _shared(items: Sequence[Any]) -> dict[str, Any]:
    """Return the plain values that all of several items have."""
    if len(items) < 2 or not all(isinstance(item, Mapping) for item in items):  # noqa: PLR2004 - several
        return {}
    first, others = items[0], items[1:]
    return {
        key: value
        for key, value in first.items()
        if _is_plain(value) and all(key in other and other[key] == value for other in others)
    }


def _without(item: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in shared and _is_plain(value) and not _is_time(value)}


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
