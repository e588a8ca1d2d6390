# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of the audit trail, in good and in bad ways, for ``tests/contract``.

Nobody listens at this address, and the secret is such as nobody has.
"""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    login = {"login_host": "127.0.0.1", "login_port": 1, "login_user": "ops", "login_password": CANARY}
    time = {"since": "2026-11-14T00:00:00Z", "until": "2026-11-28T00:00:00+01:00"}
    found: dict[str, Case] = {}
    for module, what in (("audit_scope", "scope"), ("audit_ips", "addresses")):
        down = {**login, **time}
        found |= {
            f"{what} at nobody's": (module, down, False),
            f"{what} at nobody's in check mode": (module, down, True),
            f"{what} without a time": (module, login, False),
            f"{what} without a zone": (module, {**down, "since": "2026-11-14 00:00"}, False),
            f"{what} of a time that ends before it begins": (module, {**down, "until": "2026-01-01T00:00:00Z"}, False),
            f"{what} that trusts everybody": (module, {**down, "trusted_cidrs": ["0.0.0.0/0"]}, False),
            f"{what} with a network that is none": (module, {**down, "trusted_cidrs": [CANARY]}, False),
            f"{what} with a pattern": (module, {**down, "actions": ["%read%"]}, False),
            f"{what} with a number that makes no sense": (module, {**down, "max_items": 0}, False),
            f"{what} with a wrong type": (module, {**down, "baseline_weeks": CANARY}, False),
            f"{what} with an unknown option": (module, {**down, "colour": CANARY}, False),
        }
    scope = {**login, **time}
    writes = {"resource_type": "user", "query": "DELETE FROM users WHERE id::text = ANY(%(ids)s)"}
    return found | {
        "scope with owners that change something": ("audit_scope", {**scope, "owners": [writes]}, False),
        "scope with a file that everybody could replace": (
            "audit_scope",
            {**scope, "affected_file": "/tmp/affected.txt"},  # noqa: S108 - it must be refused
            False,
        ),
        "scope with a file nowhere": ("audit_scope", {**scope, "affected_file": "/nowhere/affected.txt"}, False),
    }
