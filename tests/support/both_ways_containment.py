# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that contain a breach narrowly, in good and in bad ways.

Nobody listens at any of these addresses, and the secrets are such as nobody has.
"""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    return _revoking() | _quarantining()


def _revoking() -> dict[str, Case]:
    module = "revoke_sessions"
    redis = {"redis_host": "127.0.0.1", "redis_port": 1, "redis_password": CANARY}
    database = {"login_host": "127.0.0.1", "login_port": 1, "login_user": "x", "login_password": CANARY}
    named = {"scope": "suspects", "actor_ids": ["1"]}
    return {
        "sessions in Redis of nobody": (module, {**redis, **named, "stores": ["sessions"]}, False),
        "sessions in Redis of nobody in check mode": (module, {**redis, **named, "stores": ["sessions"]}, True),
        "tokens in PostgreSQL of nobody": (module, {**redis, **database, **named}, False),
        "sessions of nobody": (module, {**redis, "scope": "suspects", "stores": ["sessions"]}, False),
        "sessions of everybody, said once": (module, {**redis, "scope": "all", "stores": ["sessions"]}, False),
        "sessions of ids in no file": (module, {**redis, **named, "actor_ids_file": "/nowhere/ids"}, False),
        "sessions of a scope that is none": (module, {**redis, "scope": CANARY}, False),
        "sessions with an unknown option": (module, {**redis, **named, "colour": CANARY}, False),
    }


def _quarantining() -> dict[str, Case]:
    module = "quarantine_pod"
    down = {"host": "http://127.0.0.1:1", "api_key": CANARY, "namespace": "x", "pods": ["a"], "incident": "i"}
    return {
        "quarantine in a cluster of nobody": (module, down, False),
        "quarantine in a cluster of nobody in check mode": (module, down, True),
        "release in a cluster of nobody": (module, {**down, "state": "released"}, False),
        "quarantine of no pod": (module, {**down, "pods": []}, False),
        "quarantine of a name that is none": (module, {**down, "pods": [f"../{CANARY}"]}, False),
        "quarantine with a wrong type": (module, {**down, "max_pods": CANARY}, False),
    }
