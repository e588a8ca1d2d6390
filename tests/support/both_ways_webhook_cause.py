# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the module that tells why webhooks fail, for ``tests/contract/test_both_ways.py``."""

from __future__ import annotations

from typing import Any

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    module = "webhook_cause"
    probe = {"probes": {"public": {"url": "https://a.example/", "unsigned": {"status": 404, "verdict": "wrong_path"}}}}
    return {
        "cause of webhooks without anything": (module, {}, False),
        "cause of webhooks that is known": (module, {"probe": probe, "expected_fingerprint": "9f86d081884c"}, True),
        "cause of webhooks with a time that makes no sense": (module, {"recent_s": -1}, False),
        "cause of webhooks with a wrong type": (module, {"probe": "soon"}, False),
        "cause of webhooks with an unknown option": (module, {"colour": "red"}, False),
    }
