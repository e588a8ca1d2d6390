# SPDX-License-Identifier: GPL-3.0-or-later
"""Quantities of the Kubernetes API (``500m``, ``64Mi``) and durations as Go writes them."""

from __future__ import annotations

import re

_SUFFIXES = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")


def parse(quantity: str | float) -> float:
    """Return a quantity as a number: cores, bytes or a count.

    Raises:
        ValueError: it is none.
    """
    match = _QUANTITY.fullmatch(str(quantity).strip())
    if match is None or match[2] not in _SUFFIXES:
        raise ValueError(f"not a quantity: {quantity!r}")
    return float(match[1]) * _SUFFIXES[match[2]]


def go_duration(seconds: float) -> str:
    """Return a duration as Go's time.Duration prints it: ``500ms``, ``10s``, ``2m40s``."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms" if seconds > 0 else "0s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    said = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{said}{rest:g}s"
