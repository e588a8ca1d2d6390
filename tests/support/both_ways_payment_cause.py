# SPDX-License-Identifier: GPL-3.0-or-later
"""The module payment_cause in good and in bad ways, for the test that it says the same in process and as a module."""

from __future__ import annotations

from typing import Any

Case = tuple[str, dict[str, Any], bool]

_LOGS = {
    "reachable": True,
    "pods_total": 1,
    "pods_read": 1,
    "classes": {"auth": {"count": 3, "pods": {"backend-1": 3}, "last_at": None}},
}
_WORKLOAD = {"reachable": True, "pods_total": 1, "pods": [{"name": "backend-1", "deleting": False}]}


def cases() -> dict[str, Case]:
    """Module, arguments, check mode."""
    return {
        "payment cause of nothing": ("payment_cause", {}, False),
        "payment cause": ("payment_cause", {"logs": _LOGS, "workload": _WORKLOAD}, False),
        "payment cause in check mode": ("payment_cause", {"logs": _LOGS, "workload": _WORKLOAD}, True),
        "payment cause with no share": ("payment_cause", {"failure_ratio": 2.0}, False),
        "payment cause with a wrong type": ("payment_cause", {"logs": "many"}, False),
        "payment cause with an unknown option": ("payment_cause", {"colour": "red"}, False),
    }
