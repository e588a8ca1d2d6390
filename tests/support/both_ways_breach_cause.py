# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the module that tells what a suspected breach is, for ``tests/contract``."""

from __future__ import annotations

from typing import Any

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    module = "breach_cause"
    scope = {"reachable": True, "cause": None, "status": "down", "suspect_ids": [65], "window": {}, "affected": {}}
    return {
        "what a breach is without anything": (module, {}, False),
        "what a breach is that is known": (module, {"scope": scope, "expected_actors": ["12"]}, True),
        "what a breach is with an account that is none": (module, {"actors": ["grace"]}, False),
        "what a breach is with an account in both lists": (module, {"actors": ["7"], "expected_actors": ["7"]}, False),
        "what a breach is with a number that makes no sense": (module, {"mass_people": 0}, False),
        "what a breach is with a wrong type": (module, {"scope": "soon"}, False),
        "what a breach is with an unknown option": (module, {"colour": "red"}, False),
    }
