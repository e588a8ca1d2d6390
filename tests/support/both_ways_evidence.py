# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that preserves evidence, in good and in bad ways.

Nobody listens at any of these addresses, and the secrets are such as nobody has.
"""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    cluster = {"host": "https://127.0.0.1:1", "api_key": CANARY, "namespace": "x"}
    database = {"login_host": "127.0.0.1", "login_port": 1, "login_user": "ops", "login_password": CANARY}
    others = {"redis_host": "127.0.0.1", "redis_port": 1, "redis_password": CANARY}
    others |= {"prometheus_url": "http://127.0.0.1:1", "prometheus": {"queries": {"up": "up"}}}
    who = {"incident": "one", "custodian": "alice", "since": "2026-11-01T00:00:00Z"}
    down = {**cluster, **database, **others, **who}
    return {
        "evidence without a directory": ("evidence_snapshot", down, False),
        "evidence in a directory that is not there": (
            "evidence_snapshot",
            {**down, "directory": "/nonexistent"},
            False,
        ),
        "evidence with its secret in a wrong place": ("evidence_snapshot", {**down, "name": CANARY}, True),
        "evidence of no source that there is": ("evidence_snapshot", {**down, "sources": [CANARY]}, True),
        "evidence for a recipient that is none": (
            "evidence_snapshot",
            {**down, "sources": ["dump"], "encrypt_to": [CANARY], "dump": {"tables": ["public.users"]}},
            True,
        ),
        "evidence with an unknown option": ("evidence_snapshot", {**down, "colour": CANARY}, True),
    }
