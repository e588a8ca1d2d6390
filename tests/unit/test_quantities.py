# SPDX-License-Identifier: GPL-3.0-or-later
"""Quantities are read as Kubernetes reads them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quantities import (
    parse_quantity,
    quantity_or_none,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"),
        ("12m", "0.012"),
        ("250m", "0.25"),
        ("123n", "0.000000123"),
        ("5u", "0.000005"),
        ("34Ki", "34816"),
        ("1.5Gi", "1610612736"),
        ("1Ei", str(2**60)),
        ("1k", "1000"),
        ("1M", "1000000"),
        ("1E", "1e18"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1.5e-3", "0.0015"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+1", "1"),
        ("-1Mi", "-1048576"),
        (" 2 ", "2"),
    ],
)
def test_quantities(text: str, number: str) -> None:
    assert parse_quantity(text) == Decimal(number)


def test_numbers_are_quantities_too() -> None:
    assert parse_quantity(2) == 2
    assert parse_quantity(0.5) == Decimal("0.5")


@pytest.mark.parametrize("text", ["", "m", "1K", "1ki", "1KB", "1 Gi", "1,5", "0x10", "1e", "1e999999999", "nan", "٣"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        parse_quantity(text)
    assert quantity_or_none(text) is None


def test_nothing_is_no_quantity() -> None:
    assert quantity_or_none(None) is None
