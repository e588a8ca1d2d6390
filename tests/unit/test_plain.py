# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a client library returns becomes strict JSON."""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import json
import math
import uuid
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        (math.inf, None),
        (decimal.Decimal("NaN"), None),
        (decimal.Decimal("0.25"), 0.25),
        (dt.timedelta(minutes=1), 60.0),
        (dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), "2025-12-31T23:00:00.000000Z"),
        (dt.datetime(2026, 1, 1, 0, 0, 0, 1), "2026-01-01T00:00:00.000001Z"),  # noqa: DTZ001 - naive on purpose
        (b"\xff", "�"),
        ("\ud800", "?"),
        ({1: {"a"}}, {"1": ["a"]}),
        ((1, True, None), [1, True, None]),
        (ipaddress.ip_address("127.0.0.1"), "127.0.0.1"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (2**70, 2**70),
    ],
)
def test_becomes_json(value: Any, expected: Any) -> None:
    plain = to_plain(value)
    assert plain == expected
    assert json.loads(json.dumps(plain, allow_nan=False)) == expected
