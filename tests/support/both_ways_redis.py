# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of Redis, in good and in bad ways.

Nobody listens at any of these addresses, and the secrets are such as nobody has.
"""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    down = {"redis_host": "127.0.0.1", "redis_port": 1, "redis_password": CANARY}
    files = {"host": "http://127.0.0.1:1", "api_key": CANARY, "namespace": "x", "name": "redis"}
    return {
        "Redis of nobody": ("redis_info", down, False),
        "Redis of nobody in check mode": ("redis_info", down, True),
        "Redis without an address": ("redis_info", {"redis_password": CANARY}, False),
        "Redis with its secret in a wrong place": ("redis_info", {**down, "redis_host": f"redis://:{CANARY}@a"}, False),
        "write to nobody": ("redis_write_canary", {**down, "incident": "one"}, False),
        "write for no incident, with its secret in a wrong place": (
            "redis_write_canary",
            {**down, "incident": CANARY},
            True,
        ),
        "Redis with an unknown option": ("redis_info", {**down, "colour": CANARY}, False),
        "save of nobody": ("redis_save", down, False),
        "save of nobody in check mode": ("redis_save", down, True),
        "save with a wrong type": ("redis_save", {**down, "wait_s": CANARY}, False),
        "files of nobody": ("redis_persistence", files, False),
        "files of nobody in check mode": ("redis_persistence", {**files, "check": True}, True),
        "files in a folder that is none": ("redis_persistence", {**files, "directory": f"../{CANARY}"}, False),
    }
