# SPDX-License-Identifier: GPL-3.0-or-later
"""What an input may be beyond its type."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.inputs import allowed, problem

SHARE = {"minimum": 0, "maximum": 1}
POSITIVE = {"above": 0}
INSTANT = {"format": "instant"}
NETWORK = {"format": "network"}
ZONE = {"format": "time_zone"}


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        *((value, SHARE) for value in (0, 1, 0.5, "0.5", [0, 1], None, "", [])),
        *((value, POSITIVE) for value in (1, 0.001, "1e9")),
        *((value, {"minimum": 1}) for value in (1, 2**70)),
        *((value, INSTANT) for value in ("2026-11-23T23:14:55Z", "2026-11-23T23:14:55.5+01:00", "")),
        ("2026-11-23 23:14:55+00:00", INSTANT),  # what Ansible makes of a time without quotes in YAML
        ({"meta": "2026-11-23T23:14:55Z", "tiktok": ""}, INSTANT),
        *((value, NETWORK) for value in ("203.0.113.7", "10.1.2.3/8", "::1", ["2001:db8::/32", " 10.0.0.1 "])),
        *((value, ZONE) for value in ("Europe/London", "UTC")),
    ],
)
def test_what_is_allowed(value: Any, limits: dict[str, Any]) -> None:
    assert problem(value, limits) is None


@pytest.mark.parametrize(
    ("value", "limits", "said"),
    [
        (7, SHARE, "7 is not a number from 0 to 1"),
        (-0.1, SHARE, "-0.1 is not a number from 0 to 1"),
        ("7", SHARE, "'7' is not a number from 0 to 1"),
        ("abc", SHARE, "'abc' is not a number from 0 to 1"),
        (float("nan"), SHARE, "nan is not a number from 0 to 1"),
        (float("inf"), {"minimum": 0}, "inf is not a number of at least 0"),
        (True, SHARE, "True is not a number from 0 to 1"),
        ({"a": [0, 2]}, SHARE, "2 is not a number from 0 to 1"),
        (0, POSITIVE, "0 is not a number above 0"),
        (0, {"above": 0, "maximum": 1}, "0 is not a number above 0 and at most 1"),
        (10**400, {"minimum": 0}, "1" + "0" * 76 + "... is not a number of at least 0"),
        (2, {"maximum": 1}, "2 is not a number of at most 1"),
        (2**40 + 1, {"minimum": 1, "maximum": 2**40}, "1099511627777 is not a number from 1 to 1099511627776"),
        ("gestern", INSTANT, f"'gestern' is not {allowed(INSTANT)}"),
        ("2026-11-23T23:14:55", INSTANT, f"'2026-11-23T23:14:55' is not {allowed(INSTANT)}"),
        ("2026-02-31T00:00:00Z", INSTANT, f"'2026-02-31T00:00:00Z' is not {allowed(INSTANT)}"),
        ({"meta": "soon"}, INSTANT, f"'soon' is not {allowed(INSTANT)}"),
        (["10.0.0.1", "notanip"], NETWORK, f"'notanip' is not {allowed(NETWORK)}"),
        ("10.0.0.0/33", NETWORK, f"'10.0.0.0/33' is not {allowed(NETWORK)}"),
        ("Europe/Londinium", ZONE, f"'Europe/Londinium' is not {allowed(ZONE)}"),
        ("../../etc/passwd", ZONE, f"'../../etc/passwd' is not {allowed(ZONE)}"),
    ],
)
def test_what_is_not_says_the_value_and_what_is(value: Any, limits: dict[str, Any], said: str) -> None:
    assert problem(value, limits) == said
