# SPDX-License-Identifier: GPL-3.0-or-later
"""The module of the platform's own jobs, in good and in bad ways. Nobody listens at its addresses."""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    module = "platform_job"
    down = {
        "host": "https://127.0.0.1:1",
        "api_key": CANARY,
        "namespace": "brandconnect",
        "name": "backend",
        "job": "require_2fa",
        "ids": [3],
        "incident": "data-breach-20261128T180000Z-3fa1",
        "evidence_override": "nobody is there to preserve it",
    }
    return {
        "job without a cluster": (module, down, False),
        "job in check mode": (module, down, True),
        "job after evidence that is gone": (
            module,
            {**down, "evidence_anchor": {"path": "/nowhere/tagmanifest-sha256.txt", "sha256": "0" * 64, "bytes": 1}},
            False,
        ),
        "job for nobody": (module, {**down, "ids": []}, False),
        "job since no moment": (module, {**down, "job": "revoke_tokens", "since": "1hour"}, False),
        "job that is none": (module, {**down, "job": "flushall"}, False),
        "job with its secret in a wrong place": (module, {**down, "incident": CANARY}, False),
        "job for no numbers": (module, {**down, "ids": [CANARY]}, False),
        "job with an unknown option": (module, {**down, "colour": CANARY}, False),
    }
