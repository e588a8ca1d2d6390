# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What an input of a runbook may be beyond its type, as its header says. Pure functions on plain data."""

from __future__ import annotations

import ipaddress
import math
import zoneinfo
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval_file import instant

_LONGEST_SHOWN = 80
_FORMATS = {
    "instant": "an RFC 3339 time with a time zone, such as 2026-11-23T23:14:55Z",
    "network": "an IP address or network, such as 203.0.113.7 or 10.0.0.0/8",
    "time_zone": "an IANA time zone, such as Europe/London",
}


def allowed(limits: Mapping[str, Any]) -> str:
    """Return what is allowed, in words that go on after "it is not".

    Args:
        limits: ``minimum``, ``above`` and ``maximum`` of a number, or ``format`` of a text: ``instant``,
            ``network`` or ``time_zone``.
    """
    if "format" in limits:
        return _FORMATS[limits["format"]]
    least, above, most = (limits.get(name) for name in ("minimum", "above", "maximum"))
    if above is not None:
        return f"a number above {above:g}" + (f" and at most {most:.15g}" if most is not None else "")
    if least is not None and most is not None:
        return f"a number from {least:.15g} to {most:.15g}"
    return f"a number of at least {least:.15g}" if least is not None else f"a number of at most {most:.15g}"


def problem(value: Any, limits: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the value of an input; ``None`` where nothing is.

    Args:
        value: of any type; of a list each element is looked at, of a dictionary each value. What is empty says that
            nothing is given.
        limits: as :func:`allowed` takes them.
    """
    if isinstance(value, (list, tuple, Mapping)):
        items = value.values() if isinstance(value, Mapping) else value
        return next((said for item in items if (said := problem(item, limits))), None)
    if value is None or value == "" or _fits(value, limits):
        return None
    return f"{shown(value)} is not {allowed(limits)}"


def shown(value: Any) -> str:
    """Return a value as a message shows it, which bounds its length."""
    text = f"{value:.15g}" if isinstance(value, float) else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _fits(value: Any, limits: Mapping[str, Any]) -> bool:
    if "format" in limits:
        return _IS[limits["format"]](str(value))
    number = _number(value)
    return (
        number is not None
        and number >= limits.get("minimum", -math.inf)
        and number > limits.get("above", -math.inf)
        and number <= limits.get("maximum", math.inf)
    )


def _is_instant(text: str) -> bool:
    return instant(text.replace(" ", "T", 1)) is not None  # as a time without quotes in YAML is written by Ansible


def _is_time_zone(text: str) -> bool:
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return False
    return True


def _number(value: Any) -> float | None:
    """The number that a value means; extra vars of the form key=value are texts."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


_IS: dict[str, Callable[[str], bool]] = {"instant": _is_instant, "network": _is_network, "time_zone": _is_time_zone}
