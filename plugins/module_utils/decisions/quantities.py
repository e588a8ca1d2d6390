# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Quantities of Kubernetes, such as ``250m`` CPU or ``1.5Gi`` memory, as numbers. Pure, no I/O.

The format: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ A number, and either
a binary suffix (powers of 1024), a decimal one (powers of 1000; ``n`` and ``u`` come from the metrics API) or an
exponent of ten. ``1E`` is an exa, ``1E3`` a thousand.
"""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?\d{1,2}))?",
    re.ASCII,
)
_SCALES = {
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    "m": Decimal("1e-3"),
    "u": Decimal("1e-6"),
    "n": Decimal("1e-9"),
}


def parse_quantity(text: str | float) -> Decimal:
    """Return the number that a quantity stands for, in cores, bytes or whatever it counts.

    Raises:
        ValueError: it is no quantity.
    """
    found = _QUANTITY.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(f"no quantity: {str(text)[:40]!r}")
    number = Decimal(found["number"])
    if found["exponent"]:
        return number.scaleb(int(found["exponent"]))
    return number * _SCALES.get(found["suffix"] or "", Decimal(1))


def quantity_or_none(text: str | float | None) -> Decimal | None:
    """Return the number, or ``None`` where there is no quantity or nothing that could be one."""
    if text is None:
        return None
    try:
        return parse_quantity(text)
    except ValueError:
        return None
